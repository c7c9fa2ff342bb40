/**
 * What a manifest that cannot be replayed still tells for certain.
 *
 * Which tables make up the store cannot be known when an edit is missing. But file numbers are never used twice, so a table that a
 * readable edit removed is not needed any more, whatever came afterwards (a move removes and adds in one edit); and a log below a readable
 * log number is in tables. Bringing such files back could bring back what was deleted since.
 */
import type { ManifestHeader } from '../version/manifest_format.js'
import { MANIFEST_HEADER_BYTES, manifestSalt, readManifestHeader } from '../version/manifest_format.js'
import { manifestFileName } from '../version/file_names.js'
import { decodeEdit, type VersionEdit } from '../version/version_edit.js'
import { StoreError } from '../util/errors.js'
import type { Task } from '../util/task.js'
import { closeQuietly, joinPath, readFullySync } from '../vfs/io.js'
import type { Vfs, VfsFile } from '../vfs/vfs.js'
import { RecordReader } from '../wal/record_reader.js'

/** What is known of files without a whole manifest. */
export interface ManifestRemains {
  storeId: Buffer | undefined
  readonly removedTables: Set<number>
  /** Logs below are in tables. */
  logNumber: number
  nextFileNumber: number
  lastSequence: number
}

/** Reads what can be read of manifests. */
export function* salvageManifests(vfs: Vfs, dir: string, manifestNumbers: readonly number[]): Task<ManifestRemains> {
  const remains = { storeId: undefined, removedTables: new Set<number>(), logNumber: 0, nextFileNumber: 1, lastSequence: 0 }
  for (const manifestNumber of manifestNumbers) {
    const file = vfs.openSync(joinPath(dir, manifestFileName(manifestNumber)), 'read')
    try {
      yield* salvageManifest(file, manifestNumber, remains)
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
    } finally {
      closeQuietly(file)
    }
  }
  return remains
}

function* salvageManifest(file: VfsFile, manifestNumber: number, remains: ManifestRemains): Task<void> {
  const header = readHeader(file)
  if (header === undefined || header.manifestNumber !== manifestNumber) return
  remains.storeId = header.storeId
  const source = { file, fileNumber: manifestNumber, salt: manifestSalt(header.storeId), payloadBytesMin: 0 }
  const reader = new RecordReader(source, MANIFEST_HEADER_BYTES)
  for (;;) {
    while (yield* reader.next()) {
      if (reader.payloadStart === reader.payloadEnd) continue
      takeEdit(decodeEdit(reader.buffer, reader.payloadStart, reader.payloadEnd, file.path, reader.recordStart), remains)
    }
    if (!(yield* reader.seekValid(reader.position, () => true))) return
  }
}

function readHeader(file: VfsFile): ManifestHeader | undefined {
  const bytes = Buffer.alloc(MANIFEST_HEADER_BYTES)
  return readFullySync(file, bytes, 0, MANIFEST_HEADER_BYTES, 0) === MANIFEST_HEADER_BYTES ? readManifestHeader(bytes) : undefined
}

function takeEdit(edit: VersionEdit, remains: ManifestRemains): void {
  const moved = new Set(edit.added.map(({ table }) => table.fileNumber))
  for (const { fileNumber } of edit.removed) if (!moved.has(fileNumber)) remains.removedTables.add(fileNumber)
  remains.logNumber = Math.max(remains.logNumber, edit.logNumber ?? 0)
  remains.nextFileNumber = Math.max(remains.nextFileNumber, edit.nextFileNumber ?? 0)
  remains.lastSequence = Math.max(remains.lastSequence, edit.lastSequence ?? 0)
}
