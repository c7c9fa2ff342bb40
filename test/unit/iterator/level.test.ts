import { describe, expect, test } from 'vitest'
import { EXHAUSTED, type MoveStatus, MOVED, NEEDS_IO } from '../../../src/codec/internal_iterator.js'
import { SEQUENCE_MAX } from '../../../src/codec/internal_key.js'
import { LevelIterator } from '../../../src/iterator/level.js'
import { ReadContext } from '../../../src/sstable/read_context.js'
import { TableCache } from '../../../src/sstable/table_cache.js'
import type { TableMeta } from '../../../src/sstable/table_meta.js'
import { Random } from '../../../src/util/random.js'
import { MemoryVfs } from '../../../src/vfs/memory.js'
import { compareEntries, type Entry, entryAt, put, randomEntries, testSeed } from './array_iterator.js'
import { cutAtKeys, writeTable } from './tables.js'

describe('level iterator', () => {
  test('gives the entries of all tables in both directions', () => {
    const { tables, cache } = makeLevel(letters('abcdefghij'), 3)
    expect(tables).toHaveLength(4)
    const level = new LevelIterator(tables, cache, new ReadContext())
    const seen: string[] = []
    for (let status = level.seekToFirst(); status === MOVED; status = level.next()) seen.push(entryAt(level).key)
    for (let status = level.seekToLast(); status === MOVED; status = level.prev()) seen.push(entryAt(level).key)
    expect(seen.join('')).toBe('abcdefghijjihgfedcba')
  })

  test('opens a table only when it comes to it', () => {
    const { tables, cache } = makeLevel(letters('abcdef'), 2)
    const level = new LevelIterator(tables, cache, new ReadContext())
    expect(cache.stats().opens).toBe(0)
    level.seekToFirst()
    level.next()
    expect(cache.stats().opens).toBe(1)
    level.next()
    expect(cache.stats().opens).toBe(2)
  })

  test('seeks between tables', () => {
    const { tables, cache } = makeLevel(letters('abxy'), 2)
    const level = new LevelIterator(tables, cache, new ReadContext())
    expect([seek(level, 'm'), entryAt(level).key]).toEqual([MOVED, 'x'])
    expect([seekBefore(level, 'm'), entryAt(level).key]).toEqual([MOVED, 'b'])
    expect([seek(level, 'z'), seekBefore(level, 'a')]).toEqual([EXHAUSTED, EXHAUSTED])
    expect([seekBefore(level, 'z'), entryAt(level).key]).toEqual([MOVED, 'y'])
  })

  test('goes on to the next table when the last key of one has only newer versions', () => {
    const { tables, cache } = makeLevel([put('a', 5), put('b', 9), put('c', 7)], 2)
    const level = new LevelIterator(tables, cache, new ReadContext())
    expect([seek(level, 'b', 3), entryAt(level).key]).toEqual([MOVED, 'c'])
    expect([seekBefore(level, 'c', SEQUENCE_MAX), entryAt(level).key]).toEqual([MOVED, 'b'])
  })

  test('does not touch tables outside of its bounds', () => {
    const { tables, cache } = makeLevel(letters('abcdefgh'), 2)
    const level = new LevelIterator(tables, cache, new ReadContext(), Buffer.from('d'), Buffer.from('g'))
    const seen: string[] = []
    for (let status = level.seekToFirst(); status === MOVED; status = level.next()) seen.push(entryAt(level).key)
    expect(seen.join('')).toBe('cdef')
    expect(cache.stats().opens).toBe(2)
    expect(new LevelIterator(tables, cache, new ReadContext(), Buffer.from('i')).seekToFirst()).toBe(EXHAUSTED)
    expect(new LevelIterator(tables, cache, new ReadContext(), undefined, Buffer.from('a')).seekToLast()).toBe(EXHAUSTED)
  })

  test('a seek that waits loads nothing twice, and stands nowhere meanwhile', async () => {
    const { tables, cache } = makeLevel([put('a', 5), put('b', 9), put('c', 7)], 2, 1)
    const context = new ReadContext(false)
    const level = new LevelIterator(tables, cache, context)
    const loads = async (act: () => MoveStatus): Promise<number> => {
      let count = 0
      for (; act() === NEEDS_IO; count++) await context.load()
      return count
    }
    expect(await loads(() => level.seekToFirst())).toBe(2)
    expect(seek(level, 'b', 3)).toBe(NEEDS_IO)
    expect(() => level.next()).toThrow('moves on from an entry')
    expect(await loads(() => seek(level, 'b', 3))).toBe(2)
    expect(entryAt(level).key).toBe('c')
  })

  test('lets go of its tables', () => {
    const { tables, cache } = makeLevel(letters('abcdef'), 2)
    const level = new LevelIterator(tables, cache, new ReadContext())
    level.seekToFirst()
    const reader = cache.reader(tables[0]!, new ReadContext())!
    level.close()
    cache.closeAll()
    expect(() => reader.release()).toThrow('released only as often')
  })

  test('equals a sorted array on random walks, without reading on the spot and without a cache', async () => {
    const seed = testSeed()
    const random = new Random(seed)
    for (let round = 0; round < 25; round++) await walkAtRandom(random, `VARVE_SEED=${seed} round ${round}`)
  })
})

async function walkAtRandom(random: Random, replay: string): Promise<void> {
  const entries = randomEntries(random, 1 + random.below(120), 1 + random.below(40))
  const { tables, cache } = makeLevel(entries, 1 + random.below(20), 1)
  const context = new ReadContext(false)
  const level = new LevelIterator(tables, cache, context)
  const model = entries.toSorted(compareEntries)
  let position = -1
  for (let move = 0; move < 60; move++) {
    const isStanding = position >= 0 && position < model.length
    const action = random.below(isStanding ? 12 : 4)
    const target: Entry = put(`k${String(random.below(42)).padStart(3, '0')}`, random.below(130))
    const act = (): MoveStatus => {
      if (action === 0) return level.seekToFirst()
      if (action === 1) return level.seekToLast()
      if (action === 2) return seek(level, target.key, target.sequence)
      if (action === 3) return seekBefore(level, target.key, target.sequence)
      return action < 8 ? level.next() : level.prev()
    }
    let status = act()
    const isGivenUp = random.chance(0.2)
    for (let i = 0; status === NEEDS_IO && !isGivenUp; status = act(), i++) {
      expect(i, replay).toBeLessThan(10)
      await context.load()
    }
    if (status === NEEDS_IO) {
      if (action < 4) position = -1
      continue
    }
    if (action === 0) position = 0
    else if (action === 1) position = model.length - 1
    else if (action === 2) position = model.findIndex((entry) => compareEntries(entry, target) >= 0)
    else if (action === 3) position = model.findLastIndex((entry) => compareEntries(entry, target) < 0)
    else position += action < 8 ? 1 : -1
    const expected = model[position]
    expect(status, replay).toBe(expected === undefined ? EXHAUSTED : MOVED)
    if (expected !== undefined) expect(entryAt(level), replay).toEqual(expected)
  }
  level.close()
}

function letters(keys: string): Entry[] {
  return [...keys].map((key, i) => put(key, i + 1))
}

function makeLevel(entries: readonly Entry[], tableSize: number, maxOpenTables = 10): { tables: TableMeta[]; cache: TableCache } {
  const vfs = new MemoryVfs()
  vfs.mkdirSync('/db')
  const tables = cutAtKeys(entries, tableSize).map((group, i) => writeTable(vfs, '/db', i + 1, group))
  return { tables, cache: new TableCache(vfs, '/db', undefined, maxOpenTables) }
}

function seek(level: LevelIterator, key: string, sequence = SEQUENCE_MAX): MoveStatus {
  return level.seek(Buffer.from(key), 0, key.length, sequence)
}

function seekBefore(level: LevelIterator, key: string, sequence = SEQUENCE_MAX): MoveStatus {
  return level.seekBefore(Buffer.from(key), 0, key.length, sequence)
}
