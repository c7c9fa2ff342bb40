/** However a store is closed, nothing of it stays: no descriptor, no thread, no timer, no reference. */
import { join } from 'node:path'
import { type MemoryVfs, memory, Store, type StoreOptions } from '../../../src/index.js'
import { FaultVfs } from '../../../src/vfs/fault.js'
import { nodeVfs } from '../../../src/vfs/node.js'
import { TINY, WORKER_URL } from '../../support/options.js'
import type { Round } from '../discipline.js'
import { activeResources, collectGarbage, eventually, expectThat, openFiles, threadCount } from './process.js'

/** Ways in which the use of a store ends. Each leaves it closed. */
const WAYS: Record<string, (dir: string, options: StoreOptions) => Promise<WeakRef<Store>>> = {
  close: async (dir, options) => closed(await used(dir, options), (store) => store.close()),
  closeSync: async (dir, options) => closed(await used(dir, options), (store) => store.closeSync()),
  using: async (dir, options) => {
    using store = await used(dir, options)
    return new WeakRef(store)
  },
  'await using': async (dir, options) => {
    await using store = await used(dir, options)
    return new WeakRef(store)
  },
  'close with open scans and snapshots': async (dir, options) => {
    const store = await used(dir, options)
    const snapshot = store.snapshot()
    const scans = [store.scan(), snapshot.scan({ reverse: true }), store.keys(), store.values()]
    for (const scan of scans) await scan.next()
    return closed(store, () => store.close())
  },
  'close while everything is under way': async (dir, options) => {
    const store = await used(dir, options)
    const underWay = [store.put('last', 1), store.flush(), store.compact(), store.sync(), store.get('key 1'), store.scan().toArray()]
    const all = Promise.allSettled(underWay)
    await store.close()
    await all
    return new WeakRef(store)
  },
  'closeSync while everything is under way': async (dir, options) => {
    const store = await used(dir, options)
    const all = Promise.allSettled([store.put('last', 1), store.flush(), store.compact(), store.sync(), store.get('key 1')])
    store.closeSync()
    await all
    return new WeakRef(store)
  },
  'an opening that fails for the lock': async (dir, options) => {
    const store = await used(dir, options)
    await refused(Store.open(dir, options), 'ERR_LOCKED')
    return closed(store, () => store.close())
  },
  'an opening that fails half-way': async (dir, options) => {
    await (await used(dir, options)).close()
    const vfs = new FaultVfs(nodeVfs)
    vfs.addRule({ operation: 'read', path: '.log', times: Infinity })
    await refused(Store.open(dir, { ...options, vfs }), 'ERR_IO')
    return closed(await used(dir, options), (store) => store.closeSync())
  },
  'a store that has failed': async (dir, options) => {
    const vfs = new FaultVfs(nodeVfs)
    const store = await used(dir, { ...options, vfs })
    vfs.addRule({ operation: 'write', path: '.log', times: Infinity })
    await refused(store.put('a', 1), 'ERR_BACKGROUND')
    return closed(store, () => store.close().catch(() => {}))
  },
  'a store that was only read': async (dir, options) => {
    await (await used(dir, options)).close()
    const store = await Store.open(dir, { ...options, readOnly: true })
    await store.scan().next()
    await store.get('key 1')
    return closed(store, () => store.close())
  },
}

/** A store that has flushed, compacted and read, and holds something in memory. */
async function used(dir: string, options: StoreOptions): Promise<Store> {
  const store = await Store.open(dir, options)
  for (let i = 0; i < 60; i++) store.putSync(`key ${i % 40}`, 'x'.repeat(200))
  await store.compact()
  await store.get('key 1')
  await store.put('in memory', 1)
  return store
}

async function closed(store: Store, close: (store: Store) => unknown): Promise<WeakRef<Store>> {
  await close(store)
  return new WeakRef(store)
}

async function refused(opening: Promise<unknown>, code: string): Promise<void> {
  const error: unknown = await opening.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expectThat((error as { code?: string } | undefined)?.code === code, `refused with ${String(error)}, not ${code}`)
}

/** Every way of closing, with a worker and without. */
export async function closeInEveryWay(round: Round): Promise<void> {
  const worker: StoreOptions = { ...TINY, backgroundThreads: 1, workerUrl: WORKER_URL }
  // The pool of threads that Node itself starts when it needs them is no store's.
  await (await used(join(round.scratchDir, 'first'), worker)).close()
  const [resources, threads] = [activeResources(), threadCount()]
  const kept: [string, WeakRef<Store>][] = []
  for (const [name, way] of Object.entries(WAYS)) {
    for (const options of [{ ...TINY, walSync: 'interval', walSyncInterval: 60_000 } as const, worker]) {
      const what = `${name}${options === worker ? ' with a worker' : ''}`
      const dir = join(round.scratchDir, what)
      kept.push([what, await way(dir, options)])
      round.counts.add('openings')
      expectThat(openFiles(dir).length === 0, `after ${what}, still open: ${openFiles(dir).join(' ')}`)
      await eventually(`after ${what} there are ${threads} threads, not ${threadCount()}`, () => threadCount() <= threads)
      // What the pool was at when the store was closed on the spot ends by itself, and the loop has to hear of it.
      await eventually(`after ${what} nothing is active but ${resources}`, () => activeResources() === resources)
    }
  }
  await collectGarbage()
  const alive = kept.filter(([, store]) => store.deref() !== undefined).map(([what]) => what)
  expectThat(alive.length === 0, `closed stores are still referred to after ${alive.join(', ')}`)
  await closeInMemory()
}

/** The same on a simulated disk, which counts what is open. */
async function closeInMemory(): Promise<void> {
  const vfs: MemoryVfs = memory()
  for (let i = 0; i < 3; i++) {
    const store = await Store.open(vfs, TINY)
    store.putSync(`k${i}`, 'x'.repeat(5000))
    const scan = store.scan()
    scan.nextSync()
    await store.flush()
    await store.close()
    expectThat(vfs.openHandleCount === 0, `${vfs.openHandleCount} files of a closed store are open`)
    const { scans, snapshots, tables } = store.stats()
    expectThat(scans.open + snapshots.open + tables.open === 0, 'a closed store has open scans, snapshots or tables')
  }
}
