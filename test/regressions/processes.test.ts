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
