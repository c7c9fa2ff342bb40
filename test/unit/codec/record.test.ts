import { Decoder, Encoder } from '@msgpack/msgpack'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readRecord } from '../../../src/codec/record_reader.js'
import { RECORD_DEPTH_MAX, encodeRecord, takeRecord } from '../../../src/codec/record_writer.js'
import { anyRecord, runs } from './properties.js'
import { isSame } from './same.js'

function written(record: unknown): Buffer {
  const target = Buffer.alloc(encodeRecord(record))
  expect(takeRecord(target, 0)).toBe(target.length)
  return target
}

function read(bytes: Buffer): unknown {
  return readRecord(bytes, 0, bytes.length, true)
}

/** Arrays in arrays, `depth` of them. */
function nested(depth: number): unknown {
  let value: unknown = 1
  for (let i = 0; i < depth; i++) value = [value]
  return value
}

describe('the bytes are MessagePack', () => {
  /** What the library keeps as it is: it knows no -0, no own property __proto__. */
  const plain = anyRecord.filter((record) => !contains(record, (value, key) => Object.is(value, -0) || key === '__proto__'))

  test('that the reference library reads', () => {
    const decoder = new Decoder({ useBigInt64: true })
    fc.assert(
      fc.property(plain, (record) => {
        expect(isSame(narrowed(decoder.decode(written(record))), record)).toBe(true)
      }),
      runs(500),
    )
  })

  test('as the reference library writes it', () => {
    const encoder = new Encoder({ useBigInt64: true, ignoreUndefined: true })
    fc.assert(
      fc.property(plain, (record) => {
        expect(isSame(read(Buffer.from(encoder.encode(record))), record)).toBe(true)
      }),
      runs(500),
    )
  })

  test('byte for byte where it has a choice', () => {
    const encoder = new Encoder({ ignoreUndefined: true })
    const integers = [0, 1, 127, 128, 255, 256, 65_535, 65_536, 2 ** 32 - 1, -1, -32, -33, -128, -129, -32_768, -32_769, -(2 ** 31)]
    const lengths = [0, 1, 15, 16, 31, 32, 255, 256, 65_535, 65_536]
    for (const integer of integers) expect(written([integer])).toEqual(Buffer.from(encoder.encode([integer])))
    for (const length of lengths) {
      const records: unknown[] = ['a', 'é', '€', '😀'].map((character) => [character.repeat(length)])
      records.push(
        [Buffer.alloc(length, 7)],
        Array.from({ length }, () => 1),
        Object.fromEntries(Array.from({ length }, (_, i) => [`k${i}`, i])),
      )
      for (const record of records) expect(written(record).equals(encoder.encode(record))).toBe(true)
    }
  })
})

/** The library's bigints that are safe integers, as numbers. */
function narrowed(value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
  if (Array.isArray(value)) return value.map((element) => narrowed(element))
  return Object.fromEntries(Object.entries(value).map(([key, element]) => [key, narrowed(element)]))
}

function contains(value: unknown, test: (value: unknown, key: string) => boolean, key = ''): boolean {
  if (test(value, key)) return true
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return false
  return Object.entries(value).some(([name, element]) => contains(element, test, name))
}

describe('undefined properties', () => {
  test.each([1, 15, 16, 17, 70_000])('are left out, among %i others', (count) => {
    const record: Record<string, unknown> = {}
    for (let i = 0; i < count; i++) record[`k${i}`] = i
    const without = { ...record }
    record['gone'] = undefined
    expect(isSame(read(written(record)), without)).toBe(true)
  })

  test('leave an empty object when there is nothing else', () => {
    expect(read(written({ a: undefined, b: undefined }))).toEqual({})
    expect(Object.keys(read(written({ a: undefined })) as object)).toEqual([])
  })
})

describe('__proto__', () => {
  const hostile = '{"a":1,"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}'

  test('is a property like any, and touches no prototype', () => {
    const record = read(written(JSON.parse(hostile))) as Record<string, unknown>
    expect(JSON.stringify(record)).toBe(hostile)
    expect(Object.getPrototypeOf(record)).toBe(Object.prototype)
    expect(record['polluted']).toBeUndefined()
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })
})

describe('depth', () => {
  test('is allowed up to the limit, both ways', () => {
    expect(read(written(nested(RECORD_DEPTH_MAX)))).toEqual(nested(RECORD_DEPTH_MAX))
    expect(() => encodeRecord(nested(RECORD_DEPTH_MAX + 1))).toThrow('nested deeper than 100')
    const deeper = Buffer.concat([Buffer.alloc(RECORD_DEPTH_MAX + 1, 0x91), Buffer.of(1)])
    expect(() => read(deeper)).toThrow('nested too deep')
  })

  test('ends a record that contains itself', () => {
    const record: Record<string, unknown> = { list: [] }
    ;(record['list'] as unknown[]).push(record)
    expect(() => encodeRecord(record)).toThrow(/at \.list\[0\]\.list\[0\].*contains itself/)
  })
})

describe('refusals', () => {
  class Point {
    x = 1
  }
  test.each<[unknown, string]>([
    [{ a: { b: [1, 2, 3, new Date(0)] } }, 'the Date at .a.b[3] cannot be stored in a record: store getTime()'],
    [{ a: [1, undefined] }, 'the array element at .a[1] is undefined'],
    [[1, , 3], 'the array element at [1] is undefined'], // eslint-disable-line no-sparse-arrays
    [{ 'two words': new Set() }, 'the Set at ["two words"]'],
    [{ a: new Point() }, 'the Point at .a'],
    [{ a: () => 1 }, 'the function at .a'],
    [{ a: Symbol('s') }, 'the symbol at .a'],
    [{ a: 2n ** 63n }, 'the bigint at .a does not fit'],
    [{ ok: 1, a: 'x\ud800' }, 'the string at .a has a lone surrogate'],
    [{ 'x\ud800': 1 }, 'lone surrogate'],
    [[new Float64Array(1)], 'the Float64Array at [0]'],
    [[/x/], 'the RegExp at [0]'],
    [[new Error('x')], 'the Error at [0]'],
    [[Object.create({ inherited: 1 })], 'at [0] cannot be stored'],
    [{ [`${'long'.repeat(100)}`]: [new Date(0)] }, '…'],
  ])('%o', (record, says) => {
    expect(() => encodeRecord(record)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_VALUE', message: expect.stringContaining(says) as string }),
    )
  })

  test('a getter that stores another record meanwhile', () => {
    const record = {
      get inner(): number {
        encodeRecord({ other: 1 })
        return 1
      },
    }
    expect(() => encodeRecord(record)).toThrow('a getter of the record')
    expect(read(written({ after: 1 }))).toEqual({ after: 1 })
  })

  test('an error from a getter comes through', () => {
    const record = {
      get broken(): number {
        throw new TypeError('mine')
      },
    }
    expect(() => encodeRecord(record)).toThrow(TypeError)
    expect(read(written([1]))).toEqual([1])
  })
})

describe('damage', () => {
  test.each([
    ['an unknown tag', 'c1', 'unknown tag 0xc1'],
    ['a float 32', 'ca00000000', 'unknown tag 0xca'],
    ['an extension', 'd400aa', 'unknown tag 0xd4'],
    ['a timestamp', 'd6ff00000000', 'unknown tag 0xd6'],
    ['an integer beyond int64', 'cf8000000000000000', 'does not fit int64'],
    ['a key that is a number', '810101', 'a key is no string'],
    ['a key that is null', '81c001', 'a key is no string'],
    ['a key that is no UTF-8', '81a1ff01', 'no UTF-8'],
    ['a string that is no UTF-8', '91a2c328', 'no UTF-8'],
    ['a string that is cut off', 'a4616263', 'ends in the middle'],
    ['a map that is cut off', '82a16101', 'ends in the middle'],
    ['bytes that are cut off', 'c40200', 'ends in the middle'],
    ['a number that is cut off', 'cb00000000000000', 'ends in the middle'],
    ['a key that is cut off', '81a261', 'ends in the middle'],
    ['a length that is cut off', 'dd0000', 'ends in the middle'],
    ['something after it', '9001', 'bytes follow it'],
  ])('%s is seen', (_what, hex, says) => {
    expect(() => read(Buffer.from(hex, 'hex'))).toThrow(says)
  })

  test('that claims more than is there allocates nothing for it', () => {
    const claims = ['dd', 'df', 'c6', 'db'].flatMap((tag) => {
      const claim = Buffer.from(`${tag}01c9c380`, 'hex')
      return [claim, Buffer.concat(Array.from({ length: 60 }, () => claim)), Buffer.concat([claim, Buffer.alloc(100_000, 0xc0)])]
    })
    const before = process.memoryUsage()
    for (const claim of claims) expect(() => read(claim)).toThrow('ends in the middle')
    const after = process.memoryUsage()
    expect(after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers).toBeLessThan(20_000_000)
  })

  test('in one decode does not show in the next', () => {
    expect(() => read(Buffer.from('82a16101', 'hex'))).toThrow('ends')
    expect(read(written({ a: 1 }))).toEqual({ a: 1 })
  })
})

test('keys that meet in the cache of keys stay apart', () => {
  const names = Array.from({ length: 5000 }, (_, i) => `k${i.toString(36)}`)
  for (let round = 0; round < 2; round++) {
    for (const name of names) expect(Object.keys(read(written({ [name]: 1 })) as object)).toEqual([name])
  }
})
