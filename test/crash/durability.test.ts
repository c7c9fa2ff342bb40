/** The table of `docs/durability.md`: what each acknowledgement is worth, in each mode, no less and no more. */
import { describe, expect, test } from 'vitest'
import { ManualClock, memory, type MemoryVfs, Store, type StoreOptions, type WalSync } from '../../src/index.js'
import { nextTurn, openStore, TINY } from '../support/stores.js'

/** Whether a key is there after the death of the process, and after a power loss that takes all that was not synced. */
async function survives(vfs: MemoryVfs): Promise<string> {
  const found: string[] = []
  for (const [name, clone] of [
    ['kill', vfs.processKillClone()],
    ['power loss', vfs.crashClone({ unsyncedPercent: 0, seed: 1 })],
  ] as const) {
    const store = await Store.open(clone, TINY)
    if (store.hasSync('k')) found.push(name)
    await store.close()
  }
  return found.length === 0 ? 'nothing' : found.join(', ')
}

/** Ways to write `k`, and what that survives in the modes `none`, `os`, `interval`, `always`. */
const BOTH = 'kill, power loss'
const WAYS: [string, (store: Store) => unknown, string[]][] = [
  ['put', (store) => store.put('k', 1), ['nothing', 'kill', 'kill', BOTH]],
  ['putSync', (store) => store.putSync('k', 1), ['nothing', 'kill', 'kill', BOTH]],
  ['batch', (store) => store.batch([{ type: 'put', key: 'k', value: 1 }]), ['nothing', 'kill', 'kill', BOTH]],
  ['increment', (store) => store.increment('k'), ['nothing', 'kill', 'kill', BOTH]],
  ['put with sync', (store) => store.put('k', 1, { sync: true }), [BOTH, BOTH, BOTH, BOTH]],
  ['putSync with sync', (store) => store.putSync('k', 1, { sync: true }), [BOTH, BOTH, BOTH, BOTH]],
  ['chained batch with sync', (store) => store.batch().put('k', 1).write({ sync: true }), [BOTH, BOTH, BOTH, BOTH]],
  ['increment with sync', (store) => store.increment('k', 1, { sync: true }), [BOTH, BOTH, BOTH, BOTH]],
  [
    'put, then another write with sync',
    async (store) => [await store.put('k', 1), await store.put('l', 1, { sync: true })],
    [BOTH, BOTH, BOTH, BOTH],
  ],
  [
    'put, then another range deleted with sync',
    async (store) => [await store.put('k', 1), await store.deletePrefix('other', { sync: true })],
    [BOTH, BOTH, BOTH, BOTH],
  ],
  ['put, then sync()', async (store) => [await store.put('k', 1), await store.sync()], [BOTH, BOTH, BOTH, BOTH]],
  ['put, then syncSync()', (store) => [store.putSync('k', 1), store.syncSync()], [BOTH, BOTH, BOTH, BOTH]],
  ['put without waiting, then sync()', (store) => [void store.put('k', 1), store.sync()][1], [BOTH, BOTH, BOTH, BOTH]],
  ['put, then flush()', async (store) => [await store.put('k', 1), await store.flush()], [BOTH, BOTH, BOTH, BOTH]],
  ['put, then close()', async (store) => [await store.put('k', 1), await store.close()], [BOTH, BOTH, BOTH, BOTH]],
  ['put without waiting, then closeSync()', (store) => [void store.put('k', 1), store.closeSync()], [BOTH, BOTH, BOTH, BOTH]],
]
const MODES: readonly WalSync[] = ['none', 'os', 'interval', 'always']

describe.each(WAYS)('%s', (_, write, expected) => {
  test.each(MODES.map((mode, i) => [mode, expected[i]!]))("in mode '%s' survives: %s", async (walSync, what) => {
    const vfs = memory()
    const store = await openStore(vfs, { ...TINY, walSync, clock: new ManualClock() })
    await store.put('other', 1)
    await write(store)
    expect(await survives(vfs)).toBe(what)
  })
})

describe('time', () => {
  async function turns(): Promise<void> {
    for (let i = 0; i < 5; i++) await nextTurn()
  }

  async function written(options: StoreOptions) {
    const vfs = memory()
    const clock = new ManualClock()
    const store = await openStore(vfs, { ...TINY, ...options, clock })
    await store.put('k', 1)
    await turns()
    return { vfs, clock, store }
  }

  test("with 'interval' a write survives a power loss an interval later, and not before", async () => {
    const { vfs, clock, store } = await written({ walSync: 'interval', walSyncInterval: 200 })
    clock.advance(199)
    await turns()
    expect(await survives(vfs)).toBe('kill')
    clock.advance(1)
    await turns()
    expect(await survives(vfs)).toBe(BOTH)
    // While nothing is written nothing is synced.
    const { syncs } = store.stats().wal
    clock.advance(10_000)
    await turns()
    expect(store.stats().wal.syncs).toBe(syncs)
    await store.delete('k')
    clock.advance(200)
    await turns()
    expect(await survives(vfs)).toBe('nothing')
  })

  test("with 'none' a write is given to the system a tenth of a second later at the latest", async () => {
    const { vfs, clock } = await written({ walSync: 'none' })
    clock.advance(99)
    expect(await survives(vfs)).toBe('nothing')
    clock.advance(1)
    await turns()
    expect(await survives(vfs)).toBe('kill')
  })

  test("with 'none' no more than 64 KiB wait in the process", async () => {
    const { vfs, store } = await written({ walSync: 'none', memtableSize: 1024 * 1024 })
    for (let i = 0; i < 70; i++) await store.put(`filler ${i}`, 'x'.repeat(1000))
    expect(await survives(vfs)).toBe('kill')
  })
})

test('a sync makes durable what was recovered from the page cache before, too', async () => {
  const vfs = memory()
  const first = await openStore(vfs)
  for (let i = 0; i < 20; i++) await first.put(`k${i}`, i)
  // The process dies, the machine goes on: nothing of this was ever synced.
  const killed = vfs.processKillClone()
  const second = await openStore(killed)
  await second.put('later', 1, { sync: true })
  const third = await openStore(killed.crashClone({ unsyncedPercent: 0, seed: 1 }))
  expect([...third.keys()]).toHaveLength(21)
})

test('64 writers at a time share their syncs', async () => {
  const store = await openStore(memory(), { ...TINY, memtableSize: 1024 * 1024, walSync: 'always' })
  await Promise.all(
    Array.from({ length: 64 }, async (_, writer) => {
      for (let i = 0; i < 10; i++) await store.put(`${writer}:${i}`, i)
    }),
  )
  expect(store.stats().wal.syncs).toBeLessThan(64)
  expect([...store.keys()]).toHaveLength(640)
})
