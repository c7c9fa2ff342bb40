/**
 * Internal entries: what the engine stores for each write.
 *
 * An internal key is the user key, a sequence number and a kind. Sorted runs (memtable, SSTable, merged views) hold entries ordered by
 *
 *   1. user key, ascending, as unsigned bytes
 *   2. sequence number, descending: the newest version of a key comes first
 *
 * Sequence numbers are unique in a store, so the kind never decides. In files, sequence and kind take 8 bytes, the *trailer*:
 *
 * | byte | size | field |
 * |---|---|---|
 * | 0 | 1 | kind |
 * | 1 | 7 | sequence number, little endian |
 *
 * The format leaves 56 bits for sequence numbers; this implementation uses 53 of them, which JavaScript numbers hold exactly: at a million
 * writes a second they last 285 years.
 */

/**
 * Kinds of entries. The numbers are on disk: DO NOT CHANGE, only add.
 * 2 (range delete), 3 (merge), 4 (blob reference) and 5 (put that expires) are reserved.
 */
export const KIND_DELETE = 0
export const KIND_PUT = 1

/** Greatest kind that this version can read. */
export const KIND_MAX = KIND_PUT

/** Greatest sequence number: 2^53 - 1. Reading at it sees everything. */
export const SEQUENCE_MAX: number = Number.MAX_SAFE_INTEGER

/** Bytes of a trailer. */
export const TRAILER_BYTES = 8

/** Longest user key in bytes. */
export const KEY_BYTES_MAX = 65_535

/** Longest encoded value in bytes, its tag included: 64 MiB. */
export const VALUE_BYTES_MAX: number = 64 * 1024 * 1024

/** Writes a trailer at `offset`. */
export function writeTrailer(target: Uint8Array, offset: number, sequence: number, kind: number): void {
  const low = sequence >>> 0
  const high = (sequence - low) / 0x1_0000_0000
  target[offset] = kind
  target[offset + 1] = low
  target[offset + 2] = low >>> 8
  target[offset + 3] = low >>> 16
  target[offset + 4] = low >>> 24
  target[offset + 5] = high
  target[offset + 6] = high >>> 8
  target[offset + 7] = high >>> 16
}

/** The sequence number of the trailer at `offset`. */
export function readTrailerSequence(source: Uint8Array, offset: number): number {
  const low = source[offset + 1]! | (source[offset + 2]! << 8) | (source[offset + 3]! << 16) | (source[offset + 4]! << 24)
  const high = source[offset + 5]! | (source[offset + 6]! << 8) | (source[offset + 7]! << 16)
  return high * 0x1_0000_0000 + (low >>> 0)
}
