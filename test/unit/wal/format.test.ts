/** The bytes of logs against their page in `docs/`. */
import { expect, test } from 'vitest'
import {
  LOG_HEADER_BYTES,
  logFileName,
  PAYLOAD_BYTES_MAX,
  readLogHeader,
  RECORD_BYTES_MAX,
  RECORD_HEADER_BYTES,
  recordSeed,
  sealRecord,
  writeLogHeader,
} from '../../../src/wal/format.js'
import { LogBytes, recoverBytes } from './fixture.js'
import { hexExample } from './hex_example.js'

test('the worked example of docs/log.md is what the writer writes and the reader reads', () => {
  const bytes = hexExample('log.md', 'log')
  const log = new LogBytes(12, 1000)
  log.record([{ key: 'a', value: '\u0001x' }, { key: 'bc' }])
  log.seal()
  expect(bytes.toString('hex')).toBe(log.bytes.toString('hex'))
  const { report, applied } = recoverBytes(bytes, 12, { firstSequence: 1000 })
  expect(applied).toEqual(['1000 put a=\u0001x', '1001 delete bc'])
  expect(report).toMatchObject({ isDurable: true, lastSequence: 1001 })
})

test('a file header reads back, and not at all when anything in it changed', () => {
  for (const logNumber of [1, 12, 999_999, 1_000_000, 2 ** 32 + 5, Number.MAX_SAFE_INTEGER]) {
    const header = Buffer.alloc(LOG_HEADER_BYTES)
    writeLogHeader(header, logNumber)
    expect(readLogHeader(header)).toEqual({ formatVersion: 1, logNumber })
    for (let byte = 0; byte < LOG_HEADER_BYTES; byte++) {
      header[byte]! ^= 2
      expect(readLogHeader(header)).toBeUndefined()
      header[byte]! ^= 2
    }
  }
})

test('log names have six digits or more', () => {
  expect([1, 12, 999_999, 1_000_000].map(logFileName)).toEqual(['000001.log', '000012.log', '999999.log', '1000000.log'])
})

test('seeds differ with file number, offset and salt, in their high halves too', () => {
  const seeds = new Set<number>()
  const numbers = [0, 1, 2, 3, 256, 65_536, 2 ** 31, 2 ** 32, 2 ** 32 + 1, 2 ** 40]
  for (const fileNumber of numbers)
    for (const offset of numbers) for (const salt of [0, 1, 2 ** 31]) seeds.add(recordSeed(fileNumber, offset, salt) >>> 0)
  expect(seeds.size).toBe(numbers.length * numbers.length * 3)
})

test('a record is at most 256 MiB and its header long', () => {
  expect(RECORD_BYTES_MAX).toBe(256 * 1024 * 1024 + RECORD_HEADER_BYTES)
  const buffer = Buffer.alloc(RECORD_BYTES_MAX + 1)
  expect(() => sealRecord(buffer, 0, RECORD_BYTES_MAX + 1, 1, 0, 0)).toThrow('256 MiB')
  expect(() => sealRecord(buffer, 0, PAYLOAD_BYTES_MAX + RECORD_HEADER_BYTES, 1, 0, 0)).not.toThrow()
})
