/** Child processes of the proving ground: started ahead, given orders, and seen to their end. None outlives the one who started it. */
import { type ChildProcess, fork } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { REPOSITORY_URL } from '../../support/options.js'

/** Milliseconds without an end after which a process counts as hung. */
const HANG_MS = 60_000

/** How a process ended. */
export interface End {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** A process that runs a program of `test/processes`. */
export class Child {
  readonly process: ChildProcess
  readonly #end: Promise<End>
  readonly #messages: string[] = []
  #listener: (() => void) | undefined
  #errors = ''
  #hasEnded = false

  /** @param program name of a file in `test/processes`, without its ending */
  constructor(program: string, args: readonly string[] = []) {
    const path = fileURLToPath(new URL(`build/test/processes/${program}.js`, REPOSITORY_URL))
    if (!existsSync(path)) throw new Error('the programs of test/processes are not built: npm run build:tools')
    this.process = fork(path, [...args], { execArgv: [], stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
    this.process.stderr!.on('data', (data: Buffer) => (this.#errors += data.toString()))
    this.process.on('message', (message: string) => {
      this.#messages.push(message)
      this.#listener?.()
    })
    this.#end = new Promise((resolve) => {
      this.process.once('exit', (code, signal) => {
        this.#hasEnded = true
        this.#listener?.()
        resolve({ code, signal })
      })
    })
  }

  get pid(): number {
    return this.process.pid!
  }

  get hasEnded(): boolean {
    return this.#hasEnded
  }

  /** What it wrote to its standard error. */
  get errors(): string {
    return this.#errors
  }

  send(message: object | string): void {
    this.process.send(message as object, () => {})
  }

  /** The next message; `undefined` when it ends without one. */
  async message(): Promise<string | undefined> {
    if (this.#messages.length === 0 && !this.#hasEnded) {
      await this.#inTime(new Promise<void>((resolve) => (this.#listener = resolve)), 'said nothing')
    }
    this.#listener = undefined
    return this.#messages.shift()
  }

  /** Its messages that nobody has taken. */
  takeMessages(): string[] {
    return this.#messages.splice(0)
  }

  /** How it ended. Waits for that. */
  async end(): Promise<End> {
    const end = await this.#inTime(this.#end, 'did not end')
    this.process.stderr!.destroy()
    return end
  }

  /** `kill -9`, and waits for the end. */
  async kill(): Promise<End> {
    this.process.kill('SIGKILL')
    return this.end()
  }

  async #inTime<T>(promise: Promise<T>, what: string): Promise<T> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        this.process.kill('SIGKILL')
        reject(new Error(`process ${this.pid} ${what} for ${HANG_MS} ms\n${this.#errors}`))
      }, HANG_MS)
    })
    try {
      return await Promise.race([promise, late])
    } finally {
      clearTimeout(timer)
    }
  }
}
