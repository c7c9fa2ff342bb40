/**
 * The block cache: decompressed, verified blocks of all open tables, bounded by the bytes they really hold, and resistant to scans.
 *
 * A cached block is not looked up in a hash table. Every open table owns a {@link BlockSlots}, an array with one place per block of the
 * table, and the cache hangs its blocks in there. A hit is an array load.
 *
 * Which block goes when room is needed is decided by S3-FIFO (Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023):
 *
 *   insert ──► small (10 %) ──oldest──► used twice? ──yes──► main (90 %) ──oldest──► used? ──yes──┐
 *                  ▲                        │ no               ▲    ▲                 │ no        │
 *              (new block)              leaves; stamp       (stamp  └── once more ────┼───────────┘
 *                                       in `evictedAt`      is fresh)               leaves
 *
 * 1. A hit raises the block's counter, up to 3. Nothing moves.
 * 2. A new block enters `small`; one that left `small` not long ago (its stamp is fresh) enters `main`.
 * 3. Room is made from `small` while it holds more than its share of the bytes, else from `main`. Both give up their oldest block, unless
 *    its counter earned it a place in `main` (from `small`) or another round (in `main`, which costs one count).
 *
 * A scan touches each block once: its blocks run through `small` and leave, and `main` never sees them.
 *
 * The paper remembers the blocks that left `small` in a queue of fingerprints, the ghost. Here the slots remember it: `evictedAt[i]` is the
 * number of evictions from `small` at the time when block i left. It is fresh while fewer than one main queue of blocks have left since.
 * That is the same rule, exact, without hashing, for 4 bytes per block of an open table. What is known about a table is forgotten when it
 * closes.
 *
 * Measured with room for 1000 of 10,000 blocks, in percent of hits (LRU → this): uniform gets 9.9 → 9.9; Zipf 0.99 66 → 73; the same with
 * scans of everything in between 66 → 73; a hot set of 80 % of the cache 86 → 91; a hot set that moves 90 → 89. Other shares for `small`
 * (5 to 30 %), promotion after the first hit and a ghost twice as long change it by less than 4, mostly by less than 1; without the ghost,
 * hot sets that move fall to 78.
 *
 * Memory goes round. Taken anew for each block it costs more than reading the block from the page cache: the allocation, the faults of its
 * pages, and the collector, which has to see blocks die by the thousand. So the memory of a block that leaves is given to the one that room
 * is made for (`memoryFor`), unless somebody else may still look at it. `get` and `insert` take that for granted: a block that went
 * through them stays what it is for good. Only a reader that says it is done with a block before the cache is asked for the next one, as a
 * point lookup is that copies what it found, uses `borrow` and inserts with `isBorrowed`.
 *
 * Invariants
 * 1. `usedBytes + pinnedBytes <= max(capacityBytes, pinnedBytes)` between calls: blocks give way to what is pinned, down to none.
 * 2. `slots.blocks[i]` is defined exactly while the block is in one of the queues.
 * 3. `usedBytes` is the sum of the blocks' bytes: the memory behind the buffer plus {@link BLOCK_OVERHEAD_BYTES}.
 * 4. Memory is in one block at most, and never given to another one once `isShared` is set. It is set for good.
 */
import { assert } from '../util/assert.js'

/**
 * Memory of a cached block besides its bytes: the `CachedBlock`, the `Buffer` and its `ArrayBuffer` (270 bytes of JavaScript heap), and
 * what the allocator and the runtime add outside of it (up to 300, measured as resident memory on Node 20).
 */
export const BLOCK_OVERHEAD_BYTES = 512

/** Memory of one place in {@link BlockSlots}: a reference and a stamp. */
export const SLOT_BYTES = 12

const FREQUENCY_MAX = 3

/** Memory is not given to a block that leaves more of it unused than one part in this many. */
const UNUSED_SHARE = 4

const NOTHING = Buffer.alloc(0)

/** A block in the cache. */
export class CachedBlock {
  /** The decompressed, verified block. */
  buffer: Buffer
  slots: BlockSlots
  index: number
  sizeBytes: number
  /** Whether anybody may look at the buffer when the block is no longer here. */
  isShared: boolean
  /** Hits since it was inserted or moved, at most 3. */
  frequency = 0
  /** What its reader has learned about its shape, 0 before: here it is at hand, and in the block it is one more miss of memory. */
  shape = 0
  /** The queue that it is in. */
  queue: BlockQueue
  /** Neighbours in the queue; `newer` is nearer to the end where blocks enter. */
  newer: CachedBlock | undefined = undefined
  older: CachedBlock | undefined = undefined

  constructor(buffer: Buffer, slots: BlockSlots, index: number, sizeBytes: number, isShared: boolean, queue: BlockQueue) {
    this.buffer = buffer
    this.slots = slots
    this.index = index
    this.sizeBytes = sizeBytes
    this.isShared = isShared
    this.queue = queue
  }
}

/** The places of one open table's blocks. Its own memory counts as pinned until it is dropped. */
export class BlockSlots {
  readonly fileNumber: number
  readonly blocks: (CachedBlock | undefined)[]
  /** When block i last left the small queue, in evictions from it; 0 = never. */
  readonly evictedAt: Int32Array
  isDropped = false

  constructor(cache: BlockCache, fileNumber: number, blockCount: number) {
    this.fileNumber = fileNumber
    this.blocks = new Array<CachedBlock | undefined>(blockCount).fill(undefined)
    this.evictedAt = new Int32Array(blockCount)
    cache.charge(blockCount * SLOT_BYTES)
  }
}

/** A first-in-first-out queue of blocks, linked through them. */
class BlockQueue {
  newest: CachedBlock | undefined = undefined
  oldest: CachedBlock | undefined = undefined
  sizeBytes = 0
  count = 0

  push(block: CachedBlock): void {
    block.queue = this
    block.older = this.newest
    block.newer = undefined
    if (this.newest === undefined) this.oldest = block
    else this.newest.newer = block
    this.newest = block
    this.sizeBytes += block.sizeBytes
    this.count++
  }

  remove(block: CachedBlock): void {
    const { newer, older } = block
    if (newer === undefined) this.newest = older
    else newer.older = older
    if (older === undefined) this.oldest = newer
    else older.newer = newer
    block.newer = undefined
    block.older = undefined
    this.sizeBytes -= block.sizeBytes
    this.count--
  }
}

/** What a {@link BlockCache} holds and did. */
export interface BlockCacheStats {
  readonly capacityBytes: number
  /** Blocks, with their bookkeeping. */
  readonly usedBytes: number
  readonly blockCount: number
  readonly hits: number
  readonly misses: number
  /** Blocks that had to leave for others; not those of closed tables. */
  readonly evictions: number
  /** Memory of open tables (indexes, filters, slots), which takes room from the blocks. */
  readonly pinnedBytes: number
}

/** A cache of blocks shared by all tables of a store. */
export class BlockCache {
  readonly capacityBytes: number
  private readonly small = new BlockQueue()
  private readonly main = new BlockQueue()
  private pinnedBytes = 0
  private hits = 0
  private misses = 0
  private evictions = 0
  /** Blocks that left the small queue for good; the clock of the stamps. Starts at 1, because 0 means never. */
  private departures = 1
  /** While room is made in `memoryFor`: what is needed, and the block found to have it. Later that block, emptied, to be used again. */
  private wantedBytes = -1
  private spare: CachedBlock | undefined = undefined

  /** @param capacityBytes what blocks and pinned bytes may take together; 0 keeps no block. */
  constructor(capacityBytes: number) {
    assert(capacityBytes >= 0, 'a block cache has a capacity of at least 0 bytes')
    this.capacityBytes = capacityBytes
  }

  /** The block at `index`, if it is here; the caller may keep it. Hot: 10 to 15 ns, guarded by `bench/micro/cache.ts`. */
  get(slots: BlockSlots, index: number): Buffer | undefined {
    const block = this.find(slots, index)
    if (block === undefined) return undefined
    block.isShared = true
    return block.buffer
  }

  /** As `get`, but only until the next call into the cache: after that there may be another block in the same memory. Hot as `get`. */
  borrow(slots: BlockSlots, index: number): Buffer | undefined {
    return this.find(slots, index)?.buffer
  }

  /** The block itself, borrowed as by `borrow`; who keeps its buffer sets `isShared`. Hot as `get`. */
  find(slots: BlockSlots, index: number): CachedBlock | undefined {
    const block = slots.blocks[index]
    if (block === undefined) {
      this.misses++
      return undefined
    }
    this.hits++
    if (block.frequency < FREQUENCY_MAX) block.frequency++
    return block
  }

  /**
   * Makes room for a block of `lengthBytes` and gives the memory for it, to be filled and inserted at once: that of a block which had to
   * leave, else new. `undefined` when such a block would not be kept.
   */
  memoryFor(slots: BlockSlots, index: number, lengthBytes: number): Buffer | undefined {
    const roomBytes = this.capacityBytes - this.pinnedBytes
    const sizeBytes = lengthBytes + BLOCK_OVERHEAD_BYTES
    if (!isWelcome(slots, index, sizeBytes, roomBytes)) return undefined
    this.wantedBytes = lengthBytes
    this.makeRoom(roomBytes - sizeBytes)
    this.wantedBytes = -1
    const { spare } = this
    if (spare === undefined || spare.buffer === NOTHING) return Buffer.allocUnsafeSlow(lengthBytes)
    const { buffer } = spare
    spare.buffer = NOTHING
    return buffer.length === lengthBytes ? buffer : Buffer.from(buffer.buffer, 0, lengthBytes)
  }

  /**
   * Keeps `buffer` as the block at `index`, at the expense of others. A block that is larger than the room is not kept, nor one of dropped
   * slots; a block that is here already stays. All of the memory behind the buffer is charged, so it should be the buffer's own.
   *
   * @param isBorrowed the caller is done with the buffer before its next call into the cache, and nobody else has it
   */
  insert(slots: BlockSlots, index: number, buffer: Buffer, isBorrowed = false): void {
    assert(index >= 0 && index < slots.blocks.length, 'a block has a place in its slots')
    const sizeBytes = buffer.buffer.byteLength + BLOCK_OVERHEAD_BYTES
    const roomBytes = this.capacityBytes - this.pinnedBytes
    if (!isWelcome(slots, index, sizeBytes, roomBytes)) return
    this.makeRoom(roomBytes - sizeBytes)
    const stamp = slots.evictedAt[index]!
    const isRemembered = stamp !== 0 && ((this.departures - stamp) | 0) <= this.main.count
    const queue = isRemembered ? this.main : this.small
    const block = this.blockOf(buffer, slots, index, sizeBytes, !isBorrowed, queue)
    queue.push(block)
    slots.blocks[index] = block
  }

  /** Forgets all blocks of a table that is closed or deleted. The slots take no blocks after this. */
  drop(slots: BlockSlots): void {
    if (slots.isDropped) return
    slots.isDropped = true
    const { blocks } = slots
    for (let index = 0; index < blocks.length; index++) {
      const block = blocks[index]
      if (block === undefined) continue
      block.queue.remove(block)
      blocks[index] = undefined
    }
    this.release(blocks.length * SLOT_BYTES)
  }

  /** Takes `bytes` of the capacity for what open tables hold outside of the cache. Blocks give way. */
  charge(bytes: number): void {
    assert(bytes >= 0, 'a charge is not negative')
    this.pinnedBytes += bytes
    this.makeRoom(Math.max(0, this.capacityBytes - this.pinnedBytes))
  }

  /** Gives back what was charged. */
  release(bytes: number): void {
    assert(bytes >= 0 && bytes <= this.pinnedBytes, 'only what was charged is released')
    this.pinnedBytes -= bytes
  }

  stats(): BlockCacheStats {
    return {
      capacityBytes: this.capacityBytes,
      usedBytes: this.small.sizeBytes + this.main.sizeBytes,
      blockCount: this.small.count + this.main.count,
      hits: this.hits,
      misses: this.misses,
      evictions: this.evictions,
      pinnedBytes: this.pinnedBytes,
    }
  }

  /** A new block, or the spare one. */
  private blockOf(buffer: Buffer, slots: BlockSlots, index: number, sizeBytes: number, isShared: boolean, queue: BlockQueue): CachedBlock {
    const { spare } = this
    if (spare === undefined) return new CachedBlock(buffer, slots, index, sizeBytes, isShared, queue)
    this.spare = undefined
    spare.buffer = buffer
    spare.slots = slots
    spare.index = index
    spare.sizeBytes = sizeBytes
    spare.isShared = isShared
    spare.frequency = 0
    spare.shape = 0
    return spare
  }

  /** Evicts until the blocks take at most `targetBytes`. Each turn lets a block go, moves one to `main` or spends a count: it ends. */
  private makeRoom(targetBytes: number): void {
    const { small, main } = this
    while (small.sizeBytes + main.sizeBytes > targetBytes) {
      if (small.sizeBytes * 10 > targetBytes || main.oldest === undefined) this.evictFromSmall()
      else this.evictFromMain(main.oldest)
    }
  }

  private evictFromSmall(): void {
    const block = this.small.oldest!
    this.small.remove(block)
    if (block.frequency > 1) {
      block.frequency = 0
      this.main.push(block)
      return
    }
    this.departures = (this.departures + 1) | 0
    if (this.departures === 0) this.departures = 1
    block.slots.evictedAt[block.index] = this.departures
    this.leave(block)
  }

  private evictFromMain(block: CachedBlock): void {
    this.main.remove(block)
    if (block.frequency > 0) {
      block.frequency--
      this.main.push(block)
      return
    }
    this.leave(block)
  }

  /** Lets a block go that is in no queue any more, and keeps its memory where that is wanted. */
  private leave(block: CachedBlock): void {
    block.slots.blocks[block.index] = undefined
    this.evictions++
    const { wantedBytes } = this
    if (wantedBytes < 0 || block.isShared) return
    const memoryBytes = block.sizeBytes - BLOCK_OVERHEAD_BYTES
    if (memoryBytes >= wantedBytes && (memoryBytes - wantedBytes) * UNUSED_SHARE <= memoryBytes) this.spare = block
  }
}

/** Whether a block of `sizeBytes` would be kept at `index` where blocks may take `roomBytes`. */
function isWelcome(slots: BlockSlots, index: number, sizeBytes: number, roomBytes: number): boolean {
  return sizeBytes <= roomBytes && !slots.isDropped && slots.blocks[index] === undefined
}
