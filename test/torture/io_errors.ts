/**
 * I/O errors: each operation that a store makes on files fails, one after the other, in each way that a real one fails, once or from there
 * on; see `io_errors/trial.ts` for what must hold then.
 *
 * All combinations of workload, `walSync`, operation and fault are numbered, and cut into slices of some that lie far apart. A round does
 * the slice that its seed names, modulo their number, so rounds with seeds that follow each other try every case once.
 */
import type { WalSync } from '../../src/index.js'
import { Counts, type Discipline, type Round } from './discipline.js'
import { faultsOf } from './io_errors/faults.js'
import { type Base, type Strike, Trial } from './io_errors/trial.js'
import { type Workload, WORKLOADS } from './io_errors/workloads.js'

const MODES: readonly WalSync[] = ['always', 'os', 'none', 'interval']

/** Rounds with so many seeds that follow each other try every case once: some sixty cases each, a second or two. */
export const IO_SLICE_COUNT = 900
/** Has no divisor in common with the number of slices: seeds that follow each other take slices that lie apart. */
const STRIDE = 617

/** One workload in one mode, and everything that can fail in it. */
interface Field {
  readonly workload: Workload
  readonly walSync: WalSync
  readonly strikes: readonly Strike[]
}

let fields: Promise<readonly Field[]> | undefined

/** See the head of this file. */
export const ioErrors: Discipline = {
  name: 'io',
  title: 'each file operation fails in each way, once and for good',
  async run(round) {
    await guarded(async () => {
      fields ??= survey()
      const all = await fields
      const total = all.reduce((sum, { strikes }) => sum + strikes.length, 0)
      for (const number of casesOf(round.seed, total)) {
        await tryOne(all, number, round)
        round.note(`of ${total.toLocaleString('en-US')} cases`, 1)
      }
    })
  },
}

/** The numbers of the cases that a round tries. */
export function casesOf(seed: number, total: number): number[] {
  const slice = ((Math.abs(seed) % IO_SLICE_COUNT) * STRIDE) % IO_SLICE_COUNT
  return Array.from({ length: Math.ceil((total - slice) / IO_SLICE_COUNT) }, (_, i) => slice + i * IO_SLICE_COUNT)
}

/** One trial by its number. */
export async function tryOne(all: readonly Field[], number: number, round: Round): Promise<void> {
  let left = number
  for (const { workload, walSync, strikes } of all) {
    if (left >= strikes.length) {
      left -= strikes.length
      continue
    }
    const strike = strikes[left]!
    const trial = new Trial(await copyOf(workload), walSync, workload.options, strike, round.counts)
    try {
      await workload.run(trial)
      await trial.finish()
    } catch (error) {
      const operation = trial.operations[strike.index - 1]
      const where = `workload '${workload.name}', walSync '${walSync}', operation ${strike.index} (${operation})`
      const what = `${strike.fault.name} ${strike.fault.duration} (trial ${number})`
      throw new Error(`${where}, ${what}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
    }
    return
  }
}

/** Runs each workload in each mode without faults, and lists what can fail. */
export async function survey(): Promise<readonly Field[]> {
  const found: Field[] = []
  for (const walSync of MODES) {
    for (const workload of WORKLOADS) {
      const trial = new Trial(await copyOf(workload), walSync, workload.options, undefined, new Counts())
      await workload.run(trial)
      const strikes = trial.operations.flatMap((operation, i) => faultsOf(operation).map((fault) => ({ index: i + 1, fault })))
      await trial.finish()
      found.push({ workload, walSync, strikes })
    }
  }
  return found
}

const bases = new Map<Workload, Promise<Base>>()

async function copyOf(workload: Workload): Promise<Base> {
  let base = bases.get(workload)
  if (base === undefined) bases.set(workload, (base = workload.base()))
  const { disk, writes } = await base
  return { disk: disk.processKillClone(), writes }
}

/** Fails when a promise is rejected and nobody has listened. */
async function guarded(work: () => Promise<void>): Promise<void> {
  const unheard: unknown[] = []
  const hear = (reason: unknown): void => void unheard.push(reason)
  process.on('unhandledRejection', hear)
  try {
    await work()
    await new Promise((resolve) => setImmediate(resolve))
  } finally {
    process.off('unhandledRejection', hear)
  }
  if (unheard.length > 0) throw new Error(`a rejection that nobody has heard of: ${String(unheard[0])}`, { cause: unheard[0] })
}
