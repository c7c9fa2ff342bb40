/**
 * How late timers run while something else is going on: what other requests of a server would feel.
 *
 * It is Node's `monitorEventLoopDelay`, with three things set right:
 *
 * - It is a timer that fires every {@link RESOLUTION_MS} and notes how long that took. With its default of 10 ms everything shorter would
 *   hide; here it is 1 ms, and because a delay of nothing is then noted as 1 ms, that is taken off. Timers count whole milliseconds, so
 *   0.1 to 0.3 ms remain when nothing is going on.
 * - Its first firing notes nothing, since there is none before it to count from, so work starts after that one; and `reset()` would forget
 *   it again. Otherwise a scan that never lets go of the loop would show no delay at all.
 * - What still holds the loop when the work ends is noted only when the timer fires next, so the end waits for that.
 *
 * One long delay is one note among thousands of short ones: quantiles tell what happens often, the greatest delay what happened once.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Metrics } from './measure.js'

const RESOLUTION_MS = 1
/** Long enough for the timer to fire twice. */
const SETTLE_MS = 5

/** Starts to watch; gives what ends it. */
export async function watchEventLoop(): Promise<() => Promise<Metrics>> {
  const monitor = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  monitor.enable()
  await sleep(SETTLE_MS)
  return async () => {
    await sleep(SETTLE_MS)
    monitor.disable()
    const delayMs = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS)
    return {
      loopDelayP50Ms: delayMs(monitor.percentile(50)),
      loopDelayP99Ms: delayMs(monitor.percentile(99)),
      loopDelayMaxMs: delayMs(monitor.max),
    }
  }
}
