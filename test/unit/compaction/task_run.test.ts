import { describe, expect, test } from 'vitest'
import { TaskRun } from '../../../src/compaction/task_run.js'
import { PAUSE, type Step, step, type Task } from '../../../src/util/task.js'

/** A step whose asynchronous form is ended by hand. */
class ManualStep implements Step<string> {
  syncRuns = 0
  resolve: (value: string) => void = () => {}
  reject: (error: Error) => void = () => {}

  runSync(): string {
    this.syncRuns++
    return 'on the spot'
  }

  run(): Promise<string> {
    return new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
  }
}

interface Watched<T> {
  readonly run: TaskRun<T>
  wakes: number
  readonly late: unknown[]
}

function watch<T>(task: Task<T>): Watched<T> {
  const late: unknown[] = []
  const watched: Watched<T> = {
    run: new TaskRun(
      task,
      () => void watched.wakes++,
      (error) => void late.push(error),
    ),
    wakes: 0,
    late,
  }
  return watched
}

function* waiting(io: Step<string>): Task<string> {
  try {
    return `got ${yield* step(io)}`
  } catch (error) {
    return `caught ${(error as Error).message}`
  }
}

describe('a run of a task', () => {
  test('goes on for as many pauses as it is given', () => {
    const seen: number[] = []
    const { run } = watch(
      (function* (): Task<void> {
        for (let i = 0; i < 5; i++) {
          seen.push(i)
          yield PAUSE
        }
      })(),
    )
    run.advance(2)
    expect(seen).toEqual([0, 1])
    run.advance(10)
    expect(seen).toEqual([0, 1, 2, 3, 4])
    expect(run.outcome).toEqual({ value: undefined })
    expect(run.isBlocked).toBe(true)
  })

  test('waits for a step and wakes its driver', async () => {
    const io = new ManualStep()
    const watched = watch(waiting(io))
    watched.run.advance(1)
    expect(watched.run.isBlocked).toBe(true)
    expect(() => watched.run.advance(1)).toThrow('driven while it can go on')
    io.resolve('later')
    await new Promise(setImmediate)
    expect(watched.wakes).toBe(1)
    watched.run.advance(1)
    expect(watched.run.outcome).toEqual({ value: 'got later' })
    expect(io.syncRuns).toBe(0)
  })

  test('throws the failure of a step into the task, also when it fails to start', async () => {
    const io = new ManualStep()
    const watched = watch(waiting(io))
    watched.run.advance(1)
    io.reject(new Error('no luck'))
    await new Promise(setImmediate)
    watched.run.advance(1)
    expect(watched.run.outcome).toEqual({ value: 'caught no luck' })
    const other = watch(
      waiting({
        runSync: () => '',
        run: () => {
          throw new Error('no start')
        },
      }),
    )
    other.run.advance(1)
    await new Promise(setImmediate)
    other.run.advance(1)
    expect(other.run.outcome).toEqual({ value: 'caught no start' })
  })

  test('keeps the error of a task that fails', () => {
    const error = new Error('broken')
    const { run } = watch(
      // oxlint-disable-next-line require-yield -- it fails before it yields
      (function* (): Task<void> {
        throw error
      })(),
    )
    run.advance(1)
    expect(run.outcome).toEqual({ error })
  })

  test('is taken over in the middle of a step, whose late success is of no interest', async () => {
    const io = new ManualStep()
    const watched = watch(waiting(io))
    watched.run.advance(1)
    expect(watched.run.finishSync()).toEqual({ value: 'got on the spot' })
    io.resolve('later')
    await new Promise(setImmediate)
    expect(watched).toMatchObject({ wakes: 0, late: [] })
  })

  test('reports the late failure of a step that was taken over', async () => {
    const io = new ManualStep()
    const watched = watch(waiting(io))
    watched.run.advance(1)
    watched.run.finishSync()
    io.reject(new Error('late'))
    await new Promise(setImmediate)
    expect(watched.late).toEqual([new Error('late')])
    expect(watched.run.outcome).toEqual({ value: 'got on the spot' })
  })
})
