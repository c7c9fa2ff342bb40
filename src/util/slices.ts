/**
 * How long a task works before it lets the event loop turn.
 */
import type { Clock } from './clock.js'

/** Milliseconds between two turns. */
const SLICE_MS = 2

/**
 * What `runTask` calls at pauses: lets the event loop turn at those that come a while after the last turn.
 *
 * @param firstMs milliseconds before the first turn
 */
export function slices(clock: Clock, firstMs: number = SLICE_MS): () => Promise<void> | undefined {
  let startMs = clock.nowMs()
  let sliceMs = firstMs
  return () => {
    if (clock.nowMs() - startMs < sliceMs) return undefined
    sliceMs = SLICE_MS
    return new Promise((resume) => {
      clock.nextTurn(() => {
        startMs = clock.nowMs()
        resume()
      })
    })
  }
}
