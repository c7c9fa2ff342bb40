import * as fc from 'fast-check'
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { VALUE_BYTES_MAX } from '../../../src/codec/internal_key.js'
import * as values from '../../../src/codec/value.js'
import type { RecordValue, Value } from '../../../src/codec/value.js'
import { StoreError } from '../../../src/util/errors.js'
import { anyDamage, anyText, anyValue, damaged, runs } from './properties.js'
import { isSame } from './same.js'

/** The encoded value, checked to stay within the space that was foretold. */
function encoded(value: unknown): Buffer {
  const max = values.valueByteLengthMax(value as Value)
  const target = Buffer.alloc(max + 8, 0xee)
  const end = values.writeValue(target, 4, value as Value)
  expect(end - 4).toBeLessThanOrEqual(max)
  expect(target.subarray(0, 4)).toEqual(Buffer.alloc(4, 0xee))
  expect(target.subarray(4 + max)).toEqual(Buffer.alloc(4, 0xee))
  return target.subarray(4, end)
}

/** The value of these bytes, read from within a larger array. */
function decoded(bytes: Buffer): Value {
  const source = Buffer.concat([Buffer.alloc(3, 0xff), bytes, Buffer.alloc(3, 0xff)])
  return values.decodeValue(source, 3, 3 + bytes.length)
}

function thrownBy(call: () => unknown): StoreError {
  try {
    call()
  } catch (error) {
    if (error instanceof StoreError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

test('the tags on disk stay', () => {
  const { TAG_STRING, TAG_INT64, TAG_FLOAT64, TAG_BOOLEAN, TAG_BYTES, TAG_RECORD } = values
  expect([TAG_STRING, TAG_INT64, TAG_FLOAT64, TAG_BOOLEAN, TAG_BYTES, TAG_RECORD]).toEqual([1, 2, 3, 4, 5, 6])
})

test('what is put is what is read', () => {
  fc.assert(
    fc.property(anyValue, (value) => {
      expect(isSame(decoded(encoded(value)), value)).toBe(true)
    }),
    runs(1000),
  )
})

test.each<[unknown, string]>([
  ['', 'string'],
  [0, 'int64'],
  [Number.MAX_SAFE_INTEGER, 'int64'],
  [Number.MIN_SAFE_INTEGER, 'int64'],
  [-0, 'float64'],
  [0.5, 'float64'],
  [Number.NaN, 'float64'],
  [Number.NEGATIVE_INFINITY, 'float64'],
  [2 ** 53, 'float64'],
  [-(2 ** 53), 'float64'],
  [Number.MAX_VALUE, 'float64'],
  [Number.MIN_VALUE, 'float64'],
  [2n ** 53n, 'int64'],
  [2n ** 63n - 1n, 'int64'],
  [-(2n ** 63n), 'int64'],
  [true, 'boolean'],
  [false, 'boolean'],
  [new Uint8Array(0), 'bytes'],
  [null, 'record'],
  [[], 'record'],
  [{}, 'record'],
])('%o is of type %s', (value, type) => {
  const bytes = encoded(value)
  expect(values.valueTypeName(bytes, 0)).toBe(type)
  expect(isSame(decoded(bytes), value)).toBe(true)
})

test('a small bigint comes back as a number, and as a bigint from decodeInt64', () => {
  for (const value of [0n, -1n, 2n ** 53n - 1n, -(2n ** 53n) + 1n]) {
    const bytes = encoded(value)
    expect(decoded(bytes)).toBe(Number(value))
    expect(values.decodeInt64(bytes, 0, bytes.length)).toBe(value)
  }
})

test('numbers and bigints that are equal take the same bytes', () => {
  fc.assert(
    fc.property(fc.maxSafeInteger(), (number) => {
      expect(encoded(BigInt(number)).equals(encoded(number))).toBe(true)
    }),
    runs(300),
  )
})

test('bytes and plain objects of another realm are values like any', () => {
  expect(isSame(decoded(encoded(runInNewContext('new Uint8Array([1, 2])'))), Uint8Array.of(1, 2))).toBe(true)
  expect(decoded(encoded(runInNewContext('({ a: [1, { b: new Uint8Array([7]) }] })')))).toEqual({ a: [1, { b: Buffer.of(7) }] })
})

describe('bytes that are read', () => {
  const stored = encoded(Buffer.from('abc'))
  const record = encoded({ b: Buffer.from('abc') })

  test('are a copy', () => {
    const source = Buffer.from(stored)
    const both = [values.decodeValue(source, 0, source.length), values.decodeBytes(source, 0, source.length)]
    const inRecord = values.decodeValue(record, 0, record.length) as { b: Buffer }
    source.fill(0)
    for (const bytes of both) expect(bytes).toEqual(Buffer.from('abc'))
    inRecord.b.fill(0)
    expect(decoded(record)).toEqual({ b: Buffer.from('abc') })
  })

  test('are a view when shared', () => {
    const source = Buffer.concat([stored, record])
    const views = [
      values.decodeValueShared(source, 0, stored.length) as Buffer,
      values.decodeBytesShared(source, 0, stored.length),
      (values.decodeValueShared(source, stored.length, source.length) as { b: Buffer }).b,
    ]
    source.fill(0x78)
    for (const view of views) expect(Buffer.from(view).toString()).toBe('xxx')
  })
})

test('values are read from shared memory', () => {
  const memory = Buffer.from(new SharedArrayBuffer(1000))
  for (const value of ['näh \ufffd', 'ascii', 5, 2n ** 60n, 1.5, true, Buffer.from('b'), { ä: ['\ufffd', Buffer.from('c')] }]) {
    values.valueByteLengthMax(value)
    const end = values.writeValue(memory, 0, value)
    expect(values.decodeValue(memory, 0, end)).toEqual(value)
  }
})

describe('space', () => {
  test('is foretold exactly for all but short strings', () => {
    const measured = anyValue.filter((value) => typeof value !== 'string' || value.length > 42)
    fc.assert(
      fc.property(measured, (value) => {
        const max = values.valueByteLengthMax(value as Value)
        expect(values.writeValue(Buffer.alloc(max), 0, value as Value)).toBe(max)
      }),
      runs(300),
    )
  })

  test('of the longest values is the limit, and not a byte more', () => {
    const longest: Value[] = [Buffer.alloc(VALUE_BYTES_MAX - 1), 'x'.repeat(VALUE_BYTES_MAX - 1), [Buffer.alloc(VALUE_BYTES_MAX - 7)]]
    for (const value of longest) expect(values.valueByteLengthMax(value)).toBe(VALUE_BYTES_MAX)
    const target = Buffer.alloc(VALUE_BYTES_MAX)
    expect(values.writeValue(target, 0, longest[2]!)).toBe(VALUE_BYTES_MAX)
    const tooLong: Value[] = [
      Buffer.alloc(VALUE_BYTES_MAX),
      'x'.repeat(VALUE_BYTES_MAX),
      'é'.repeat(VALUE_BYTES_MAX / 2),
      [Buffer.alloc(VALUE_BYTES_MAX - 6)],
      [Buffer.alloc(VALUE_BYTES_MAX * 2)],
      ['x'.repeat(VALUE_BYTES_MAX), 1],
      [Buffer.alloc(VALUE_BYTES_MAX / 2), Buffer.alloc(VALUE_BYTES_MAX / 2)],
    ]
    for (const value of tooLong) {
      const error = thrownBy(() => values.valueByteLengthMax(value))
      expect(error.code).toBe('ERR_INVALID_VALUE')
      expect(error.message).toContain('67,108,864')
    }
  })
})

describe('what cannot be stored', () => {
  test.each<[unknown, string]>([
    [undefined, 'use null, or delete the key'],
    [() => 1, 'a function cannot be stored'],
    [Symbol('s'), 'a symbol cannot be stored'],
    [2n ** 63n, '9223372036854775808 does not fit int64'],
    [-(2n ** 63n) - 1n, 'does not fit int64'],
    [10n ** 1000n, '1000000000000000000000000000000000000…'],
    ['\ud800', 'lone surrogate'],
    [`${'x'.repeat(100)}\udfff`, 'lone surrogate'],
    [new Date(0), 'getTime()'],
    [new Map(), 'Object.fromEntries(map)'],
    [Object('boxed'), 'String'],
    [new Uint16Array(1), 'new Uint8Array(view.buffer'],
    [new ArrayBuffer(1), 'new Uint8Array(buffer)'],
    [Promise.resolve(1), 'Promise'],
  ])('%o', (value, says) => {
    const error = thrownBy(() => encoded(value))
    expect(error.code).toBe('ERR_INVALID_VALUE')
    expect(error.message).toContain(says)
    expect(error.message.length).toBeLessThan(400)
  })

  const target = Buffer.alloc(100)
  test.each<[string, (value: never) => unknown, unknown[]]>([
    ['writeString', (value) => values.writeString(target, 0, value), [1, null, undefined, Buffer.from('x'), ['x'], true]],
    [
      'writeInt64',
      (value) => values.writeInt64(target, 0, value),
      [1.5, Number.NaN, 2 ** 53, Infinity, '1', null, undefined, true, 2n ** 63n],
    ],
    ['writeFloat64', (value) => values.writeFloat64(target, 0, value), ['1', 1n, null, undefined, true]],
    ['writeBoolean', (value) => values.writeBoolean(target, 0, value), [0, 1, 'true', null, undefined]],
    ['writeBytes', (value) => values.writeBytes(target, 0, value), ['x', [1], new ArrayBuffer(2), new Uint16Array(2), null, undefined]],
    ['writeRecord', (value) => values.writeRecord(target, 0, value), ['x', 1, 1n, true, Buffer.from('x'), undefined, new Date(0)]],
  ])('%s refuses another type', (_name, write, wrong) => {
    for (const value of wrong) expect(thrownBy(() => write(value as never)).code).toBe('ERR_INVALID_VALUE')
  })

  test('a number for int64 is refused with what to do', () => {
    expect(() => values.writeInt64(target, 0, 1.5)).toThrow('putFloat64')
    expect(() => values.writeInt64(target, 0, 2 ** 60)).toThrow('bigint')
  })
})

describe('typed readers', () => {
  const samples: Record<string, Buffer> = {
    string: encoded('s'),
    int64: encoded(1),
    float64: encoded(1.5),
    boolean: encoded(true),
    bytes: encoded(Buffer.from('b')),
    record: encoded({ a: 1 }),
  }
  const readers: Record<string, (source: Buffer, start: number, end: number) => unknown> = {
    string: values.decodeString,
    int64: values.decodeInt64,
    float64: values.decodeFloat64,
    boolean: values.decodeBoolean,
    bytes: values.decodeBytes,
    record: values.decodeRecord,
  }
  const pairs = Object.keys(readers).flatMap((asked) => Object.keys(samples).map((stored) => [asked, stored] as const))

  test.each(pairs.filter(([asked, stored]) => asked === stored))('a reader of %s reads it', (type) => {
    const bytes = samples[type]!
    const read = readers[type]!(bytes, 0, bytes.length)
    expect(type === 'int64' ? Number(read) : read).toEqual(values.decodeValue(bytes, 0, bytes.length))
  })

  test.each(pairs.filter(([asked, stored]) => asked !== stored))('a reader of %s names both types when it meets %s', (asked, stored) => {
    const bytes = samples[stored]!
    const error = thrownBy(() => readers[asked]!(bytes, 0, bytes.length))
    expect(error.code).toBe('ERR_TYPE_MISMATCH')
    expect(error.message).toContain(`of type ${stored}`)
    expect(error.message).toContain(asked)
  })

  test.each(Object.keys(readers))('a reader of %s takes no value, an unknown tag and a cut off payload for damage', (type) => {
    const whole = samples[type]!
    const cases = [
      Buffer.alloc(0),
      Buffer.of(0),
      Buffer.of(7, 1),
      Buffer.of(255),
      ...(type === 'string' || type === 'bytes' ? [] : [whole.subarray(0, 1)]),
    ]
    for (const bytes of cases) expect(thrownBy(() => readers[type]!(bytes, 0, bytes.length)).code).toBe('ERR_CORRUPTION')
  })
})

describe('damage', () => {
  test.each([
    ['nothing', '', 'no type tag'],
    ['tag 0', '00', 'unknown type tag 0'],
    ['tag 7', '0700', 'unknown type tag 7'],
    ['a short int64', '0200000000000000', '7 bytes where 8 belong'],
    ['a long int64', '02000000000000000000', '9 bytes where 8 belong'],
    ['a short float64', '03', '0 bytes where 8 belong'],
    ['a long boolean', '040101', '2 bytes where 1 belong'],
    ['a boolean of 2', '0402', 'a boolean of 2'],
    ['a string that is no UTF-8', '0161ff', 'no UTF-8'],
    ['a short string that is no UTF-8 in its fourth byte', '01616263ff', 'no UTF-8'],
    ['a long string that is no UTF-8', `01${'61'.repeat(50)}c3`, 'no UTF-8'],
    ['a surrogate in a string', '01eda080', 'no UTF-8'],
    ['an empty record', '06', 'ends in the middle'],
    ['a record and more', '06c0c0', 'bytes follow it'],
  ])('%s is ERR_CORRUPTION', (_what, hex, says) => {
    const bytes = Buffer.from(hex, 'hex')
    const error = thrownBy(() => decoded(bytes))
    expect(error).toMatchObject({ code: 'ERR_CORRUPTION', path: undefined })
    expect(error.message).toContain(says)
  })

  test('a string with a true U+FFFD is no damage', () => {
    expect(decoded(encoded('\ufffd'))).toBe('\ufffd')
    expect(decoded(encoded({ '\ufffd': 'x\ufffd'.repeat(20) }))).toEqual({ '\ufffd': 'x\ufffd'.repeat(20) })
  })

  test('of any kind gives a value or ERR_CORRUPTION', () => {
    fc.assert(
      fc.property(anyValue, fc.array(anyDamage, { minLength: 1, maxLength: 3 }), (value, damages) => {
        const bytes = damages.reduce(damaged, encoded(value))
        try {
          expect(decoded(bytes)).toBeDefined()
        } catch (error) {
          expect(error).toMatchObject({ code: 'ERR_CORRUPTION' })
        }
      }),
      runs(2000),
    )
  })

  test('in random bytes gives a value or ERR_CORRUPTION', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.uint8Array({ maxLength: 400 }), (tag, payload) => {
        try {
          expect(decoded(Buffer.concat([Buffer.of(tag), payload]))).toBeDefined()
        } catch (error) {
          expect(error).toMatchObject({ code: 'ERR_CORRUPTION' })
        }
      }),
      runs(2000),
    )
  })
})

describe('two steps of writing', () => {
  const target = Buffer.alloc(1000)
  const read = (end: number): Value => values.decodeValue(target, 0, end)

  test('another value in between is no harm', () => {
    const record: RecordValue = { a: 1 }
    values.valueByteLengthMax(record)
    values.valueByteLengthMax({ b: 'other' })
    expect(read(values.writeValue(target, 0, record))).toEqual({ a: 1 })
  })

  test('a record is encoded anew at each put', () => {
    const record = { count: 1 }
    values.valueByteLengthMax(record)
    values.writeValue(target, 0, record)
    record.count = 2
    values.valueByteLengthMax(record)
    expect(read(values.writeValue(target, 0, record))).toEqual({ count: 2 })
    record.count = 3
    expect(read(values.writeValue(target, 0, record))).toEqual({ count: 3 })
  })

  test('a record that is refused leaves nothing behind', () => {
    const good = { a: 1 }
    values.valueByteLengthMax(good)
    expect(() => values.valueByteLengthMax({ b: undefined, c: [undefined] } as never)).toThrow('.c[0]')
    expect(read(values.writeValue(target, 0, good))).toEqual({ a: 1 })
  })

  test('null is prepared like any record', () => {
    values.valueByteLengthMax({ big: 'x'.repeat(500) })
    expect(read(values.writeValue(target, 0, null))).toBeNull()
    expect(values.valueByteLengthMax(null)).toBe(2)
    expect(read(values.writeRecord(target, 0, null))).toBeNull()
  })

  test('strings of any kind fill the space exactly when it is measured', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const long = text.padEnd(43, '€')
        const bytes = encoded(long)
        expect(bytes.length).toBe(values.valueByteLengthMax(long))
      }),
      runs(200),
    )
  })
})
