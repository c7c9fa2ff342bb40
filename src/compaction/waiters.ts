/**
 * Promises that resolve when something has become true.
 */
import type { StoreError } from '../util/errors.js'

interface Waiter {
  readonly isDone: () => boolean
  readonly resolve: () => void
  readonly reject: ((error: StoreError) => void) | undefined
}

/** A list of conditions, asked again at each change. */
export class Waiters {
  #waiters: Waiter[] = []

  /** Resolves once `isDone` says so; rejects with the next error. */
  wait(isDone: () => boolean): Promise<void> {
    if (isDone()) return Promise.resolve()
    return new Promise((resolve, reject) => {
      this.#waiters.push({ isDone, resolve, reject })
    })
  }

  /** As `wait`, but errors do not end it. */
  waitThrough(isDone: () => boolean): Promise<void> {
    if (isDone()) return Promise.resolve()
    return new Promise((resolve) => {
      this.#waiters.push({ isDone, resolve, reject: undefined })
    })
  }

  /** Something has changed. */
  settle(): void {
    if (this.#waiters.length === 0) return
    const done = this.#waiters.filter(({ isDone }) => isDone())
    this.#waiters = this.#waiters.filter((waiter) => !done.includes(waiter))
    for (const { resolve } of done) resolve()
  }

  /** An error has ended what was waited for. */
  rejectAll(error: StoreError): void {
    const ended = this.#waiters.filter(({ reject }) => reject !== undefined)
    this.#waiters = this.#waiters.filter(({ reject }) => reject === undefined)
    for (const { reject } of ended) reject!(error)
  }
}
