/**
 * What was recovered from the logs of an earlier process has to be durable, as a table, before anything written later is called durable.
 */
import type { Scheduler } from '../compaction/scheduler.js'
import type { Clock } from '../util/clock.js'
import type { KeepAlive } from './keep_alive.js'
import type { DurableFloor } from './log_set.js'
import { RETRY_MS, type Shortage } from './shortage.js'

/** Waits for the flush of recovered memtables. */
export class RecoveredFloor implements DurableFloor {
  readonly #scheduler: Scheduler
  readonly #shortage: Shortage
  readonly #clock: Clock
  readonly #keepAlive: KeepAlive
  readonly #isLeft: () => boolean
  readonly #isClosing: () => boolean

  /**
   * @param isLeft whether a recovered memtable is no table yet
   * @param isClosing whether the store closes, which does not wait for somebody to free space
   */
  constructor(
    scheduler: Scheduler,
    shortage: Shortage,
    clock: Clock,
    keepAlive: KeepAlive,
    isLeft: () => boolean,
    isClosing: () => boolean,
  ) {
    this.#scheduler = scheduler
    this.#shortage = shortage
    this.#clock = clock
    this.#keepAlive = keepAlive
    this.#isLeft = isLeft
    this.#isClosing = isClosing
  }

  get isReached(): boolean {
    return !this.#isLeft()
  }

  /** The worker does not keep the process alive, and nothing else may be going on: so this does. */
  wait(): Promise<void> {
    return this.#keepAlive.during(this.#wait())
  }

  waitSync(): void {
    if (!this.#isLeft()) return
    this.#shortage.retry(false)
    this.#scheduler.flushedSync()
  }

  async #wait(): Promise<void> {
    while (this.#isLeft()) {
      try {
        await this.#scheduler.flushed()
      } catch (error) {
        // Another attempt may have come through meanwhile.
        if (!this.#isLeft()) return
        // A full disk is waited out: what waits for this was written, and cannot be taken back.
        if (!this.#shortage.areJobsShort || this.#isClosing()) throw error
        await new Promise<void>((resolve) => this.#clock.delay(RETRY_MS, resolve))
      }
    }
  }
}
