/**
 * Writes one log.
 *
 * Invariants
 * 1. `offset` is the end of the last whole record that was handed to the operating system; the next one goes there, in one write.
 * 2. A failed write leaves an unknown tail. The writer appends nothing after it: a record behind a broken one would be lost to recovery.
 *    What was written before is sound, so it can still be synced.
 * 3. A failed sync ends the writer altogether. The kernel may have dropped the dirty pages and marked them clean, so that a second sync
 *    of the same file would succeed and mean nothing ("fsyncgate").
 * 4. `syncedOffset` grows only when a sync that began after those bytes were written has come back, and, the first time, the sync of the
 *    folder too: a log whose name is lost is lost.
 * 5. Behind the records lie zeroes, or nothing. After some small syncs in a row the writer fills the file with zeroes ahead of itself: a
 *    sync of bytes that the file has already takes no change of its length and no new place on the disk, so no commit of the file system's
 *    journal, and a third less time. Whether they could be written matters to nothing else: each record is written whole, over zeroes or
 *    not. A seal takes off what is left.
 */
import { assert } from '../util/assert.js'
import { readUint32, readUint53 } from '../codec/bytes.js'
import { StoreError } from '../util/errors.js'
import { closeQuietly, joinPath, writeFullySync } from '../vfs/io.js'
import type { Vfs, VfsFile } from '../vfs/vfs.js'
import { LOG_HEADER_BYTES, logFileName, RECORD_HEADER_BYTES, SEAL_BYTES, sealRecord, writeLogHeader, writePayloadPrefix } from './format.js'

/** Bytes that are filled with zeroes at a time. */
const RESERVED_BYTES: number = 256 * 1024
/** A sync of fewer bytes is a small one. */
const SMALL_SYNC_BYTES: number = 64 * 1024
/** So many small syncs in a row, and space is reserved. */
export const SMALL_SYNCS_MIN = 8

let zeroes: Buffer | undefined

/** An open log that takes records. */
export class LogWriter {
  readonly path: string
  readonly logNumber: number
  /** Bytes of the file up to the end of the last record. */
  offset: number = LOG_HEADER_BYTES
  /** Bytes known to be durable. */
  syncedOffset = 0
  /** Whether the name of the file is durable too. */
  isNameSynced = false
  readonly #vfs: Vfs
  readonly #dir: string
  readonly #file: VfsFile
  /** End of the last record that carries operations, 0 before the first one; seals need no sync. */
  #recordsEnd = 0
  /** The sequence that follows the last record; 0 before the first one. */
  #nextSequence = 0
  #writeFailure: unknown
  #syncFailure: unknown
  /** Whether bytes of unknown content may lie behind `offset`. */
  #isTailUnknown = false
  #isClosed = false
  readonly #reserveBytes: number
  #smallSyncs = 0
  /** A record that ends behind this is followed by zeroes; Infinity while no space is reserved. */
  #reservedEnd = Infinity
  /** Whether there may be zeroes behind the records. */
  #isPadded = false

  private constructor(vfs: Vfs, dir: string, logNumber: number, file: VfsFile, reserveBytes: number) {
    this.#reserveBytes = reserveBytes
    this.#vfs = vfs
    this.#dir = dir
    this.#file = file
    this.path = file.path
    this.logNumber = logNumber
  }

  /**
   * Makes the file of a new log and writes its header. A log with a taken number is an error (`EEXIST`).
   *
   * @param reserveBytes bytes to reserve at a time, once there are many small syncs.
   */
  static createSync(vfs: Vfs, dir: string, logNumber: number, reserveBytes: number = RESERVED_BYTES): LogWriter {
    assert(Number.isSafeInteger(logNumber) && logNumber > 0, 'a log number is a positive integer')
    const path = joinPath(dir, logFileName(logNumber))
    const file = vfs.openSync(path, 'create')
    const header = Buffer.alloc(LOG_HEADER_BYTES)
    writeLogHeader(header, logNumber)
    try {
      writeFullySync(file, header, 0, LOG_HEADER_BYTES, 0)
    } catch (error) {
      closeQuietly(file)
      removeLeftover(vfs, path)
      throw error
    }
    return new LogWriter(vfs, dir, logNumber, file, Math.min(reserveBytes, RESERVED_BYTES))
  }

  /** Whether all records are durable. */
  get isSynced(): boolean {
    return this.syncedOffset >= this.#recordsEnd
  }

  /** Whether the log takes no more records because an earlier write or sync failed. */
  get isBroken(): boolean {
    return this.#writeFailure !== undefined || this.#syncFailure !== undefined
  }

  /**
   * Writes the record `buffer[start, end)`, whose header was left free, in one write. On failure nothing of it counts as written, and the
   * writer takes no further record.
   *
   * Hot: one per commit group, a checksum and a write (0.7 µs for 130 bytes); `bench/micro/wal.ts` guards it.
   */
  appendSync(buffer: Buffer, start: number, end: number): void {
    this.#assertOpen()
    if (this.isBroken) throw this.#refusal()
    assert(end - start >= SEAL_BYTES, 'a log record holds at least its prefix')
    const offset = this.offset
    sealRecord(buffer, start, end, this.logNumber, offset, this.syncedOffset)
    try {
      const written = this.#file.writeSync(buffer, start, end - start, offset)
      if (written < end - start) writeFullySync(this.#file, buffer, start + written, end - start - written, offset + written)
    } catch (error) {
      this.#writeFailure = error
      this.#isTailUnknown = true
      throw error
    }
    this.offset = offset + end - start
    if (this.offset > this.#reservedEnd) {
      // When this much has been written without a sync the next one is not a small one.
      if (this.offset - this.syncedOffset < SMALL_SYNC_BYTES) this.#reserve()
      else this.#reservedEnd = Infinity
    }
    const operationCount = readUint32(buffer, start + RECORD_HEADER_BYTES + 8)
    if (operationCount === 0) return
    this.#recordsEnd = this.offset
    this.#nextSequence = readUint53(buffer, start + RECORD_HEADER_BYTES) + operationCount
  }

  /**
   * Appends a record without operations that tells how much is durable, so that damage to the last real record is not taken for a torn
   * tail. For a clean close, after a sync. Does nothing when there is no record to seal, or when bytes of a failed write lie at the end.
   */
  writeSealSync(): void {
    if (this.#syncFailure !== undefined) throw this.#refusal()
    if (this.#isTailUnknown || this.offset !== this.#recordsEnd) return
    const failure = this.#writeFailure
    this.#writeFailure = undefined
    this.#reservedEnd = Infinity
    const seal = Buffer.alloc(SEAL_BYTES)
    writePayloadPrefix(seal, RECORD_HEADER_BYTES, this.#nextSequence, 0)
    this.appendSync(seal, 0, SEAL_BYTES)
    this.#writeFailure = failure
    this.#takeOffZeroes()
  }

  /** Makes all records durable, waiting for the disk on the spot. */
  syncSync(): void {
    this.#assertOpen()
    if (this.#syncFailure !== undefined) throw this.#refusal()
    const target = this.offset
    try {
      this.#file.syncSync()
      if (!this.isNameSynced) this.#vfs.syncDirSync(this.#dir)
    } catch (error) {
      this.#syncFailure ??= error
      throw error
    }
    this.#acceptSync(target)
  }

  /** Makes what was appended before this call durable, through the thread pool. Calls may overlap. */
  async sync(): Promise<void> {
    this.#assertOpen()
    if (this.#syncFailure !== undefined) throw this.#refusal()
    const target = this.offset
    try {
      await this.#file.sync()
      if (!this.isNameSynced) await this.#vfs.syncDir(this.#dir)
    } catch (error) {
      this.#syncFailure ??= error
      throw error
    }
    // A sync that overlapped a failed one proves nothing: the failed one may have marked the pages of both as clean.
    if (this.#syncFailure !== undefined) throw this.#refusal()
    this.#acceptSync(target)
  }

  /**
   * After a failed write: cuts the file at the end of the last record, so that its end is known again. The writer still takes no
   * records; it can be synced and sealed.
   */
  truncateToLastRecordSync(): void {
    this.#assertOpen()
    this.#file.truncateSync(this.offset)
    this.#isTailUnknown = false
    this.#isPadded = false
  }

  /** Closes the file. Closing twice does nothing; a pending sync still ends well. */
  closeSync(): void {
    this.#isClosed = true
    closeQuietly(this.#file)
  }

  #acceptSync(target: number): void {
    this.isNameSynced = true
    const bytes = target - this.syncedOffset
    if (bytes <= 0) return
    this.syncedOffset = target
    if (bytes >= SMALL_SYNC_BYTES) {
      this.#smallSyncs = 0
      this.#reservedEnd = Infinity
    } else if (++this.#smallSyncs === SMALL_SYNCS_MIN) this.#reservedEnd = 0
  }

  /** Writes zeroes behind the records. A failure, of a full disk above all, means that records go on without. */
  #reserve(): void {
    const bytes = this.#reserveBytes
    zeroes ??= Buffer.alloc(RESERVED_BYTES)
    this.#reservedEnd = Infinity
    this.#isPadded = true
    try {
      writeFullySync(this.#file, zeroes, 0, bytes, this.offset)
      this.#reservedEnd = this.offset + bytes
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
      this.#takeOffZeroes()
    }
  }

  /** Cuts the file behind the records. Where that fails it keeps its zeroes, which recovery passes over. */
  #takeOffZeroes(): void {
    if (!this.#isPadded) return
    try {
      this.#file.truncateSync(this.offset)
      this.#isPadded = false
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
    }
  }

  #assertOpen(): void {
    assert(!this.#isClosed, 'a closed log takes no calls')
  }

  #refusal(): StoreError {
    const cause = this.#syncFailure ?? this.#writeFailure
    return new StoreError('ERR_BACKGROUND', `the log ${this.path} takes no more writes: an earlier one failed`, { path: this.path, cause })
  }
}

function removeLeftover(vfs: Vfs, path: string): void {
  try {
    vfs.unlinkSync(path)
  } catch {
    // Recovery takes a log without a whole header for an empty one.
  }
}
