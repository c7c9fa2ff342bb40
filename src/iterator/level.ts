/**
 * The tables of one level as one run: a level below level 0 holds disjoint tables in key order, so its entries are those of its tables one
 * after the other.
 *
 *   tables     [ a … f ] [ h … m ] [ n … z ]
 *                            ▲ `index`: only this one is open here
 *
 * Tables are opened when the iterator comes to them. With bounds, those outside are never touched; within a table the bounds are the
 * reader's business.
 *
 * Invariants
 * 1. After `NEEDS_IO` from `next` or `prev` the current entry still shows, after `NEEDS_IO` from a seek nothing does. A table that was
 *    opened is kept in `spare`, and how far a seek got in `pending`, so that the same call gets further.
 * 2. At most two tables are held: the one that shows, and one on the way to the next.
 */
import { compareBytes } from '../codec/bytes.js'
import { EXHAUSTED, type InternalIterator, MOVED, type MoveStatus, NEEDS_IO } from '../codec/internal_iterator.js'
import type { ReadContext } from '../sstable/read_context.js'
import type { TableCache } from '../sstable/table_cache.js'
import type { TableMeta } from '../sstable/table_meta.js'
import { assert } from '../util/assert.js'
import { PendingSeek, SEEK, SEEK_BEFORE, SEEK_TO_FIRST, SEEK_TO_LAST, type SeekOperation } from './pending_seek.js'

const NO_BYTES = Buffer.alloc(0)

/** An {@link InternalIterator} over disjoint tables in key order, or over a single table. */
export class LevelIterator implements InternalIterator {
  data: Buffer = NO_BYTES
  keyStart = 0
  keyEnd = 0
  valueStart = 0
  valueEnd = 0
  sequence = 0
  kind = 0
  private readonly tables: readonly TableMeta[]
  private readonly cache: TableCache
  private readonly context: ReadContext
  /** The tables within the bounds are `first` to `end - 1`. */
  private readonly first: number
  private readonly end: number
  /** The table that shows, if any. */
  private current: InternalIterator | undefined = undefined
  private index = -1
  /** 1 or -1 after `current` was exhausted in that direction and the table beyond had to be waited for. */
  private crossing = 0
  private spare: InternalIterator | undefined = undefined
  private spareIndex = -1
  /** The table that a seek tried last. */
  private soughtIndex = -1
  private readonly pending = new PendingSeek()

  /**
   * @param tables disjoint, in key order
   * @param lower only tables that reach to this key or beyond are looked at
   * @param upper only tables that begin before this key are looked at
   */
  constructor(tables: readonly TableMeta[], cache: TableCache, context: ReadContext, lower?: Uint8Array, upper?: Uint8Array) {
    this.tables = tables
    this.cache = cache
    this.context = context
    this.first = lower === undefined ? 0 : this.firstReaching(lower, 0, lower.length, 0, tables.length)
    let end = tables.length
    if (upper !== undefined) {
      end = this.firstReaching(upper, 0, upper.length, this.first, tables.length)
      if (end < tables.length && compareBytes(tables[end]!.smallestKey, 0, tables[end]!.smallestKey.length, upper, 0, upper.length) < 0)
        end++
    }
    this.end = end
  }

  seekToFirst(): MoveStatus {
    return this.seekFrom(this.first, SEEK_TO_FIRST, NO_BYTES, 0, 0, 0)
  }

  seekToLast(): MoveStatus {
    return this.seekFrom(this.end - 1, SEEK_TO_LAST, NO_BYTES, 0, 0, 0)
  }

  seek(key: Uint8Array, keyStart: number, keyEnd: number, sequence: number): MoveStatus {
    return this.seekFrom(this.firstReaching(key, keyStart, keyEnd, this.first, this.end), SEEK, key, keyStart, keyEnd, sequence)
  }

  seekBefore(key: Uint8Array, keyStart: number, keyEnd: number, sequence: number): MoveStatus {
    const index = this.firstReaching(key, keyStart, keyEnd, this.first, this.end)
    if (index === this.end) return this.seekFrom(index - 1, SEEK_BEFORE, key, keyStart, keyEnd, sequence)
    return this.seekFrom(index, SEEK_BEFORE, key, keyStart, keyEnd, sequence)
  }

  /** Hot: about 10 ns above the table's own move; guarded by `bench/micro/iterators.ts`. */
  next(): MoveStatus {
    const { current } = this
    assert(current !== undefined, 'an iterator moves on from an entry')
    if (this.crossing < 0) {
      if (current.seekToFirst() === NEEDS_IO) return NEEDS_IO
      this.crossing = 0
    }
    if (this.crossing === 0) {
      const status = current.next()
      if (status !== EXHAUSTED) return status === MOVED ? this.show(current) : NEEDS_IO
      this.crossing = 1
    }
    return this.enter(this.index + 1, SEEK_TO_FIRST, NO_BYTES, 0, 0, 0)
  }

  prev(): MoveStatus {
    const { current } = this
    assert(current !== undefined, 'an iterator moves back from an entry')
    if (this.crossing > 0) {
      if (current.seekToLast() === NEEDS_IO) return NEEDS_IO
      this.crossing = 0
    }
    if (this.crossing === 0) {
      const status = current.prev()
      if (status !== EXHAUSTED) return status === MOVED ? this.show(current) : NEEDS_IO
      this.crossing = -1
    }
    return this.enter(this.index - 1, SEEK_TO_LAST, NO_BYTES, 0, 0, 0)
  }

  close(): void {
    this.leave()
    this.spare?.close()
    this.spare = undefined
    this.spareIndex = -1
  }

  /** Index of the first table in `[low, high)` that ends at or after the key; `high` when there is none. */
  private firstReaching(key: Uint8Array, keyStart: number, keyEnd: number, low: number, high: number): number {
    while (low < high) {
      const middle = (low + high) >>> 1
      const { largestKey } = this.tables[middle]!
      if (compareBytes(largestKey, 0, largestKey.length, key, keyStart, keyEnd) < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  /** A seek that begins in the table `start` and goes on to its neighbours; a repeated one begins where it had to wait. */
  private seekFrom(
    start: number,
    operation: SeekOperation,
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    sequence: number,
  ): MoveStatus {
    const { pending } = this
    const index = pending.isSame(operation, key, keyStart, keyEnd, sequence) ? pending.progress : start
    const status = this.enter(index, index === start ? operation : neighbourOperation(operation), key, keyStart, keyEnd, sequence)
    if (status === NEEDS_IO) pending.set(operation, key, keyStart, keyEnd, sequence, this.soughtIndex)
    else pending.clear()
    return status
  }

  /** Carries out the seek in the table `index`, or goes on to the neighbours while they have no such entry. */
  private enter(index: number, operation: SeekOperation, key: Uint8Array, keyStart: number, keyEnd: number, sequence: number): MoveStatus {
    for (; index >= this.first && index < this.end; operation = neighbourOperation(operation)) {
      this.soughtIndex = index
      const table = index === this.index ? this.current : this.open(index)
      if (table === undefined) return NEEDS_IO
      const status = seekTable(table, operation, key, keyStart, keyEnd, sequence)
      if (status === NEEDS_IO) return NEEDS_IO
      if (status === MOVED) return this.adopt(table, index)
      if (table === this.current) this.leave()
      index += operation === SEEK || operation === SEEK_TO_FIRST ? 1 : -1
    }
    this.leave()
    return EXHAUSTED
  }

  /** An iterator over the table `index`, which then is the spare one; `undefined` when it has to be waited for. */
  private open(index: number): InternalIterator | undefined {
    if (index === this.spareIndex && this.spare !== undefined) return this.spare
    this.spare?.close()
    this.spare = undefined
    this.spareIndex = index
    this.spare = this.cache.reader(this.tables[index]!, this.context)?.iterator(this.context)
    return this.spare
  }

  /** The table becomes the one that shows, if it is not already. */
  private adopt(table: InternalIterator, index: number): MoveStatus {
    this.crossing = 0
    if (table !== this.current) {
      this.current?.close()
      this.current = table
      this.index = index
      this.spare = undefined
      this.spareIndex = -1
    }
    return this.show(table)
  }

  private leave(): void {
    this.current?.close()
    this.current = undefined
    this.index = -1
    this.crossing = 0
  }

  private show(table: InternalIterator): MoveStatus {
    this.data = table.data
    this.keyStart = table.keyStart
    this.keyEnd = table.keyEnd
    this.valueStart = table.valueStart
    this.valueEnd = table.valueEnd
    this.sequence = table.sequence
    this.kind = table.kind
    return MOVED
  }
}

/** What a seek becomes in the tables beyond the one it began in. */
function neighbourOperation(operation: SeekOperation): SeekOperation {
  return operation === SEEK || operation === SEEK_TO_FIRST ? SEEK_TO_FIRST : SEEK_TO_LAST
}

function seekTable(
  table: InternalIterator,
  operation: SeekOperation,
  key: Uint8Array,
  keyStart: number,
  keyEnd: number,
  sequence: number,
): MoveStatus {
  if (operation === SEEK) return table.seek(key, keyStart, keyEnd, sequence)
  if (operation === SEEK_BEFORE) return table.seekBefore(key, keyStart, keyEnd, sequence)
  return operation === SEEK_TO_FIRST ? table.seekToFirst() : table.seekToLast()
}
