/**
 * Group commit: the order of all writes.
 *
 * 1. Writes that are issued in one turn collect in the *filling* group: one record, one promise for all of them.
 * 2. At the end of the turn, or in the next one, the group is written: one record in the log, then its operations into the memtable.
 * 3. A group that must be durable waits for a sync. While the disk is fast that is made on the spot, in the next turn: one sync a turn
 *    serves all who have written, and the loop goes round between two. Else it is made in the thread pool; while one is in flight further
 *    groups are written, and the next one serves all of them. Groups become visible and their promises resolve in order.
 *
 * Invariants
 * 1. Groups are written in the order in which they were begun; sequence numbers follow that order without gaps.
 * 2. Visible = acknowledged: `publish` is called for a group just before its promise resolves, never for one that failed.
 * 3. A write that has not been admitted (the memtable is full and background work is behind) waits; what comes after it waits too.
 * 4. After a failure that leaves the log in doubt nothing more is written or acknowledged.
 * 5. A write that depends on what is stored (a *decision*) takes its place in that order when it is issued, and what comes after it waits
 *    until it is made. A synchronous write makes the decisions before it on the spot.
 * 6. User code never runs while the queue works on a record: values are encoded before they come here.
 */
import { type StoreError, isOutOfFiles, isShortage } from '../util/errors.js'
import type { Clock } from '../util/clock.js'
import { type Decision, Group } from './commit_group.js'
import type { CommitHost } from './commit_host.js'
import type { LogSet } from './log_set.js'
import { inMicrotask, type LoopTurn, TURN_BUDGET_MS } from './loop_turn.js'
import type { WalSync } from './options.js'
import { RecordBuffer } from './record_buffer.js'

/** A group takes no further writes beyond so many bytes. */
const GROUP_BYTES_MAX = 256 * 1024
/** A group of more bytes is written in a turn of its own: to encode it has held the event loop for about as long as to write it will. */
const PROMPT_GROUP_BYTES_MAX = 64 * 1024
/** Emptied buffers kept for later groups. */
const SPARE_BUFFERS_MAX = 4
/** With `walSync: 'none'`: milliseconds that a write stays in the process at most. */
export const BUFFERED_LOG_MS_MAX = 100

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
  /** Whether groups are being written. Making room for one may end background work, which asks to go on: that comes after, not inside. */
  #isDraining = false
  #isCalledAgain = false
  #isBufferTimed = false
  #isSyncTimed = false
  #stopped: StoreError | undefined
  /** The group whose decision waits for something. */
  #held: Group | undefined
  readonly #spares: RecordBuffer[] = []
  readonly #syncRecord = new RecordBuffer()
  readonly #commitTurn = (): void => {
    this.#submit()
    this.#drain()
  }
  readonly #syncTurn = (): void => {
    this.#isSyncing = false
    // Unless another sync has come first, or the queue was stopped.
    if (this.#unsynced.length === 0) return
    try {
      this.#logs.syncSync()
    } catch (error) {
      this.#stop(error)
      return
    }
    this.#acknowledge(this.#unsynced.length, this.lastSequence)
  }
  readonly #commitSoon = (): void => {
    if (this.#filling !== undefined && this.#filling.record.end > PROMPT_GROUP_BYTES_MAX) this.#clock.nextTurn(this.#commitTurn)
    else this.#commitTurn()
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
    return this.#filling === undefined && this.#waiting.length === 0
  }

  /**
   * Hot: the record that takes the operations of this turn. Encoding into it must not run user code, and leaves it as it was on bad input.
   * Call `accepted` after it.
   */
  fillingRecord(sync: boolean): RecordBuffer {
    if (this.#stopped !== undefined) throw this.#stopped
    let group = this.#filling
    if (group === undefined) {
      group = new Group(this.#spares.pop() ?? new RecordBuffer())
      this.#filling = group
      this.#scheduleCommit()
    }
    if (sync) group.needsSync = true
    return group.record
  }

  /** The promise of the group that `fillingRecord` gave out. A full group is sent off at once. */
  accepted(): Promise<void> {
    const group = this.#filling!
    group.isAccepted = true
    if (group.record.end >= GROUP_BYTES_MAX) this.#commitTurn()
    return group.promise
  }

  /**
   * Adds a write that is decided when its turn has come. `record` is the caller's until then; the promise is that of its acknowledgement.
   */
  decide(record: RecordBuffer, sync: boolean, decision: Decision): Promise<void> {
    if (this.#stopped !== undefined) throw this.#stopped
    this.#submit()
    const group = new Group(record)
    group.needsSync = sync
    group.isAccepted = true
    group.decision = decision
    this.#waiting.push(group)
    this.#scheduleCommit()
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
    // Groups become visible in order, so one that waits for its sync has to be synced before this write is seen.
    const needsSync = sync || this.#mode === 'always' || this.#unsynced.length > 0
    // Before the write: what was written cannot be refused any more.
    if (needsSync) this.#logs.waitForFloorSync()
    // A decision may be to write nothing. What it has seen is made as durable as a write would have been.
    if (record.operationCount > 0) {
      while (!this.#admit(record)) this.#waitForRoomSync()
      this.#writeRecord(record, needsSync)
    }
    if (needsSync) this.syncSync()
    else this.#host.publish(this.lastSequence)
  }

  /** Writes what was issued, as far as it is admitted. */
  settle(): void {
    this.#submit()
    this.#drain()
  }

  /** Resolves when everything issued before has been written. */
  async whenSettled(): Promise<void> {
    this.settle()
    await this.#waiting.at(-1)?.promise.catch(() => {})
    if (this.#stopped !== undefined) throw this.#stopped
  }

  /** Writes everything that was issued, waiting on the spot. */
  settleSync(): void {
    this.#submit()
    for (;;) {
      // In every round: room that was made has let the queue go on, perhaps as far as to the next group that is held.
      this.#isPaced = false
      this.#held = undefined
      this.#drain(true)
      if (this.#waiting.length === 0) return
      this.#waitForRoomSync()
    }
  }

  /**
   * Hands what `walSync: 'none'` keeps in the process to the operating system.
   *
   * @throws StoreError `ERR_DISK_FULL`: it stays kept for the next attempt. After any other error the queue is stopped.
   */
  writeBuffered(): void {
    try {
      this.#logs.writeBuffered()
    } catch (error) {
      throw this.#writeFailed(error)
    }
  }

  /**
   * Makes everything written durable, on the spot, and acknowledges what waited for it.
   *
   * @throws StoreError `ERR_DISK_FULL`: nothing was synced, and it can be tried again. After any other error the queue is stopped.
   */
  syncSync(): void {
    this.writeBuffered()
    this.#logs.waitForFloorSync()
    try {
      this.#logs.syncSync()
    } catch (error) {
      throw this.#stop(error)
    }
    this.#acknowledge(this.#unsynced.length, this.lastSequence)
  }

  /** Makes everything issued so far durable. */
  async sync(): Promise<void> {
    await this.whenSettled()
    // A synchronous close may have come in between.
    if (this.#stopped !== undefined) throw this.#stopped
    this.writeBuffered()
    await this.#unsynced.at(-1)?.promise
    if (this.#stopped !== undefined) throw this.#stopped
    try {
      await this.#logs.sync()
    } catch (error) {
      throw this.#stop(error)
    }
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
    this.#held = undefined
    for (const group of failed) {
      group.decision?.end?.()
      group.fail(this.#stopped)
    }
    this.#host.setWaiting(false)
  }

  #submit(): void {
    const group = this.#filling
    if (group === undefined) return
    this.#filling = undefined
    this.#waiting.push(group)
  }

  /** In a microtask while the turn has time left and there is not much to write, else in the next turn. */
  #scheduleCommit(): void {
    if (this.#turn.spend()) this.#clock.nextTurn(this.#commitTurn)
    else inMicrotask(this.#commitSoon)
  }

  /** Writes waiting groups while they are admitted. `onTheSpot`: nothing is waited for but room. */
  #drain(onTheSpot = false): void {
    if (this.#isDraining) {
      this.#isCalledAgain = true
      return
    }
    this.#isDraining = true
    try {
      do {
        this.#isCalledAgain = false
        this.#writeWaiting(onTheSpot)
      } while (this.#isCalledAgain)
    } finally {
      this.#isDraining = false
    }
  }

  #writeWaiting(onTheSpot: boolean): void {
    if (this.#isPaced || this.#held !== undefined) return
    while (this.#waiting.length > 0) {
      const delayMs = onTheSpot ? 0 : this.#host.paceMs()
      if (delayMs >= 1) {
        this.#isPaced = true
        this.#clock.delay(delayMs, () => this.resume())
        return
      }
      if (!this.#writeGroup(this.#waiting[0]!, onTheSpot)) {
        this.#host.setWaiting(true)
        return
      }
      this.#waiting.shift()
    }
    this.#host.setWaiting(false)
  }

  /** False when the group has to wait. A group that fails is finished too. */
  #writeGroup(group: Group, onTheSpot: boolean): boolean {
    const { record } = group
    if (this.#mode === 'always') group.needsSync = true
    try {
      if (group.decision !== undefined && !this.#decide(group, group.decision, onTheSpot)) return false
      if (record.operationCount > 0) {
        if (!this.#admit(record)) return false
        this.#writeRecord(record, group.needsSync)
      } else if (group.needsSync) this.writeBuffered()
    } catch (error) {
      group.decision?.end?.()
      group.fail(error)
      this.#recycle(record)
      return true
    }
    this.#recycle(record)
    this.#finish(group)
    return true
  }

  /** Makes the decision of the first waiting group; false when that takes a while. */
  #decide(group: Group, decision: Decision, onTheSpot: boolean): boolean {
    const { ready } = decision
    if (ready !== undefined && !onTheSpot && !group.isReady) {
      const resume = (): void => {
        group.isReady = true
        this.#resumeHeld(group)
      }
      this.#held = group
      // A failure to load shows again, and to the caller, when the decision needs what is missing.
      ready.then(resume, resume)
      return false
    }
    const startMs = this.#clock.nowMs()
    while (!decision.decide(group.record)) {
      if (onTheSpot || this.#clock.nowMs() - startMs < TURN_BUDGET_MS) continue
      this.#held = group
      this.#clock.nextTurn(() => this.#resumeHeld(group))
      return false
    }
    decision.end?.()
    group.decision = undefined
    return true
  }

  #resumeHeld(group: Group): void {
    // Unless a synchronous write has gone past it, or the queue was stopped.
    if (this.#held !== group) return
    this.#held = undefined
    this.#drain()
  }

  #waitForRoomSync(): void {
    // A memtable becomes a table only when all in it is visible: what waits for a sync comes first.
    if (this.#unsynced.length > 0) this.syncSync()
    else this.#host.waitForRoomSync()
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
    this.#host.logIsShort(false)
    this.#host.apply(record, baseSequence)
    this.lastSequence += record.operationCount
    this.userBytes += record.operationBytes
  }

  /** A group that was written is acknowledged, now or after a sync. */
  #finish(group: Group): void {
    group.lastSequence = this.lastSequence
    if (group.needsSync || this.#unsynced.length > 0) {
      this.#unsynced.push(group)
      if (!this.#isSyncing) this.#beginSync()
      return
    }
    this.#host.publish(this.lastSequence)
    group.resolve()
  }

  /** Syncs for the groups that wait for it: in the next turn on the spot, where those of this turn share it, or in the pool from now on. */
  #beginSync(): void {
    this.#isSyncing = true
    if (this.#logs.mayBlock()) this.#clock.nextTurn(this.#syncTurn)
    else void this.#syncInPool()
  }

  async #syncInPool(): Promise<void> {
    // A group that comes while the disk is at work may rest on records that this sync does not cover.
    const last = this.#unsynced.at(-1)!
    try {
      await this.#logs.sync()
    } catch (error) {
      this.#stop(error)
    }
    // Unless a sync on the spot has done so, or the queue was stopped and the groups refused.
    const count = this.#unsynced.indexOf(last) + 1
    if (count > 0) this.#acknowledge(count, last.lastSequence)
    if (this.#unsynced.length > 0) this.#beginSync()
    else this.#isSyncing = false
  }

  /** The first `count` groups that wait for a sync are durable, and with them everything up to `sequence`. */
  #acknowledge(count: number, sequence: number): void {
    const done = this.#unsynced.splice(0, count)
    this.#host.publish(sequence)
    for (const group of done) group.resolve()
  }

  #writeFailed(error: unknown): unknown {
    if (isShortage(error)) {
      try {
        this.#logs.abandonFailedWrite()
        if (!isOutOfFiles(error)) this.#host.logIsShort(true)
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
        this.writeBuffered()
      } catch {
        // The queue was stopped, or the disk is full and the next write tries again.
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
}
