/** Defects that crash, model and damage runs found in the engine, each as the smallest case that showed it. */
import { expect, test } from 'vitest'
import { memory } from '../../src/index.js'
import { FaultVfs } from '../../src/vfs/fault.js'
import { failure, openStore, TINY } from '../support/stores.js'
test('a write on the spot behind one that waits for room and one that waits for a block', async () => {
  const store = await openStore(memory(), { ...TINY, blockCacheSize: 0, readMode: 'async' })
  await store.put('count', 1)
  await store.flush()
  const writes: Promise<unknown>[] = []
  for (let i = 0; i < 8; i++) {
    writes.push(store.put(`k${i}`, 'x'.repeat(3000)))
    await Promise.resolve()
  }
  expect(store.stats().stalls.count).toBe(1)
  writes.push(store.increment('count'))
  store.putSync('last', 1)
  expect((await Promise.all(writes)).at(-1)).toBe(2n)
  expect([...store.keys()]).toHaveLength(10)
})

test('what was refused stays unseen when the sync it waited for comes through', async () => {
  const vfs = new FaultVfs(memory())
  const store = await openStore(vfs)
  const refused = store.put('refused', 1, { sync: true }).then(() => 'kept', String)
  await Promise.resolve()
  vfs.addRule({ operation: 'write', path: '.log', error: 'EIO' })
  expect(failure(() => store.putSync('other', 2))).toMatchObject({ code: 'ERR_BACKGROUND' })
  expect(await refused).toContain('takes no more writes')
  await new Promise(setImmediate)
  expect(store.stats().status).toBe('failed')
  expect([...store.keys()]).toEqual([])
})

test('a write on the spot that finds no room is not seen later', async () => {
  const vfs = new FaultVfs(memory())
  const store = await openStore(vfs, { ...TINY, walSync: 'none' })
  const durable = store.put('durable', 1, { sync: true })
  await Promise.resolve()
  vfs.addRule({ operation: 'write', path: '.log', error: 'ENOSPC' })
  expect(failure(() => store.putSync('refused', 2))).toMatchObject({ code: 'ERR_DISK_FULL' })
  await durable
  await store.put('later', 3, { sync: true })
  expect([...store.keys()]).toEqual(['durable', 'later'])
})
