/**
 * Replays a manifest: from its snapshot, edit by edit, to the state and the version they make.
 *
 * Records are framed as in a log, and where they end is judged in the same way (`wal/record_reader.ts`): an invalid record below a claim is
 * damage, any other one is the torn end of an edit that a crash cut short. A header or snapshot that cannot be read is always damage,
 * because both were durable before `CURRENT` named the manifest.
 *
 * A mark of a clean close counts only while no edit follows it: what came after the close may have made it obsolete.
 */
import type { TableMeta } from '../sstable/table_meta.js'
import { corruption, StoreError } from '../util/errors.js'
import type { Task } from '../util/task.js'
import { readFullySync } from '../vfs/io.js'
import type { VfsFile } from '../vfs/vfs.js'
import { RecordReader } from '../wal/record_reader.js'
import { MANIFEST_FORMAT_VERSION, MANIFEST_HEADER_BYTES, type ManifestHeader, manifestSalt, readManifestHeader } from './manifest_format.js'
import { LEVEL_COUNT, Version } from './version.js'
import { decodeEdit, type VersionEdit } from './version_edit.js'

/** What the manifest knows beside the tables. */
export interface ManifestState {
  /** The oldest log that is needed; 0 before the first flush. */
  readonly logNumber: number
  /** Greater than every file number used so far. */
  readonly nextFileNumber: number
  /** The greatest sequence in tables: the log `logNumber` goes on with the next one. */
  readonly lastSequence: number
  /** Where the last compaction of each of the seven levels ended. */
  readonly compactPointers: readonly (Uint8Array | undefined)[]
}

/** The state of a new store. */
export const INITIAL_STATE: ManifestState = {
  logNumber: 0,
  nextFileNumber: 1,
  lastSequence: 0,
  compactPointers: Array.from({ length: LEVEL_COUNT }, () => undefined),
}

/** What a manifest file holds. */
export interface ManifestContent {
  readonly storeId: Buffer
  readonly version: Version
  readonly state: ManifestState
  /** Edits, the snapshot included. */
  readonly edits: number
  /** End of the last valid record. */
  readonly validBytes: number
  /** Bytes of a torn tail. */
  readonly tornBytes: number
  /** Greatest synced offset that a record claims. */
  readonly syncedOffset: number
  /** When the last edit is followed by a mark of a clean close: everything up to this sequence was durable in tables and logs. */
  readonly closedSequence: number | undefined
  /** Whether every edit lies below a claim: it is durable, and so is the `CURRENT` that names this file. */
  readonly isSealed: boolean
}

/** The state after an edit. */
export function nextState(state: ManifestState, edit: VersionEdit): ManifestState {
  const compactPointers = [...state.compactPointers]
  for (const { level, key } of edit.compactPointers ?? []) compactPointers[level] = key
  let nextFileNumber = Math.max(state.nextFileNumber, edit.nextFileNumber ?? 0)
  for (const { table } of edit.added) nextFileNumber = Math.max(nextFileNumber, table.fileNumber + 1)
  return {
    logNumber: edit.logNumber ?? state.logNumber,
    nextFileNumber,
    lastSequence: edit.lastSequence ?? state.lastSequence,
    compactPointers,
  }
}

/** Reads the manifest in an open file. */
export function* readManifest(file: VfsFile, manifestNumber: number): Task<ManifestContent> {
  const { storeId } = readHeader(file, manifestNumber)
  const source = { file, fileNumber: manifestNumber, salt: manifestSalt(storeId), payloadBytesMin: 0 }
  const reader = new RecordReader(source, MANIFEST_HEADER_BYTES)
  const tables = new TableSet(file.path)
  let state = INITIAL_STATE
  let edits = 0
  let editsEnd = 0
  let closedSequence: number | undefined
  while (yield* reader.next()) {
    if (reader.payloadStart === reader.payloadEnd) continue
    const edit = decodeEdit(reader.buffer, reader.payloadStart, reader.payloadEnd, file.path, reader.recordStart)
    closedSequence = edit.closedSequence
    if (closedSequence !== undefined) continue
    tables.apply(edit, reader.recordStart)
    state = nextState(state, edit)
    edits++
    editsEnd = reader.position
  }
  const end = reader.position >= reader.fileBytes ? 'complete' : yield* reader.assess(() => true)
  if (end === 'damaged') throw corruption('a record of the manifest is damaged', file.path, reader.position)
  if (edits === 0) throw corruption('the manifest has no snapshot', file.path, MANIFEST_HEADER_BYTES)
  return {
    storeId,
    version: tables.version(),
    state,
    edits,
    validBytes: reader.position,
    tornBytes: end === 'torn' ? Math.max(reader.tornBytes, 1) : 0,
    syncedOffset: reader.syncedOffset,
    closedSequence,
    isSealed: reader.syncedOffset >= editsEnd,
  }
}

function readHeader(file: VfsFile, manifestNumber: number): ManifestHeader {
  const bytes = Buffer.alloc(MANIFEST_HEADER_BYTES)
  const length = readFullySync(file, bytes, 0, MANIFEST_HEADER_BYTES, 0)
  const header = length < MANIFEST_HEADER_BYTES ? undefined : readManifestHeader(bytes)
  if (header === undefined) throw corruption('the header of the manifest is damaged', file.path, 0)
  if (header.formatVersion > MANIFEST_FORMAT_VERSION) {
    const versions = `manifest format ${header.formatVersion}, newer than ${MANIFEST_FORMAT_VERSION}`
    const message = `${file.path} has ${versions}: open it with a newer version of this library`
    throw new StoreError('ERR_FORMAT_VERSION', message, { path: file.path, offset: 8 })
  }
  if (header.formatVersion < 1 || header.manifestNumber !== manifestNumber) {
    throw corruption('this is the header of another manifest', file.path, 0)
  }
  return header
}

/** The tables that edits add up to. Building one version at the end, not one per edit, keeps replay linear. */
class TableSet {
  readonly #path: string
  /** Level of each table. */
  readonly #levels = new Map<number, number>()
  readonly #tables = new Map<number, TableMeta>()

  constructor(path: string) {
    this.#path = path
  }

  apply(edit: VersionEdit, offset: number): void {
    for (const { level, fileNumber } of edit.removed) {
      if (this.#levels.get(fileNumber) !== level) throw corruption('an edit removes a table that is not there', this.#path, offset)
      this.#levels.delete(fileNumber)
      this.#tables.delete(fileNumber)
    }
    for (const { level, table } of edit.added) {
      if (this.#levels.has(table.fileNumber)) throw corruption('an edit adds a table that is there', this.#path, offset)
      this.#levels.set(table.fileNumber, level)
      this.#tables.set(table.fileNumber, table)
    }
  }

  version(): Version {
    const levels: TableMeta[][] = Array.from({ length: LEVEL_COUNT }, () => [])
    for (const [fileNumber, level] of this.#levels) levels[level]!.push(this.#tables.get(fileNumber)!)
    try {
      return Version.of(levels)
    } catch (error) {
      throw corruption('the tables of the manifest contradict each other', this.#path, undefined, error)
    }
  }
}
