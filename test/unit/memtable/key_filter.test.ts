import { expect, test } from 'vitest'
import { hashKey } from '../../../src/codec/hash.js'
import { filterShiftFor, filterWordsFor, hashKeyWords } from '../../../src/memtable/key_filter.js'
import { Memtable } from '../../../src/memtable/memtable.js'
import { Random } from '../../../src/util/random.js'
import { insert, put } from './entries.js'

test('the hash of words is the hash of bytes', () => {
  const random = new Random(1)
  for (let length = 0; length < 70; length++) {
    const words = new Int32Array(20)
    const bytes = Buffer.from(words.buffer, 4, length)
    random.fill(bytes)
    expect(hashKeyWords(words, 1, length) >>> 0).toBe(hashKey(bytes, 0, length))
  }
})

test('the filter takes up to a 64th of the arena, 4 MiB at most, and every hash finds a word in it', () => {
  for (const arenaBytes of [4096, 5000, 65_536, 100_000, 4 << 20, 1 << 28, 1 << 30]) {
    const words = filterWordsFor(arenaBytes >>> 2)
    expect(4 * words).toBeLessThanOrEqual(Math.min(arenaBytes / 64, 4 << 20))
    expect(4 * words).toBeGreaterThan(Math.min(arenaBytes / 64, 4 << 20) / 2 - 4)
    expect(0xffff_ffff >>> filterShiftFor(arenaBytes >>> 2)).toBe(words - 1)
  }
})

test('a full memtable of usual entries turns away all but two percent of absent keys', () => {
  const memtable = Memtable.create(1 << 20)
  let count = 0
  while (memtable.hasRoomFor(Memtable.entryBytesMax(16, 100))) {
    insert(memtable, put(`present:${String(count++).padStart(8, '0')}`, count, Buffer.alloc(100)))
  }
  // A key that passes is searched for: this counts searches by what `search` leaves behind.
  let passed = 0
  const list = Reflect.get(memtable, 'list') as { found: number }
  for (let i = 0; i < 10_000; i++) {
    const key = Buffer.from(`absent:${i}`)
    list.found = -1
    memtable.find(key, 0, key.length, 1)
    if (list.found !== -1) passed++
  }
  expect(passed).toBeLessThan(200)
})

test('a known hash saves computing it', () => {
  const memtable = Memtable.create(4096)
  insert(memtable, put('a', 1))
  const key = Buffer.from('a')
  expect(memtable.findHashed(key, 0, 1, 1, hashKey(key, 0, 1))).toBe(memtable.find(key, 0, 1, 1))
})
