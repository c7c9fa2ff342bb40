/**
 * Time. The engine never asks the system for it directly, so that tests move time by hand and replay it.
 */

/** A timer that has been set. */
export interface Timer {
  /** Unsets the timer. Nothing happens when it has fired. */
  cancel(): void
}

/** The engine's source of time and of event-loop turns. */
export interface Clock {
  /** Milliseconds since some fixed moment, never going back; fractions are allowed. */
  nowMs(): number
  /** Milliseconds since 1970, for people and file headers only. */
  wallMs(): number
  /** Calls `action` after `delayMs`. The timer does not keep the process alive. */
  after(delayMs: number, action: () => void): Timer
  /** As `after`, but the timer keeps the process alive: for work that somebody waits for. */
  delay(delayMs: number, action: () => void): Timer
  /** Calls `action` in a later turn of the event loop, after pending I/O. It keeps the process alive. */
  nextTurn(action: () => void): void
}

/** The system's time. */
export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  after(delayMs, action) {
    const timer = setTimeout(action, delayMs)
    timer.unref()
    return { cancel: () => clearTimeout(timer) }
  },
  delay(delayMs, action) {
    const timer = setTimeout(action, delayMs)
    return { cancel: () => clearTimeout(timer) }
  },
  nextTurn(action) {
    setImmediate(action)
  },
}

/**
 * A clock whose timers belong to something that will be closed. They end with it: a timer that fires later would do nothing, but until then
 * it would keep alive in memory what it belongs to.
 */
export class OwnedClock implements Clock {
  readonly #clock: Clock
  readonly #timers = new Set<Timer>()
  #isClosed = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  nowMs(): number {
    return this.#clock.nowMs()
  }

  wallMs(): number {
    return this.#clock.wallMs()
  }

  after(delayMs: number, action: () => void): Timer {
    return this.#own((fire) => this.#clock.after(delayMs, fire), action)
  }

  delay(delayMs: number, action: () => void): Timer {
    return this.#own((fire) => this.#clock.delay(delayMs, fire), action)
  }

  nextTurn(action: () => void): void {
    this.#clock.nextTurn(action)
  }

  /** Cancels all timers. None is set any more. */
  close(): void {
    this.#isClosed = true
    for (const timer of this.#timers) timer.cancel()
    this.#timers.clear()
  }

  #own(set: (fire: () => void) => Timer, action: () => void): Timer {
    if (this.#isClosed) return { cancel: () => {} }
    const inner = set(() => {
      this.#timers.delete(timer)
      action()
    })
    const timer: Timer = {
      cancel: () => {
        this.#timers.delete(timer)
        inner.cancel()
      },
    }
    this.#timers.add(timer)
    return timer
  }
}

/** Time that moves only when told to: `advance`. Turns of the event loop stay real. */
export class ManualClock implements Clock {
  #nowMs: number
  #timers: { dueMs: number; action: () => void }[] = []

  constructor(startMs = 0) {
    this.#nowMs = startMs
  }

  nowMs(): number {
    return this.#nowMs
  }

  wallMs(): number {
    return this.#nowMs
  }

  after(delayMs: number, action: () => void): Timer {
    const timer = { dueMs: this.#nowMs + delayMs, action }
    this.#timers.push(timer)
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer)
      },
    }
  }

  delay(delayMs: number, action: () => void): Timer {
    return this.after(delayMs, action)
  }

  nextTurn(action: () => void): void {
    setImmediate(action)
  }

  /** Moves time forward by `deltaMs`, firing timers in the order they fall due. */
  advance(deltaMs: number): void {
    const endMs = this.#nowMs + deltaMs
    for (;;) {
      let first: { dueMs: number; action: () => void } | undefined
      for (const timer of this.#timers) if (timer.dueMs <= endMs && (first === undefined || timer.dueMs < first.dueMs)) first = timer
      if (first === undefined) break
      const due = first
      this.#timers = this.#timers.filter((other) => other !== due)
      this.#nowMs = due.dueMs
      due.action()
    }
    this.#nowMs = endMs
  }
}
