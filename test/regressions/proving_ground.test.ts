/** Defects that crash, model and damage runs found in the engine, each as the smallest case that showed it. */
import { expect, test } from 'vitest'
import { memory } from '../../src/index.js'
import { openStore, TINY } from '../support/stores.js'
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
