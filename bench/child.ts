/**
 * One workload on one engine, in a process of its own: nothing is warm but what the workload warms, and peak memory is this run's.
 *
 * It takes one argument, a {@link ChildTask} as JSON, and prints one line of JSON, a {@link ChildResult}.
 */
import { pathToFileURL } from 'node:url'
import { type Durability, loadEngine } from './engines/engine.js'
import type { Metrics } from './measure.js'
import { peakMemoryBytes } from './process_facts.js'
import { Records } from './records.js'
import { workloadOf } from './workloads/all.js'
import type { Limits } from './workloads/workload.js'

/** What the child is to do. Without a workload, it opens the engine and reads back what it wrote: does it run here at all? */
export interface ChildTask {
  readonly engine: string
  readonly workload: string | undefined
  readonly records: number
  readonly seed: number
  readonly dir: string
  readonly limits: Limits
}

/** What it found. */
export interface ChildResult {
  readonly metrics: Metrics
}

/** What the runner must know of an engine. */
export interface EngineProbe {
  readonly version: string
  readonly settings: string
  readonly durability: Readonly<Partial<Record<Durability, string>>>
  readonly isPersistent: boolean
  readonly hasSyncGet: boolean
  readonly hasZstd: boolean
}

async function probe(task: ChildTask): Promise<EngineProbe> {
  const { version, settings, durability, isPersistent, hasSyncGet, hasZstd = false, open } = await loadEngine(task.engine)
  const store = await open({ dir: task.dir })
  await store.put('key', Buffer.from('value'))
  const found = await store.get('key')
  await store.close()
  if (found === undefined || Buffer.from(found).toString() !== 'value') throw new Error('it does not read what it wrote')
  return { version, settings, durability, isPersistent, hasSyncGet, hasZstd }
}

async function measure(task: ChildTask, name: string): Promise<ChildResult> {
  const workload = workloadOf(name)
  const engine = await loadEngine(task.engine)
  const records = new Records(task.records, task.seed)
  const { seed, dir, limits } = task
  const startMemoryBytes = peakMemoryBytes()
  const metrics = await workload.run({ engine, records, seed, durability: workload.durability, dir, limits })
  return { metrics: { peakMemoryBytes: peakMemoryBytes(), ...metrics, startMemoryBytes } }
}

async function main(): Promise<void> {
  const task = JSON.parse(process.argv[2] ?? '') as ChildTask
  const result = task.workload === undefined ? await probe(task) : await measure(task, task.workload)
  process.stdout.write(`${JSON.stringify(result)}\n`)
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main()
