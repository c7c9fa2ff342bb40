/**
 * Decides which background job runs next, and installs what jobs made.
 *
 *   requestFlush ─► pending ─► flush job ────┐
 *   poke ─► picker ─► plan ─► compaction job ─┼─► installations, one at a time ─► host.install ─► next jobs
 *                         └─ move, no job ────┘
 *
 * At most one flush and one compaction are under way, from their start to the end of their installation.
 *
 * Everything can be waited for in two ways, by a promise and on the spot. The second drives the executor and the installation that is under
 * way to their ends from inside the call; they may both happen at once, since neither cares who drives it.
 *
 * Invariants
 * 1. Installations happen one at a time, flushes in the order of their requests.
 * 2. The version that a job reads stays referenced until its result is installed or given up, so no input is deleted under it.
 * 3. After an error nothing is started or installed until `resume`. What had been asked for is then tried again: requests, and results that
 *    were not installed.
 */
import { SEQUENCE_MAX } from '../codec/internal_key.js'
import { StoreError } from '../util/errors.js'
import type { AddedTable, RemovedTable } from '../version/version_edit.js'
import type { Version } from '../version/version.js'
import type { Executor, Job, JobOutcome, JobResult, TableSettings } from './executor.js'
import { asStoreError } from './job_error.js'
import { addedBytes, compactionDraft, describeCompaction, describeFlush, flushDraft, type JobDraft, tableSettings } from './job_making.js'
import { LEVEL0_TRIGGER } from './level_targets.js'
import { ManualCompaction } from './manual.js'
import { pickCompaction } from './picker.js'
import { type PickerState, Picking } from './picking.js'
import { type CompactionPlan, inputBytes, inputTableCount, type KeyRange } from './plan.js'
import type { FlushRequest, Installation, JobDescription, Scheduler, SchedulerHost, SchedulerOptions, SchedulerStats } from './scheduler.js'
import { SchedulerCounters } from './scheduler_counters.js'
import { TaskRun } from './task_run.js'
import { Waiters } from './waiters.js'

/** Memtables that wait together are flushed into one table up to this size. */
const FLUSH_BYTES_MAX = 64 * 1024 * 1024

/** How long to sleep on the spot before looking around again. */
const NAP_MS = 1000

/** Pauses of an installation are for nobody. */
const NO_PAUSE = Number.MAX_SAFE_INTEGER

/** A job from its start to the end of its installation. */
interface Work<F extends FlushRequest> {
  readonly description: JobDescription
  readonly version: Version
  readonly startMs: number
  /** What a flush writes; empty for a compaction. */
  readonly requests: readonly F[]
  /** What a compaction does. */
  readonly plan: CompactionPlan | undefined
  result: JobResult | undefined
}

/** Somebody's wish for a compaction. */
interface ManualRequest {
  readonly compaction: ManualCompaction
  readonly ended: (error?: StoreError) => void
}

/** See {@link Scheduler}. */
export class CompactionScheduler<F extends FlushRequest> implements Scheduler<F> {
  readonly #host: SchedulerHost<F>
  readonly #executor: Executor
  readonly #options: SchedulerOptions
  readonly #settings: TableSettings
  readonly #counters = new SchedulerCounters()
  readonly #waiters = new Waiters()
  readonly #pending: F[] = []
  readonly #manual: ManualRequest[] = []
  /** Finished jobs in the order of their installation; the first one may be under way. */
  readonly #finished: Work<F>[] = []
  #flush: Work<F> | undefined
  #compaction: Work<F> | undefined
  #installing: TaskRun<void> | undefined
  /** What the picker was last asked in vain. */
  #nothingFor: { levels: Version['levels']; isIdle: boolean; oldestSnapshot: number } | undefined
  #lastJobId = 0
  #wasManual = false
  #isPaused = false
  #isClosed = false
  #error: StoreError | undefined

  constructor(host: SchedulerHost<F>, executor: Executor, options: SchedulerOptions) {
    this.#host = host
    this.#executor = executor
    this.#options = options
    this.#settings = tableSettings(options)
    executor.onLateError = (error) => this.#fail(error, describeFlush([]))
  }

  requestFlush(request: F): void {
    if (this.#isClosed) return
    this.#pending.push(request)
    this.poke()
  }

  poke(): void {
    this.#start()
    this.#waiters.settle()
  }

  compactRange(range: KeyRange): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#requestCompaction(range, (error) => (error === undefined ? resolve() : reject(error)))
    })
  }

  compactRangeSync(range: KeyRange): void {
    let isDone = false
    let failure: StoreError | undefined
    this.#requestCompaction(range, (error) => {
      isDone = true
      failure = error
    })
    this.#driveSync(() => isDone)
    if (failure !== undefined) throw failure
  }

  flushed(): Promise<void> {
    return this.#wait(() => this.#hasFlushed())
  }

  flushedSync(): void {
    this.#driveSync(() => this.#hasFlushed())
  }

  progress(): Promise<void> {
    const before = this.#counters.installations
    return this.#wait(() => this.#counters.installations > before || this.#isQuiet())
  }

  progressSync(): void {
    const before = this.#counters.installations
    this.#driveSync(() => this.#counters.installations > before)
  }

  idle(): Promise<void> {
    return this.#wait(() => this.#isQuiet())
  }

  idleSync(): void {
    this.#driveSync(() => false)
  }

  pause(): void {
    this.#isPaused = true
  }

  stop(error: StoreError): void {
    this.#error ??= error
    for (const { ended } of this.#manual.splice(0)) ended(this.#error)
    this.#waiters.rejectAll(this.#error)
  }

  resume(): void {
    this.#isPaused = false
    this.#error = undefined
    this.#installNext()
    this.poke()
  }

  async close(): Promise<void> {
    this.#beginClose()
    await this.#waiters.waitThrough(() => this.#isQuiet())
    this.#giveUpFinished()
    await this.#executor.close()
  }

  closeSync(): void {
    this.#beginClose()
    while (!this.#isQuiet()) this.#driveStep()
    this.#giveUpFinished()
    this.#executor.closeSync()
  }

  stats(): SchedulerStats {
    return this.#counters.stats(this.#pending.length, this.#flush !== undefined, this.#compaction !== undefined)
  }

  #requestCompaction(range: KeyRange, ended: (error?: StoreError) => void): void {
    const error = this.#isClosed ? closedError() : this.#error
    if (error !== undefined) return ended(error)
    this.#manual.push({ compaction: new ManualCompaction(range, this.#host.currentVersion().levels), ended })
    this.poke()
  }

  #beginClose(): void {
    this.#isClosed = true
    this.#executor.cancelCompaction()
    for (const { ended } of this.#manual.splice(0)) ended(closedError())
    this.#waiters.rejectAll(closedError())
  }

  /** What an error has kept from being installed never will be; its files are removed when the store is next opened. */
  #giveUpFinished(): void {
    for (const work of this.#finished.splice(0)) this.#release(work)
  }

  /** Whether nothing is under way, or what is cannot go on because of an error. */
  #isQuiet(): boolean {
    const waitsForResume = this.#error !== undefined && this.#installing === undefined
    const isRunning = (work: Work<F> | undefined): boolean => work !== undefined && !(waitsForResume && work.result !== undefined)
    return !isRunning(this.#flush) && !isRunning(this.#compaction)
  }

  #hasFlushed(): boolean {
    return this.#pending.length === 0 && this.#flush === undefined
  }

  #wait(isDone: () => boolean): Promise<void> {
    if (this.#error !== undefined) return Promise.reject(this.#error)
    if (this.#isClosed) return Promise.reject(closedError())
    this.#start()
    return this.#waiters.wait(isDone)
  }

  /** Drives everything from inside the call until `isDone`, or until nothing is left to drive. */
  #driveSync(isDone: () => boolean): void {
    this.#start()
    while (!isDone()) {
      if (this.#error !== undefined) throw this.#error
      if (this.#isQuiet()) return
      this.#driveStep()
    }
  }

  #driveStep(): void {
    if (this.#installing === undefined) {
      this.#executor.waitSync(NAP_MS)
      return
    }
    this.#installing.finishSync()
    this.#installed()
  }

  /** Starts what can be started. */
  #start(): void {
    if (this.#isPaused || this.#isClosed || this.#error !== undefined) return
    if (this.#flush === undefined && this.#pending.length > 0) this.#startFlush()
    while (this.#compaction === undefined && this.#error === undefined) {
      const plan = this.#nextPlan()
      if (plan === undefined) return
      this.#startCompaction(plan)
    }
  }

  #startFlush(): void {
    const requests: F[] = []
    let bytes = 0
    for (const request of this.#pending) {
      bytes += request.memtable.usedBytes
      if (requests.length > 0 && bytes > FLUSH_BYTES_MAX) break
      requests.push(request)
    }
    this.#pending.splice(0, requests.length)
    const memtables = requests.map(({ memtable }) => memtable)
    const work = this.#begin(describeFlush(memtables), requests, undefined)
    this.#flush = work
    this.#submit(work, flushDraft(memtables, work.version.levels, this.#settings, this.#host.snapshots()))
  }

  #startCompaction(plan: CompactionPlan): void {
    const work = this.#begin(describeCompaction(plan), [], plan)
    this.#compaction = work
    if (!plan.isMove) return this.#submit(work, compactionDraft(plan, this.#settings, this.#host.snapshots()))
    work.result = { outputs: [], entriesRead: 0, entriesWritten: 0, bytesRead: 0, bytesWritten: 0 }
    this.#finished.push(work)
    this.#installNext()
  }

  #begin(description: JobDescription, requests: readonly F[], plan: CompactionPlan | undefined): Work<F> {
    const version = this.#host.currentVersion()
    version.ref()
    this.#host.onJobStart?.(description)
    return { description, version, startMs: this.#options.clock.nowMs(), requests, plan, result: undefined }
  }

  #submit(work: Work<F>, draft: JobDraft): void {
    const firstFileNumber = this.#host.allocateFileNumbers(draft.fileNumberCount)
    const job: Job = { ...draft, id: ++this.#lastJobId, firstFileNumber }
    this.#executor.submit(job, (outcome) => this.#jobEnded(work, outcome))
  }

  #nextPlan(): CompactionPlan | undefined {
    const { levels } = this.#host.currentVersion()
    const state: PickerState = {
      running: [],
      oldestSnapshot: this.#host.snapshots()[0] ?? SEQUENCE_MAX,
      isIdle: this.#host.isIdle(),
    }
    // Under writes level 0 takes turns with a request, or it would grow until writes stall.
    const yields = this.#wasManual && levels[0]!.length >= 2 * LEVEL0_TRIGGER
    const { memtableSize } = this.#options
    for (let request = this.#manual[0]; request !== undefined && !yields; request = this.#manual[0]) {
      const plan = request.compaction.next(new Picking({ levels }, state, memtableSize))
      if (plan !== undefined) {
        this.#wasManual = true
        return plan
      }
      if (!request.compaction.isDone) return undefined
      this.#manual.shift()
      request.ended()
    }
    this.#wasManual = false
    // Picking looks at every table: it is not done again for the same question.
    const nothingFor = this.#nothingFor
    if (nothingFor?.levels === levels && nothingFor.isIdle === state.isIdle && nothingFor.oldestSnapshot === state.oldestSnapshot)
      return undefined
    const plan = pickCompaction({ levels }, state, { memtableSize })
    this.#nothingFor = plan === undefined ? { levels, isIdle: state.isIdle, oldestSnapshot: state.oldestSnapshot } : undefined
    return plan
  }

  #jobEnded(work: Work<F>, outcome: JobOutcome): void {
    if ('result' in outcome) {
      work.result = outcome.result
      this.#finished.push(work)
      this.#installNext()
    } else {
      this.#release(work)
      this.#pending.unshift(...work.requests)
      if (outcome.error.code !== 'ERR_ABORTED') this.#fail(outcome.error, work.description)
    }
    this.poke()
  }

  #installNext(): void {
    if (this.#installing !== undefined || this.#error !== undefined) return
    const work = this.#finished[0]
    if (work === undefined) return
    const { result, plan, requests } = work
    const removed: RemovedTable[] = []
    for (const { level, tables } of plan?.inputs ?? []) for (const { fileNumber } of tables) removed.push({ level, fileNumber })
    const installation: Installation<F> = { added: addedTables(plan, result!), removed, flushed: requests }
    this.#installing = new TaskRun(
      this.#host.install(installation),
      () => this.#continueInstall(),
      (error) => this.#fail(asStoreError(error), work.description),
    )
    this.#continueInstall()
  }

  #continueInstall(): void {
    this.#installing!.advance(NO_PAUSE)
    if (this.#installing!.outcome !== undefined) this.#installed()
  }

  /** The installation that was under way has ended. */
  #installed(): void {
    const outcome = this.#installing!.outcome!
    const work = this.#finished[0]!
    this.#installing = undefined
    if ('error' in outcome) {
      this.#fail(asStoreError(outcome.error), work.description)
    } else {
      this.#finished.shift()
      this.#release(work)
      this.#count(work)
      this.#installNext()
    }
    this.poke()
  }

  /** The work is no longer under way. */
  #release(work: Work<F>): void {
    if (this.#flush === work) this.#flush = undefined
    if (this.#compaction === work) this.#compaction = undefined
    work.version.unref()
  }

  #count(work: Work<F>): void {
    const { plan, description } = work
    const result = work.result!
    const durationMs = this.#options.clock.nowMs() - work.startMs
    this.#counters.add(plan, result, durationMs)
    if (plan === undefined) {
      const { entriesWritten: entries, bytesWritten: outputBytes, outputs } = result
      this.#host.onFlush?.({ entries, outputBytes, tables: outputs.length, durationMs })
      return
    }
    const { reason, fromLevel, toLevel } = description
    const inputTables = inputTableCount(plan)
    const added = addedTables(plan, result)
    const sizes = { inputTables, outputTables: added.length, inputBytes: inputBytes(plan), outputBytes: addedBytes(added) }
    this.#host.onCompaction?.({ reason, fromLevel, toLevel, ...sizes, durationMs })
  }

  #fail(error: StoreError, description: JobDescription): void {
    this.#counters.failures++
    if (this.#isClosed) {
      this.#error ??= error
      return
    }
    this.stop(error)
    this.#host.onJobError(error, description)
  }
}

/** What a finished job adds to the levels. */
function addedTables(plan: CompactionPlan | undefined, result: JobResult): AddedTable[] {
  if (plan?.isMove !== true) return result.outputs.map(({ level, table }) => ({ level, table }))
  return plan.inputs.flatMap(({ tables }) => tables.map((table) => ({ level: plan.toLevel, table })))
}

function closedError(): StoreError {
  return new StoreError('ERR_NOT_OPEN', 'this store is closed: its background work has ended')
}
