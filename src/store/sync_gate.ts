/**
 * Whether a sync of the log may wait for the disk on the spot.
 *
 * A sync of a fast disk takes less time than the trip through the thread pool that would spare the event loop from waiting for it; that of
 * a slow one would hold the loop for milliseconds. Which it will be cannot be known beforehand, so the gate goes by experience: it follows
 * the mean time of recent syncs. It begins as if the disk were slow, and learns from the syncs in the pool that it is not: the disk took no
 * more time than they did. The trip itself may take longer than what is allowed on the spot, so once they come close an occasional sync
 * tries.
 */
import type { Clock } from '../util/clock.js'

/** Mean time of a sync from which on syncs go through the thread pool. */
const SLOW_SYNC_MS = 0.5
/** A sync counts with no more than this: a disk that stalls once is not slow, one that stalls twice in a row is. */
const COUNTED_MS_MAX = 2
/** While the disk is slow one sync in so many is made on the spot, to see whether it still is. */
const PROBE_EVERY = 16
/** Weight of the latest sync in the mean. */
const WEIGHT = 0.1

/** Decides sync by sync. */
export class SyncGate {
  readonly #clock: Clock
  #meanMs = COUNTED_MS_MAX
  #sinceProbe = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Whether the next sync may be made on the spot. */
  mayBlock(): boolean {
    if (this.#meanMs < SLOW_SYNC_MS) return true
    // Nothing is tried while all syncs are slow.
    if (this.#meanMs >= COUNTED_MS_MAX || ++this.#sinceProbe < PROBE_EVERY) return false
    this.#sinceProbe = 0
    return true
  }

  /** When a sync begins. */
  nowMs(): number {
    return this.#clock.nowMs()
  }

  /** A sync on the spot has ended. */
  blocked(startMs: number): void {
    const elapsedMs = Math.min(this.#clock.nowMs() - startMs, COUNTED_MS_MAX)
    // While the disk counts as slow this is what was tried, and tells more than what was before.
    this.#meanMs = this.#meanMs < SLOW_SYNC_MS ? this.#meanMs + (elapsedMs - this.#meanMs) * WEIGHT : elapsedMs
  }

  /** A sync in the pool has ended. The time includes the trip, so it says how fast the disk is at least. */
  pooled(startMs: number): void {
    const elapsedMs = this.#clock.nowMs() - startMs
    if (elapsedMs < this.#meanMs) this.#meanMs += (elapsedMs - this.#meanMs) * WEIGHT
  }
}
