/**
 * What jobs do: a flush writes memtables to a table of level 0, a compaction merges tables into a deeper level. Both are tasks, so that
 * they run in slices on any thread.
 *
 * 1. Merge the inputs into one sorted run.
 * 2. Drop what nobody can see any more (`retention.ts`).
 * 3. Write the rest to tables, cut at user keys (`output_cutter.ts`), each made durable when it is complete.
 * 4. Make their names durable, and answer with their descriptions. Whoever started the job installs them.
 *
 * Memory is bounded: index and block of each input, the tail of one that is being opened, and one table builder.
 *
 * Invariants
 * 1. A job whose input cannot be read, or fails its checksum, ends with that error: it never goes on with less than all of its inputs.
 * 2. A job that ends with an error, or is given up, has deleted its outputs.
 * 3. Equal jobs write equal bytes, on whichever thread and in whatever slices they run.
 */
import { type InternalIterator, MOVED, type MoveStatus, NEEDS_IO } from '../codec/internal_iterator.js'
import { LevelIterator } from '../iterator/level.js'
import { mergeIterators } from '../iterator/merging.js'
import { Memtable } from '../memtable/memtable.js'
import { tableFileName } from '../sstable/format.js'
import { ReadContext } from '../sstable/read_context.js'
import { TableBuilder } from '../sstable/table_builder.js'
import { TableCache } from '../sstable/table_cache.js'
import { assert } from '../util/assert.js'
import { StoreError } from '../util/errors.js'
import { PAUSE, step, type Task } from '../util/task.js'
import { joinPath, syncDirStep } from '../vfs/io.js'
import type { Vfs } from '../vfs/vfs.js'
import type { CompactionJob, FlushJob, Job, JobOutput, JobResult, TableSettings } from './executor.js'
import { OutputCutter } from './output_cutter.js'
import { type CompactionPlan, inputBytes } from './plan.js'
import { Retention } from './retention.js'

/** Bytes of entries processed between two pauses: 0.3 to 1 ms of work. */
const PAUSE_BYTES = 64 * 1024

/** Bytes an entry counts besides its key and value. */
const ENTRY_BYTES = 16

/** Why `EntryCopy.advance` came back. */
const ENDED = 0
const PAUSED = 1
const CUT = 2

/** What a job runs with. */
export interface JobEnvironment {
  readonly vfs: Vfs
  /** Asked at each pause; a cancelled job deletes its outputs and ends with `ERR_ABORTED`. */
  isCancelled(): boolean
}

/** The task of a job. */
export function jobTask(job: Job, environment: JobEnvironment): Task<JobResult> {
  return job.kind === 'flush' ? flushTask(job, environment) : compactionTask(job, environment)
}

/** Writes frozen memtables to one table of level 0, or to none when nothing of them can be seen. */
export function* flushTask(job: FlushJob, environment: JobEnvironment): Task<JobResult> {
  const memtables = job.arenas.map((arena) => Memtable.attach(arena))
  const source = mergeIterators(memtables.map((memtable) => memtable.iterator()))
  const retention = new Retention(job.snapshots, job.deeper, false)
  const outputs = new OutputTables(environment.vfs, job, 0)
  const bytesRead = memtables.reduce((sum, memtable) => sum + memtable.usedBytes, 0)
  return yield* writeTables(new EntryCopy(source, retention, undefined, outputs), bytesRead, environment)
}

/** Carries out a plan. */
export function* compactionTask(job: CompactionJob, environment: JobEnvironment): Task<JobResult> {
  const { plan, settings } = job
  assert(!plan.isMove, 'a move needs no job')
  // Iterators hold the tables they are on themselves, so the cache needs no room.
  const tables = new TableCache(environment.vfs, settings.dir, undefined, 1, undefined, false)
  const source = mergeIterators(inputRuns(plan, tables, new ReadContext(true, true, false)))
  const retention = new Retention(job.snapshots, plan.deeper, plan.deeper.length === 0)
  const cutter = new OutputCutter(plan.targetTableBytes, plan.grandparents)
  const outputs = new OutputTables(environment.vfs, job, plan.toLevel)
  try {
    return yield* writeTables(new EntryCopy(source, retention, cutter, outputs), inputBytes(plan), environment)
  } finally {
    tables.closeAll()
  }
}

/** Each table of level 0 is a run of its own, newest first; each level below is one. */
function inputRuns(plan: CompactionPlan, tables: TableCache, context: ReadContext): InternalIterator[] {
  const runs: InternalIterator[] = []
  for (const input of plan.inputs) {
    if (input.level === 0) for (const table of input.tables) runs.push(new LevelIterator([table], tables, context))
    else runs.push(new LevelIterator(input.tables, tables, context))
  }
  return runs
}

function* writeTables(copy: EntryCopy, bytesRead: number, environment: JobEnvironment): Task<JobResult> {
  const { outputs } = copy
  let isDone = false
  try {
    copy.begin()
    for (let why = copy.advance(); why !== ENDED; why = copy.advance()) {
      if (environment.isCancelled()) throw new StoreError('ERR_ABORTED', 'a background job was cancelled')
      if (why === CUT) yield* outputs.finishTable()
      yield PAUSE
    }
    copy.assertEnded()
    yield* outputs.finishAll()
    isDone = true
    return {
      outputs: outputs.finished,
      entriesRead: copy.entriesRead,
      entriesWritten: outputs.entriesWritten,
      bytesRead,
      bytesWritten: outputs.bytesWritten,
    }
  } finally {
    copy.source.close()
    if (!isDone) outputs.discard()
  }
}

/** The loop over all entries, apart from the task around it, because it is hot. */
class EntryCopy {
  entriesRead = 0
  readonly source: InternalIterator
  readonly outputs: OutputTables
  private readonly retention: Retention
  private readonly cutter: OutputCutter | undefined
  private status: MoveStatus = NEEDS_IO
  /** The current entry stays, and the table that was to end before it has ended. */
  private isAfterCut = false

  constructor(source: InternalIterator, retention: Retention, cutter: OutputCutter | undefined, outputs: OutputTables) {
    this.source = source
    this.retention = retention
    this.cutter = cutter
    this.outputs = outputs
  }

  begin(): void {
    this.status = this.source.seekToFirst()
  }

  /**
   * Goes on until the end, a pause or a cut. Hot: guarded by `bench/micro/compaction.ts`.
   *
   * Nothing but a return may follow the loop: it comes to its end once a job, so the code behind it has never been run when the loop is
   * compiled, and would throw the compiled loop away at the end of each job.
   */
  advance(): number {
    const { source, retention } = this
    let bytesLeft = PAUSE_BYTES
    let { status } = this
    while (status === MOVED) {
      if (this.isAfterCut) {
        this.isAfterCut = false
        this.write()
      } else {
        this.entriesRead++
        if (retention.keeps(source.data, source.keyStart, source.keyEnd, source.sequence, source.kind)) {
          if (retention.isNewKey && this.isCutDue()) {
            this.isAfterCut = true
            return CUT
          }
          this.write()
        }
      }
      bytesLeft -= source.keyEnd - source.keyStart + source.valueEnd - source.valueStart + ENTRY_BYTES
      status = source.next()
      this.status = status
      if (bytesLeft <= 0) return PAUSED
    }
    return ENDED
  }

  /** The last `advance` has come to the end of the source, not to a block that it would have to wait for. */
  assertEnded(): void {
    assert(this.status !== NEEDS_IO, 'jobs read on the spot')
  }

  /** Whether the table in progress is to end before the current entry, and may. */
  private isCutDue(): boolean {
    const { source, cutter, outputs } = this
    return cutter !== undefined && cutter.cutsBefore(source.data, source.keyStart, source.keyEnd, outputs.tableBytes) && outputs.mayCut
  }

  private write(): void {
    const { source, retention } = this
    const table = this.outputs.table()
    table.add(source.data, source.keyStart, source.keyEnd, retention.sequence, source.kind, source.valueStart, source.valueEnd)
  }
}

/** The tables that a job writes. */
class OutputTables {
  readonly finished: JobOutput[] = []
  entriesWritten = 0
  bytesWritten = 0
  private readonly vfs: Vfs
  private readonly settings: TableSettings
  private readonly level: number
  private nextFileNumber: number
  private readonly endFileNumber: number
  private builder: TableBuilder | undefined = undefined

  constructor(vfs: Vfs, job: Job, level: number) {
    assert(job.fileNumberCount >= 1, 'a job has a number for its output')
    this.vfs = vfs
    this.settings = job.settings
    this.level = level
    this.nextFileNumber = job.firstFileNumber
    this.endFileNumber = job.firstFileNumber + job.fileNumberCount
  }

  /** Size so far of the table in progress; 0 when there is none. */
  get tableBytes(): number {
    return this.builder === undefined ? 0 : this.builder.estimatedFileBytes()
  }

  /** Whether there is a number left for one more table. With the last one, the table just gets longer. */
  get mayCut(): boolean {
    return this.nextFileNumber < this.endFileNumber
  }

  /** The table in progress. */
  table(): TableBuilder {
    if (this.builder === undefined) {
      assert(this.mayCut, 'a job keeps to its file numbers')
      const { dir, blockSize, compression, compressionLevel, bloomFalsePositiveRate } = this.settings
      const fileNumber = this.nextFileNumber++
      const options = { blockSize, codec: compression[this.level]!, compressionLevel, bloomFalsePositiveRate }
      this.builder = new TableBuilder(this.vfs, joinPath(dir, tableFileName(fileNumber)), fileNumber, options)
    }
    return this.builder
  }

  /** Completes the table in progress. */
  *finishTable(): Task<void> {
    const { builder } = this
    if (builder === undefined) return
    const table = yield* builder.finish()
    this.builder = undefined
    this.finished.push({ level: this.level, table })
    this.entriesWritten += table.entryCount
    this.bytesWritten += table.fileBytes
  }

  /** Completes the last table and makes the names of all durable. */
  *finishAll(): Task<void> {
    yield* this.finishTable()
    if (this.finished.length > 0) yield* step(syncDirStep(this.vfs, this.settings.dir))
  }

  /**
   * Deletes everything, as far as that goes: the error that led here is the one to report, and what stays behind is removed when the store
   * is next opened.
   */
  discard(): void {
    tryTo(() => this.builder?.abandon())
    for (const { table } of this.finished) tryTo(() => this.vfs.unlinkSync(joinPath(this.settings.dir, tableFileName(table.fileNumber))))
    this.builder = undefined
    this.finished.length = 0
  }
}

function tryTo(action: () => void): void {
  try {
    action()
  } catch {
    // See `discard`.
  }
}
