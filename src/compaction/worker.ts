/**
 * The worker thread's module: runs flushes and compactions as they come, one thread for both.
 *
 * A job is driven as the generator it is. At each of its pauses the port is polled, so that a flush which arrives in the middle of a
 * compaction is run at once; the compaction goes on afterwards. Syncs are made on the spot: nobody else waits for this thread.
 *
 * Jobs open the tables they read themselves, without a cache, and close them again: no table is kept between jobs, only
 * memory to build and open the next ones in.
 */
import { isMainThread, receiveMessageOnPort, workerData, type MessagePort } from 'node:worker_threads'
import { PAUSE, type Task } from '../util/task.js'
import { openWorkerVfs } from '../vfs/node.js'
import type { Vfs } from '../vfs/vfs.js'
import type { Job, JobResult } from './executor.js'
import { jobTask } from './job.js'
import { imageOf } from './job_error.js'
import { giveWay } from './thread_priority.js'
import { CANCELLED, EXITED, type OutcomeMessage, POSTED, PULSE, RUNNING, STARTING, STATE, type WorkerStart } from './worker_protocol.js'

interface Run {
  readonly job: Job
  readonly task: Task<JobResult>
}

class JobLoop {
  readonly #control: Int32Array
  readonly #port: MessagePort
  readonly #vfs: Vfs
  /** Flushes first. */
  readonly #runs: Run[] = []

  constructor(start: WorkerStart) {
    this.#control = start.control
    this.#port = start.port
    this.#vfs = openWorkerVfs(start.vfs)
  }

  listen(): void {
    this.#port.on('message', (job: Job) => {
      this.#accept(job)
      while (this.#runs.length > 0) this.#advance(this.#runs[0]!)
    })
  }

  #accept(job: Job): void {
    const isCancelled = (): boolean => job.kind === 'compaction' && job.id <= Atomics.load(this.#control, CANCELLED)
    const run = { job, task: jobTask(job, { vfs: this.#vfs, isCancelled }) }
    if (job.kind === 'flush') this.#runs.unshift(run)
    else this.#runs.push(run)
  }

  /** Runs a job up to its next pause. */
  #advance(run: Run): void {
    try {
      let turn = run.task.next()
      while (!turn.done && turn.value !== PAUSE) {
        let value: unknown
        try {
          value = turn.value.runSync()
        } catch (error) {
          turn = run.task.throw(error)
          continue
        }
        turn = run.task.next(value)
      }
      if (turn.done) this.#end(run, { id: run.job.id, result: turn.value })
    } catch (error) {
      this.#end(run, { id: run.job.id, error: imageOf(error) })
    }
    Atomics.add(this.#control, PULSE, 1)
    for (let received = receiveMessageOnPort(this.#port); received !== undefined; received = receiveMessageOnPort(this.#port)) {
      this.#accept(received.message as Job)
    }
  }

  #end(run: Run, message: OutcomeMessage): void {
    this.#runs.splice(this.#runs.indexOf(run), 1)
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a MessagePort has no origin
    this.#port.postMessage(message)
    announce(this.#control)
  }
}

/** Wakes the main thread, should it be waiting. */
function announce(control: Int32Array): void {
  Atomics.add(control, POSTED, 1)
  Atomics.notify(control, POSTED)
}

function serve(start: WorkerStart): void {
  const { control } = start
  process.on('exit', () => {
    Atomics.store(control, STATE, EXITED)
    announce(control)
  })
  const loop = new JobLoop(start)
  // After everything was loaded: threads that this one makes inherit its priority, and Node's pool serves the main thread, too.
  giveWay(start.nice)
  loop.listen()
}

const start = workerData as WorkerStart | null | undefined
if (!isMainThread && start?.control instanceof Int32Array) {
  // Loses against a main thread that has given up on this worker and runs its jobs itself.
  if (Atomics.compareExchange(start.control, STATE, STARTING, RUNNING) === STARTING) serve(start)
}
