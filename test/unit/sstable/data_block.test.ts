import { describe, expect, test } from 'vitest'
import { hashKey } from '../../../src/codec/hash.js'
import { SEQUENCE_MAX } from '../../../src/codec/internal_key.js'
import { BlockCursor } from '../../../src/sstable/block_cursor.js'
import {
  entryCountOf,
  findInHashTable,
  findStructuralDefect,
  findVersion,
  hashSlotCount,
  hashedEntryCountOf,
  lowerBound,
} from '../../../src/sstable/data_block.js'
import { DataBlockBuilder } from '../../../src/sstable/data_block_builder.js'
import { Random } from '../../../src/util/random.js'
import { bytes, deletion, type Entry, modelGet, modelLowerBound, put, randomEntries, testSeed } from './fixture.js'

/** The raw block of sorted entries. */
function blockOf(entries: readonly Entry[]): Buffer {
  const builder = new DataBlockBuilder(64)
  for (const { key, sequence, kind, value } of entries) {
    const predicted = builder.rawBytesWith(key.length, value.length)
    const data = bytes(key + value)
    builder.add(data, 0, key.length, sequence, kind, key.length, data.length)
    expect(builder.finish(0)).toBe(predicted)
  }
  return finished(builder)
}

function finished(builder: DataBlockBuilder): Buffer {
  const length = builder.finish(0)
  return Buffer.from(builder.buffer.subarray(0, length))
}

function find(block: Buffer, key: string, sequence: number): number {
  const data = bytes(key)
  return findVersion(block, data, 0, data.length, hashKey(data, 0, data.length), sequence)
}

function checked(entries: readonly Entry[]): Buffer {
  const block = blockOf(entries)
  expect(findStructuralDefect(block)).toBeUndefined()
  expect(entryCountOf(block)).toBe(entries.length)
  return block
}

class Cursor extends BlockCursor {
  read(block: Buffer, entry: number): Entry {
    this.enter(block, entry)
    const { data, keyStart, keyEnd, sequence, kind, valueStart, valueEnd } = this
    return { key: data.toString('latin1', keyStart, keyEnd), sequence, kind, value: data.toString('latin1', valueStart, valueEnd) }
  }
}

describe('data block', () => {
  const seed = testSeed()
  const random = new Random(seed)
  for (let round = 0; round < 20; round++) {
    const entries = randomEntries(random, 1 + random.below(round < 10 ? 40 : 400))
    test(`is searched like a sorted array: VARVE_SEED=${seed} round ${round}, ${entries.length} entries`, () => {
      const block = checked(entries)
      const cursor = new Cursor()
      for (const [i, entry] of entries.entries()) expect(cursor.read(block, i)).toEqual(entry)
      for (let i = 0; i < 500; i++) {
        const near = random.pick(entries)
        const key = random.pick([near.key, near.key, `${near.key}\0`, near.key.slice(0, -1), `${near.key.slice(0, -1)}\xff`])
        const sequence = random.pick([SEQUENCE_MAX, near.sequence, near.sequence - 1, near.sequence + 1, 0])
        expect(lowerBound(block, bytes(key), 0, key.length, sequence, 0)).toBe(modelLowerBound(entries, key, sequence))
        const expected = modelGet(entries, key, sequence)
        expect(find(block, key, sequence)).toBe(expected === undefined ? -1 : entries.indexOf(expected))
      }
    })
  }

  test('searches from an entry on', () => {
    const block = checked([put('a', 1), put('b', 2), put('c', 3)])
    expect(lowerBound(block, bytes('a'), 0, 1, 9, 1)).toBe(1)
    expect(lowerBound(block, bytes('c'), 0, 1, 9, 1)).toBe(2)
    expect(lowerBound(block, bytes('d'), 0, 1, 9, 3)).toBe(3)
  })

  test('has room for a hash table unless it has few entries or too many', () => {
    expect([0, 1, 7].map(hashSlotCount)).toEqual([0, 0, 0])
    expect(hashSlotCount(8)).toBe(11)
    expect(hashSlotCount(129)).toBe(172)
    expect(hashSlotCount(49_151)).toBe(65_535)
    expect(hashSlotCount(49_152)).toBe(0)
  })

  for (const count of [7, 8, 49_151, 49_152]) {
    test(`finds each of ${count} keys, and none that is not there`, () => {
      const entries = Array.from({ length: count }, (_, i) => put(`k${100_000 + i}`, 1, ''))
      const block = checkedLarge(entries)
      for (let i = 0; i < count; i += Math.ceil(count / 500)) {
        expect(find(block, `k${100_000 + i}`, 5)).toBe(i)
        expect(find(block, `k${100_000 + i}`, 0)).toBe(-1)
        expect(find(block, `k${200_000 + i}`, 5)).toBe(-1)
      }
    })
  }

  test('is searched without its tail once its shape is known, which it is when the hash table is built', () => {
    const entries = Array.from({ length: 100 }, (_, i) => put(`key${i * 2}`.padEnd(6 + (i % 7), 'x'), 5)).sort((a, b) =>
      a.key < b.key ? -1 : 1,
    )
    const block = checked(entries)
    expect(hashedEntryCountOf(block)).toBe(0)
    for (let i = 0; i < 3; i++) find(block, entries[0]!.key, SEQUENCE_MAX)
    expect(hashedEntryCountOf(block)).toBe(100)
    for (const [i, { key }] of entries.entries()) {
      const data = bytes(key)
      const hash = hashKey(data, 0, data.length)
      expect(findInHashTable(block, 100, 2, data, 0, data.length, hash, SEQUENCE_MAX)).toBe(i)
      expect(findInHashTable(block, 100, 2, data, 0, data.length, hash, 4)).toBe(-1)
    }
    const wide = checked(Array.from({ length: 10 }, (_, i) => put(`key${i}`, 1, 'v'.repeat(10_000))))
    for (let i = 0; i < 3; i++) expect(find(wide, 'key7', 1)).toBe(7)
    expect(hashedEntryCountOf(wide)).toBe(0)
  })

  test('stores zeros where the reader builds its hash table, and ignores what damage left there', () => {
    const entries = Array.from({ length: 20 }, (_, i) => put(`k${10 + i}`, 1))
    const stored = blockOf(entries)
    const hashStart = stored.length - 6 - 2 * hashSlotCount(20)
    expect(stored.subarray(hashStart, stored.length - 6).every((byte) => byte === 0)).toBe(true)
    expect(stored.at(-1)).toBe(0)
    const block = Buffer.from(stored)
    block.fill(0x5a, hashStart, block.length - 6)
    block[block.length - 1] = 255
    expect(findStructuralDefect(block)).toBeUndefined()
    for (let round = 0; round < 3; round++) for (let i = 0; i < 20; i++) expect(find(block, `k${10 + i}`, 1)).toBe(i)
    expect(block.subarray(0, hashStart).equals(stored.subarray(0, hashStart))).toBe(true)
  })

  test('takes wide offsets when its entries need them', () => {
    for (const extra of [0, 1]) {
      const entries = [put('a', 1, 'x'.repeat(65_535 - 20 + extra)), deletion('b', 2)]
      const block = checked(entries)
      expect(block.at(-2)).toBe(extra === 0 ? 2 : 4)
      expect(new Cursor().read(block, 1)).toEqual(entries[1])
      expect(find(block, 'b', 9)).toBe(1)
    }
  })

  test('is built again in the same memory, and the last key stays until then', () => {
    const builder = new DataBlockBuilder(64)
    const large = bytes(`key${'v'.repeat(100_000)}`)
    builder.add(large, 0, 3, 1, 1, 3, large.length)
    builder.finish(9)
    builder.reset()
    expect(builder.buffer.length).toBeLessThan(10_000)
    expect(builder.buffer.toString('latin1', builder.lastKeyStart, builder.lastKeyEnd)).toBe('key')
    builder.add(bytes('b'), 0, 1, 1, 1, 1, 1)
    expect(finished(builder)).toEqual(blockOf([put('b', 1, '')]))
  })
})

function checkedLarge(entries: readonly Entry[]): Buffer {
  const builder = new DataBlockBuilder(1024)
  for (const { key, sequence, kind } of entries) builder.add(bytes(key), 0, key.length, sequence, kind, key.length, key.length)
  const block = finished(builder)
  expect(findStructuralDefect(block)).toBeUndefined()
  return block
}
