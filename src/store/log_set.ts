/**
 * The write-ahead logs of a running store: the one that is written, and older ones that some memtable still needs.
 *
 * Invariants
 * 1. Records go to the logs in sequence order, and a log is complete before the next one is begun.
 * 2. A sync covers the logs in order, oldest first: a synced record never has an unsynced one before it. Otherwise a power loss could keep
 *    a late write and lose an early one.
 * 3. A log file is made when its first record is written, so that a store that is only read makes none.
 * 4. After a write that the disk had no room for, the log ends before that write, and the following record goes to a new log.
 */
import type { Clock } from '../util/clock.js'
import { isShortage } from '../util/errors.js'
import type { Vfs } from '../vfs/vfs.js'
import { LogWriter } from '../wal/writer.js'
import { RecordBuffer } from './record_buffer.js'
import { SyncGate } from './sync_gate.js'

/** With `walSync: 'none'`: bytes of records kept in the process before they are written to the operating system. */
export const BUFFERED_LOG_BYTES_MAX: number = 64 * 1024

/** Something that must become durable before the logs are synced, in both forms. */
export interface DurableFloor {
  /** Whether it is durable already. */
  readonly isReached: boolean
  wait(): Promise<void>
  waitSync(): void
}

/** Writes records and syncs them. */
export class LogSet {
  /** Records written. */
  recordCount = 0
  /** Bytes written to logs. */
  writtenBytes = 0
  /** Syncs made. */
  syncCount = 0
  readonly #vfs: Vfs
  readonly #dir: string
  readonly #allocateNumber: () => number
  readonly #gate: SyncGate
  readonly #reserveBytes: number
  #nextNumber: number
  #current: LogWriter | undefined
  #older: LogWriter[] = []
  readonly #buffered = new RecordBuffer()
  #bufferedSequence = 0
  #floor: DurableFloor | undefined

  /**
   * @param allocateNumber gives the number of the first log, and of those that were not planned (after a full disk).
   * @param clock times syncs.
   * @param reserveBytes bytes that a log reserves at a time, at most.
   */
  constructor(vfs: Vfs, dir: string, allocateNumber: () => number, clock: Clock, reserveBytes: number) {
    this.#vfs = vfs
    this.#dir = dir
    this.#nextNumber = allocateNumber()
    this.#allocateNumber = allocateNumber
    this.#gate = new SyncGate(clock)
    this.#reserveBytes = reserveBytes
  }

  /** Whether records wait in the process (`walSync: 'none'`). */
  get hasBuffered(): boolean {
    return this.#buffered.operationCount > 0
  }

  /** Bytes held in buffers. */
  get bufferBytes(): number {
    return this.#buffered.buffer.length
  }

  /** Hands a record to the operating system. */
  append(record: RecordBuffer, baseSequence: number): void {
    if (this.hasBuffered) this.writeBuffered()
    record.setBaseSequence(baseSequence)
    const log = this.#writer()
    log.appendSync(record.buffer, 0, record.end)
    this.recordCount++
    this.writtenBytes += record.end
  }

  /** Keeps a record in the process, to be written with others as one record. */
  buffer(record: RecordBuffer, baseSequence: number): void {
    // Written before the record is taken over, so that a failure leaves the record outside.
    if (this.#buffered.operationBytes + record.operationBytes > BUFFERED_LOG_BYTES_MAX) this.writeBuffered()
    if (!this.hasBuffered) this.#bufferedSequence = baseSequence
    this.#buffered.absorb(record)
  }

  /** Writes what was kept in the process. When the disk is full it stays kept, for the next attempt. */
  writeBuffered(): void {
    const { hasBuffered } = this
    if (!hasBuffered) return
    const record = this.#buffered
    record.setBaseSequence(this.#bufferedSequence)
    this.#writer().appendSync(record.buffer, 0, record.end)
    this.recordCount++
    this.writtenBytes += record.end
    record.reset()
  }

  /** Begins a new log with the following record. The caller has written what was buffered. */
  roll(number: number): void {
    if (this.#current !== undefined) this.#older.push(this.#current)
    this.#current = undefined
    this.#nextNumber = number
  }

  /**
   * After a write that failed for lack of space: cuts off what was written of it, and begins a new log.
   *
   * @throws StoreError when the log cannot be cut: its tail is then unknown and the store must stop.
   */
  abandonFailedWrite(): void {
    const failed = this.#current
    if (failed === undefined || !failed.isBroken) return
    failed.truncateToLastRecordSync()
    this.roll(this.#allocateNumber())
  }

  /**
   * Sets what has to be durable before any record: operations that were recovered from logs of an earlier process. A sync of those logs
   * would prove nothing, because an earlier sync of them may have failed unnoticed; they become durable as a table.
   */
  setFloor(floor: DurableFloor | undefined): void {
    this.#floor = floor
  }

  /** Waits on the spot for what has to be durable before any record. @throws StoreError when it cannot become so now */
  waitForFloorSync(): void {
    this.#floor?.waitSync()
  }

  /** Whether the next sync should be made on the spot: it would take no time worth mentioning. */
  mayBlock(): boolean {
    return (this.#floor === undefined || this.#floor.isReached) && this.#gate.mayBlock()
  }

  /** Makes all records durable that were written, waiting for the disk on the spot. The caller has written what was buffered. */
  syncSync(): void {
    this.waitForFloorSync()
    for (const log of this.#older) if (!log.isSynced) this.#syncLogSync(log)
    if (this.#current !== undefined && !this.#current.isSynced) this.#syncLogSync(this.#current)
  }

  /** As `syncSync`, for what was written so far, through the thread pool. */
  async sync(): Promise<void> {
    await this.#floor?.wait()
    for (const log of [...this.#older, ...(this.#current === undefined ? [] : [this.#current])]) {
      // A log that was retired meanwhile is in a table.
      if (log.isSynced || !this.#isHeld(log)) continue
      this.syncCount++
      const startMs = this.#gate.nowMs()
      await log.sync()
      this.#gate.pooled(startMs)
    }
  }

  /** Lets go of logs that no memtable needs. */
  retireBelow(number: number): void {
    const retired = this.#older.filter((log) => log.logNumber < number)
    this.#older = this.#older.filter((log) => log.logNumber >= number)
    for (const log of retired) log.closeSync()
  }

  /** At a clean close: syncs everything and marks the ends, so that damage can be told from a torn tail. */
  sealSync(): void {
    this.writeBuffered()
    this.syncSync()
    for (const log of this.#older) log.writeSealSync()
    this.#current?.writeSealSync()
  }

  /** Closes all files. */
  closeSync(): void {
    for (const log of this.#older) log.closeSync()
    this.#current?.closeSync()
    this.#older = []
    this.#current = undefined
  }

  #syncLogSync(log: LogWriter): void {
    const startMs = this.#gate.nowMs()
    log.syncSync()
    this.#gate.blocked(startMs)
    this.syncCount++
  }

  #writer(): LogWriter {
    const log = this.#current
    if (log !== undefined) return log
    const made = this.#makeLog()
    this.#current = made
    return made
  }

  #makeLog(): LogWriter {
    try {
      return LogWriter.createSync(this.#vfs, this.#dir, this.#nextNumber, this.#reserveBytes)
    } catch (error) {
      // The name may be taken by what the failed attempt left: take another number for the next attempt.
      if (isShortage(error)) this.#nextNumber = this.#allocateNumber()
      throw error
    }
  }

  #isHeld(log: LogWriter): boolean {
    return log === this.#current || this.#older.includes(log)
  }
}
