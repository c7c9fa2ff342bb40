/** Promise reads and the event loop: how long a slow disk may hold it up, and that a fast one is read on the spot. */
import { expect, test, vi } from 'vitest'
import { ManualClock, memory, type MemoryVfs, type OpenMode, type Store, type VfsFile } from '../../src/index.js'
import { Lookup } from '../../src/store/lookup.js'
import { nextTurn, openStore, TINY } from '../support/stores.js'
import { LateVfs } from '../torture/metamorphic/late_vfs.js'

const SLOW_MS = 5
const FAST_MS = 0.001
const KEYS = 1000
/** Reads on the spot in one turn: a slow one is the last. */
const SPOT_READS_MAX = 1
/** Blocks that come through the pool all at once are worked on by so many a turn, and each test key has one of its own. */
const VALUES_PER_TURN_MAX = 32

/** On a clock moved by hand: 64 until one is made to try the disk, 32 until that is noticed, and 16 that are let pass. */
const LOOKUPS_PER_TURN_MAX = 112

/** Lets reads of tables take time: on the spot that of the thread, in the pool one turn for all that were asked for together. */
class SlowVfs extends LateVfs {
  readonly clock = new ManualClock()
  readMs = FAST_MS
  onTheSpot = 0
  inPool = 0
  onTheSpotThisTurn = 0
  onTheSpotInATurn = 0

  constructor(disk: MemoryVfs) {
    super(disk, () => false)
  }

  override openSync(path: string, mode: OpenMode): VfsFile {
    const file = super.openSync(path, mode)
    if (!path.endsWith('.sst')) return file
    const read = file.read.bind(file)
    const readSync = file.readSync.bind(file)
    file.readSync = (...of) => {
      this.clock.advance(this.readMs)
      this.onTheSpot++
      this.onTheSpotInATurn = Math.max(this.onTheSpotInATurn, ++this.onTheSpotThisTurn)
      return readSync(...of)
    }
    file.read = async (...of) => {
      this.inPool++
      await nextTurn()
      return read(...of)
    }
    return file
  }
}

function key(number: number): string {
  return `key ${String(number).padStart(4, '0')}`
}

function value(number: number): string {
  return String(number).padStart(250, 'x')
}

/** A store of a thousand blocks of one entry each, none of which is in memory, in tables that are not open. */
async function coldStore(blockCacheSize = 16 * 1024 * 1024, isCompacted = true) {
  const disk = memory()
  const options = { ...TINY, memtableSize: isCompacted ? 4096 : 196_608, blockCacheSize }
  const first = await openStore(disk, options)
  for (let i = 0; i < KEYS; i++) await first.put(key(isCompacted ? i : (i * 7) % KEYS), value(isCompacted ? i : (i * 7) % KEYS))
  await (isCompacted ? first.compact() : first.flush())
  await first.close()
  const vfs = new SlowVfs(disk)
  const store = await openStore(vfs, { ...options, clock: vfs.clock })
  vfs.onTheSpot = 0
  vfs.onTheSpotInATurn = 0
  return { vfs, store }
}

/** Reads while turns of the loop are told apart; `onTurn` is called at the beginning of each. */
async function countingTurns(vfs: SlowVfs, read: () => Promise<void>, onTurn: () => void = () => {}): Promise<void> {
  let isOver = false
  const count = async (): Promise<void> => {
    while (!isOver) {
      vfs.onTheSpotThisTurn = 0
      onTurn()
      await nextTurn()
    }
  }
  const counting = count()
  await read()
  isOver = true
  await counting
}

/** Asks for all keys at once; gives how many values came at most in one turn of the loop. */
async function getAll(vfs: SlowVfs, store: Store): Promise<number> {
  let valuesThisTurn = 0
  let valuesInATurn = 0
  const get = async (number: number): Promise<void> => {
    expect(await store.get(key(number))).toBe(value(number))
    valuesInATurn = Math.max(valuesInATurn, ++valuesThisTurn)
  }
  const getEach = async (): Promise<void> => {
    await Promise.all(Array.from({ length: KEYS }, (_, i) => get(i)))
  }
  await countingTurns(vfs, getEach, () => (valuesThisTurn = 0))
  return valuesInATurn
}

test.each([
  ['one level', true],
  ['tables on level 0', false],
])('a thousand cold gets hold the loop for one read of a slow disk at most: %s', async (_, isCompacted) => {
  const { vfs, store } = await coldStore(undefined, isCompacted)
  vfs.readMs = SLOW_MS
  expect(await getAll(vfs, store)).toBeLessThanOrEqual(VALUES_PER_TURN_MAX)
  expect(vfs.onTheSpotInATurn).toBeGreaterThan(0)
  expect(vfs.onTheSpotInATurn).toBeLessThanOrEqual(SPOT_READS_MAX)
  expect(vfs.inPool).toBeGreaterThan(KEYS / 2)
})

test('in the turn that asks for a thousand at once hardly any is looked for', async () => {
  const { vfs, store } = await coldStore()
  vfs.readMs = SLOW_MS
  await store.get(key(0))
  await nextTurn()
  const find = vi.spyOn(Lookup.prototype, 'find')
  const all = Array.from({ length: KEYS }, (_, i) => store.get(key(i)))
  const bytes = Buffer.from(key(1))
  const copied = store.get(bytes)
  bytes.fill(0)
  expect(find.mock.calls.length).toBeLessThanOrEqual(LOOKUPS_PER_TURN_MAX)
  find.mockRestore()
  expect(await Promise.all(all)).toEqual(Array.from({ length: KEYS }, (_, i) => value(i)))
  expect(await copied).toBe(value(1))
})

test('nor do they when the disk was fast before, and nothing is cached', async () => {
  const { vfs, store } = await coldStore(0)
  await getAll(vfs, store)
  expect([vfs.onTheSpot, vfs.inPool]).toEqual([expect.any(Number), 0])
  vfs.readMs = SLOW_MS
  vfs.onTheSpotInATurn = 0
  await getAll(vfs, store)
  expect(vfs.onTheSpotInATurn).toBeLessThanOrEqual(SPOT_READS_MAX)
})

test('getMany of a thousand cold keys holds the loop no longer', async () => {
  const { vfs, store } = await coldStore()
  vfs.readMs = SLOW_MS
  await countingTurns(vfs, async () => {
    const values = await store.getMany(Array.from({ length: KEYS }, (_, i) => key(i)))
    expect(values).toEqual(Array.from({ length: KEYS }, (_, i) => value(i)))
  })
  expect(vfs.onTheSpotInATurn).toBeLessThanOrEqual(SPOT_READS_MAX)
})

test('a disk that answers in microseconds is read on the spot alone', async () => {
  const { vfs, store } = await coldStore(0)
  await getAll(vfs, store)
  for (let i = 0; i < KEYS; i++) expect(await store.get(key(i))).toBe(value(i))
  expect(vfs.onTheSpot).toBeGreaterThanOrEqual(2 * KEYS)
  expect(vfs.inPool).toBe(0)
})

test('a disk that was slow and is fast again is soon read on the spot', async () => {
  const { vfs, store } = await coldStore(0)
  vfs.readMs = SLOW_MS
  await getAll(vfs, store)
  vfs.readMs = FAST_MS
  for (let i = 0; i < 2 * KEYS; i++) await store.get(key(i % KEYS))
  vfs.inPool = 0
  for (let i = 0; i < KEYS; i++) await store.get(key(i))
  expect(vfs.inPool).toBe(0)
})
