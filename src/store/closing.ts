/**
 * The closing of a store, which may be overtaken: while `close()` waits for the disk or for background work, `closeSync()` finishes on the
 * spot what is left of it. Both then tell the same outcome.
 */
import { TaskRun } from '../compaction/task_run.js'
import type { Task } from '../util/task.js'

/** Pauses are for nobody. */
const NO_PAUSE = Number.MAX_SAFE_INTEGER

/** One closing. */
export class Closing {
  /** Settles when the store is closed. */
  readonly promise: Promise<void>
  readonly #run: TaskRun<void>
  #resolve!: () => void
  #reject!: (error: unknown) => void

  /** @param onLateError told of what fails after it was overtaken */
  constructor(task: Task<void>, onLateError: (error: unknown) => void) {
    this.#run = new TaskRun(task, () => this.advance(), onLateError)
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  /** Goes on as far as possible without waiting. */
  advance(): void {
    this.#run.advance(NO_PAUSE)
    this.#settle()
  }

  /** Finishes on the spot. Doing it again does nothing. */
  finishSync(): void {
    if (this.#run.outcome !== undefined) return
    const outcome = this.#run.finishSync()
    // Who called has the error. (What is made of the promise is for whoever made it to take care of.)
    this.promise.catch(() => {})
    this.#settle()
    if ('error' in outcome) throw outcome.error as Error
  }

  #settle(): void {
    const { outcome } = this.#run
    if (outcome === undefined) return
    if ('error' in outcome) this.#reject(outcome.error)
    else this.#resolve()
  }
}
