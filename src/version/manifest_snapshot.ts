/**
 * What a manifest begins with: its header, a snapshot of everything in one edit, and the mark of a clean close if that still holds.
 */
import { RECORD_HEADER_BYTES, sealRecord } from '../wal/format.js'
import { MANIFEST_HEADER_BYTES, manifestSalt, writeManifestHeader } from './manifest_format.js'
import type { ManifestState } from './manifest_reader.js'
import type { Version } from './version.js'
import { encodeEdit } from './version_edit.js'

/** Encodes the beginning of the manifest with this number. It claims nothing to be durable. */
export function encodeSnapshot(
  manifestNumber: number,
  storeId: Buffer,
  version: Version,
  state: ManifestState,
  closedSequence: number | undefined,
): Buffer {
  const { logNumber, nextFileNumber, lastSequence, compactPointers } = state
  const edit = {
    logNumber,
    nextFileNumber,
    lastSequence,
    added: version.levels.flatMap((tables, level) => tables.map((table) => ({ level, table }))),
    removed: [],
    compactPointers: compactPointers.flatMap((key, level) => (key === undefined ? [] : [{ level, key }])),
  }
  const salt = manifestSalt(storeId)
  const content = encodeEdit(edit, MANIFEST_HEADER_BYTES + RECORD_HEADER_BYTES)
  writeManifestHeader(content, manifestNumber, storeId)
  sealRecord(content, MANIFEST_HEADER_BYTES, content.length, manifestNumber, MANIFEST_HEADER_BYTES, 0, salt)
  if (closedSequence === undefined) return content
  const mark = encodeEdit({ added: [], removed: [], closedSequence }, RECORD_HEADER_BYTES)
  sealRecord(mark, 0, mark.length, manifestNumber, content.length, 0, salt)
  return Buffer.concat([content, mark])
}
