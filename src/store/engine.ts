/**
 * The engine: one open store, wired together.
 *
 * It owns what changes as a whole: the memtables, the current version, the sequence number up to which readers see, and the state of
 * health. Writing, reading and background work are its parts (`writes.ts`, `reads.ts`, `compaction/scheduler.ts`); this file joins them.
 *
 *   put ─► Writes ─► CommitQueue ─► LogSet ─► memtable ─ full ─► frozen ─► Scheduler ─► table ─► install ─► view
 *                                                                                           get, scan ─► Reads ─┘
 *
 * Invariants
 * 1. `view` is what new readers see; it is replaced, never changed, and each replacement holds the same data as the one before.
 * 2. `visibleSequence` grows only, and only to sequences whose operations are in the memtable.
 * 3. Memtables are flushed in the order in which they were filled, and only when everything in them is visible: a job must know every
 *    sequence that somebody can read at.
 * 4. A log is deleted only after the edit that made it unnecessary is durable.
 * 5. States go `open → failed`, and from either to `closing → closed`. In `failed` nothing is written any more: no log record, no table, no
 *    manifest edit; only closing may still bring into the log what was acknowledged before. What is `open` counts as `full` while the disk
 *    is (`shortage.ts`).
 */
import type { BlockCache } from '../cache/block_cache.js'
import type { CompactionSummary, FlushSummary, Installation, JobDescription, Scheduler } from '../compaction/scheduler.js'
import { Memtable } from '../memtable/memtable.js'
import type { TableCache } from '../sstable/table_cache.js'
import { OwnedClock } from '../util/clock.js'
import { StoreError, ioError, isShortage } from '../util/errors.js'
import { type Task, step } from '../util/task.js'
import type { Manifest } from '../version/manifest.js'
import type { Version } from '../version/version.js'
import type { StoreLock } from '../vfs/lock.js'
import type { Vfs } from '../vfs/vfs.js'
import { BackPressure } from './back_pressure.js'
import { checkRange } from './call_options.js'
import { Closing } from './closing.js'
import type { CommitHost } from './commit_host.js'
import { CommitQueue } from './commit_queue.js'
import type { EngineParts, SlotFlush } from './engine_parts.js'
import { type RecoveryEvent, StoreEmitter, type StoreEvents } from './events.js'
import { IdleWatch } from './idle_watch.js'
import { KeepAlive } from './keep_alive.js'
import { LogSet } from './log_set.js'
import { LoopTurn } from './loop_turn.js'
import { OpenReaders } from './open_readers.js'
import type { ResolvedOptions } from './options.js'
import { MemtableSet } from './memtable_set.js'
import { ObsoleteFiles } from './obsolete_files.js'
import { type MemtableSlot, ReadView } from './read_view.js'
import { Reads } from './reads.js'
import { RecoveredFloor } from './recovered_floor.js'
import { notOpen, readOnly, rootOf, stopped } from './refusals.js'
import type { RecordBuffer } from './record_buffer.js'
import { type KeyRange, encodeRange } from './scan.js'
import { Shortage } from './shortage.js'
import type { StoreStatus } from './stats.js'
import { Writes } from './writes.js'

/** Bytes of entries above which `close` writes the memtable to a table instead of leaving it to the log. */
const CLOSE_FLUSH_BYTES = 64 * 1024

/** One open store. */
export class Engine implements CommitHost {
  readonly path: string
  readonly options: ResolvedOptions
  readonly emitter: StoreEmitter = new StoreEmitter()
  readonly reads: Reads
  readonly writes: Writes
  readonly queue: CommitQueue
  readonly logs: LogSet
  readonly pressure: BackPressure
  readonly shortage: Shortage
  readonly openReaders: OpenReaders
  readonly idle: IdleWatch
  readonly blockCache: BlockCache
  readonly tables: TableCache
  readonly manifest: Manifest
  readonly memtables: MemtableSet
  view: ReadView
  visibleSequence: number
  /** What opening found in the logs. */
  recovery: RecoveryEvent = { logs: 0, records: 0, tornBytes: 0, damagedBytes: 0, missingWrites: 0 }
  readonly #vfs: Vfs
  readonly #lock: StoreLock | undefined
  readonly #keepAlive = new KeepAlive()
  readonly #makeScheduler: EngineParts['makeScheduler'] | undefined
  #scheduler: Scheduler<SlotFlush> | undefined
  readonly #obsolete: ObsoleteFiles
  /** Timers of the store: they end with it. */
  readonly #clock: OwnedClock
  /** Frozen, but not all visible yet: oldest first. */
  #unpublished: MemtableSlot[] = []
  #nextFileNumber: number
  #state: Exclude<StoreStatus, 'full'>
  #failure: StoreError | undefined
  #isWaiting = false
  #closing: Closing | undefined
  #closed: Promise<void> | undefined

  constructor(parts: EngineParts) {
    const { options } = parts
    this.path = parts.path
    this.options = options
    this.#vfs = options.vfs
    this.#lock = parts.lock
    this.manifest = parts.manifest
    this.blockCache = parts.blockCache
    this.tables = parts.tables
    this.#nextFileNumber = parts.nextFileNumber
    this.#state = options.readOnly ? 'read-only' : 'open'
    this.visibleSequence = parts.lastSequence
    this.memtables = new MemtableSet(options.memtableSize, parts.memtables)
    this.view = new ReadView([...this.memtables.slots], parts.manifest.version)
    const clock = new OwnedClock(options.clock)
    this.#clock = clock
    const turn = new LoopTurn(clock)
    const onLeak = (kind: 'snapshot' | 'scan', ageMs: number): void => this.emit('leak', { kind, ageMs })
    this.idle = new IdleWatch(
      clock,
      () => this.queue.lastSequence,
      () => this.#rest(),
    )
    this.openReaders = new OpenReaders(clock, onLeak, () => this.idle.touch())
    this.pressure = new BackPressure(
      options.memtableSize,
      clock,
      (event) => this.emit('stall', event),
      (event) => this.emit('stallEnd', event),
    )
    this.shortage = new Shortage(this, clock)
    const { files } = parts.manifest
    // A log is as long as a memtable is large, roughly.
    this.logs = new LogSet(this.#vfs, parts.path, () => this.allocateFileNumbers(1), clock, options.memtableSize >>> 2)
    this.queue = new CommitQueue(this, this.logs, clock, turn, options, parts.lastSequence)
    this.reads = new Reads(this, turn)
    this.writes = new Writes(this, this.queue, this.reads)
    this.#makeScheduler = options.readOnly ? undefined : parts.makeScheduler
    this.#obsolete = new ObsoleteFiles(files, clock, () => this.#state === 'open')
    files.listener = {
      onObsolete: () => this.#obsolete.request(),
      onDeleteTable: (fileNumber) => this.tables.evict(fileNumber),
      onDeleteError: (path, error) => this.emit('warning', { message: `could not delete ${path}: ${String(error)}` }),
    }
    if (!options.readOnly) this.#startBackgroundWork(parts.mustFlush)
  }

  /** Made when it is first asked for; none where nothing is written. */
  get scheduler(): Scheduler<SlotFlush> | undefined {
    this.#scheduler ??= this.#makeScheduler?.(this)
    return this.#scheduler
  }

  get status(): StoreStatus {
    return this.#state === 'open' && this.shortage.isFull ? 'full' : this.#state
  }

  /** Tells listeners, in a microtask of their own: what they throw is theirs. */
  emit<E extends keyof StoreEvents>(event: E, ...payload: StoreEvents[E]): void {
    if (this.emitter.listenerCount(event) === 0) return
    queueMicrotask(() => this.emitter.emit(event, ...(payload as never)))
  }

  checkReadable(): void {
    if (this.#state === 'closed' || this.#state === 'closing') throw notOpen()
  }

  checkWritable(): void {
    if (this.#state === 'open') return
    if (this.#state === 'read-only') throw readOnly()
    if (this.#failure !== undefined && this.#state === 'failed') throw this.#failure
    throw notOpen()
  }

  allocateFileNumbers(count: number): number {
    const first = this.#nextFileNumber
    this.#nextFileNumber += count
    return first
  }

  // What the commit queue asks for.

  admit(arenaBytes: number): boolean {
    const { active } = this.memtables
    if (active.memtable.hasRoomFor(arenaBytes)) return true
    const capacityBytes = Math.max(this.options.memtableSize, Memtable.capacityFor(arenaBytes))
    if (this.memtables.isUnbegun) {
      this.memtables.begin(capacityBytes, active.firstLog)
      this.#replaceView(this.view.version)
      return true
    }
    if (active.memtable.entryCount > 0 && !this.pressure.mayFreeze()) {
      this.shortage.retry(false)
      this.shortage.checkRoomMayCome()
      this.scheduler!.poke()
      return false
    }
    this.#roll(capacityBytes)
    return true
  }

  waitForRoomSync(): void {
    this.shortage.checkRoomMayCome()
    this.scheduler!.progressSync()
    if (this.#failure !== undefined) throw this.#failure
  }

  paceMs(): number {
    return this.pressure.takeDelayMs()
  }

  apply(record: RecordBuffer, baseSequence: number): void {
    this.memtables.apply(record, baseSequence)
    this.pressure.wrote(record.end)
    this.idle.touch()
  }

  publish(sequence: number): void {
    if (sequence > this.visibleSequence) this.visibleSequence = sequence
    if (this.#unpublished.length > 0) this.#requestFlushes()
  }

  logIsShort(isShort: boolean): void {
    this.shortage.logIsShort(isShort)
  }

  fail(error: unknown): StoreError {
    if (this.#failure !== undefined) return this.#failure
    const cause = ioError(rootOf(error), 'write', this.path)
    this.#failure = stopped(cause)
    if (this.#state === 'open') this.#state = 'failed'
    this.shortage.stop()
    this.scheduler?.stop(this.#failure)
    this.queue.stop(this.#failure)
    this.emit('backgroundError', { error: cause })
    return this.#failure
  }

  setWaiting(waiting: boolean): void {
    if (waiting === this.#isWaiting) return
    this.#isWaiting = waiting
    if (waiting) this.#keepAlive.hold()
    else this.#keepAlive.release()
  }

  // What the scheduler asks for.

  currentVersion(): Version {
    return this.view.version
  }

  snapshots(): readonly number[] {
    return this.openReaders.sequences(this.visibleSequence)
  }

  isIdle(): boolean {
    return this.idle.isIdle
  }

  *install(installation: Installation<SlotFlush>): Task<void> {
    const { added, removed, flushed } = installation
    const last = flushed[flushed.length - 1]?.slot
    const logNumber = last === undefined ? undefined : this.memtables.firstLogAfter(last)
    const edit = {
      added,
      removed,
      nextFileNumber: this.#nextFileNumber,
      ...(last === undefined ? {} : { lastSequence: last.lastSequence }),
      ...(logNumber === undefined ? {} : { logNumber }),
    }
    const version = yield* this.manifest.append(edit)
    this.memtables.remove(flushed.map(({ slot }) => slot))
    this.#replaceView(version)
    if (logNumber !== undefined) this.logs.retireBelow(logNumber)
    this.manifest.files.installed(version, logNumber)
    this.#updatePressure()
    this.shortage.jobInstalled()
    this.queue.resume()
  }

  onJobError(error: StoreError, _job: JobDescription): void {
    if (isShortage(error)) this.shortage.jobFailed(error)
    else this.fail(error)
  }

  onFlush(summary: FlushSummary): void {
    this.emit('flush', summary)
  }

  onCompaction(summary: CompactionSummary): void {
    this.emit('compaction', summary)
  }

  // What the public class asks for.

  async flush(): Promise<void> {
    this.checkWritable()
    await this.#keepAlive.during(this.#flush())
  }

  async compact(range: KeyRange | undefined): Promise<void> {
    this.checkWritable()
    if (range !== undefined) checkRange(range)
    const { lower, upper } = encodeRange(range ?? {})
    await this.#keepAlive.during(this.#flush().then(() => this.scheduler!.compactRange({ smallestKey: lower, largestKey: upper })))
  }

  async sync(): Promise<void> {
    this.checkWritable()
    await this.#keepAlive.during(this.queue.sync())
  }

  syncSync(): void {
    this.checkWritable()
    this.queue.settleSync()
    this.queue.syncSync()
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#keepAlive.during(this.#close().promise))
  }

  closeSync(): void {
    this.#closing ??= new Closing(this.#closeTask(), (error) => this.#failedLate(error))
    // Who calls this has the error; nobody else needs to be listening.
    this.#closed?.catch(() => {})
    this.#closing.finishSync()
  }

  async #flush(): Promise<void> {
    await this.queue.whenSettled()
    this.#checkNotClosed()
    this.shortage.retry(true)
    const { active } = this.memtables
    while (active === this.memtables.active && active.memtable.entryCount > 0) {
      this.#checkNotClosed()
      if (this.pressure.mayFreeze()) this.#roll(this.options.memtableSize)
      else if (this.#unpublished.length > 0) await this.queue.sync()
      else await this.scheduler!.progress()
    }
    // Memtables with writes that wait for their sync become tables only when those are visible.
    if (this.#unpublished.length > 0) await this.queue.sync()
    await this.scheduler!.flushed()
  }

  /** After a wait: a synchronous close may have come in between. One that is under way itself waits for what is left to do. */
  #checkNotClosed(): void {
    if (this.#state === 'closed' || this.#state === 'failed') this.checkWritable()
  }

  #close(): Closing {
    if (this.#closing !== undefined) return this.#closing
    this.#closing = new Closing(this.#closeTask(), (error) => this.#failedLate(error))
    this.#closing.advance()
    return this.#closing
  }

  *#closeTask(): Task<void> {
    const { queue, scheduler } = this
    let failure: unknown
    try {
      if (this.#beginClose()) {
        yield* step({ run: () => queue.whenSettled(), runSync: () => queue.settleSync() })
        yield* step({ run: () => queue.sync(), runSync: () => queue.syncSync() })
        if (this.#freezeForClose()) yield* step({ run: () => scheduler!.flushed(), runSync: () => scheduler!.flushedSync() })
        this.logs.sealSync()
      } else if (this.#failure !== undefined) this.#keepAcknowledged()
    } catch (error) {
      failure = this.#lastResort(error)
    }
    this.shortage.stop()
    if (scheduler !== undefined) yield* step({ run: () => scheduler.close(), runSync: () => scheduler.closeSync() })
    if (failure === undefined && this.#failure === undefined) yield* this.manifest.finish(queue.lastSequence)
    yield* step({ run: () => this.#obsolete.settled(), runSync: () => {} })
    this.#endClose()
    if (failure !== undefined) throw failure
  }

  /** What `closeSync` has overtaken fails when the store is closed. A sync that fails then may have been the only one that was told. */
  #failedLate(error: unknown): void {
    if (!(error instanceof StoreError && error.code === 'ERR_NOT_OPEN')) this.fail(error)
  }

  /** Refuses new calls. True when there is something to bring in order. */
  #beginClose(): boolean {
    const wasWritable = this.#state === 'open'
    this.#state = 'closing'
    this.openReaders.releaseAll()
    return wasWritable
  }

  /** At the close of a failed store: what was acknowledged before may not be as durable yet as a close makes it. */
  #keepAcknowledged(): void {
    try {
      this.logs.sealSync()
    } catch {
      // It was the log that failed, and everybody has been told.
    }
  }

  /** When closing in order has failed: nothing is lost as long as the logs are whole. Returns the error if they are not. */
  #lastResort(error: unknown): unknown {
    if (this.queue.isStopped || !this.queue.isSettled) return error
    try {
      this.logs.sealSync()
      return undefined
    } catch {
      return error
    }
  }

  /** Freezes the memtable when leaving it to the log would make the next opening slow. True when flushes are to be waited for. */
  #freezeForClose(): boolean {
    const { memtable } = this.memtables.active
    const isLarge = memtable.rawKeyBytes + memtable.rawValueBytes > CLOSE_FLUSH_BYTES
    if (memtable.entryCount > 0 && isLarge) this.#roll(this.options.memtableSize)
    return this.memtables.frozenCount > 0
  }

  #endClose(): void {
    this.queue.stop(notOpen())
    this.#state = 'closed'
    this.#clock.close()
    this.view.release()
    // Each is tried, whatever the others do: above all the lock is to be released.
    const steps = [() => this.tables.closeAll(), () => this.logs.closeSync(), () => this.manifest.closeSync()]
    if (!this.options.readOnly && this.#failure === undefined) steps.push(() => this.manifest.files.deleteObsoleteSync())
    for (const step of [...steps, () => this.#lock?.releaseSync()]) {
      try {
        step()
      } catch (error) {
        this.emit('warning', { message: `while closing: ${String(error)}` })
      }
    }
    this.emit('close')
  }

  #startBackgroundWork(mustFlush: boolean): void {
    if (mustFlush || this.memtables.frozenCount > 0) this.#flushRecovered(mustFlush)
    this.#updatePressure()
    // What an earlier process left to be done is done, though nobody writes. A turn later: the first read need not wait for it.
    this.#clock.nextTurn(() => {
      if (this.#state !== 'open') return
      this.scheduler!.poke()
      this.idle.touch()
    })
  }

  #flushRecovered(mustFlush: boolean): void {
    const scheduler = this.scheduler!
    for (const slot of this.memtables.slots.slice(1).reverse()) scheduler.requestFlush({ slot, memtable: slot.memtable })
    if (mustFlush && this.memtables.active.memtable.entryCount > 0) this.#roll(this.options.memtableSize)
    const recovered = mustFlush ? this.memtables.slots.slice(1) : []
    const isLeft = (): boolean => recovered.some((slot) => this.memtables.slots.includes(slot))
    this.logs.setFloor(
      new RecoveredFloor(scheduler, this.shortage, this.options.clock, this.#keepAlive, isLeft, () => this.#state !== 'open'),
    )
  }

  /** Freezes the active memtable and begins another, with its own log. */
  #roll(capacityBytes: number): void {
    this.queue.writeBuffered()
    const firstLog = this.allocateFileNumbers(1)
    this.logs.roll(firstLog)
    const frozen = this.memtables.begin(capacityBytes, firstLog)
    if (frozen !== undefined) this.#unpublished.push(frozen)
    this.#replaceView(this.view.version)
    this.#updatePressure()
    this.#requestFlushes()
  }

  #requestFlushes(): void {
    while (this.#unpublished.length > 0 && this.#unpublished[0]!.lastSequence <= this.visibleSequence) {
      const slot = this.#unpublished.shift()!
      this.scheduler!.requestFlush({ slot, memtable: slot.memtable })
    }
  }

  #replaceView(version: Version): void {
    const before = this.view
    this.view = new ReadView([...this.memtables.slots], version)
    before.release()
  }

  #updatePressure(): void {
    this.pressure.update(this.memtables.frozenCount, this.memtables.frozenBytes, this.view.version.levelBytes(0))
  }

  /** Nobody has written for a while. */
  #rest(): void {
    if (this.status !== 'open') return
    const { memtable } = this.memtables.active
    // Tombstones give nothing back while they sit in memory.
    if (memtable.deletionCount * 4 > memtable.entryCount && this.visibleSequence === this.queue.lastSequence) {
      try {
        this.#roll(this.options.memtableSize)
      } catch {
        // The log could not be written: whoever has to know was told, and this is nobody's call.
      }
    }
    this.scheduler!.poke()
  }
}
