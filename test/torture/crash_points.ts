/**
 * Discipline `crash`: the power fails, or the process dies, before every change that a workload makes to the disk.
 *
 * `crash/workloads.ts` says what is cut off, `crash/sweep.ts` where and how, `crash/inspect.ts` what must be there afterwards, and
 * `src/vfs/survival.ts` what a power loss may take. One round is one workload with one seed.
 */
import { Random } from '../../src/util/random.js'
import { CLOSE, type Closeness, Sweep } from './crash/sweep.js'
import { type Workload, WORKLOADS } from './crash/workloads.js'
import { Counts, type Discipline } from './discipline.js'

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

/** How many crash points each workload has with a seed. */
export async function countCrashPoints(seed: number): Promise<{ readonly name: string; readonly crashPoints: number }[]> {
  const rows: { name: string; crashPoints: number }[] = []
  for (const workload of WORKLOADS) {
    const crashPoints = await sweepWorkload(workload, seed, new Counts(), { ...CLOSE, stride: Infinity })
    rows.push({ name: workload.name, crashPoints })
  }
  return rows
}

/** See the head of this file. */
export const crashPoints: Discipline = {
  name: 'crash',
  title: 'crashes before every change of the disk',
  run: async ({ seed, counts }) => {
    const workload = new Random(seed).pick(WORKLOADS)
    await sweepWorkload(workload, seed, counts)
  },
}
