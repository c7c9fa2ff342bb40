/**
 * Runs jobs on a worker thread, which is started at the first job and never keeps the process alive by itself.
 *
 * Outcomes arrive as messages on a port. While the event loop turns they are events; `waitSync` takes them off the port on the spot,
 * sleeping on shared memory until there are some. That works from the very first job on: a worker thread starts up while the main thread is
 * blocked.
 *
 * Two kinds of failure are told apart. A worker whose module never ran (a bundle without it, threads forbidden) is replaced by inline
 * execution, with a warning. One that died later fails its jobs with `ERR_BACKGROUND`; the next job starts another.
 */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker, type WorkerOptions } from 'node:worker_threads'
import { tableFileName } from '../sstable/format.js'
import { StoreError } from '../util/errors.js'
import { joinPath } from '../vfs/io.js'
import type { Vfs, WorkerVfsSpec } from '../vfs/vfs.js'
import type { Executor, Job, JobOutcome } from './executor.js'
import { errorOf } from './job_error.js'
import {
  ABANDONED,
  CANCELLED,
  CONTROL_WORDS,
  EXITED,
  type OutcomeMessage,
  POSTED,
  PULSE,
  STARTING,
  STATE,
  type WorkerStart,
} from './worker_protocol.js'

/** Longest wait on the spot for a worker to start before jobs run inline: a loaded machine takes 0.1 s. */
const START_MS_MAX = 10_000

/** Longest wait on the spot without a sign of life before a worker counts as dead. A sync of a large table on a slow disk must fit in. */
const SILENCE_MS_MAX = 120_000

/** How long to sleep between two looks at the worker's state. */
const NAP_MS = 250

/**
 * Limits on the worker's JavaScript heap. Blocks, arenas and write buffers lie outside of it; what is inside grows with the number of
 * tables in a plan. Nearly all that a job allocates are views and blocks that die at once: a small nursery stays in the processor's cache,
 * frees blocks early, and takes 5 to 15 MB less than 16 MiB of it would, at the same speed.
 */
const HEAP_LIMITS = { maxOldGenerationSizeMb: 512, maxYoungGenerationSizeMb: 2 }

/** What a {@link WorkerExecutor} needs. */
export interface WorkerExecutorOptions {
  /** The file system of this thread; only what a dead worker left behind is removed through it. */
  readonly vfs: Vfs
  readonly spec: WorkerVfsSpec
  /** Location of the worker's module; by default beside this one. */
  readonly workerUrl: URL | undefined
  /** How far the worker gives way to other threads, 0 to 19. */
  readonly nice: number
  /** Makes what jobs run on when there can be no worker. */
  readonly fallback: () => Executor
  readonly onWarning: (message: string) => void
}

interface Run {
  readonly job: Job
  readonly ended: (outcome: JobOutcome) => void
}

/** A started worker. */
interface Thread {
  readonly worker: Worker
  readonly port: MessagePort
  readonly control: Int32Array
  /** The error that the worker is about to end with. */
  error: unknown
}

/** An {@link Executor} on one worker thread. */
export class WorkerExecutor implements Executor {
  readonly #options: WorkerExecutorOptions
  readonly #runs = new Map<number, Run>()
  #thread: Thread | undefined
  #fallback: Executor | undefined
  #onLateError: ((error: StoreError) => void) | undefined
  #isClosed = false

  constructor(options: WorkerExecutorOptions) {
    this.#options = options
  }

  get onLateError(): ((error: StoreError) => void) | undefined {
    return this.#onLateError
  }

  set onLateError(listener: ((error: StoreError) => void) | undefined) {
    this.#onLateError = listener
    if (this.#fallback !== undefined) this.#fallback.onLateError = listener
  }

  submit(job: Job, ended: (outcome: JobOutcome) => void): void {
    if (this.#fallback !== undefined) return this.#fallback.submit(job, ended)
    this.#runs.set(job.id, { job, ended })
    try {
      this.#thread ??= this.#start()
    } catch (error) {
      return this.#fallBack(error)
    }
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a MessagePort has no origin
    this.#thread.port.postMessage(job)
  }

  cancelCompaction(): void {
    this.#fallback?.cancelCompaction()
    for (const { job } of this.#runs.values()) {
      if (job.kind === 'compaction') Atomics.store(this.#thread!.control, CANCELLED, job.id)
    }
  }

  waitSync(timeoutMs: number): boolean {
    const deadlineMs = performance.now() + timeoutMs
    let sinceMs = performance.now()
    let pulse = -1
    for (;;) {
      const thread = this.#thread
      if (this.#fallback !== undefined) return this.#fallback.waitSync(deadlineMs - performance.now())
      if (thread === undefined || this.#runs.size === 0) return false
      const posted = Atomics.load(thread.control, POSTED)
      if (this.#receive(thread)) return true
      const nowMs = performance.now()
      if (nowMs >= deadlineMs) return false
      const state = Atomics.load(thread.control, STATE)
      const lastPulse = pulse
      pulse = Atomics.load(thread.control, PULSE)
      if (pulse !== lastPulse) sinceMs = nowMs
      if (state === EXITED) this.#died(thread, thread.error, true)
      else if (state === STARTING && nowMs - sinceMs > START_MS_MAX) this.#died(thread, new Error('it did not start in time'), false)
      else if (nowMs - sinceMs > SILENCE_MS_MAX) this.#died(thread, new Error('it gives no sign of life'), false)
      else Atomics.wait(thread.control, POSTED, posted, Math.min(NAP_MS, deadlineMs - nowMs))
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#fallback?.close()
    const thread = this.#thread
    if (thread === undefined) return
    this.#thread = undefined
    thread.port.close()
    thread.worker.ref()
    await thread.worker.terminate()
  }

  closeSync(): void {
    this.#isClosed = true
    this.#fallback?.closeSync()
    this.#thread?.port.close()
    void this.#thread?.worker.terminate()
    this.#thread = undefined
  }

  #start(): Thread {
    const { port1, port2 } = new MessageChannel()
    const control = new Int32Array(new SharedArrayBuffer(4 * CONTROL_WORDS))
    const start: WorkerStart = { control, port: port2, vfs: this.#options.spec, nice: this.#options.nice }
    const worker = startWorker(this.#options.workerUrl, {
      name: 'varve',
      workerData: start,
      transferList: [port2],
      execArgv: [],
      stdin: false,
      stdout: false,
      stderr: false,
      resourceLimits: HEAP_LIMITS,
    })
    const thread: Thread = { worker, port: port1, control, error: undefined }
    port1.on('message', (message: OutcomeMessage) => this.#dispatch(message))
    worker.on('error', (error) => {
      thread.error = error
    })
    worker.on('exit', () => this.#died(thread, thread.error, true))
    port1.unref()
    worker.unref()
    return thread
  }

  /** Takes outcomes off the port. Returns whether there were any. */
  #receive(thread: Thread): boolean {
    let count = 0
    for (let received = receiveMessageOnPort(thread.port); received !== undefined; received = receiveMessageOnPort(thread.port)) {
      this.#dispatch(received.message as OutcomeMessage)
      count++
    }
    return count > 0
  }

  #dispatch(message: OutcomeMessage): void {
    const run = this.#runs.get(message.id)
    this.#runs.delete(message.id)
    run?.ended('result' in message ? message : { error: errorOf(message.error) })
  }

  /** The worker is gone, or counts as gone: its jobs fail, or run here if it never came up. */
  #died(thread: Thread, cause: unknown, isGone: boolean): void {
    if (this.#thread !== thread || this.#isClosed) return
    const hasStarted = Atomics.compareExchange(thread.control, STATE, STARTING, ABANDONED) !== STARTING
    this.#receive(thread)
    this.#thread = undefined
    thread.port.close()
    void thread.worker.terminate()
    if (!hasStarted) return this.#fallBack(cause)
    const reason = cause instanceof Error ? `: ${cause.message}` : ''
    const failed = [...this.#runs.values()]
    this.#runs.clear()
    for (const { job, ended } of failed) {
      if (isGone) removeOutputs(this.#options.vfs, job)
      ended({ error: new StoreError('ERR_BACKGROUND', `the worker thread of the store ended unexpectedly${reason}`, { cause }) })
    }
  }

  #fallBack(cause: unknown): void {
    const reason = cause instanceof Error ? ` (${cause.message})` : ''
    const remedy = "the option workerUrl says where the worker's module is"
    this.#options.onWarning(`the worker thread could not be started${reason}: flush and compaction run on the calling thread; ${remedy}`)
    const fallback = this.#options.fallback()
    fallback.onLateError = this.#onLateError
    this.#fallback = fallback
    const waiting = [...this.#runs.values()]
    this.#runs.clear()
    for (const { job, ended } of waiting) fallback.submit(job, ended)
  }
}

function startWorker(workerUrl: URL | undefined, options: WorkerOptions): Worker {
  if (workerUrl !== undefined) return new Worker(checkedUrl(workerUrl), options)
  // Run from the sources by a test runner, which does not load worker threads: the compiled module serves.
  if (import.meta.url.endsWith('.ts')) return new Worker(checkedUrl(new URL('../../dist/compaction/worker.js', import.meta.url)), options)
  checkedUrl(new URL('./worker.js', import.meta.url))
  // This very form is what bundlers look for.
  return new Worker(new URL('./worker.js', import.meta.url), options)
}

/** A missing file would be noticed only when the event loop turns, which is too late for a caller that waits on the spot. */
function checkedUrl(url: URL): URL {
  if (url.protocol === 'file:' && !existsSync(fileURLToPath(url))) throw new Error(`there is no ${fileURLToPath(url)}`)
  return url
}

/** Deletes what a dead worker may have left of a job. */
function removeOutputs(vfs: Vfs, job: Job): void {
  for (let i = 0; i < job.fileNumberCount; i++) {
    const path = joinPath(job.settings.dir, tableFileName(job.firstFileNumber + i))
    try {
      if (vfs.statSync(path) !== undefined) vfs.unlinkSync(path)
    } catch {
      // It is removed when the store is next opened.
    }
  }
}
