/**
 * What manifests that cannot be replayed still tell for certain.
 *
 * Which tables make up the store cannot be known when an edit is missing. But file numbers are never used twice, so a table that a
 * readable edit removed is not needed any more, whatever came afterwards (a move removes and adds in one edit); and a log below a readable
 * log number is in tables. Bringing such files back could bring back what was deleted since.
 *
 * All of that holds for the manifests of one store. The number of a table of another store means another table, so manifests are kept apart
 * by the store that they name. Whose tables these are is told by what is there: the store whose manifests added most of them, with the
 * length that they have, be they damaged or not. A manifest is of another store only when tables contradict it and none fits it:
 *
 * - A table that can be read has another length or other bounds than the one that was added with this number.
 * - None of its tables is there, and there is one that it should know of by its number.
 *
 * Manifests of another store tell nothing.
 */
import { compareBytes } from '../codec/bytes.js'
import { tableFileName } from '../sstable/format.js'
import type { TableMeta } from '../sstable/table_meta.js'
import type { ManifestHeader } from '../version/manifest_format.js'
import { MANIFEST_HEADER_BYTES, manifestSalt, readManifestHeader } from '../version/manifest_format.js'
import { listNumberedFiles } from '../version/directory.js'
import { manifestFileName } from '../version/file_names.js'
import { decodeEdit, type VersionEdit } from '../version/version_edit.js'
import { StoreError } from '../util/errors.js'
import { PAUSE, type Task } from '../util/task.js'
import { closeQuietly, joinPath, readFullySync } from '../vfs/io.js'
import type { Vfs, VfsFile } from '../vfs/vfs.js'
import { RecordReader } from '../wal/record_reader.js'
import { expectDamage } from './damage.js'
import { describeTable } from './verify.js'

/** What is known of files without a whole manifest. */
export interface ManifestRemains {
  /** The store; `undefined` when no manifest tells. */
  readonly storeId: Buffer | undefined
  readonly removedTables: ReadonlySet<number>
  /** Logs below are in tables. */
  readonly logNumber: number
  readonly nextFileNumber: number
  readonly lastSequence: number
}

/** When no manifest tells anything. */
export const NO_REMAINS: ManifestRemains = {
  storeId: undefined,
  removedTables: new Set(),
  logNumber: 0,
  nextFileNumber: 1,
  lastSequence: 0,
}

/** What the manifests of one store tell. */
class StoreRemains implements ManifestRemains {
  readonly storeId: Buffer
  readonly removedTables = new Set<number>()
  readonly addedTables = new Map<number, TableMeta>()
  logNumber = 0
  nextFileNumber = 1
  lastSequence = 0

  constructor(storeId: Buffer) {
    this.storeId = storeId
  }

  take(edit: VersionEdit): void {
    const added = new Set(edit.added.map(({ table }) => table.fileNumber))
    for (const { table } of edit.added) this.addedTables.set(table.fileNumber, table)
    for (const { fileNumber } of edit.removed) if (!added.has(fileNumber)) this.removedTables.add(fileNumber)
    this.logNumber = Math.max(this.logNumber, edit.logNumber ?? 0)
    this.nextFileNumber = Math.max(this.nextFileNumber, edit.nextFileNumber ?? 0)
    this.lastSequence = Math.max(this.lastSequence, edit.lastSequence ?? 0)
  }

  /** How many of its tables are there. */
  fit(tables: PresentTables): number {
    let count = 0
    for (const table of this.addedTables.values()) {
      const present = tables.get(table.fileNumber)
      if (present?.bytes === table.fileBytes && !isContradicted(table, present)) count++
    }
    return count
  }

  /** Whether what is there is of another store: see above. */
  isForeign(tables: PresentTables): boolean {
    if (this.addedTables.size === 0 || this.fit(tables) > 0) return false
    const added = [...this.addedTables.values()]
    if (added.some((table) => isContradicted(table, tables.get(table.fileNumber)))) return true
    const known = [...tables].some(([fileNumber, { meta }]) => meta !== undefined && fileNumber < this.nextFileNumber)
    return known && added.every(({ fileNumber }) => !tables.has(fileNumber))
  }

  /** Forgets that tables were removed of which something else is there. */
  forgetContradicted(tables: PresentTables): void {
    for (const [fileNumber, table] of this.addedTables) {
      if (isContradicted(table, tables.get(fileNumber))) this.removedTables.delete(fileNumber)
    }
  }
}

/** A table that is there: its length, and what it says of itself when that can be read. */
interface PresentTable {
  readonly bytes: number
  readonly meta: TableMeta | undefined
}

type PresentTables = ReadonlyMap<number, PresentTable>

/** Whether a table that can be read is another one than was added with its number. */
function isContradicted(added: TableMeta, present: PresentTable | undefined): boolean {
  if (present?.meta === undefined) return false
  const { fileBytes, smallestKey, largestKey } = present.meta
  return fileBytes !== added.fileBytes || !isEqual(smallestKey, added.smallestKey) || !isEqual(largestKey, added.largestKey)
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return compareBytes(a, 0, a.length, b, 0, b.length) === 0
}

/** Reads what can be read of manifests. `numbers` are in the order of their word's weight, where nothing else decides. */
export function* salvageManifests(vfs: Vfs, dir: string, numbers: readonly number[], skipUnreadable: boolean): Task<ManifestRemains> {
  const stores = new Map<string, StoreRemains>()
  for (const manifestNumber of numbers) {
    const file = vfs.openSync(joinPath(dir, manifestFileName(manifestNumber)), 'read')
    try {
      yield* salvageManifest(file, manifestNumber, stores)
    } catch (error) {
      // What a newer version wrote is refused before, unless this is a manifest that is not in force.
      if (!(error instanceof StoreError && error.code === 'ERR_FORMAT_VERSION')) expectDamage(error, skipUnreadable)
    } finally {
      closeQuietly(file)
    }
  }
  const tables = yield* presentTables(vfs, dir, skipUnreadable)
  let best: StoreRemains | undefined
  for (const store of stores.values()) if (best === undefined || store.fit(tables) > best.fit(tables)) best = store
  if (best === undefined || best.isForeign(tables)) return NO_REMAINS
  best.forgetContradicted(tables)
  return best
}

function* salvageManifest(file: VfsFile, manifestNumber: number, stores: Map<string, StoreRemains>): Task<void> {
  const header = readHeader(file)
  if (header === undefined || header.manifestNumber !== manifestNumber) return
  const id = header.storeId.toString('latin1')
  let remains = stores.get(id)
  if (remains === undefined) stores.set(id, (remains = new StoreRemains(header.storeId)))
  const source = { file, fileNumber: manifestNumber, salt: manifestSalt(header.storeId), payloadBytesMin: 0 }
  const reader = new RecordReader(source, MANIFEST_HEADER_BYTES)
  for (;;) {
    while (yield* reader.next()) {
      if (reader.payloadStart === reader.payloadEnd) continue
      remains.take(decodeEdit(reader.buffer, reader.payloadStart, reader.payloadEnd, file.path, reader.recordStart))
    }
    if (!(yield* reader.seekValid(reader.position, () => true))) return
  }
}

function readHeader(file: VfsFile): ManifestHeader | undefined {
  const bytes = Buffer.alloc(MANIFEST_HEADER_BYTES)
  return readFullySync(file, bytes, 0, MANIFEST_HEADER_BYTES, 0) === MANIFEST_HEADER_BYTES ? readManifestHeader(bytes) : undefined
}

function* presentTables(vfs: Vfs, dir: string, skipUnreadable: boolean): Task<PresentTables> {
  const tables = new Map<number, PresentTable>()
  for (const fileNumber of listNumberedFiles(vfs, dir).tables) {
    const path = joinPath(dir, tableFileName(fileNumber))
    const stat = vfs.statSync(path)
    if (stat?.isFile !== true) continue
    let meta: TableMeta | undefined
    try {
      meta = describeTable(vfs, path, fileNumber)
    } catch (error) {
      expectDamage(error, skipUnreadable)
    }
    tables.set(fileNumber, { bytes: stat.sizeBytes, meta })
    yield PAUSE
  }
  return tables
}
