/**
 * A task on its way, which can be driven in slices, and taken over at any moment by somebody who has to have it finished on the spot.
 *
 * A takeover in the middle of an asynchronous step makes that step again synchronously. That is right for syncs, the only steps there are
 * here. But a failed sync is reported by the system once, perhaps to the one that nobody waits for any more: such a late failure goes to
 * `onLateError`, and must be treated like any failed sync.
 */
import { assert } from '../util/assert.js'
import { PAUSE, type Step, type Task } from '../util/task.js'

/** How a task ended. */
export type TaskOutcome<T> = { readonly value: T } | { readonly error: unknown }

/** One run of a task. */
export class TaskRun<T> {
  /** How it ended; `undefined` until then. */
  outcome: TaskOutcome<T> | undefined = undefined
  readonly #task: Task<T>
  readonly #wake: () => void
  readonly #onLateError: (error: unknown) => void
  /** The asynchronous step that the task waits for. */
  #step: Step | undefined
  #resume: () => IteratorResult<unknown, T>

  /** @param wake called when a step has ended and `advance` leads further */
  constructor(task: Task<T>, wake: () => void, onLateError: (error: unknown) => void) {
    this.#task = task
    this.#wake = wake
    this.#onLateError = onLateError
    this.#resume = () => task.next()
  }

  /** Whether `advance` leads nowhere now: the task waits for a step, or has ended. */
  get isBlocked(): boolean {
    return this.outcome !== undefined || this.#step !== undefined
  }

  /** Goes on until the task has paused `pauses` times, waits for a step, or has ended. */
  advance(pauses: number): void {
    assert(!this.isBlocked, 'a task is driven while it can go on')
    let left = pauses
    while (left > 0) {
      const yielded = this.#turn()
      if (yielded === undefined) return
      if (yielded === PAUSE) left--
      else return void this.#await(yielded)
    }
  }

  /** Goes on to the end. */
  finishSync(): TaskOutcome<T> {
    if (this.#step !== undefined) this.#runStep(this.#step)
    while (this.outcome === undefined) {
      const yielded = this.#turn()
      if (yielded !== undefined && yielded !== PAUSE) this.#runStep(yielded)
    }
    return this.outcome
  }

  /** What the task yields next; `undefined` when it has ended. */
  #turn(): Step | typeof PAUSE | undefined {
    const resume = this.#resume
    this.#resume = () => this.#task.next()
    try {
      const turn = resume()
      if (!turn.done) return turn.value as Step | typeof PAUSE
      this.outcome = { value: turn.value }
    } catch (error) {
      this.outcome = { error }
    }
    return undefined
  }

  #runStep(step: Step): void {
    this.#step = undefined
    try {
      const value = step.runSync()
      this.#resume = () => this.#task.next(value)
    } catch (error) {
      this.#resume = () => this.#task.throw(error)
    }
  }

  async #await(step: Step): Promise<void> {
    this.#step = step
    let resume: () => IteratorResult<unknown, T>
    try {
      const value = await step.run()
      if (this.#step !== step) return
      resume = () => this.#task.next(value)
    } catch (error) {
      if (this.#step !== step) return this.#onLateError(error)
      resume = () => this.#task.throw(error)
    }
    this.#step = undefined
    this.#resume = resume
    this.#wake()
  }
}
