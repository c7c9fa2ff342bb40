/**
 * Chooses where the jobs of a store run.
 */
import type { Clock } from '../util/clock.js'
import type { Vfs } from '../vfs/vfs.js'
import type { Executor } from './executor.js'
import { InlineExecutor } from './inline_executor.js'
import { WorkerExecutor } from './worker_executor.js'

/** Settings of {@link createExecutor}. */
export interface ExecutorOptions {
  readonly vfs: Vfs
  readonly clock: Clock
  /** 0: on the calling thread, in slices. 1: on a worker thread, if the file system can be opened by one. */
  readonly threads: 0 | 1
  /** Location of the worker's module; by default beside this one. */
  readonly workerUrl: URL | undefined
  /** How far a worker gives way to other threads, 0 to 19. */
  readonly nice: number
  /** Told when there should be a worker and cannot be. */
  readonly onWarning: (message: string) => void
}

/** The executor for a store. Nothing is started before the first job. */
export function createExecutor(options: ExecutorOptions): Executor {
  const { vfs, clock, threads, workerUrl, nice, onWarning } = options
  const inline = (): Executor => new InlineExecutor(vfs, clock)
  const spec = threads === 0 ? undefined : vfs.workerSpec()
  return spec === undefined ? inline() : new WorkerExecutor({ vfs, spec, workerUrl, nice, fallback: inline, onWarning })
}
