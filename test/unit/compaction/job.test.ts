import { describe, expect, test } from 'vitest'
import { KIND_DELETE } from '../../../src/codec/internal_key.js'
import { jobTask } from '../../../src/compaction/job.js'
import { StoreError } from '../../../src/util/errors.js'
import { Random } from '../../../src/util/random.js'
import { PAUSE, runTaskSync } from '../../../src/util/task.js'
import { FaultVfs } from '../../../src/vfs/fault.js'
import { MemoryVfs } from '../../../src/vfs/memory.js'
import { deletion, type Entry, put, randomEntries, testSeed } from '../iterator/array_iterator.js'
import { JobStore, memtableOf, viewsOf } from './job_store.js'

describe('flush', () => {
  test('writes a memtable to one table of level 0', () => {
    const store = new JobStore()
    const entries = [put('a', 1), put('b', 3), deletion('b', 4), put('c', 2)]
    const { outputs, ...counts } = store.run(
      store.flushJob(entries, [3], [[{ smallestKey: Buffer.from('b'), largestKey: Buffer.from('b') }]]),
    )
    expect(outputs.map(({ level }) => level)).toEqual([0])
    expect(store.entries(outputs[0]!.table).map(({ key, sequence }) => key + sequence)).toEqual(['a1', 'b4', 'b3', 'c2'])
    expect(outputs[0]!.table).toMatchObject({ entryCount: 4, keyCount: 3 })
    expect(counts).toMatchObject({ entriesRead: 4, entriesWritten: 4, bytesWritten: outputs[0]!.table.fileBytes })
  })

  test('leaves sequences as they are', () => {
    const store = new JobStore()
    const { outputs } = store.run(store.flushJob([put('a', 7), put('b', 9)]))
    expect(outputs[0]!.table).toMatchObject({ smallestSequence: 7, largestSequence: 9 })
  })

  test('writes nothing when nothing is left to see', () => {
    const store = new JobStore()
    const { outputs } = store.run(store.flushJob([put('a', 1), deletion('a', 2)]))
    expect(outputs).toEqual([])
    expect(store.files()).toEqual([])
  })

  test('makes one table of memtables that waited together', () => {
    const store = new JobStore()
    const older = memtableOf([put('a', 1), put('b', 2)])
    const newer = memtableOf([put('a', 3), put('c', 4)])
    const job = { ...store.flushJob([]), arenas: [older.arena, newer.arena] }
    const { outputs } = store.run(job)
    expect(outputs).toHaveLength(1)
    expect(store.entries(outputs[0]!.table).map(({ key, sequence }) => key + sequence)).toEqual(['a3', 'b2', 'c4'])
  })
})

describe('compaction', () => {
  test('every snapshot and the latest state see the same before and after', () => {
    const seed = testSeed()
    const random = new Random(seed)
    for (let round = 0; round < 40; round++) compactAtRandom(random, `VARVE_SEED=${seed} round ${round}`)
  })

  test('everything compacted without snapshots leaves one put per key, with sequence 0, and no deletion', () => {
    const store = filledStore(randomEntries(new Random(5), 300, 60))
    const before = viewsOf(store.all(), [])
    compactAll(store, [])
    const after = store.all()
    expect(viewsOf(after, [])).toEqual(before)
    expect(after.every(({ kind, sequence }) => kind !== KIND_DELETE && sequence === 0)).toBe(true)
    expect(new Set(after.map(({ key }) => key)).size).toBe(after.length)
  })

  test('deletions stay above a level that may hold their keys', () => {
    const store = new JobStore()
    store.add(6, [put('a', 1), put('m', 2), put('z', 3)], 1)
    store.add(5, [deletion('a', 4), deletion('b', 5), deletion('m', 6)], 10)
    const { outputs } = store.compact(store.plan(5, store.version.levels[5]!, 5))
    expect(outputs.flatMap(({ table }) => store.entries(table)).map(({ key }) => key)).toEqual(['a', 'm'])
  })

  test('outputs are cut along the tables below, at user keys', () => {
    const store = new JobStore()
    const keys = Array.from({ length: 200 }, (_, i) => `k${String(i).padStart(4, '0')}`)
    const below = store.add(
      6,
      keys.map((key, i) => put(key, i + 1)),
      37,
    )
    store.add(
      0,
      keys.flatMap((key, i) => [put(key, 1000 + 2 * i), put(key, 1001 + 2 * i)]),
    )
    const { outputs } = store.compact(store.plan(0, store.version.levels[0]!, 5), [1000, 1100, 1200, 1300])
    expect(outputs.length).toBeGreaterThan(4)
    const ends = outputs.slice(0, -1).map(({ table }) => Buffer.from(table.largestKey).toString())
    const boundaries = new Set(below.map((table) => Buffer.from(table.largestKey).toString()))
    expect(ends.filter((key) => boundaries.has(key)).length).toBeGreaterThanOrEqual(below.length - 2)
    for (const { table } of outputs) expect(table.fileBytes).toBeLessThan(2400)
  })

  test('a job keeps to its file numbers: with the last one the table gets longer', () => {
    const store = filledStore(randomEntries(new Random(6), 600, 300, 0))
    const before = viewsOf(store.all(), [])
    const plan = store.plan(6, store.version.levels[6]!, 6)
    expect(store.run(store.job(plan)).outputs.length).toBeGreaterThan(3)
    const job = { ...store.job(plan), fileNumberCount: 2 }
    const { outputs } = store.run(job)
    expect(outputs.map(({ table }) => table.fileNumber)).toEqual([job.firstFileNumber, job.firstFileNumber + 1])
    const inputs = plan.inputs.flatMap(({ tables }) => tables.map(({ fileNumber }) => ({ level: 6, fileNumber })))
    store.version = store.version.applyEdit({ added: outputs.map(({ level, table }) => ({ level, table })), removed: inputs })
    expect(viewsOf(store.all(), [])).toEqual(before)
  })

  test('pauses often', () => {
    const store = new JobStore()
    store.add(
      6,
      Array.from({ length: 3000 }, (_, i) => put(`key${String(i).padStart(6, '0')}`, i + 1, 'v'.repeat(100))),
      1000,
    )
    let pauses = 0
    const task = jobTask(store.job(store.plan(6, store.version.levels[6]!, 6)), { vfs: store.vfs, isCancelled: () => false })
    for (let turn = task.next(); !turn.done; turn = task.next(turn.value === PAUSE ? undefined : turn.value.runSync())) {
      if (turn.value === PAUSE) pauses++
    }
    expect(pauses).toBeGreaterThanOrEqual(5)
  })

  test('a cancelled job ends with ERR_ABORTED and leaves nothing', () => {
    const store = filledStore(randomEntries(new Random(7), 2000, 1500, 0))
    const files = store.files()
    let asked = 0
    const task = jobTask(store.job(store.plan(6, store.version.levels[6]!, 6)), { vfs: store.vfs, isCancelled: () => ++asked > 3 })
    expect(() => runTaskSync(task)).toThrow(expect.objectContaining({ code: 'ERR_ABORTED' }))
    expect(store.files()).toEqual(files)
  })

  test('a job that is given up leaves nothing', () => {
    const store = filledStore(randomEntries(new Random(8), 2000, 1500, 0))
    const files = store.files()
    const task = jobTask(store.job(store.plan(6, store.version.levels[6]!, 6)), { vfs: store.vfs, isCancelled: () => false })
    for (let i = 0; i < 4; i++) task.next()
    expect(store.files().length).toBeGreaterThan(files.length)
    task.return(undefined as never)
    expect(store.files()).toEqual(files)
  })
})

describe('a damaged or unreadable input (defect S6: it was skipped, and its data lost)', () => {
  test('ends the job with the error, at whatever byte, and deletes the outputs', () => {
    const store = filledStore(randomEntries(new Random(9), 200, 150))
    const plan = store.plan(5, store.version.levels[5]!, 6)
    const files = store.files()
    const { fileNumber, tailOffset, fileBytes } = plan.inputs[1]!.tables[1]!
    const path = `/db/${String(fileNumber).padStart(6, '0')}.sst`
    for (let offset = 3; offset < fileBytes; offset += 97) {
      const file = store.vfs.openSync(path, 'update')
      const byte = Buffer.alloc(1)
      file.readSync(byte, 0, 1, offset)
      file.writeSync(Buffer.from([byte[0]! ^ 0x10]), 0, 1, offset)
      const error = errorOf(() => store.run(store.job(plan)))
      file.writeSync(byte, 0, 1, offset)
      file.closeSync()
      expect(error, `byte ${offset} of ${fileBytes}, tail at ${tailOffset}`).toMatchObject({ code: 'ERR_CORRUPTION', path })
      expect(store.files()).toEqual(files)
    }
    store.compact(plan)
  })

  test('ends the job when a table is missing', () => {
    const store = filledStore(randomEntries(new Random(10), 200, 150))
    const plan = store.plan(5, store.version.levels[5]!, 6)
    store.vfs.unlinkSync(`/db/${String(plan.inputs[1]!.tables[0]!.fileNumber).padStart(6, '0')}.sst`)
    const files = store.files()
    expect(errorOf(() => store.run(store.job(plan)))).toMatchObject({ code: 'ERR_CORRUPTION' })
    expect(store.files()).toEqual(files)
  })

  test.each(['EIO', 'ENOSPC'] as const)('whichever operation fails with %s, the job reports it and leaves nothing', (code) => {
    for (let nth = 1; ; nth++) {
      const fault = new FaultVfs(new MemoryVfs())
      const store = filledStore(randomEntries(new Random(11), 120, 80), fault)
      const plan = store.plan(5, store.version.levels[5]!, 6)
      const files = store.files()
      const rule = fault.addRule({ operation: ['open', 'read', 'write', 'sync', 'syncDir'], nth, error: code })
      const error = errorOf(() => store.run(store.job(plan)))
      if (rule.hits === 0) {
        expect(error).toBeUndefined()
        expect(nth).toBeGreaterThan(10)
        return
      }
      expect(error, `operation ${nth}`).toBeInstanceOf(StoreError)
      expect(store.files(), `operation ${nth}`).toEqual(files)
    }
  })
})

function compactAtRandom(random: Random, replay: string): void {
  const entries = randomEntries(random, 20 + random.below(400), 1 + random.below(100), random.below(60))
  const snapshots = [...new Set(Array.from({ length: random.below(4) }, () => random.between(1, entries.length)))].toSorted((a, b) => a - b)
  const store = filledStore(entries)
  const before = viewsOf(entries, snapshots)
  for (let i = 0; i < 4; i++) {
    const filled = [0, 5, 6].filter((each) => store.version.levels[each]!.length > 0)
    if (filled.length === 0) break
    const level = random.pick(filled)
    const tables = store.version.levels[level]!
    const toLevel = level === 6 ? 6 : random.between(5, 6)
    const lowest = level === 0 && toLevel === 6 && store.version.levels[5]!.length > 0 ? 5 : Math.max(level, toLevel)
    store.compact(store.plan(level, level === 0 ? tables : [random.pick(tables)], lowest), snapshots)
    const after = store.all()
    expect(viewsOf(after, snapshots), replay).toEqual(before)
    expect(new Set(after.map(({ key, sequence }) => `${key}@${sequence}`)).size, replay).toBe(after.length)
  }
}

/** Entries on levels 6, 5 and 0, older ones deeper. */
function filledStore(entries: readonly Entry[], vfs: ConstructorParameters<typeof JobStore>[0] = new MemoryVfs()): JobStore {
  const store = new JobStore(vfs)
  const byAge = entries.toSorted((a, b) => a.sequence - b.sequence)
  const at = (share: number): number => Math.floor(byAge.length * share)
  store.add(6, byAge.slice(0, at(0.6)), 40)
  store.add(5, byAge.slice(at(0.6), at(0.8)), 40)
  store.add(0, byAge.slice(at(0.8), at(0.9)))
  store.add(0, byAge.slice(at(0.9)))
  return store
}

function compactAll(store: JobStore, snapshots: readonly number[]): void {
  store.compact(store.plan(0, store.version.levels[0]!, 5), snapshots)
  store.compact(store.plan(5, store.version.levels[5]!, 6), snapshots)
  store.compact(store.plan(6, store.version.levels[6]!, 6), snapshots)
}

function errorOf(action: () => unknown): unknown {
  try {
    action()
    return undefined
  } catch (error) {
    return error
  }
}
