/**
 * A store on a simulated disk under a clock that moves by hand, and what its acknowledgements have promised so far.
 *
 * Every write is noted in the history when it is issued, and in the promise when it is acknowledged. What an acknowledgement is worth
 * stands in `docs/durability.md`; this is that table once more, as code.
 */
import {
  type BatchOperation,
  type Key,
  type KeyRange,
  ManualClock,
  memory,
  type MemoryVfs,
  Store,
  StoreError,
  type StoreOptions,
  type Value,
  type WriteOptions,
} from '../../../src/index.js'
import { Random } from '../../../src/util/random.js'
import { type Change, History, modelKey } from '../../support/history.js'
import { TINY } from '../../support/options.js'
import { compilePrograms } from '../../support/programs.js'
import { LateVfs } from '../metamorphic/late_vfs.js'

/** What has been promised at some moment, in numbers of writes. */
export interface Promised {
  /** Writes that were issued; no more than these can be there. */
  readonly issued: number
  /** Writes that must be there when the process dies. */
  readonly afterKill: number
  /** Writes that must be there when the power fails. */
  readonly afterPowerLoss: number
}

/** Turns of the event loop that a call may take before time is moved on, and before it counts as hung. */
const TURNS_UNTIL_LATER = 40
const TURNS_MAX = 20_000
/** Turns after which all that a timer has started is done. */
const TURNS_OF_A_TIMER = 25
/** More than any timer of the store. */
const LATER_MS = 100

/** Time that passes while the disk is at work, too; no timer fires then. */
class DiskClock extends ManualClock {
  workMs = 0

  override nowMs(): number {
    return super.nowMs() + this.workMs
  }
}

/** A store under watch. */
export class Subject {
  readonly history = new History()
  readonly options: StoreOptions
  readonly clock = new DiskClock()
  vfs: MemoryVfs
  /** Files that a crash has left: they need not be whole. */
  inherited: ReadonlySet<string> = new Set()
  #store: Store | undefined
  #acknowledged = 0
  #durable = 0
  /** Called with each file system that the store gets: the one it begins with, and those of later lives. */
  readonly #onVfs: (vfs: MemoryVfs) => void
  readonly #random: Random
  /** Milliseconds of a sync: those of a slow disk are made in the pool, those of a fast one soon on the spot. */
  readonly #syncMs: number

  constructor(options: StoreOptions, onVfs: (vfs: MemoryVfs) => void = () => {}, seed = 1) {
    this.options = { ...TINY, ...options, clock: this.clock }
    this.#onVfs = onVfs
    this.#random = new Random(seed)
    this.#syncMs = this.#random.pick([0, 0, 0.3, 5])
    this.vfs = memory({ seed })
    onVfs(this.vfs)
  }

  /** What is promised now. */
  get promised(): Promised {
    const afterKill = this.options.walSync === 'none' ? this.#durable : this.#acknowledged
    return { issued: this.history.length, afterKill, afterPowerLoss: this.#durable }
  }

  get store(): Store {
    if (this.#store === undefined) throw new Error('the store is to be opened first')
    return this.#store
  }

  async open(options: StoreOptions = {}): Promise<void> {
    await compilePrograms()
    this.#store = await this.settled(Store.open(this.#late(), { ...this.options, ...options }))
  }

  openSync(): void {
    this.#store = Store.openSync(this.#late(), this.options)
  }

  async close(): Promise<void> {
    const { length } = this.history
    await this.settled(this.store.close())
    this.#acknowledge(length, true)
  }

  closeSync(): void {
    const { length } = this.history
    this.store.closeSync()
    this.#acknowledge(length, true)
  }

  put(key: Key, value: Value, options: WriteOptions = {}): Promise<void> {
    const write = this.#issued([key, value])
    return this.#acknowledgedBy(write, this.store.put(key, value, options), options.sync)
  }

  putSync(key: Key, value: Value, options: WriteOptions = {}): void {
    const write = this.#issued([key, value])
    this.store.putSync(key, value, options)
    this.#acknowledge(write, options.sync)
  }

  delete(key: Key, options: WriteOptions = {}): Promise<void> {
    const write = this.#issued([key, undefined])
    return this.#acknowledgedBy(write, this.store.delete(key, options), options.sync)
  }

  deleteSync(key: Key, options: WriteOptions = {}): void {
    const write = this.#issued([key, undefined])
    this.store.deleteSync(key, options)
    this.#acknowledge(write, options.sync)
  }

  batch(operations: readonly BatchOperation[], options: WriteOptions = {}): Promise<void> {
    const write = this.#issued(...operations.map(asChange))
    return this.#acknowledgedBy(write, this.store.batch(operations, options), options.sync)
  }

  batchSync(operations: readonly BatchOperation[], options: WriteOptions = {}): void {
    const write = this.#issued(...operations.map(asChange))
    this.store.batchSync(operations, options)
    this.#acknowledge(write, options.sync)
  }

  /** The key is to hold a number, or nothing. */
  increment(key: Key, options: WriteOptions = {}): Promise<void> {
    const next = this.#numberAt(key) + 1
    const write = this.#issued([key, next])
    return this.#acknowledgedBy(write, this.store.increment(key, 1, options).then(expectSum(next)), options.sync)
  }

  incrementSync(key: Key): void {
    const next = this.#numberAt(key) + 1
    const write = this.#issued([key, next])
    expectSum(next)(this.store.incrementSync(key))
    this.#acknowledge(write)
  }

  async putIfAbsent(key: Key, value: Value, options: WriteOptions = {}): Promise<void> {
    const isAbsent = !this.history.state.has(modelKey(key))
    const write = isAbsent ? this.#issued([key, value]) : this.history.length
    const action = this.store.putIfAbsent(key, value, options).then(expectAnswer(isAbsent))
    await (isAbsent ? this.#acknowledgedBy(write, action, options.sync) : this.settled(action))
  }

  deletePrefix(prefix: string, options: WriteOptions = {}): Promise<void> {
    const write = this.#issuedDeletes((key) => key.startsWith(prefix))
    return this.#acknowledgedBy(write, this.store.deletePrefix(prefix, options), options.sync)
  }

  deleteRange(start: string, end: string, options: WriteOptions = {}): Promise<void> {
    const write = this.#issuedDeletes((key) => key >= start && key < end)
    return this.#acknowledgedBy(write, this.store.deleteRange(start, end, options), options.sync)
  }

  deleteRangeSync(start: string, end: string): void {
    const write = this.#issuedDeletes((key) => key >= start && key < end)
    this.store.deleteRangeSync(start, end)
    this.#acknowledge(write)
  }

  /** What was acknowledged before is durable afterwards; what is only issued is too, as syncs come after it. */
  sync(): Promise<void> {
    return this.#acknowledgedBy(this.history.length, this.store.sync(), true)
  }

  syncSync(): void {
    const { length } = this.history
    this.store.syncSync()
    this.#acknowledge(length, true)
  }

  flush(): Promise<void> {
    return this.#acknowledgedBy(this.history.length, this.store.flush(), true)
  }

  compact(range?: KeyRange): Promise<void> {
    return this.#acknowledgedBy(this.history.length, this.store.compact(range), true)
  }

  /** Lets background work go on, and timers fire that fall due. */
  async pass(ms: number): Promise<void> {
    const acknowledged = this.#acknowledged
    this.clock.advance(ms)
    for (let i = 0; i < TURNS_OF_A_TIMER; i++) await nextTurn()
    const { walSync, walSyncInterval = 100 } = this.options
    if (walSync === 'interval' && ms >= walSyncInterval) this.#acknowledge(acknowledged, true)
  }

  /** Whether a write that is the only one under way was taken; one that finds the disk full is not. */
  async isTaken(write: () => Promise<void>, onRefusal: () => Promise<void>): Promise<boolean> {
    const before = this.history.length
    try {
      await write()
      return true
    } catch (error) {
      if (!(error instanceof StoreError) || error.code !== 'ERR_DISK_FULL') throw error
      // Before the write is forgotten, what was cut off while it was tried is looked at.
      await onRefusal()
      this.history.cut(before)
      return false
    }
  }

  /**
   * The machine died, and the store lives on with what is left: the disk `after`. To be opened next.
   *
   * @param found how many writes it holds, and how many of them no power loss can take.
   */
  goOn(after: MemoryVfs, found: number, durable: number): void {
    this.vfs = after
    this.history.cut(found)
    this.#acknowledged = found
    this.#durable = durable
    this.inherited = new Set(after.files())
    this.#onVfs(after)
  }

  /** The same disk seen by another process. */
  moveTo(vfs: MemoryVfs): void {
    this.vfs = vfs
    this.#onVfs(vfs)
  }

  /** Waits, moving time on when the store seems to wait for it; fails instead of hanging. */
  async settled<T>(promise: Promise<T>): Promise<T> {
    let isDone = false
    const watched = promise.finally(() => {
      isDone = true
    })
    watched.catch(() => {})
    for (let i = 0; i < 8 && !isDone; i++) await Promise.resolve()
    for (let turns = 1; !isDone; turns++) {
      await nextTurn()
      if (turns % TURNS_UNTIL_LATER === 0) this.clock.advance(LATER_MS)
      if (turns > TURNS_MAX) throw new Error('a call of the store hangs')
    }
    return promise
  }

  /** The disk. Syncs take time, and now and then tell late that they are done: what is written meanwhile is not durable by them. */
  #late(): LateVfs {
    return new LateVfs(
      this.vfs,
      () => this.#random.chance(0.3),
      () => (this.clock.workMs += this.#syncMs),
    )
  }

  #issued(...changes: (readonly [Key, Value | undefined])[]): number {
    return this.history.push(changes.map(([key, value]) => [modelKey(key), value]))
  }

  #issuedDeletes(isGone: (key: string) => boolean): number {
    const gone = [...this.history.state.keys()].filter(isGone).toSorted()
    return this.history.push(gone.map((key): Change => [key, undefined]))
  }

  #numberAt(key: Key): number {
    const value = this.history.state.get(modelKey(key))
    return typeof value === 'number' ? value : 0
  }

  async #acknowledgedBy(write: number, promise: Promise<unknown>, sync?: boolean): Promise<void> {
    // At once, not when this function comes to it: a crash point may lie in between.
    await this.settled(promise.then(() => this.#acknowledge(write, sync)))
  }

  #acknowledge(write: number, sync = false): void {
    this.#acknowledged = Math.max(this.#acknowledged, write)
    if (sync || this.options.walSync === 'always') this.#durable = Math.max(this.#durable, write)
  }
}

/** Lets the event loop go round. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

function asChange(operation: BatchOperation): readonly [Key, Value | undefined] {
  return [operation.key, operation.type === 'put' ? operation.value : undefined]
}

function expectAnswer(expected: boolean): (wrote: boolean) => void {
  return (wrote) => {
    if (wrote !== expected) throw new Error(`putIfAbsent says ${wrote} where the key was ${expected ? 'absent' : 'present'}`)
  }
}

function expectSum(expected: number): (sum: bigint) => void {
  return (sum) => {
    if (sum !== BigInt(expected)) throw new Error(`increment gave ${sum}, expected ${expected}`)
  }
}
