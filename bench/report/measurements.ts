/** The lines of one or several sessions, by workload, engine and metric. */
import { ENGINES } from '../engines/engine.js'
import type { RunResult } from '../results.js'
import { median } from '../statistics.js'
import { GROWING, workloads } from '../workloads/all.js'

/** Runs to look numbers up in. */
export class Measurements {
  readonly results: readonly RunResult[]
  /** Engines that were measured, in the order of the tables. */
  readonly engines: readonly string[]
  /** Workloads that were measured, in the order of the report. */
  readonly workloads: readonly string[]
  /** Records of all workloads but those that show growth. */
  readonly records: number

  constructor(results: readonly RunResult[]) {
    this.results = results
    this.engines = [...ENGINES.keys()].filter((name) => results.some(({ engine }) => engine === name))
    this.workloads = [...workloads.keys()].filter((name) => results.some(({ workload }) => workload === name))
    this.records = Math.max(0, ...results.filter(({ workload }) => !GROWING.includes(workload)).map(({ records }) => records))
  }

  /** Engines that varve is compared with: not itself, nor the Map. */
  get peers(): readonly string[] {
    return this.engines.filter((engine) => engine !== 'varve' && engine !== 'map')
  }

  /** What the rounds gave. */
  all(workload: string, engine: string, metric: string, records = this.records): number[] {
    const numbers: number[] = []
    for (const result of this.results) {
      if (result.workload !== workload || result.engine !== engine || result.records !== records) continue
      const number = result.metrics[metric]
      if (number !== undefined) numbers.push(number)
    }
    return numbers
  }

  /** The median of the rounds. */
  median(workload: string, engine: string, metric: string, records = this.records): number | undefined {
    const numbers = this.all(workload, engine, metric, records)
    return numbers.length === 0 ? undefined : median(numbers)
  }

  /** Numbers of records that a workload was measured with. */
  sizes(workload: string): number[] {
    return [...new Set(this.results.filter((result) => result.workload === workload).map(({ records }) => records))].toSorted(
      (a, b) => a - b,
    )
  }

  /** The best of these engines in a metric. */
  best(
    workload: string,
    metric: string,
    isHigherBetter: boolean,
    engines: readonly string[] = this.peers,
  ): { engine: string; value: number } | undefined {
    let best: { engine: string; value: number } | undefined
    for (const engine of engines) {
      const value = this.median(workload, engine, metric)
      if (value === undefined) continue
      if (best === undefined || (isHigherBetter ? value > best.value : value < best.value)) best = { engine, value }
    }
    return best
  }
}
