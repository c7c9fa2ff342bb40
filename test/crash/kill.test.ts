/**
 * Real processes, killed with `kill -9` under load in each `walSync` mode, again and again on the same store.
 *
 * Whatever the mode, each writer's keys are as they were after one of its writes: no write is torn, none is missing before one that is
 * there. In `'os'`, `'interval'` and `'always'` that is the last one acknowledged, or the one that was under way.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Store, type WalSync } from '../../src/index.js'
import { Random } from '../../src/util/random.js'
import { IS_LONG, testSeed } from '../support/seed.js'
import { rejection, temporaryDirectory, WORKER_URL } from '../support/stores.js'
import { isSame } from '../unit/codec/same.js'
import { applyWrite, prefixOf, type Progress, readProgress, type Slice, WRITERS, writeProgress } from './kill_load.js'

const program = fileURLToPath(new URL('../../build/test/processes/store_writer.js', import.meta.url))
const KILLS = IS_LONG ? 60 : 3

function start(dir: string, walSync: WalSync, progressPath?: string): ChildProcess {
  if (!existsSync(program)) throw new Error('the programs of test/processes are not built: npm run build:tools')
  const child = fork(program, [dir, walSync, ...(progressPath === undefined ? [] : [progressPath])], { execArgv: [] })
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  expect(await gone).toEqual([null, 'SIGKILL'])
}

/** Waits until the writers have made so many writes since. */
async function written(path: string, before: readonly number[], count: number): Promise<void> {
  const total = (): number => readProgress(path).reduce((sum, { acknowledged }, writer) => sum + acknowledged - before[writer]!, 0)
  while (total() < count) await delay(2)
}

describe.each(['none', 'os', 'interval', 'always'] as const)("walSync '%s'", (walSync) => {
  test('a store survives the death of its process, time after time', async () => {
    const seed = testSeed()
    const random = new Random(seed)
    const root = temporaryDirectory()
    const [dir, path] = [join(root, 'store'), join(root, 'progress')]
    const slices = new Slices()
    let found: number[] = Array.from({ length: WRITERS }, () => 0)
    for (let round = 0; round < KILLS; round++) {
      writeProgress(path, found)
      const child = start(dir, walSync, path)
      const ready = once(child, 'message')
      // Now and then in the middle of opening.
      if (round % 5 !== 4) await ready
      await (round % 5 === 4 ? delay(random.below(100)) : written(path, found, random.between(50, 1500)))
      await kill(child)
      const progress = readProgress(path)
      const store = await Store.open(dir, { workerUrl: WORKER_URL })
      const what = `VARVE_SEED=${seed}, kill ${round}`
      found = progress.map((each, writer) => slices.find(store, writer, each, walSync, what))
      await store.close()
    }
  })

  test('after a clean close everything acknowledged is there', async () => {
    const root = temporaryDirectory()
    const [dir, path] = [join(root, 'store'), join(root, 'progress')]
    const none = Array.from({ length: WRITERS }, () => 0)
    writeProgress(path, none)
    const child = start(dir, walSync, path)
    await once(child, 'message')
    await written(path, none, 300)
    const gone = once(child, 'exit')
    child.send('close')
    expect(await gone).toEqual([0, null])
    const store = await Store.open(dir, { workerUrl: WORKER_URL })
    const slices = new Slices()
    for (const [writer, { acknowledged, issued }] of readProgress(path).entries()) {
      expect(issued).toBe(acknowledged)
      expect(Object.fromEntries(store.scanPrefix(prefixOf(writer)))).toEqual(Object.fromEntries(slices.at(writer, acknowledged)))
    }
    expect(store.stats().recovery.tornBytes).toBe(0)
    await store.close()
  })
})

test('the store of a living process is locked, and names it; that of a killed one is free', async () => {
  const dir = join(temporaryDirectory(), 'store')
  const child = start(dir, 'os')
  await once(child, 'message')
  const error = await rejection(Store.open(dir))
  expect(error.code).toBe('ERR_LOCKED')
  expect(error.message).toContain(`process ${child.pid} `)
  // Reading needs no lock.
  await (await Store.open(dir, { readOnly: true })).close()
  await kill(child)
  await (await Store.open(dir, { workerUrl: WORKER_URL })).close()
})

/** What the writers' keys should hold. */
class Slices {
  readonly #slices = Array.from({ length: WRITERS }, (): { n: number; slice: Slice } => ({ n: 0, slice: new Map() }))

  /** The keys of a writer after write `n`; asked for in ascending order. */
  at(writer: number, n: number): Slice {
    const known = this.#slices[writer]!
    if (n < known.n) this.#slices[writer] = { n: 0, slice: new Map() }
    const current = this.#slices[writer]!
    while (current.n < n) applyWrite(current.slice, writer, ++current.n)
    return current.slice
  }

  /** After which write of a writer the store is. Fails when it is after none that it may be after. */
  find(store: Store, writer: number, progress: Progress, walSync: WalSync, what: string): number {
    const { issued, acknowledged, synced } = progress
    const least = walSync === 'none' ? synced : acknowledged
    const entries = store.scanPrefix(prefixOf(writer)).toArraySync()
    for (let n = least; n <= issued; n++) {
      const slice = this.at(writer, n)
      if (slice.size === entries.length && entries.every(([key, value]) => isSame(value, slice.get(key)))) return n
    }
    throw new Error(`${what}: writer ${writer} is after none of its writes ${least} to ${issued}`)
  }
}
