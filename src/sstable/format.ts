/**
 * What all parts of a table file share: names, limits, and the frame around every block.
 *
 * A table (SSTable) is an immutable file of sorted internal entries:
 *
 *   | data block 0 | data block 1 | … | filter block | properties block | index block | footer |
 *   0                                 ^ tailOffset                                             ^ fileBytes
 *
 * Every block stands in a frame, its payload and a trailer of 9 bytes:
 *
 * | byte | size | field |
 * |---|---|---|
 * | 0 | n | payload: the raw block, or its compressed form |
 * | n | 4 | length of the raw block |
 * | n + 4 | 1 | codec: 0 none, 1 snappy, 2 zstd |
 * | n + 5 | 4 | XXH32 of the n + 5 bytes before it, seeded with file number and offset of the frame |
 *
 * Invariants
 * 1. Nothing of a block is looked at before its checksum fits, unless the reader was told not to verify; even then no length is believed
 *    before it is checked, so memory use stays bounded.
 * 2. The seed binds a block to its place: one that was read from, or written to, the wrong place fails its check like a damaged one.
 *
 * `docs/table.md` describes all bytes, with a worked example.
 */
import { readUint32, writeUint32 } from '../codec/bytes.js'
import { checksum32 } from '../codec/checksum.js'
import { CODEC_NONE, codecById, isCodecId } from '../codec/compression.js'
import { KEY_BYTES_MAX, VALUE_BYTES_MAX } from '../codec/internal_key.js'
import { corruption, StoreError } from '../util/errors.js'

/** Version of the table format that this code writes, and the newest that it reads. */
export const TABLE_FORMAT_VERSION = 1

/** Bytes of a frame besides its payload. */
export const BLOCK_TRAILER_BYTES = 9

/** Least and greatest target for the raw bytes of a data block. */
export const BLOCK_SIZE_MIN = 64
export const BLOCK_SIZE_MAX: number = 1024 * 1024

/** No raw data block is longer: it holds one entry of the greatest key and value, with its tables. */
export const RAW_BLOCK_BYTES_MAX: number = VALUE_BYTES_MAX + KEY_BYTES_MAX + 64

/** Name of the table with this number: `000012.sst`. Numbers over 999,999 just get longer. */
export function tableFileName(fileNumber: number): string {
  return `${String(fileNumber).padStart(6, '0')}.sst`
}

/** The checksum seed of the block that stands at `offset` of the table `fileNumber`. */
export function blockSeed(fileNumber: number, offset: number): number {
  const file = Math.imul(fileNumber | 0, 0x9e3779b1) ^ Math.imul((fileNumber / 0x1_0000_0000) | 0, 0x85ebca6b)
  let seed = Math.imul(file ^ (file >>> 16), 0xc2b2ae35)
  seed ^= Math.imul(offset | 0, 0x27d4eb2f) ^ Math.imul((offset / 0x1_0000_0000) | 0, 0x165667b1)
  seed = Math.imul(seed ^ (seed >>> 15), 0x85ebca6b)
  return (seed ^ (seed >>> 13)) >>> 0
}

/** Writes the trailer behind the payload in `target[start, end)`, for which there must be room. Returns the end of the frame. */
export function sealBlock(target: Uint8Array, start: number, end: number, rawLength: number, codec: number, seed: number): number {
  writeUint32(target, end, rawLength)
  target[end + 4] = codec
  writeUint32(target, end + 5, checksum32(target, start, end + 5, seed))
  return end + BLOCK_TRAILER_BYTES
}

/** Which table a block comes from. */
export interface BlockSource {
  readonly path: string
  readonly fileNumber: number
}

/**
 * Checks the frame `frame[start, end)`, which was read at `offset` of its file; returns the length of its raw block.
 *
 * @param rawLengthMax the longest raw block that there can be
 * @throws StoreError `ERR_CORRUPTION`
 */
export function checkFrame(
  source: BlockSource,
  frame: Buffer,
  start: number,
  end: number,
  offset: number,
  rawLengthMax: number,
  verify: boolean,
): number {
  const { path } = source
  const payloadEnd = end - BLOCK_TRAILER_BYTES
  if (payloadEnd < start) throw corruption('a block is shorter than its trailer', path, offset)
  if (verify) {
    const checksum = checksum32(frame, start, end - 4, blockSeed(source.fileNumber, offset))
    if (checksum !== readUint32(frame, end - 4)) throw corruption('a block does not match its checksum', path, offset)
  }
  const rawLength = readUint32(frame, payloadEnd)
  const codecId = frame[payloadEnd + 4]!
  if (rawLength > rawLengthMax) throw corruption(`a block claims ${rawLength} bytes, more than ${rawLengthMax}`, path, offset)
  if (!isCodecId(codecId)) throw corruption(`a block names the unknown codec ${codecId}`, path, offset)
  if (codecId === CODEC_NONE && payloadEnd - start !== rawLength) {
    throw corruption(`a block claims ${rawLength} bytes and has ${payloadEnd - start}`, path, offset)
  }
  return rawLength
}

/**
 * Puts the raw block of a frame that passed `checkFrame` into `target`, which has its length.
 *
 * @throws StoreError `ERR_CORRUPTION`, after which `target` holds anything; `ERR_CODEC_UNAVAILABLE`
 */
export function unpackBlock(source: BlockSource, frame: Buffer, start: number, end: number, offset: number, target: Buffer): void {
  const payloadEnd = end - BLOCK_TRAILER_BYTES
  const codecId = frame[payloadEnd + 4]!
  if (codecId === CODEC_NONE) {
    frame.copy(target, 0, start, payloadEnd)
    return
  }
  const codec = codecById(codecId)
  try {
    codec.decompressInto(frame, start, payloadEnd, target, target.length)
  } catch (cause) {
    throw failureToDecompress(source, offset, cause)
  }
}

/**
 * The raw block in the frame `frame[start, end)`: `checkFrame`, then decompressed into memory of its own. A block that was stored raw comes
 * back as a view of `frame`.
 *
 * @throws StoreError `ERR_CORRUPTION`; `ERR_CODEC_UNAVAILABLE`
 */
export function openBlock(
  source: BlockSource,
  frame: Buffer,
  start: number,
  end: number,
  offset: number,
  rawLengthMax: number,
  verify: boolean,
): Buffer {
  const rawLength = checkFrame(source, frame, start, end, offset, rawLengthMax, verify)
  const payloadEnd = end - BLOCK_TRAILER_BYTES
  const codecId = frame[payloadEnd + 4]!
  if (codecId === CODEC_NONE) return frame.subarray(start, payloadEnd)
  const codec = codecById(codecId)
  try {
    return codec.decompress(frame, start, payloadEnd, rawLength)
  } catch (cause) {
    throw failureToDecompress(source, offset, cause)
  }
}

/** A lack of memory is no damage: a repair that took it for such would throw the block away. */
function failureToDecompress(source: BlockSource, offset: number, cause: unknown): StoreError {
  if (!(cause instanceof RangeError)) return corruption('a block cannot be decompressed', source.path, offset, cause)
  const { message } = cause
  return new StoreError('ERR_CODEC_UNAVAILABLE', `no memory to decompress the block at ${offset} of ${source.path}: ${message}`, { cause })
}
