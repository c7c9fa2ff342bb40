/**
 * Power losses and deaths of the process, before every change that a workload makes to the disk, and again while the store recovers from
 * the first.
 *
 * What is found then must be the state after some write, with everything that an acknowledgement has promised to keep; batches whole; and a
 * store that works. The short form looks at every few changes; `npm run test:long` at each of them, with more seeds.
 */
import { describe, expect, test } from 'vitest'
import type { MemoryVfs } from '../../src/index.js'
import { memory, Store, type StoreOptions, type WalSync } from '../../src/index.js'
import { expectState, type State } from '../support/history.js'
import { IS_LONG, testSeed } from '../support/seed.js'
import { TINY } from '../support/stores.js'
import { type Promised, Workload } from './workload.js'

const STEPS = IS_LONG ? 400 : 220
/** One in so many changes is looked at. */
const STRIDE = IS_LONG ? 1 : 8
const SEEDS = IS_LONG ? 2 : 1

/** A disk after a crash, and what must be on it. */
interface Wreck {
  readonly what: string
  readonly vfs: MemoryVfs
  readonly wasKilled: boolean
  readonly promised: Promised
}

const HOW_MUCH_SURVIVES = [0, 30, 70, 100]

describe.each(['none', 'os', 'interval', 'always'] as const)("walSync '%s'", (walSync) => {
  test('a crash before any change to the disk leaves a state that keeps every promise', async () => {
    const first = testSeed()
    for (let seed = first; seed < first + SEEDS; seed++) await sweep(walSync, seed)
  })
})

async function sweep(walSync: WalSync, seed: number): Promise<void> {
  const vfs = memory()
  const workload = new Workload(vfs, walSync, seed)
  const wrecks: Wreck[] = []
  vfs.onMutation = (index, kind, path) => {
    if ((index + seed) % STRIDE !== 0) return
    const { promised } = workload
    const what = `VARVE_SEED=${seed}, before change ${index} (${kind} ${path})`
    const unsyncedPercent = HOW_MUCH_SURVIVES[Math.floor(index / STRIDE) % HOW_MUCH_SURVIVES.length]!
    wrecks.push({ what: `power loss, ${what}`, vfs: vfs.crashClone({ unsyncedPercent, seed: index }), wasKilled: false, promised })
    wrecks.push({ what: `kill, ${what}`, vfs: vfs.processKillClone(), wasKilled: true, promised })
  }
  let count = 0
  // Not from inside the engine, where a second store would be an impossible guest.
  const inspectAll = async (): Promise<void> => {
    for (const wreck of wrecks.splice(0)) {
      await named(wreck.what, () => inspect(wreck, workload, count))
      count++
    }
  }
  await named(`VARVE_SEED=${seed}`, () => workload.run(STEPS, inspectAll))
  expect(count).toBeGreaterThan(50)
}

async function inspect(wreck: Wreck, workload: Workload, count: number): Promise<void> {
  const { vfs, promised, wasKilled } = wreck
  const options: StoreOptions = { ...TINY, walSync: 'os' }
  const again: MemoryVfs[] = []
  // Every few wrecks crash once more, somewhere in their recovery.
  const crashesAgain = count % 4 === 0
  if (crashesAgain) {
    vfs.onMutation = (index) => {
      if (again.length < 3 && (index + count) % 3 === 0)
        again.push(vfs.crashClone({ unsyncedPercent: (index * 37) % 101, seed: count + index }))
    }
  }
  const store = Store.openSync(vfs, options)
  const found = expectPrefix(store, workload, wasKilled ? promised.afterKill : promised.afterPowerLoss, promised.issued)
  const state = new Map([...workload.history.stateAt(found), ['after', 'the crash'] as const])
  const sync = count % 3 === 0
  store.putSync('after', 'the crash', { sync })
  expect(store.getSync('after')).toBe('the crash')
  // A write that is durable takes what was recovered before it along.
  if (sync) await expectAll(vfs.crashClone({ unsyncedPercent: 0, seed: count }), options, state)
  // What was found after a power loss was on the disk: a second one cannot take it.
  const kept = wasKilled ? promised.afterPowerLoss : found
  if (count % 2 === 0) store.closeSync()
  else await store.close()
  vfs.onMutation = undefined
  await expectAll(vfs, options, state)
  for (const [i, clone] of again.entries()) {
    const second = Store.openSync(clone, options)
    await named(`second crash ${i}`, () => {
      // The write after the first crash may be there too.
      if (second.hasSync('after')) second.deleteSync('after')
      expectPrefix(second, workload, kept, wasKilled ? promised.issued : found, true)
    })
    second.closeSync()
  }
}

async function expectAll(vfs: MemoryVfs, options: StoreOptions, state: State): Promise<void> {
  const store = await Store.open(vfs, options)
  expectState(store, state)
  await store.close()
}

/** Fails unless the store is as it was after some write from `least` to `most`; returns which. */
function expectPrefix(store: Store, workload: Workload, least: number, most: number, isAltered = false): number {
  const { history } = workload
  if (isAltered) {
    for (let write = most; write >= least; write--) {
      if (equals(store, workload, write)) return write
    }
    throw new Error(`the store is in no state from ${least} to ${most}`)
  }
  const { sequence } = store.stats()
  const write = history.writeAt(sequence)
  if (write === undefined) throw new Error(`sequence ${sequence} lies inside of a batch`)
  if (write < least || write > most) throw new Error(`the store is in state ${write}, and should be in one from ${least} to ${most}`)
  expectState(store, history.stateAt(write), history.keys)
  return write
}

function equals(store: Store, workload: Workload, write: number): boolean {
  try {
    expectState(store, workload.history.stateAt(write), workload.history.keys)
    return true
  } catch {
    return false
  }
}

async function named<T>(what: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw new Error(`${what}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
}
