/** What went wrong between processes that use one store. Found by `test/torture/kills.ts`. */
import { describe, expect, test } from 'vitest'
import { memory, Store } from '../../src/index.js'
import { FaultVfs } from '../../src/vfs/fault.js'
import type { OpenMode, VfsFile } from '../../src/vfs/vfs.js'
import { TINY } from '../support/stores.js'

/** Lets something happen just before the first log is opened for reading. */
class BeforeLogs extends FaultVfs {
  before: (() => void) | undefined

  override openSync(path: string, mode: OpenMode): VfsFile {
    if (path.endsWith('.log')) {
      const { before } = this
      this.before = undefined
      before?.()
    }
    return super.openSync(path, mode)
  }
}

describe('a store that is opened for reading while its writer makes a table of a log', () => {
  test.each([
    ['and goes on in another', true],
    ['and stops', false],
  ])('%s, shows everything', async (_, goesOn) => {
    const vfs = memory()
    const writer = await Store.open(vfs, { ...TINY, walSync: 'always' })
    writer.putSync('a', 1)
    if (goesOn) writer.putSync('b', 'x'.repeat(4000))
    const beside = new BeforeLogs(vfs)
    const flushed = { done: false }
    beside.before = () => {
      writer.putSync('c', 'x'.repeat(4000))
      writer.putSync('d', 4)
      writer.syncSync()
      flushed.done = true
      writer.closeSync()
    }
    const reader = Store.openSync(beside, { readOnly: true })
    expect(flushed.done).toBe(true)
    expect([...reader.keys()]).toEqual(goesOn ? ['a', 'b', 'c', 'd'] : ['a', 'c', 'd'])
    reader.closeSync()
  })
})

/** Lets something happen before the reads of a log whose numbers are given. */
class BeforeReads extends FaultVfs {
  reads = 0
  before: ((read: number) => void) | undefined

  override openSync(path: string, mode: OpenMode): VfsFile {
    const file = super.openSync(path, mode)
    if (!path.endsWith('.log')) return file
    const readSync = file.readSync.bind(file)
    const read = file.read.bind(file)
    file.readSync = (...range) => {
      this.before?.(++this.reads)
      return readSync(...range)
    }
    file.read = (...range) => {
      this.before?.(++this.reads)
      return read(...range)
    }
    return file
  }
}

describe('a log that is read while its writer goes on over the zeroes ahead of it', () => {
  const WRITTEN = 20

  test.each([1, 2, 3, 4, 5, 6])('is not damaged (written before read %i)', async (moment) => {
    for (const way of ['open', 'openSync', 'salvage', 'verify']) {
      const vfs = memory()
      const writer = await Store.open(vfs, { walSync: 'always', backgroundThreads: 0 })
      for (let i = 0; i < WRITTEN; i++) writer.putSync(`k${i}`, i)
      const beside = new BeforeReads(vfs)
      beside.before = (read) => {
        if (read !== moment) return
        for (let i = WRITTEN; i < WRITTEN + 3; i++) writer.putSync(`k${i}`, i)
      }
      if (way === 'verify') expect(await Store.verify(beside)).toMatchObject({ ok: true })
      else {
        const options = { readOnly: true, recovery: way === 'salvage' ? 'salvage' : 'strict' } as const
        const reader = way === 'openSync' ? Store.openSync(beside, options) : await Store.open(beside, options)
        expect([...reader.keys()].length).toBeGreaterThanOrEqual(WRITTEN)
        expect([...reader.keys()].length).toBeLessThanOrEqual(WRITTEN + 3)
        await reader.close()
      }
      await writer.close()
    }
  })
})

describe('a durable write that changes nothing makes durable what it has seen', () => {
  const ways: Record<string, (store: Store) => unknown> = {
    putIfAbsent: (store) => store.putIfAbsent('k', 2, { sync: true }),
    putIfAbsentSync: (store) => store.putIfAbsentSync('k', 2, { sync: true }),
    putIfEqualsSync: (store) => store.putIfEqualsSync('k', 2, 3, { sync: true }),
    deleteRange: (store) => store.deleteRange('x', 'y', { sync: true }),
    deleteRangeSync: (store) => store.deleteRangeSync('x', 'y', { sync: true }),
    batch: (store) => store.batch([], { sync: true }),
    batchSync: (store) => store.batchSync([], { sync: true }),
  }

  test.each(Object.keys(ways).flatMap((way) => (['none', 'os', 'always'] as const).map((walSync) => ({ way, walSync }))))(
    "$way with walSync '$walSync'",
    async ({ way, walSync }) => {
      const vfs = memory()
      const store = await Store.open(vfs, { ...TINY, walSync })
      // Under way, and written by the time of the next call's answer.
      const written = store.put('k', 1)
      await ways[way]!(store)
      const clone = vfs.crashClone({ unsyncedPercent: 0, seed: 1 })
      await written
      await store.close()
      const left = await Store.open(clone, TINY)
      expect(left.getSync('k')).toBe(1)
      await left.close()
    },
  )
})
