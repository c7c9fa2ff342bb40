import { describe, expect, test } from 'vitest'
import { Random } from '../../../src/util/random.js'

const draw = (random: Random, count: number): number[] => Array.from({ length: count }, () => random.uint32())

/** xoshiro128** as its authors give it, in BigInt. */
function reference(state: bigint[], count: number): number[] {
  const mask = 0xffff_ffffn
  const rotate = (x: bigint, k: bigint): bigint => ((x << k) | (x >> (32n - k))) & mask
  const [a, b, c, d] = [0, 1, 2, 3]
  const s = state.map((x) => x & mask)
  return Array.from({ length: count }, () => {
    const result = (rotate((s[b]! * 5n) & mask, 7n) * 9n) & mask
    const t = (s[b]! << 9n) & mask
    s[c]! ^= s[a]!
    s[d]! ^= s[b]!
    s[b]! ^= s[c]!
    s[a]! ^= s[d]!
    s[c]! ^= t
    s[d] = rotate(s[d]!, 11n)
    return Number(result)
  })
}

/** Four words of splitmix32 from a seed. */
function seedState(seed: number): bigint[] {
  let state = seed | 0
  return [1, 2, 3, 4].map(() => {
    state = (state + 0x9e3779b9) | 0
    let z = state
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
    return BigInt((z ^ (z >>> 15)) >>> 0)
  })
}

describe('sequences', () => {
  test.each([0, 1, 42, 0x7fff_ffff, 0xffff_ffff])('of seed %d are those of xoshiro128**', (seed) => {
    expect(draw(new Random(seed), 50)).toEqual(reference(seedState(seed), 50))
  })

  test('are equal for equal seeds, and differ for others of 32 bits', () => {
    const seeds = [0, 1, 2, 3, 256, 65_536, 2 ** 31, 2 ** 32 - 1]
    for (const seed of [-1, 2 ** 40, Number.MAX_SAFE_INTEGER]) expect(draw(new Random(seed), 10)).toEqual(draw(new Random(seed), 10))
    for (const seed of seeds) expect(draw(new Random(seed), 10)).toEqual(draw(new Random(seed), 10))
    expect(new Set(seeds.map((seed) => draw(new Random(seed), 4).join())).size).toBe(seeds.length)
  })
})

describe('draws', () => {
  test('keep to their ranges and reach their ends', () => {
    const random = new Random(5)
    const below = new Set<number>()
    const between = new Set<number>()
    for (let i = 0; i < 1000; i++) {
      below.add(random.below(7))
      between.add(random.between(-2, 2))
      expect(random.float()).toBeLessThan(1)
      expect(random.below(1)).toBe(0)
      expect(random.below(2 ** 32)).toBeLessThan(2 ** 32)
    }
    expect([...below].toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6])
    expect([...between].toSorted((a, b) => a - b)).toEqual([-2, -1, 0, 1, 2])
  })

  test('come with their probability', () => {
    const random = new Random(6)
    let hits = 0
    for (let i = 0; i < 10_000; i++) {
      if (random.chance(0.3)) hits++
      expect(random.chance(0)).toBe(false)
      expect(random.chance(1)).toBe(true)
    }
    expect(hits).toBeGreaterThan(2800)
    expect(hits).toBeLessThan(3200)
  })

  test('pick each element and permute in every way', () => {
    const random = new Random(7)
    const picked = new Set<string>()
    const orders = new Set<string>()
    for (let i = 0; i < 500; i++) {
      picked.add(random.pick(['a', 'b', 'c']))
      const list = ['a', 'b', 'c']
      expect(random.shuffle(list)).toBe(list)
      orders.add(list.join(''))
    }
    expect([...picked].toSorted()).toEqual(['a', 'b', 'c'])
    expect(orders.size).toBe(6)
    expect(random.shuffle([])).toEqual([])
  })

  test('fill bytes evenly', () => {
    const bytes = new Uint8Array(25_600)
    const random = new Random(8)
    random.fill(bytes) // oxlint-disable-line no-array-fill-with-reference-type -- no array
    const counts = new Uint32Array(256)
    for (const byte of bytes) counts[byte]!++
    for (const count of counts) {
      expect(count).toBeGreaterThan(50)
      expect(count).toBeLessThan(160)
    }
  })
})
