/**
 * Back-pressure: writes never outrun flush and compaction by more than a budget.
 *
 * The debt is one number of bytes: frozen memtables, and level 0 beyond what it normally holds. Below half of the budget writes run free.
 * From there on they are slowed down in proportion, so that a steady writer meets the speed of the background work instead of a cliff; at
 * the whole budget they wait. A stall is an event and a counter, never an error. It ends only at three eighths of the budget, so that a
 * debt that hovers about the half is one stall and not hundreds.
 *
 * A separate hard bound on the number of frozen memtables bounds memory.
 */
import type { Clock } from '../util/clock.js'
import type { StallEndEvent, StallEvent } from './events.js'

/** Frozen memtables that may wait for their flush. */
export const FROZEN_MEMTABLES_MAX = 4
/** The budget, in memtables' worth of bytes: with the default memtable 128 MiB. */
const BUDGET_MEMTABLES = 32
/** Slowest rate that pacing lets writes have, in bytes a second, just below the whole budget. */
const SLOWEST_BYTES_PER_SECOND = 2 * 1024 * 1024
/** Rate at which pacing begins. */
const FASTEST_BYTES_PER_SECOND = 64 * 1024 * 1024

/**
 * Longest single delay. A group of the usual size (256 KiB) is never delayed by more than an eighth of this. A batch of 256 MiB would wait
 * for two minutes, and every write behind it: what a second does not hold back is held back by the full stop, which ends as soon as there
 * is room.
 */
const DELAY_MS_MAX = 1000

/** Counters of stalls since the store was opened. */
export interface StallStats {
  /** Times that writes were slowed down or stopped. */
  readonly count: number
  /** Milliseconds that writes waited in full stops. */
  readonly waitedMs: number
  /** Milliseconds that writes were slowed down by. */
  readonly delayedMs: number
  /** Bytes that background work owes now. */
  readonly debtBytes: number
  /** Bytes at which writes stop. */
  readonly budgetBytes: number
}

/** Decides whether writes run, slow down or wait. */
export class BackPressure {
  readonly budgetBytes: number
  debtBytes = 0
  /** Debt at which a delay begins, and the lesser one at which it ends. */
  readonly #slowFromBytes: number
  readonly #freeBelowBytes: number
  readonly #clock: Clock
  readonly #emitStall: (event: StallEvent) => void
  readonly #emitEnd: (event: StallEndEvent) => void
  #frozen = 0
  #unpacedBytes = 0
  #state: 'free' | 'delay' | 'wait' = 'free'
  #stateSinceMs = 0
  #waitSinceMs = 0
  #count = 0
  #waitedMs = 0
  #delayedMs = 0

  constructor(memtableSize: number, clock: Clock, emitStall: (event: StallEvent) => void, emitEnd: (event: StallEndEvent) => void) {
    this.budgetBytes = memtableSize * BUDGET_MEMTABLES
    this.#slowFromBytes = this.budgetBytes / 2
    this.#freeBelowBytes = (this.budgetBytes * 3) / 8
    this.#clock = clock
    this.#emitStall = emitStall
    this.#emitEnd = emitEnd
  }

  /** The debt has changed. */
  update(frozenMemtables: number, frozenBytes: number, level0Bytes: number): void {
    this.#frozen = frozenMemtables
    this.debtBytes = frozenBytes + level0Bytes
    if (this.#state === 'delay' && this.debtBytes < this.#freeBelowBytes) this.#enter('free')
    // A stall ends when there is room, whether or not somebody still waits to be told.
    if (this.#state === 'wait') this.mayFreeze()
  }

  /** Whether another memtable may be frozen; if not, writes wait. */
  mayFreeze(): boolean {
    if (this.#frozen < FROZEN_MEMTABLES_MAX && this.debtBytes < this.budgetBytes) {
      if (this.#state === 'wait') this.#enter(this.debtBytes >= this.#freeBelowBytes ? 'delay' : 'free')
      return true
    }
    if (this.#state !== 'wait') this.#enter('wait')
    return false
  }

  /** Counts written bytes; `takeDelayMs` then says by how much to slow down. */
  wrote(bytes: number): void {
    if (this.debtBytes >= this.#slowFromBytes) this.#unpacedBytes += bytes
  }

  /** Milliseconds to wait before the next group of writes; 0 while writes run free. */
  takeDelayMs(): number {
    const half = this.#slowFromBytes
    if (this.debtBytes < half) {
      this.#unpacedBytes = 0
      return 0
    }
    if (this.#state === 'free') this.#enter('delay')
    const left = Math.max(0, 1 - (this.debtBytes - half) / half)
    const rate = SLOWEST_BYTES_PER_SECOND + (FASTEST_BYTES_PER_SECOND - SLOWEST_BYTES_PER_SECOND) * left * left
    const delayMs = Math.min((this.#unpacedBytes / rate) * 1000, DELAY_MS_MAX)
    if (delayMs < 1) return 0
    this.#unpacedBytes = 0
    this.#delayedMs += delayMs
    return delayMs
  }

  stats(): StallStats {
    const waitingMs = this.#state === 'wait' ? this.#clock.nowMs() - this.#waitSinceMs : 0
    return {
      count: this.#count,
      waitedMs: this.#waitedMs + waitingMs,
      delayedMs: this.#delayedMs,
      debtBytes: this.debtBytes,
      budgetBytes: this.budgetBytes,
    }
  }

  #enter(state: 'free' | 'delay' | 'wait'): void {
    const nowMs = this.#clock.nowMs()
    if (this.#state === 'wait') this.#waitedMs += nowMs - this.#waitSinceMs
    if (state === 'wait') this.#waitSinceMs = nowMs
    const was = this.#state
    this.#state = state
    if (state === 'free') {
      this.#emitEnd({ durationMs: nowMs - this.#stateSinceMs })
      return
    }
    if (was === 'free') {
      this.#stateSinceMs = nowMs
      this.#count++
    }
    this.#emitStall({ kind: state, debtBytes: this.debtBytes })
  }
}
