import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { VARINT_BYTES_MAX, readVarint, varintEnd, varintLength, writeVarint } from '../../../src/codec/varint.js'
import { runs } from './properties.js'

const EDGES = [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 268_435_455, 268_435_456, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1]
const anyUint32 = fc.oneof(fc.constantFrom(...EDGES), fc.integer({ min: 0, max: 2 ** 32 - 1 }))

function written(value: number): Buffer {
  const target = Buffer.alloc(8, 0xee)
  return target.subarray(0, writeVarint(target, 0, value))
}

test.each([
  [0, '00'],
  [127, '7f'],
  [128, '8001'],
  [300, 'ac02'],
  [16_384, '808001'],
  [4_294_967_295, 'ffffffff0f'],
])('%i is %s', (value, hex) => {
  expect(written(value).toString('hex')).toBe(hex)
})

test('what is written is read, and takes the length foretold', () => {
  fc.assert(
    fc.property(anyUint32, fc.nat(5), (value, before) => {
      const target = Buffer.alloc(16, 0xff)
      const end = writeVarint(target, before, value)
      expect(end - before).toBe(varintLength(value))
      expect(end - before).toBeLessThanOrEqual(VARINT_BYTES_MAX)
      expect(target[end]).toBe(0xff)
      expect(readVarint(target, before, end)).toBe(value)
      expect(varintEnd).toBe(end)
      expect(readVarint(target, before, target.length)).toBe(value)
    }),
    runs(500),
  )
})

describe('readVarint gives -1', () => {
  test('when the limit comes first', () => {
    for (const value of EDGES) {
      const bytes = written(value)
      for (let limit = 0; limit < bytes.length; limit++) expect(readVarint(bytes, 0, limit)).toBe(-1)
    }
    expect(readVarint(Buffer.alloc(0), 0, 0)).toBe(-1)
    expect(readVarint(Buffer.alloc(4), 3, 2)).toBe(-1)
  })

  test.each(['8080808010', 'ffffffff1f', 'ffffffffff', '808080808001', 'ffffffff8f00'])('when it does not fit 32 bits: %s', (hex) => {
    const bytes = Buffer.from(hex, 'hex')
    expect(readVarint(bytes, 0, bytes.length)).toBe(-1)
  })

  test('and never reads at or beyond the limit, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 8 }), fc.nat(8), (bytes, limit) => {
        const end = Math.min(limit, bytes.length)
        const value = readVarint(bytes, 0, end)
        if (value === -1) return
        expect(varintEnd).toBeLessThanOrEqual(end)
        expect(value).toBeGreaterThanOrEqual(0)
        expect(value).toBeLessThan(2 ** 32)
      }),
      runs(500),
    )
  })
})
