/**
 * Timing inside one run: operations one after the other or many in flight, for a while or for a number of them.
 *
 * - The clock is `performance.now()`, which is `process.hrtime` without its BigInt: monotonic, in nanoseconds, 40 ns a call.
 * - One operation in sixteen is timed (every one where it takes long); quantiles are over those. The greatest time is over all: the
 *   untimed ones between two timed ones count as one. Times go to a histogram of Node's (HdrHistogram), which allocates nothing.
 * - The next operation starts when the last one is done, so a stall delays those that would have come meanwhile; a server feels it as the
 *   delay of the event loop, which is measured as well.
 * - The event loop gets a turn every {@link TURN_MS}, as it does in a server between two requests; the rate counts the time of the turn.
 */
import { createHistogram, performance } from 'node:perf_hooks'

/** Numbers of one run by name; the unit ends the name. */
export type Metrics = Record<string, number>

/** Operations are let run for this long between two turns of the event loop. */
export const TURN_MS = 0.25
/** One operation in this many is timed, where nothing else is said. */
const SAMPLED = 16

/** When to stop: after so many operations or so many milliseconds, whichever comes first. */
export interface Limit {
  readonly operations: number
  readonly milliseconds: number
  /** One operation in this many is timed. */
  readonly sampled?: number
}

/** An operation by its number, from 0. */
export type Operation<T = unknown> = (number: number) => T | Promise<T>

/** Throws when a result is not what it must be; sees the timed ones. */
export type Accept<T> = (result: T) => void

/** Times of operations. */
class Latencies {
  readonly #histogram = createHistogram()
  #maxMs = 0

  add(milliseconds: number): void {
    this.#histogram.record(Math.max(1, Math.round(milliseconds * 1e6)))
    this.addUntimed(milliseconds)
  }

  /** The time of several operations together. */
  addUntimed(milliseconds: number): void {
    if (milliseconds > this.#maxMs) this.#maxMs = milliseconds
  }

  summary(operations: number, milliseconds: number): Metrics {
    const quantileUs = (percent: number): number => this.#histogram.percentile(percent) / 1000
    return {
      operations,
      opsPerSecond: (operations / milliseconds) * 1000,
      meanUs: (milliseconds / operations) * 1000,
      p50Us: quantileUs(50),
      p99Us: quantileUs(99),
      p999Us: quantileUs(99.9),
      maxUs: this.#maxMs * 1000,
    }
  }
}

/** Runs awaited operations until the limit. */
export async function timeAwaited<T>(limit: Limit, operation: Operation<T>, accept: Accept<T> = acceptAll): Promise<Metrics> {
  const latencies = new Latencies()
  const { operations, milliseconds, sampled = SAMPLED } = limit
  const start = performance.now()
  let done = 0
  for (let now = start, turned = start; done < operations && now - start < milliseconds; now = performance.now()) {
    const before = performance.now()
    const result = await operation(done++)
    const after = performance.now()
    latencies.add(after - before)
    accept(result)
    const end = Math.min(done + sampled - 1, operations)
    while (done < end) await operation(done++)
    const last = performance.now()
    latencies.addUntimed(last - after)
    if (last - turned >= TURN_MS) {
      await nextTurn()
      turned = performance.now()
    }
  }
  return latencies.summary(done, performance.now() - start)
}

/** Runs synchronous operations until the limit. */
export async function timeSync<T>(limit: Limit, operation: Operation<T>, accept: Accept<T> = acceptAll): Promise<Metrics> {
  const latencies = new Latencies()
  const { operations, milliseconds, sampled = SAMPLED } = limit
  const start = performance.now()
  let done = 0
  for (let now = start, turned = start; done < operations && now - start < milliseconds; now = performance.now()) {
    const before = performance.now()
    const result = operation(done++)
    const after = performance.now()
    latencies.add(after - before)
    accept(result as T)
    const end = Math.min(done + sampled - 1, operations)
    while (done < end) operation(done++)
    const last = performance.now()
    latencies.addUntimed(last - after)
    if (last - turned >= TURN_MS) {
      await nextTurn()
      turned = performance.now()
    }
  }
  return latencies.summary(done, performance.now() - start)
}

/**
 * Runs operations with so many in flight until the limit: as many lanes, each of which starts the next operation when its last is done.
 * When a turn of the event loop is due, all lanes wait for it.
 */
export async function timeInFlight<T>(
  lanes: number,
  limit: Limit,
  operation: Operation<T>,
  accept: Accept<T> = acceptAll,
): Promise<Metrics> {
  const latencies = new Latencies()
  const { operations, milliseconds, sampled = SAMPLED } = limit
  const start = performance.now()
  let turned = start
  let started = 0
  let isOver = false
  let turn: Promise<void> | undefined
  const takeTurn = async (): Promise<void> => {
    await nextTurn()
    turned = performance.now()
    turn = undefined
  }
  const lane = async (): Promise<void> => {
    while (started < operations && !isOver) {
      const number = started++
      if (number % sampled === 0) {
        const before = performance.now()
        const result = await operation(number)
        const after = performance.now()
        latencies.add(after - before)
        accept(result)
        isOver = after - start >= milliseconds
        if (after - turned >= TURN_MS) turn ??= takeTurn()
      } else {
        await operation(number)
      }
      if (turn !== undefined) await turn
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  return latencies.summary(started, performance.now() - start)
}

function acceptAll(): void {}

/** Lets everything that waits on the event loop have its turn. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}
