/** A disk that fails: the store stops writing, says why, keeps reading, and is in order when it is opened again. */
import { describe, expect, test } from 'vitest'
import { FaultVfs, memory, type MemoryVfs, Store, type Value } from '../../src/index.js'
import { expectState } from '../support/history.js'
import { thrownBy, writesOf } from '../support/methods.js'
import { entriesOf, failure, nextTurn, openStore, rejection, TINY } from '../support/stores.js'

async function faulty(walSync: 'os' | 'always' | 'interval' | 'none') {
  const inner = memory()
  const vfs = new FaultVfs(inner)
  const store = await Store.open(vfs, { ...TINY, walSync, walSyncInterval: 1 })
  await store.put('before', 1)
  return { inner, vfs, store }
}

/** In `failed` every write is refused with the cause, and every read is answered. */
async function expectFailed(store: Store, entries: [string, Value][]): Promise<void> {
  expect(store.status).toBe('failed')
  expect(store.stats().status).toBe('failed')
  for (const [name, write] of Object.entries(writesOf(store))) {
    const error = await thrownBy(write)
    expect([name, error.code]).toEqual([name, 'ERR_BACKGROUND'])
    expect(error.message).toMatch(/takes no more writes because an earlier one failed \(.*\): close it, mend the cause, open it again/)
    expect(error.cause).toMatchObject({ code: 'ERR_IO', cause: { code: 'EIO' } })
  }
  expect(entriesOf(store)).toEqual(entries)
  expect(await store.get('before')).toBe(1)
  using snapshot = store.snapshot()
  expect([...snapshot.scan()]).toEqual(entries)
}

/** Closing may tell that the last writes could not be kept. */
async function closed(store: Store): Promise<void> {
  await store.close().catch((error: unknown) => expect(error).toMatchObject({ code: 'ERR_BACKGROUND' }))
  expect(store.status).toBe('closed')
}

/** The store as opened again, on the disk as it is and on what a power loss leaves of it. */
async function expectReopens(inner: MemoryVfs, least: readonly string[], most: readonly string[]): Promise<void> {
  for (const disk of [inner.crashClone({ unsyncedPercent: 0, seed: 1 }), inner]) {
    const store = await Store.open(disk, TINY)
    const keys = [...store.keys()]
    for (const key of least) expect(keys).toContain(key)
    for (const key of keys) expect(most).toContain(key)
    await store.put('after', 1)
    expect(store.status).toBe('open')
    await store.close()
    most = [...most, 'after']
  }
}

test("a failed sync in 'always' mode: its writes are rejected, none after it is acknowledged", async () => {
  const { inner, vfs, store } = await faulty('always')
  const rule = vfs.addRule({ operation: 'sync', path: /\.log$/ })
  const writes = [store.put('a', 1), store.put('b', 2)]
  await Promise.resolve()
  await Promise.resolve()
  writes.push(store.put('c', 3))
  const outcomes = await Promise.allSettled(writes)
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
  for (const outcome of outcomes) expect((outcome as PromiseRejectedResult).reason).toMatchObject({ code: 'ERR_BACKGROUND' })
  expect(rule.hits).toBe(1)
  const syncs = vfs.count('sync')
  await expectFailed(store, [['before', 1]])
  await closed(store)
  // A failed sync is never tried again on the same file.
  expect(vfs.count('sync')).toBe(syncs)
  await expectReopens(inner, ['before'], ['before', 'a', 'b', 'c'])
})

test.each([
  ['putSync with sync', (store: Store) => store.putSync('a', 1, { sync: true })],
  ['syncSync', (store: Store) => store.syncSync()],
])('a failed sync on the spot: %s', async (_, sync) => {
  const { inner, vfs, store } = await faulty('os')
  vfs.addRule({ operation: 'sync', path: /\.log$/ })
  expect(failure(() => sync(store)).code).toBe('ERR_BACKGROUND')
  await expectFailed(store, [['before', 1]])
  await closed(store)
  await expectReopens(inner, [], ['before', 'a'])
})

test("a failed sync of sync(), and of the timer of 'interval'", async () => {
  const first = await faulty('os')
  first.vfs.addRule({ operation: 'sync', path: /\.log$/ })
  expect((await rejection(first.store.sync())).code).toBe('ERR_BACKGROUND')
  await expectFailed(first.store, [['before', 1]])
  await closed(first.store)

  const second = await faulty('interval')
  second.vfs.addRule({ operation: 'sync', path: /\.log$/ })
  const told = new Promise((resolve) => second.store.once('backgroundError', resolve))
  await second.store.put('a', 1)
  await told
  expect((await rejection(second.store.put('b', 1))).code).toBe('ERR_BACKGROUND')
  await closed(second.store)
})

describe('a failed write of the log', () => {
  test.each(['none', 'os', 'interval', 'always'] as const)("walSync '%s'", async (walSync) => {
    const { inner, vfs, store } = await faulty(walSync)
    vfs.addRule({ operation: 'write', path: /\.log$/, times: Infinity })
    const errors = []
    // With 'none' it is met when the buffer is written.
    for (let i = 0; i < 100 && errors.length < 2; i++) {
      const error = await store.put(`k${i}`, 'x'.repeat(1000)).catch((caught: unknown) => caught)
      if (error !== undefined) errors.push(error)
      await nextTurn()
    }
    expect(errors).toHaveLength(2)
    for (const error of errors) expect(error).toMatchObject({ code: 'ERR_BACKGROUND' })
    expect(await store.get('before')).toBe(1)
    expect(store.status).toBe('failed')
    await closed(store)
    vfs.clearRules()
    const again = await openStore(inner)
    if (walSync !== 'none') expect(await again.get('before')).toBe(1)
    await again.put('after', 1)
  })

  test('a short write that cannot be completed', async () => {
    const { inner, vfs, store } = await faulty('os')
    vfs.addRule({ operation: 'write', path: /\.log$/, short: 7, error: 'EIO' })
    expect((await rejection(store.put('a', 1))).code).toBe('ERR_BACKGROUND')
    await expectFailed(store, [['before', 1]])
    await closed(store)
    await expectReopens(inner, [], ['before'])
  })

  test('short writes that can be completed are nothing special', async () => {
    const { inner, vfs, store } = await faulty('always')
    vfs.addRule({ operation: 'write', short: 5, times: Infinity })
    for (let i = 0; i < 50; i++) await store.put(`k${i}`, 'x'.repeat(100))
    await store.compact()
    await store.close()
    expect(entriesOf(await openStore(inner))).toHaveLength(51)
  })
})

/** Background work: where it fails the store stops, and what was acknowledged is still in the logs. */
describe('a failure in the background', () => {
  test.each([
    ['the making of a table', { operation: 'create', path: /\.sst$/ }],
    ['the writing of a table', { operation: 'write', path: /\.sst$/ }],
    ['the sync of a table', { operation: 'sync', path: /\.sst$/ }],
    ['the sync of the directory', { operation: 'syncDir', nth: 1 }],
    ['the writing of the manifest', { operation: 'write', path: /MANIFEST/ }],
    ['the sync of the manifest', { operation: 'sync', path: /MANIFEST/ }],
  ] as const)('%s', async (_, rule) => {
    const { inner, vfs, store } = await faulty('always')
    const state = new Map<string, Value>([['before', 1]])
    vfs.addRule({ ...rule, times: Infinity })
    const told = new Promise<void>((resolve) => store.once('backgroundError', () => resolve()))
    for (let i = 0; i < 60; i++) {
      const error = await store.put(`k${i}`, 'x'.repeat(100)).catch((caught: unknown) => caught)
      if (error === undefined) state.set(`k${i}`, 'x'.repeat(100))
      else {
        expect(error).toMatchObject({ code: 'ERR_BACKGROUND' })
        break
      }
      await nextTurn()
    }
    expect((await rejection(store.flush())).code).toBe('ERR_BACKGROUND')
    await told
    expectState(store, state)
    expect(store.status).toBe('failed')
    await closed(store)
    vfs.clearRules()
    const crashed = await openStore(inner.crashClone({ unsyncedPercent: 0, seed: 1 }))
    for (const [key, value] of state) expect(crashed.getSync(key)).toBe(value)
    const again = await openStore(inner)
    for (const [key, value] of state) expect(again.getSync(key)).toBe(value)
    await again.put('after', 1)
    await again.compact()
    expect(again.status).toBe('open')
  })

  test('deleting an old file that fails is a warning, and no more', async () => {
    const { inner, vfs, store } = await faulty('os')
    vfs.addRule({ operation: 'unlink', path: /\.(log|sst)$/, times: Infinity })
    const warnings: string[] = []
    store.on('warning', ({ message }) => warnings.push(message))
    for (let i = 0; i < 100; i++) await store.put(`k${i}`, 'x'.repeat(100))
    await store.compact()
    for (let i = 0; i < 50; i++) await nextTurn()
    expect(warnings.length).toBeGreaterThan(0)
    expect(warnings[0]).toMatch(/could not delete \/varve\/\d+\.(log|sst)/)
    expect(store.status).toBe('open')
    await store.close()
    // The next opening deletes what was left.
    await (await Store.open(inner, TINY)).close()
    expect(inner.files().filter((path) => path.endsWith('.log')).length).toBeLessThan(3)
    expect(entriesOf(await openStore(inner))).toHaveLength(101)
  })
})

test('a read that fails is told to the reader, and to nobody else', async () => {
  const { vfs, store } = await faulty('os')
  for (let i = 0; i < 100; i++) await store.put(`k${i}`, 'x'.repeat(100))
  await store.compact()
  const rule = vfs.addRule({ operation: 'read', path: /\.sst$/, times: Infinity })
  expect(await rejection(store.get('k7'))).toMatchObject({ code: 'ERR_IO', cause: { code: 'EIO' } })
  expect(failure(() => store.getSync('k7'))).toMatchObject({ code: 'ERR_IO' })
  expect(failure(() => entriesOf(store))).toMatchObject({ code: 'ERR_IO' })
  expect((await rejection(store.increment('k7'))).code).toBe('ERR_IO')
  expect((await rejection(store.deletePrefix('k'))).code).toBe('ERR_IO')
  await store.put('k7', 'new')
  rule.remove()
  expect(await store.get('k8')).toBe('x'.repeat(100))
  expect(entriesOf(store)).toHaveLength(101)
  expect(store.stats()).toMatchObject({ status: 'open', scans: { open: 0 } })
  await store.close()
})
