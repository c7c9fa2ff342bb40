/** Whether what is left of a store after a kill is what may be left, and which state that is. */
import { readdirSync } from 'node:fs'
import { Store, type StoreOptions, type Value, type WalSync } from '../../../src/index.js'
import { expectState, modelKey, type State } from '../../support/history.js'
import { isSame } from '../../unit/codec/same.js'
import { applyChanges, changesOf, Load } from './load.js'
import type { Orders } from './orders.js'
import type { Progress } from './progress.js'

/** The states that may be found: those after `least` to `most` writes of a load, from a state on. */
export interface Candidates {
  readonly before: State
  readonly orders: Orders
  readonly least: number
  readonly most: number
}

/** What a process that ended in this way must have left. */
export function candidates(before: State, orders: Orders, progress: Progress, isCleanlyClosed: boolean): Candidates {
  const { issued, acknowledged, synced } = progress
  const walSync: WalSync = orders.options.walSync!
  const least = isCleanlyClosed ? issued : walSync === 'none' ? synced : acknowledged
  return { before, orders, least, most: issued }
}

/** The state that a store shows. Fails when it is none of the candidates, or different reads show different states. */
export function find(store: Store, { before, orders, least, most }: Candidates): Map<string, Value> {
  const found = new Map(
    store
      .scan({ keys: 'bytes' })
      .toArraySync()
      .map(([key, value]) => [modelKey(key), value]),
  )
  const state = new Map(before)
  const load = new Load(orders.loadSeed, orders.hasLongKeys)
  const keys = new Set(state.keys())
  let closest = ''
  let fewest = Infinity
  for (let n = 0; ; n++) {
    if (n >= least) {
      const differing = differences(found, state, fewest)
      if (differing.length === 0) break
      if (differing.length < fewest) {
        fewest = differing.length
        closest = `after ${n} it would differ in ${differing.length} keys (of the first 8): ${differing.join(', ')}`
      }
    }
    if (n === most) throw new Error(`the store is after none of the writes ${least} to ${most}: ${closest}`)
    const changes = changesOf(load.next(), state)
    for (const [key] of changes) keys.add(key)
    applyChanges(state, changes)
  }
  expectState(store, state, keys)
  return state
}

/** Some keys in which two states differ. */
function differences(found: State, state: State, limit: number): string[] {
  const differing: string[] = []
  for (const key of new Set([...found.keys(), ...state.keys()])) {
    if (found.has(key) === state.has(key) && isSame(found.get(key), state.get(key))) continue
    differing.push(key.slice(0, 40))
    if (differing.length >= Math.min(limit, 8)) break
  }
  return differing
}

/** Fails unless the folder of a closed store holds what the store needs, and nothing else. */
export async function expectNothingLeftOver(dir: string, options: StoreOptions): Promise<void> {
  const store = await Store.open(dir, { ...options, readOnly: true })
  const tables = store.stats().tables.count
  await store.close()
  const names = readdirSync(dir).filter((name) => !name.endsWith('.log'))
  const tableNames = names.filter((name) => name.endsWith('.sst'))
  const others = names.filter((name) => !name.endsWith('.sst')).map((name) => name.replace(/^MANIFEST-\d+$/, 'MANIFEST'))
  if (tableNames.length !== tables || others.toSorted().join(' ') !== 'CURRENT MANIFEST') {
    throw new Error(`the folder of a closed store with ${tables} tables holds ${readdirSync(dir).join(' ')}`)
  }
}
