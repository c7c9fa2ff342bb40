import { describe, expect, test } from 'vitest'
import { SEQUENCE_MAX } from '../../../src/codec/internal_key.js'
import { Arena, HEIGHT_MAX } from '../../../src/memtable/arena.js'
import { Memtable } from '../../../src/memtable/memtable.js'
import { Random } from '../../../src/util/random.js'
import { compareEntries, type Entry, hasRoomForEntry, insert, KEY_SHAPES, put, randomEntry, testSeed, textOf, textsOf } from './entries.js'

const KIB = 1024
const GIB = KIB * KIB * KIB

/** Fills a memtable until it promises no more room. */
function fillUp(memtable: Memtable, random: Random, shape: string): Entry[] {
  const entries: Entry[] = []
  for (;;) {
    const entry = randomEntry(random, KEY_SHAPES[shape]!(random, entries.length), entries.length + 1)
    if (!hasRoomForEntry(memtable, entry)) return entries
    insert(memtable, entry)
    entries.push(entry)
  }
}

function contentOf(memtable: Memtable): string[] {
  const iterator = memtable.iterator()
  return textsOf(iterator, iterator.seekToFirst(), 'next')
}

describe('arena', () => {
  test('has 4 KiB to 1 GiB', () => {
    expect(() => Memtable.create(4 * KIB - 1)).toThrow('4 KiB to 1 GiB')
    expect(() => Memtable.create(GIB + 1)).toThrow('4 KiB to 1 GiB')
    expect(Memtable.create(4 * KIB).capacityBytes).toBe(4 * KIB)
    expect(Memtable.create(4 * KIB + 1).capacityBytes).toBe(4 * KIB + 4)
    const largest = Memtable.create(GIB)
    insert(largest, put('a', 1))
    expect(largest.data.toString('latin1', largest.valueStartAt(largest.find(Buffer.from('a'), 0, 1, 1)), GIB - 2)).toBe('v1')
  })

  test('an entry that was promised room fits, one that was not is refused by an assertion', () => {
    const memtable = Memtable.create(4 * KIB)
    let freeBytes = 0
    while (memtable.hasRoomFor(freeBytes + 1)) freeBytes++
    let valueBytes = 0
    while (Memtable.entryBytesMax(1, valueBytes + 1) <= freeBytes) valueBytes++
    expect(() => insert(memtable, put('k', 1, Buffer.alloc(4 * KIB)))).toThrow('an entry fits into the arena')
    insert(memtable, put('k', 2, Buffer.alloc(valueBytes, 'v')))
    expect(memtable.hasRoomFor(Memtable.entryBytesMax(0, 0))).toBe(false)
    expect(memtable.usedBytes).toBeGreaterThan(memtable.capacityBytes - 200)
  })

  test('a refused entry leaves the memtable as it was', () => {
    const memtable = Memtable.create(4 * KIB)
    for (const [index, key] of ['b', 'd', 'm'].entries()) insert(memtable, put(key, index + 1))
    const before = [memtable.usedBytes, memtable.entryCount]
    expect(() => insert(memtable, put('c', 4, Buffer.alloc(4 * KIB)))).toThrow('an entry fits into the arena')
    expect(() => insert(memtable, put('b', 1))).toThrow('a version is inserted once')
    expect([memtable.usedBytes, memtable.entryCount]).toEqual(before)
    insert(memtable, put('n', 5))
    insert(memtable, put('', 6))
    expect(contentOf(memtable)).toEqual([put('', 6), put('b', 1), put('d', 2), put('m', 3), put('n', 5)].map(textOf))
  })

  test('a group whose bounds were promised room fits to its last entry, whatever heights are drawn', () => {
    const seed = testSeed()
    const random = new Random(seed)
    for (let round = 0; round < 40; round++) {
      const memtable = Memtable.create(random.between(4 * KIB, 40 * KIB))
      for (let sequence = 1; ;) {
        const group = Array.from({ length: random.between(1, 200) }, () => put(String(random.uint32()), sequence++, ''))
        const bound = group.reduce((sum, { key, value }) => sum + Memtable.entryBytesMax(key.length, value.length), 0)
        if (!memtable.hasRoomFor(bound)) break
        expect(() => group.forEach((entry) => insert(memtable, entry)), `VARVE_SEED=${seed} round ${round}`).not.toThrow()
      }
    }
  })

  test('towers of any run of entries stay within what the entries paid for', () => {
    const arena = Arena.reset(new SharedArrayBuffer(4 * KIB))
    let total = 0
    let owed = 0
    let owedMost = 0
    const DRAWS = 20_000_000
    for (let i = 0; i < DRAWS; i++) {
      const height = arena.drawHeight()
      total += height
      owed = Math.max(0, owed + height - 2)
      owedMost = Math.max(owedMost, owed)
    }
    expect(owedMost).toBeLessThanOrEqual(HEIGHT_MAX)
    expect(owedMost).toBeGreaterThan(HEIGHT_MAX - 3)
    expect(total / DRAWS).toBeCloseTo(4 / 3, 2)
  })

  test('the bound of an entry is not far from what entries take', () => {
    const memtable = Memtable.create(1 << 20)
    const emptyBytes = memtable.usedBytes
    for (let i = 0; i < 5000; i++) insert(memtable, put(String(i).padStart(16, '0'), i + 1, Buffer.alloc(100)))
    const takenBytes = memtable.usedBytes - emptyBytes
    expect(takenBytes).toBeLessThanOrEqual(5000 * Memtable.entryBytesMax(16, 100))
    expect(takenBytes).toBeGreaterThan(0.95 * 5000 * Memtable.entryBytesMax(16, 100))
  })

  test('a group larger than any arena so far gets one that it fits into', () => {
    for (const bytes of [0, 1, 4000, 4096, 65_536, 300_001, 5_000_000]) {
      const capacityBytes = Memtable.capacityFor(bytes)
      expect(Memtable.create(capacityBytes).hasRoomFor(bytes)).toBe(true)
      expect(capacityBytes).toBeLessThan(Math.max(4097, bytes * 1.02 + 1000))
    }
  })

  test('equal inserts give equal bytes', () => {
    const images = [1, 2].map(() => {
      const memtable = Memtable.create(64 * KIB)
      fillUp(memtable, new Random(7), 'several groups of keys')
      return Buffer.from(memtable.data)
    })
    expect(images[0]!.equals(images[1]!)).toBe(true)
  })

  test('padding is zero, whatever was there', () => {
    const buffer = new SharedArrayBuffer(64 * KIB)
    Buffer.from(buffer).fill(0xff)
    const memtable = Memtable.reuse(buffer)
    for (let length = 1; length < 300; length += length === 9 ? 240 : 1) {
      const key = Buffer.alloc(length, 'k')
      insert(memtable, put(key, length, Buffer.alloc(length, 'v')))
      const node = memtable.find(key, 0, length, length)
      expect(node).not.toBe(0)
      const valueStart = memtable.valueStartAt(node)
      const valueEnd = memtable.valueEndAt(node)
      const keyPadding = memtable.data.subarray(valueStart - (-length & 3), valueStart)
      const valuePadding = memtable.data.subarray(valueEnd, (valueEnd + 3) & ~3)
      expect([...keyPadding, ...valuePadding, 0].every((byte) => byte === 0)).toBe(true)
    }
  })

  test.each(Object.keys(KEY_SHAPES))('a recycled one shows nothing of what it held: %s', (shape) => {
    const seed = testSeed()
    const random = new Random(seed)
    const former = Memtable.create(48 * KIB)
    const formerEntries = fillUp(former, random, shape)
    former.freeze()
    const memtable = Memtable.reuse(former.arena)
    expect([memtable.entryCount, memtable.rawKeyBytes, memtable.isFrozen]).toEqual([0, 0, false])
    expect(memtable.usedBytes).toBe(Memtable.create(48 * KIB).usedBytes)
    expect(formerEntries.filter(({ key }) => memtable.find(key, 0, key.length, SEQUENCE_MAX) !== 0)).toEqual([])
    expect(contentOf(memtable)).toEqual([])
    const entries = fillUp(memtable, random, random.pick(Object.keys(KEY_SHAPES)))
    expect(contentOf(memtable), `VARVE_SEED=${seed}`).toEqual(entries.sort(compareEntries).map(textOf))
  })

  test('only a frozen memtable is attached to', () => {
    const memtable = Memtable.create(4 * KIB)
    insert(memtable, put('a', 1))
    expect(() => Memtable.attach(memtable.arena)).toThrow('only a frozen memtable')
    expect(() => Memtable.attach(new SharedArrayBuffer(4 * KIB))).toThrow('only the arena of a memtable')
    memtable.freeze()
    const attached = Memtable.attach(memtable.arena)
    expect(contentOf(attached)).toEqual([textOf(put('a', 1))])
    expect(() => insert(attached, put('b', 2))).toThrow('a frozen memtable takes no entries')
  })
})
