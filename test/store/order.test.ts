/** Writes take effect in the order of their calls, whatever their form; and they let the event loop turn. */
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { memory, type OpenMode, Store, type StoreOptions, type Vfs, type VfsFile } from '../../src/index.js'
import { LateVfs } from '../torture/metamorphic/late_vfs.js'
import { entriesOf, nextTurn, openStore, TINY } from '../support/stores.js'

/** Blocks are not kept and are read through promises: a write that reads first has to wait. */
const SLOW_READS: StoreOptions = { ...TINY, blockCacheSize: 0, readMode: 'async' }

test('promise writes and writes on the spot', async () => {
  const store = await openStore()
  const writes = [store.put('k', 1)]
  store.putSync('k', 2)
  expect(store.getSync('k')).toBe(2)
  writes.push(store.put('k', 3), store.delete('k'))
  store.batchSync([{ type: 'put', key: 'k', value: 4 }])
  writes.push(store.batch([{ type: 'put', key: 'k', value: 5 }]), store.batch().put('k', 6).write())
  store.deleteSync('gone')
  expect(store.getSync('k')).toBe(6)
  writes.push(store.put('k', 7))
  await Promise.all(writes)
  expect(store.getSync('k')).toBe(7)
})

test('acknowledgements come in the order of the calls, with and without sync', async () => {
  const store = await openStore(memory(), { ...TINY, memtableSize: 1024 * 1024 })
  const order: number[] = []
  const writes: Promise<unknown>[] = []
  for (let i = 0; i < 200; i++) {
    writes.push(store.put(`k${i}`, i, { sync: i % 7 === 0 }).then(() => order.push(i)))
    if (i % 10 === 0) await Promise.resolve()
  }
  await Promise.all(writes)
  expect(order).toEqual(Array.from({ length: 200 }, (_, i) => i))
})

test('a write is seen when it is acknowledged, and not before', async () => {
  const store = await openStore(memory(), { ...TINY, walSync: 'always' })
  const write = store.put('k', 1)
  expect(store.getSync('k')).toBeUndefined()
  await Promise.resolve()
  expect(await store.has('k')).toBe(false)
  await write
  expect(store.getSync('k')).toBe(1)
})

describe('a batch of many bytes', () => {
  const large = (value: number) =>
    Array.from({ length: 100 }, (_, i) => ({ type: 'put' as const, key: `k${i}`, value: [value, 'x'.repeat(1000)] }))
  const first = (store: Store): unknown => (store.getSync('k0') as unknown[] | undefined)?.[0]

  test('is written in a turn of its own, in the order of the calls', async () => {
    const store = await openStore(memory(), { ...TINY, memtableSize: 1024 * 1024 })
    const done: string[] = []
    const batch = store.batch(large(1)).then(() => done.push('batch'))
    for (let i = 0; i < 10; i++) await Promise.resolve()
    expect([first(store), done]).toEqual([undefined, []])
    const put = store.put('k0', [2]).then(() => done.push('put'))
    const sum = store.increment('n').then(() => done.push('increment'))
    await Promise.all([sum, put, batch])
    expect([first(store), done]).toEqual([2, ['batch', 'put', 'increment']])
  })

  test('is written at once when a write on the spot comes, or the store is closed', async () => {
    const vfs = memory()
    const store = await openStore(vfs, { ...TINY, memtableSize: 1024 * 1024 })
    const batch = store.batch(large(1))
    await Promise.resolve()
    store.putSync('k0', [2])
    expect(first(store)).toBe(2)
    await batch
    const last = store.batch(large(3))
    await Promise.resolve()
    await store.close()
    await last
    const again = await openStore(vfs)
    expect(first(again)).toBe(3)
  })
})

describe.each([
  ['blocks in memory', TINY],
  ['blocks that have to be read first', SLOW_READS],
])('writes that read first, with %s', (_, options) => {
  async function withTables() {
    const store = await openStore(memory(), options)
    for (const key of ['a1', 'a2', 'b1', 'count']) await store.put(key, 0)
    await store.flush()
    return store
  }

  test('increment, then put', async () => {
    const store = await withTables()
    const answers = await Promise.all([store.increment('count'), store.put('count', 10), store.increment('count')])
    expect(answers).toEqual([1n, undefined, 11n])
    expect(store.getSync('count')).toBe(11)
  })

  test('increment, then a write on the spot', async () => {
    const store = await withTables()
    const first = store.increment('count')
    store.putSync('count', 10)
    expect(await first).toBe(1n)
    expect(store.getSync('count')).toBe(10)
  })

  test('putIfEquals, then delete, then putIfAbsent', async () => {
    const store = await withTables()
    const answers = await Promise.all([store.putIfEquals('a1', 1, 0), store.delete('a1'), store.putIfAbsent('a1', 2)])
    expect(answers).toEqual([true, undefined, true])
    expect(store.getSync('a1')).toBe(2)
  })

  test('deletePrefix, then put', async () => {
    const store = await withTables()
    await Promise.all([store.deletePrefix('a'), store.put('a1', 'after'), store.put('a3', 'after')])
    expect([...store.scanPrefix('a')]).toEqual([
      ['a1', 'after'],
      ['a3', 'after'],
    ])
  })

  test('deletePrefix, then a write on the spot', async () => {
    const store = await withTables()
    const deleting = store.deletePrefix('a')
    store.putSync('a1', 'after')
    expect([...store.scanPrefix('a')]).toEqual([['a1', 'after']])
    await deleting
    expect([...store.scanPrefix('a')]).toEqual([['a1', 'after']])
  })

  test('deletePrefix, then increment, then deletePrefix', async () => {
    const store = await withTables()
    const answers = await Promise.all([
      store.deletePrefix('c'),
      store.increment('count', 5),
      store.deletePrefix('a'),
      store.putIfAbsent('a1', 1),
    ])
    expect(answers).toEqual([undefined, 5n, undefined, true])
    expect(entriesOf(store)).toEqual([
      ['a1', 1],
      ['b1', 0],
      ['count', 5],
    ])
  })
})

test('large range deletes, one after the other, with writes between', async () => {
  const store = await openStore(memory(), { ...TINY, memtableSize: 4 * 1024 * 1024 })
  const count = 20_000
  for (let i = 0; i < count; i++) void store.put(`a${i}`, i)
  for (let i = 0; i < count; i++) void store.put(`b${i}`, i)
  const writes = [
    store.deletePrefix('a'),
    store.put('a7', 'after'),
    store.deletePrefix('b'),
    store.put('b7', 'after'),
    store.put('a8', 'after'),
  ]
  await Promise.all(writes)
  expect(entriesOf(store)).toEqual([
    ['a7', 'after'],
    ['a8', 'after'],
    ['b7', 'after'],
  ])
})

test('a range delete and what was called after it, while writes wait for background work', async () => {
  const store = await openStore()
  let stalls = 0
  store.on('stall', () => stalls++)
  const writes: Promise<unknown>[] = []
  // Beyond what may be frozen at a time: the last of these wait.
  for (let i = 0; i < 40; i++) {
    writes.push(store.put(`a${i}`, 'x'.repeat(1000)))
    await Promise.resolve()
  }
  writes.push(store.deletePrefix('a'), store.put('a1', 'after'), store.increment('count'), store.put('count', 10))
  await Promise.all(writes)
  expect(stalls).toBeGreaterThan(0)
  expect(entriesOf(store)).toEqual([
    ['a1', 'after'],
    ['count', 10],
  ])
})

describe('the event loop', () => {
  test.each(['none', 'os', 'interval', 'always'] as const)(
    "an endless loop of awaited puts lets a timer fire, with walSync '%s'",
    async (walSync) => {
      const store = await openStore(memory(), { ...TINY, walSync, memtableSize: 64 * 1024 })
      let isTimedOut = false
      const timer = delay(20).then(() => (isTimedOut = true))
      let count = 0
      while (!isTimedOut) await store.put(`k${count++ % 100}`, count)
      await timer
      expect(count).toBeGreaterThan(1)
    },
  )

  test('so do endless loops of awaited gets, and of scan steps', async () => {
    const store = await openStore()
    for (let i = 0; i < 300; i++) await store.put(`k${i}`, i)
    for (const step of [
      () => store.get('k7'),
      () => store.get('absent'),
      () => store.getMany(['k1', 'k2']),
      () => store.scan({ limit: 1 }).toArray(),
    ]) {
      let isTimedOut = false
      const timer = delay(10).then(() => (isTimedOut = true))
      while (!isTimedOut) await step()
      await timer
    }
  })
})

test('an awaited operation of a store keeps the process from ending, an open store does not', async () => {
  // Timers and the worker are unreferenced; what waits is not. Seen from inside: a flush that needs several turns resolves.
  const store = await Store.open(memory(), TINY)
  for (let i = 0; i < 500; i++) void store.put(`k${i}`, 'x'.repeat(100))
  await store.flush()
  await store.close()
  expect(store.status).toBe('closed')
})

/** Syncs of logs wait until they may begin. */
class HeldVfs extends LateVfs {
  release: () => void = () => {}
  readonly #released = new Promise<void>((resolve) => (this.release = resolve))

  constructor(inner: Vfs) {
    super(inner, () => false)
  }

  override openSync(path: string, mode: OpenMode): VfsFile {
    const file = super.openSync(path, mode)
    const sync = file.sync.bind(file)
    if (path.endsWith('.log')) file.sync = () => this.#released.then(sync)
    return file
  }
}

test('a memtable becomes a table only when all in it is acknowledged', async () => {
  const disk = memory()
  const tables = (): string[] => disk.files().filter((path) => path.endsWith('.sst'))
  const vfs = new HeldVfs(disk)
  const store = await openStore(vfs, { ...TINY, walSync: 'always' })
  const writes: Promise<void>[] = []
  for (const key of ['a', 'b', 'c']) {
    writes.push(store.put(key, 'x'.repeat(3000)))
    for (let i = 0; i < 20; i++) await nextTurn()
  }
  const early = [store.stats().immutableMemtables.count > 0, tables()]
  vfs.release()
  await Promise.all(writes)
  await store.flush()
  expect(early).toEqual([true, []])
  expect(tables()).not.toEqual([])
}, 10_000)
