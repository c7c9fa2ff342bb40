/** Defects in what a sync promises, each as the smallest case that showed it. */
import { expect, test } from 'vitest'
import { FaultVfs, ManualClock, memory, type VfsFile, type OpenMode } from '../../src/index.js'
import type { Scheduler } from '../../src/compaction/scheduler.js'
import { KeepAlive } from '../../src/store/keep_alive.js'
import { RecoveredFloor } from '../../src/store/recovered_floor.js'
import { Shortage } from '../../src/store/shortage.js'
import { entriesOf, openStore, TINY } from '../support/stores.js'
import { LateVfs } from '../torture/metamorphic/late_vfs.js'

async function microtasks(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve()
}

test('a durable write that changes nothing waits for a sync that covers what it has seen', async () => {
  const disk = memory()
  // Syncs tell a turn late that they are done.
  const store = await openStore(new LateVfs(disk, () => true), { ...TINY, walSync: 'none' })
  const first = store.put('first', 1, { sync: true })
  await microtasks()
  // The next sync is for the second one. The third is in its way, but kept in the process.
  const second = store.put('second', 2, { sync: true })
  await microtasks()
  const third = store.put('third', 3)
  await first
  await microtasks()
  // That sync is under way.
  expect(await store.putIfAbsent('third', 4, { sync: true })).toBe(false)
  expect(entriesOf(await openStore(disk.crashClone({ unsyncedPercent: 0, seed: 1 })))).toEqual([
    ['first', 1],
    ['second', 2],
    ['third', 3],
  ])
  await Promise.all([second, third])
})

test('a flush that fails after another attempt has come through does not fail the sync that waits for it', async () => {
  let isLeft = true
  const scheduler = {
    flushed: async () => {
      isLeft = false
      throw new Error('the disk was full, and is not any more')
    },
  } as unknown as Scheduler
  const clock = new ManualClock()
  const host = { path: '', scheduler, queue: { resume: () => {} }, emit: () => {} }
  const shortage = new Shortage(host, clock)
  const isClosing = (): boolean => false
  await new RecoveredFloor(scheduler, shortage, clock, new KeepAlive(), () => isLeft, isClosing).wait()
})

test('a sync that waits behind a durable write that was refused fails when the disk does', async () => {
  const vfs = new (class extends FaultVfs {
    override openSync(path: string, mode: OpenMode): VfsFile {
      const file = super.openSync(path, mode)
      if (path.endsWith('.log')) file.sync = () => Promise.reject(new Error('the disk is gone'))
      return file
    }
  })(memory())
  const store = await openStore(vfs, { ...TINY, walSync: 'os' })
  await store.put('written', 1)
  const refused = store.put('k'.repeat(70_000), 1, { sync: true })
  const synced = store.sync()
  await expect(refused).rejects.toThrow('key')
  await expect(synced).rejects.toThrow('the disk is gone')
})
