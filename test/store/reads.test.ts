/** Point reads, from memory and from disk, by every `readMode`. */
import { describe, expect, test } from 'vitest'
import { FaultVfs, type Key, memory, type ReadMode, type StoreOptions } from '../../src/index.js'
import { failure, nextTurn, openStore, rejection, TINY } from '../support/stores.js'

const READ_MODES: readonly ReadMode[] = ['adaptive', 'sync', 'async']

describe.each(READ_MODES.flatMap((readMode) => [0, 1024 * 1024].map((blockCacheSize) => ({ readMode, blockCacheSize }))))(
  '%o',
  (options) => {
    async function filled() {
      const vfs = new FaultVfs(memory())
      const store = await openStore(vfs, { ...TINY, ...options } satisfies StoreOptions)
      for (let i = 0; i < 500; i++) await store.put(`k${i}`, i)
      await store.compact()
      for (let i = 0; i < 100; i++) await store.put(`k${i * 5}`, 'newer')
      await store.flush()
      for (let i = 0; i < 10; i++) await store.delete(`k${i * 50}`)
      return { store, vfs }
    }

    const expected = (i: number): unknown => {
      if (i % 50 === 0) return undefined
      return i % 5 === 0 ? 'newer' : i
    }

    test('get, has and getMany find the newest version, wherever it lies', async () => {
      const { store } = await filled()
      const keys = Array.from({ length: 500 }, (_, i) => `k${i}`)
      const values = keys.map((_, i) => expected(i))
      expect(await store.getMany([...keys, 'absent', 'k7', 'k7'])).toEqual([...values, undefined, 7, 7])
      expect(store.getManySync(keys)).toEqual(values)
      expect(await Promise.all(keys.map((key) => store.get(key)))).toEqual(values)
      expect(keys.map((key) => store.getSync(key))).toEqual(values)
      expect(await Promise.all(keys.map((key) => store.has(key)))).toEqual(values.map((value) => value !== undefined))
      expect(keys.map((key) => store.hasSync(key))).toEqual(values.map((value) => value !== undefined))
      expect(await store.getMany([])).toEqual([])
    })

    test('getMany sees one moment, whatever is written meanwhile', async () => {
      const { store } = await filled()
      const keys = Array.from({ length: 500 }, (_, i) => `k${i}`)
      const reading = store.getMany(keys)
      const [one] = await Promise.all([store.get('k1'), store.deletePrefix('k'), store.put('k1', 'overwritten')])
      await store.compact()
      expect(one).toBe(1)
      expect(await reading).toEqual(keys.map((_, i) => expected(i)))
      expect(await store.getMany(['k0', 'k1', 'k2'])).toEqual([undefined, 'overwritten', undefined])
    })

    test('a slow disk does not hold up what is in memory', async () => {
      const { store, vfs } = await filled()
      await store.put('in memory', 1)
      if (options.readMode !== 'async' || options.blockCacheSize > 0) return
      vfs.addRule({ operation: 'read', path: /\.sst$/, delayMs: 20, times: Infinity })
      const order: string[] = []
      await Promise.all([
        store.get('k7').then(() => order.push('from disk')),
        store.get('in memory').then(() => order.push('from memory')),
        nextTurn().then(() => order.push('a turn')),
      ])
      expect(order).toEqual(['from memory', 'a turn', 'from disk'])
    })

    test('the store may be closed while reads are under way', async () => {
      const { store } = await filled()
      const reads = Array.from({ length: 50 }, (_, i) => store.get(`k${i + 1}`).catch((error: { code: string }) => error.code))
      const many = store.getMany(['k1', 'k2', 'k499']).catch((error: { code: string }) => error.code)
      await store.close()
      for (const [i, value] of (await Promise.all(reads)).entries()) expect([expected(i + 1), 'ERR_NOT_OPEN']).toContainEqual(value)
      expect([[1, 2, 499], 'ERR_NOT_OPEN']).toContainEqual(await many)
    })
  },
)

test('the snapshot of another store is refused', async () => {
  const one = await openStore()
  const other = await openStore()
  await one.put('k', 1)
  for (let i = 0; i < 5; i++) await other.put('k', 2)
  const snapshot = other.snapshot()
  expect(failure(() => one.getSync('k', { snapshot })).code).toBe('ERR_INVALID_OPTION')
  expect((await rejection(one.get('k', { snapshot }))).code).toBe('ERR_INVALID_OPTION')
  expect(failure(() => one.scan({ snapshot })).code).toBe('ERR_INVALID_OPTION')
})

test.each([
  ['options that are no object', 'fast'],
  ['a snapshot that is none', { snapshot: {} }],
  ['an unknown option', { snapshots: undefined }],
  ['copy that is no boolean', { copy: 'yes' }],
])('%s are a typed error or of no effect, never a crash inside', async (_, options) => {
  const store = await openStore()
  await store.put('k', 1)
  const answer = await store.get('k', options as never).catch((error: { code?: string }) => error.code)
  expect([1, 'ERR_INVALID_OPTION']).toContain(answer)
})

test('keys of every kind', async () => {
  const store = await openStore()
  const keys: Key[] = [
    '',
    'a',
    'a\0b',
    'é',
    '日本',
    '😀',
    Buffer.alloc(0),
    Uint8Array.from([0]),
    Uint8Array.from([0xff, 0xfe]),
    'x'.repeat(300),
    'é'.repeat(300),
  ]
  for (const [i, key] of keys.entries()) {
    await store.put(key, i)
    expect(await store.get(key)).toBe(i)
    expect(store.getSync(key)).toBe(i)
  }
  expect([...store.keys()]).toHaveLength(keys.length - 1) // the empty string and no bytes are one key
})
