/**
 * Builds data blocks (`data_block.ts`) one after the other in the same memory.
 *
 * The bytes of a finished block, its last key included, stay where they are until the next entry is added: the table builder parts two
 * blocks by the last key of one and the first key of the other.
 */
import { writeUint16, writeUint32 } from '../codec/bytes.js'
import { TRAILER_BYTES, writeTrailer } from '../codec/internal_key.js'
import { varintLength, writeVarint } from '../codec/varint.js'
import { assert } from '../util/assert.js'
import { DATA_BLOCK_TAIL_BYTES, hashSlotCount } from './data_block.js'

/** From this length on the call into native code (80 ns) is the faster way to copy bytes; the loop takes 2 ns a byte. */
const NATIVE_COPY_BYTES_MIN = 40

/** Entries' bytes that offsets of two bytes reach. */
const NARROW_BYTES_MAX = 65_535

const OFFSETS_MIN = 256

/** Collects the entries of a block. */
export class DataBlockBuilder {
  /** The block so far. */
  buffer: Buffer
  entryCount = 0
  /** Where the key of the last entry stands in `buffer`. */
  lastKeyStart = 0
  lastKeyEnd = 0
  private entriesBytes = 0
  private offsets: Uint32Array
  private readonly initialBytes: number

  /** @param expectedBytes usual length of a block */
  constructor(expectedBytes: number) {
    this.initialBytes = expectedBytes + 1024
    this.buffer = Buffer.allocUnsafeSlow(this.initialBytes)
    this.offsets = new Uint32Array(OFFSETS_MIN)
  }

  /** Bytes of entries so far. */
  get usedBytes(): number {
    return this.entriesBytes
  }

  /** Length of the block if an entry of these lengths were added now. */
  rawBytesWith(keyLength: number, valueLength: number): number {
    const entriesBytes = this.entriesBytes + varintLength(keyLength) + keyLength + TRAILER_BYTES + valueLength
    return rawBytes(entriesBytes, this.entryCount + 1)
  }

  /** Adds an entry. Order is the caller's duty. Hot: `build` in `bench/micro/sstable.ts` guards it. */
  add(data: Uint8Array, keyStart: number, keyEnd: number, sequence: number, kind: number, valueStart: number, valueEnd: number): void {
    const keyLength = keyEnd - keyStart
    const start = this.entriesBytes
    const end = start + varintLength(keyLength) + keyLength + TRAILER_BYTES + valueEnd - valueStart
    if (end > this.buffer.length) this.grow(end)
    if (this.entryCount === this.offsets.length) this.growOffsets()
    const { buffer } = this
    const keyTarget = writeVarint(buffer, start, keyLength)
    copyBytes(data, keyStart, keyEnd, buffer, keyTarget)
    const trailer = keyTarget + keyLength
    writeTrailer(buffer, trailer, sequence, kind)
    copyBytes(data, valueStart, valueEnd, buffer, trailer + TRAILER_BYTES)
    this.offsets[this.entryCount++] = start
    this.entriesBytes = end
    this.lastKeyStart = keyTarget
    this.lastKeyEnd = trailer
  }

  /** Completes the block and returns its length; it is at the start of `buffer`, with room for `spareBytes` more behind it. */
  finish(spareBytes: number): number {
    assert(this.entryCount > 0, 'a data block has an entry')
    const { entryCount, entriesBytes, offsets } = this
    const length = rawBytes(entriesBytes, entryCount)
    if (length + spareBytes > this.buffer.length) this.grow(length + spareBytes)
    const { buffer } = this
    const isWide = entriesBytes > NARROW_BYTES_MAX
    let at = entriesBytes
    for (let i = 0; i < entryCount; i++) {
      if (isWide) writeUint32(buffer, at, offsets[i]!)
      else writeUint16(buffer, at, offsets[i]!)
      at += isWide ? 4 : 2
    }
    buffer.fill(0, at, length)
    writeUint32(buffer, length - 6, entryCount)
    buffer[length - 2] = isWide ? 4 : 2
    return length
  }

  /** Begins the next block. The last key stays readable until the next `add`. */
  reset(): void {
    this.entryCount = 0
    this.entriesBytes = 0
    if (this.buffer.length <= 4 * this.initialBytes) return
    const lastKey = this.buffer.subarray(this.lastKeyStart, this.lastKeyEnd)
    this.buffer = Buffer.allocUnsafeSlow(Math.max(this.initialBytes, lastKey.length))
    this.buffer.set(lastKey, 0)
    this.lastKeyEnd -= this.lastKeyStart
    this.lastKeyStart = 0
  }

  /**
   * Begins a block that has nothing to do with the one before. Memory of more than `keptBytesMax` is let go, but for what a builder begins
   * with, and what `reset` lets go.
   */
  clear(keptBytesMax: number): void {
    this.lastKeyStart = 0
    this.lastKeyEnd = 0
    this.reset()
    if (this.buffer.length > Math.max(keptBytesMax, this.initialBytes)) this.buffer = Buffer.allocUnsafeSlow(this.initialBytes)
    if (this.offsets.byteLength > keptBytesMax) this.offsets = new Uint32Array(OFFSETS_MIN)
  }

  private grow(bytes: number): void {
    const grown = Buffer.allocUnsafeSlow(Math.max(bytes, Math.min(2 * this.buffer.length, this.buffer.length + 1024 * 1024)))
    grown.set(this.buffer, 0)
    this.buffer = grown
  }

  private growOffsets(): void {
    const grown = new Uint32Array(2 * this.offsets.length)
    grown.set(this.offsets)
    this.offsets = grown
  }
}

function rawBytes(entriesBytes: number, entryCount: number): number {
  const offsetBytes = entriesBytes > NARROW_BYTES_MAX ? 4 : 2
  return entriesBytes + offsetBytes * entryCount + 2 * hashSlotCount(entryCount) + DATA_BLOCK_TAIL_BYTES
}

function copyBytes(source: Uint8Array, start: number, end: number, target: Uint8Array, targetStart: number): void {
  if (end - start >= NATIVE_COPY_BYTES_MIN) {
    target.set(source.subarray(start, end), targetStart)
    return
  }
  for (let from = start, to = targetStart; from < end; from++, to++) target[to] = source[from]!
}
