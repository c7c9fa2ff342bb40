/** Defects that metamorphic runs found in the engine, each as the smallest case that showed it. */
import { expect, test } from 'vitest'
import { memory } from '../../src/index.js'
import { failure, openStore, rejection, TINY } from '../support/stores.js'

test('getMany through the pool finds keys that are longer than all keys looked up before', async () => {
  const store = await openStore(memory(), { ...TINY, readMode: 'async', blockCacheSize: 0 })
  const long = 'l'.repeat(5000)
  await store.put('k', 1)
  await store.put(long, 2)
  await store.flush()
  // The keys are encoded when the first of them is found to be on the disk; the second needs a larger buffer than the first.
  expect(await store.getMany(['k', long, 'k'])).toEqual([1, 2, 1])
})

test.each(['flush', 'sync', 'compact'] as const)(
  '%s that is under way when the store is closed on the spot leaves it closed',
  async (name) => {
    for (let turns = 0; turns < 6; turns++) {
      const vfs = memory()
      const store = await openStore(vfs)
      const underWay = store[name]().then(
        () => undefined,
        (error: { code: string }) => error.code,
      )
      for (let i = 0; i < turns; i++) await Promise.resolve()
      const write = store.put('k', 1)
      store.closeSync()
      const files = vfs.files()
      expect([undefined, 'ERR_NOT_OPEN']).toContain(await underWay)
      await write
      expect(vfs.files()).toEqual(files)
      expect(store.status).toBe('closed')
      expect(failure(() => store.getSync('k')).code).toBe('ERR_NOT_OPEN')
      expect((await rejection(store.put('k', 2))).code).toBe('ERR_NOT_OPEN')
    }
  },
)
