/** Defects that a review found by reading, each as the smallest case that showed it. */
import { expect, onTestFinished, test } from 'vitest'
import { FaultVfs, ManualClock, memory, Store, type Value } from '../../src/index.js'
import { failure, nextTurn, openStore, rejection, TINY } from '../support/stores.js'

/** A clock that goes on while no timer of it has had its turn, as when the program is busy. */
class BusyClock extends ManualClock {
  busyMs = 0

  override nowMs(): number {
    return super.nowMs() + this.busyMs
  }
}

const BIG = 'x'.repeat(1000)

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await nextTurn()
}

/** A store whose disk is full, whose memtables are too, and whose next attempt to move tables fails on the spot. */
async function withoutRoom() {
  const vfs = new FaultVfs(memory())
  const clock = new BusyClock()
  const store = await openStore(vfs, { ...TINY, blockSize: 16_384, memtableSize: 16_384, blockCacheSize: 0, readMode: 'async', clock })
  let n = 0
  const put = (key: string): Promise<void> => store.put(`${key}${String(n++).padStart(6, '0')}`, BIG)
  for (let i = 0; i < 3; i++) {
    await put('a')
    await put('a')
    await store.flush()
  }
  vfs.addRule({ operation: 'write', path: /MANIFEST/, nth: 3, times: Infinity, error: 'ENOSPC' })
  await put('a')
  await put('a')
  await store.flush().catch(() => {})
  await turns(10)
  expect(failure(() => fill(store)).code).toBe('ERR_DISK_FULL')
  clock.busyMs = 700
  return { vfs, store, clock }
}

function fill(store: Store): void {
  for (let i = 0; i < 300; i++) store.putSync(`b${i}`, BIG)
}

test('a write that is refused while background work is tried again takes no other write with it', async () => {
  const { vfs, store, clock } = await withoutRoom()
  // Making room for the first one ends the attempt, which asks the queue to go on.
  const first = store.put('p', BIG)
  expect((await rejection(first)).code).toBe('ERR_DISK_FULL')
  await turns(20)
  vfs.clearRules()
  clock.advance(700)
  await turns(20)
  expect(store.status).toBe('open')
  const counted: unknown[] = await Promise.all([store.put('count', 5n), store.increment('count'), store.put('count', 100n)])
  expect(counted[1]).toBe(6n)
  vfs.addRule({ operation: 'write', path: /\.log$/, error: 'ENOSPC' })
  const written = await Promise.allSettled([store.put('big', 'y'.repeat(3000)), store.deleteRange('zz', 'zzz'), store.put('small', 1)])
  expect(written[2].status).toBe('fulfilled')
  expect(store.getSync('small')).toBe(1)
})

test('a refused put that asked for a sync leaves no rejection that nobody hears', async () => {
  const unheard: unknown[] = []
  const hear = (error: unknown): void => void unheard.push(error)
  process.on('unhandledRejection', hear)
  onTestFinished(() => void process.off('unhandledRejection', hear))
  const vfs = new FaultVfs(memory())
  const store = await openStore(vfs, { ...TINY, walSync: 'none' })
  await store.put('a', 1)
  const rule = vfs.addRule({ operation: ['write', 'create'], path: /\.log$/, times: Infinity, error: 'ENOSPC' })
  expect((await rejection(store.put(42 as unknown as string, 1, { sync: true }))).code).toBe('ERR_INVALID_KEY')
  await turns(5)
  rule.remove()
  expect(unheard).toEqual([])
})

test('a log that cannot be deleted keeps no table on the disk', async () => {
  const disk = memory()
  const vfs = new FaultVfs(disk)
  const store = await openStore(vfs)
  vfs.addRule({ operation: 'unlink', path: /\.log$/, times: Infinity, error: 'EACCES' })
  for (let i = 0; i < 400; i++) await store.put(`k${i % 20}`, BIG)
  await store.compact()
  await turns(400)
  expect(disk.files().filter((path) => path.endsWith('.sst'))).toHaveLength(store.stats().tables.count)
})

test('the range of approximateSize is checked', async () => {
  const store = await openStore()
  for (const range of [null, 5, { gtee: 'a' }] as unknown as { gte: string }[]) {
    expect((await rejection(store.approximateSize(range))).code).toBe('ERR_INVALID_OPTION')
  }
})

test('nothing is opened for approximateSize once the store is closed', async () => {
  const disk = memory()
  const options = { ...TINY, readMode: 'async' } as const
  const first = await Store.open(disk, options)
  for (let i = 0; i < 60; i++) await first.put(`k${i}`, BIG as Value)
  await first.compact()
  await first.close()
  const store = await Store.open(disk, options)
  const size = store.approximateSize({ gt: 'k0', lt: 'k9' })
  store.closeSync()
  expect((await rejection(size)).code).toBe('ERR_NOT_OPEN')
  expect(disk.openHandleCount).toBe(0)
})

/** A store with tables and a log, and the manifest that it had when it held little. */
async function grownStore() {
  const disk = memory()
  const first = await Store.open(disk, TINY)
  for (let i = 0; i < 20; i++) await first.put(`old ${i}`, BIG)
  await first.flush()
  await first.close()
  const isManifest = (path: string): boolean => /CURRENT|MANIFEST/.test(path)
  const before = disk
    .files()
    .filter(isManifest)
    .map((path) => [path, disk.readFile(path)] as const)
  const second = await Store.open(disk, TINY)
  for (let i = 0; i < 100; i++) await second.put(`new ${i}`, BIG)
  await second.compact()
  await second.put('log', 1)
  await second.close()
  for (const path of disk.files().filter(isManifest)) disk.unlinkSync(path)
  return { disk, before }
}

test('repair deletes no table because of an old manifest', async () => {
  const { disk, before } = await grownStore()
  for (const [path, content] of before) disk.writeFile(path, content)
  const { isRebuilt } = await Store.repair(disk)
  expect(isRebuilt).toBe(true)
  expect([...(await openStore(disk)).keys()]).toHaveLength(121)
})

test('repair puts tables aside that the manifest does not name', async () => {
  const disk = memory()
  const store = await Store.open(disk, TINY)
  for (let i = 0; i < 60; i++) await store.put(`k${i}`, BIG)
  await store.compact()
  await store.close()
  const [table] = disk.files().filter((path) => path.endsWith('.sst')) as [string]
  const stray = table.replace(/\d{6}/, '000900')
  disk.writeFile(stray, disk.readFile(table))
  disk.writeFile(table, disk.readFile(table).fill(0, 0, 40))
  const { files } = await Store.repair(disk)
  expect(files.find(({ name }) => name === '000900.sst')?.fate).toBe('unnamed')
  expect(disk.files()).toContain(stray.replace('000900', 'lost/000900'))
})

test('repair changes nothing when a log cannot be read now', async () => {
  const disk = memory()
  const store = await Store.open(disk, TINY)
  await store.put('a', 1)
  await store.close()
  const vfs = new FaultVfs(disk)
  const rule = vfs.addRule({ operation: 'open', path: /\.log$/, times: Infinity, error: 'EACCES' })
  expect((await rejection(Store.repair(vfs))).code).toBe('ERR_IO')
  rule.remove()
  expect([...(await openStore(disk)).keys()]).toEqual(['a'])
})
