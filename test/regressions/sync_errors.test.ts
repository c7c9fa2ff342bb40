/**
 * A failed write-back is reported by the system once for each opening of a file. A sync that overlaps the one that is told must not
 * succeed, or it would acknowledge what is not on the disk. What fails when a descriptor is closed afterwards is no failure of the sync.
 */
import { afterEach, expect, test, vi } from 'vitest'
import { LogWriter } from '../../src/wal/writer.js'
import { nodeVfs } from '../../src/vfs/node.js'
import { temporaryDirectory } from '../support/stores.js'

/** Descriptors that were told; `undefined` while the disk is sound. */
const disk = vi.hoisted((): { told: Set<number> | undefined; failsToClose: boolean; poolSyncs: number[]; syncs: number[] } => ({
  told: undefined,
  failsToClose: false,
  poolSyncs: [],
  syncs: [],
}))

vi.mock('node:fs', async (importActual) => {
  const actual = await importActual<{ closeSync: (fd: number) => void }>()
  const report = (fd: number): Error | null => {
    if (disk.told === undefined || disk.told.has(fd)) return null
    disk.told.add(fd)
    return Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' })
  }
  return {
    ...actual,
    closeSync: (fd: number) => {
      actual.closeSync(fd)
      if (disk.failsToClose) throw Object.assign(new Error('EIO: i/o error, close'), { code: 'EIO' })
    },
    fdatasync: (fd: number, done: (error: Error | null) => void) => {
      disk.poolSyncs.push(fd)
      setImmediate(done, report(fd))
    },
    fdatasyncSync: (fd: number) => {
      disk.syncs.push(fd)
      const error = report(fd)
      if (error !== null) throw error
    },
  }
})

afterEach(() => {
  disk.failsToClose = false
})

function failingLog(): LogWriter {
  disk.told = undefined
  disk.poolSyncs = []
  disk.syncs = []
  const log = LogWriter.createSync(nodeVfs, temporaryDirectory(), 1)
  log.appendSync(Buffer.alloc(100), 0, 100)
  return log
}

test('a sync on the spot fails while one in the pool does', async () => {
  const log = failingLog()
  disk.told = new Set()
  const syncing = Promise.allSettled([log.sync()])
  expect(() => log.syncSync()).toThrow(/could not sync/)
  expect(await syncing).toMatchObject([{ status: 'rejected' }])
  log.closeSync()
})

test('a sync in the pool fails behind one that does', async () => {
  const log = failingLog()
  disk.told = new Set()
  const outcomes = await Promise.allSettled([log.sync(), log.sync()])
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  log.closeSync()
})

test('syncs in the pool that have not begun are one, and have a descriptor of their own', async () => {
  const log = failingLog()
  await Promise.all(Array.from({ length: 5 }, () => log.sync()))
  await log.sync()
  expect(disk.poolSyncs).toHaveLength(3)
  log.syncSync()
  expect(disk.syncs).toHaveLength(1)
  expect(new Set(disk.poolSyncs).size).toBe(1)
  expect(disk.poolSyncs).not.toContain(disk.syncs[0])
  log.closeSync()
})

test('syncs that wait for each other end well when the file is closed meanwhile', async () => {
  const log = failingLog()
  const syncs = [log.sync(), log.sync(), log.sync()]
  log.closeSync()
  await Promise.all(syncs)
})

test('a sync that outlives its file is not failed by the closing of the descriptor', async () => {
  const log = failingLog()
  const sync = log.sync()
  log.closeSync()
  disk.failsToClose = true
  await sync
})

test('a folder that was synced is not failed by the closing of its descriptor, nor does that end the process', async () => {
  const dir = temporaryDirectory()
  disk.failsToClose = true
  await nodeVfs.syncDir(dir)
  nodeVfs.syncDirSync(dir)
})
