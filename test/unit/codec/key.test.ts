import * as fc from 'fast-check'
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { type Key, KeyScratch, decodeKeyString, encodeKey, keyByteLengthMax, prefixSuccessor, writeKey } from '../../../src/codec/key.js'
import { KEY_BYTES_MAX } from '../../../src/codec/internal_key.js'
import { anyText, closeBytes, runs } from './properties.js'

/** The three ways to encode a key, as one function each. */
const ways: Record<string, (key: Key) => Buffer> = {
  'KeyScratch.set': (key) => {
    const scratch = new KeyScratch()
    const length = scratch.set(key)
    expect(scratch.length).toBe(length)
    return scratch.buffer.subarray(0, length)
  },
  encodeKey,
  writeKey: (key) => {
    const target = Buffer.alloc(keyByteLengthMax(key) + 10, 0xee)
    const end = writeKey(target, 5, key)
    expect(end).toBeLessThanOrEqual(5 + keyByteLengthMax(key))
    expect(target.subarray(0, 5)).toEqual(Buffer.alloc(5, 0xee))
    expect(target.subarray(5 + keyByteLengthMax(key))).toEqual(Buffer.alloc(5, 0xee))
    return target.subarray(5, end)
  },
}

describe.each(Object.entries(ways))('%s', (_name, encode) => {
  test('a string becomes its UTF-8 and comes back', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const bytes = encode(text)
        expect(bytes.equals(Buffer.from(text, 'utf8'))).toBe(true)
        expect(decodeKeyString(bytes, 0, bytes.length)).toBe(text)
      }),
      runs(500),
    )
  })

  test('bytes stay as they are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
        expect(encode(bytes).equals(bytes)).toBe(true)
      }),
      runs(200),
    )
  })

  test('bytes of another realm are bytes', () => {
    expect(encode(runInNewContext('new Uint8Array([1, 2, 3])') as Uint8Array)).toEqual(Buffer.from([1, 2, 3]))
  })

  test('the empty key and the longest keys are keys', () => {
    expect(encode('')).toHaveLength(0)
    expect(encode(new Uint8Array(0))).toHaveLength(0)
    expect(encode('k'.repeat(KEY_BYTES_MAX))).toHaveLength(KEY_BYTES_MAX)
    expect(encode('€'.repeat(KEY_BYTES_MAX / 3))).toHaveLength(KEY_BYTES_MAX)
    expect(encode(new Uint8Array(KEY_BYTES_MAX))).toHaveLength(KEY_BYTES_MAX)
  })

  test.each([
    ['a string of one byte more', 'k'.repeat(KEY_BYTES_MAX + 1), '65,536 bytes'],
    ['a string that is too long as UTF-8 alone', '€'.repeat(KEY_BYTES_MAX / 3 + 1), '65,538 bytes'],
    ['bytes, one more', new Uint8Array(KEY_BYTES_MAX + 1), '65,536 bytes'],
    ['a huge string', 'é'.repeat(1_000_000), '2,000,000 bytes'],
  ])('refuses %s and says the limit', (_what, key, length) => {
    const error = thrownBy(() => encode(key))
    expect(error).toMatchObject({ code: 'ERR_INVALID_KEY' })
    expect(error.message).toContain(length)
    expect(error.message).toContain('65,535')
  })

  test.each([
    [undefined, 'not undefined'],
    [null, 'not null'],
    [42, 'not number'],
    [['a'], 'not Array'],
    [{}, 'not Object'],
    [Object.create(null), 'not an object'],
    [new Uint16Array(2), 'not Uint16Array'],
    [new ArrayBuffer(2), 'not ArrayBuffer'],
    [new DataView(new ArrayBuffer(2)), 'not DataView'],
    [Symbol('k'), 'not symbol'],
  ])('refuses %o and says what came', (key, what) => {
    const error = thrownBy(() => encode(key as Key))
    expect(error).toMatchObject({ code: 'ERR_INVALID_KEY' })
    expect(error.message).toContain('string or a Uint8Array')
    expect(error.message).toContain(what)
  })

  test.each(['\ud800', '\udfff', 'key\ud800', `${'k'.repeat(100)}\udc00`, '\udc00\ud800', '😀\ud83d'])(
    'refuses a lone surrogate: %j',
    (key) => {
      const error = thrownBy(() => encode(key))
      expect(error).toMatchObject({ code: 'ERR_INVALID_KEY' })
      expect(error.message).toContain('toWellFormed()')
    },
  )
})

test('a key scratch is as good after a key that was refused and after a long one', () => {
  const scratch = new KeyScratch()
  scratch.set('first')
  expect(() => scratch.set('\ud800')).toThrow('lone surrogate')
  expect(scratch.set('x'.repeat(5000))).toBe(5000)
  expect(scratch.set('é')).toBe(2)
  expect(scratch.buffer.toString('utf8', 0, 2)).toBe('é')
})

test('an encoded key is a copy', () => {
  const key = Uint8Array.of(1, 2, 3)
  const bytes = encodeKey(key)
  key[0] = 9
  expect(bytes[0]).toBe(1)
})

test('strings sort by code point', () => {
  fc.assert(
    fc.property(anyText, anyText, (a, b) => {
      const order = Buffer.compare(encodeKey(a), encodeKey(b))
      const [x, y] = [Array.from(a, (c) => c.codePointAt(0)!), Array.from(b, (c) => c.codePointAt(0)!)]
      const at = x.findIndex((point, i) => point !== y[i])
      const expected = at === -1 ? x.length - y.length : x[at]! - (y[at] ?? -1)
      expect(order).toBe(Math.sign(expected))
    }),
    runs(500),
  )
})

describe('prefixSuccessor', () => {
  test('parts the keys with the prefix from all greater ones', () => {
    fc.assert(
      fc.property(closeBytes, closeBytes, (prefix, key) => {
        const successor = prefixSuccessor(prefix)
        const hasPrefix = Buffer.compare(key.subarray(0, prefix.length), prefix) === 0
        const isInRange = Buffer.compare(prefix, key) <= 0 && (successor === undefined || Buffer.compare(key, successor) < 0)
        expect(isInRange).toBe(hasPrefix)
      }),
      runs(1000),
    )
  })

  test('there is none for the empty prefix and for one of 0xff alone', () => {
    expect(prefixSuccessor(new Uint8Array(0))).toBeUndefined()
    expect(prefixSuccessor(Uint8Array.of(0xff, 0xff))).toBeUndefined()
  })

  test('drops trailing 0xff', () => {
    expect(prefixSuccessor(Uint8Array.of(1, 0xfe, 0xff))).toEqual(Buffer.of(1, 0xff))
  })
})

test('bytes that are no UTF-8 read as a string have U+FFFD in them', () => {
  expect(decodeKeyString(Buffer.from([0x61, 0xff, 0x62]), 0, 3)).toBe('a\ufffdb')
})

function thrownBy(call: () => unknown): Error {
  try {
    call()
  } catch (error) {
    return error as Error
  }
  throw new Error('nothing was thrown')
}
