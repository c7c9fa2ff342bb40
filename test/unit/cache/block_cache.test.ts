import { describe, expect, test } from 'vitest'
import { BLOCK_OVERHEAD_BYTES, BlockCache, BlockSlots, SLOT_BYTES } from '../../../src/cache/block_cache.js'
import { Random } from '../../../src/util/random.js'

const BLOCK_BYTES = 1000
/** What one block of the tests takes in the cache. */
const CHARGE = BLOCK_BYTES + BLOCK_OVERHEAD_BYTES

function testSeed(): number {
  const given = process.env['VARVE_SEED']
  return given === undefined ? Date.now() >>> 0 : Number(given)
}

function block(bytes = BLOCK_BYTES): Buffer {
  return Buffer.allocUnsafeSlow(bytes)
}

/** A cache with room for `blocks` blocks besides the slots of one table of `tableBlocks`. */
function cacheFor(blocks: number, tableBlocks: number): { cache: BlockCache; slots: BlockSlots } {
  const cache = new BlockCache(blocks * CHARGE + tableBlocks * SLOT_BYTES)
  return { cache, slots: new BlockSlots(cache, 1, tableBlocks) }
}

/** A lookup as a table makes it: read and insert what is missing. Whether it was a hit. */
function touch(cache: BlockCache, slots: BlockSlots, index: number): boolean {
  if (cache.get(slots, index) !== undefined) return true
  cache.insert(slots, index, block())
  return false
}

/** What most caches do: the block that was used longest ago goes. */
class LruModel {
  readonly #limit: number
  readonly #blocks = new Set<number>()

  constructor(limit: number) {
    this.#limit = limit
  }

  touch(index: number): boolean {
    const isHit = this.#blocks.delete(index)
    this.#blocks.add(index)
    if (this.#blocks.size > this.#limit) this.#blocks.delete(this.#blocks.values().next().value!)
    return isHit
  }
}

/** Draws from 0 to count - 1, where i is drawn in proportion to (i + 1)^-0.99. */
function zipf(random: Random, count: number): () => number {
  const sums: number[] = []
  let sum = 0
  for (let i = 0; i < count; i++) sums.push((sum += (i + 1) ** -0.99))
  return () => {
    const drawn = random.float() * sum
    let low = 0
    let high = count - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if (sums[middle]! < drawn) low = middle + 1
      else high = middle
    }
    return low
  }
}

describe('block cache', () => {
  test('gives back the very block that was inserted, and counts hits and misses', () => {
    const { cache, slots } = cacheFor(4, 4)
    const inserted = block()
    expect(cache.get(slots, 2)).toBeUndefined()
    cache.insert(slots, 2, inserted)
    expect(cache.get(slots, 2)).toBe(inserted)
    expect(cache.get(slots, 1)).toBeUndefined()
    expect(cache.stats()).toEqual({
      capacityBytes: 4 * CHARGE + 4 * SLOT_BYTES,
      usedBytes: CHARGE,
      blockCount: 1,
      hits: 1,
      misses: 2,
      evictions: 0,
      pinnedBytes: 4 * SLOT_BYTES,
    })
  })

  test('a block that is here already stays', () => {
    const { cache, slots } = cacheFor(4, 4)
    const first = block()
    cache.insert(slots, 0, first)
    cache.insert(slots, 0, block())
    expect(cache.get(slots, 0)).toBe(first)
    expect(cache.stats().usedBytes).toBe(CHARGE)
  })

  test('makes room for new blocks by evicting, and counts it', () => {
    const { cache, slots } = cacheFor(4, 10)
    for (let i = 0; i < 10; i++) touch(cache, slots, i)
    expect(cache.stats()).toMatchObject({ blockCount: 4, evictions: 6, usedBytes: 4 * CHARGE })
    expect(slots.blocks.map((each) => each !== undefined)).toEqual([...Array(6).fill(false), ...Array(4).fill(true)])
  })

  test('keeps no block that is larger than the room, at the expense of none', () => {
    const { cache, slots } = cacheFor(4, 4)
    touch(cache, slots, 0)
    cache.insert(slots, 1, block(4 * CHARGE - BLOCK_OVERHEAD_BYTES + 1))
    expect([cache.get(slots, 1), cache.stats().blockCount]).toEqual([undefined, 1])
    cache.insert(slots, 1, block(4 * CHARGE - BLOCK_OVERHEAD_BYTES))
    expect(cache.get(slots, 1)).toBeDefined()
    expect(cache.stats()).toMatchObject({ blockCount: 1, usedBytes: 4 * CHARGE, evictions: 1 })
  })

  test('a capacity of 0 keeps nothing', () => {
    const cache = new BlockCache(0)
    const slots = new BlockSlots(cache, 1, 3)
    expect([touch(cache, slots, 0), touch(cache, slots, 0)]).toEqual([false, false])
    cache.insert(slots, 1, block(0))
    expect(cache.stats()).toMatchObject({ blockCount: 0, usedBytes: 0, misses: 2, evictions: 0 })
    cache.drop(slots)
    expect(cache.stats().pinnedBytes).toBe(0)
  })

  test('charges all of the memory that a view keeps alive', () => {
    const { cache, slots } = cacheFor(100, 4)
    cache.insert(slots, 0, block(5000).subarray(100, 200))
    expect(cache.stats().usedBytes).toBe(5000 + BLOCK_OVERHEAD_BYTES)
  })

  test('blocks give way to what is charged, and come back when it is released', () => {
    const { cache, slots } = cacheFor(10, 20)
    for (let i = 0; i < 10; i++) touch(cache, slots, i)
    cache.charge(7 * CHARGE)
    expect(cache.stats()).toMatchObject({ blockCount: 3, pinnedBytes: 7 * CHARGE + 20 * SLOT_BYTES })
    cache.charge(100 * CHARGE)
    expect(cache.stats()).toMatchObject({ blockCount: 0, usedBytes: 0 })
    touch(cache, slots, 0)
    expect(cache.stats().blockCount).toBe(0)
    cache.release(107 * CHARGE)
    for (let i = 0; i < 20; i++) touch(cache, slots, i)
    expect(cache.stats().blockCount).toBe(10)
    expect(() => cache.release(20 * SLOT_BYTES + 1)).toThrow('only what was charged')
  })

  test('dropped slots give back their bytes at once and take no more blocks', () => {
    const { cache, slots } = cacheFor(10, 10)
    const other = new BlockSlots(cache, 2, 5)
    for (let i = 0; i < 5; i++) {
      touch(cache, slots, i)
      touch(cache, other, i)
    }
    for (const index of [1, 3]) for (let hits = 0; hits < 3; hits++) touch(cache, slots, index)
    cache.drop(slots)
    const { blockCount, evictions, pinnedBytes } = cache.stats()
    expect([blockCount, pinnedBytes]).toEqual([5, 5 * SLOT_BYTES])
    cache.insert(slots, 0, block())
    cache.drop(slots)
    expect([cache.get(slots, 0), cache.stats().blockCount, cache.stats().evictions]).toEqual([undefined, 5, evictions])
    cache.drop(other)
    expect(cache.stats()).toMatchObject({ blockCount: 0, usedBytes: 0, pinnedBytes: 0 })
  })

  test('a block that comes back soon after it left is kept over new ones', () => {
    const { cache, slots } = cacheFor(20, 1000)
    for (let i = 0; i < 20; i++) for (let hits = 0; hits < 3; hits++) touch(cache, slots, i)
    for (let i = 20; i < 30; i++) touch(cache, slots, i)
    const left = slots.blocks.findIndex((each, index) => index >= 20 && each === undefined)
    expect(left).toBeGreaterThanOrEqual(20)
    touch(cache, slots, left)
    for (let i = 100; i < 130; i++) touch(cache, slots, i)
    expect(touch(cache, slots, left)).toBe(true)
  })
})

/** A lookup that is done with its block at once; the buffer that was filled, or `undefined` for a hit. */
function borrowed(cache: BlockCache, slots: BlockSlots, index: number, bytes = BLOCK_BYTES): Buffer | undefined {
  if (cache.borrow(slots, index) !== undefined) return undefined
  const memory = cache.memoryFor(slots, index, bytes)!
  cache.insert(slots, index, memory, true)
  return memory
}

describe('memory of blocks', () => {
  test('goes from a block that leaves to the one that room is made for, when nobody may look at it any more', () => {
    const { cache, slots } = cacheFor(4, 100)
    const first = [0, 1, 2, 3].map((index) => borrowed(cache, slots, index))
    expect(new Set(first).size).toBe(4)
    const entries = new Set(slots.blocks)
    for (let index = 4; index < 100; index++) expect(first).toContain(borrowed(cache, slots, index))
    for (const entry of slots.blocks) expect(entries).toContain(entry)
    expect(cache.stats()).toMatchObject({ blockCount: 4, usedBytes: 4 * CHARGE, evictions: 96 })
  })

  test.each([
    ['was inserted to be kept', (cache: BlockCache, slots: BlockSlots) => cache.insert(slots, 0, block())],
    [
      'was got after it was borrowed',
      (cache: BlockCache, slots: BlockSlots) => {
        borrowed(cache, slots, 0)
        cache.get(slots, 0)
      },
    ],
  ])('stays what it is when its block %s', (_, make) => {
    const { cache, slots } = cacheFor(4, 100)
    make(cache, slots)
    const kept = slots.blocks[0]!.buffer
    for (let index = 1; index < 100; index++) expect(borrowed(cache, slots, index)).not.toBe(kept)
    expect(slots.blocks[0]).toBeUndefined()
  })

  test('is taken for a shorter block, but not for one so short that a quarter would be idle, nor for a longer one', () => {
    const takes = (bytes: number): boolean => {
      const { cache, slots } = cacheFor(4, 4)
      const memory = borrowed(cache, slots, 0, 4 * CHARGE - BLOCK_OVERHEAD_BYTES - 4)!
      return borrowed(cache, slots, 1, memory.length + bytes)!.buffer === memory.buffer
    }
    const full = 4 * CHARGE - BLOCK_OVERHEAD_BYTES - 4
    expect([takes(0), takes(-1), takes(-full / 4), takes(-full / 4 - 1), takes(1)]).toEqual([true, true, true, false, false])
  })

  test('that is longer than its block is charged in full', () => {
    const { cache, slots } = cacheFor(4, 100)
    for (let index = 0; index < 4; index++) borrowed(cache, slots, index)
    for (let index = 4; index < 50; index++) {
      expect(borrowed(cache, slots, index, 900)).toHaveLength(900)
      expect(cache.stats()).toMatchObject({ blockCount: 4, usedBytes: 4 * CHARGE })
    }
  })

  test('does not take along what was known of the shape of the block that left', () => {
    const { cache, slots } = cacheFor(1, 10)
    borrowed(cache, slots, 0)
    const entry = cache.find(slots, 0)!
    entry.shape = 7
    borrowed(cache, slots, 1)
    expect(cache.find(slots, 1)).toBe(entry)
    expect(entry.shape).toBe(0)
  })

  test('is not made ready for a block that would not be kept', () => {
    const { cache, slots } = cacheFor(4, 4)
    borrowed(cache, slots, 0)
    expect(cache.memoryFor(slots, 0, 100)).toBeUndefined()
    expect(cache.memoryFor(slots, 1, 4 * CHARGE)).toBeUndefined()
    expect(cache.stats().blockCount).toBe(1)
    cache.drop(slots)
    expect(cache.memoryFor(slots, 1, 100)).toBeUndefined()
  })

  test('that was made ready for a block which turned out to be damaged is in no block', () => {
    const { cache, slots } = cacheFor(1, 10)
    const lost = borrowed(cache, slots, 0)
    expect(cache.memoryFor(slots, 1, BLOCK_BYTES)).toBe(lost)
    expect(cache.stats()).toMatchObject({ blockCount: 0, usedBytes: 0 })
    expect(borrowed(cache, slots, 2)).not.toBe(lost)
  })
})

describe('block cache under load', () => {
  const HOT = 80
  const CAPACITY = 100
  const COLD = 10 * CAPACITY

  test('a scan of ten times the capacity leaves the hot set in place, where LRU loses it', () => {
    const seed = testSeed()
    const random = new Random(seed)
    const { cache, slots } = cacheFor(CAPACITY, HOT + COLD)
    const lru = new LruModel(CAPACITY)
    for (let i = 0; i < 20_000; i++) {
      const index = random.chance(0.9) ? random.below(HOT) : HOT + random.below(COLD)
      touch(cache, slots, index)
      lru.touch(index)
    }
    for (let index = HOT; index < HOT + COLD; index++) {
      touch(cache, slots, index)
      lru.touch(index)
    }
    let hits = 0
    let lruHits = 0
    for (let index = 0; index < HOT; index++) {
      if (cache.get(slots, index) !== undefined) hits++
      if (lru.touch(index)) lruHits++
    }
    expect(hits, `VARVE_SEED=${seed}`).toBeGreaterThanOrEqual(0.95 * HOT)
    expect(lruHits).toBe(0)
  })

  test('hits more often than LRU when few blocks are popular, and no less when none is', () => {
    const random = new Random(5)
    const compare = (draw: () => number): { rate: number; lruRate: number } => {
      const { cache, slots } = cacheFor(CAPACITY, COLD)
      const lru = new LruModel(CAPACITY)
      const DRAWS = 30_000
      let lruHits = 0
      for (let i = 0; i < DRAWS; i++) {
        const index = draw()
        touch(cache, slots, index)
        if (lru.touch(index)) lruHits++
      }
      return { rate: cache.stats().hits / DRAWS, lruRate: lruHits / DRAWS }
    }
    const popular = compare(zipf(random, COLD))
    expect(popular.rate).toBeGreaterThan(popular.lruRate + 0.03)
    const uniform = compare(() => random.below(COLD))
    expect(uniform.rate).toBeGreaterThan(uniform.lruRate - 0.01)
  })

  test('a new hot set moves in within a few rounds', () => {
    const { cache, slots } = cacheFor(CAPACITY, 2 * HOT)
    for (let round = 0; round < 20; round++) for (let index = 0; index < HOT; index++) touch(cache, slots, index)
    const hitsPerRound: number[] = []
    for (let round = 0; round < 6; round++) {
      let hits = 0
      for (let index = HOT; index < 2 * HOT; index++) if (touch(cache, slots, index)) hits++
      hitsPerRound.push(hits)
    }
    expect(hitsPerRound.at(-1)).toBe(HOT)
  })

  test('random operations never exceed the capacity, lose a block or show a wrong one', () => {
    const seed = testSeed()
    const random = new Random(seed)
    for (let round = 0; round < 30; round++) {
      const capacityBytes = random.pick([0, 2000, 20_000, 100_000])
      const cache = new BlockCache(capacityBytes)
      const tables: BlockSlots[] = []
      const buffers = new Map<BlockSlots, Map<number, Buffer>>()
      const kept = new Set<ArrayBufferLike>()
      let charged = 0
      let gets = 0
      for (let i = 0; i < 400; i++) {
        const where = `VARVE_SEED=${seed} round ${round} operation ${i}`
        const choice = random.below(100)
        if (tables.length === 0 || choice < 3) {
          const slots = new BlockSlots(cache, i, random.between(1, 60))
          tables.push(slots)
          buffers.set(slots, new Map())
        } else if (choice < 5) {
          cache.drop(tables.splice(random.below(tables.length), 1)[0]!)
        } else if (choice < 8) {
          const bytes = random.below(5000)
          cache.charge(bytes)
          charged += bytes
        } else if (choice < 11) {
          const bytes = random.below(charged + 1)
          cache.release(bytes)
          charged -= bytes
        } else {
          const slots = random.pick(tables)
          const known = buffers.get(slots)!
          const index = random.below(slots.blocks.length)
          const isBorrowed = random.chance(0.7)
          const found = isBorrowed ? cache.borrow(slots, index) : cache.get(slots, index)
          gets++
          if (found === undefined) {
            const bytes = random.chance(0.1) ? random.below(30_000) : random.between(1000, 2000)
            const buffer = cache.memoryFor(slots, index, bytes) ?? block(bytes)
            if (kept.has(buffer.buffer)) expect.fail(`${where}: memory that somebody looks at`)
            cache.insert(slots, index, buffer, isBorrowed)
            known.set(index, buffer)
          } else if (found !== known.get(index)) expect.fail(`${where}: a wrong block`)
          if (!isBorrowed) kept.add(known.get(index)!.buffer)
        }
        checkBooks(cache, tables, charged, gets, where)
      }
      for (const slots of tables) cache.drop(slots)
      cache.release(charged)
      expect(cache.stats()).toMatchObject({ usedBytes: 0, blockCount: 0, pinnedBytes: 0 })
    }
  })
})

/** What the cache says of itself against what hangs in the slots. */
function checkBooks(cache: BlockCache, tables: readonly BlockSlots[], charged: number, gets: number, where: string): void {
  const { capacityBytes, usedBytes, blockCount, hits, misses, pinnedBytes } = cache.stats()
  let bytes = 0
  let count = 0
  let slotBytes = 0
  const memories = new Set<ArrayBufferLike>()
  for (const slots of tables) {
    slotBytes += slots.blocks.length * SLOT_BYTES
    for (const each of slots.blocks) {
      if (each === undefined) continue
      count++
      bytes += each.buffer.buffer.byteLength + BLOCK_OVERHEAD_BYTES
      memories.add(each.buffer.buffer)
    }
  }
  if (memories.size !== count) expect.fail(`${where}: two blocks in the same memory`)
  if (usedBytes > Math.max(0, capacityBytes - pinnedBytes)) expect.fail(`${where}: ${usedBytes} bytes in use`)
  const seen = [usedBytes, blockCount, pinnedBytes, hits + misses].join(' ')
  const expected = [bytes, count, charged + slotBytes, gets].join(' ')
  if (seen !== expected) expect(seen, where).toBe(expected)
}
