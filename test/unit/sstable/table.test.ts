import { describe, expect, test } from 'vitest'
import { BlockCache } from '../../../src/cache/block_cache.js'
import { EXHAUSTED, MOVED, type InternalIterator } from '../../../src/codec/internal_iterator.js'
import { KEY_BYTES_MAX, SEQUENCE_MAX } from '../../../src/codec/internal_key.js'
import { ReadContext } from '../../../src/sstable/read_context.js'
import type { TableBuilderOptions } from '../../../src/sstable/table_builder.js'
import { Random } from '../../../src/util/random.js'
import {
  BLOCKING,
  OPTIONS,
  allBackward,
  allForward,
  buildTable,
  deletion,
  type Entry,
  entryAt,
  getFrom,
  modelGet,
  modelLowerBound,
  openTable,
  put,
  randomEntries,
  seek,
  seekBefore,
  testSeed,
} from './fixture.js'

const TEN = Array.from({ length: 10 }, (_, i) => put(`key${i}`, i + 1))

describe('table', () => {
  test('gives back what was written, in both directions', () => {
    const table = buildTable(TEN, { blockSize: 64 })
    const reader = openTable(table)
    const iterator = reader.iterator(BLOCKING)
    expect(allForward(iterator)).toEqual(TEN)
    expect(allBackward(iterator)).toEqual(TEN.toReversed())
    iterator.close()
    reader.release()
    expect(table.vfs.openHandleCount).toBe(0)
  })

  test('describes itself', () => {
    const { meta, vfs, path } = buildTable([put('a', 9, 'x'), deletion('a', 4), put('bc', 7, 'yz')])
    expect(meta).toMatchObject({
      fileNumber: 12,
      fileBytes: vfs.readFile(path).length,
      entryCount: 3,
      deletionCount: 1,
      keyCount: 2,
      rawKeyBytes: 4,
      rawValueBytes: 3,
      smallestSequence: 4,
      largestSequence: 9,
    })
    expect(Buffer.from(meta.smallestKey).toString()).toBe('a')
    expect(Buffer.from(meta.largestKey).toString()).toBe('bc')
    expect(meta.tailOffset).toBeGreaterThan(0)
    expect(structuredClone(meta)).toEqual(meta)
  })

  test('finds the newest version that is old enough, and tombstones', () => {
    const reader = openTable(buildTable([put('a', 9, 'new'), deletion('a', 4), put('a', 2, 'old'), put('b', 7)]))
    expect(getFrom(reader, 'a', SEQUENCE_MAX)).toEqual(put('a', 9, 'new'))
    expect(getFrom(reader, 'a', 9)).toEqual(put('a', 9, 'new'))
    expect(getFrom(reader, 'a', 8)).toEqual(deletion('a', 4))
    expect(getFrom(reader, 'a', 3)).toEqual(put('a', 2, 'old'))
    expect(getFrom(reader, 'a', 1)).toBeUndefined()
    expect(getFrom(reader, 'aa', SEQUENCE_MAX)).toBeUndefined()
    expect(getFrom(reader, '', SEQUENCE_MAX)).toBeUndefined()
    expect(getFrom(reader, 'c', SEQUENCE_MAX)).toBeUndefined()
  })

  test('finds each version of a key whose versions span many blocks', () => {
    const versions = Array.from({ length: 200 }, (_, i) => put('hot', 1000 - 2 * i))
    const entries = [put('hos', 1), ...versions, put('hot\0', 3), put('hou', 5)]
    const reader = openTable(buildTable(entries, { blockSize: 64 }), new BlockCache(1 << 20))
    for (let round = 0; round < 3; round++) {
      for (let sequence = 1001; sequence >= 600; sequence--) {
        expect(getFrom(reader, 'hot', sequence)).toEqual(modelGet(entries, 'hot', sequence))
      }
    }
    expect(getFrom(reader, 'hot', 601)).toBeUndefined()
    const iterator = reader.iterator(BLOCKING)
    for (let sequence = 1001; sequence >= 600; sequence--) {
      const at = modelLowerBound(entries, 'hot', sequence)
      expect(seek(iterator, 'hot', sequence)).toBe(MOVED)
      expect(entryAt(iterator)).toEqual(entries[at])
      expect(seekBefore(iterator, 'hot', sequence)).toBe(MOVED)
      expect(entryAt(iterator)).toEqual(entries[at - 1])
    }
  })

  test('reads one block for a version of a key that spans many', () => {
    const versions = Array.from({ length: 500 }, (_, i) => put('hot', 1000 - i))
    const reader = openTable(buildTable(versions, { blockSize: 64 }))
    const before = reader.stats.blockingReads
    expect(getFrom(reader, 'hot', 700)).toEqual(put('hot', 700))
    expect(reader.stats.blockingReads - before).toBe(1)
  })

  test('keeps the empty key, the longest key and the empty value', () => {
    const longest = 'k'.repeat(KEY_BYTES_MAX)
    const entries = [put('', 3, ''), put('a', 2, ''), put(longest, 1, 'end')]
    const reader = openTable(buildTable(entries))
    expect(allForward(reader.iterator(BLOCKING))).toEqual(entries)
    for (const entry of entries) expect(getFrom(reader, entry.key, SEQUENCE_MAX)).toEqual(entry)
  })

  test('keeps values that are longer than a block, and offsets beyond 16 bits', () => {
    const large = [put('a', 1, 'x'), put('b', 2, 'y'.repeat(300_000)), put('c', 3, 'z')]
    for (const blockSize of [64, 16_384, 1_048_576]) {
      const reader = openTable(buildTable(large, { blockSize, codec: 'snappy' }))
      expect(allForward(reader.iterator(BLOCKING))).toEqual(large)
      expect(getFrom(reader, 'c', 9)).toEqual(large[2])
    }
  })

  test('says about where a key is', () => {
    const reader = openTable(buildTable(Array.from({ length: 1000 }, (_, i) => put(`k${1000 + i}`, 1))))
    const offset = (key: string): number => reader.approximateOffsetOf(Buffer.from(key))
    expect(offset('a')).toBe(0)
    expect(offset('k1500') / reader.meta.tailOffset).toBeCloseTo(0.5, 1)
    expect(offset('z')).toBe(reader.meta.tailOffset)
  })

  test('is the same file, byte for byte, for the same entries', () => {
    const entries = randomEntries(new Random(5), 500)
    const [one, two] = [buildTable(entries, { codec: 'zstd' }), buildTable(entries, { codec: 'zstd' })]
    expect(one.vfs.readFile(one.path).equals(two.vfs.readFile(two.path))).toBe(true)
  })
})

describe('table at random', () => {
  const seed = testSeed()
  const random = new Random(seed)
  for (let round = 0; round < 25; round++) {
    const options: TableBuilderOptions = {
      ...OPTIONS,
      blockSize: random.pick([64, 65, 100, 256, 1000, 4096, 16_384]),
      codec: random.pick(['none', 'snappy', 'zstd']),
      bloomFalsePositiveRate: random.pick([0, 0.01, 0.5]),
    }
    const entries = randomEntries(random, 1 + random.below(400))
    const cacheBytes = random.pick([undefined, 0, 4096, 1 << 20])
    const roundSeed = random.uint32()
    test(`equals a sorted array: VARVE_SEED=${seed} round ${round}, ${JSON.stringify(options)}`, () => {
      const table = buildTable(entries, options)
      const cache = cacheBytes === undefined ? undefined : new BlockCache(cacheBytes)
      const reader = openTable(table, cache)
      const context = new ReadContext(true, true, roundSeed % 2 === 0)
      const iterator = reader.iterator(context)
      expect(allForward(iterator)).toEqual(entries)
      expect(allBackward(iterator)).toEqual(entries.toReversed())
      walkAtRandom(iterator, entries, new Random(roundSeed))
      const pick = new Random(roundSeed)
      for (let i = 0; i < 300; i++) {
        const { key, sequence } = randomTarget(entries, pick)
        expect(getFrom(reader, key, sequence, context)).toEqual(modelGet(entries, key, sequence))
      }
      iterator.close()
      reader.release()
      expect(table.vfs.openHandleCount).toBe(0)
      expect(cache?.stats()).toMatchObject(cache === undefined ? {} : { pinnedBytes: 0, blockCount: 0 })
    })
  }
})

/** A key and sequence near one that is there. */
function randomTarget(entries: readonly Entry[], random: Random): { key: string; sequence: number } {
  const entry = random.pick(entries)
  const key = random.pick([entry.key, entry.key, `${entry.key}\0`, entry.key.slice(0, -1), `${entry.key.slice(0, -1)}\xff`])
  return { key, sequence: random.pick([SEQUENCE_MAX, 0, entry.sequence, entry.sequence - 1, entry.sequence + 1]) }
}

/** Seeks and steps in both directions, compared with an index into the array. */
function walkAtRandom(iterator: InternalIterator, entries: readonly Entry[], random: Random): void {
  let at = -1
  for (let step = 0; step < 600; step++) {
    const isStanding = at >= 0 && at < entries.length
    let status
    if (!isStanding || random.chance(0.15)) {
      const { key, sequence } = randomTarget(entries, random)
      const isForward = random.chance(0.5)
      at = modelLowerBound(entries, key, sequence) - (isForward ? 0 : 1)
      status = isForward ? seek(iterator, key, sequence) : seekBefore(iterator, key, sequence)
    } else if (random.chance(0.5)) {
      at++
      status = iterator.next()
    } else {
      at--
      status = iterator.prev()
    }
    if (at < 0 || at >= entries.length) {
      expect(status).toBe(EXHAUSTED)
    } else {
      expect(status).toBe(MOVED)
      expect(entryAt(iterator)).toEqual(entries[at])
    }
  }
}
