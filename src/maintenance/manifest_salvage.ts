/**
 * What manifests that cannot be replayed still tell for certain.
 *
 * Which tables make up the store cannot be known when an edit is missing. But file numbers are never used twice, so a table that a
 * readable edit removed is not needed any more, whatever came afterwards (a move removes and adds in one edit); and a log below a readable
 * log number is in tables. Bringing such files back could bring back what was deleted since.
 *
 * All of that holds for the manifests of one store. The number of a table of another store means another table, so manifests are kept apart
 * by the store that they name. Whose tables these are is told by what is there: the store whose manifests added most of them, with the
 * length that they have. A store of whose tables none is there, while others are, is another one, and its manifests tell nothing.
 */
import { tableFileName } from '../sstable/format.js'
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
  /** Their lengths. */
  readonly addedTables = new Map<number, number>()
  logNumber = 0
  nextFileNumber = 1
  lastSequence = 0

  constructor(storeId: Buffer) {
    this.storeId = storeId
  }

  take(edit: VersionEdit): void {
    const added = new Set(edit.added.map(({ table }) => table.fileNumber))
    for (const { table } of edit.added) this.addedTables.set(table.fileNumber, table.fileBytes)
    for (const { fileNumber } of edit.removed) if (!added.has(fileNumber)) this.removedTables.add(fileNumber)
    this.logNumber = Math.max(this.logNumber, edit.logNumber ?? 0)
    this.nextFileNumber = Math.max(this.nextFileNumber, edit.nextFileNumber ?? 0)
    this.lastSequence = Math.max(this.lastSequence, edit.lastSequence ?? 0)
  }

  /** How many of its tables are there. */
  fit(tables: ReadonlyMap<number, number>): number {
    let count = 0
    for (const [fileNumber, bytes] of this.addedTables) if (tables.get(fileNumber) === bytes) count++
    return count
  }
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
  const tables = yield* tableLengths(vfs, dir, skipUnreadable)
  let best: StoreRemains | undefined
  for (const store of stores.values()) if (best === undefined || store.fit(tables) > best.fit(tables)) best = store
  const isForeign = best !== undefined && tables.size > 0 && best.addedTables.size > 0 && best.fit(tables) === 0
  return best === undefined || isForeign ? NO_REMAINS : best
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

/** The tables that are there and say what they are, and their lengths. */
function* tableLengths(vfs: Vfs, dir: string, skipUnreadable: boolean): Task<Map<number, number>> {
  const tables = new Map<number, number>()
  for (const fileNumber of listNumberedFiles(vfs, dir).tables) {
    const path = joinPath(dir, tableFileName(fileNumber))
    if (vfs.statSync(path)?.isFile !== true) continue
    try {
      tables.set(fileNumber, describeTable(vfs, path, fileNumber).fileBytes)
    } catch (error) {
      expectDamage(error, skipUnreadable)
    }
    yield PAUSE
  }
  return tables
}
