/**
 * One algorithm, two ways to run it.
 *
 * Recovery, flush, compaction and manifest edits are written once, as generators. Where they need slow I/O (a sync to
 * disk) they yield a {@link Step}, which knows a synchronous and an asynchronous form; where they have worked for a while
 * they yield {@link PAUSE}. {@link runTaskSync} drives a task to its end on the spot (`openSync`, `closeSync`, the
 * worker thread); {@link runTask} awaits the asynchronous forms and lets the event loop turn at pauses (`open`,
 * `close`, background work without a worker). The pattern is known as "gensync".
 *
 * Invariant: what a task computes does not depend on its driver, only how long the event loop waits for it.
 */

/** A piece of I/O in both forms. Both must have the same effect and result. */
export interface Step<T = unknown> {
  runSync(): T
  run(): Promise<T>
}

/** Yielded where a task may be interrupted for a while. */
export const PAUSE: unique symbol = Symbol('pause')

/** A computation that yields its slow I/O and its pauses, and returns a `T`. */
export type Task<T> = Generator<Step | typeof PAUSE, T, unknown>

/** Awaits (or runs) one step from inside a task, with its type: `const n = yield* step(file.syncStep())`. */
export function* step<T>(io: Step<T>): Task<T> {
  return (yield io) as T
}

/** Runs a task to its end without leaving the stack. */
export function runTaskSync<T>(task: Task<T>): T {
  let turn = task.next()
  while (!turn.done) {
    if (turn.value === PAUSE) {
      turn = task.next()
      continue
    }
    let result: unknown
    try {
      result = turn.value.runSync()
    } catch (error) {
      turn = task.throw(error)
      continue
    }
    turn = task.next(result)
  }
  return turn.value
}

/**
 * Runs a task with asynchronous I/O.
 *
 * @param pause called at each pause; it resolves when the task may go on (at once, while the slice lasts).
 */
export async function runTask<T>(task: Task<T>, pause: () => Promise<void> | undefined): Promise<T> {
  let turn = task.next()
  while (!turn.done) {
    if (turn.value === PAUSE) {
      const wait = pause()
      if (wait !== undefined) await wait
      turn = task.next()
      continue
    }
    let result: unknown
    try {
      result = await turn.value.run()
    } catch (error) {
      turn = task.throw(error)
      continue
    }
    turn = task.next(result)
  }
  return turn.value
}
