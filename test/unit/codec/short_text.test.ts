/** Short strings made from bytes: the same ones that the decoder of UTF-8 makes. */
import { describe, expect, test } from 'vitest'
import { SHORT_ASCII_BYTES_MAX, isAscii, shortAscii } from '../../../src/codec/short_text.js'
import { readText } from '../../../src/codec/text.js'
import { Random } from '../../../src/util/random.js'

const LENGTHS = Array.from({ length: SHORT_ASCII_BYTES_MAX + 1 }, (_, length) => length)

describe('short strings', () => {
  test.each(LENGTHS)('of %i bytes of ASCII, at the very end of their memory', (length) => {
    const random = new Random(length)
    for (let round = 0; round < 50; round++) {
      const source = Buffer.from(Array.from({ length: 5 + length }, () => random.below(0x80)))
      const expected = source.toString('latin1', 5)
      expect(isAscii(source, 5, source.length)).toBe(true)
      expect(shortAscii(source, 5, length)).toBe(expected)
      expect(readText(source, 5, source.length)).toBe(expected)
    }
  })

  test.each(LENGTHS.slice(1))('of %i bytes with one above 0x7f are decoded as UTF-8', (length) => {
    for (let at = 0; at < length; at++) {
      const source = Buffer.alloc(length + 2, 'k')
      source[1 + at] = 0x80
      expect(isAscii(source, 1, 1 + length)).toBe(false)
      expect(readText(source, 1, 1 + length)).toBe(source.toString('utf8', 1, 1 + length))
    }
  })

  test('bytes outside of the range do not matter', () => {
    expect(isAscii(Buffer.from([0xff, 1, 0xff]), 1, 2)).toBe(true)
  })
})
