/**
 * The scheduler of background work as the store sees it, and the store as the scheduler sees it. `compaction_scheduler.ts` is the
 * implementation.
 */
import type { Memtable } from '../memtable/memtable.js'
import type { Clock } from '../util/clock.js'
import type { StoreError } from '../util/errors.js'
import type { Task } from '../util/task.js'
import type { AddedTable, RemovedTable } from '../version/version_edit.js'
import type { Version } from '../version/version.js'
import type { CompressionName } from '../codec/compression.js'
import type { KeyRange } from './plan.js'

/** A frozen memtable that is to become a table. The store may hang more on its own subtype: requests come back by identity. */
export interface FlushRequest {
  readonly memtable: Memtable
}

/** What a finished job changes. */
export interface Installation<F extends FlushRequest = FlushRequest> {
  readonly added: readonly AddedTable[]
  readonly removed: readonly RemovedTable[]
  /** Requests that the job carried out, oldest first; empty for a compaction. */
  readonly flushed: readonly F[]
}

/** Memtables became a table. */
export interface FlushSummary {
  readonly entries: number
  readonly outputBytes: number
  readonly tables: number
  readonly durationMs: number
}

/** Tables were merged into a deeper level, or moved there. */
export interface CompactionSummary {
  /** A `CompactionReason`, or `'move'` when no byte was rewritten. */
  readonly reason: string
  readonly fromLevel: number
  readonly toLevel: number
  readonly inputTables: number
  readonly outputTables: number
  readonly inputBytes: number
  readonly outputBytes: number
  readonly durationMs: number
}

/** A job, for messages. */
export interface JobDescription {
  readonly kind: 'flush' | 'compaction'
  readonly reason: string
  readonly fromLevel: number
  readonly toLevel: number
  readonly inputTables: number
  readonly inputBytes: number
}

/** What the scheduler needs of the store. Callbacks must not throw. */
export interface SchedulerHost<F extends FlushRequest = FlushRequest> {
  /** The newest version. The scheduler takes its own references. */
  currentVersion(): Version
  /**
   * Sequence numbers that somebody reads at, ascending; the latest published one may be among them. Asked once at the start of each job,
   * when everything in frozen memtables and tables is published: a snapshot that is made later sees the newest version of each key, which
   * every job keeps.
   */
  snapshots(): readonly number[]
  /** Reserves `count` file numbers and returns the first. They are greater than every number seen before. */
  allocateFileNumbers(count: number): number
  /**
   * Records the change in the manifest, makes it durable, and in one go replaces the current version, drops the flushed memtables and lets
   * obsolete files and logs be deleted. The next installation starts only when this one has ended.
   */
  install(installation: Installation<F>): Task<void>
  /** Whether nobody has written for a while, so that garbage may be collected ahead of need. Call `poke` when it becomes true. */
  isIdle(): boolean
  /** A job or an installation failed, and nothing more is started. Call `resume` when the reason is gone (disk full), or never. */
  onJobError(error: StoreError, job: JobDescription): void
  onJobStart?(job: JobDescription): void
  onFlush?(summary: FlushSummary): void
  onCompaction?(summary: CompactionSummary): void
}

/** Settings of a scheduler. */
export interface SchedulerOptions {
  readonly dir: string
  readonly memtableSize: number
  readonly blockSize: number
  /** Codec of each of the seven levels. */
  readonly compression: readonly CompressionName[]
  readonly compressionLevel: number
  readonly bloomFalsePositiveRate: number
  readonly clock: Clock
}

/** Counters since the scheduler was made. */
export interface SchedulerStats {
  readonly flushes: number
  readonly flushedBytes: number
  readonly flushMs: number
  /** Compactions that rewrote tables, by reason. */
  readonly compactions: Readonly<Record<'level0' | 'size' | 'tombstones' | 'idle' | 'manual', number>>
  /** Tables that changed their level without being rewritten. */
  readonly movedTables: number
  readonly compactionBytesRead: number
  readonly compactionBytesWritten: number
  readonly compactionMs: number
  readonly entriesRead: number
  readonly entriesWritten: number
  readonly failures: number
  readonly pendingFlushes: number
  readonly isFlushRunning: boolean
  readonly isCompactionRunning: boolean
}

/** The interface of the scheduler, as the store sees it. */
export interface Scheduler<F extends FlushRequest = FlushRequest> {
  /** Queues a frozen memtable. Memtables that wait together become one table. */
  requestFlush(request: F): void
  /** Something may have become due: a snapshot was released, a version installed from elsewhere, writes went quiet. */
  poke(): void
  /** Compacts everything in the range down to the last level, dropping all that nobody can see. Rejects when a job fails. */
  compactRange(range: KeyRange): Promise<void>
  compactRangeSync(range: KeyRange): void
  /** Resolves when all requested flushes are installed; rejects when a job fails. */
  flushed(): Promise<void>
  flushedSync(): void
  /** Resolves after the next installation, or at once when no job runs; rejects when a job fails. For writers that wait for room. */
  progress(): Promise<void>
  progressSync(): void
  /** Resolves when nothing runs and nothing is due; rejects when a job fails. */
  idle(): Promise<void>
  idleSync(): void
  /** Starts no more jobs; what runs goes on and is installed. */
  pause(): void
  /** As after a failed job: starts and installs nothing any more, and rejects all waiters with the error. */
  stop(error: StoreError): void
  /** Undoes `pause`, or goes on after an error: flushes are tried again, finished jobs that were not installed are now. */
  resume(): void
  /**
   * Cancels the running compaction, lets the running flush end, starts nothing more, and frees the executor. Queued flushes stay undone.
   * Never rejects.
   */
  close(): Promise<void>
  closeSync(): void
  stats(): SchedulerStats
}
