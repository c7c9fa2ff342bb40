/**
 * Reads a table: point lookups, iterators, and the one place where data blocks are fetched.
 *
 * Opening reads the tail of the file (`table_tail.ts`); filter and index stay in memory while the table is open. Data blocks are fetched
 * when needed, from the first of these that has them:
 *
 *   context (loaded for this very read) → block cache → the file
 *
 * Invariants
 * 1. A block is handed out only after its checksum, length and structure were checked, and does not change from then on; but one that was
 *    found with `context.borrowsBlocks` only until the next call into any table (`BlockCache` gives its memory to another block).
 * 2. Index and filter count against the block cache while the file is open.
 * 3. The file is open while the reference count is above zero: one for the owner, one for each iterator. A reader whose file was closed
 *    still works, because index and filter are in memory: it opens the file for each read. Only a read that waited for the thread pool
 *    meets such a one.
 */
import { type BlockCache, BlockSlots } from '../cache/block_cache.js'
import { NEEDS_IO } from '../codec/internal_iterator.js'
import { KERNEL_START, endLoan, lendMemory } from '../codec/kernel.js'
import { TRAILER_BYTES, readTrailerSequence } from '../codec/internal_key.js'
import { readVarint, varintEnd } from '../codec/varint.js'
import { assert } from '../util/assert.js'
import { corruption, systemCode } from '../util/errors.js'
import { closeQuietly } from '../vfs/io.js'
import type { Vfs, VfsFile } from '../vfs/vfs.js'
import type { BlockIndex } from './block_index.js'
import type { BloomFilter } from './bloom_filter.js'
import {
  entriesEndOf,
  entryCountOf,
  entryStart,
  findInHashTable,
  findStructuralDefect,
  findVersion,
  hashedEntryCountOf,
  offsetBytesOf,
} from './data_block.js'
import { type BlockSource, checkFrame, unpackBlock } from './format.js'
import { type Pace, type ReadContext, ReadStats, type Wanted } from './read_context.js'
import { TableIterator } from './table_iterator.js'
import type { TableMeta } from './table_meta.js'
import { type TableTail, allocateTail, parseTail, tailLength } from './table_tail.js'

/** The lookup found an entry, a value or a tombstone: see `resultKind`. */
export const FOUND = 1
/** The table has no version of the key at that sequence. */
export const NOT_FOUND = 0

const NOTHING = Buffer.alloc(0)

/** Frames, and tails without their filter, up to this length are read into memory that the next one uses again. */
const SCRATCH_BYTES_MAX = 2 * 1024 * 1024
let scratch: Buffer = NOTHING
/** The last block that was read for a lookup and not kept. */
let borrowed: Buffer = NOTHING
/** Where the last tail was read whose filter was not kept. */
let tailScratch: Buffer = NOTHING

/** An open table. */
export class TableReader implements BlockSource {
  readonly path: string
  readonly fileNumber: number
  readonly meta: TableMeta
  /** Its sparse index. @internal */
  readonly index: BlockIndex
  /** The block that holds the entry found last, where in it its value is, its kind and its sequence. Borrowed until the next call. */
  resultData: Buffer = NOTHING
  resultValueStart = 0
  resultValueEnd = 0
  resultKind = 0
  resultSequence = 0
  /** Raised at each use by the table cache, lowered by its clock hand. @internal */
  wasUsed = false
  private readonly vfs: Vfs
  private readonly filter: BloomFilter | undefined
  private readonly rawBlockBytesMax: number
  private readonly heldBytes: number
  private readonly cache: BlockCache | undefined
  /** Counts its reads. */
  readonly stats: ReadStats
  private file: VfsFile | undefined = undefined
  private slots: BlockSlots | undefined = undefined
  private references = 0
  /** Blocks on their way through the thread pool, so that reads which want the same one share it. */
  private readonly loading = new Map<number, Promise<Buffer>>()

  private constructor(vfs: Vfs, path: string, meta: TableMeta, tail: TableTail, cache: BlockCache | undefined, stats: ReadStats) {
    this.vfs = vfs
    this.path = path
    this.fileNumber = meta.fileNumber
    this.meta = meta
    this.index = tail.index
    this.filter = tail.filter
    this.rawBlockBytesMax = tail.rawBlockBytesMax
    this.heldBytes = tail.heldBytes
    this.cache = cache
    this.stats = stats
  }

  /**
   * Opens a table. The caller owns the reader and closes it with `release`.
   *
   * @param cache for its blocks; `undefined` for none, as compactions want it
   * @param stats counts the reads; readers may share one
   * @throws StoreError `ERR_CORRUPTION`, also for a missing file, since the manifest names it; `ERR_FORMAT_VERSION`; `ERR_IO`
   */
  static openSync(vfs: Vfs, path: string, meta: TableMeta, cache?: BlockCache, stats: ReadStats = new ReadStats()): TableReader {
    const file = openFile(vfs, path)
    try {
      const tail = allocateTail(file, meta)
      const bytesRead = stats.readSync(file, tail, 0, tail.length, meta.tailOffset)
      const reader = new TableReader(vfs, path, meta, parseTail(tail, bytesRead, meta, path), cache, stats)
      reader.attach(file)
      return reader
    } catch (error) {
      closeQuietly(file)
      throw error
    }
  }

  /**
   * As `openSync`, for a reader of whole tables, which asks no filter: most of a tail is filter, and a thread that opens table after table
   * would leave one after the other to the garbage collector.
   */
  static openWithoutFilterSync(vfs: Vfs, path: string, meta: TableMeta, stats: ReadStats): TableReader {
    const file = openFile(vfs, path)
    try {
      const length = tailLength(file, meta)
      const memory = tailScratch.length < length ? Buffer.allocUnsafeSlow(length + (length >>> 3)) : tailScratch
      // Nobody else may use it meanwhile, not even a file system that reads tables itself.
      tailScratch = NOTHING
      const tail = memory.subarray(0, length)
      const bytesRead = stats.readSync(file, tail, 0, length, meta.tailOffset)
      const reader = new TableReader(vfs, path, meta, parseTail(tail, bytesRead, meta, path, false), undefined, stats)
      reader.attach(file)
      if (memory.length <= SCRATCH_BYTES_MAX) tailScratch = memory
      return reader
    } catch (error) {
      closeQuietly(file)
      throw error
    }
  }

  /** As `openSync`, reading through the thread pool. `pace` is asked before what came is taken apart. */
  static async open(
    vfs: Vfs,
    path: string,
    meta: TableMeta,
    cache?: BlockCache,
    stats: ReadStats = new ReadStats(),
    pace?: Pace,
  ): Promise<TableReader> {
    const file = openFile(vfs, path)
    try {
      const tail = allocateTail(file, meta)
      const bytesRead = await stats.read(file, tail, tail.length, meta.tailOffset)
      const pause = pace?.()
      if (pause !== undefined) await pause
      const reader = new TableReader(vfs, path, meta, parseTail(tail, bytesRead, meta, path), cache, stats)
      reader.attach(file)
      return reader
    } catch (error) {
      closeQuietly(file)
      throw error
    }
  }

  /**
   * Looks up the newest version of a key with a sequence of at most `sequence`: `FOUND` (then it is in the `result…` fields),
   * `NOT_FOUND`, or `NEEDS_IO` (see `ReadContext`).
   *
   * @param hash `hashKey` of the key, also when the table has no filter
   *
   * Hot: no allocation; 0.2 to 0.5 µs for a key in a cached block, 0.03 µs for most absent ones; `get` in `bench/micro/sstable.ts`
   * guards it.
   */
  get(key: Uint8Array, keyStart: number, keyEnd: number, hash: number, sequence: number, context: ReadContext): 1 | 0 | -1 {
    if (this.filter !== undefined && !this.filter.mayContain(hash)) return NOT_FOUND
    const index = this.index.find(key, keyStart, keyEnd, sequence)
    if (index === this.index.count) return NOT_FOUND
    const cached = context.heldCount > 0 || this.slots === undefined ? undefined : this.cache!.find(this.slots, index)
    if (cached !== undefined && !context.borrowsBlocks) cached.isShared = true
    let block: Buffer | undefined
    let entry: number
    if (cached !== undefined && cached.shape > 0) {
      block = cached.buffer
      entry = findInHashTable(block, cached.shape, 2, key, keyStart, keyEnd, hash, sequence)
    } else {
      block = cached === undefined ? this.heldOrRead(index, context) : cached.buffer
      if (block === undefined) return NEEDS_IO
      entry = findVersion(block, key, keyStart, keyEnd, hash, sequence)
      if (cached !== undefined) cached.shape = hashedEntryCountOf(block)
    }
    if (entry < 0) return NOT_FOUND
    const isKnown = cached !== undefined && cached.shape > 0
    const entryCount = isKnown ? cached.shape : entryCountOf(block)
    const offsetBytes = isKnown ? 2 : offsetBytesOf(block)
    const entriesEnd = entriesEndOf(block, entryCount, offsetBytes)
    const keyLength = readVarint(block, entryStart(block, entriesEnd, offsetBytes, entry), entriesEnd)
    const trailer = varintEnd + keyLength
    this.resultData = block
    this.resultKind = block[trailer]!
    this.resultSequence = readTrailerSequence(block, trailer)
    this.resultValueStart = trailer + TRAILER_BYTES
    this.resultValueEnd = entry + 1 === entryCount ? entriesEnd : entryStart(block, entriesEnd, offsetBytes, entry + 1)
    return FOUND
  }

  /** Lets go of the block behind the last result, so that a cold reader does not keep one in memory. */
  clearResult(): void {
    this.resultData = NOTHING
  }

  /** An iterator over all entries. It keeps the file open until it is closed. */
  iterator(context: ReadContext): TableIterator {
    this.reference()
    if (context.heldCount > 0) context.dropReader(this)
    return new TableIterator(this, context)
  }

  /** About where in the data the first entry at or after `key` is, in bytes from the start of the file; `tailOffset` after the last. */
  approximateOffsetOf(key: Uint8Array): number {
    return this.index.offsets[this.index.find(key, 0, key.length, Number.MAX_SAFE_INTEGER)]!
  }

  /** Memory of index and filter. */
  get memoryBytes(): number {
    return this.heldBytes
  }

  /** Keeps the file open until a matching `release`. */
  reference(): void {
    if (this.references === 0) this.attach(openFile(this.vfs, this.path))
    else this.references++
  }

  /** Undoes one `reference`, or gives up the owner's; the last one closes the file and drops its blocks from the cache. */
  release(): void {
    assert(this.references > 0, 'a table is released only as often as it was referenced')
    if (--this.references > 0) return
    if (this.file !== undefined) closeQuietly(this.file)
    this.file = undefined
    this.resultData = NOTHING
    if (this.cache === undefined) return
    if (this.slots !== undefined) this.cache.drop(this.slots)
    this.slots = undefined
    this.cache.release(this.heldBytes)
  }

  /**
   * The block `index` for an iterator, which holds it itself from now on; `undefined` when the read has to wait for it.
   * @internal
   */
  blockForIterator(index: number, context: ReadContext): Buffer | undefined {
    const held = context.heldCount === 0 ? undefined : context.takeBlock(this.fileNumber, index)
    return held ?? this.cachedOrRead(index, context, false)
  }

  private attach(file: VfsFile): void {
    this.file = file
    this.references = 1
    if (this.cache === undefined) return
    this.cache.charge(this.heldBytes)
    this.slots = new BlockSlots(this.cache, this.fileNumber, this.index.count)
  }

  /** A block that `get` has not found in the cache, or has not looked for there because the context may hold it. */
  private heldOrRead(index: number, context: ReadContext): Buffer | undefined {
    if (context.heldCount === 0) return this.read(index, context, context.borrowsBlocks)
    return context.heldBlock(this.fileNumber, index) ?? this.cachedOrRead(index, context, context.borrowsBlocks)
  }

  private cachedOrRead(index: number, context: ReadContext, isBorrowed: boolean): Buffer | undefined {
    if (this.slots !== undefined) {
      const cached = isBorrowed ? this.cache!.borrow(this.slots, index) : this.cache!.get(this.slots, index)
      if (cached !== undefined) return cached
    }
    return this.read(index, context, isBorrowed)
  }

  private read(index: number, context: ReadContext, isBorrowed: boolean): Buffer | undefined {
    if (context.mayBlock) return this.readBlockSync(index, context, isBorrowed)
    context.wanted = new WantedBlock(this, index)
    return undefined
  }

  /** Hot: guarded by the workload `getsmall` of `bench/run.ts`. */
  private readBlockSync(index: number, context: ReadContext, isBorrowed: boolean): Buffer {
    const { stats } = this
    const offset = this.index.offsets[index]!
    const length = this.index.offsets[index + 1]! - offset
    const file = this.file ?? openFile(this.vfs, this.path)
    try {
      const lent = lendMemory(length, this.rawBlockBytesMax)
      const frame = lent ?? (length <= SCRATCH_BYTES_MAX ? scratchOf(length) : Buffer.allocUnsafeSlow(length))
      const start = lent === undefined ? 0 : KERNEL_START
      let bytesRead: number
      try {
        bytesRead = stats.readSync(file, frame, start, length, offset)
      } finally {
        if (lent !== undefined) endLoan()
      }
      context.blocked(stats.lastReadMs)
      const block = this.accept(index, frame, start, length, bytesRead, context, isBorrowed)
      stats.heldMs += stats.clock.nowMs() - stats.lastReadEndMs
      return block
    } finally {
      if (this.file === undefined) closeQuietly(file)
    }
  }

  /** Reads a block through the thread pool and hands it to `context`. @internal */
  async loadBlock(index: number, context: ReadContext): Promise<void> {
    let loading = this.loading.get(index)
    if (loading === undefined) {
      loading = this.readBlock(index, context)
      this.loading.set(index, loading)
      const settled = (): void => {
        this.loading.delete(index)
      }
      loading.then(settled, settled)
    }
    context.holdBlock(this.fileNumber, index, await loading)
  }

  private async readBlock(index: number, context: ReadContext): Promise<Buffer> {
    const offset = this.index.offsets[index]!
    const length = this.index.offsets[index + 1]! - offset
    const frame = Buffer.allocUnsafeSlow(length)
    this.reference()
    let bytesRead: number
    try {
      bytesRead = await this.stats.read(this.file!, frame, length, offset)
    } finally {
      this.release()
    }
    const pause = context.pace?.()
    if (pause !== undefined) await pause
    return this.accept(index, frame, 0, length, bytesRead, context, false)
  }

  /**
   * The block of a frame that was read into `frame[start, start + length)`, checked, and in the cache if that keeps it.
   * @param isBorrowed the block is done with at the next call into any table
   */
  private accept(
    index: number,
    frame: Buffer,
    start: number,
    length: number,
    bytesRead: number,
    context: ReadContext,
    isBorrowed: boolean,
  ): Buffer {
    const offset = this.index.offsets[index]!
    if (bytesRead !== length) throw corruption('the table ends early', this.path, offset + bytesRead)
    const end = start + length
    const rawLength = checkFrame(this, frame, start, end, offset, this.rawBlockBytesMax, context.verifyChecksums)
    const slots = context.fillCache ? this.slots : undefined
    const kept = slots === undefined ? undefined : this.cache!.memoryFor(slots, index, rawLength)
    const block = kept ?? (isBorrowed ? borrowedMemory(rawLength) : Buffer.allocUnsafeSlow(rawLength))
    unpackBlock(this, frame, start, end, offset, block)
    const defect = findStructuralDefect(block)
    if (defect !== undefined) throw corruption(defect, this.path, offset)
    if (kept !== undefined) this.cache!.insert(slots!, index, kept, isBorrowed)
    return block
  }
}

class WantedBlock implements Wanted {
  private readonly reader: TableReader
  private readonly index: number

  constructor(reader: TableReader, index: number) {
    this.reader = reader
    this.index = index
  }

  load(context: ReadContext): Promise<void> {
    return this.reader.loadBlock(this.index, context)
  }
}

function openFile(vfs: Vfs, path: string): VfsFile {
  try {
    return vfs.openSync(path, 'read')
  } catch (error) {
    if (systemCode(error) === 'ENOENT')
      throw corruption(
        'a table that the manifest names is missing; if another process writes to the store, open it again',
        path,
        undefined,
        error,
      )
    throw error
  }
}

/** Memory for a frame, valid until the next call. */
function scratchOf(length: number): Buffer {
  if (length > scratch.length) scratch = Buffer.allocUnsafeSlow(Math.min(SCRATCH_BYTES_MAX, Math.max(length, 2 * scratch.length)))
  return scratch
}

/** Memory for a block that no cache keeps, valid until the next call. */
function borrowedMemory(length: number): Buffer {
  if (borrowed.length === length) return borrowed
  if (length > SCRATCH_BYTES_MAX) return Buffer.allocUnsafeSlow(length)
  borrowed = length <= borrowed.buffer.byteLength ? Buffer.from(borrowed.buffer, 0, length) : Buffer.allocUnsafeSlow(length)
  return borrowed
}
