/** A few rounds of the metamorphic discipline, the cases that were kept, and that what it finds becomes a small case. */
import { readdirSync } from 'node:fs'
import { expect, test } from 'vitest'
import { IS_LONG } from '../support/seed.js'
import { metamorphic, replayCase } from './metamorphic.js'
import { runRounds } from './rounds.js'

const ROUNDS = IS_LONG ? 50 : 5

const CASES = new URL('./cases/', import.meta.url)

test.each(readdirSync(CASES).filter((name) => name.startsWith('metamorphic')))('the kept case %s', async (name) => {
  await replayCase(new URL(name, CASES).pathname)
})

test('histories of all operations show the same under all options, and what a sorted map shows', async () => {
  const { counts } = await runRounds(metamorphic, ROUNDS)
  expect(counts.get('option sets')).toBe(ROUNDS * 6)
  expect(counts.get('operations')).toBeGreaterThan(1000)
})
