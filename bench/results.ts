/** What benchmarks leave behind: one JSON line a run, in `bench/results/`, with everything needed to judge it later. */
import { appendFileSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Metrics } from './measure.js'
import type { Machine } from './process_facts.js'
import type { Form } from './settings.js'
import type { Limits } from './workloads/workload.js'

/** One run. */
export interface RunResult {
  readonly time: string
  readonly form: Form
  readonly workload: string
  readonly engine: string
  readonly engineVersion: string
  readonly engineSettings: string
  /** What an acknowledged write survives, and how the engine is told so. */
  readonly durability: string
  readonly durabilitySetting: string
  readonly round: number
  readonly records: number
  readonly seed: number
  readonly limits: Limits
  readonly machine: Machine
  readonly metrics: Metrics
}

/** One component of `bench/micro`. */
export interface MicroResult {
  readonly time: string
  readonly component: string
  readonly name: string
  /** Nanoseconds per operation: the fastest sample, and the median where there are many. */
  readonly ns: number
  readonly medianNs?: number
  readonly machine: Machine
}

/** Appends a line to a file of JSON lines. */
export function record(path: string, result: RunResult | MicroResult): void {
  mkdirSync(dirname(path), { recursive: true })
  appendFileSync(path, `${JSON.stringify(result)}\n`)
}

/** Every line of a file of JSON lines. */
export function readLines(path: string): unknown[] {
  const lines = readFileSync(path, 'utf8').split('\n')
  return lines.filter((line) => line !== '').map((line): unknown => JSON.parse(line))
}
