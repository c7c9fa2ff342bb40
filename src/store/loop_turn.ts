/**
 * How long the engine has held the event loop in its present turn.
 *
 * Promises that resolve in microtasks never let the event loop turn: `for (;;) await store.put(…)` would starve timers, sockets and the
 * engine's own worker. So operations ask here whether the turn is spent, and then resolve through the next turn instead.
 */
import type { Clock } from '../util/clock.js'

/** Milliseconds that operations may take of one turn of the event loop. */
export const TURN_BUDGET_MS = 1

const RESOLVED: Promise<void> = Promise.resolve()

/**
 * Calls `action`, which must not throw, in a microtask. Hot: it costs half of `queueMicrotask`, for which Node.js makes a resource and a
 * bound function each time.
 */
export function inMicrotask(action: () => void): void {
  void RESOLVED.then(action)
}

/** The clock is read once in so many operations (a power of two). */
const CHECK_EVERY = 32

/** The budget of one turn of the event loop, shared by all operations of a store. */
export class LoopTurn {
  /** Counts turns in which operations were made. */
  number = 0
  readonly #clock: Clock
  #operations = 0
  #startMs = 0
  #isArmed = false
  #isSpent = false
  readonly #begin = (): void => {
    this.number++
    this.#isArmed = false
    this.#isSpent = false
  }

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Counts one operation; true when its promise should wait for the next turn. */
  spend(): boolean {
    if (this.#isSpent) return true
    if (!this.#isArmed) {
      this.#isArmed = true
      this.#operations = 0
      this.#startMs = this.#clock.nowMs()
      this.#clock.nextTurn(this.#begin)
      return false
    }
    if ((++this.#operations & (CHECK_EVERY - 1)) !== 0) return false
    this.#isSpent = this.#clock.nowMs() - this.#startMs >= TURN_BUDGET_MS
    return this.#isSpent
  }

  /** A promise that resolves with `value` in the next turn. */
  later<T>(value: T): Promise<T> {
    return new Promise((resolve) => this.#clock.nextTurn(() => resolve(value)))
  }
}
