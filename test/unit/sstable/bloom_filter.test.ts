import { describe, expect, test } from 'vitest'
import { hashKey } from '../../../src/codec/hash.js'
import { BloomFilter, BloomFilterBuilder, expectedRate, filterShape } from '../../../src/sstable/bloom_filter.js'
import { runTaskSync } from '../../../src/util/task.js'

function hashOf(key: string): number {
  const data = Buffer.from(key)
  return hashKey(data, 0, data.length)
}

function filterOf(rate: number, keys: Iterable<string>): { filter: BloomFilter; bytes: number } {
  const builder = new BloomFilterBuilder(rate)
  for (const key of keys) builder.add(hashOf(key))
  const estimate = builder.estimatedBytes
  const { buffer, length } = runTaskSync(builder.finish(9))
  expect(buffer.length).toBeGreaterThanOrEqual(length + 9)
  expect(Math.abs(length - estimate)).toBeLessThanOrEqual(64 + estimate / 5)
  return { filter: new BloomFilter(buffer.subarray(0, length), 'a.sst', 0), bytes: length }
}

function* userKeys(count: number, from = 0): Generator<string> {
  for (let i = from; i < from + count; i++) yield `user:${String(i).padStart(11, '0')}`
}

/** Share of absent keys that the filter does not exclude. */
function measuredRate(filter: BloomFilter, keys: Iterable<string>): number {
  let passed = 0
  let asked = 0
  for (const key of keys) {
    asked++
    if (filter.mayContain(hashOf(key))) passed++
  }
  return passed / asked
}

describe('bloom filter', () => {
  test('never excludes a key that is there', () => {
    for (const rate of [0.5, 0.1, 0.01, 0.0001]) {
      for (const count of [1, 2, 10, 1000]) {
        const { filter } = filterOf(rate, userKeys(count))
        expect(measuredRate(filter, userKeys(count))).toBe(1)
      }
    }
  })

  for (const rate of [0.1, 0.01, 0.001]) {
    for (const count of [1000, 30_000, 300_000]) {
      test(`lets at most ${rate} of absent keys pass, within 1.3 times, with ${count} keys`, () => {
        const { filter } = filterOf(rate, userKeys(count))
        expect(measuredRate(filter, userKeys(rate < 0.01 ? 200_000 : 50_000, 5_000_000))).toBeLessThan(rate * 1.3)
      })
    }
  }

  test('meets the rate for keys that differ only in front, and for random ones', () => {
    const front = function* (from: number): Generator<string> {
      for (let i = from; i < from + 50_000; i++) yield `${i.toString(36)}:a long tail that is always the same`
    }
    expect(measuredRate(filterOf(0.01, front(0)).filter, front(1_000_000))).toBeLessThan(0.013)
    const spread = function* (from: number): Generator<string> {
      for (let i = from; i < from + 50_000; i++) yield String(Math.imul(i, 0x9e3779b1) >>> 0)
    }
    expect(measuredRate(filterOf(0.01, spread(0)).filter, spread(1_000_000))).toBeLessThan(0.013)
  })

  test('takes no more bits than it needs', () => {
    expect(filterShape(0.5).bitsPerKey).toBeLessThanOrEqual(2)
    expect(filterShape(0.1).bitsPerKey).toBeLessThanOrEqual(5.25)
    expect(filterShape(0.01).bitsPerKey).toBeLessThanOrEqual(10.5)
    expect(filterShape(0.001).bitsPerKey).toBeLessThanOrEqual(17)
    for (const rate of [0.5, 0.1, 0.01, 0.001, 0.0001]) {
      const { bitsPerKey, probes } = filterShape(rate)
      expect(expectedRate(bitsPerKey, probes)).toBeLessThanOrEqual(rate)
    }
  })
})
