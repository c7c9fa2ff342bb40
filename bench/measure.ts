/**
 * Timing inside one run: operations for a while, the time of one in sixteen, the delay of the event loop, memory and bytes on disk.
 *
 * The clock is read every 256 operations only, and there the event loop gets a turn, as it does in a server between two requests.
 */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'

/** Numbers of one run by name; the unit ends the name. */
export type Metrics = Record<string, number>

/** Operations between two looks at the clock, with a turn of the event loop. */
const TURN = 256
/** One operation in this many is timed. */
const SAMPLED = 16
/** Milliseconds between two wake-ups of the delay monitor. */
const DELAY_RESOLUTION_MS = 1

/** When to stop: after so many operations or so many milliseconds, whichever comes first. */
export interface Limit {
  readonly operations: number
  readonly milliseconds: number
}

/** An operation by its number, from 0. */
export type Operation = (number: number) => unknown

/** Times of single operations, in a reservoir of fixed size. */
class Sample {
  readonly #times = new Float64Array(65_536)
  #count = 0

  add(milliseconds: number): void {
    this.#times[this.#count++ % this.#times.length] = milliseconds
  }

  /** The time in microseconds that this share of the operations stayed within. */
  quantileUs(share: number): number {
    const sorted = this.#times.subarray(0, Math.min(this.#count, this.#times.length)).toSorted()
    return (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0) * 1000
  }
}

/** Runs awaited operations until the limit. */
export async function timeAwaited(limit: Limit, operation: Operation): Promise<Metrics> {
  const sample = new Sample()
  const start = performance.now()
  let done = 0
  while (done < limit.operations && performance.now() - start < limit.milliseconds) {
    const end = Math.min(done + TURN, limit.operations)
    while (done < end) {
      if (done % SAMPLED === 0) {
        const before = performance.now()
        await operation(done++)
        sample.add(performance.now() - before)
      } else {
        await operation(done++)
      }
    }
    await nextTurn()
  }
  return summary(done, performance.now() - start, sample)
}

/** Runs synchronous operations until the limit. */
export async function timeSync(limit: Limit, operation: Operation): Promise<Metrics> {
  const sample = new Sample()
  const start = performance.now()
  let done = 0
  while (done < limit.operations && performance.now() - start < limit.milliseconds) {
    const end = Math.min(done + TURN, limit.operations)
    while (done < end) {
      if (done % SAMPLED === 0) {
        const before = performance.now()
        operation(done++)
        sample.add(performance.now() - before)
      } else {
        operation(done++)
      }
    }
    await nextTurn()
  }
  return summary(done, performance.now() - start, sample)
}

function summary(operations: number, milliseconds: number, sample: Sample): Metrics {
  return {
    operations,
    opsPerSecond: (operations / milliseconds) * 1000,
    meanUs: (milliseconds / operations) * 1000,
    p50Us: sample.quantileUs(0.5),
    p99Us: sample.quantileUs(0.99),
  }
}

/** Lets everything that waits on the event loop have its turn. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}

/** Watches how late timers run while something else is going on. */
export function watchEventLoop(): { stop(): Metrics } {
  const monitor = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS })
  monitor.enable()
  const milliseconds = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - DELAY_RESOLUTION_MS)
  return {
    stop() {
      monitor.disable()
      return { loopDelayP99Ms: milliseconds(monitor.percentile(99)), loopDelayMaxMs: milliseconds(monitor.max) }
    },
  }
}

/** Greatest resident memory of this process so far. */
export function peakMemoryBytes(): number {
  return process.resourceUsage().maxRSS * 1024
}

/** Bytes of all files of a folder. */
export function bytesOnDisk(dir: string): number {
  let bytes = 0
  for (const entry of readdirSync(dir, { withFileTypes: true, recursive: true })) {
    if (entry.isFile()) bytes += statSync(join(entry.parentPath, entry.name)).size
  }
  return bytes
}
