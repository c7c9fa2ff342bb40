/**
 * Recovers one log: hands over its records in order, cuts a torn tail, and refuses or skips damage.
 *
 * How torn and damaged are told apart stands in `record_reader.ts`. Here follows what a log adds to it:
 *
 * 1. The file header. A wrong one is treated as an invalid record at offset 0: without a claim that the log was synced, a crash cut the
 *    log short while it was made, and it is empty. But header and start of the first record share a disk sector, which is written whole or
 *    not at all: a wrong header before a valid first record is damage.
 * 2. Sequence numbers. Inside a log each record starts where the one before ended; anything else is damage even if every checksum holds.
 * 3. A record whose checksum holds is handed over only when all its operations can be read.
 *
 * Recovery writes nothing: a read-only open does the same. A log that was read is not appended to again.
 */
import { readUint32, readUint53 } from '../codec/bytes.js'
import { SEQUENCE_MAX } from '../codec/internal_key.js'
import { corruption, StoreError } from '../util/errors.js'
import { PAUSE, type Task } from '../util/task.js'
import { closeQuietly, readFullySync } from '../vfs/io.js'
import type { Vfs, VfsFile } from '../vfs/vfs.js'
import { LOG_FORMAT_VERSION, LOG_HEADER_BYTES, PAYLOAD_PREFIX_BYTES, readLogHeader } from './format.js'
import { checkOperations, OperationReader } from './operations.js'
import { type PayloadCheck, RecordReader } from './record_reader.js'

/** Bytes of payload handed over between two pauses: about a millisecond's worth of memtable inserts. */
const BYTES_PER_PAUSE: number = 64 * 1024

/** Smallest operation: a delete of the empty key. */
const OPERATION_BYTES_MIN = 2

/**
 * Takes a record: the operations lie in `buffer[payloadStart + 12, payloadEnd)` (see `OperationReader`), all of them readable. The buffer
 * is borrowed until the call returns.
 */
export type OnRecord = (
  buffer: Buffer,
  payloadStart: number,
  payloadEnd: number,
  baseSequence: number,
  operationCount: number,
  logNumber: number,
) => void

/** A stretch of a log that was skipped in salvage mode. */
export interface DamagedRegion {
  readonly path: string
  /** Bytes from `offset` to `endOffset` were skipped; none when whole records are missing without a trace. */
  readonly offset: number
  readonly endOffset: number
  readonly reason: string
  /** Sequence numbers that are lost, as far as is known: from `firstLostSequence` up to, not including, `endLostSequence`. */
  readonly firstLostSequence: number | undefined
  readonly endLostSequence: number | undefined
}

/** How to recover a log. */
export interface LogRecoveryOptions {
  /** Skips damage and reports it, instead of throwing. */
  readonly salvage?: boolean
  /** The sequence that the first record must have. */
  readonly firstSequence?: number | undefined
  /**
   * Records up to this sequence are passed over: they are in tables. A log has such records when recovery filled several memtables from
   * it, and only the first of them had become a table before the next crash.
   */
  readonly inTables?: number
  /** Reads a log that begins behind `firstSequence` for its claims only, and hands over nothing (`isDropped`). */
  readonly dropOnGap?: boolean
}

/** What was found in a log. */
export interface LogRecoveryReport {
  readonly path: string
  readonly logNumber: number
  readonly fileBytes: number
  /** Records that were handed over, and operations in them. */
  records: number
  operations: number
  /** Sequences of the first and last operation handed over; 0 when there was none. */
  firstSequence: number
  lastSequence: number
  /** Bytes up to the end of the last valid record. */
  validBytes: number
  /** Bytes of a torn tail that were cut off, trailing zeroes not counted. */
  tornBytes: number
  /** Greatest synced offset that a record claims. */
  syncedOffset: number
  /** Whether all that was handed over is known to be durable in this log. */
  isDurable: boolean
  /** Whether the log begins behind `firstSequence`; nothing was handed over. */
  isDropped: boolean
  readonly damage: DamagedRegion[]
}

/**
 * Recovers the log at `path`.
 *
 * @throws StoreError `ERR_CORRUPTION` on damage, unless `options.salvage`; `ERR_FORMAT_VERSION` for a log of a newer version.
 */
export function* recoverLog(
  vfs: Pick<Vfs, 'openSync'>,
  path: string,
  logNumber: number,
  options: LogRecoveryOptions,
  onRecord: OnRecord,
): Task<LogRecoveryReport> {
  const file = vfs.openSync(path, 'read')
  try {
    return yield* new LogRecovery(file, logNumber, options, onRecord).run()
  } finally {
    closeQuietly(file)
  }
}

class LogRecovery {
  readonly #file: VfsFile
  readonly #options: LogRecoveryOptions
  readonly #onRecord: OnRecord
  readonly #reader: RecordReader
  readonly #operations = new OperationReader()
  readonly #report: LogRecoveryReport
  /** The sequence that the next record must have; undefined while any will do. */
  #expected: number | undefined
  /** End of the last record that carries operations. */
  #recordsEnd = 0
  #bytesSincePause = 0

  constructor(file: VfsFile, logNumber: number, options: LogRecoveryOptions, onRecord: OnRecord) {
    this.#file = file
    this.#options = options
    this.#onRecord = onRecord
    this.#reader = new RecordReader({ file, fileNumber: logNumber, salt: 0, payloadBytesMin: PAYLOAD_PREFIX_BYTES }, 0)
    this.#expected = options.firstSequence
    this.#report = {
      path: file.path,
      logNumber,
      fileBytes: this.#reader.fileBytes,
      records: 0,
      operations: 0,
      firstSequence: 0,
      lastSequence: 0,
      validBytes: 0,
      tornBytes: 0,
      syncedOffset: 0,
      isDurable: true,
      isDropped: false,
      damage: [],
    }
  }

  *run(): Task<LogRecoveryReport> {
    const reader = this.#reader
    const report = this.#report
    if (yield* this.#readHeader()) {
      for (;;) {
        while (yield* reader.next()) {
          this.#take()
          if (this.#bytesSincePause < BYTES_PER_PAUSE) continue
          this.#bytesSincePause = 0
          yield PAUSE
        }
        if (!(yield* this.#passInvalid(reader.position))) break
      }
    }
    // Whether a log is dropped or damaged hangs on a claim anywhere in it, behind a torn place too.
    if (report.isDropped && reader.syncedOffset === 0) yield* reader.findClaim(this.#plausibility(reader.position))
    report.syncedOffset = reader.syncedOffset
    report.isDurable = reader.syncedOffset >= this.#recordsEnd
    return report
  }

  /** Stands on the first record afterwards; `false` when there is none. */
  *#readHeader(): Task<boolean> {
    const { logNumber, path } = this.#report
    const found = Buffer.alloc(LOG_HEADER_BYTES)
    const bytes = readFullySync(this.#file, found, 0, LOG_HEADER_BYTES, 0)
    const header = bytes < LOG_HEADER_BYTES ? undefined : readLogHeader(found)
    if (header !== undefined && header.formatVersion > LOG_FORMAT_VERSION) {
      throw new StoreError(
        'ERR_FORMAT_VERSION',
        `${path} has log format ${header.formatVersion}, newer than ${LOG_FORMAT_VERSION}: open it with a newer version`,
        {
          path,
          offset: 8,
        },
      )
    }
    if (header !== undefined && header.formatVersion === LOG_FORMAT_VERSION && header.logNumber === logNumber) {
      this.#reader.position = LOG_HEADER_BYTES
      this.#report.validBytes = LOG_HEADER_BYTES
      return true
    }
    if (header !== undefined) return yield* this.#skipDamage(0, 'this is the header of another log')
    this.#reader.position = LOG_HEADER_BYTES
    const isFollowed = yield* this.#reader.next()
    this.#reader.position = 0
    return isFollowed ? yield* this.#skipDamage(0, 'the header of this log is damaged') : yield* this.#passInvalid(0)
  }

  /** At an invalid record at `offset`: `false` when the log ends there, `true` when damage was skipped or the record is valid by now. */
  *#passInvalid(offset: number): Task<boolean> {
    const reader = this.#reader
    const end = yield* reader.assess(this.#plausibility(offset))
    if (end === 'damaged' || (end === 'torn' && reader.tornBytes > 0)) {
      // Another process may have written it after it was read, see `record_reader.ts`.
      reader.forget()
      if (yield* reader.next()) {
        reader.position = reader.recordStart
        return true
      }
    }
    if (end === 'damaged') return yield* this.#skipDamage(offset, 'a record that was synced is damaged')
    if (end === 'torn') this.#report.tornBytes = reader.tornBytes
    return false
  }

  /** Throws, or in salvage mode moves to the next valid record; `false` when there is none. */
  *#skipDamage(offset: number, reason: string): Task<boolean> {
    const { path, fileBytes } = this.#report
    if (this.#options.salvage !== true) throw corruption(reason, path, offset)
    const found = yield* this.#reader.seekValid(offset, this.#plausibility(offset))
    const endOffset = found ? this.#reader.position : fileBytes
    this.#reportDamage(offset, endOffset, reason, undefined)
    return found
  }

  /** A record whose checksum holds. */
  #take(): void {
    const { recordStart, buffer, payloadStart, payloadEnd, position } = this.#reader
    const baseSequence = readUint53(buffer, payloadStart)
    const operationCount = readUint32(buffer, payloadStart + 8)
    const operationsStart = payloadStart + PAYLOAD_PREFIX_BYTES
    if (baseSequence + operationCount > SEQUENCE_MAX) return this.#refuse(recordStart, 'a log record has impossible sequence numbers')
    const verdict = checkOperations(this.#operations, buffer, operationsStart, payloadEnd, operationCount)
    if (verdict === 'unknown kind') {
      const { path } = this.#report
      throw new StoreError('ERR_FORMAT_VERSION', `${path} has an operation that a newer version wrote: open it with that version`, {
        path,
        offset: recordStart,
      })
    }
    if (verdict === 'malformed') return this.#refuse(recordStart, 'a log record has unreadable operations')
    this.#bytesSincePause += position - recordStart
    if (operationCount === 0) {
      this.#report.validBytes = position
      return
    }
    if (!this.#isInSequence(recordStart, baseSequence, operationCount)) return
    this.#deliver(buffer, payloadStart, payloadEnd, baseSequence, operationCount)
  }

  #deliver(buffer: Buffer, payloadStart: number, payloadEnd: number, baseSequence: number, operationCount: number): void {
    const report = this.#report
    this.#expected = baseSequence + operationCount
    this.#recordsEnd = this.#reader.position
    report.validBytes = this.#reader.position
    if (report.isDropped) return
    if (report.records === 0) report.firstSequence = baseSequence
    report.records++
    report.operations += operationCount
    report.lastSequence = baseSequence + operationCount - 1
    this.#onRecord(buffer, payloadStart, payloadEnd, baseSequence, operationCount, report.logNumber)
  }

  /** Whether the record may be taken. */
  #isInSequence(recordStart: number, baseSequence: number, operationCount: number): boolean {
    const expected = this.#expected
    if (baseSequence === 0) {
      this.#refuse(recordStart, 'a log record has impossible sequence numbers')
      return false
    }
    if (expected === undefined || baseSequence === expected) return true
    if (baseSequence + operationCount - 1 <= (this.#options.inTables ?? 0)) {
      this.#recordsEnd = this.#reader.position
      this.#report.validBytes = this.#reader.position
      return false
    }
    if (baseSequence < expected) {
      this.#refuse(recordStart, `a log record repeats sequence ${baseSequence}, the next one was ${expected}`)
      return false
    }
    if (this.#options.dropOnGap === true && this.#recordsEnd === 0) {
      this.#report.isDropped = true
      return true
    }
    const reason = `records are missing: sequences ${expected} to ${baseSequence - 1}`
    if (this.#options.salvage !== true) throw corruption(reason, this.#report.path, recordStart)
    this.#reportDamage(recordStart, recordStart, reason, baseSequence)
    return true
  }

  /** Throws, or in salvage mode reports the record read last as skipped. */
  #refuse(recordStart: number, reason: string): void {
    if (this.#options.salvage !== true) throw corruption(reason, this.#report.path, recordStart)
    this.#reportDamage(recordStart, this.#reader.position, reason, undefined)
  }

  #reportDamage(offset: number, endOffset: number, reason: string, endLostSequence: number | undefined): void {
    const { path, damage } = this.#report
    const last = damage.at(-1)
    // The first record after a skipped stretch tells which sequences were lost in it.
    if (last !== undefined && last.endOffset === offset && endLostSequence !== undefined) {
      damage[damage.length - 1] = { ...last, endLostSequence }
      return
    }
    damage.push({ path, offset, endOffset, reason, firstLostSequence: this.#expected, endLostSequence })
  }

  /** Judges the payload of a candidate behind an invalid record at `offset`: its sequences must go on from the records before. */
  #plausibility(offset: number): PayloadCheck {
    // A log that may turn out to begin behind a gap has no expected sequence before its first record.
    const expected = this.#options.dropOnGap === true && this.#recordsEnd === 0 ? undefined : this.#expected
    return (buffer, at, available, payloadBytes, position) => {
      if (available < PAYLOAD_PREFIX_BYTES) return true
      const baseSequence = readUint53(buffer, at)
      const operationCount = readUint32(buffer, at + 8)
      if (operationCount * OPERATION_BYTES_MIN > payloadBytes - PAYLOAD_PREFIX_BYTES || baseSequence > SEQUENCE_MAX) return false
      if (operationCount === 0) return payloadBytes === PAYLOAD_PREFIX_BYTES
      if (expected === undefined) return true
      return baseSequence >= expected && baseSequence - expected <= (position - offset) / OPERATION_BYTES_MIN
    }
  }
}
