/** What recovery makes of one log: whole, torn, damaged, salvaged. */
import { describe, expect, test } from 'vitest'
import { StoreError } from '../../../src/util/errors.js'
import { Random } from '../../../src/util/random.js'
import { checksum32 } from '../../../src/codec/checksum.js'
import { PAUSE, runTask, runTaskSync } from '../../../src/util/task.js'
import { LOG_HEADER_BYTES, PAYLOAD_PREFIX_BYTES, RECORD_HEADER_BYTES, recordSeed, sealRecord } from '../../../src/wal/format.js'
import { recoverLog } from '../../../src/wal/reader.js'
import { collector, DIR, emptyDisk, encodeRecord, LogBytes, recoverBytes, testSeed } from './fixture.js'

/** The code of the error that `action` throws, or what it returns. */
function outcome<T>(action: () => T): T | string {
  try {
    return action()
  } catch (error) {
    if (error instanceof StoreError) return error.code
    throw error
  }
}

function place(action: () => unknown): { code: string; path: string | undefined; offset: number | undefined } {
  try {
    action()
  } catch (error) {
    if (error instanceof StoreError) return { code: error.code, path: error.path, offset: error.offset }
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('a whole log', () => {
  test('gives its operations in order, with their sequences', () => {
    const log = new LogBytes(7, 40).record([{ key: 'a', value: '1' }, { key: 'b' }]).record([{ key: 'a', value: '2' }])
    const { report, applied } = recoverBytes(log.bytes, 7)
    expect(applied).toEqual(['40 put a=1', '41 delete b', '42 put a=2'])
    expect(report).toMatchObject({ records: 2, operations: 3, firstSequence: 40, lastSequence: 42, tornBytes: 0, damage: [] })
    expect(report).toMatchObject({ validBytes: log.bytes.length, fileBytes: log.bytes.length, isDurable: false, isDropped: false })
  })

  test('is known to be durable when a seal or a later record claims it', () => {
    expect(recoverBytes(new LogBytes(7).puts('a').bytes, 7).report.isDurable).toBe(false)
    expect(recoverBytes(new LogBytes(7).syncedPuts('a', 'b').bytes, 7).report.isDurable).toBe(false)
    expect(recoverBytes(new LogBytes(7).puts('a').seal().bytes, 7).report.isDurable).toBe(true)
    expect(recoverBytes(new LogBytes(7).bytes, 7).report.isDurable).toBe(true)
  })

  test('may end with preallocated zeroes', () => {
    const log = new LogBytes(7).puts('a', 'b')
    for (const zeroes of [1, RECORD_HEADER_BYTES, 5000, 3_000_000]) {
      const { report, applied } = recoverBytes(Buffer.concat([log.bytes, Buffer.alloc(zeroes)]), 7)
      expect(applied).toHaveLength(2)
      expect(report).toMatchObject({ validBytes: log.bytes.length, tornBytes: 0, damage: [] })
    }
  })

  test('may have records longer than the read buffer, which are read with bounded memory', () => {
    const log = new LogBytes(7)
    const sizes = [10, 900_000, 200_000, 3_000_000, 5, 1_048_576, 70_000, 70_000]
    for (const [index, size] of sizes.entries()) log.record([{ key: `k${index}`, value: 'x'.repeat(size) }])
    const { report, applied } = recoverBytes(log.bytes, 7)
    expect(applied.map((line) => line.length)).toEqual(sizes.map((size) => size + '1 put k1='.length))
    expect(report.tornBytes).toBe(0)
  })

  test('is handed over with pauses, so that the event loop can turn', () => {
    const log = new LogBytes(7)
    for (let i = 0; i < 30; i++) log.record([{ key: `k${i}`, value: 'x'.repeat(10_000) }])
    const vfs = emptyDisk()
    vfs.writeFile(`${DIR}/000007.log`, log.bytes)
    let recordsSincePause = 0
    let longest = 0
    const task = recoverLog(vfs, `${DIR}/000007.log`, 7, {}, () => (longest = Math.max(longest, ++recordsSincePause)))
    for (let turn = task.next(); !turn.done;) {
      if (turn.value === PAUSE) recordsSincePause = 0
      turn = task.next(turn.value === PAUSE ? undefined : turn.value.runSync())
    }
    expect(longest).toBe(7)
  })

  test('gives the same when read asynchronously', async () => {
    const log = new LogBytes(7).puts('a', 'b', 'c').record([{ key: 'long', value: 'x'.repeat(2_000_000) }])
    const vfs = emptyDisk()
    vfs.writeFile(`${DIR}/000007.log`, Buffer.concat([log.bytes, Buffer.from('torn')]))
    const { applied, onRecord } = collector()
    const report = await runTask(recoverLog(vfs, `${DIR}/000007.log`, 7, {}, onRecord), () => Promise.resolve())
    expect(applied).toHaveLength(4)
    expect(report.tornBytes).toBe(4)
    expect(vfs.openHandleCount).toBe(0)
  })
})

describe('a torn tail', () => {
  test('of any length is cut and reported', () => {
    const log = new LogBytes(7)
      .puts('a')
      .record([{ key: 'b', value: 'B' }, { key: 'c' }])
      .syncedPuts('d')
    const whole = recoverBytes(log.bytes, 7).applied
    const operationsAt = (length: number): number => [0, 1, 3, 4][log.ends.filter((end) => end <= length).length]!
    for (let length = 0; length <= log.bytes.length; length++) {
      const { report, applied } = recoverBytes(log.bytes.subarray(0, length), 7)
      expect(applied).toEqual(whole.slice(0, operationsAt(length)))
      expect(report.validBytes + report.tornBytes).toBeLessThanOrEqual(length)
      expect(report.damage).toEqual([])
    }
  })

  test('may be zeroes or garbage from any byte on', () => {
    const random = new Random(5)
    const log = new LogBytes(7).puts('a', 'b', 'c')
    const whole = recoverBytes(log.bytes, 7).applied
    for (let from = 0; from < log.bytes.length; from++) {
      for (const isGarbage of [false, true]) {
        const bytes = Buffer.from(log.bytes)
        if (isGarbage) random.fill(bytes.subarray(from))
        else bytes.fill(0, from)
        if (isGarbage) bytes[bytes.length - 1]! |= 1
        const { report, applied } = recoverBytes(bytes, 7)
        expect(applied).toEqual(whole.slice(0, log.ends.filter((end) => end <= from).length))
        if (isGarbage) expect(report.validBytes + report.tornBytes).toBe(bytes.length)
      }
    }
  })

  test('takes later records with it that survived but were not synced', () => {
    const log = new LogBytes(7).puts('a', 'b', 'c', 'd')
    log.bytes.fill(0, log.ends[0], log.ends[1])
    const { report, applied } = recoverBytes(log.bytes, 7)
    expect(applied).toEqual(['1 put a=value of a'])
    expect(report).toMatchObject({ validBytes: log.ends[0], tornBytes: log.bytes.length - log.ends[0]! })
  })

  test('is not continued by what an earlier log left in a recycled file', () => {
    const stale = new LogBytes(6).syncedPuts('a', 'b', 'c', 'd', 'e')
    const fresh = new LogBytes(7).syncedPuts('x', 'y')
    const bytes = Buffer.concat([fresh.bytes, stale.bytes.subarray(fresh.bytes.length)])
    const { report, applied } = recoverBytes(bytes, 7)
    expect(applied).toHaveLength(2)
    expect(report).toMatchObject({ validBytes: fresh.bytes.length, damage: [] })
  })

  test('is not continued by records of the same log that lie in another place', () => {
    const log = new LogBytes(7).syncedPuts('a', 'b', 'c')
    const bytes = Buffer.concat([log.bytes, Buffer.from('torn'), log.bytes.subarray(log.ends[0])])
    expect(recoverBytes(bytes, 7).report).toMatchObject({ records: 3, damage: [] })
  })
})

describe('damage', () => {
  const sealed = new LogBytes(7)
    .syncedPuts('a', 'b')
    .record([{ key: 'c' }, { key: 'd', value: 'D' }], 32)
    .seal()
  const whole = recoverBytes(sealed.bytes, 7).applied

  test('of any bit of a sealed log is an error that names file and record', () => {
    const starts = [0, LOG_HEADER_BYTES, ...sealed.ends]
    for (let byte = 0; byte < sealed.ends[2]!; byte++) {
      const start = starts.findLast((each) => each <= byte)!
      for (let bit = 0; bit < 8; bit++) {
        const bytes = Buffer.from(sealed.bytes)
        bytes[byte]! ^= 1 << bit
        expect(place(() => recoverBytes(bytes, 7))).toEqual({ code: 'ERR_CORRUPTION', path: `${DIR}/000007.log`, offset: start })
      }
    }
  })

  test('of the seal loses nothing', () => {
    for (let byte = sealed.ends[2]!; byte < sealed.bytes.length; byte++) {
      const bytes = Buffer.from(sealed.bytes)
      bytes[byte]! ^= 0x40
      expect(recoverBytes(bytes, 7).applied).toEqual(whole)
    }
  })

  test('of the last record is told from a torn tail by nothing but a seal', () => {
    const log = new LogBytes(7).syncedPuts('a', 'b')
    const damaged = Buffer.from(log.bytes)
    damaged[damaged.length - 1]! ^= 1
    expect(recoverBytes(damaged, 7).report).toMatchObject({ records: 1, tornBytes: log.ends[1]! - log.ends[0]! })
  })

  test('is an error in all of 400 random places of a long sealed log, sectors lost', () => {
    const seed = testSeed()
    const random = new Random(seed)
    const log = new LogBytes(7)
    while (log.bytes.length < 100_000)
      log.record([{ key: `k${log.nextSequence}`, value: 'v'.repeat(random.below(3000)) }], log.bytes.length)
    log.seal()
    for (let round = 0; round < 400; round++) {
      const bytes = Buffer.from(log.bytes)
      const start = random.below(log.ends.at(-2)!)
      const end = Math.min(start + random.between(1, 5000), log.ends.at(-2)!)
      if (random.chance(0.5)) bytes.fill(0, start, end)
      else random.fill(bytes.subarray(start, end))
      if (bytes.equals(log.bytes)) continue
      expect(
        outcome(() => recoverBytes(bytes, 7)),
        `VARVE_SEED=${seed} round ${round}`,
      ).toBe('ERR_CORRUPTION')
    }
  })

  test('is a header that is wrong before an intact first record, even if nothing was synced', () => {
    const log = new LogBytes(7).puts('a')
    for (let byte = 0; byte < LOG_HEADER_BYTES; byte++) {
      const bytes = Buffer.from(log.bytes)
      bytes[byte]! ^= 0x10
      expect(outcome(() => recoverBytes(bytes, 7))).toBe('ERR_CORRUPTION')
    }
  })

  test('is the log of another number', () => {
    expect(place(() => recoverBytes(new LogBytes(8).bytes, 7))).toMatchObject({ code: 'ERR_CORRUPTION', offset: 0 })
  })

  test('is a gap or a repetition of sequences behind valid checksums', () => {
    for (const next of [1, 3, 1000]) {
      const log = new LogBytes(7).puts('a')
      log.nextSequence = next
      log.puts('b')
      expect(place(() => recoverBytes(log.bytes, 7))).toMatchObject({ code: 'ERR_CORRUPTION', offset: log.ends[0] })
    }
    expect(outcome(() => recoverBytes(new LogBytes(7, 5).puts('a').bytes, 7, { firstSequence: 4 }))).toBe('ERR_CORRUPTION')
    expect(outcome(() => recoverBytes(new LogBytes(7, 0).puts('a').bytes, 7))).toBe('ERR_CORRUPTION')
    expect(outcome(() => recoverBytes(new LogBytes(7, Number.MAX_SAFE_INTEGER).puts('a').bytes, 7))).toBe('ERR_CORRUPTION')
  })

  test('is a record whose operations do not fill it, and none of them is handed over', () => {
    const record = encodeRecord(1, [{ key: 'a' }, { key: 'b' }])
    const log = new LogBytes(7)
    const more = Buffer.concat([record, Buffer.from([0])])
    for (const each of [more, record.subarray(0, record.length - 1)]) {
      const bytes = resealed(log.bytes, each)
      const { applied, onRecord } = collector()
      const vfs = emptyDisk()
      vfs.writeFile(`${DIR}/000007.log`, bytes)
      expect(outcome(() => runTaskSync(recoverLog(vfs, `${DIR}/000007.log`, 7, {}, onRecord)))).toBe('ERR_CORRUPTION')
      expect(applied).toEqual([])
    }
  })

  test('is not claimed by a record that claims more than lies before it', () => {
    const log = new LogBytes(7).puts('a', 'b')
    const [start, end] = log.ends as [number, number]
    log.bytes.writeUIntLE(end, start + 12, 6)
    log.bytes.writeUInt32LE(checksum32(log.bytes, start + 4, end, recordSeed(7, start, 0)), start)
    expect(recoverBytes(log.bytes, 7).report).toMatchObject({ records: 1, syncedOffset: 0, tornBytes: end - start })
  })

  test('costs no memory for a length that lies', () => {
    const log = new LogBytes(7).puts('a')
    const lying = encodeRecord(2, [{ key: 'b' }])
    sealRecord(lying, 0, lying.length, 7, log.bytes.length, 0)
    lying.writeUInt32LE(0xfff_0000, 4)
    expect(recoverBytes(Buffer.concat([log.bytes, lying]), 7).report).toMatchObject({ records: 1, tornBytes: lying.length })
  })
})

describe('a newer version', () => {
  test('of the file is refused', () => {
    const bytes = Buffer.from(new LogBytes(7).bytes)
    bytes.writeUInt32LE(2, 8)
    bytes.writeUInt32LE(checksum32(bytes, 0, 28, 0), 28)
    expect(place(() => recoverBytes(bytes, 7, { salvage: true }))).toMatchObject({ code: 'ERR_FORMAT_VERSION', offset: 8 })
  })

  test('of a record or an operation is refused', () => {
    const record = encodeRecord(1, [{ key: 'a' }])
    record[RECORD_HEADER_BYTES + PAYLOAD_PREFIX_BYTES] = 2
    expect(outcome(() => recoverBytes(resealed(new LogBytes(7).bytes, record), 7))).toBe('ERR_FORMAT_VERSION')
    const flagged = Buffer.from(new LogBytes(7).puts('a').bytes)
    flagged[LOG_HEADER_BYTES + 18] = 1
    const seed = recordSeed(7, LOG_HEADER_BYTES, 0)
    flagged.writeUInt32LE(checksum32(flagged, LOG_HEADER_BYTES + 4, flagged.length, seed), LOG_HEADER_BYTES)
    expect(outcome(() => recoverBytes(flagged, 7))).toBe('ERR_FORMAT_VERSION')
  })
})

describe('salvage', () => {
  const log = new LogBytes(7).syncedPuts('a', 'b', 'c', 'd').seal()

  test('skips a damaged record and reports what is lost', () => {
    const bytes = Buffer.from(log.bytes)
    bytes[log.ends[0]! + 30]! ^= 1
    const { report, applied } = recoverBytes(bytes, 7, { salvage: true, firstSequence: 1 })
    expect(applied).toEqual(['1 put a=value of a', '3 put c=value of c', '4 put d=value of d'])
    expect(report.damage).toEqual([
      {
        path: `${DIR}/000007.log`,
        offset: log.ends[0],
        endOffset: log.ends[1],
        reason: 'a record that was synced is damaged',
        firstLostSequence: 2,
        endLostSequence: 3,
      },
    ])
  })

  test('skips a damaged header', () => {
    const bytes = Buffer.from(log.bytes)
    bytes[9]! ^= 1
    const { report, applied } = recoverBytes(bytes, 7, { salvage: true, firstSequence: 1 })
    expect(applied).toHaveLength(4)
    expect(report.damage).toMatchObject([{ offset: 0, endOffset: LOG_HEADER_BYTES }])
  })

  test('skips several stretches, up to the end', () => {
    const bytes = Buffer.from(log.bytes)
    for (const at of [LOG_HEADER_BYTES + 1, log.ends[1]! + 25, log.ends[2]! + 5]) bytes[at]! ^= 1
    const { report, applied } = recoverBytes(bytes, 7, { salvage: true })
    expect(applied).toEqual(['2 put b=value of b'])
    expect(report.damage.map(({ offset, endOffset }) => [offset, endOffset])).toEqual([
      [LOG_HEADER_BYTES, log.ends[0]],
      [log.ends[1], log.ends[3]],
    ])
  })

  test('still cuts a torn tail, which is no damage', () => {
    const torn = new LogBytes(7).puts('a', 'b', 'c')
    torn.bytes[torn.ends[0]! + 25]! ^= 1
    const { report, applied } = recoverBytes(torn.bytes, 7, { salvage: true })
    expect(applied).toHaveLength(1)
    expect(report.damage).toEqual([])
  })

  test('goes on over missing sequences and skips repeated ones', () => {
    const odd = new LogBytes(7).puts('a')
    odd.nextSequence = 9
    odd.puts('b')
    odd.nextSequence = 5
    odd.puts('c')
    const { report, applied } = recoverBytes(odd.bytes, 7, { salvage: true })
    expect(applied).toEqual(['1 put a=value of a', '9 put b=value of b'])
    expect(report.damage).toMatchObject([
      { offset: odd.ends[0], endOffset: odd.ends[0], firstLostSequence: 2, endLostSequence: 9 },
      { offset: odd.ends[1], endOffset: odd.ends[2] },
    ])
  })

  test('never invents anything: each bit of a log flipped gives a part of it', () => {
    const all = recoverBytes(log.bytes, 7).applied
    for (let byte = 0; byte < log.bytes.length; byte++) {
      const bytes = Buffer.from(log.bytes)
      bytes[byte]! ^= 1 << (byte % 8)
      const applied = outcome(() => recoverBytes(bytes, 7, { salvage: true }).applied)
      expect((applied as string[]).every((line) => all.includes(line))).toBe(true)
      expect(applied.length).toBeGreaterThanOrEqual(3)
    }
  })
})

describe('the scan behind an invalid record', () => {
  test('finds a record that straddles the read buffer, at any shift', () => {
    for (let shift = -60; shift <= 60; shift += 3) {
      const log = new LogBytes(7).record([{ key: 'long', value: 'x'.repeat(1024 * 1024 + shift) }]).syncedPuts('b')
      log.bytes[LOG_HEADER_BYTES + 40]! ^= 1
      expect(outcome(() => recoverBytes(log.bytes, 7))).toBe('ERR_CORRUPTION')
    }
  })

  test('is quick over content full of the log number', () => {
    const log = new LogBytes(7).puts('a')
    const filler = Buffer.alloc(4 * 1024 * 1024)
    for (let i = 0; i < filler.length; i += 4) filler.writeUInt32LE(7, i)
    const begin = performance.now()
    expect(recoverBytes(Buffer.concat([log.bytes, filler]), 7).report.tornBytes).toBe(filler.length - 3)
    expect(performance.now() - begin).toBeLessThan(5000)
  })

  test('gives up on content made to look like records, and calls it damage', () => {
    const log = new LogBytes(7).puts('a')
    const size = 3 * 1024 * 1024
    const filler = Buffer.alloc(size)
    const start = log.bytes.length
    for (let at = 0; at + 64 < size; at += 32) {
      filler.writeUInt32LE(size - at - 32, at + 4)
      filler.writeUInt32LE(7, at + 8)
      filler.writeUIntLE(start + 1, at + 12, 6)
      filler.writeUInt32LE(2, at + 20)
      filler.writeUInt32LE(1, at + 28)
    }
    const begin = performance.now()
    expect(outcome(() => recoverBytes(Buffer.concat([log.bytes, filler]), 7))).toBe('ERR_CORRUPTION')
    expect(performance.now() - begin).toBeLessThan(5000)
    const { report } = recoverBytes(Buffer.concat([log.bytes, filler]), 7, { salvage: true })
    expect(report).toMatchObject({ records: 1, damage: [{ offset: start, endOffset: start + size }] })
  })
})

/** A log file with a record whose header is filled in. */
function resealed(log: Buffer, record: Buffer): Buffer {
  const sealed = Buffer.from(record)
  sealRecord(sealed, 0, sealed.length, 7, log.length, 0)
  return Buffer.concat([log, sealed])
}
