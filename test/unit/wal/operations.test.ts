/** Operations in a payload: what reads, and what is refused without reading beyond it. */
import { describe, expect, test } from 'vitest'
import { KEY_BYTES_MAX, VALUE_BYTES_MAX } from '../../../src/codec/internal_key.js'
import { Random } from '../../../src/util/random.js'
import { PAYLOAD_PREFIX_BYTES, RECORD_HEADER_BYTES } from '../../../src/wal/format.js'
import { checkOperations, OperationReader } from '../../../src/wal/operations.js'
import { encodeRecord, testSeed } from './fixture.js'

const OPERATIONS_START = RECORD_HEADER_BYTES + PAYLOAD_PREFIX_BYTES
const reader = new OperationReader()

function check(bytes: Buffer, count: number): string {
  return checkOperations(reader, bytes, 0, bytes.length, count)
}

function encoded(...operations: Parameters<typeof encodeRecord>[1]): Buffer {
  return Buffer.from(encodeRecord(1, operations).subarray(OPERATIONS_START))
}

describe('operations', () => {
  test('may have empty keys and values, and the longest keys', () => {
    const longKey = 'k'.repeat(KEY_BYTES_MAX)
    expect(check(encoded({ key: '', value: '' }, { key: '' }, { key: longKey, value: 'v' }), 3)).toBe('valid')
    expect(check(encoded({ key: `${longKey}k` }), 1)).toBe('malformed')
  })

  test('must be as many as were counted, and fill the payload', () => {
    const bytes = encoded({ key: 'a', value: 'b' }, { key: 'c' })
    expect([0, 1, 2, 3].map((count) => check(bytes, count))).toEqual(['malformed', 'malformed', 'valid', 'malformed'])
    for (let length = 0; length < bytes.length; length++) expect(check(bytes.subarray(0, length), 2)).toBe('malformed')
  })

  test('of an unknown kind are told from malformed ones', () => {
    for (const kind of [2, 3, 4, 5, 200]) expect(check(Buffer.from([kind, 1, 97]), 1)).toBe('unknown kind')
  })

  test('may not have values over the limit', () => {
    const length = VALUE_BYTES_MAX + 1
    const bytes = Buffer.alloc(8 + length)
    bytes.set([1, 0, 0x81, 0x80, 0x80, 0x20])
    expect(check(bytes.subarray(0, 6 + length), 1)).toBe('malformed')
  })

  test('of random bytes never lie outside them', () => {
    const seed = testSeed()
    const random = new Random(seed)
    for (let round = 0; round < 20_000; round++) {
      const bytes = Buffer.alloc(random.below(40))
      for (let i = 0; i < bytes.length; i++) bytes[i] = random.chance(0.7) ? random.below(6) : random.below(256)
      const start = random.below(bytes.length + 1)
      reader.reset(bytes, start, bytes.length)
      let end = start
      while (reader.next()) {
        const operationEnd = reader.kind === 1 ? reader.valueEnd : reader.keyEnd
        expect(
          reader.keyStart > end && reader.keyEnd >= reader.keyStart && operationEnd <= bytes.length,
          `VARVE_SEED=${seed} round ${round}`,
        ).toBe(true)
        end = operationEnd
      }
    }
  })
})
