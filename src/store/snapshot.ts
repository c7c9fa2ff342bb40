/**
 * A snapshot: the store as it was at one moment, for as long as it is open.
 *
 * Invariant: while a snapshot is open its sequence number is pinned, and compactions keep for every key the newest version at or below it.
 */
import type { Key } from '../codec/key.js'
import { StoreError } from '../util/errors.js'
import { type ReadEngine, Reader } from './reader.js'

/** What a snapshot holds, apart from the handle, so that a forgotten handle can be collected. */
export interface SnapshotState {
  readonly sequence: number
  isOpen: boolean
  release(): void
}

/** A consistent, unchanging view. Close it (or declare it with `using`): an open snapshot keeps old versions on disk. */
export class Snapshot<K extends Key = string> extends Reader<K> {
  /** @internal */
  protected override readonly reads: ReadEngine
  readonly #state: SnapshotState

  /** @internal */
  constructor(reads: ReadEngine, state: SnapshotState) {
    super()
    this.reads = reads
    this.#state = state
  }

  /** Whether the snapshot can be read. */
  get isOpen(): boolean {
    return this.#state.isOpen
  }

  /** Sequence number of the last write it sees. */
  get sequence(): number {
    if (!this.#state.isOpen) throw new StoreError('ERR_NOT_OPEN', 'this snapshot is closed: take a new one with store.snapshot()')
    return this.#state.sequence
  }

  /** Whether it is a snapshot of the store that reads with `reads`. @internal */
  isOf(reads: ReadEngine): boolean {
    return this.reads === reads
  }

  /** Lets the store forget the versions that only this snapshot needed. Scans that were begun on it go on. */
  close(): void {
    this.#state.release()
  }

  /** As `close`. */
  [Symbol.dispose](): void {
    this.close()
  }

  /** As `close`. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
  }

  /** @internal */
  protected override pinned(): Snapshot<Key> {
    return this as Snapshot<Key>
  }
}
