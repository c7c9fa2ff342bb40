/** The quick form of the discipline of I/O errors. */
import { expect, test } from 'vitest'
import { casesOf, IO_SLICE_COUNT, ioErrors } from './io_errors.js'
import { runRounds } from './rounds.js'

test('a store gets over I/O errors at any operation, or says why not; nothing acknowledged is lost', { timeout: 120_000 }, async () => {
  const { counts } = await runRounds(ioErrors, 2)
  expect(counts.get('I/O faults')).toBeGreaterThan(1000)
  expect(counts.get('recoveries')).toBeGreaterThan(250)
})

test('rounds that follow each other try every case once', () => {
  const first = 20_261_121
  const total = 55_132
  const tried = Array.from({ length: IO_SLICE_COUNT }, (_, i) => casesOf(first + i, total)).flat()
  expect(tried).toHaveLength(total)
  expect(new Set(tried).size).toBe(total)
  expect(Math.max(...tried)).toBe(total - 1)
})
