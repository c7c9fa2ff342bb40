/** The quick form of the discipline of I/O errors. */
import { expect, test } from 'vitest'
import { ioErrors } from './io_errors.js'
import { runRounds } from './rounds.js'

test('a store gets over I/O errors at any operation, or says why not; nothing acknowledged is lost', { timeout: 120_000 }, async () => {
  const { counts } = await runRounds(ioErrors, 2)
  expect(counts.get('I/O faults')).toBeGreaterThan(1000)
  expect(counts.get('recoveries')).toBeGreaterThan(300)
})
