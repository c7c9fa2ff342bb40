/**
 * Long tasks of maintenance under the eyes of their caller: between their steps they may be ended, and tell how far they are.
 */
import { systemClock } from '../util/clock.js'
import { StoreError } from '../util/errors.js'
import { slices } from '../util/slices.js'
import { runTask, type Task } from '../util/task.js'

/** Runs a task, letting the event loop turn, and calls `onStep` between its steps; what that throws ends the task. */
export async function runSupervised<T>(task: Task<T>, onStep: () => void): Promise<T> {
  return runTask(supervised(task, onStep), slices(systemClock))
}

/** Throws `ERR_ABORTED` when the signal was given. */
export function checkSignal(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return
  throw new StoreError('ERR_ABORTED', 'the operation was aborted by its signal', { cause: signal.reason })
}

function* supervised<T>(task: Task<T>, onStep: () => void): Task<T> {
  try {
    let turn = task.next()
    while (!turn.done) {
      onStep()
      let result: unknown
      try {
        result = yield turn.value
      } catch (error) {
        turn = task.throw(error)
        continue
      }
      turn = task.next(result)
    }
    return turn.value
  } finally {
    // Lets the task close its files when it did not come to its end.
    task.return(undefined as T)
  }
}
