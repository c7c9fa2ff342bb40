/**
 * Discipline `crash`: the power fails, or the process dies, before every change that a workload makes to the disk.
 *
 * `crash/workloads.ts` says what is cut off, `crash/sweep.ts` where and how, `crash/inspect.ts` what must be there afterwards, and
 * `src/vfs/survival.ts` what a power loss may take. One round is one workload with one seed.
 */
import { Random } from '../../src/util/random.js'
import { CLOSE, type Closeness, Sweep } from './crash/sweep.js'
import { type Workload, WORKLOADS } from './crash/workloads.js'
import type { Counts, Discipline } from './discipline.js'

export { CLOSE, type Closeness } from './crash/sweep.js'
export { type Workload, WORKLOADS } from './crash/workloads.js'

/** Runs one workload, and looks at its crash points. Returns how many changes it makes to the disk. */
export async function sweepWorkload(workload: Workload, seed: number, counts: Counts, closeness: Closeness = CLOSE): Promise<number> {
  const sweep = new Sweep(seed, closeness, counts)
  try {
    await workload.run(sweep)
  } catch (error) {
    throw new Error(`workload '${workload.name}', seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    })
  }
  return sweep.changes
}

/** See the head of this file. */
export const crashPoints: Discipline = {
  name: 'crash',
  title: 'crashes before every change of the disk',
  run: async ({ seed, counts, note }) => {
    const workload = new Random(seed).pick(WORKLOADS)
    note(`${workload.name}: rounds`, 1)
    note(`${workload.name}: crash points`, await sweepWorkload(workload, seed, counts))
  },
}
