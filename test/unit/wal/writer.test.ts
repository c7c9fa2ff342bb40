/** What the writer writes, what it calls durable, and how it takes failures. */
import { describe, expect, test } from 'vitest'
import { ioError, StoreError } from '../../../src/util/errors.js'
import type { MemoryVfs, MutationKind } from '../../../src/vfs/memory.js'
import { LOG_HEADER_BYTES, SEAL_BYTES } from '../../../src/wal/format.js'
import { LogWriter, SMALL_SYNCS_MIN } from '../../../src/wal/writer.js'
import { Random } from '../../../src/util/random.js'
import { DIR, emptyDisk, encodeRecord, LogBytes, recover, testSeed } from './fixture.js'

const PATH = `${DIR}/000007.log`

function append(log: LogWriter, sequence: number, key: string): void {
  const record = encodeRecord(sequence, [{ key, value: `value of ${key}` }])
  log.appendSync(record, 0, record.length)
}

/** Lets operations of one kind on the disk fail from now on. */
function failing(vfs: MemoryVfs, kind: MutationKind): void {
  vfs.onMutation = (_, each, path) => {
    if (each === kind) throw ioError(Object.assign(new Error(`EIO: ${kind}`), { code: 'EIO' }), kind, path)
  }
}

function code(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    if (error instanceof StoreError) return error.code
    throw error
  }
  return 'none'
}

describe('a log', () => {
  test('is written with one write for each record, and reads back', () => {
    const vfs = emptyDisk()
    const log = LogWriter.createSync(vfs, DIR, 7)
    const writes: string[] = []
    vfs.onMutation = (_, kind) => writes.push(kind)
    append(log, 1, 'a')
    append(log, 2, 'b')
    expect(writes).toEqual(['write', 'write'])
    const { report, applied } = recover(vfs, 7)
    expect(applied).toEqual(['1 put a=value of a', '2 put b=value of b'])
    expect(report.validBytes).toBe(log.offset)
  })

  test('takes a record from the middle of a buffer and touches nothing beside it', () => {
    const vfs = emptyDisk()
    const log = LogWriter.createSync(vfs, DIR, 7)
    const record = encodeRecord(1, [{ key: 'a' }])
    const buffer = Buffer.concat([Buffer.from('before'), record, Buffer.from('after')])
    log.appendSync(buffer, 6, 6 + record.length)
    expect(buffer.subarray(0, 6).toString()).toBe('before')
    expect(buffer.subarray(6 + record.length).toString()).toBe('after')
    expect(recover(vfs, 7).applied).toEqual(['1 delete a'])
  })

  test('has the bytes of the format: each record claims what was synced before it', async () => {
    const vfs = emptyDisk()
    const log = LogWriter.createSync(vfs, DIR, 7)
    const expected = new LogBytes(7)
    append(log, 1, 'a')
    expected.puts('a')
    await log.sync()
    append(log, 2, 'b')
    expected.syncedPuts('b')
    append(log, 3, 'c')
    expected.record([{ key: 'c', value: 'value of c' }], expected.ends[0])
    log.syncSync()
    log.writeSealSync()
    expected.seal()
    expect(vfs.readFile(PATH)).toEqual(expected.bytes)
  })

  test('does not take a number twice', () => {
    const vfs = emptyDisk()
    LogWriter.createSync(vfs, DIR, 7)
    expect(code(() => LogWriter.createSync(vfs, DIR, 7))).toBe('ERR_IO')
  })

  test('leaves no file behind when its header cannot be written', () => {
    const vfs = emptyDisk()
    vfs.capacityBytes = LOG_HEADER_BYTES - 1
    expect(code(() => LogWriter.createSync(vfs, DIR, 7))).toBe('ERR_DISK_FULL')
    expect(vfs.files()).toEqual([])
    expect(vfs.openHandleCount).toBe(0)
  })

  test('can be closed twice, and takes nothing afterwards', () => {
    const log = LogWriter.createSync(emptyDisk(), DIR, 7)
    log.closeSync()
    log.closeSync()
    expect(() => append(log, 1, 'a')).toThrow('closed')
  })
})

describe('a sync', () => {
  test('covers what was appended before it, and its name the first time', async () => {
    const vfs = emptyDisk()
    const log = LogWriter.createSync(vfs, DIR, 7)
    append(log, 1, 'a')
    expect([log.isSynced, log.isNameSynced]).toEqual([false, false])
    const end = log.offset
    const kinds: string[] = []
    vfs.onMutation = (_, kind) => kinds.push(kind)
    const pending = log.sync()
    append(log, 2, 'b')
    await pending
    expect([log.syncedOffset, log.isSynced, log.isNameSynced]).toEqual([end, false, true])
    await log.sync()
    expect([log.syncedOffset, log.isSynced]).toEqual([log.offset, true])
    expect(kinds).toEqual(['write', 'sync', 'syncDir', 'sync'])
  })

  test('may overlap another one', async () => {
    const vfs = emptyDisk()
    const log = LogWriter.createSync(vfs, DIR, 7)
    append(log, 1, 'a')
    const first = log.sync()
    append(log, 2, 'b')
    const second = log.sync()
    await Promise.all([second, first])
    expect(log.isSynced).toBe(true)
    append(log, 3, 'c')
    const crashed = vfs.crashClone({ unsyncedPercent: 0, seed: 1 })
    expect(recover(crashed, 7).applied).toHaveLength(2)
  })

  test('survives the loss of everything unsynced', () => {
    const vfs = emptyDisk()
    const log = LogWriter.createSync(vfs, DIR, 7)
    append(log, 1, 'a')
    log.syncSync()
    append(log, 2, 'b')
    expect(recover(vfs.crashClone({ unsyncedPercent: 0, seed: 1 }), 7).applied).toEqual(['1 put a=value of a'])
  })

  test('is not needed by a log without records', () => {
    expect(LogWriter.createSync(emptyDisk(), DIR, 7).isSynced).toBe(true)
  })

  test('may be pending when the log is closed', async () => {
    const log = LogWriter.createSync(emptyDisk(), DIR, 7)
    append(log, 1, 'a')
    const pending = log.sync().then(
      () => 'synced',
      (error: StoreError) => error.code,
    )
    log.closeSync()
    expect(['synced', 'ERR_IO']).toContain(await pending)
  })
})

describe('a seal', () => {
  test('claims the whole log and is written once', () => {
    const vfs = emptyDisk()
    const log = LogWriter.createSync(vfs, DIR, 7)
    append(log, 1, 'a')
    log.syncSync()
    const end = log.offset
    log.writeSealSync()
    log.writeSealSync()
    expect(log.offset).toBe(end + SEAL_BYTES)
    expect(log.isSynced).toBe(true)
    expect(recover(vfs, 7).report).toMatchObject({ isDurable: true, records: 1, syncedOffset: end, lastSequence: 1 })
  })

  test('may be followed by records', () => {
    const vfs = emptyDisk()
    const log = LogWriter.createSync(vfs, DIR, 7)
    append(log, 1, 'a')
    log.writeSealSync()
    append(log, 2, 'b')
    expect(recover(vfs, 7).applied).toHaveLength(2)
  })

  test('is not written to an empty log', () => {
    const vfs = emptyDisk()
    LogWriter.createSync(vfs, DIR, 7).writeSealSync()
    expect(vfs.readFile(PATH)).toHaveLength(LOG_HEADER_BYTES)
  })
})

describe('a failure', () => {
  test('of a write ends the log before that record', async () => {
    const vfs = emptyDisk()
    const log = LogWriter.createSync(vfs, DIR, 7)
    append(log, 1, 'a')
    const end = log.offset
    for (let room = 0; room < 40; room++) {
      const disk = vfs.processKillClone()
      const again = await reopenedWriter(disk)
      disk.capacityBytes = disk.usedBytes + room
      expect(code(() => append(again, 2, 'b'))).toBe('ERR_DISK_FULL')
      expect(again.isBroken).toBe(true)
      disk.capacityBytes = Infinity
      expect(code(() => append(again, 2, 'b'))).toBe('ERR_BACKGROUND')
      expect(again.offset).toBe(LOG_HEADER_BYTES + end - LOG_HEADER_BYTES)
      again.writeSealSync()
      const { report, applied } = recover(disk, 8)
      expect(applied).toEqual(['1 put a=value of a'])
      expect(report.validBytes + report.tornBytes).toBeLessThanOrEqual(end + room)
    }
  })

  test('of a write leaves what was written before to be synced, cut and sealed', async () => {
    const vfs = emptyDisk()
    const log = LogWriter.createSync(vfs, DIR, 7)
    append(log, 1, 'a')
    vfs.capacityBytes = vfs.usedBytes + 10
    expect(code(() => append(log, 2, 'b'))).toBe('ERR_DISK_FULL')
    vfs.capacityBytes = Infinity
    await log.sync()
    expect(log.isSynced).toBe(true)
    log.truncateToLastRecordSync()
    log.writeSealSync()
    expect(code(() => append(log, 2, 'b'))).toBe('ERR_BACKGROUND')
    const { report } = recover(vfs, 7)
    expect(report).toMatchObject({ records: 1, tornBytes: 0, isDurable: true })
  })

  test.each(['sync', 'syncDir'] as const)('of %s ends the log for ever', async (kind) => {
    for (const isAsync of [false, true]) {
      const vfs = emptyDisk()
      const log = LogWriter.createSync(vfs, DIR, 7)
      append(log, 1, 'a')
      failing(vfs, kind)
      if (isAsync) await expect(log.sync()).rejects.toMatchObject({ code: 'ERR_IO' })
      else expect(code(() => log.syncSync())).toBe('ERR_IO')
      vfs.onMutation = undefined
      expect([log.isBroken, log.isSynced, log.syncedOffset]).toEqual([true, false, 0])
      expect(code(() => log.syncSync())).toBe('ERR_BACKGROUND')
      await expect(log.sync()).rejects.toMatchObject({ code: 'ERR_BACKGROUND', cause: expect.objectContaining({ code: 'ERR_IO' }) })
      expect(code(() => append(log, 2, 'b'))).toBe('ERR_BACKGROUND')
      expect(code(() => log.writeSealSync())).toBe('ERR_BACKGROUND')
    }
  })

  test('of one sync makes a sync that overlapped it worthless', async () => {
    const vfs = emptyDisk()
    const log = LogWriter.createSync(vfs, DIR, 7)
    append(log, 1, 'a')
    let syncs = 0
    vfs.onMutation = (_, kind, path) => {
      if (kind === 'sync' && syncs++ === 0) throw ioError(Object.assign(new Error('EIO'), { code: 'EIO' }), 'sync', path)
    }
    const results = await Promise.allSettled([log.sync(), log.sync()])
    expect(results.map((result) => result.status)).toEqual(['rejected', 'rejected'])
    expect(log.syncedOffset).toBe(0)
  })
})

describe('space that is reserved', () => {
  const RESERVED = 1000

  /** A log that takes records and syncs, and has reserved space when there were enough. */
  function reserving(records: number, valueBytes = 10) {
    const vfs = emptyDisk()
    const log = LogWriter.createSync(vfs, DIR, 7, RESERVED)
    const write = (sequence: number): void => {
      const record = encodeRecord(sequence, [{ key: `k${sequence}`, value: 'v'.repeat(valueBytes) }])
      log.appendSync(record, 0, record.length)
    }
    for (let i = 1; i <= records; i++) {
      write(i)
      log.syncSync()
    }
    return { vfs, log, write, size: () => vfs.statSync(PATH)!.sizeBytes }
  }

  test('comes after some small syncs in a row, is used up, and comes again', () => {
    const { log, write, size } = reserving(SMALL_SYNCS_MIN)
    expect(size()).toBe(log.offset)
    write(100)
    const reserved = log.offset + RESERVED
    expect(size()).toBe(reserved)
    let sequence = 101
    while (log.offset + 100 < reserved) write(sequence++)
    expect(size()).toBe(reserved)
    while (log.offset <= reserved) write(sequence++)
    expect(size()).toBe(log.offset + RESERVED)
  })

  test('is no part of the log: nothing is torn, and the next record lies behind the last one', () => {
    const { vfs, log, write } = reserving(20)
    write(21)
    const { report, applied } = recover(vfs, 7)
    expect(applied).toHaveLength(21)
    expect(report).toMatchObject({ validBytes: log.offset, tornBytes: 0, isDurable: false })
  })

  test('does not come where much is synced at once, and ends there', () => {
    const large = reserving(20, 70_000)
    expect(large.size()).toBe(large.log.offset)
    const { log, write, size } = reserving(20)
    expect(size()).toBeGreaterThan(log.offset)
    for (let i = 21; i < 2021; i++) write(i)
    log.syncSync()
    write(2021)
    write(2022)
    for (let i = 2023; i < 2050; i++) write(i)
    const before = size()
    for (let i = 2050; i < 2100; i++) write(i)
    expect([size() > before, size()]).toEqual([true, log.offset])
  })

  test('does not come again when nothing is synced any more', () => {
    const { log, write, size } = reserving(20)
    let sequence = 21
    while (log.offset - log.syncedOffset < 70_000) write(sequence++)
    for (let i = 0; i < 100; i++) {
      write(sequence++)
      expect(size()).toBe(log.offset)
    }
  })

  test('is taken off by a seal, and passed over where it cannot be', () => {
    for (const isRefused of [false, true]) {
      const { vfs, log, size } = reserving(20)
      if (isRefused) failing(vfs, 'truncate')
      log.writeSealSync()
      expect(size() === log.offset).toBe(!isRefused)
      expect(recover(vfs, 7).report).toMatchObject({ records: 20, tornBytes: 0, isDurable: true, validBytes: log.offset })
    }
  })

  test('does without when the disk is full, and leaves the room to others', () => {
    const { vfs, log, write, size } = reserving(SMALL_SYNCS_MIN)
    vfs.capacityBytes = vfs.usedBytes + 300
    write(100)
    expect(size()).toBe(log.offset)
    write(101)
    log.syncSync()
    expect(size()).toBe(log.offset)
    expect(recover(vfs, 7, { firstSequence: undefined, salvage: true }).report.records).toBe(SMALL_SYNCS_MIN + 2)
  })

  test('hides no damage: a record that was synced and is zeroed now is missed', () => {
    const { vfs, log } = reserving(20)
    const bytes = vfs.readFile(PATH)
    expect(bytes.length).toBeGreaterThan(log.offset)
    const { report } = recover(vfs, 7)
    const start = LOG_HEADER_BYTES + ((report.validBytes - LOG_HEADER_BYTES) / 20) * 10
    bytes.fill(0, Math.floor(start) - 60, Math.floor(start) + 60)
    vfs.writeFile(PATH, bytes)
    expect(code(() => recover(vfs, 7))).toBe('ERR_CORRUPTION')
  })

  test('may come back from a power loss as anything: what was synced is there, and no hole', () => {
    const seed = testSeed()
    const random = new Random(seed)
    for (let round = 0; round < 300; round++) {
      const { vfs, write } = reserving(SMALL_SYNCS_MIN + random.below(12), random.pick([1, 200]))
      const synced = recover(vfs, 7).applied.length
      const unsynced = random.below(30)
      for (let i = 0; i < unsynced; i++) write(synced + 1 + i)
      const wreck = vfs.crashClone({ unsyncedPercent: random.pick([0, 30, 70, 100]), seed: random.uint32() })
      const { report, applied } = recover(wreck, 7)
      expect(report.damage, `VARVE_SEED=${seed} round ${round}`).toEqual([])
      expect(applied.length).toBeGreaterThanOrEqual(synced)
      expect(applied).toEqual(recover(vfs, 7).applied.slice(0, applied.length))
    }
  })
})

/** A fresh log 8 with the first record. */
async function reopenedWriter(disk: MemoryVfs): Promise<LogWriter> {
  const log = LogWriter.createSync(disk, DIR, 8)
  append(log, 1, 'a')
  await log.sync()
  return log
}
