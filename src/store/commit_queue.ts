/**
 * Group commit: the order of all writes.
 *
 * 1. Writes that are issued in one turn collect in the *filling* group: one record, one promise for all of them.
 * 2. At the end of the turn the group is written: one record in the log, then its operations into the memtable.
 * 3. A group that must be durable waits for a sync; while one sync is in flight further groups are written, and the next sync serves all of
 *    them. Groups become visible and their promises resolve in order.
 *
 * Invariants
 * 1. Groups are written in the order in which they were begun; sequence numbers follow that order without gaps.
 * 2. Visible = acknowledged: `publish` is called for a group just before its promise resolves, never for one that failed.
 * 3. A write that has not been admitted (the memtable is full and background work is behind) waits; what comes after it waits too.
 * 4. After a failure that leaves the log in doubt nothing more is written or acknowledged.
 * 5. While an exclusive task runs (`runExclusive`) no group is written; a synchronous write first runs the task to its end.
 */
import { PAUSE, type Task, runTaskSync } from '../util/task.js'
import { StoreError } from '../util/errors.js'
import type { Clock } from '../util/clock.js'
import type { LogSet } from './log_set.js'
import type { LoopTurn } from './loop_turn.js'
import type { WalSync } from './options.js'
import { RecordBuffer } from './record_buffer.js'

/** A group takes no further writes beyond so many bytes. */
const GROUP_BYTES_MAX = 256 * 1024
/** Emptied buffers kept for later groups. */
const SPARE_BUFFERS_MAX = 4
/** With `walSync: 'none'`: milliseconds that a write stays in the process at most. */
export const BUFFERED_LOG_MS_MAX = 100

/** What the queue needs of the store around it. */
export interface CommitHost {
  /** Makes room in the active memtable; false when the write has to wait for background work. */
  admit(arenaBytes: number): boolean
  /** Blocks until `admit` may succeed. */
  waitForRoomSync(): void
  /** Milliseconds to slow writes down before the next group; 0 for none. */
  paceMs(): number
  /** Puts the operations of a record into the active memtable. */
  apply(record: RecordBuffer, baseSequence: number): void
  /** Lets readers see everything up to `sequence`. */
  publish(sequence: number): void
  /** A write failed for lack of space (`true`), or succeeded again. */
  setDiskFull(full: boolean): void
  /** The log is in doubt: stops the store. Returns the error for those who wait. */
  fail(error: unknown): StoreError
  /** Groups began or ceased to wait. */
  setWaiting(waiting: boolean): void
}

class Group {
  readonly record: RecordBuffer
  readonly promise: Promise<void>
  resolve!: () => void
  reject!: (error: unknown) => void
  needsSync = false
  lastSequence = 0

  constructor(record: RecordBuffer) {
    this.record = record
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
  }
}

/** A task that holds all other writes back, and what it failed with when a synchronous write ran it to its end. */
interface Exclusive {
  readonly task: Task<void>
  error: unknown
}

/** Orders, groups and acknowledges writes. */
export class CommitQueue {
  /** Sequence number of the last operation written, visible or not. */
  lastSequence: number
  /** Bytes of operations accepted from callers. */
  userBytes = 0
  readonly #host: CommitHost
  readonly #logs: LogSet
  readonly #clock: Clock
  readonly #turn: LoopTurn
  readonly #mode: WalSync
  readonly #syncIntervalMs: number
  #filling: Group | undefined
  #waiting: Group[] = []
  #unsynced: Group[] = []
  #isSyncing = false
  #isPaced = false
  #isBufferTimed = false
  #isSyncTimed = false
  #stopped: StoreError | undefined
  #exclusive: Exclusive | undefined
  #exclusiveWaiters: (() => void)[] = []
  readonly #spares: RecordBuffer[] = []
  readonly #syncRecord = new RecordBuffer()
  readonly #commitTurn = (): void => {
    this.#submit()
    this.#drain()
  }

  constructor(
    host: CommitHost,
    logs: LogSet,
    clock: Clock,
    turn: LoopTurn,
    settings: { readonly walSync: WalSync; readonly walSyncInterval: number },
    lastSequence: number,
  ) {
    this.#host = host
    this.#logs = logs
    this.#clock = clock
    this.#turn = turn
    this.#mode = settings.walSync
    this.#syncIntervalMs = settings.walSyncInterval
    this.lastSequence = lastSequence
  }

  /** Bytes held in record buffers. */
  get bufferBytes(): number {
    let bytes = this.#syncRecord.buffer.length + (this.#filling?.record.buffer.length ?? 0)
    for (const spare of this.#spares) bytes += spare.buffer.length
    for (const group of this.#waiting) bytes += group.record.buffer.length
    return bytes
  }

  /** Whether the queue takes nothing more. */
  get isStopped(): boolean {
    return this.#stopped !== undefined
  }

  /** Whether every accepted write has been written. */
  get isSettled(): boolean {
    return this.#filling === undefined && this.#waiting.length === 0 && this.#exclusive === undefined
  }

  /**
   * Hot: adds operations to the group of this turn. `encode` writes into the record and throws on bad input, in which case
   * nothing is added. Returns the group's promise.
   */
  fillingRecord(sync: boolean): RecordBuffer {
    if (this.#stopped !== undefined) throw this.#stopped
    let group = this.#filling
    if (group === undefined) {
      group = new Group(this.#spares.pop() ?? new RecordBuffer())
      this.#filling = group
      if (this.#turn.spend()) this.#clock.nextTurn(this.#commitTurn)
      else queueMicrotask(this.#commitTurn)
    }
    if (sync) group.needsSync = true
    return group.record
  }

  /** The promise of the group that `fillingRecord` gave out. A full group is sent off at once. */
  accepted(): Promise<void> {
    const group = this.#filling!
    if (group.record.end >= GROUP_BYTES_MAX) this.#commitTurn()
    return group.promise
  }

  /** A private record for `writeSync`. */
  syncRecord(): RecordBuffer {
    const record = this.#syncRecord
    record.reset()
    return record
  }

  /** Writes a record at once, after everything that was issued before it, waiting for disk and background work on the spot. */
  writeSync(record: RecordBuffer, sync: boolean): void {
    this.settleSync()
    if (this.#stopped !== undefined) throw this.#stopped
    const needsSync = sync || this.#mode === 'always'
    while (!this.#admit(record)) this.#host.waitForRoomSync()
    this.#writeRecord(record, needsSync)
    // Groups become visible in order, so an unsynced one before this write has to be synced first.
    if (needsSync || this.#unsynced.length > 0) this.syncSync()
    else this.#host.publish(this.lastSequence)
  }

  /** Writes everything that was issued, as far as it is admitted. True when nothing waits. */
  settle(): boolean {
    this.#submit()
    this.#drain()
    return this.#waiting.length === 0 && this.#exclusive === undefined
  }

  /** Resolves when everything issued before has been written. */
  async whenSettled(): Promise<void> {
    while (!this.settle()) {
      if (this.#exclusive !== undefined) await new Promise<void>((resolve) => this.#exclusiveWaiters.push(resolve))
      else await this.#waiting[this.#waiting.length - 1]!.promise.catch(() => {})
    }
    if (this.#stopped !== undefined) throw this.#stopped
  }

  /** Writes everything that was issued, waiting on the spot. */
  settleSync(): void {
    if (this.#exclusive !== undefined) this.#finishExclusive(this.#exclusive)
    this.#submit()
    this.#isPaced = false
    for (;;) {
      this.#drain(true)
      if (this.#waiting.length === 0) return
      this.#host.waitForRoomSync()
    }
  }

  /** Makes everything written durable, on the spot, and acknowledges what waited for it. */
  syncSync(): void {
    try {
      this.#logs.syncSync()
    } catch (error) {
      throw this.#stop(error)
    }
    this.#acknowledge(this.lastSequence)
  }

  /** Makes everything issued so far durable. */
  async sync(): Promise<void> {
    await this.whenSettled()
    if (this.#unsynced.length > 0) {
      await this.#unsynced[this.#unsynced.length - 1]!.promise
      return
    }
    try {
      await this.#logs.sync()
    } catch (error) {
      throw this.#stop(error)
    }
  }

  /**
   * Runs a task with all other writes held back. The task may write records with `writeExclusive`. Everything issued before has been
   * written when it starts.
   */
  async runExclusive(task: Task<void>): Promise<void> {
    await this.whenSettled()
    const exclusive: Exclusive = { task, error: undefined }
    this.#exclusive = exclusive
    let pausedAtMs = this.#clock.nowMs()
    try {
      for (;;) {
        // A synchronous write may have run the task to its end meanwhile: then the next step says so.
        const turn = task.next()
        if (turn.done) break
        if (turn.value !== PAUSE || this.#clock.nowMs() - pausedAtMs < 1) continue
        await this.#turn.later(undefined)
        pausedAtMs = this.#clock.nowMs()
      }
    } finally {
      if (this.#exclusive === exclusive) this.#endExclusive()
    }
    if (exclusive.error !== undefined) throw exclusive.error
  }

  /** Writes a record from inside an exclusive task, past the queue. The promise is that of its acknowledgement. */
  writeExclusive(record: RecordBuffer, sync: boolean): Promise<void> {
    if (this.#stopped !== undefined) throw this.#stopped
    while (!this.#admit(record)) this.#host.waitForRoomSync()
    const needsSync = sync || this.#mode === 'always'
    this.#writeRecord(record, needsSync)
    const group = new Group(record)
    group.needsSync = needsSync
    this.#finish(group)
    return group.promise
  }

  /** Background work has caught up, or time has passed: goes on with waiting groups. */
  resume(): void {
    this.#isPaced = false
    if (this.#waiting.length > 0) this.#drain()
  }

  /** Stops the queue: everything that waits fails with `error`. */
  stop(error: StoreError): void {
    this.#stopped ??= error
    const failed = [...this.#unsynced, ...this.#waiting]
    if (this.#filling !== undefined) failed.push(this.#filling)
    this.#unsynced = []
    this.#waiting = []
    this.#filling = undefined
    for (const group of failed) group.reject(this.#stopped)
    this.#host.setWaiting(false)
  }

  #submit(): void {
    const group = this.#filling
    if (group === undefined) return
    this.#filling = undefined
    this.#waiting.push(group)
  }

  /** Writes waiting groups while they are admitted. */
  #drain(unpaced = false): void {
    if (this.#isPaced || this.#exclusive !== undefined) return
    while (this.#waiting.length > 0) {
      const delayMs = unpaced ? 0 : this.#host.paceMs()
      if (delayMs >= 1) {
        this.#isPaced = true
        this.#clock.delay(delayMs, () => this.resume())
        return
      }
      if (!this.#writeGroup(this.#waiting[0]!)) {
        this.#host.setWaiting(true)
        return
      }
      this.#waiting.shift()
    }
    this.#host.setWaiting(false)
  }

  /** False when the group has to wait. A group that fails is finished too. */
  #writeGroup(group: Group): boolean {
    const { record } = group
    if (this.#mode === 'always') group.needsSync = true
    if (record.operationCount > 0) {
      try {
        if (!this.#admit(record)) return false
        this.#writeRecord(record, group.needsSync)
      } catch (error) {
        group.reject(error)
        this.#recycle(record)
        return true
      }
    }
    this.#recycle(record)
    this.#finish(group)
    return true
  }

  #admit(record: RecordBuffer): boolean {
    try {
      return this.#host.admit(record.arenaBytes)
    } catch (error) {
      throw this.#writeFailed(error)
    }
  }

  #writeRecord(record: RecordBuffer, needsSync: boolean): void {
    const baseSequence = this.lastSequence + 1
    try {
      if (this.#mode === 'none' && !needsSync) {
        this.#logs.buffer(record, baseSequence)
        this.#timeBuffer()
      } else this.#logs.append(record, baseSequence)
      if (this.#mode === 'interval') this.#timeSync()
    } catch (error) {
      throw this.#writeFailed(error)
    }
    this.#host.setDiskFull(false)
    this.#host.apply(record, baseSequence)
    this.lastSequence += record.operationCount
    this.userBytes += record.operationBytes
  }

  /** A group that was written is acknowledged, now or after a sync. */
  #finish(group: Group): void {
    group.lastSequence = this.lastSequence
    if (group.needsSync || this.#unsynced.length > 0) {
      this.#unsynced.push(group)
      if (!this.#isSyncing) void this.#syncLoop()
      return
    }
    this.#host.publish(this.lastSequence)
    group.resolve()
  }

  async #syncLoop(): Promise<void> {
    this.#isSyncing = true
    while (this.#unsynced.length > 0) {
      const { lastSequence } = this
      try {
        await this.#logs.sync()
      } catch (error) {
        this.#stop(error)
        break
      }
      this.#acknowledge(lastSequence)
    }
    this.#isSyncing = false
  }

  #acknowledge(sequence: number): void {
    let count = 0
    for (const group of this.#unsynced) {
      if (group.lastSequence > sequence) break
      count++
    }
    const done = this.#unsynced.splice(0, count)
    this.#host.publish(sequence)
    for (const group of done) group.resolve()
  }

  #writeFailed(error: unknown): unknown {
    if (error instanceof StoreError && error.code === 'ERR_DISK_FULL') {
      try {
        this.#logs.abandonFailedWrite()
        this.#host.setDiskFull(true)
        return error
      } catch (second) {
        return this.#stop(second)
      }
    }
    return this.#stop(error)
  }

  #stop(error: unknown): StoreError {
    const stopped = this.#stopped ?? this.#host.fail(error)
    this.stop(stopped)
    return stopped
  }

  #timeBuffer(): void {
    if (this.#isBufferTimed) return
    this.#isBufferTimed = true
    this.#clock.after(BUFFERED_LOG_MS_MAX, () => {
      this.#isBufferTimed = false
      if (this.#stopped !== undefined) return
      try {
        this.#logs.writeBuffered()
      } catch (error) {
        this.#writeFailed(error)
      }
    })
  }

  /** With `walSync: 'interval'`: a write is synced so many milliseconds later at the latest. */
  #timeSync(): void {
    if (this.#isSyncTimed) return
    this.#isSyncTimed = true
    this.#clock.after(this.#syncIntervalMs, () => {
      this.#isSyncTimed = false
      if (this.#stopped !== undefined) return
      this.#logs.sync().catch((error: unknown) => {
        this.#stop(error)
      })
    })
  }

  #recycle(record: RecordBuffer): void {
    record.reset()
    if (this.#spares.length < SPARE_BUFFERS_MAX) this.#spares.push(record)
  }

  #finishExclusive(exclusive: Exclusive): void {
    try {
      runTaskSync(exclusive.task)
    } catch (error) {
      exclusive.error = error
    } finally {
      this.#endExclusive()
    }
  }

  #endExclusive(): void {
    this.#exclusive = undefined
    const waiters = this.#exclusiveWaiters
    this.#exclusiveWaiters = []
    for (const wake of waiters) wake()
    this.#drain()
  }
}
