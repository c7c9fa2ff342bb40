/**
 * A failed write-back is reported by the system once for each opening of a file. A sync that overlaps the one that is told must not
 * succeed, or it would acknowledge what is not on the disk.
 */
import { expect, test, vi } from 'vitest'
import { LogWriter } from '../../src/wal/writer.js'
import { nodeVfs } from '../../src/vfs/node.js'
import { temporaryDirectory } from '../support/stores.js'

/** Descriptors that were told; `undefined` while the disk is sound. */
const disk = vi.hoisted((): { told: Set<number> | undefined } => ({ told: undefined }))

vi.mock('node:fs', async (importActual) => {
  const actual = await importActual<object>()
  const report = (fd: number): Error | null => {
    if (disk.told === undefined || disk.told.has(fd)) return null
    disk.told.add(fd)
    return Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' })
  }
  return {
    ...actual,
    fdatasync: (fd: number, done: (error: Error | null) => void) => void setImmediate(done, report(fd)),
    fdatasyncSync: (fd: number) => {
      const error = report(fd)
      if (error !== null) throw error
    },
  }
})

function failingLog(): LogWriter {
  disk.told = undefined
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

test('syncs that wait for each other end well when the file is closed meanwhile', async () => {
  const log = failingLog()
  const syncs = [log.sync(), log.sync(), log.sync()]
  log.closeSync()
  await Promise.all(syncs)
})
