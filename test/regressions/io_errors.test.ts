/** Regression tests of what injected I/O errors have found: each the smallest case that shows the defect. */
import { expect, test } from 'vitest'
import { FaultVfs, ManualClock, memory, Store } from '../../src/index.js'
import { entriesOf, nextTurn, openStore, rejection, TINY } from '../support/stores.js'

test('a folder that cannot be listed after a flush is no failure of the flush: the edit is durable by then', async () => {
  const inner = memory()
  const vfs = new FaultVfs(inner)
  const store = await openStore(vfs, { ...TINY, clock: new ManualClock() })
  for (let round = 0; round < 2; round++) {
    await store.put('k', round)
    const rule = vfs.addRule({ operation: 'readdir', error: 'EIO', times: round === 0 ? Infinity : 0 })
    await store.flush()
    rule.remove()
    expect(store.status).toBe('open')
  }
  for (let i = 0; i < 10; i++) await nextTurn()
  expect(inner.files().filter((path) => path.endsWith('.log'))).toEqual([])
})

test('running out of file descriptors fails a flush, a compaction or a new log for the moment, and not the store for good', async () => {
  const clock = new ManualClock()
  const vfs = new FaultVfs(memory())
  const store = await openStore(vfs, { ...TINY, clock })
  const warnings: string[] = []
  store.on('warning', ({ message }) => warnings.push(message))
  const outOfFiles = { operation: ['open', 'create', 'syncDir'], error: 'EMFILE', times: Infinity } as const
  const atLog = vfs.addRule(outOfFiles)
  const refused = await rejection(store.put('k', 1))
  expect(refused).toMatchObject({ code: 'ERR_IO', cause: { code: 'EMFILE' } })
  expect(refused.path).toMatch(/\.log$/)
  atLog.remove()
  for (let i = 0; i < 20; i++) await store.put(`k${i}`, 'x'.repeat(50))
  for (const work of [() => store.flush(), () => store.compact()]) {
    const rule = vfs.addRule(outOfFiles)
    expect(await rejection(work())).toMatchObject({ code: 'ERR_IO', cause: { code: 'EMFILE' } })
    expect(store.status).toBe('open')
    rule.remove()
    await work()
    await store.put('k0', 'y')
  }
  expect(warnings.join()).toMatch(/background work waits and is tried again: .*EMFILE/)
  // Without asking: by itself, half a second later.
  const rule = vfs.addRule(outOfFiles)
  const writes = Promise.allSettled(Array.from({ length: 300 }, (_, i) => store.put(`k${i}`, 'x'.repeat(200))))
  for (let i = 0; i < 100; i++) await nextTurn()
  rule.remove()
  clock.advance(500)
  for (let i = 0; i < 100; i++) await nextTurn()
  await writes
  await store.put('after', 1)
  await store.flush()
  expect(store.stats().immutableMemtables.count).toBe(0)
  expect(entriesOf(store).length).toBeGreaterThan(20)
})

test('a lock file that cannot be deleted does not keep the same process from opening the store again', async () => {
  const inner = memory()
  const vfs = new FaultVfs(inner)
  for (const operation of ['unlink', 'open', 'read'] as const) {
    const store = await Store.open(vfs, TINY)
    const rule = vfs.addRule({ operation, path: /LOCK$/, error: 'EIO', times: Infinity })
    await store.close()
    rule.remove()
    // As long as it is open it is locked, of course.
    const again = await Store.open(inner, TINY)
    expect((await rejection(Store.open(vfs, TINY))).code).toBe('ERR_LOCKED')
    await again.close()
  }
  // An opening that fails leaves a lock file, too, when everything fails.
  const rule = vfs.addRule({ operation: ['open', 'unlink'], nth: 4, times: Infinity })
  expect((await rejection(Store.open(vfs, TINY))).code).toBe('ERR_IO')
  rule.remove()
  await (await Store.open(inner, TINY)).close()
})

test('files whose closing fails are closed, and so are the others', async () => {
  const inner = memory()
  const vfs = new FaultVfs(inner)
  vfs.addRule({ operation: 'close', times: Infinity })
  const store = await Store.open(vfs, { ...TINY, maxOpenTables: 8 })
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 40; i++) await store.put(`k${i}`, `${round} ${'x'.repeat(200)}`)
    await store.flush()
    expect(entriesOf(store)).toHaveLength(40)
  }
  await store.compact()
  expect(store.status).toBe('open')
  await store.close()
  expect(inner.openHandleCount).toBe(0)
})

test('a log that cannot be written when the store has been idle is no uncaught exception', async () => {
  for (const error of ['ENOSPC', 'EMFILE', 'EIO']) {
    const clock = new ManualClock()
    const vfs = new FaultVfs(memory())
    const store = await openStore(vfs, { ...TINY, walSync: 'none', clock })
    for (let i = 0; i < 5; i++) await store.put(`k${i}`, i)
    for (let i = 0; i < 5; i++) await store.delete(`k${i}`)
    const rule = vfs.addRule({ operation: 'create', path: /\.log$/, error, times: Infinity })
    clock.advance(5000)
    expect(rule.hits).toBeGreaterThan(0)
    rule.remove()
    expect(store.status).toBe({ ENOSPC: 'full', EMFILE: 'open', EIO: 'failed' }[error])
  }
})

test('a close on a full disk does not wait for space, though a durable write does', async () => {
  const vfs = memory()
  const clock = new ManualClock()
  const before = await Store.open(vfs, TINY)
  for (let i = 0; i < 20; i++) await before.put(`k${i}`, 'x'.repeat(50))
  const killed = vfs.processKillClone()
  await before.close()
  const faulty = new FaultVfs(killed)
  const full = faulty.addRule({ operation: 'create', path: /\.sst$/, error: 'ENOSPC', times: Infinity })
  const store = await Store.open(faulty, { ...TINY, clock })
  const write = rejection(store.put('durable', 1, { sync: true }))
  for (let i = 0; i < 20; i++) await nextTurn()
  const closed = rejection(store.close())
  for (let i = 0; i < 20; i++) {
    clock.advance(500)
    await nextTurn()
  }
  expect((await closed).code).toMatch(/ERR_DISK_FULL|ERR_BACKGROUND/)
  expect((await write).code).toBe('ERR_BACKGROUND')
  expect(killed.openHandleCount).toBe(0)
  full.remove()
  expect(entriesOf(await openStore(killed)).length).toBeGreaterThanOrEqual(20)
})

test('a read-only opening that fails at its last look leaves no file open', async () => {
  const inner = memory()
  await (await Store.open(inner, TINY)).close()
  for (let nth = 1; nth < 20; nth++) {
    const vfs = new FaultVfs(inner)
    const rule = vfs.addRule({ nth, error: 'EIO', times: Infinity })
    const store = await Store.open(vfs, { ...TINY, readOnly: true }).catch((error: unknown) => error)
    if (store instanceof Store) await store.close()
    else expect(rule.hits).toBeGreaterThan(0)
    expect(inner.openHandleCount).toBe(0)
  }
})
