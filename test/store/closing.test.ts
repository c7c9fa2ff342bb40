/** Closing a store: what is finished before, what is refused afterwards, and how often one may. */
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { FaultVfs, memory, Store } from '../../src/index.js'
import { isPromiseMethod, readsOf, thrownBy, writesOf } from '../support/methods.js'
import { entriesOf, failure, nextTurn, openStore, rejection, temporaryDirectory, TINY, WORKER_URL } from '../support/stores.js'

describe.each(['none', 'os', 'interval', 'always'] as const)("walSync '%s'", (walSync) => {
  test('close finishes the writes that are under way, and they survive a power loss', async () => {
    const vfs = memory()
    const store = await Store.open(vfs, { ...TINY, walSync })
    const writes = Array.from({ length: 300 }, (_, i) => store.put(`k${i}`, 'x'.repeat(50)))
    const increments = Array.from({ length: 10 }, () => store.increment('count'))
    await store.close()
    await Promise.all(writes)
    expect(await Promise.all(increments)).toContain(10n)
    const again = await openStore(vfs.crashClone({ unsyncedPercent: 0, seed: 1 }))
    expect(entriesOf(again)).toHaveLength(301)
    expect(again.getSync('count')).toBe(10)
    expect(again.stats().recovery.tornBytes).toBe(0)
  })

  test('closeSync finishes them too', async () => {
    const vfs = memory()
    const store = Store.openSync(vfs, { ...TINY, walSync })
    const writes = Array.from({ length: 300 }, (_, i) => store.put(`k${i}`, 'x'.repeat(50)))
    store.closeSync()
    await Promise.all(writes)
    const again = await openStore(vfs.crashClone({ unsyncedPercent: 0, seed: 1 }))
    expect(entriesOf(again)).toHaveLength(300)
  })
})

test('closing twice, in any form and at the same time, does nothing more', async () => {
  const vfs = memory()
  const store = await Store.open(vfs, TINY)
  await store.put('k', 1)
  await Promise.all([store.close(), store.close()])
  await store.close()
  store.closeSync()
  await store[Symbol.asyncDispose]()
  store[Symbol.dispose]()
  expect(store.status).toBe('closed')
  const again = Store.openSync(vfs, TINY)
  again.closeSync()
  again.closeSync()
  await again.close()
})

describe('closeSync while close is under way finishes it on the spot', () => {
  /** Closing waits for: writes that are issued, their sync, a flush, the worker, the shortening of the manifest. */
  test.each(Array.from({ length: 24 }, (_, turns) => turns))('after %i microtasks', async (microtasks) => {
    for (const walSync of ['none', 'always'] as const) {
      const vfs = memory()
      const store = await Store.open(vfs, { ...TINY, memtableSize: 256 * 1024, walSync })
      for (let i = 0; i < 12; i++) {
        await store.put(`flushed ${i}`, i)
        await store.flush()
      }
      const writes = Array.from({ length: 100 }, (_, i) => store.put(`k${i}`, 'x'.repeat(1000)))
      const closed = store.close()
      for (let i = 0; i < microtasks; i++) await Promise.resolve()
      store.closeSync()
      expect(store.status).toBe('closed')
      expect(vfs.openHandleCount).toBe(0)
      // The directory is free at once.
      const again = Store.openSync(vfs.crashClone({ unsyncedPercent: 0, seed: microtasks }), TINY)
      expect(entriesOf(again)).toHaveLength(112)
      again.closeSync()
      Store.openSync(vfs, TINY).closeSync()
      await Promise.all([closed, ...writes])
      store.closeSync()
    }
  })

  test('with a worker thread', async () => {
    const dir = join(temporaryDirectory(), 'store')
    for (const microtasks of [0, 3, 8, 20]) {
      const store = await Store.open(dir, { workerUrl: WORKER_URL, walSync: 'always', compression: 'none' })
      const writes = Array.from({ length: 100 }, (_, i) => store.put(`${microtasks} ${i}`, 'x'.repeat(1000)))
      const closed = store.close()
      for (let i = 0; i < microtasks; i++) await Promise.resolve()
      store.closeSync()
      const again = Store.openSync(dir, { workerUrl: WORKER_URL })
      expect(again.scanPrefix(`${microtasks} `).toArraySync()).toHaveLength(100)
      again.closeSync()
      await Promise.all([closed, ...writes])
    }
  })

  test('and both tell that the last writes could not be kept', async () => {
    const vfs = new FaultVfs(memory())
    const store = await Store.open(vfs, { ...TINY, walSync: 'always' })
    const write = store.put('k', 1)
    vfs.addRule({ operation: 'sync', path: /\.log$/, times: Infinity })
    const closed = rejection(store.close())
    expect(failure(() => store.closeSync()).code).toBe('ERR_BACKGROUND')
    expect((await closed).code).toBe('ERR_BACKGROUND')
    expect((await rejection(write)).code).toBe('ERR_BACKGROUND')
    expect(store.status).toBe('closed')
  })
})

describe('a file that is being deleted when the store closes', () => {
  /** Its deletions in the thread pool wait until told to go on. */
  class SlowDeletions extends FaultVfs {
    readonly begun: string[] = []
    goOn!: () => void
    readonly #gate = new Promise<void>((resolve) => {
      this.goOn = resolve
    })

    override async unlink(path: string): Promise<void> {
      this.begun.push(path)
      await this.#gate
      await super.unlink(path)
    }
  }

  async function deleting(): Promise<{ vfs: SlowDeletions; store: Store; warnings: unknown[] }> {
    const vfs = new SlowDeletions(memory())
    const store = await Store.open(vfs, TINY)
    const warnings: unknown[] = []
    store.on('warning', (warning) => warnings.push(warning))
    await store.put('k', 1)
    await store.flush()
    while (vfs.begun.length === 0) await nextTurn()
    expect(logsOf(vfs)).toHaveLength(1)
    return { vfs, store, warnings }
  }

  const logsOf = (vfs: SlowDeletions): string[] => vfs.readdirSync('/varve').filter((name) => name.endsWith('.log'))

  test('is waited for by close', async () => {
    const { vfs, store, warnings } = await deleting()
    const closing = store.close()
    for (let i = 0; i < 20; i++) await nextTurn()
    expect([store.status, vfs.statSync('/varve/LOCK')]).toEqual(['closing', expect.anything()])
    vfs.goOn()
    await closing
    expect([logsOf(vfs), vfs.statSync('/varve/LOCK'), warnings]).toEqual([[], undefined, []])
  })

  test('is deleted on the spot by closeSync', async () => {
    const { vfs, store, warnings } = await deleting()
    store.closeSync()
    expect(logsOf(vfs)).toEqual([])
    vfs.goOn()
    for (let i = 0; i < 3; i++) await nextTurn()
    expect(warnings).toEqual([])
    const again = await openStore(vfs)
    expect(again.getSync('k')).toBe(1)
  })
})

test('a failed open leaves nothing locked', async () => {
  const vfs = memory()
  await (await Store.open(vfs, TINY)).close()
  for (const path of vfs.files()) if (path.includes('MANIFEST')) vfs.writeFile(path, Buffer.from('damage'))
  expect((await rejection(Store.open(vfs, TINY))).code).toBe('ERR_CORRUPTION')
  expect((await rejection(Store.open(vfs, TINY))).code).toBe('ERR_CORRUPTION')
  expect(vfs.openHandleCount).toBe(0)
})

test('using and await using close', async () => {
  const vfs = memory()
  {
    using store = Store.openSync(vfs, TINY)
    store.putSync('k', 1)
  }
  {
    await using store = await Store.open(vfs, TINY)
    expect(await store.get('k')).toBe(1)
    using snapshot = store.snapshot()
    await using scan = snapshot.scan()
    expect(await scan.next()).toEqual(['k', 1])
    expect(store.stats()).toMatchObject({ snapshots: { open: 1 }, scans: { open: 1 } })
  }
  const store = await openStore(vfs)
  {
    using scan = store.scan()
    using batch = store.batch()
    scan.nextSync()
    batch.put('dropped', 1)
  }
  expect(store.stats().scans.open).toBe(0)
  expect(store.getSync('dropped')).toBeUndefined()
})

test('no file stays open', async () => {
  const vfs = memory()
  const store = await Store.open(vfs, TINY)
  for (let i = 0; i < 1000; i++) store.putSync(`k${i % 300}`, 'x'.repeat(40))
  const scan = store.scan()
  await scan.next()
  store.snapshot()
  await store.close()
  expect(vfs.openHandleCount).toBe(0)
})

test('every method of a closed store, of its snapshots and of its scans is refused', async () => {
  const vfs = memory()
  const store = await Store.open(vfs, TINY)
  await store.put('k', 1)
  const snapshot = store.snapshot()
  const scan = store.scan()
  const batch = store.batch().put('k', 2)
  await store.close()
  const methods = {
    ...writesOf(store),
    ...readsOf(store),
    snapshot: () => store.snapshot(),
    'batch that was begun before': () => batch.write(),
    'scan that was open': () => scan.nextSync(),
    'scan that was open, nextv': () => scan.nextv(1),
    'scan that was open, seek': () => scan.seek('a'),
  }
  for (const [name, method] of Object.entries(methods)) {
    const error = await thrownBy(method)
    expect([name, error.code]).toEqual([name, 'ERR_NOT_OPEN'])
    expect(error.message).toMatch(/closed: (open it again|begin a new one)/)
  }
  for (const [name, method] of Object.entries(readsOf(snapshot))) {
    expect([name, (await thrownBy(method)).code]).toEqual([name, 'ERR_NOT_OPEN'])
  }
  expect(snapshot.isOpen).toBe(false)
  expect(store.stats().status).toBe('closed')
})

test('promise methods of a closed store reject, they do not throw', async () => {
  const store = await Store.open(memory(), TINY)
  await store.close()
  for (const [name, method] of Object.entries({ ...writesOf(store), ...readsOf(store) })) {
    if (!isPromiseMethod(name)) continue
    let result: unknown
    expect(() => (result = method()), name).not.toThrow()
    expect(result, name).toBeInstanceOf(Promise)
    await expect(result, name).rejects.toMatchObject({ code: 'ERR_NOT_OPEN' })
  }
})

test('writes that are issued while the store closes are refused, those before are kept', async () => {
  const vfs = memory()
  const store = await Store.open(vfs, TINY)
  const before = store.put('before', 1)
  const closing = store.close()
  expect((await rejection(store.put('after', 1))).code).toBe('ERR_NOT_OPEN')
  expect(failure(() => store.getSync('before')).code).toBe('ERR_NOT_OPEN')
  await before
  await closing
  expect(entriesOf(await openStore(vfs))).toEqual([['before', 1]])
})

test('a close event is told once', async () => {
  const store = await Store.open(memory(), TINY)
  let count = 0
  store.on('close', () => count++)
  await store.close()
  await store.close()
  await nextTurn()
  expect(count).toBe(1)
})

test('flush and compaction that are under way when the store closes end in order', async () => {
  const vfs = memory()
  const store = await Store.open(vfs, TINY)
  for (let i = 0; i < 2000; i++) store.putSync(`k${i}`, 'x'.repeat(40))
  const flushing = store.flush()
  const compacting = store.compact().catch((error: unknown) => error)
  await store.close()
  await flushing
  const outcome = await compacting
  if (outcome !== undefined) expect(outcome).toMatchObject({ code: 'ERR_NOT_OPEN' })
  expect(entriesOf(await openStore(vfs))).toHaveLength(2000)
})

describe('a conditional write that waits for a block', () => {
  // The block that was being loaded for it is of no use any more; nobody must be left with a rejection that is not theirs.
  test.each([
    ['closeSync', (store: Store) => store.closeSync()],
    ['a write on the spot, then closeSync', (store: Store) => (store.putSync('other', 1), store.closeSync())],
    ['close', (store: Store) => store.close()],
  ])('is finished by %s', async (_, close) => {
    const store = await Store.open(memory(), { ...TINY, blockCacheSize: 0, readMode: 'async' })
    await store.put('k', 1)
    await store.flush()
    const unhandled: unknown[] = []
    const note = (reason: unknown): number => unhandled.push(reason)
    process.on('unhandledRejection', note)
    const counting = store.increment('k')
    await close(store)
    expect(await counting).toBe(2n)
    for (let i = 0; i < 5; i++) await nextTurn()
    process.off('unhandledRejection', note)
    expect(unhandled).toEqual([])
  })
})

test('gets that were asked for before close find what is in memory', async () => {
  const store = await Store.open(memory(), { ...TINY, memtableSize: 1024 * 1024, readMode: 'async' })
  for (let i = 0; i < 3000; i++) store.putSync(`key${i}`, i)
  const gets = Array.from({ length: 3000 }, (_, i) => store.get(`key${i}`))
  await store.close()
  expect(await Promise.all(gets)).toEqual(Array.from({ length: 3000 }, (_, i) => i))
})
