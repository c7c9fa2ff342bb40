/**
 * The open tables of a store: opens them when they are first read, keeps the number of descriptors bounded, and closes those that have
 * not been used for longest, roughly: second chance, or CLOCK (Corbató, 1968). Each use sets a mark on the reader; the hand goes round,
 * takes marks away, and closes the first table that has none. A table that was just opened has none yet, so one that is read a single
 * time does not drive out one in use.
 *
 * A table that an iterator is on when it is closed here stays open until the iterator lets go. So there are at most `maxOpenTables`
 * descriptors, and one more for each table that only iterators still hold.
 */
import type { BlockCache } from '../cache/block_cache.js'
import { assert } from '../util/assert.js'
import { joinPath } from '../vfs/io.js'
import type { Vfs } from '../vfs/vfs.js'
import { tableFileName } from './format.js'
import { type Pace, type ReadContext, ReadStats, type Wanted } from './read_context.js'
import type { TableMeta } from './table_meta.js'
import { TableReader } from './table_reader.js'

/** What a {@link TableCache} holds and did. */
export interface TableCacheStats {
  readonly openTables: number
  /** Memory of their indexes and filters. */
  readonly memoryBytes: number
  /** Tables opened, and tables closed to make room for others. */
  readonly opens: number
  readonly evictions: number
}

/** Readers of a store's tables, by file number. */
export class TableCache {
  /** Reads of all tables opened here. */
  readonly readStats: ReadStats
  private readonly vfs: Vfs
  private readonly dir: string
  private readonly blockCache: BlockCache | undefined
  private readonly maxOpenTables: number
  private readonly keepsFilters: boolean
  private readonly readers = new Map<number, TableReader>()
  /** The same readers in the order of the clock; the hand points at the next one to be looked at. */
  private readonly ring: TableReader[] = []
  private hand = 0
  private readonly opening = new Map<number, Promise<TableReader>>()
  private opens = 0
  private evictions = 0

  /**
   * @param dir folder of the tables
   * @param blockCache for their blocks; `undefined` = none
   * @param maxOpenTables at least 1
   * @param keepsFilters whether point lookups will be made; without, tables are opened on the spot, and for no block cache
   */
  constructor(
    vfs: Vfs,
    dir: string,
    blockCache: BlockCache | undefined,
    maxOpenTables: number,
    readStats: ReadStats = new ReadStats(),
    keepsFilters = true,
  ) {
    assert(maxOpenTables >= 1, 'at least one table may be open')
    assert(keepsFilters || blockCache === undefined, 'blocks are cached for those who look keys up')
    this.vfs = vfs
    this.dir = dir
    this.blockCache = blockCache
    this.maxOpenTables = maxOpenTables
    this.keepsFilters = keepsFilters
    this.readStats = readStats
  }

  /**
   * The reader of a table, opened if it is not; `undefined` = `NEEDS_IO` (see `ReadContext`). It is borrowed: use it before the next
   * call, or take a reference or an iterator.
   *
   * Hot: a map lookup, 4 to 20 ns; `table cache` in `bench/micro/sstable.ts` guards it.
   *
   * @throws StoreError as `TableReader.openSync`
   */
  reader(meta: TableMeta, context: ReadContext): TableReader | undefined {
    const reader = this.readers.get(meta.fileNumber)
    if (reader === undefined) return this.openReader(meta, context)
    reader.wasUsed = true
    return reader
  }

  /** Closes a table, if it is open: its file is about to be deleted. */
  evict(fileNumber: number): void {
    this.opening.delete(fileNumber)
    const reader = this.readers.get(fileNumber)
    if (reader !== undefined) this.removeAt(this.ring.indexOf(reader))
  }

  /** Closes all tables. */
  closeAll(): void {
    this.opening.clear()
    while (this.ring.length > 0) this.removeAt(this.ring.length - 1)
  }

  stats(): TableCacheStats {
    let memoryBytes = 0
    for (const reader of this.ring) memoryBytes += reader.memoryBytes
    return { openTables: this.ring.length, memoryBytes, opens: this.opens, evictions: this.evictions }
  }

  /** Opens a table through the thread pool and hands the reader to `context`. @internal */
  async load(meta: TableMeta, context: ReadContext): Promise<void> {
    const { fileNumber } = meta
    const open = this.readers.get(fileNumber)
    if (open !== undefined) return context.holdReader(open)
    let opening = this.opening.get(fileNumber)
    if (opening === undefined) {
      opening = this.openInPool(meta, context.pace)
      this.opening.set(fileNumber, opening)
    }
    context.holdReader(await opening)
  }

  private async openInPool(meta: TableMeta, pace: Pace | undefined): Promise<TableReader> {
    const { fileNumber } = meta
    // Lets `load` enter this promise into `opening` before anything can fail.
    await undefined
    try {
      const reader = await TableReader.open(this.vfs, this.pathOf(meta), meta, this.blockCache, this.readStats, pace)
      // Meanwhile it may have been opened on the spot, or evicted: then it serves the read that waits for it, without its file being
      // kept open.
      if (!this.opening.has(fileNumber) || this.readers.has(fileNumber)) reader.release()
      else this.add(reader)
      return reader
    } finally {
      this.opening.delete(fileNumber)
    }
  }

  private openReader(meta: TableMeta, context: ReadContext): TableReader | undefined {
    const held = context.heldCount === 0 ? undefined : context.heldReader(meta.fileNumber)
    if (held !== undefined) return held
    if (!context.mayBlock) {
      context.wanted = new WantedTable(this, meta)
      return undefined
    }
    const { readStats } = this
    const beforeMs = readStats.blockingReadMs
    const path = this.pathOf(meta)
    const reader = this.keepsFilters
      ? TableReader.openSync(this.vfs, path, meta, this.blockCache, readStats)
      : TableReader.openWithoutFilterSync(this.vfs, path, meta, readStats)
    context.blocked(readStats.blockingReadMs - beforeMs)
    this.add(reader)
    return reader
  }

  private pathOf(meta: TableMeta): string {
    return joinPath(this.dir, tableFileName(meta.fileNumber))
  }

  private add(reader: TableReader): void {
    this.opens++
    this.readers.set(reader.fileNumber, reader)
    if (this.ring.length < this.maxOpenTables) {
      this.ring.push(reader)
      return
    }
    const position = this.findVictim()
    const victim = this.ring[position]!
    this.ring[position] = reader
    this.hand = position + 1
    this.readers.delete(victim.fileNumber)
    this.evictions++
    victim.release()
  }

  /** Ends after two rounds at the latest, because only uses set marks. */
  private findVictim(): number {
    for (;;) {
      if (this.hand >= this.ring.length) this.hand = 0
      const reader = this.ring[this.hand]!
      if (!reader.wasUsed) return this.hand
      reader.wasUsed = false
      this.hand++
    }
  }

  /** Takes a reader out of the ring; the last one takes its place. */
  private removeAt(position: number): void {
    const reader = this.ring[position]!
    const last = this.ring.pop()!
    if (last !== reader) this.ring[position] = last
    this.readers.delete(reader.fileNumber)
    reader.release()
  }
}

class WantedTable implements Wanted {
  private readonly tables: TableCache
  private readonly meta: TableMeta

  constructor(tables: TableCache, meta: TableMeta) {
    this.tables = tables
    this.meta = meta
  }

  load(context: ReadContext): Promise<void> {
    return this.tables.load(this.meta, context)
  }
}
