import { describe, expect, test } from 'vitest'
import { hashKey } from '../../../src/codec/hash.js'
import { Random } from '../../../src/util/random.js'

const SEED = 0x7661_7276
const MASK = 0xffff_ffffn

/** MurmurHash3 for 32 bits as its description goes, in big integers: slow, and plain enough to check by reading. */
function murmur3(key: Uint8Array, seed: number): number {
  const times = (a: bigint, b: bigint): bigint => (a * b) & MASK
  const rotated = (a: bigint, by: bigint): bigint => ((a << by) | (a >> (32n - by))) & MASK
  const mixed = (word: bigint): bigint => times(rotated(times(word, 0xcc9e2d51n), 15n), 0x1b873593n)
  let hash = BigInt(seed)
  for (let i = 0; i < key.length; i += 4) {
    let word = 0n
    for (let j = Math.min(i + 4, key.length) - 1; j >= i; j--) word = (word << 8n) | BigInt(key[j]!)
    hash ^= mixed(word)
    if (i + 4 <= key.length) hash = (times(rotated(hash, 13n), 5n) + 0xe6546b64n) & MASK
  }
  hash ^= BigInt(key.length)
  hash = times(hash ^ (hash >> 16n), 0x85ebca6bn)
  hash = times(hash ^ (hash >> 13n), 0xc2b2ae35n)
  return Number(hash ^ (hash >> 16n))
}

test.each([
  ['', 0, 0],
  ['', 1, 0x514e_28b7],
  ['test', 0, 0xba6b_d213],
  ['Hello, world!', 0, 0xc036_3e43],
  ['The quick brown fox jumps over the lazy dog', 0, 0x2e4f_f723],
])('the reference of this test is MurmurHash3: %j with seed %i', (key, seed, expected) => {
  expect(murmur3(Buffer.from(key), seed)).toBe(expected)
})

test('the hash is MurmurHash3 with the seed of filters, at every length and place', () => {
  const random = new Random(1)
  const source = Buffer.alloc(300)
  random.fill(source)
  for (let length = 0; length < 200; length++) {
    const start = length % 7
    expect(hashKey(source, start, start + length)).toBe(murmur3(source.subarray(start, start + length), SEED))
  }
})

/** These stand in filters on disk: they must never change. */
test.each([
  ['', 0xa6c5_5fda],
  ['a', 0xc4a1_b7fb],
  ['abc', 0x7a5e_6a9d],
  ['user:1', 0x1fc3_d342],
  ['user:00000001', 0x7448_8474],
  ['city:CH:Zürich:2657896', 0xe0b3_bac9],
])('the hash of %j stays', (key, expected) => {
  const bytes = Buffer.from(key)
  expect(hashKey(bytes, 0, bytes.length)).toBe(expected)
})

describe('the bits of the hash', () => {
  test('each flips for half of the keys when any bit of the key flips', () => {
    const random = new Random(2)
    const key = Buffer.alloc(17)
    const keys = 400
    for (let bit = 0; bit < key.length * 8; bit++) {
      const flips = new Uint32Array(32)
      for (let round = 0; round < keys; round++) {
        random.fill(key)
        const hash = hashKey(key, 0, key.length)
        key[bit >> 3]! ^= 1 << (bit & 7)
        const difference = hash ^ hashKey(key, 0, key.length)
        for (let i = 0; i < 32; i++) flips[i]! += (difference >>> i) & 1
      }
      // Half of 400 is 200 with a standard deviation of 10: six of them.
      for (const count of flips) expect(Math.abs(count - keys / 2)).toBeLessThan(60)
    }
  })

  test.each<[string, (i: number) => Buffer]>([
    ['counted strings', (i) => Buffer.from(`user:${i}`)],
    ['padded numbers', (i) => Buffer.from(String(i).padStart(16, '0'))],
    ['big endian integers', (i) => Buffer.from([0, 0, 0, 0, i >>> 24, i >>> 16, i >>> 8, i])],
    ['steps of a page', (i) => Buffer.from([i >>> 12, i >>> 4, (i & 15) << 4, 0])],
  ])('spread %s evenly over cache lines, high bits and low bits alike', (_name, make) => {
    const lines = 1024
    const count = lines * 64
    const [high, low] = [new Uint32Array(lines), new Uint32Array(lines)]
    for (let i = 0; i < count; i++) {
      const key = make(i)
      const hash = hashKey(key, 0, key.length)
      high[hash >>> 22]!++
      low[hash & 1023]!++
    }
    for (const counts of [high, low]) {
      // Chi-square with 1023 degrees of freedom: mean 1023, standard deviation 45.
      const chiSquare = counts.reduce((sum, seen) => sum + (seen - 64) ** 2 / 64, 0)
      expect(chiSquare).toBeLessThan(1023 + 6 * 45)
    }
  })

  test('as few keys share a hash as chance has it', () => {
    const seen = new Set<number>()
    const count = 200_000
    for (let i = 0; i < count; i++) {
      const key = Buffer.from(`city:DE:${i}`)
      seen.add(hashKey(key, 0, key.length))
    }
    // Expected: n^2 / 2^33, so 4.7.
    expect(count - seen.size).toBeLessThan(20)
  })
})
