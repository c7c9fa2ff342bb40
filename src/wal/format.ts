/**
 * The bytes of a write-ahead log. `docs/log.md` has the same tables, a worked example, and the reasons.
 *
 * A log is a file header and then records without gaps. A record is one commit group: one or more whole batches under one checksum, so
 * that a batch is kept whole or not at all.
 *
 * | byte | size | file header |
 * |---|---|---|
 * | 0 | 8 | magic, `VARVELOG` |
 * | 8 | 4 | format version, 1 |
 * | 12 | 4 | zero |
 * | 16 | 8 | log number |
 * | 24 | 4 | zero |
 * | 28 | 4 | checksum of bytes 0 to 27, seed 0 |
 *
 * | byte | size | record |
 * |---|---|---|
 * | 0 | 4 | checksum of everything after it; its seed is made of file number, offset of the record in the file, and salt |
 * | 4 | 4 | payload length, at most 256 MiB |
 * | 8 | 4 | log number, low 32 bits |
 * | 12 | 6 | synced offset: bytes of this log known to be durable when the record was written |
 * | 18 | 1 | flags, 0 |
 * | 19 | 1 | zero |
 * | 20 | | payload |
 *
 * | byte | size | payload |
 * |---|---|---|
 * | 0 | 8 | base sequence: that of the first operation; the others follow it one by one |
 * | 8 | 4 | operation count; 0 in a seal, whose base sequence is the one the next operation would take |
 * | 12 | | operations: kind (1), key length (varint), key, and for puts value length (varint), value |
 *
 * Invariants
 * 1. The seed ties a record to its file and place: stale bytes of a recycled file, a copied log and a page written to the wrong place
 *    do not pass for records.
 * 2. A record's synced offset is at most its own offset, and what lies below it was synced before the record was written. From this follows
 *    how a torn tail is told from damage: `record_reader.ts`.
 * 3. All zeroes are no record: a log may end with zeroes that were written ahead.
 *
 * The manifest frames its records in the same way (`version/manifest.ts`). Synced offset and log number in each record are Pebble's
 * invention (`record/record.go`).
 */
import { readUint32, readUint53, writeUint32, writeUint48, writeUint53 } from '../codec/bytes.js'
import { checksum32 } from '../codec/checksum.js'
import { assert } from '../util/assert.js'

/** Bytes of a log's file header. */
export const LOG_HEADER_BYTES = 32

/** Newest format of logs that this version reads, and the one it writes. */
export const LOG_FORMAT_VERSION = 1

/** Bytes of a record before its payload. */
export const RECORD_HEADER_BYTES = 20

/** Bytes of a payload before its operations. */
export const PAYLOAD_PREFIX_BYTES = 12

/** Longest payload: 256 MiB. */
export const PAYLOAD_BYTES_MAX: number = 256 * 1024 * 1024

/** Longest record, its header included. */
export const RECORD_BYTES_MAX: number = RECORD_HEADER_BYTES + PAYLOAD_BYTES_MAX

/** Bytes of a seal: a record without operations. */
export const SEAL_BYTES: number = RECORD_HEADER_BYTES + PAYLOAD_PREFIX_BYTES

/** Offset of the log number in a record. */
export const RECORD_NUMBER_OFFSET = 8

const MAGIC = Buffer.from('VARVELOG', 'latin1')
const CHECKSUM_OFFSET = LOG_HEADER_BYTES - 4

/** The file name of a log: `000012.log`. */
export function logFileName(logNumber: number): string {
  return `${String(logNumber).padStart(6, '0')}.log`
}

/** Writes a log's file header at the start of `target`. */
export function writeLogHeader(target: Buffer, logNumber: number): void {
  target.fill(0, 0, LOG_HEADER_BYTES)
  MAGIC.copy(target, 0)
  writeUint32(target, 8, LOG_FORMAT_VERSION)
  writeUint53(target, 16, logNumber)
  writeUint32(target, CHECKSUM_OFFSET, checksum32(target, 0, CHECKSUM_OFFSET, 0))
}

/** What a file header says; `undefined` when it is not one. */
export interface LogHeader {
  readonly formatVersion: number
  readonly logNumber: number
}

/** Reads the file header at the start of `source`; `undefined` when its magic or checksum is wrong. */
export function readLogHeader(source: Buffer): LogHeader | undefined {
  if (source.length < LOG_HEADER_BYTES || source.compare(MAGIC, 0, MAGIC.length, 0, MAGIC.length) !== 0) return undefined
  if (readUint32(source, CHECKSUM_OFFSET) !== checksum32(source, 0, CHECKSUM_OFFSET, 0)) return undefined
  return { formatVersion: readUint32(source, 8), logNumber: readUint53(source, 16) }
}

/** The seed of the checksum of the record at `offset` of the file with this number. */
export function recordSeed(fileNumber: number, offset: number, salt: number): number {
  let hash = mix(mix(salt) ^ fileNumber)
  hash = mix(hash ^ Math.floor(fileNumber / 0x1_0000_0000))
  hash = mix(hash ^ offset)
  return mix(hash ^ Math.floor(offset / 0x1_0000_0000))
}

/** MurmurHash3's finalizer with a constant added, so that zero does not stay zero. */
function mix(value: number): number {
  let hash = (value + 0x9e3779b9) | 0
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}

/**
 * Fills the record header that was left free at `start`; the payload goes from `start + RECORD_HEADER_BYTES` to `end`.
 *
 * @param offsetInLog where in its file the record will lie.
 * @param syncedOffset bytes of the file known to be durable.
 * @param salt tells files of equal number apart, where there is something that does.
 */
export function sealRecord(
  buffer: Buffer,
  start: number,
  end: number,
  logNumber: number,
  offsetInLog: number,
  syncedOffset: number,
  salt = 0,
): void {
  const payloadBytes = end - start - RECORD_HEADER_BYTES
  assert(payloadBytes >= 0 && payloadBytes <= PAYLOAD_BYTES_MAX, 'a record payload has 0 bytes to 256 MiB')
  assert(syncedOffset <= offsetInLog, 'a record cannot know of synced bytes after itself')
  writeUint32(buffer, start + 4, payloadBytes)
  writeUint32(buffer, start + RECORD_NUMBER_OFFSET, logNumber)
  writeUint48(buffer, start + 12, syncedOffset)
  buffer[start + 18] = 0
  buffer[start + 19] = 0
  writeUint32(buffer, start, checksum32(buffer, start + 4, end, recordSeed(logNumber, offsetInLog, salt)))
}

/** Whether the record at `buffer[start, end)` passes its checksum. */
export function isRecordIntact(buffer: Buffer, start: number, end: number, fileNumber: number, offset: number, salt: number): boolean {
  return readUint32(buffer, start) === checksum32(buffer, start + 4, end, recordSeed(fileNumber, offset, salt))
}

/** Writes what precedes the operations of a payload, at `offset`. */
export function writePayloadPrefix(buffer: Buffer, offset: number, baseSequence: number, operationCount: number): void {
  writeUint53(buffer, offset, baseSequence)
  writeUint32(buffer, offset + 8, operationCount)
}
