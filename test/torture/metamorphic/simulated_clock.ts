/**
 * Time of a metamorphic run: it stands still while something happens, and jumps to the next timer when nothing does.
 *
 * So pauses of a second cost nothing, a run is the same every time, and one that waits for nothing at all is known to hang. A livelock that
 * asks for the time is ended by an exception, which names the operation; others are left to the watchdog of the process.
 */
import type { Clock, Timer } from '../../../src/index.js'
import { Random } from '../../../src/util/random.js'

/** Turns of the event loop without progress after which time jumps. */
const IDLE_TURNS = 3
/** Milliseconds of real time without progress after which a run hangs. */
const HANG_MS = 30_000
/** One in so many readings looks at the real time (a power of two). */
const LOOK_EVERY = 4096

interface Due {
  readonly dueMs: number
  readonly action: () => void
}

/** A clock that nobody needs to wind. */
export class SimulatedClock implements Clock {
  /** Called once when nothing has happened for too long. */
  onHang: (() => void) | undefined
  readonly #tickMs: number
  readonly #lateness: number
  readonly #random: Random
  #nowMs = 1000
  #timers: Due[] = []
  #progress = 0
  #progressAt = performance.now()
  #reads = 0
  #isRunning = true

  constructor(tickMs: number, lateness: number, seed: number) {
    this.#tickMs = tickMs
    this.#lateness = lateness
    this.#random = new Random(seed)
    this.#pump(0, 0)
  }

  nowMs(): number {
    if ((++this.#reads & (LOOK_EVERY - 1)) === 0 && performance.now() - this.#progressAt > HANG_MS) {
      throw new Error(`the engine has been busy with one operation for ${HANG_MS} ms`)
    }
    this.#nowMs += this.#tickMs
    return this.#nowMs
  }

  wallMs(): number {
    return this.#nowMs
  }

  after(delayMs: number, action: () => void): Timer {
    const due = { dueMs: this.#nowMs + delayMs, action }
    this.#timers.push(due)
    return { cancel: () => void (this.#timers = this.#timers.filter((other) => other !== due)) }
  }

  delay(delayMs: number, action: () => void): Timer {
    return this.after(delayMs, action)
  }

  nextTurn(action: () => void): void {
    if (this.isLate()) setImmediate(() => setImmediate(action))
    else setImmediate(action)
  }

  /** Whether what is asked for now comes late. */
  isLate(): boolean {
    return this.#lateness > 0 && this.#random.chance(this.#lateness)
  }

  /** Another step of the run begins. */
  progressed(): void {
    this.#progress++
    this.#progressAt = performance.now()
  }

  /** Lets time go by, timer by timer, with turns of the event loop in between. */
  async pass(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms
    while (this.#fireNext(endMs)) await turn()
    this.#nowMs = Math.max(this.#nowMs, endMs)
    await turn()
  }

  stop(): void {
    this.#isRunning = false
    this.#timers = []
  }

  #pump(progress: number, idleTurns: number): void {
    setImmediate(() => {
      if (!this.#isRunning) return
      if (this.#progress !== progress) return this.#pump(this.#progress, 0)
      if (idleTurns < IDLE_TURNS || this.#fireNext(Infinity)) return this.#pump(progress, idleTurns + 1)
      if (performance.now() - this.#progressAt < HANG_MS) return this.#pump(progress, idleTurns)
      this.stop()
      this.onHang?.()
    })
  }

  #fireNext(endMs: number): boolean {
    let first: Due | undefined
    for (const timer of this.#timers) if (timer.dueMs <= endMs && (first === undefined || timer.dueMs < first.dueMs)) first = timer
    if (first === undefined) return false
    const due = first
    this.#timers = this.#timers.filter((other) => other !== due)
    this.#nowMs = Math.max(this.#nowMs, due.dueMs)
    due.action()
    return true
  }
}

/** Lets the event loop go round. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
