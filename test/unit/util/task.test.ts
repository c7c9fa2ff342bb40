import { describe, expect, test } from 'vitest'
import type { Step, Task } from '../../../src/util/task.js'
import { PAUSE, runTask, runTaskSync, step } from '../../../src/util/task.js'

const log: string[] = []

function io<T>(name: string, result: () => T): Step<T> {
  return {
    runSync() {
      log.push(`sync ${name}`)
      return result()
    },
    async run() {
      await undefined
      log.push(`async ${name}`)
      return result()
    },
  }
}

function* addition(): Task<number> {
  const a = yield* step(io('a', () => 1))
  yield PAUSE
  const b = yield* step(io('b', () => 2))
  return a + b
}

const forms: [string, <T>(task: Task<T>) => Promise<T>][] = [
  ['sync', async (task) => runTaskSync(task)],
  ['async', (task) => runTask(task, () => undefined)],
]

describe.each(forms)('a task run %s', (form, run) => {
  test('takes its steps in that form and returns what it computes', async () => {
    log.length = 0
    expect(await run(addition())).toBe(3)
    expect(log).toEqual([`${form} a`, `${form} b`])
  })

  test('may contain others', async () => {
    function* twice(): Task<number> {
      return (yield* addition()) + (yield* addition())
    }
    expect(await run(twice())).toBe(6)
  })

  test('that yields nothing just returns', async () => {
    // oxlint-disable-next-line require-yield
    function* nothing(): Task<string> {
      return 'done'
    }
    expect(await run(nothing())).toBe('done')
  })

  test('meets a failing step where it stands, can clean up, and go on', async () => {
    const failing = (): Step<never> =>
      io('bad', () => {
        throw new Error('disk')
      })
    const cleaned: string[] = []
    function* careful(): Task<string> {
      try {
        yield* step(failing())
        return 'unreachable'
      } catch (error) {
        return `caught ${(error as Error).message} and ${yield* step(io('rescue', () => 'rescued'))}`
      } finally {
        cleaned.push('closed')
      }
    }
    expect(await run(careful())).toBe('caught disk and rescued')
    function* careless(): Task<void> {
      try {
        yield* step(failing())
      } finally {
        yield PAUSE
        cleaned.push('closed too')
      }
    }
    await expect(run(careless())).rejects.toThrow('disk')
    expect(cleaned).toEqual(['closed', 'closed too'])
  })

  test('that throws, throws', async () => {
    function* bad(): Task<void> {
      yield PAUSE
      throw new Error('bug')
    }
    await expect(run(bad())).rejects.toThrow('bug')
  })
})

test('pauses wait as long as they are told to, or not at all', async () => {
  let pauses = 0
  let release: (() => void) | undefined
  function* task(): Task<string> {
    yield PAUSE
    yield PAUSE
    return 'done'
  }
  let result: string | undefined
  const running = runTask(task(), () => {
    pauses++
    return pauses === 1 ? undefined : new Promise<void>((resolve) => (release = resolve))
  }).then((value) => (result = value))
  expect(pauses).toBe(2)
  await new Promise((resolve) => setImmediate(resolve))
  expect(result).toBeUndefined()
  release?.()
  expect(await running).toBe('done')
})
