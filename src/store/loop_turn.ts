/**
 * How long the engine has held the event loop in its present turn.
 *
 * Promises that resolve in microtasks never let the event loop turn: `for (;;) await store.put(…)` would starve timers, sockets and the
 * engine's own worker. So operations ask here whether the turn is spent, and then resolve through the next turn instead.
 *
 * What comes back from the thread pool can come back all at once: a thousand blocks, each to be checked and decompressed. Such work asks
 * for a `pass`, of which there are a few a turn, in the order in which they were asked for.
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

/** Passes of one turn: so many blocks take half a millisecond. */
const PASSES_PER_TURN = 16

/** The budget of one turn of the event loop, shared by all operations of a store. */
export class LoopTurn {
  /** Counts turns in which operations were made. */
  number = 0
  readonly #clock: Clock
  #operations = 0
  #startMs = 0
  #isArmed = false
  #isSpent = false
  #passes = 0
  /** Those who wait for a pass, in order. */
  #waiting: (() => void)[] = []
  readonly #begin = (): void => {
    this.number++
    this.#isArmed = false
    this.#isSpent = false
    this.#passes = 0
    if (this.#waiting.length > 0) this.#letPass()
  }

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Counts one operation; true when its promise should wait for the next turn. */
  spend(): boolean {
    if (this.#isSpent) return true
    if (this.watch()) return false
    if ((++this.#operations & (CHECK_EVERY - 1)) !== 0) return false
    this.#isSpent = this.#clock.nowMs() - this.#startMs >= TURN_BUDGET_MS
    return this.#isSpent
  }

  /** Sees to it that `number` changes when this turn is over; true when that was not so yet. */
  watch(): boolean {
    if (this.#isArmed) return false
    this.#isArmed = true
    this.#operations = 0
    this.#startMs = this.#clock.nowMs()
    this.#clock.nextTurn(this.#begin)
    return true
  }

  /** Leave for a short piece of work: `undefined` when it may be done at once, else a promise to wait for. */
  pass(): Promise<void> | undefined {
    this.watch()
    if (this.#passes < PASSES_PER_TURN && this.#waiting.length === 0) {
      this.#passes++
      return undefined
    }
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  /** A promise that resolves with `value` in the next turn. */
  later<T>(value: T): Promise<T> {
    return new Promise((resolve) => this.#clock.nextTurn(() => resolve(value)))
  }

  #letPass(): void {
    this.watch()
    const first = this.#waiting.splice(0, PASSES_PER_TURN)
    this.#passes = first.length
    for (const resume of first) resume()
  }
}
