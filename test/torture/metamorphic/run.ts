/** Runs a history under an option set. */
import { mkdirSync, rmSync } from 'node:fs'
import { callBadly } from './bad_input.js'
import { check, crash, destroy, expectLevels, expectSize, expectStats, idle, maintain, reopen, verify, visit } from './lifecycle.js'
import type { Operation, OptionSet } from './operations.js'
import { read, useSlot } from './reading.js'
import { SimulatedClock, turn } from './simulated_clock.js'
import { Subject } from './subject.js'
import { write } from './writing.js'

/** Milliseconds of real time that an operation may take where time is real. */
const HANG_MS = 30_000

/** What a run has found: where, and what. */
export class Finding extends Error {
  readonly operationIndex: number
  readonly isHang: boolean

  constructor(operationIndex: number, operation: Operation | undefined, cause: unknown, isHang = false) {
    const what = operation === undefined ? 'opening or closing' : JSON.stringify(operation).slice(0, 300)
    super(`operation ${operationIndex} ${what}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
    this.operationIndex = operationIndex
    this.isHang = isHang
  }
}

/** Runs the operations. Returns a number that is equal for equal results; throws a `Finding`. `directory` is made and removed. */
export async function runHistory(operations: readonly Operation[], set: OptionSet, directory: string): Promise<number> {
  const clock = set.disk === 'memory' ? new SimulatedClock(set.tickMs, set.lateness, set.seed) : undefined
  const run = new Run(operations, new Subject(set, clock, directory))
  if (clock === undefined) mkdirSync(directory, { recursive: true })
  try {
    return await Promise.race([run.toEnd(), run.hanging(clock)])
  } finally {
    clock?.stop()
    run.stopWatching()
    await run.abandon()
    if (clock === undefined) rmSync(directory, { recursive: true, force: true })
  }
}

class Run {
  readonly #operations: readonly Operation[]
  readonly #subject: Subject
  #index = -1
  #result = 0
  #isOver = false
  #watch: NodeJS.Timeout | undefined

  constructor(operations: readonly Operation[], subject: Subject) {
    this.#operations = operations
    this.#subject = subject
  }

  async toEnd(): Promise<number> {
    const subject = this.#subject
    try {
      await subject.open('open')
      for (const operation of this.#operations) {
        this.#index++
        subject.clock?.progressed()
        const wait = this.#do(operation)
        if (wait !== undefined) await wait
        subject.throwFailure()
        expectLevels(subject)
        this.#mix()
      }
      this.#index++
      await check(subject)
      await reopen(subject, { close: 'close', open: 'openSync' })
      await subject.store.close()
      await verify(subject)
      await destroy(subject)
      await turn()
      subject.throwFailure()
      this.#isOver = true
      return this.#result
    } catch (error) {
      throw this.#finding(subject.failure ?? error)
    }
  }

  /** Rejects when nothing happens any more. */
  hanging(clock: SimulatedClock | undefined): Promise<never> {
    return new Promise((_, reject) => {
      const hang = (): void => reject(this.#finding(`nothing has happened for ${HANG_MS} ms`, true))
      if (clock !== undefined) {
        clock.onHang = hang
        return
      }
      let seen = -2
      this.#watch = setInterval(() => {
        if (seen === this.#index) hang()
        seen = this.#index
      }, HANG_MS)
    })
  }

  stopWatching(): void {
    clearInterval(this.#watch)
  }

  /** Lets go of a store that something went wrong with. */
  async abandon(): Promise<void> {
    if (this.#isOver) return
    const store = this.#subject.store as Subject['store'] | undefined
    if (this.#subject.clock !== undefined || store === undefined) return
    // A thread may be at work in the directory. If it hangs, so be it.
    await Promise.race([store.close().catch(() => {}), new Promise((resolve) => setTimeout(resolve, 2000))])
  }

  #finding(error: unknown, isHang = false): Finding {
    return new Finding(this.#index, this.#operations[this.#index], error, isHang)
  }

  #do(operation: Operation): Promise<void> | undefined {
    const subject = this.#subject
    switch (operation.op) {
      case 'put':
      case 'delete':
      case 'batch':
      case 'putIfAbsent':
      case 'putIfEquals':
      case 'increment':
      case 'deleteRange':
      case 'deletePrefix':
        return write(subject, operation)
      case 'get':
      case 'getMany':
      case 'has':
      case 'scan':
        return read(subject, operation)
      case 'flush':
      case 'sync':
      case 'compact':
        return maintain(subject, operation)
      case 'settle':
        return subject.settle()
      case 'turns':
        return turns(operation.count)
      case 'idle':
        return idle(subject, operation.ms)
      case 'check':
        return check(subject)
      case 'stats':
        return void expectStats(subject)
      case 'bad':
        return callBadly(subject, operation.which, operation.form === 'sync')
      case 'reopen':
        return reopen(subject, operation)
      case 'crash':
        return crash(subject, operation)
      case 'visit':
        return void visit(subject)
      case 'verify':
        return verify(subject)
      case 'size':
        return expectSize(subject, operation)
      default:
        return useSlot(subject, operation)
    }
  }

  /** All that was seen equals the model: so the models of two runs agree when their results do. */
  #mix(): void {
    const { operationCount, state } = this.#subject.history
    this.#result = (Math.imul(this.#result ^ operationCount, 0x9e3779b1) + state.size) | 0
  }
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await (i % 2 === 0 ? Promise.resolve() : turn())
}
