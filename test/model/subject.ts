/**
 * The two sides of the model-based test: a store, and what it should hold.
 *
 * The model is the history of all writes, with how many of them an acknowledgement has promised to keep, and a plain list for each open
 * snapshot and scan.
 */
import { type Key, MemoryVfs, type Scan, type Snapshot, Store, type StoreLocation, type StoreOptions, type Value } from '../../src/index.js'
import { expectState, History, sorted, type State } from '../support/history.js'

/** A range of a scan, keys as the model has them. */
export interface ModelRange {
  readonly gt?: string
  readonly gte?: string
  readonly lt?: string
  readonly lte?: string
  readonly prefix?: string
  readonly reverse?: boolean
  readonly limit?: number
}

/** What a scan should give. */
export class ModelScan {
  readonly isReverse: boolean
  isEnded = false
  readonly #entries: readonly [string, Value][]
  #position = 0
  #remaining: number

  constructor(state: State, range: ModelRange) {
    const { gt, gte, lt, lte, prefix, reverse = false, limit = Infinity } = range
    const entries = sorted(state).filter(
      ([key]) =>
        (gt === undefined || key > gt) &&
        (gte === undefined || key >= gte) &&
        (lt === undefined || key < lt) &&
        (lte === undefined || key <= lte) &&
        (prefix === undefined || key.startsWith(prefix)),
    )
    this.#entries = reverse ? entries.reverse() : entries
    this.isReverse = reverse
    this.#remaining = limit
  }

  /** The next so many entries; fewer at the end, which ends the scan. */
  take(count: number): [string, Value][] {
    if (this.isEnded) return []
    const taken = this.#entries.slice(this.#position, this.#position + Math.min(count, this.#remaining))
    this.#position += taken.length
    this.#remaining -= taken.length
    if (taken.length < count) this.isEnded = true
    return taken
  }

  seek(target: string): void {
    const index = this.#entries.findIndex(([key]) => (this.isReverse ? key <= target : key >= target))
    this.#position = index < 0 ? this.#entries.length : index
  }
}

/** What the store should hold and has promised. */
export class Model {
  readonly history = new History()
  options: StoreOptions
  /** Writes that must survive the death of the process. */
  safe = 0
  /** Writes that must survive a power loss. */
  durable = 0
  snapshots: State[] = []
  scans: ModelScan[] = []

  constructor(options: StoreOptions) {
    this.options = options
  }

  get state(): State {
    return this.history.state
  }

  /** Everything written up to `write` was acknowledged. */
  acknowledge(write: number, sync = false): void {
    const walSync = this.options.walSync ?? 'os'
    if (walSync !== 'none' || sync) this.safe = Math.max(this.safe, write)
    if (walSync === 'always' || sync) this.durable = Math.max(this.durable, write)
  }

  /** The store was closed, or its process died. */
  forgetReaders(): void {
    this.snapshots = []
    this.scans = []
  }
}

/** The store. */
export class Real {
  location: StoreLocation
  store: Store<Key>
  snapshots: Snapshot<Key>[] = []
  scans: Scan<[Key, Value], Key>[] = []

  constructor(location: StoreLocation, store: Store<Key>) {
    this.location = location
    this.store = store
  }

  /** The simulated disk, if it is on one. */
  get vfs(): MemoryVfs {
    if (!(this.location instanceof MemoryVfs)) throw new Error('only a simulated disk can crash')
    return this.location
  }

  async open(location: StoreLocation, options: StoreOptions): Promise<void> {
    this.location = location
    this.snapshots = []
    this.scans = []
    this.store = await Store.open(location, options)
  }
}

/** Fails unless the store holds what the model does, and has counted as many operations. */
export function expectAgreement(model: Model, real: Real): void {
  const { sequence } = real.store.stats()
  const { operationCount } = model.history
  if (sequence !== operationCount) throw new Error(`the store counts ${sequence} operations, expected ${operationCount}`)
  expectState(real.store, model.state, model.history.keys)
}
