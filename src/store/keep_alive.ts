/**
 * Keeps the process alive while somebody waits for the store.
 *
 * The worker thread and the timers of a store are unreferenced: an idle store must not hold a program up. But a promise that a program
 * awaits must not be forgotten because nothing else was going on. So whoever waits holds a count here, and one long timer stands for all of
 * them.
 */
const LONG_MS = 0x7fff_ffff

/** Counts waiters; the process stays alive while there is one. */
export class KeepAlive {
  #waiters = 0
  #timer: NodeJS.Timeout | undefined

  /** Waits for a promise, keeping the process alive meanwhile. */
  async during<T>(promise: Promise<T>): Promise<T> {
    this.hold()
    try {
      return await promise
    } finally {
      this.release()
    }
  }

  /** One more waiter. */
  hold(): void {
    if (this.#waiters++ === 0) this.#timer = setTimeout(() => {}, LONG_MS)
  }

  /** One waiter less. */
  release(): void {
    if (--this.#waiters > 0) return
    clearTimeout(this.#timer)
    this.#timer = undefined
  }
}
