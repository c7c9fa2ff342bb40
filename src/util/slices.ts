/**
 * How long a task works before it lets the event loop turn.
 */
import type { Clock } from './clock.js'

/** Milliseconds between two turns. */
const SLICE_MS = 2

/** What `runTask` calls at pauses: lets the event loop turn at those that come a while after the last turn. */
export function slices(clock: Clock): () => Promise<void> | undefined {
  let startMs = clock.nowMs()
  return () => {
    if (clock.nowMs() - startMs < SLICE_MS) return undefined
    return new Promise((resume) => {
      clock.nextTurn(() => {
        startMs = clock.nowMs()
        resume()
      })
    })
  }
}
