/**
 * What the main thread and the worker share.
 *
 * Jobs and their outcomes are messages on a port of their own. Beside it lies a small piece of shared memory, because either side may be in
 * the middle of synchronous work and must still learn something:
 *
 * | word | written by | meaning |
 * |---|---|---|
 * | `STATE` | both | `STARTING` until the worker's module runs, then `RUNNING`; `ABANDONED` when the main thread has stopped believing in it; `EXITED` when it has come to its end |
 * | `POSTED` | worker | outcomes posted so far; waited on by the main thread |
 * | `PULSE` | worker | pauses so far: a sign of life |
 * | `CANCELLED` | main | compactions with ids up to this one are to stop |
 *
 * `STATE` goes from `STARTING` to `RUNNING` or to `ABANDONED` by compare-and-exchange, so a job is never run by a late worker and inline at
 * the same time.
 */
import type { MessagePort } from 'node:worker_threads'
import type { WorkerVfsSpec } from '../vfs/vfs.js'
import type { JobResult } from './executor.js'
import type { ErrorImage } from './job_error.js'

/** Indexes of the words of shared memory: see the table above. */
export const STATE = 0
export const POSTED = 1
export const PULSE = 2
export const CANCELLED = 3
/** Words of shared memory. */
export const CONTROL_WORDS = 4

/** Values of the word `STATE`. */
export const STARTING = 0
export const RUNNING = 1
export const ABANDONED = 2
export const EXITED = 3

/** What the worker is started with. */
export interface WorkerStart {
  readonly control: Int32Array
  readonly port: MessagePort
  readonly vfs: WorkerVfsSpec
  /** How far the worker gives way to other threads: what its nice value is raised by. */
  readonly nice: number
}

/** What the worker answers to a job. */
export type OutcomeMessage = { readonly id: number; readonly result: JobResult } | { readonly id: number; readonly error: ErrorImage }
