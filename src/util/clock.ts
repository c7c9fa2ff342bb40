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
