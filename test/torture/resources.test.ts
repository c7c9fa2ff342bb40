/** The quick form of the discipline `resources`; its long form (`VARVE_TEST_LONG=1`) has a million scans, ten thousand cycles and a day. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { REPOSITORY_URL } from '../support/options.js'
import { IS_LONG } from '../support/seed.js'
import { trials } from './resources.js'
import { CHURN_BOUNDS } from './resources/churn.js'
import { runRounds } from './rounds.js'

const sizes = IS_LONG
  ? { scans: 1_000_000, entries: 100_000, cycles: 10_000, seconds: 86_400 }
  : { scans: 20_000, entries: 5000, cycles: 200, seconds: 400 }

test.each(Object.entries(trials(sizes)))(
  '%s',
  async (name, run) => {
    const { counts } = await runRounds({ name, title: '', run }, 1)
    expect(counts.entries()).not.toEqual([])
  },
  IS_LONG ? 1_200_000 : 60_000,
)

test('the bounds of churn are those of docs/compaction.md', () => {
  const page = readFileSync(new URL('docs/compaction.md', REPOSITORY_URL), 'utf8')
  expect(page).toContain(`| bytes written to log and tables per byte of the user | ${CHURN_BOUNDS.write} |`)
  expect(page).toContain(`per byte of live entries | ${CHURN_BOUNDS.space} |`)
})
