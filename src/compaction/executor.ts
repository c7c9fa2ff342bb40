/**
 * Where jobs run: on this thread in slices (`inline_executor.ts`) or on a worker thread (`worker_executor.ts`). Both run the same tasks and
 * produce the same bytes.
 *
 * Invariants
 * 1. Each submitted job ends with exactly one call of its `ended`, in a later turn of the event loop or inside `waitSync`, never inside
 *    `submit`.
 * 2. A job that fails or is cancelled leaves no file behind, as far as the file system lets it.
 * 3. A flush never waits for a compaction: it interrupts it at its next pause.
 */
import type { CompressionName } from '../codec/compression.js'
import type { TableMeta } from '../sstable/table_meta.js'
import type { StoreError } from '../util/errors.js'
import type { CompactionPlan, KeyBounds } from './plan.js'

/** How tables are written, and where. Plain data. */
export interface TableSettings {
  /** Folder of the store. */
  readonly dir: string
  readonly blockSize: number
  /** Codec of each of the seven levels. */
  readonly compression: readonly CompressionName[]
  readonly compressionLevel: number
  readonly bloomFalsePositiveRate: number
}

/** What every job carries. Plain data: it crosses to the worker. */
interface JobBase {
  /** Unique in its executor, ascending. */
  readonly id: number
  readonly settings: TableSettings
  /** Sequence numbers that somebody reads at, ascending: live snapshots. The newest version of every key is kept anyway. */
  readonly snapshots: readonly number[]
  /** Numbers that the job may give to its outputs: `firstFileNumber` and the `fileNumberCount - 1` after it. */
  readonly firstFileNumber: number
  readonly fileNumberCount: number
}

/** Writes frozen memtables to one table of level 0. */
export interface FlushJob extends JobBase {
  readonly kind: 'flush'
  /** Arenas of the memtables. */
  readonly arenas: readonly SharedArrayBuffer[]
  /** Tables that overlap the memtables, as disjoint lists in key order; a deletion of a key in none of them need not be written. */
  readonly deeper: readonly (readonly KeyBounds[])[]
}

/** Carries out a plan that is not a move. */
export interface CompactionJob extends JobBase {
  readonly kind: 'compaction'
  readonly plan: CompactionPlan
}

/** Work for an executor. */
export type Job = FlushJob | CompactionJob

/** A table that a job wrote. */
export interface JobOutput {
  readonly level: number
  readonly table: TableMeta
}

/** What a job did. Plain data. */
export interface JobResult {
  readonly outputs: readonly JobOutput[]
  readonly entriesRead: number
  readonly entriesWritten: number
  readonly bytesRead: number
  readonly bytesWritten: number
}

/** How a job ended. `ERR_ABORTED` when it was cancelled. */
export type JobOutcome = { readonly result: JobResult } | { readonly error: StoreError }

/** Runs jobs. */
export interface Executor {
  /** Told of a sync whose failure came to light after its job had ended well; see `task_run.ts`. */
  onLateError: ((error: StoreError) => void) | undefined
  /** Takes over a job. At most one flush and one compaction at a time. */
  submit(job: Job, ended: (outcome: JobOutcome) => void): void
  /** Asks the running compaction, if any, to stop at its next pause; it then ends with `ERR_ABORTED`. */
  cancelCompaction(): void
  /**
   * Blocks until a job has ended and its `ended` was called, or `timeoutMs` have passed. Returns whether one has; at once, with `false`,
   * when none runs.
   */
  waitSync(timeoutMs: number): boolean
  /** Frees the thread. Jobs must have ended. */
  close(): Promise<void>
  /** As `close`, without waiting for the thread to be gone. */
  closeSync(): void
}
