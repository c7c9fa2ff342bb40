import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as bytes from '../../../src/codec/bytes.js'
import { anyBytes, closeBytes, runs } from './properties.js'

const pair = fc.oneof(fc.tuple(closeBytes, closeBytes), fc.tuple(anyBytes, anyBytes))

/** Two byte strings in order, not equal; among them neighbours with a long common start. */
const ordered = fc
  .oneof(
    pair,
    fc.tuple(fc.uint8Array({ maxLength: 60 }), closeBytes, closeBytes).map(([start, a, b]) => [join(start, a), join(start, b)] as const),
  )
  .map(([a, b]) => (Buffer.compare(a, b) <= 0 ? ([a, b] as const) : ([b, a] as const)))
  .filter(([a, b]) => Buffer.compare(a, b) < 0)

function join(a: Uint8Array, b: Uint8Array): Uint8Array {
  return Uint8Array.from([...a, ...b])
}

/** The same bytes somewhere inside a larger array, with other bytes around them. */
function embedded(source: Uint8Array, before: number): Uint8Array {
  return Uint8Array.from([...Buffer.alloc(before, 0xaa), ...source, 0x55, 0x55])
}

describe('compareBytes', () => {
  test('orders as memcmp does, wherever the bytes lie', () => {
    fc.assert(
      fc.property(pair, fc.nat(9), fc.nat(9), ([a, b], before, gap) => {
        const order = bytes.compareBytes(embedded(a, before), before, before + a.length, embedded(b, gap), gap, gap + b.length)
        expect(Math.sign(order)).toBe(Buffer.compare(a, b))
      }),
      runs(500),
    )
  })

  test.each([1, 2, 7, 8, 9, 11, 12, 13, 40])('finds a difference at any of %i bytes', (length) => {
    const a = Buffer.alloc(length, 0x80)
    for (let i = 0; i < length; i++) {
      const b = Buffer.from(a)
      b[i] = 0x81
      expect(bytes.compareBytes(a, 0, length, b, 0, length)).toBeLessThan(0)
      expect(bytes.compareBytes(b, 0, length, a, 0, length)).toBeGreaterThan(0)
      expect(bytes.commonPrefixLength(a, 0, length, b, 0, length)).toBe(i)
    }
    expect(bytes.compareBytes(a, 0, length, Buffer.from(a), 0, length)).toBe(0)
    expect(bytes.compareBytes(a, 0, length - 1, a, 0, length)).toBeLessThan(0)
  })
})

test('commonPrefixLength counts the bytes that are equal from the start', () => {
  fc.assert(
    fc.property(pair, ([a, b]) => {
      const shared = bytes.commonPrefixLength(embedded(a, 3), 3, 3 + a.length, embedded(b, 1), 1, 1 + b.length)
      expect(Buffer.compare(a.subarray(0, shared), b.subarray(0, shared))).toBe(0)
      if (shared < a.length && shared < b.length) expect(a[shared]).not.toBe(b[shared])
    }),
    runs(300),
  )
})

describe('shortestSeparator', () => {
  test('gives a <= s < b', () => {
    fc.assert(
      fc.property(ordered, ([a, b]) => {
        const separator = bytes.shortestSeparator(a, b)
        expect(Buffer.compare(a, separator)).toBeLessThanOrEqual(0)
        expect(Buffer.compare(separator, b)).toBeLessThan(0)
      }),
      runs(1000),
    )
  })

  test('gives nothing longer than needed', () => {
    fc.assert(
      fc.property(ordered, ([a, b]) => {
        // The greatest byte string of n bytes or fewer below b is the best candidate of that length: none may reach a.
        const { length } = bytes.shortestSeparator(a, b)
        for (let n = 0; n < length; n++) {
          const below = greatestBelow(b, n)
          if (below !== undefined) expect(Buffer.compare(below, a)).toBeLessThan(0)
        }
      }),
      runs(1000),
    )
  })

  test.each([
    ['abcdef', 'abzz', 'abd'],
    ['abc', 'abcd', 'abc'],
    ['abcdef', 'abd', 'abce'],
    ['abcdef', 'abdx', 'abd'],
    ['', 'a', ''],
    ['a', 'b', 'a'],
    ['a', 'c', 'a'],
  ])('between %s and %s stands %s', (a, b, separator) => {
    expect(Buffer.from(bytes.shortestSeparator(Buffer.from(a), Buffer.from(b))).toString()).toBe(separator)
  })

  test('passes over bytes of 0xff', () => {
    const a = Uint8Array.of(1, 0xff, 0xff, 3, 9)
    expect(bytes.shortestSeparator(a, Uint8Array.of(2))).toEqual(Uint8Array.of(1, 0xff, 0xff, 4))
    expect(bytes.shortestSeparator(Uint8Array.of(1, 0xff, 0xff), Uint8Array.of(2))).toEqual(Uint8Array.of(1, 0xff, 0xff))
  })

  test('gives a copy', () => {
    const a = Uint8Array.of(1, 2)
    bytes.shortestSeparator(a, Uint8Array.of(1, 2, 3))[0] = 9
    expect(a).toEqual(Uint8Array.of(1, 2))
  })

  test.each([
    ['b', 'a'],
    ['a', 'a'],
    ['ab', 'a'],
  ])('refuses %s and %s, which are not in order', (a, b) => {
    expect(() => bytes.shortestSeparator(Buffer.from(a), Buffer.from(b))).toThrow('a separator needs a < b')
  })
})

/** The greatest byte string of at most `length` bytes that sorts before `limit`; `undefined` when there is none. */
function greatestBelow(limit: Uint8Array, length: number): Uint8Array | undefined {
  // A prefix of the limit sorts before it; so does one with its last byte lowered and 0xff after it, which is greater.
  if (limit.length > length) return limit.slice(0, length)
  if (limit.length === 0) return undefined
  const last = limit.length - 1
  if (limit[last] === 0) return limit.slice(0, last)
  const below = new Uint8Array(length).fill(0xff)
  below.set(limit)
  below[last] = limit[last]! - 1
  return below
}

describe('fixed-width integers', () => {
  test.each([
    ['Uint16', 2, 0x0201, bytes.writeUint16, bytes.readUint16, 0xffff],
    ['Uint32', 4, 0x04030201, bytes.writeUint32, bytes.readUint32, 0xffff_ffff],
    ['Uint48', 6, 0x0605_0403_0201, bytes.writeUint48, bytes.readUint48, 2 ** 48 - 1],
    ['Uint53', 8, 0x0006_0605_0403_0201, bytes.writeUint53, bytes.readUint53, Number.MAX_SAFE_INTEGER],
  ] as const)('%s is little endian and comes back', (_name, size, sample, write, read, max) => {
    const target = Buffer.alloc(size + 2, 0xee)
    write(target, 1, sample)
    const digits = sample.toString(16).padStart(size * 2, '0')
    expect(target.subarray(1, 1 + size).toString('hex')).toBe(Buffer.from(digits, 'hex').reverse().toString('hex'))
    expect([target[0], target[size + 1]]).toEqual([0xee, 0xee])
    const values = fc.oneof(
      fc.constantFrom(0, 1, max, max - 1, Math.floor(max / 2)),
      fc.maxSafeNat().map((value) => value % (max + 1)),
    )
    fc.assert(
      fc.property(values, (value) => {
        write(target, 1, value)
        expect(read(target, 1)).toBe(value)
      }),
      runs(200),
    )
  })

  test('eight bytes beyond 2^53 come back above every safe integer', () => {
    for (const high of [0x20, 0x21, 0x80, 0xff]) {
      const source = Buffer.from([0, 0, 0, 0, 0, 0, high, high])
      expect(bytes.readUint53(source, 0)).toBeGreaterThan(Number.MAX_SAFE_INTEGER)
    }
  })
})

describe('copyOfBytes', () => {
  test.each([0, 1, 47, 48, 49, 100, 5000])('copies %i bytes from the middle of a view, and nothing of them is shared', (length) => {
    const source = Buffer.from(new Uint8Array(6000).map((_, i) => i * 7).buffer, 13)
    const expected = [...source.subarray(100, 100 + length)]
    const copy = bytes.copyOfBytes(source, 100, 100 + length)
    source.fill(0)
    expect([...copy]).toEqual(expected)
  })
})
