/**
 * What the system is short of, and how the store gets over it.
 *
 * A full disk, or a process out of file descriptors, is no damage: what was asked for was not done, nothing is in doubt, and it passes. So
 * the store does not fail. Reads go on; what cannot be done is refused, or tried again.
 *
 *                    a record is written
 *            ┌──────────────────────────────────┐
 *            ▼    a record finds no room        │
 *   ┌──► PLENTY ───────────────────────────► LOG SHORT   each write tries again by itself
 *   │        │                                  │
 *   │        │  a job ends for want of space or descriptors
 *   │        ▼                                  ▼
 *   │      JOBS SHORT ◄─────────────────────────┘        writes go on while memtables have room
 *   │        │     ▲
 *   │        │     │ it fails again
 *   │        ▼     │
 *   └───── RETRYING    when `RETRY_MS` have passed (a timer, or a write that finds no room: a program that never lets the event loop turn
 *       a job is       has no timers), or at once when `flush` or `compact` ask for it
 *       installed, or nothing is left to try
 *
 * Invariants
 * 1. The store counts as full until something that had found no room has been written: not while that is being tried.
 * 2. While jobs are short, a write that needs room waits only for an attempt that is under way. Otherwise it is refused: it never waits for
 *    somebody to free space.
 */
import type { Scheduler } from '../compaction/scheduler.js'
import type { Clock, Timer } from '../util/clock.js'
import type { StoreError } from '../util/errors.js'
import type { StoreEvents } from './events.js'
import { diskFull } from './refusals.js'

/** Milliseconds after which background work is tried again by itself. */
export const RETRY_MS = 500

/** What a shortage needs of the store around it. */
export interface ShortageHost {
  readonly path: string
  readonly scheduler: Scheduler | undefined
  /** Of which writes that wait for room go on, or are refused. */
  readonly queue: { resume(): void }
  emit<E extends keyof StoreEvents>(event: E, ...payload: StoreEvents[E]): void
}

/** Keeps track of what there is too little of. */
export class Shortage {
  readonly #host: ShortageHost
  readonly #clock: Clock
  #isLogShort = false
  /** What the last job failed with, until one is installed. */
  #jobError: StoreError | undefined
  #isRetrying = false
  #failedMs = 0
  #timer: Timer | undefined
  #isOver = false

  constructor(host: ShortageHost, clock: Clock) {
    this.#host = host
    this.#clock = clock
  }

  /** Whether the disk is full, as far as is known. */
  get isFull(): boolean {
    return this.#isLogShort || this.#jobError?.code === 'ERR_DISK_FULL'
  }

  /** Whether background work lacks something, and has not got over it yet. */
  get areJobsShort(): boolean {
    return this.#jobError !== undefined && !this.#isOver
  }

  /**
   * Refuses a write that needs background work to make room, unless an attempt is under way.
   *
   * @throws StoreError `ERR_DISK_FULL`, or what the last job failed with
   */
  checkRoomMayCome(): void {
    const error = this.#jobError
    if (error === undefined || this.#isRetrying) return
    throw error.code === 'ERR_DISK_FULL' ? diskFull(this.#host.path, error) : error
  }

  /** A record of the log found no room on the disk (`true`), or was written. Hot: once for each record. */
  logIsShort(isShort: boolean): void {
    if (isShort === this.#isLogShort) return
    const wasFull = this.isFull
    this.#isLogShort = isShort
    this.#tell(wasFull)
  }

  /** A job, or its installation, ended for want of something. */
  jobFailed(error: StoreError): void {
    if (this.#isOver) return
    const wasFull = this.isFull
    if (this.#jobError === undefined && error.code !== 'ERR_DISK_FULL') {
      this.#host.emit('warning', { message: `background work waits and is tried again: ${error.message}` })
    }
    this.#jobError = error
    this.#isRetrying = false
    this.#failedMs = this.#clock.nowMs()
    this.#tell(wasFull)
    this.#timer?.cancel()
    this.#timer = this.#clock.after(RETRY_MS, () => this.retry(true))
    this.#host.queue.resume()
  }

  /** A job was installed: there is space. */
  jobInstalled(): void {
    if (this.#jobError !== undefined) this.#end()
  }

  /** Lets background work try again: at once if `isAsked`, otherwise when the last attempt is long enough ago. */
  retry(isAsked: boolean): void {
    if (this.#jobError === undefined || this.#isRetrying || this.#isOver) return
    if (!isAsked && this.#clock.nowMs() - this.#failedMs < RETRY_MS) return
    this.#isRetrying = true
    this.#timer?.cancel()
    const scheduler = this.#host.scheduler!
    scheduler.resume()
    // What failed may have been given up, as a requested compaction is: then nothing is left that could succeed.
    const { pendingFlushes, isFlushRunning, isCompactionRunning } = scheduler.stats()
    if (this.#isRetrying && pendingFlushes === 0 && !isFlushRunning && !isCompactionRunning) this.#end()
  }

  /** The store fails or closes: nothing is tried any more. */
  stop(): void {
    this.#isOver = true
    this.#timer?.cancel()
  }

  #end(): void {
    const wasFull = this.isFull
    this.#jobError = undefined
    this.#isRetrying = false
    this.#isLogShort = false
    this.#timer?.cancel()
    this.#tell(wasFull)
  }

  #tell(wasFull: boolean): void {
    if (wasFull !== this.isFull && !this.#isOver) this.#host.emit('diskFull', { full: !wasFull })
  }
}
