/**
 * Runs jobs on the calling thread, in slices between turns of the event loop: for stores whose file system no other thread can open, for
 * places without worker threads, and for tests, because it is deterministic: a slice is a number of bytes, not of milliseconds.
 *
 * A flush goes first: while there is one, the compaction stands still.
 */
import type { Clock } from '../util/clock.js'
import type { StoreError } from '../util/errors.js'
import type { Vfs } from '../vfs/vfs.js'
import type { Executor, Job, JobOutcome, JobResult } from './executor.js'
import { jobTask } from './job.js'
import { asStoreError } from './job_error.js'
import { TaskRun } from './task_run.js'

/** Pauses that a slice lasts: about 1 to 2 ms of work. */
const PAUSES_PER_SLICE = 2

interface Run {
  readonly job: Job
  readonly task: TaskRun<JobResult>
  readonly ended: (outcome: JobOutcome) => void
}

/** An {@link Executor} without threads. */
export class InlineExecutor implements Executor {
  onLateError: ((error: StoreError) => void) | undefined = undefined
  readonly #vfs: Vfs
  readonly #clock: Clock
  readonly #runs: Run[] = []
  /** Compactions up to this id are to stop. */
  #cancelledId = -1
  #isScheduled = false

  constructor(vfs: Vfs, clock: Clock) {
    this.#vfs = vfs
    this.#clock = clock
  }

  submit(job: Job, ended: (outcome: JobOutcome) => void): void {
    const environment = { vfs: this.#vfs, isCancelled: () => job.kind === 'compaction' && job.id <= this.#cancelledId }
    const task = new TaskRun(
      jobTask(job, environment),
      () => this.#schedule(),
      (error) => this.onLateError?.(asStoreError(error)),
    )
    const run = { job, task, ended }
    if (job.kind === 'flush') this.#runs.unshift(run)
    else this.#runs.push(run)
    this.#schedule()
  }

  cancelCompaction(): void {
    for (const { job } of this.#runs) if (job.kind === 'compaction') this.#cancelledId = Math.max(this.#cancelledId, job.id)
  }

  waitSync(_timeoutMs: number): boolean {
    const run = this.#runs[0]
    if (run === undefined) return false
    run.task.finishSync()
    this.#end(run)
    return true
  }

  async close(): Promise<void> {
    this.closeSync()
  }

  closeSync(): void {
    this.#runs.length = 0
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    this.#clock.nextTurn(() => {
      this.#isScheduled = false
      this.#slice()
    })
  }

  #slice(): void {
    const run = this.#runs[0]
    if (run === undefined || run.task.isBlocked) return
    run.task.advance(PAUSES_PER_SLICE)
    if (run.task.outcome !== undefined) this.#end(run)
    if (this.#runs[0]?.task.isBlocked === false) this.#schedule()
  }

  #end(run: Run): void {
    this.#runs.splice(this.#runs.indexOf(run), 1)
    const { outcome } = run.task
    if (outcome === undefined) return
    run.ended('value' in outcome ? { result: outcome.value } : { error: asStoreError(outcome.error) })
    if (this.#runs.length > 0) this.#schedule()
  }
}
