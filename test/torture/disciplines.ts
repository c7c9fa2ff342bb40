/** All disciplines, in the order of the summary. */
import { crashPoints } from './crash_points.js'
import { damage, SLICE_COUNT } from './damage.js'
import type { Discipline } from './discipline.js'
import { fuzz } from './fuzz.js'
import { IO_SLICE_COUNT, ioErrors } from './io_errors.js'
import { kills } from './kills.js'
import { metamorphic } from './metamorphic.js'
import { resources } from './resources.js'
import type { Goals } from './tally.js'

const ALL: readonly Discipline[] = [crashPoints, metamorphic, damage, ioErrors, fuzz, kills, resources]

export const disciplines: ReadonlyMap<string, Discipline> = new Map(ALL.map((discipline) => [discipline.name, discipline]))

/** What `docs/testing.md` claims, run by run. */
export const GOALS: Goals = {
  crash: { 'crash points': 200_000 },
  metamorphic: { operations: 2_000_000, 'option sets': 500 },
  // Rounds that follow each other go through the whole sweep, and those of `io` through every case.
  damage: { rounds: SLICE_COUNT },
  io: { rounds: IO_SLICE_COUNT },
  fuzz: { 'decoder inputs': 500_000 },
  kill: { kills: 1000 },
  resources: { scans: 1_000_000, openings: 10_000 },
}
