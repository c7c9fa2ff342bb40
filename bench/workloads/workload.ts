/**
 * What a workload is, and what all of them share: how a store is opened, watched, and checked at the end.
 *
 * A workload runs in a fresh process on one engine and returns its numbers. Every one ends by reading back: a store that gives a wrong
 * value fails the run. Garbage is collected when V8 sees fit: nothing forces it, and it counts.
 */
import { Random } from '../../src/util/random.js'
import type { Durability, Engine, OpenEngine, OpenOptions } from '../engines/engine.js'
import { watchEventLoop } from '../loop_delay.js'
import type { Metrics } from '../measure.js'
import { bytesOnDisk, peakMemoryBytes, processorUs, writtenBytes } from '../process_facts.js'
import type { Records } from '../records.js'

/** What a workload runs with. */
export interface Run {
  readonly engine: Engine
  readonly records: Records
  readonly seed: number
  readonly durability: Durability
  /** The folder of the store: fresh, prepared, or a copy of the prepared one. */
  readonly dir: string
  readonly limits: Limits
}

/** How long a run may take. */
export interface Limits {
  readonly warmUpMs: number
  readonly measureMs: number
  /** Fills stop here; the rate is that of what was written by then. */
  readonly fillMs: number
}

/** Kinds of workloads, in the order of the report. */
export const GROUPS = [
  'writing',
  'durable writing',
  'reading',
  'scanning',
  'mixed',
  'large values',
  'opening',
  'growth',
  'preparing',
] as const

/** A workload, and how the tables show its first metric. */
export interface Workload {
  readonly group: (typeof GROUPS)[number]
  /** What it does, for the report. */
  readonly about: string
  readonly metric: string
  readonly unit: string
  readonly isHigherBetter: boolean
  /** The store that it works on: a fresh one, the one that `prepare` made, or a copy of that. */
  readonly store: 'fresh' | 'prepared' | 'copy'
  readonly durability: Durability
  /** Whether it writes enough that the delay of the event loop under it is of interest. */
  readonly isWriteLoad?: boolean
  readonly needs?: 'getSync' | 'order' | 'persistence' | 'zstd'
  run(run: Run): Promise<Metrics>
}

/** A workload whose first metric is operations a second. */
export const RATE = { metric: 'opsPerSecond', unit: 'ops/s', isHigherBetter: true } as const

/** Enough for a million records and their index. */
export const CACHE_EVERYTHING_BYTES = 256 * 1024 * 1024
/** Records that are read back at the end of a run. */
const CHECKED = 1000

/** Opens the store of the run, and fills it first where it is to be there already and the engine keeps nothing over a close. */
export async function openStore(run: Run, isFilled: boolean, options: Omit<OpenOptions, 'dir'> = {}): Promise<OpenEngine> {
  const cacheBytes = CACHE_EVERYTHING_BYTES
  const store = await run.engine.open({ dir: run.dir, durability: run.durability, cacheBytes, ...options })
  if (isFilled && !run.engine.isPersistent) {
    for (let number = 0; number < run.records.count; number++) await store.put(run.records.key(number), run.records.value(number))
  }
  return store
}

/** Runs a body and adds to its numbers what the event loop, the processor and the memory felt of it. */
export async function observed(body: () => Promise<Metrics>): Promise<Metrics> {
  const stopWatching = await watchEventLoop()
  const startUs = processorUs()
  const metrics = await body()
  const cpuUs = processorUs() - startUs
  const delays = await stopWatching()
  const perOperation = metrics['operations'] === undefined ? {} : { cpuUsPerOp: cpuUs / metrics['operations'] }
  return { ...metrics, ...perOperation, ...delays, peakMemoryBytes: peakMemoryBytes() }
}

/** How often each record was written over. */
export class Versions {
  readonly #counts: Uint8Array

  constructor(count: number) {
    this.#counts = new Uint8Array(count)
  }

  /** Counts another write and gives its version. */
  next(number: number): number {
    this.#counts[number] = (this.#counts[number]! + 1) & 0xff
    return this.#counts[number]!
  }

  of(number: number): number {
    return this.#counts[number]!
  }
}

/** Reads records back and compares their values, and asks for keys that are not there. */
export async function check(run: Run, store: OpenEngine, numberAt: (random: Random) => number, versions?: Versions): Promise<void> {
  const { records } = run
  const random = new Random(run.seed + 2)
  for (let i = 0; i < CHECKED; i++) {
    const number = numberAt(random)
    const found = await store.get(records.key(number))
    if (!records.isValue(found, number, versions?.of(number))) {
      throw new Error(`record ${number} reads ${found === undefined ? 'as absent' : `a wrong value of ${found.length} bytes`}`)
    }
    if (run.engine.hasSyncGet && !records.isValue(store.getSync(records.key(number)), number, versions?.of(number))) {
      throw new Error(`record ${number} reads another value synchronously`)
    }
    if ((await store.get(records.absentKey(number))) !== undefined) throw new Error(`a key that was never written has a value`)
  }
}

/**
 * Closes the store and gives what it has cost: bytes written since `startBytes`, bytes on disk, both also as a multiple of the user's.
 *
 * @param userBytes keys and values that were written
 * @param liveBytes keys and values that can be read now
 */
export async function closeAndWeigh(
  run: Run,
  store: OpenEngine,
  startBytes: number | undefined,
  userBytes: number,
  liveBytes: number,
): Promise<Metrics> {
  const start = performance.now()
  await store.close()
  const closeMs = performance.now() - start
  if (!run.engine.isPersistent) return { closeMs }
  const diskBytes = bytesOnDisk(run.dir)
  const metrics: Metrics = { closeMs, diskBytes }
  if (liveBytes > 0) metrics['spaceAmplification'] = diskBytes / liveBytes
  const endBytes = writtenBytes()
  if (startBytes !== undefined && endBytes !== undefined) {
    metrics['writtenBytes'] = endBytes - startBytes
    metrics['writeAmplification'] = (endBytes - startBytes) / userBytes
  }
  return metrics
}
