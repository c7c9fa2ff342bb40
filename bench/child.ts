/**
 * One workload on one engine, in a process of its own: nothing is warm but what the workload warms, and peak memory is this run's.
 *
 * It takes one argument, a {@link ChildTask} as JSON, and prints one line of JSON, a {@link ChildResult}.
 */
import { pathToFileURL } from 'node:url'
import type { Engine } from './engines/engine.js'
import { type Metrics, peakMemoryBytes } from './measure.js'
import { Records } from './records.js'
import { type Limits, workloads } from './workloads.js'

/** What the child is to do. */
export interface ChildTask {
  readonly engine: string
  readonly workload: string
  readonly records: number
  readonly seed: number
  readonly dir: string
  readonly limits: Limits
}

/** What it found. */
export interface ChildResult {
  readonly engineVersion: string
  readonly durability: string
  readonly metrics: Metrics
}

async function main(): Promise<void> {
  const task = JSON.parse(process.argv[2] ?? '') as ChildTask
  const { engine } = (await import(new URL(`./engines/${task.engine}.js`, import.meta.url).href)) as { engine: Engine }
  const workload = workloads.get(task.workload)
  if (workload === undefined) throw new Error(`unknown workload '${task.workload}'`)
  const records = new Records(task.records, task.seed)
  const baseBytes = peakMemoryBytes()
  const metrics = await workload.run({ engine, records, seed: task.seed, dir: task.dir, limits: task.limits })
  const result: ChildResult = {
    engineVersion: engine.version,
    durability: engine.durability,
    metrics: { ...metrics, peakMemoryBytes: peakMemoryBytes(), peakMemoryBeforeBytes: baseBytes },
  }
  process.stdout.write(`${JSON.stringify(result)}\n`)
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main()
