/**
 * What background work has done since the store was opened.
 */
import type { JobResult } from './executor.js'
import { type CompactionPlan, inputTableCount } from './plan.js'
import type { SchedulerStats } from './scheduler.js'

/** Sums over installed jobs. */
export class SchedulerCounters {
  installations = 0
  failures = 0
  #flushes = 0
  #flushedBytes = 0
  #flushMs = 0
  readonly #compactions = { level0: 0, size: 0, tombstones: 0, idle: 0, manual: 0 }
  #movedTables = 0
  #bytesRead = 0
  #bytesWritten = 0
  #compactionMs = 0
  #entriesRead = 0
  #entriesWritten = 0

  /** Counts an installed job; a flush has no plan. */
  add(plan: CompactionPlan | undefined, result: JobResult, durationMs: number): void {
    this.installations++
    if (plan === undefined) {
      this.#flushes++
      this.#flushedBytes += result.bytesWritten
      this.#flushMs += durationMs
    } else if (plan.isMove) {
      this.#movedTables += inputTableCount(plan)
    } else {
      this.#compactions[plan.reason]++
      this.#bytesRead += result.bytesRead
      this.#bytesWritten += result.bytesWritten
      this.#compactionMs += durationMs
      this.#entriesRead += result.entriesRead
      this.#entriesWritten += result.entriesWritten
    }
  }

  /** The sums, with the state of the moment. */
  stats(pendingFlushes: number, isFlushRunning: boolean, isCompactionRunning: boolean): SchedulerStats {
    return {
      flushes: this.#flushes,
      flushedBytes: this.#flushedBytes,
      flushMs: this.#flushMs,
      compactions: { ...this.#compactions },
      movedTables: this.#movedTables,
      compactionBytesRead: this.#bytesRead,
      compactionBytesWritten: this.#bytesWritten,
      compactionMs: this.#compactionMs,
      entriesRead: this.#entriesRead,
      entriesWritten: this.#entriesWritten,
      failures: this.failures,
      pendingFlushes,
      isFlushRunning,
      isCompactionRunning,
    }
  }
}
