/** Awaited durable writes: how they share syncs, and when these are made on the spot. */
import { describe, expect, test } from 'vitest'
import { ManualClock, memory, type MemoryVfs, type OpenMode, type VfsFile } from '../../src/index.js'
import { entriesOf, nextTurn, openStore, rejection, TINY } from '../support/stores.js'
import { LateVfs } from '../torture/metamorphic/late_vfs.js'

/** More syncs than it takes to know the disk. */
const MANY = 100

/** Notes how logs are synced, and lets a sync take time, or fail. */
class WatchedVfs extends LateVfs {
  readonly disk: MemoryVfs
  readonly clock = new ManualClock()
  /** Milliseconds that a sync takes. */
  syncMs = 0
  failure: Error | undefined
  onTheSpot = 0
  inPool = 0

  constructor() {
    const disk = memory()
    super(disk, () => false)
    this.disk = disk
  }

  override openSync(path: string, mode: OpenMode): VfsFile {
    const file = super.openSync(path, mode)
    if (!path.endsWith('.log')) return file
    const sync = file.sync.bind(file)
    const syncSync = file.syncSync.bind(file)
    file.syncSync = () => {
      this.onTheSpot++
      this.#take()
      syncSync()
    }
    file.sync = async () => {
      this.inPool++
      this.#take()
      await sync()
    }
    return file
  }

  #take(): void {
    this.clock.advance(this.syncMs)
    if (this.failure !== undefined) throw this.failure
  }
}

/** A store whose syncs take so long, and have for a while. */
async function warm(syncMs: number, memtableSize = 1024 * 1024) {
  const vfs = new WatchedVfs()
  vfs.syncMs = syncMs
  const store = await openStore(vfs, { ...TINY, memtableSize, walSync: 'always', clock: vfs.clock })
  for (let i = 0; i < MANY; i++) await store.put('before', i)
  vfs.onTheSpot = 0
  vfs.inPool = 0
  return { vfs, store }
}

describe('on a fast disk', () => {
  test('syncs are made on the spot', async () => {
    const { vfs, store } = await warm(0.1)
    for (let i = 0; i < 20; i++) await store.put('k', i)
    expect([vfs.onTheSpot, vfs.inPool]).toEqual([20, 0])
  })

  test('the event loop goes round between two syncs', async () => {
    const { vfs, store } = await warm(0.1)
    let turns = 0
    let isOver = false
    const count = async (): Promise<void> => {
      for (; !isOver; turns++) await nextTurn()
    }
    const counting = count()
    for (let i = 0; i < 20; i++) await store.put('k', i)
    isOver = true
    await counting
    expect(vfs.onTheSpot).toBe(20)
    expect(turns).toBeGreaterThanOrEqual(20)
  })

  test('one sync serves all who write in a turn, one after the other or not', async () => {
    const { vfs, store } = await warm(0.1)
    const writes: Promise<void>[] = []
    for (let i = 0; i < 8; i++) {
      writes.push(store.put(`k${i}`, i), store.put(`l${i}`, i))
      await Promise.resolve()
    }
    await Promise.all(writes)
    expect([vfs.onTheSpot, vfs.inPool]).toEqual([1, 0])
  })

  test('nothing is visible before its sync, and what is acknowledged survives a power loss', async () => {
    const { vfs, store } = await warm(0.1)
    const write = store.put('k', 1)
    for (let i = 0; i < 20; i++) await Promise.resolve()
    expect(store.hasSync('k')).toBe(false)
    await write
    expect(store.hasSync('k')).toBe(true)
    const left = await openStore(vfs.disk.crashClone({ unsyncedPercent: 0, seed: 1 }))
    expect(left.getSync('k')).toBe(1)
  })

  test('a sync on the spot serves those who wait for theirs', async () => {
    const { vfs, store } = await warm(0.1)
    const write = store.put('k', 1)
    await Promise.resolve()
    store.putSync('l', 2)
    await write
    expect([vfs.onTheSpot, vfs.inPool]).toEqual([1, 0])
    // The turn that was asked for before finds nothing, and those that come then get one of their own.
    await store.put('m', 3)
    expect([vfs.onTheSpot, vfs.inPool]).toEqual([2, 0])
  })

  test('what waits for its sync when the store is closed is durable', async () => {
    for (const close of ['close', 'closeSync'] as const) {
      const { vfs, store } = await warm(0.1)
      const write = store.put('k', 1)
      await Promise.resolve()
      await store[close]()
      await write
      expect((await openStore(vfs.disk.crashClone({ unsyncedPercent: 0, seed: 1 }))).getSync('k')).toBe(1)
    }
  })

  test('memtables become tables meanwhile', async () => {
    const { vfs, store } = await warm(0.1, 4096)
    for (let i = 0; i < 100; i++) await store.put(`k${i}`, 'x'.repeat(500))
    expect(vfs.inPool).toBe(0)
    expect(store.stats().flushes.count).toBeGreaterThan(5)
    expect(entriesOf(store)).toHaveLength(101)
  })
})

describe('on a slow disk', () => {
  test('syncs are made in the pool', async () => {
    const { vfs, store } = await warm(5)
    for (let i = 0; i < 200; i++) await store.put('k', i)
    expect([vfs.onTheSpot, vfs.inPool]).toEqual([0, 200])
  })

  test('that was fast, syncs go to the pool after a few', async () => {
    const { vfs, store } = await warm(0.1)
    vfs.syncMs = 20
    for (let i = 0; i < 200; i++) await store.put('k', i)
    expect(vfs.onTheSpot).toBeLessThan(5)
    expect(vfs.inPool).toBe(200 - vfs.onTheSpot)
  })
})

test('a log is filled with zeroes ahead of its records, which nobody sees, and closed without', async () => {
  const { vfs, store } = await warm(0.1)
  const log = (): Buffer => vfs.disk.readFile(vfs.disk.files().find((path) => path.endsWith('.log'))!)
  const content = log()
  expect(content.subarray(-1000).equals(Buffer.alloc(1000))).toBe(true)
  const killed = await openStore(vfs.disk.processKillClone())
  expect(killed.stats().recovery).toMatchObject({ records: MANY, tornBytes: 0 })
  await store.close()
  expect(log().length).toBeLessThan(content.length - 1000)
  const again = await openStore(vfs.disk)
  expect(again.stats().recovery).toMatchObject({ records: MANY, tornBytes: 0 })
})

test.each([
  ['on the spot', 0.1, [1, 0]],
  ['in the pool', 5, [0, 1]],
] as const)('after a sync that failed %s nothing is acknowledged', async (_, syncMs, syncs) => {
  const { vfs, store } = await warm(syncMs)
  vfs.failure = new Error('the disk is gone')
  const failed = [store.put('a', 1), store.put('b', 2)]
  await Promise.resolve()
  failed.push(store.put('c', 3))
  for (const write of failed) expect((await rejection(write)).code).toBe('ERR_BACKGROUND')
  expect((await rejection(store.put('d', 4))).code).toBe('ERR_BACKGROUND')
  expect([...store.keys()]).toEqual(['before'])
  expect([vfs.onTheSpot, vfs.inPool]).toEqual(syncs)
  await expect(store.sync()).rejects.toMatchObject({ code: 'ERR_BACKGROUND' })
  await store.close().catch(() => {})
  // It is never tried again.
  expect([vfs.onTheSpot, vfs.inPool]).toEqual(syncs)
})
