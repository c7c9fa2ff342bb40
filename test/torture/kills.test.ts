/** The quick form of the discipline `kill`: processes that are killed, and processes that want the same store. */
import { expect, test } from 'vitest'
import { live } from './kills/lives.js'
import { race } from './kills/races.js'
import { runRounds } from './rounds.js'

test('a store survives the deaths of its processes, whenever they come', async () => {
  const { counts } = await runRounds({ name: 'kill', title: '', run: live }, 1)
  expect(counts.get('kills')).toBeGreaterThan(4)
  expect(counts.get('recoveries')).toBeGreaterThan(8)
}, 120_000)

test('of several processes exactly one has the store, until it closes it or dies; others may read beside it', async () => {
  // One round of either.
  const { counts, notes } = await runRounds({ name: 'race', title: '', run: race }, 2)
  expect(counts.get('openings')).toBeGreaterThan(8)
  expect(notes.get('looked beside a writer')).toBeGreaterThan(0)
}, 60_000)
