/** Regression tests of what injected I/O errors have found: each the smallest case that shows the defect. */
import { expect, test } from 'vitest'
import { FaultVfs, ManualClock, memory } from '../../src/index.js'
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
