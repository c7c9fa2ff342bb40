/**
 * A position in one data block: the entry's key, value, sequence and kind as plain fields, in the shape that `InternalIterator` asks for.
 */
import { readUint16, readUint32 } from '../codec/bytes.js'
import { readVarint, varintEnd } from '../codec/varint.js'
import { entriesEndOf, entryCountOf, offsetBytesOf } from './data_block.js'

const NOTHING = Buffer.alloc(0)

/** Stands on an entry of a block that passed `findStructuralDefect`. */
export class BlockCursor {
  /** The block. */
  data: Buffer = NOTHING
  keyStart = 0
  keyEnd = 0
  valueStart = 0
  valueEnd = 0
  sequence = 0
  kind = 0
  /**
   * Index of the entry in the block. Standing nowhere looks like standing on the only entry of a block, so that moves take their slow path.
   */
  protected entry = 0
  protected entryCount = 1
  private offsets = 0
  private isWide = false

  /** Goes to the entry `entry` of `block`. */
  enter(block: Buffer, entry: number): void {
    this.data = block
    this.entryCount = entryCountOf(block)
    const offsetBytes = offsetBytesOf(block)
    this.isWide = offsetBytes === 4
    this.offsets = entriesEndOf(block, this.entryCount, offsetBytes)
    this.moveTo(entry)
  }

  /** Goes to another entry of the same block. Hot: 10 to 20 ns; `next` in `bench/micro/sstable.ts` guards it. */
  moveTo(entry: number): void {
    const { data, offsets } = this
    let start: number
    let end = offsets
    const isLast = entry + 1 === this.entryCount
    if (this.isWide) {
      const at = offsets + 4 * entry
      start = readUint32(data, at)
      if (!isLast) end = readUint32(data, at + 4)
    } else {
      const at = offsets + 2 * entry
      start = readUint16(data, at)
      if (!isLast) end = readUint16(data, at + 2)
    }
    let length = data[start++]!
    if (length > 0x7f) {
      length = readVarint(data, start - 1, offsets)
      start = varintEnd
    }
    const keyEnd = start + length
    const low = data[keyEnd + 1]! | (data[keyEnd + 2]! << 8) | (data[keyEnd + 3]! << 16) | (data[keyEnd + 4]! << 24)
    const high = data[keyEnd + 5]! | (data[keyEnd + 6]! << 8) | (data[keyEnd + 7]! << 16)
    this.entry = entry
    this.keyStart = start
    this.keyEnd = keyEnd
    this.kind = data[keyEnd]!
    this.sequence = high * 0x1_0000_0000 + (low >>> 0)
    this.valueStart = keyEnd + 8
    this.valueEnd = end
  }
}
