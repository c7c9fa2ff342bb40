/** All disciplines, in the order of the summary. */
import type { Discipline } from './discipline.js'
import { kills } from './kills.js'
import { metamorphic } from './metamorphic.js'
import type { Goals } from './tally.js'

export const disciplines: ReadonlyMap<string, Discipline> = new Map<string, Discipline>([
  [metamorphic.name, metamorphic],
  [kills.name, kills],
])

/** What `docs/testing.md` claims, run by run. */
export const GOALS: Goals = {
  crash: { 'crash points': 200_000 },
  metamorphic: { operations: 2_000_000, 'option sets': 500 },
  kill: { kills: 1000 },
}
