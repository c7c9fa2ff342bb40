/**
 * What was recovered from the logs of an earlier process has to be durable, as a table, before anything written later is called durable.
 */
import type { Scheduler } from '../compaction/scheduler.js'
import type { Clock } from '../util/clock.js'
import type { KeepAlive } from './keep_alive.js'
import type { DurableFloor } from './log_set.js'

/** Milliseconds between two looks while the disk is full. */
const RETRY_MS = 500

/** What the floor needs of the engine. */
export interface FloorHost {
  readonly scheduler: Scheduler | undefined
  readonly status: string
}

/** Waits for the flush of recovered memtables. */
export class RecoveredFloor implements DurableFloor {
  readonly #host: FloorHost
  readonly #clock: Clock
  readonly #keepAlive: KeepAlive
  readonly #isLeft: () => boolean

  /** @param isLeft whether a recovered memtable is no table yet */
  constructor(host: FloorHost, clock: Clock, keepAlive: KeepAlive, isLeft: () => boolean) {
    this.#host = host
    this.#clock = clock
    this.#keepAlive = keepAlive
    this.#isLeft = isLeft
  }

  /** The worker does not keep the process alive, and nothing else may be going on: so this does. */
  wait(): Promise<void> {
    return this.#keepAlive.during(this.#wait())
  }

  waitSync(): void {
    if (this.#isLeft()) this.#host.scheduler!.flushedSync()
  }

  async #wait(): Promise<void> {
    while (this.#isLeft()) {
      try {
        await this.#host.scheduler!.flushed()
      } catch (error) {
        // A full disk is waited out: what waits for this was written, and cannot be taken back.
        if (this.#host.status !== 'full') throw error
        await new Promise<void>((resolve) => this.#clock.delay(RETRY_MS, resolve))
      }
    }
  }
}
