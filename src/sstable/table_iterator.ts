/**
 * Iterates over a table: the index names the blocks, a cursor walks through one of them at a time.
 *
 * Invariants
 * 1. A move that returns `NEEDS_IO` has changed nothing that can be seen. What it did get hold of is kept in `spare`, so that making the
 *    same move again costs nothing twice, even with the cache off.
 * 2. The iterator holds its block itself: eviction of the block or of the table does not touch it.
 */
import { EXHAUSTED, type InternalIterator, MOVED, type MoveStatus, NEEDS_IO } from '../codec/internal_iterator.js'
import { assert } from '../util/assert.js'
import { BlockCursor } from './block_cursor.js'
import { entryCountOf, lowerBound } from './data_block.js'
import type { ReadContext } from './read_context.js'
import type { TableReader } from './table_reader.js'

const NOTHING = Buffer.alloc(0)

/** A position in a table. */
export class TableIterator extends BlockCursor implements InternalIterator {
  /** Index of the block that `data` is; -1 before the first move. */
  private blockIndex = -1
  /** A block that was fetched and not entered yet. */
  private spare: Buffer | undefined = undefined
  private spareIndex = -1
  private readonly reader: TableReader
  private readonly context: ReadContext
  private isStanding = false
  private isClosed = false

  /** Made by `TableReader.iterator`, which has taken a reference for it. */
  constructor(reader: TableReader, context: ReadContext) {
    super()
    this.reader = reader
    this.context = context
  }

  seekToFirst(): MoveStatus {
    return this.enterBlock(0, 0)
  }

  seekToLast(): MoveStatus {
    return this.enterBlock(this.reader.index.count - 1, -1)
  }

  /** Hot: an index search and a block search; `seek` in `bench/micro/sstable.ts` guards it. */
  seek(key: Uint8Array, keyStart: number, keyEnd: number, sequence: number): MoveStatus {
    const index = this.reader.index.find(key, keyStart, keyEnd, sequence)
    if (index === this.reader.index.count) return this.leave()
    const block = this.fetch(index)
    if (block === undefined) return NEEDS_IO
    const entry = lowerBound(block, key, keyStart, keyEnd, sequence, 0)
    if (entry === entryCountOf(block)) return this.enterBlock(index + 1, 0)
    return this.enterFetched(index, block, entry)
  }

  seekBefore(key: Uint8Array, keyStart: number, keyEnd: number, sequence: number): MoveStatus {
    const index = this.reader.index.find(key, keyStart, keyEnd, sequence)
    if (index === this.reader.index.count) return this.seekToLast()
    const block = this.fetch(index)
    if (block === undefined) return NEEDS_IO
    const entry = lowerBound(block, key, keyStart, keyEnd, sequence, 0)
    if (entry === 0) return this.enterBlock(index - 1, -1)
    return this.enterFetched(index, block, entry - 1)
  }

  /** Hot: 10 to 20 ns within a block; `next` in `bench/micro/sstable.ts` guards it. */
  next(): MoveStatus {
    const entry = this.entry + 1
    if (entry === this.entryCount) {
      assert(this.isStanding, 'an iterator moves on from an entry')
      return this.enterBlock(this.blockIndex + 1, 0)
    }
    this.moveTo(entry)
    return MOVED
  }

  prev(): MoveStatus {
    if (this.entry === 0) {
      assert(this.isStanding, 'an iterator moves on from an entry')
      return this.enterBlock(this.blockIndex - 1, -1)
    }
    this.moveTo(this.entry - 1)
    return MOVED
  }

  /** Lets go of block and table. Closing twice does nothing. */
  close(): void {
    if (this.isClosed) return
    this.isClosed = true
    this.leave()
    this.data = NOTHING
    this.blockIndex = -1
    this.spare = undefined
    this.spareIndex = -1
    this.reader.release()
  }

  /** Goes to an entry of the block `index`; -1 is its last one. */
  private enterBlock(index: number, entry: number): MoveStatus {
    if (index < 0 || index === this.reader.index.count) return this.leave()
    const block = this.fetch(index)
    if (block === undefined) return NEEDS_IO
    return this.enterFetched(index, block, entry < 0 ? entryCountOf(block) - 1 : entry)
  }

  /** Stands nowhere. The block is kept: a seek may well come back to it. */
  private leave(): MoveStatus {
    this.isStanding = false
    this.entry = 0
    this.entryCount = 1
    return EXHAUSTED
  }

  private enterFetched(index: number, block: Buffer, entry: number): MoveStatus {
    this.blockIndex = index
    this.spare = undefined
    this.spareIndex = -1
    this.isStanding = true
    this.enter(block, entry)
    return MOVED
  }

  private fetch(index: number): Buffer | undefined {
    if (index === this.blockIndex) return this.data
    if (index === this.spareIndex) return this.spare
    const block = this.reader.blockForIterator(index, this.context)
    if (block === undefined) return undefined
    this.spare = block
    this.spareIndex = index
    return block
  }
}
