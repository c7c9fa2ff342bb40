/** Several logs as one history: order, gaps, what is dropped and what is damage, and the power cut at every write. */
import { describe, expect, test } from 'vitest'
import { StoreError } from '../../../src/util/errors.js'
import { Random } from '../../../src/util/random.js'
import { runTaskSync } from '../../../src/util/task.js'
import type { MemoryVfs } from '../../../src/vfs/memory.js'
import type { Vfs } from '../../../src/vfs/vfs.js'
import { logFileName } from '../../../src/wal/format.js'
import { type LogsRecoveryReport, recoverLogs } from '../../../src/wal/recovery.js'
import { LogWriter } from '../../../src/wal/writer.js'
import { type Applied, collector, DIR, emptyDisk, encodeRecord, LogBytes, testSeed } from './fixture.js'

function recoverAll(
  vfs: Vfs,
  numbers: readonly number[],
  firstSequence = 1,
  salvage = false,
): { readonly report: LogsRecoveryReport; readonly applied: Applied[] } {
  const { applied, onRecord } = collector()
  return { report: runTaskSync(recoverLogs(vfs, DIR, numbers, firstSequence, { salvage }, onRecord)), applied }
}

function disk(...logs: readonly LogBytes[]): MemoryVfs {
  const vfs = emptyDisk()
  for (const log of logs) vfs.writeFile(`${DIR}/${logFileName(log.logNumber)}`, log.bytes)
  return vfs
}

function keys(applied: readonly Applied[]): string {
  return applied.map((line) => line.split(' ')[2]!.split('=')[0]!).join('')
}

function failure(action: () => unknown): StoreError {
  try {
    action()
  } catch (error) {
    if (error instanceof StoreError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('logs', () => {
  test('are read in the order of their numbers, whatever order they are given in', () => {
    const vfs = disk(new LogBytes(3, 1).puts('a', 'b'), new LogBytes(9, 3).puts('c'), new LogBytes(12, 4).puts('d'))
    const { report, applied } = recoverAll(vfs, [12, 3, 9])
    expect(keys(applied)).toBe('abcd')
    expect(report).toMatchObject({ lastSequence: 4, records: 4, operations: 4, droppedLogs: [], unsyncedLogs: [3, 9, 12], tornBytes: 0 })
    expect(report.logs.map((log) => log.logNumber)).toEqual([3, 9, 12])
  })

  test('may be none, or empty ones between others', () => {
    expect(recoverAll(emptyDisk(), [], 8).report).toMatchObject({ lastSequence: 7, records: 0 })
    const vfs = disk(new LogBytes(3, 1).puts('a'), new LogBytes(4), new LogBytes(5, 2).puts('b'))
    vfs.writeFile(`${DIR}/000006.log`, Buffer.alloc(0))
    expect(keys(recoverAll(vfs, [3, 4, 5, 6]).applied)).toBe('ab')
  })

  test('that are durable need no further care', () => {
    const vfs = disk(new LogBytes(3, 1).puts('a').seal(), new LogBytes(9, 2).puts('b'))
    expect(recoverAll(vfs, [3, 9]).report.unsyncedLogs).toEqual([9])
  })

  test('go on after a torn tail: the write that was cut was made again in the next log', () => {
    const first = new LogBytes(3, 1).puts('a', 'b')
    first.bytes = first.bytes.subarray(0, first.bytes.length - 3)
    const { report, applied } = recoverAll(disk(first, new LogBytes(9, 2).syncedPuts('c')), [3, 9])
    expect(keys(applied)).toBe('ac')
    expect(report.tornBytes).toBeGreaterThan(0)
  })

  test('are closed when one of them fails', () => {
    const vfs = disk(new LogBytes(3, 1).puts('a').seal())
    const damaged = vfs.readFile(`${DIR}/000003.log`)
    damaged[40]! ^= 1
    vfs.writeFile(`${DIR}/000003.log`, damaged)
    expect(failure(() => recoverAll(vfs, [3])).code).toBe('ERR_CORRUPTION')
    expect(failure(() => recoverAll(vfs, [3, 4], 1, true)).code).toBe('ERR_IO')
    expect(vfs.openHandleCount).toBe(0)
  })
})

describe('a gap between two logs', () => {
  test('drops the second one when it was never synced', () => {
    const { report, applied } = recoverAll(disk(new LogBytes(3, 1).puts('a'), new LogBytes(9, 5).puts('e', 'f')), [3, 9])
    expect(keys(applied)).toBe('a')
    expect(report).toMatchObject({ droppedLogs: [9], lastSequence: 1, unsyncedLogs: [3] })
  })

  test('is damage when the second one was synced, even if only its torn end claims it', () => {
    for (const later of [
      new LogBytes(9, 5).syncedPuts('e'),
      new LogBytes(9, 5).puts('e').syncedPuts('f'),
      new LogBytes(9, 5).puts('e').seal(),
    ]) {
      const error = failure(() => recoverAll(disk(new LogBytes(3, 1).puts('a'), later), [3, 9]))
      expect([error.code, error.path]).toEqual(['ERR_CORRUPTION', `${DIR}/000009.log`])
    }
  })

  test('is damage when the second one claims to be synced behind a torn place only', () => {
    const later = new LogBytes(9, 5).puts('e', 'f')
    later.record([{ key: 'g' }], later.ends[0])
    later.bytes[later.ends[0]! + 25]! ^= 1
    expect(failure(() => recoverAll(disk(new LogBytes(3, 1).puts('a'), later), [3, 9])).code).toBe('ERR_CORRUPTION')
  })

  test('before the first log is one too: it begins behind what the tables hold', () => {
    expect(recoverAll(disk(new LogBytes(9, 5).puts('e')), [9], 3).report.droppedLogs).toEqual([9])
    expect(failure(() => recoverAll(disk(new LogBytes(9, 5).syncedPuts('e')), [9], 3)).code).toBe('ERR_CORRUPTION')
  })

  test('does not concern a third one that goes on where the first ends', () => {
    const vfs = disk(new LogBytes(3, 1).puts('a'), new LogBytes(9, 5).puts('e'), new LogBytes(12, 2).syncedPuts('b', 'c').seal())
    const { report, applied } = recoverAll(vfs, [3, 9, 12])
    expect(keys(applied)).toBe('abc')
    expect(report).toMatchObject({ droppedLogs: [9], lastSequence: 3 })
  })

  test('drops a third one that goes on where the dropped one ends', () => {
    const vfs = disk(new LogBytes(3, 1).puts('a'), new LogBytes(9, 5).puts('e'), new LogBytes(12, 6).puts('f'))
    expect(recoverAll(vfs, [3, 9, 12])).toMatchObject({ applied: { length: 1 }, report: { droppedLogs: [9, 12] } })
  })

  test('is reported and jumped over in salvage mode, if the log was synced', () => {
    const vfs = disk(new LogBytes(3, 1).puts('a'), new LogBytes(9, 5).puts('e').seal())
    const { report, applied } = recoverAll(vfs, [3, 9], 1, true)
    expect(applied).toEqual(['1 put a=value of a', '5 put e=value of e'])
    expect(report.damage).toMatchObject([{ path: `${DIR}/000009.log`, firstLostSequence: 2, endLostSequence: 5 }])
    expect(recoverAll(disk(new LogBytes(9, 5).puts('e')), [9], 1, true).report.droppedLogs).toEqual([9])
  })

  test('to smaller sequences is damage always', () => {
    const vfs = disk(new LogBytes(3, 1).puts('a', 'b'), new LogBytes(9, 2).puts('c'))
    expect(failure(() => recoverAll(vfs, [3, 9])).code).toBe('ERR_CORRUPTION')
    expect(keys(recoverAll(vfs, [3, 9], 1, true).applied)).toBe('ab')
  })
})

/** A store's logs, with what was written and how much of it is promised to survive a power loss. */
class LogHistory {
  readonly vfs: MemoryVfs
  readonly history: Applied[] = []
  /** Operations promised to survive. */
  synced = 0
  readonly numbers: number[] = []
  #logs: LogWriter[] = []
  #nextNumber = 1

  constructor(vfs: MemoryVfs) {
    this.vfs = vfs
  }

  roll(): void {
    const log = LogWriter.createSync(this.vfs, DIR, this.#nextNumber)
    this.numbers.push(this.#nextNumber)
    this.#logs.push(log)
    this.#nextNumber += 2
  }

  /** One batch of `count` operations. */
  write(count: number, valueBytes: number): void {
    const base = this.history.length + 1
    const operations = Array.from({ length: count }, (_, i) => ({ key: `key ${base + i}`, value: 'v'.repeat(valueBytes) }))
    const record = encodeRecord(base, operations)
    for (const [i, { key, value }] of operations.entries()) this.history.push(`${base + i} put ${key}=${value}`)
    this.#logs.at(-1)!.appendSync(record, 0, record.length)
  }

  /** Oldest first, as the store does it. */
  sync(): void {
    const target = this.history.length
    for (const log of this.#logs) if (!log.isSynced) log.syncSync()
    this.synced = target
  }

  seal(): void {
    for (const log of this.#logs) log.writeSealSync()
  }
}

function present(vfs: MemoryVfs): number[] {
  return vfs.readdirSync(DIR).map((name) => Number(name.slice(0, 6)))
}

/** Checks that a disk holds whole batches, everything synced, and nothing after a hole. */
function checkPrefix(vfs: MemoryVfs, past: LogHistory, batchEnds: ReadonlySet<number>, synced: number, message: string): void {
  const { applied } = recoverAll(vfs, present(vfs))
  expect(applied, message).toEqual(past.history.slice(0, applied.length))
  expect(applied.length, message).toBeGreaterThanOrEqual(synced)
  expect(batchEnds.has(applied.length), message).toBe(true)
  const names = vfs.files()
  const again = recoverAll(vfs, present(vfs))
  expect(again.applied, message).toEqual(applied)
  expect(vfs.files()).toEqual(names)
}

describe('a power loss', () => {
  test('at any write keeps a prefix of whole batches with all that was synced', () => {
    const seed = testSeed()
    const random = new Random(seed)
    for (let round = 0; round < 12; round++) {
      const past = new LogHistory(emptyDisk())
      const batchEnds = new Set([0])
      let crashes = 0
      past.vfs.onMutation = (index) => {
        for (const unsyncedPercent of [0, 30, 70, 100]) {
          const crashSeed = random.uint32()
          const message = `VARVE_SEED=${seed} round ${round} mutation ${index} crash ${unsyncedPercent}% seed ${crashSeed}`
          checkPrefix(past.vfs.crashClone({ unsyncedPercent, seed: crashSeed }), past, batchEnds, past.synced, message)
          crashes++
        }
      }
      past.roll()
      for (let i = 0; i < 25; i++) {
        const kind = random.below(10)
        if (kind === 0) past.roll()
        else if (kind <= 2) past.sync()
        else if (kind === 3) past.seal()
        else {
          const count = random.between(1, 5)
          batchEnds.add(past.history.length + count)
          past.write(count, random.pick([0, 10, 100, 3000]))
        }
      }
      expect(crashes).toBeGreaterThan(40)
    }
  })

  test('after an earlier recovery still keeps a prefix: what recovery dropped stays dropped', () => {
    const seed = testSeed()
    const random = new Random(seed)
    for (let round = 0; round < 60; round++) {
      const message = `VARVE_SEED=${seed} round ${round}`
      const past = new LogHistory(emptyDisk())
      for (let log = 0; log < 3; log++) {
        past.roll()
        for (let i = 0; i < 4; i++) past.write(random.between(1, 3), random.pick([10, 2000, 5000]))
        if (random.chance(0.3)) past.sync()
      }
      const crashed = past.vfs.crashClone({ unsyncedPercent: 60, seed: random.uint32() })
      const { report, applied } = recoverAll(crashed, present(crashed))
      expect(applied, message).toEqual(past.history.slice(0, applied.length))
      // The store goes on in a new log, after making durable what it recovered (here: by a flush, which `firstSequence` stands for).
      const next = LogWriter.createSync(crashed, DIR, 100)
      const record = encodeRecord(report.lastSequence + 1, [{ key: 'new' }])
      next.appendSync(record, 0, record.length)
      next.syncSync()
      next.writeSealSync()
      const after = recoverAll(crashed.crashClone({ unsyncedPercent: 100, seed: 1 }), present(crashed))
      expect(after.applied, message).toEqual([...applied, `${report.lastSequence + 1} delete new`])
    }
  })
})

describe('20,000 records that were synced one by one', () => {
  test('are all recovered (S1: the reader lost all but the first 306)', () => {
    const past = new LogHistory(emptyDisk())
    past.roll()
    for (let i = 0; i < 20_000; i++) {
      past.write(1, 10)
      past.sync()
    }
    const crashed = past.vfs.crashClone({ unsyncedPercent: 0, seed: 1 })
    expect(recoverAll(crashed, [1]).applied).toEqual(past.history)
  })
})
