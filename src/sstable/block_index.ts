/**
 * The sparse index: one entry per data block, which tells the block that can hold a key without reading any other.
 *
 * | byte | size | field |
 * |---|---|---|
 * | 0 | 4 | number of data blocks, n |
 * | 4 | 2 | length of the prefix that all separators share, p |
 * | 6 | p | that prefix |
 * | then n times | | |
 * | … | 1 to 5 | length of the block's frame (varint) |
 * | … | 1 to 3 | 2 · length of the rest of the separator, plus 1 if a sequence follows (varint) |
 * | … | | rest of the separator |
 * | … | 0 or 8 | sequence |
 *
 * Frames stand one after the other from byte 0 of the file, so their lengths tell their offsets.
 *
 * A separator is an internal key: block i holds the entries after separator i-1, up to and with separator i, in the order of internal
 * keys. Between two blocks that part different user keys it is a shortest key of that kind, with sequence 0, behind all versions of that
 * key. When the versions of one key straddle two blocks nothing fits between them but the last entry of the first block itself: that key
 * and its sequence. The last separator is the last key of the table. So for any (key, sequence) the first block whose separator is not
 * before it is the only one that can hold the key's newest version at that sequence: a point lookup reads one block, however many
 * versions a key has.
 *
 * In memory there are flat arrays. The search compares the first four bytes after the shared prefix as integers, without branches, and
 * looks at whole separators only among equal ones.
 */
import { compareBytes, readUint16, readUint32, readUint53, writeUint16, writeUint32, writeUint53 } from '../codec/bytes.js'
import { KEY_BYTES_MAX } from '../codec/internal_key.js'
import { VARINT_BYTES_MAX, readVarint, varintEnd, writeVarint } from '../codec/varint.js'
import { corruption } from '../util/errors.js'
import { BLOCK_TRAILER_BYTES } from './format.js'

const HEADER_BYTES = 6
const ROWS_BYTES_MIN = 4096
const NOTHING = Buffer.alloc(0)

/** Collects the index of a table that is being written. */
export class BlockIndexBuilder {
  /** Rows with whole separators; the shared prefix is known only at the end. */
  private rows: Buffer = Buffer.allocUnsafeSlow(ROWS_BYTES_MIN)
  /** Where the last payload was made. */
  private payload: Buffer = NOTHING
  private end = 0
  private count = 0
  private prefix: Uint8Array | undefined = undefined
  private prefixLength = 0

  /** Bytes in memory, and about as many as the index will take in the file. */
  get usedBytes(): number {
    return this.end
  }

  get blockCount(): number {
    return this.count
  }

  /**
   * Adds the next block.
   * @param sequence 0, or that of the block's last entry when `separator` is its key and goes on in the next block
   */
  add(separator: Uint8Array, sequence: number, frameLength: number): void {
    this.reserve(separator.length + 2 * VARINT_BYTES_MAX + 8)
    let end = writeVarint(this.rows, this.end, frameLength)
    end = writeVarint(this.rows, end, 2 * separator.length + (sequence === 0 ? 0 : 1))
    this.rows.set(separator, end)
    end += separator.length
    if (sequence !== 0) {
      writeUint53(this.rows, end, sequence)
      end += 8
    }
    this.end = end
    this.count++
    this.narrowPrefix(separator)
  }

  /** Begins another index; memory of more than `keptBytesMax` is let go. */
  clear(keptBytesMax: number): void {
    this.end = 0
    this.count = 0
    this.prefix = undefined
    this.prefixLength = 0
    if (this.rows.length > keptBytesMax) this.rows = Buffer.allocUnsafeSlow(ROWS_BYTES_MIN)
    if (this.payload.length > keptBytesMax) this.payload = NOTHING
  }

  /** The block's payload, borrowed until the next one is made. */
  finish(): Buffer {
    const payloadBytesMax = HEADER_BYTES + this.prefixLength + this.end
    if (payloadBytesMax > this.payload.length) this.payload = Buffer.allocUnsafeSlow(payloadBytesMax + (payloadBytesMax >>> 3))
    const target = this.payload
    writeUint32(target, 0, this.count)
    writeUint16(target, 4, this.prefixLength)
    if (this.prefix !== undefined) target.set(this.prefix.subarray(0, this.prefixLength), HEADER_BYTES)
    let to = HEADER_BYTES + this.prefixLength
    let from = 0
    while (from < this.end) {
      to = writeVarint(target, to, readVarint(this.rows, from, this.end))
      const lengthAndFlag = readVarint(this.rows, varintEnd, this.end)
      const start = varintEnd + this.prefixLength
      from = varintEnd + (lengthAndFlag >>> 1) + (lengthAndFlag & 1) * 8
      to = writeVarint(target, to, lengthAndFlag - 2 * this.prefixLength)
      to += this.rows.copy(target, to, start, from)
    }
    return target.subarray(0, to)
  }

  private narrowPrefix(separator: Uint8Array): void {
    if (this.prefix === undefined) {
      // Not `slice`, which on a Buffer gives a view: the separator may lie in the block builder's memory.
      this.prefix = new Uint8Array(separator)
      this.prefixLength = separator.length
      return
    }
    const limit = Math.min(this.prefixLength, separator.length)
    let shared = 0
    while (shared < limit && this.prefix[shared] === separator[shared]) shared++
    this.prefixLength = shared
  }

  private reserve(bytes: number): void {
    if (this.end + bytes <= this.rows.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(2 * this.rows.length, this.end + bytes))
    this.rows.copy(grown, 0, 0, this.end)
    this.rows = grown
  }
}

/** The index of an open table. */
export class BlockIndex {
  /** Number of data blocks. */
  readonly count: number
  /** Where the frame of block i starts; `offsets[count]` is where the last one ends. */
  readonly offsets: Float64Array
  /** Holds prefix and separators. */
  private readonly bytes: Buffer
  private readonly prefixStart: number
  private readonly prefixLength: number
  private readonly separatorStarts: Uint32Array
  private readonly separatorEnds: Uint32Array
  /** Upper 31 of the first 32 bits after the prefix. 31, because then a difference fits a signed 32-bit integer. */
  private readonly abbreviations: Int32Array
  /** Sequences of the separators; `undefined` while all are 0. */
  private sequences: Float64Array | undefined = undefined

  /**
   * Reads a payload that stands at `fileOffset` of the file `path`; its bytes are kept, not copied.
   *
   * @param dataBytes bytes of all data blocks' frames together
   * @throws StoreError `ERR_CORRUPTION`
   */
  constructor(payload: Buffer, dataBytes: number, path: string, fileOffset: number) {
    const damaged = (problem: string): Error => corruption(`the index ${problem}`, path, fileOffset)
    if (payload.length < HEADER_BYTES) throw damaged('is too short')
    const count = readUint32(payload, 0)
    const prefixLength = readUint16(payload, 4)
    let at = HEADER_BYTES + prefixLength
    if (count === 0 || at + 2 * count > payload.length) throw damaged('has an impossible number of entries')
    this.count = count
    this.bytes = payload
    this.prefixStart = HEADER_BYTES
    this.prefixLength = prefixLength
    const offsets = (this.offsets = new Float64Array(count + 1))
    const starts = (this.separatorStarts = new Uint32Array(count))
    const ends = (this.separatorEnds = new Uint32Array(count))
    const abbreviations = (this.abbreviations = new Int32Array(count))
    let offset = 0
    let before = -1
    for (let i = 0; i < count; i++) {
      const first = payload[at]!
      const second = payload[at + 1]!
      let frameLength = (first & 0x7f) | (second << 7)
      let lengthAndFlag = payload[at + 2]!
      let start = at + 3
      // A frame of 128 to 16,383 bytes and a separator of less than 64 are the rule. A call of `readVarint` for each number would take
      // most of the time in which a young process opens a table, and does so with code that is not compiled yet.
      if (!(first >= 0x80 && second < 0x80 && lengthAndFlag < 0x80)) {
        frameLength = readVarint(payload, at, payload.length)
        lengthAndFlag = frameLength < 0 ? -1 : readVarint(payload, varintEnd, payload.length)
        if (lengthAndFlag < 0) throw damaged('ends within an entry')
        start = varintEnd
      }
      const end = start + (lengthAndFlag >>> 1)
      at = end + (lengthAndFlag & 1) * 8
      if (at > payload.length || frameLength <= BLOCK_TRAILER_BYTES || end - start + prefixLength > KEY_BYTES_MAX) {
        throw damaged('has an impossible entry')
      }
      if ((lengthAndFlag & 1) === 1) {
        this.sequences ??= new Float64Array(count)
        this.sequences[i] = readUint53(payload, end)
      }
      starts[i] = start
      ends[i] = end
      const abbreviation =
        end - start < 4
          ? abbreviate(payload, start, end)
          : ((payload[start]! << 24) | (payload[start + 1]! << 16) | (payload[start + 2]! << 8) | payload[start + 3]!) >>> 1
      abbreviations[i] = abbreviation
      offset += frameLength
      offsets[i + 1] = offset
      if (abbreviation <= before && !this.isOrdered(i)) throw damaged('is not in order')
      before = abbreviation
    }
    if (at !== payload.length) throw damaged('goes on after its last entry')
    if (offset !== dataBytes) throw damaged('does not cover the data blocks')
  }

  /** Memory held besides the payload. */
  get heldBytes(): number {
    return this.count * (8 + 4 + 4 + 4 + (this.sequences === undefined ? 0 : 8)) + 512
  }

  /**
   * The first block whose separator is not before (key, sequence): the only one in which the newest version at that sequence can be.
   * `count` when all entries of the table are before it.
   *
   * Hot: no allocation, 60 to 100 ns at 1,000 blocks; `index` in `bench/micro/sstable.ts` guards it.
   */
  find(key: Uint8Array, keyStart: number, keyEnd: number, sequence: number): number {
    const { bytes, prefixStart, prefixLength, abbreviations, count } = this
    const length = keyEnd - keyStart
    const shorter = prefixLength < length ? prefixLength : length
    for (let i = 0; i < shorter; i++) {
      const difference = key[keyStart + i]! - bytes[prefixStart + i]!
      if (difference !== 0) return difference < 0 ? 0 : count
    }
    if (length < prefixLength) return 0
    const restStart = keyStart + prefixLength
    const wanted = abbreviate(key, restStart, keyEnd)
    let low = 0
    for (let left = count; left > 1;) {
      const half = left >>> 1
      low += half & ((abbreviations[low + half - 1]! - wanted) >> 31)
      left -= half
    }
    const found = abbreviations[low]!
    if (found > wanted) return low
    if (found < wanted) return low + 1
    return this.findAmongEqual(low, wanted, key, restStart, keyEnd, sequence)
  }

  /** Gallops, then searches, over the separators from `first` on that have the abbreviation `wanted`. */
  private findAmongEqual(first: number, wanted: number, key: Uint8Array, restStart: number, keyEnd: number, sequence: number): number {
    let low = first
    let high = first
    for (let stride = 1; high < this.count && this.isBefore(high, wanted, key, restStart, keyEnd, sequence); stride *= 2) {
      low = high + 1
      high = low + stride
    }
    if (high > this.count) high = this.count
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.isBefore(middle, wanted, key, restStart, keyEnd, sequence)) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Whether separator `i`, whose abbreviation is at least `wanted`, is before (key, sequence). */
  private isBefore(i: number, wanted: number, key: Uint8Array, restStart: number, keyEnd: number, sequence: number): boolean {
    if (this.abbreviations[i] !== wanted) return false
    const difference = compareBytes(this.bytes, this.separatorStarts[i]!, this.separatorEnds[i]!, key, restStart, keyEnd)
    if (difference !== 0) return difference < 0
    return this.sequences !== undefined && this.sequences[i]! > sequence
  }

  /** Whether the last separator is `key`. */
  endsWith(key: Uint8Array): boolean {
    const { bytes, prefixStart, prefixLength } = this
    const last = this.count - 1
    const start = this.separatorStarts[last]!
    const end = this.separatorEnds[last]!
    return (
      key.length === prefixLength + end - start &&
      compareBytes(bytes, prefixStart, prefixStart + prefixLength, key, 0, prefixLength) === 0 &&
      compareBytes(bytes, start, end, key, prefixLength, key.length) === 0
    )
  }

  /** Whether separator `i` comes after the one before it, whose abbreviation is not smaller. */
  private isOrdered(i: number): boolean {
    if (this.abbreviations[i - 1]! > this.abbreviations[i]!) return false
    const { separatorStarts: starts, separatorEnds: ends, bytes } = this
    const difference = compareBytes(bytes, starts[i - 1]!, ends[i - 1]!, bytes, starts[i]!, ends[i]!)
    if (difference !== 0) return difference < 0
    return this.sequences !== undefined && this.sequences[i - 1]! > this.sequences[i]!
  }
}

/** The first 31 bits of `source[start, end)`, zeros behind its end: smaller or equal for a smaller key. */
function abbreviate(source: Uint8Array, start: number, end: number): number {
  if (end - start >= 4) return ((source[start]! << 24) | (source[start + 1]! << 16) | (source[start + 2]! << 8) | source[start + 3]!) >>> 1
  let bits = 0
  for (let i = start; i < start + 4; i++) bits = (bits << 8) | (i < end ? source[i]! : 0)
  return bits >>> 1
}
