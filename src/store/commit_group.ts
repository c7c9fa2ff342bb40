/**
 * A group of writes: what the commit queue writes as one record and acknowledges with one promise.
 */
import type { RecordBuffer } from './record_buffer.js'

/** A write whose operations depend on what all writes before it have left. */
export interface Decision {
  /** What is better waited for first, if anything. A synchronous write that comes meanwhile does not. */
  readonly ready: Promise<unknown> | undefined
  /** A slice of the work: fills the record. Called when all before it has been written, until it returns true. May throw. */
  decide(record: RecordBuffer): boolean
  /** Lets go of what it holds, once it is made or given up. */
  end?(): void
}

/** Writes that are written and acknowledged together. */
export class Group {
  readonly record: RecordBuffer
  /** What is to fill the record yet. */
  decision: Decision | undefined
  /** Whether somebody has the promise. A group whose only write was refused has nobody to tell of a failure. */
  isAccepted = false
  /** Whether what the decision waited for is there. */
  isReady = false
  readonly promise: Promise<void>
  resolve!: () => void
  reject!: (error: unknown) => void
  needsSync = false
  lastSequence = 0

  constructor(record: RecordBuffer) {
    this.record = record
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
  }

  /** Rejects the promise. Whoever waits for all writes so far may wait for one that nobody else has; nobody has to. */
  fail(reason: unknown): void {
    if (!this.isAccepted) this.promise.catch(() => undefined)
    this.reject(reason)
  }
}
