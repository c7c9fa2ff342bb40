import { describe, expect, test } from 'vitest'
import { StoreError } from '../../../src/util/errors.js'
import { Random } from '../../../src/util/random.js'
import { FaultVfs } from '../../../src/vfs/fault.js'
import { MemoryVfs } from '../../../src/vfs/memory.js'
import { testSeed } from '../iterator/array_iterator.js'
import { FakeStore } from './fake_store.js'
import { key } from './levels.js'

/** Random writes over `keyCount` keys, and what they leave. */
function writeAtRandom(store: FakeStore, random: Random, count: number, keyCount: number, model: Map<string, string>): void {
  for (let i = 0; i < count; i++) {
    const name = key(random.below(keyCount))
    if (random.chance(0.2)) {
      store.delete(name)
      model.delete(name)
    } else {
      store.put(name)
      model.set(name, `${name}@${store.sequence}`)
    }
  }
}

function contentOf(model: ReadonlyMap<string, string>): string[] {
  return [...model].map(([name, value]) => `${name}=${value}`).toSorted()
}

describe('flushes', () => {
  test('become tables of level 0', async () => {
    const store = new FakeStore()
    for (let i = 0; i < 40; i++) store.put(key(i))
    await store.scheduler.flushed()
    expect(store.shape()[0]).toBe(1)
    expect(store.flushes).toEqual([{ entries: 40, outputBytes: store.version.levelBytes(0), tables: 1, durationMs: 0 }])
    expect(store.frozen).toEqual([])
  })

  test('are installed in order; those that wait together become one table', () => {
    const store = new FakeStore()
    for (let i = 0; i < 120; i++) store.put('k')
    store.scheduler.flushedSync()
    expect(store.installations.map(({ flushed }) => flushed.length)).toEqual([1, 2])
    expect(store.visible()).toEqual(['k=k@120'])
  })

  test('that leave nothing to see make no table', () => {
    const store = new FakeStore()
    for (let i = 0; i < 20; i++) store.put(key(i))
    for (let i = 0; i < 20; i++) store.delete(key(i))
    store.scheduler.flushedSync()
    expect(store.files()).toEqual([])
    expect(store.scheduler.stats()).toMatchObject({ flushes: 1, flushedBytes: 0 })
  })

  test('write no deletion of what is nowhere below, and the others', () => {
    const store = new FakeStore()
    for (let i = 0; i < 40; i++) store.put(key(i))
    for (let i = 20; i < 60; i++) store.delete(key(i))
    store.scheduler.flushedSync()
    expect(store.version.levels[0]!.map(({ deletionCount }) => deletionCount)).toEqual([20, 0])
  })
})

describe('compactions', () => {
  test('keep the content under random writes, waiting by promises', async () => {
    const seed = testSeed()
    const store = new FakeStore()
    const model = new Map<string, string>()
    const random = new Random(seed)
    for (let round = 0; round < 30; round++) {
      writeAtRandom(store, random, 200, 600, model)
      if (random.chance(0.5)) await store.scheduler.progress()
    }
    store.roll()
    await store.scheduler.flushed()
    await store.scheduler.idle()
    expect(store.visible(), `VARVE_SEED=${seed}`).toEqual(contentOf(model))
    expect(store.scheduler.stats().compactions.level0).toBeGreaterThan(0)
    expect(store.strayReferences()).toBe(0)
    expect(store.files()).toEqual(store.liveFiles())
  })

  test('keep the content, and what snapshots see, waiting on the spot and by promises in any order', async () => {
    const seed = testSeed()
    const random = new Random(seed)
    const store = new FakeStore()
    const model = new Map<string, string>()
    const seen = new Map<number, string[]>()
    for (let round = 0; round < 25; round++) {
      writeAtRandom(store, random, random.below(300), 400, model)
      if (random.chance(0.3)) {
        store.pinned.push(store.sequence)
        seen.set(store.sequence, contentOf(model))
      }
      if (store.pinned.length > 0 && random.chance(0.2)) seen.delete(store.pinned.shift()!)
      const wait = random.below(6)
      if (wait === 0) store.scheduler.progressSync()
      else if (wait === 1) store.scheduler.flushedSync()
      else if (wait === 2) store.scheduler.idleSync()
      else if (wait === 3) store.scheduler.compactRangeSync({ smallestKey: Buffer.from(key(random.below(400))) })
      else if (wait === 4) await store.scheduler.progress()
      else await new Promise(setImmediate)
      for (const [sequence, content] of seen) expect(store.visible(sequence), `VARVE_SEED=${seed} round ${round}`).toEqual(content)
      expect(store.visible(), `VARVE_SEED=${seed} round ${round}`).toEqual(contentOf(model))
    }
    store.scheduler.idleSync()
    expect(store.strayReferences()).toBe(0)
  })

  test('a sequential load ends in the last level without being rewritten', () => {
    const store = new FakeStore()
    for (let i = 0; i < 4000; i++) {
      store.put(key(i))
      store.scheduler.idleSync()
    }
    const { compactions, movedTables, compactionBytesWritten } = store.scheduler.stats()
    expect(store.shape()[6]).toBeGreaterThan(20)
    expect(store.shape().slice(1, 6)).toEqual([0, 0, 0, 0, 0])
    expect(movedTables).toBe(store.shape()[6])
    expect({ ...compactions, compactionBytesWritten }).toEqual({
      level0: 0,
      size: 0,
      tombstones: 0,
      idle: 0,
      manual: 0,
      compactionBytesWritten: 0,
    })
    expect(store.compactions.every(({ reason }) => reason === 'move')).toBe(true)
  })

  test('bound space and write amplification under overwrites', () => {
    const store = new FakeStore()
    const random = new Random(77)
    for (let i = 0; i < 12_000; i++) {
      store.put(key(random.below(2000)), 'v'.repeat(20))
      if (i % 40 === 39) store.scheduler.flushedSync()
      if (i % 200 === 199) store.scheduler.idleSync()
    }
    const { flushedBytes, compactionBytesWritten, compactions } = store.scheduler.stats()
    const levelBytes = store.version.levels.map((_, level) => store.version.levelBytes(level))
    const last = Math.max(...levelBytes.slice(1))
    const above = levelBytes.slice(1).reduce((sum, bytes) => sum + bytes, 0) - last
    expect(above / last).toBeLessThan(0.25)
    expect((flushedBytes + compactionBytesWritten) / flushedBytes).toBeLessThan(14)
    expect(compactions.level0).toBeGreaterThan(50)
  })

  test('the same writes give the same files, however they are waited for', async () => {
    const contents: Buffer[][] = []
    for (const isSync of [true, false]) {
      const store = new FakeStore()
      const random = new Random(8)
      for (let i = 0; i < 20; i++) {
        writeAtRandom(store, random, 100, 300, new Map())
        store.roll()
        if (isSync) store.scheduler.idleSync()
        else await store.scheduler.idle()
      }
      contents.push(store.files().map((name) => readFile(store, name)))
    }
    expect(contents[0]!.length).toBeGreaterThan(3)
    expect(contents[0]).toEqual(contents[1])
  })
})

describe('compaction on request', () => {
  test('leaves everything in the last level, without deletions', async () => {
    const store = new FakeStore()
    const model = new Map<string, string>()
    writeAtRandom(store, new Random(3), 5000, 800, model)
    store.roll()
    await store.scheduler.flushed()
    await store.scheduler.compactRange({})
    expect(store.shape().slice(0, 6)).toEqual([0, 0, 0, 0, 0, 0])
    expect(store.version.levels[6]!.every((table) => table.deletionCount === 0 && table.largestSequence === 0)).toBe(true)
    expect(store.visible()).toEqual(contentOf(model))
    const { manual } = store.scheduler.stats().compactions
    await store.scheduler.compactRange({})
    expect(store.scheduler.stats().compactions.manual).toBe(manual)
  })

  test('goes on while writes do', async () => {
    const store = new FakeStore()
    const model = new Map<string, string>()
    const random = new Random(4)
    writeAtRandom(store, random, 5000, 800, model)
    let isDone = false
    const request = store.scheduler.compactRange({}).finally(() => {
      isDone = true
    })
    for (let round = 0; !isDone; round++) {
      expect(round).toBeLessThan(2000)
      writeAtRandom(store, random, 20, 800, model)
      await new Promise(setImmediate)
    }
    await request
    expect(store.visible()).toEqual(contentOf(model))
  })
})

describe('garbage', () => {
  test('after everything was deleted the disk comes back, once the store is idle', async () => {
    const store = new FakeStore()
    for (let i = 0; i < 2000; i++) store.put(key(i))
    store.scheduler.idleSync()
    for (let i = 0; i < 2000; i++) store.delete(key(i))
    store.scheduler.flushedSync()
    await store.scheduler.idle()
    store.isQuiet = true
    store.scheduler.poke()
    await store.scheduler.idle()
    expect(store.files()).toEqual([])
  })

  test('what was kept for a snapshot goes when the snapshot has gone and the store is idle', async () => {
    const store = new FakeStore()
    for (let i = 0; i < 400; i++) store.put(key(i))
    store.pinned = [store.sequence]
    for (let i = 0; i < 400; i++) store.put(key(i))
    store.scheduler.flushedSync()
    await store.scheduler.compactRange({})
    store.isQuiet = true
    await store.scheduler.idle()
    const entries = (): number => store.version.levels.flat().reduce((sum, { entryCount }) => sum + entryCount, 0)
    expect(entries()).toBe(800)
    store.pinned = []
    store.scheduler.poke()
    await store.scheduler.idle()
    expect(entries()).toBe(400)
    expect(store.scheduler.stats().compactions.idle).toBeGreaterThan(0)
  })
})

describe('failures', () => {
  test('stop everything until resume, and then the flush is tried again', async () => {
    const fault = new FaultVfs(new MemoryVfs())
    const store = new FakeStore(fault)
    const rule = fault.addRule({ operation: 'write', path: '.sst', error: 'ENOSPC', times: Infinity })
    for (let i = 0; i < 40; i++) store.put(key(i))
    await expect(store.scheduler.flushed()).rejects.toMatchObject({ code: 'ERR_DISK_FULL' })
    expect(store.errors).toMatchObject([{ code: 'ERR_DISK_FULL' }])
    expect(store.files()).toEqual([])
    for (let i = 0; i < 40; i++) store.put(key(i))
    await expect(store.scheduler.idle()).rejects.toMatchObject({ code: 'ERR_DISK_FULL' })
    expect(() => store.scheduler.flushedSync()).toThrow('no space left')
    expect(store.started).toEqual(['flush memtable L0 to L0', 'flush failed'])
    rule.remove()
    store.scheduler.resume()
    await store.scheduler.flushed()
    expect(store.flushes).toMatchObject([{ entries: 40 }])
    expect(store.scheduler.stats()).toMatchObject({ failures: 1, pendingFlushes: 0 })
    expect(store.strayReferences()).toBe(0)
  })

  test('a compaction that fails is reported, and tried again after resume', async () => {
    const fault = new FaultVfs(new MemoryVfs())
    const store = new FakeStore(fault)
    const rule = fault.addRule({ operation: 'read', path: '.sst', error: 'EIO' })
    for (let i = 0; i < 240; i++) {
      store.put(key((i * 7) % 100))
      if (i < 239) store.scheduler.flushedSync()
    }
    await expect(store.scheduler.idle()).rejects.toMatchObject({ code: 'ERR_IO' })
    expect(store.errors).toMatchObject([{ code: 'ERR_IO' }])
    rule.remove()
    store.scheduler.resume()
    await store.scheduler.flushed()
    await store.scheduler.idle()
    expect(store.visible()).toHaveLength(100)
    expect(store.scheduler.stats().compactions.level0).toBeGreaterThan(0)
    expect(store.files()).toEqual(store.liveFiles())
  })

  test('a result that could not be installed is installed after resume, without running the job again', async () => {
    const store = new FakeStore()
    store.installError = new StoreError('ERR_DISK_FULL', 'full')
    for (let i = 0; i < 40; i++) store.put(key(i))
    await expect(store.scheduler.flushed()).rejects.toMatchObject({ code: 'ERR_DISK_FULL' })
    expect(store.scheduler.stats().isFlushRunning).toBe(true)
    store.installError = undefined
    store.scheduler.resume()
    await store.scheduler.flushed()
    expect(store.started).toEqual(['flush memtable L0 to L0', 'flush failed'])
    expect(store.visible()).toHaveLength(40)
  })

  test('an error from outside ends all waiting', async () => {
    const store = new FakeStore()
    for (let i = 0; i < 400; i++) {
      store.put(key(i))
      if (i < 200) store.scheduler.flushedSync()
    }
    const installed = store.installations.length
    const waiting = [store.scheduler.flushed(), store.scheduler.compactRange({}), store.scheduler.idle(), store.scheduler.progress()]
    store.scheduler.stop(new StoreError('ERR_BACKGROUND', 'stopped'))
    const settled = await Promise.allSettled(waiting)
    expect(settled.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected', 'rejected'])
    await store.scheduler.close()
    expect(store.installations).toHaveLength(installed)
    expect(store.strayReferences()).toBe(0)
  })

  test('a sync that turns out to have failed after it was overtaken on the spot is reported', async () => {
    const store = new FakeStore()
    let fail: (error: Error) => void = () => {}
    store.sync = {
      runSync: () => {},
      run: () =>
        new Promise((_, reject) => {
          fail = reject
        }),
    }
    for (let i = 0; i < 40; i++) store.put(key(i))
    while (store.started.length === 0 || !store.scheduler.stats().isFlushRunning) await new Promise(setImmediate)
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
    store.scheduler.flushedSync()
    expect(store.errors).toEqual([])
    fail(new StoreError('ERR_IO', 'late'))
    await new Promise(setImmediate)
    expect(store.errors).toMatchObject([{ code: 'ERR_IO', message: 'late' }])
  })
})

describe('pausing and closing', () => {
  test('a paused scheduler starts nothing', async () => {
    const store = new FakeStore()
    store.scheduler.pause()
    for (let i = 0; i < 80; i++) store.put(key(i))
    await store.scheduler.idle()
    expect(store.started).toEqual([])
    store.scheduler.resume()
    await store.scheduler.flushed()
    expect(store.visible()).toHaveLength(80)
  })

  test.each(['close', 'closeSync'] as const)(
    '%s lets the running flush end, cancels the compaction and leaves no stray file',
    async (how) => {
      const store = new FakeStore()
      const model = new Map<string, string>()
      writeAtRandom(store, new Random(1), 2000, 500, model)
      while (!store.scheduler.stats().isCompactionRunning) await new Promise(setImmediate)
      store.roll()
      const compactions = store.compactions.length
      const waiting = store.scheduler.idle()
      const closed = store.scheduler[how]()
      await expect(waiting).rejects.toMatchObject({ code: 'ERR_NOT_OPEN' })
      await closed
      expect(store.scheduler.stats()).toMatchObject({ isFlushRunning: false, isCompactionRunning: false })
      expect(store.compactions).toHaveLength(compactions)
      expect(store.visible()).toEqual(contentOf(model))
      expect(store.files()).toEqual(store.liveFiles())
      expect(store.strayReferences()).toBe(0)
      await expect(store.scheduler.flushed()).rejects.toMatchObject({ code: 'ERR_NOT_OPEN' })
      await expect(store.scheduler.compactRange({})).rejects.toMatchObject({ code: 'ERR_NOT_OPEN' })
    },
  )
})

function readFile(store: FakeStore, name: string): Buffer {
  const file = store.vfs.openSync(`/db/${name}`, 'read')
  const content = Buffer.alloc(file.sizeSync())
  file.readSync(content, 0, content.length, 0)
  file.closeSync()
  return content
}
