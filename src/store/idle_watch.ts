/**
 * Notices when a store has not been written to for a while: the moment to collect garbage ahead of need.
 *
 * One unreferenced timer runs while there is something to watch, and none when the store rests.
 */
import type { Clock } from '../util/clock.js'

/** Milliseconds without a write after which a store counts as idle. */
const IDLE_MS = 1000

/** Watches for a pause in the writing. */
export class IdleWatch {
  /** Whether there was such a pause, and no write since. */
  isIdle = false
  readonly #clock: Clock
  readonly #lastSequence: () => number
  readonly #onIdle: () => void
  #isTimed = false

  /** @param onIdle is called once per pause, while the store is open. */
  constructor(clock: Clock, lastSequence: () => number, onIdle: () => void) {
    this.#clock = clock
    this.#lastSequence = lastSequence
    this.#onIdle = onIdle
  }

  /** Something happened after which a pause is of interest: a write, or the end of a snapshot. Hot: two comparisons. */
  touch(): void {
    this.isIdle = false
    if (!this.#isTimed) this.#watch()
  }

  #watch(): void {
    this.#isTimed = true
    const sequence = this.#lastSequence()
    this.#clock.after(IDLE_MS, () => {
      this.#isTimed = false
      if (sequence !== this.#lastSequence()) return this.#watch()
      this.isIdle = true
      this.#onIdle()
    })
  }
}
