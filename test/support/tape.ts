/**
 * The part of tape that the compliance suite of `abstract-level` uses, on vitest: `test(name, run)` with assertions, `plan` and `end`.
 *
 * As in tape, a test is over when the promise that it returned has resolved, or it has called `end`, or its plan is met; and the plan must
 * be met exactly. An assertion that the suite would use and that is missing here throws, because `t` has no such method.
 */
import assert from 'node:assert/strict'
import { test } from 'vitest'

/** What tape gives to a test. */
interface Assertions {
  plan(count: number): void
  end(): void
  pass(message?: string): void
  fail(message?: string): void
  is(actual: unknown, expected: unknown, message?: string): void
  isNot(actual: unknown, expected: unknown, message?: string): void
  same(actual: unknown, expected: unknown, message?: string): void
  ok(value: unknown, message?: string): void
  throws(action: () => unknown, expected?: (error: unknown) => boolean): void
  doesNotThrow(action: () => unknown, message?: string): void
}

class Run {
  /** Settles when the test is over by itself. */
  readonly over: Promise<void>
  planned: number | undefined
  count = 0
  #resolve!: () => void
  #reject!: (error: unknown) => void

  constructor() {
    this.over = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    // Somebody else may be the first to hear of a failure.
    this.over.catch(() => {})
  }

  readonly assertions: Assertions = {
    plan: (count) => {
      this.planned = count
    },
    end: () => this.#resolve(),
    pass: () => this.#check(() => {}),
    fail: (message) => this.#check(() => assert.fail(message)),
    is: (actual, expected, message) => this.#check(() => assert.equal(actual, expected, message)),
    isNot: (actual, expected, message) => this.#check(() => assert.notEqual(actual, expected, message)),
    same: (actual, expected, message) => this.#check(() => assert.deepEqual(actual, expected, message)),
    ok: (value, message) => this.#check(() => assert.ok(value, message)),
    throws: (action, expected) => this.#check(() => (expected === undefined ? assert.throws(action) : assert.throws(action, expected))),
    doesNotThrow: (action, message) => this.#check(() => assert.doesNotThrow(action, message)),
  }

  /** Remembers a failure, too, because callers may swallow what is thrown. */
  #check(assertion: () => void): void {
    this.count++
    try {
      assertion()
    } catch (error) {
      this.#reject(error)
      throw error
    }
    if (this.count === this.planned) this.#resolve()
  }
}

/** As tape's `test`. */
export function tapeTest(name: string, run: (t: Assertions) => unknown): void {
  test(`${name}`, async () => {
    const { assertions, over, ...state } = trackedRun()
    const returned = run(assertions)
    if (returned instanceof Promise) {
      await returned
      if (state.isPlanned()) await over
      assertions.end()
    }
    await over
    state.checkPlan()
  })
}

function trackedRun(): { assertions: Assertions; over: Promise<void>; isPlanned: () => boolean; checkPlan: () => void } {
  const run = new Run()
  return {
    assertions: run.assertions,
    over: run.over,
    isPlanned: () => run.planned !== undefined,
    checkPlan: () => {
      if (run.planned !== undefined) assert.equal(run.count, run.planned, 'as many assertions as were planned')
    },
  }
}
