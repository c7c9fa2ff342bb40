/**
 * How long the engine has held the event loop in its present turn.
 *
 * Promises that resolve in microtasks never let the event loop turn: `for (;;) await store.put(…)` would starve timers, sockets and the
 * engine's own worker. So operations ask here whether the turn is spent, and then resolve through the next turn instead.
 *
 * What comes back from the thread pool can come back all at once: a thousand blocks, each to be checked and decompressed. Such work asks
 * for a `pass`, of which there are a few a turn, in the order in which they were asked for. They are given one after the other while the
 * turn has time: in a young process, whose code is cold, one piece of work may take a hundred times as long as later.
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

/** Milliseconds of a turn after which it gives no more passes. */
const PASSING_MS_MAX = 2

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
  /** How many of them have had theirs. */
  #passed = 0
  readonly #begin = (): void => {
    this.number++
    this.#isArmed = false
    this.#isSpent = false
    this.#passes = 0
    if (this.#waiting.length === 0) return
    this.#waiting.splice(0, this.#passed)
    this.#passed = 0
    this.watch()
    this.#letPass()
  }
  /** Each pass is given when the work of the one before has been done, which is in the microtask that it was given for. */
  readonly #letPass = (): void => {
    if (!this.#mayPass()) return
    this.#passes++
    this.#waiting[this.#passed++]!()
    if (this.#passed < this.#waiting.length) return inMicrotask(this.#letPass)
    this.#waiting = []
    this.#passed = 0
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
    if (this.#waiting.length === 0 && this.#mayPass()) {
      this.#passes++
      return undefined
    }
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  /** A promise that resolves with `value` in the next turn. */
  later<T>(value: T): Promise<T> {
    return new Promise((resolve) => this.#clock.nextTurn(() => resolve(value)))
  }

  #mayPass(): boolean {
    return this.#passes < PASSES_PER_TURN && this.#clock.nowMs() - this.#startMs < PASSING_MS_MAX
  }
}
