/** The process of a job, seen from `run.ts`: gives it a round, hears of its progress, and ends it when it says nothing any more. */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { RoundProgress, RoundTask } from './job.js'

const PROGRAM = fileURLToPath(new URL('./job.js', import.meta.url))
/** A round that is busy on the spot says nothing, so this is far longer than any takes. */
const SILENT_MS_MAX = 180_000
const ROUND_MS_MAX = 600_000
const OUTPUT_CHARACTERS_MAX = 4000

export class Job {
  /** Whether its process has ended: it takes no more rounds. */
  isDead = false
  readonly #process: ChildProcess
  #output = ''

  constructor() {
    this.#process = fork(PROGRAM, { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] })
    const keep = (text: string): void => void (this.#output = (this.#output + text).slice(-OUTPUT_CHARACTERS_MAX))
    this.#process.stdout!.setEncoding('utf8').on('data', keep)
    this.#process.stderr!.setEncoding('utf8').on('data', keep)
    this.#process.on('exit', () => (this.isDead = true))
  }

  /** Runs a round; resolves with what it has found, or nothing. */
  run(task: RoundTask, onProgress: (progress: RoundProgress) => void): Promise<string | undefined> {
    return new Promise((resolve) => {
      const child = this.#process
      const hang = (): void => {
        ended(`the round hangs: it has said nothing for ${SILENT_MS_MAX / 1000} s, or not ended in ${ROUND_MS_MAX / 1000} s`)
        this.isDead = true
        child.kill('SIGKILL')
      }
      let silence = setTimeout(hang, SILENT_MS_MAX)
      const limit = setTimeout(hang, ROUND_MS_MAX)
      const hear = (message: unknown): void => {
        const progress = message as RoundProgress
        clearTimeout(silence)
        silence = setTimeout(hang, SILENT_MS_MAX)
        onProgress(progress)
        if (progress.isDone) ended(progress.violation)
      }
      const died = (code: number | null, signal: string | null): void => {
        ended(`the process of the round died (${signal ?? `exit code ${code}`})${this.#output === '' ? '' : `:\n${this.#output}`}`)
      }
      const ended = (violation: string | undefined): void => {
        clearTimeout(silence)
        clearTimeout(limit)
        child.off('message', hear).off('exit', died)
        resolve(violation)
      }
      child.on('message', hear).on('exit', died)
      child.send(task)
    })
  }

  /** Lets the process go. */
  end(): void {
    this.#process.disconnect()
  }
}
