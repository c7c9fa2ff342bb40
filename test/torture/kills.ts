/**
 * Real processes: killed with `kill -9` in the middle of everything (`kills/lives.ts`), and wanting the same store (`kills/races.ts`). They
 * run the programs of `test/processes` as they are built.
 */
import type { Discipline } from './discipline.js'
import { live } from './kills/lives.js'
import { race } from './kills/races.js'

/** One round in six is a race. */
const RACE_EVERY = 6

/** See above. */
export const kills: Discipline = {
  name: 'kill',
  title: 'processes killed with kill -9 under mixed load, and racing for one store',
  run: (round) => (round.seed % RACE_EVERY === 0 ? race({ ...round, seed: round.seed / RACE_EVERY }) : live(round)),
}
