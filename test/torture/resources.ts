/**
 * Resources: what a store takes it gives back, and what it costs stays the same, however long it is used.
 *
 * | trial | shows |
 * |---|---|
 * | `closing` | no descriptor, thread, timer or reference is left, in each way of closing |
 * | `abandoned` | scans and snapshots that are forgotten hold nothing for longer than they are remembered |
 * | `emptied` | disk and memory of a store whose entries were deleted come back by themselves |
 * | `cycles` | opening and closing makes nothing grow |
 * | `churn` | a constant set of entries in steady use costs what the page of compaction says |
 */
import type { Discipline, Round } from './discipline.js'
import { abandonScans } from './resources/abandoned.js'
import { churn } from './resources/churn.js'
import { closeInEveryWay } from './resources/closing.js'
import { openAndClose } from './resources/cycles.js'
import { emptyAndRest } from './resources/emptied.js'

/** How much the trials do. */
export interface Sizes {
  readonly scans: number
  readonly entries: number
  readonly cycles: number
  readonly seconds: number
}

/** The trials, in these sizes. */
export function trials({ scans, entries, cycles, seconds }: Sizes): Record<string, (round: Round) => Promise<void>> {
  return {
    closing: closeInEveryWay,
    abandoned: (round) => abandonScans(round, scans),
    emptied: (round) => emptyAndRest(round, entries),
    cycles: (round) => openAndClose(round, cycles),
    churn: (round) => churn(round, seconds),
  }
}

const ALL = Object.values(trials({ scans: 100_000, entries: 20_000, cycles: 1000, seconds: 3000 }))

/** One trial a round, in turn. */
export const resources: Discipline = {
  name: 'resources',
  title: 'descriptors, threads, timers, memory and disk given back; steady costs in steady use',
  run: (round) => ALL[round.seed % ALL.length]!(round),
}
