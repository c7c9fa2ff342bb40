/**
 * Scans: entries in key order, as of one moment.
 *
 * A scan is one position that moves in one direction. The same object serves a plain `for…of` (synchronous, fastest), `for await`, and
 * stepwise use. Asynchronous steps read the disk through the thread pool when it is slow, and let the event loop turn about once a
 * millisecond.
 *
 * Invariants
 * 1. What a scan shows is fixed when it is made: sequence number and read view are taken then, not at the first step.
 * 2. Whatever ends a scan (its end, its limit, `break`, an error, `close`, an abort, the store's closing, garbage collection) releases the
 *    view once.
 * 3. At most one asynchronous step runs at a time; steps that are called meanwhile queue behind it.
 */
import { type MoveStatus, EXHAUSTED, MOVED, NEEDS_IO } from '../codec/internal_iterator.js'
import { type Key, encodeKey, prefixSuccessor } from '../codec/key.js'
import { compareBytes } from '../codec/bytes.js'
import type { VisibleIterator } from '../iterator/visible_iterator.js'
import type { ReadContext } from '../sstable/read_context.js'
import { StoreError } from '../util/errors.js'
import type { LoopTurn } from './loop_turn.js'
import type { OpenReader, OpenReaders } from './open_readers.js'
import type { ReadGate } from './read_gate.js'
import type { ReadView } from './read_view.js'
import type { Snapshot } from './snapshot.js'
import { type CopyHabit, ValueCopies } from './value_copies.js'

/** A range of keys. Bounds may be combined; the range is their intersection. */
export interface KeyRange {
  /** Keys greater than this. */
  gt?: Key
  /** Keys greater than or equal to this. */
  gte?: Key
  /** Keys less than this. */
  lt?: Key
  /** Keys less than or equal to this. */
  lte?: Key
  /** Keys that begin with this. */
  prefix?: Key
}

/** Options of a scan. */
export interface ScanOptions extends KeyRange {
  /** From the last key to the first. Default `false`. */
  reverse?: boolean
  /** Greatest number of entries. Default: no limit. */
  limit?: number
  /** Scan this snapshot instead of the latest state. */
  snapshot?: Snapshot<Key>
  /** Ends the scan with `ERR_ABORTED`. */
  signal?: AbortSignal
  /** Keep the blocks that are read in the cache. Default `true`; `false` for a scan that will not come back. */
  fillCache?: boolean
  /** As the store's option `keys`, for this scan. */
  keys?: 'string' | 'bytes'
}

/** A key range as encoded bounds: from `lower` (included) to `upper` (not included); `undefined` is open. */
export interface EncodedRange {
  readonly lower: Buffer | undefined
  readonly upper: Buffer | undefined
}

/** Encodes a range. @throws StoreError `ERR_INVALID_KEY` */
export function encodeRange(range: KeyRange): EncodedRange {
  const { gt, gte, lt, lte, prefix } = range
  // Mostly there is one bound on each side at most: nothing to compare.
  if (gt === undefined && lte === undefined) {
    if (prefix === undefined)
      return { lower: gte === undefined ? undefined : encodeKey(gte), upper: lt === undefined ? undefined : encodeKey(lt) }
    if (gte === undefined && lt === undefined) {
      const lower = encodeKey(prefix)
      return { lower, upper: prefixSuccessor(lower) }
    }
  }
  return intersect(range)
}

function intersect(range: KeyRange): EncodedRange {
  const lowers: Buffer[] = []
  const uppers: Buffer[] = []
  // The smallest key after k is k followed by a zero byte.
  if (range.gt !== undefined) lowers.push(Buffer.concat([encodeKey(range.gt), Buffer.alloc(1)]))
  if (range.gte !== undefined) lowers.push(encodeKey(range.gte))
  if (range.lt !== undefined) uppers.push(encodeKey(range.lt))
  if (range.lte !== undefined) uppers.push(Buffer.concat([encodeKey(range.lte), Buffer.alloc(1)]))
  if (range.prefix !== undefined) {
    const prefix = encodeKey(range.prefix)
    const successor = prefixSuccessor(prefix)
    lowers.push(prefix)
    if (successor !== undefined) uppers.push(successor)
  }
  lowers.sort(Buffer.compare)
  uppers.sort(Buffer.compare)
  return { lower: lowers[lowers.length - 1], upper: uppers[0] }
}

/** Makes what a scan yields from the entry that the iterator stands on. Byte values may be copied by `copies`. */
export type Project<T> = (iterator: VisibleIterator, copies: ValueCopies) => T

/** All that a scan holds, apart from the handle, so that a forgotten handle can be collected. */
export class ScanState implements OpenReader {
  readonly kind = 'scan'
  readonly sinceMs: number
  readonly range: EncodedRange
  readonly isReverse: boolean
  readonly context: ReadContext
  readonly turn: LoopTurn
  readonly gate: ReadGate
  readonly copies: ValueCopies
  remaining: number
  isOpen = true
  /** Why the scan was ended from outside, if it was. */
  ending: StoreError | undefined
  private iterator: VisibleIterator | undefined
  private readonly makeIterator: () => VisibleIterator
  private readonly view: ReadView
  private readonly readers: OpenReaders
  private isPositioned = false
  private isExhausted = false
  private target: Buffer | undefined
  private readonly signal: AbortSignal | undefined
  private readonly onAbort: (() => void) | undefined

  constructor(parts: {
    sinceMs: number
    range: EncodedRange
    isReverse: boolean
    limit: number
    context: ReadContext
    turn: LoopTurn
    gate: ReadGate
    view: ReadView
    readers: OpenReaders
    habit: CopyHabit
    signal: AbortSignal | undefined
    makeIterator: () => VisibleIterator
  }) {
    this.sinceMs = parts.sinceMs
    this.range = parts.range
    this.isReverse = parts.isReverse
    this.copies = new ValueCopies(parts.isReverse, parts.habit)
    this.remaining = parts.limit
    this.context = parts.context
    this.turn = parts.turn
    this.gate = parts.gate
    this.view = parts.view
    this.readers = parts.readers
    this.makeIterator = parts.makeIterator
    this.signal = parts.signal
    if (parts.signal !== undefined) {
      this.onAbort = () => this.end(new StoreError('ERR_ABORTED', 'the scan was aborted', { cause: parts.signal!.reason as unknown }))
      parts.signal.addEventListener('abort', this.onAbort, { once: true })
      if (parts.signal.aborted)
        this.ending = new StoreError('ERR_ABORTED', 'the scan was aborted', { cause: parts.signal.reason as unknown })
    }
  }

  /** Hot: moves to the next entry of the scan. `NEEDS_IO` leaves everything as it was. Guarded by `bench/micro/store.ts`. */
  step(mayBlock: boolean): MoveStatus {
    if (!this.isOpen || this.ending !== undefined) return this.refuse()
    if (this.remaining === 0 || this.isExhausted) return EXHAUSTED
    this.context.mayBlock = mayBlock
    const iterator = this.iterator ?? this.begin()
    let status: MoveStatus
    if (this.isPositioned) status = this.isReverse ? iterator.prev() : iterator.next()
    else status = this.position(iterator)
    if (status === MOVED) {
      this.isPositioned = true
      this.remaining--
    } else if (status === EXHAUSTED) this.isExhausted = true
    return status
  }

  /** The entry that the scan stands on. */
  get entry(): VisibleIterator {
    return this.iterator!
  }

  /** The next step goes to the first entry at or after `key` in the direction of the scan. */
  seek(key: Key): void {
    if (!this.isOpen || this.ending !== undefined) this.refuse()
    this.target = encodeKey(key)
    this.isPositioned = false
    this.isExhausted = false
    // What was given out is the caller's, who may have written into it; the scan may now come by once more.
    this.copies.clear()
  }

  /** The next step finds nothing, unless a `seek` comes before it. */
  exhaust(): void {
    if (!this.isOpen || this.ending !== undefined) this.refuse()
    this.isExhausted = true
  }

  /** Ends the scan from outside. */
  end(error: StoreError): void {
    if (!this.isOpen) return
    this.ending = error
    this.release()
  }

  release(): void {
    if (!this.isOpen) return
    this.isOpen = false
    if (this.onAbort !== undefined) this.signal!.removeEventListener('abort', this.onAbort)
    this.readers.close(this)
    this.iterator?.close()
    this.iterator = undefined
    this.copies.clear()
    this.view.release()
  }

  private begin(): VisibleIterator {
    this.iterator = this.makeIterator()
    return this.iterator
  }

  private position(iterator: VisibleIterator): MoveStatus {
    const { lower, upper } = this.range
    if (lower !== undefined && upper !== undefined && Buffer.compare(lower, upper) >= 0) return EXHAUSTED
    const { target } = this
    if (target === undefined) return this.isReverse ? iterator.seekToLast() : iterator.seekToFirst()
    if (!this.isReverse) {
      if (lower !== undefined && Buffer.compare(target, lower) < 0) return iterator.seekToFirst()
      return iterator.seek(target, 0, target.length)
    }
    if (upper !== undefined && Buffer.compare(target, upper) >= 0) return iterator.seekToLast()
    if (lower !== undefined && compareBytes(target, 0, target.length, lower, 0, lower.length) < 0) return EXHAUSTED
    const after = Buffer.concat([target, Buffer.alloc(1)])
    return iterator.seekBefore(after, 0, after.length)
  }

  private refuse(): never {
    throw this.ending ?? new StoreError('ERR_NOT_OPEN', 'this scan is closed: begin a new one')
  }
}

/**
 * The entries, keys or values of a range. Iterate it once; it closes itself at its end, at `break`, and on errors.
 *
 * Scans that are stepped by hand and left unfinished should be closed (or declared with `using`): an open scan keeps memory and files.
 */
export class Scan<T, K extends Key = string> implements Iterable<T>, AsyncIterable<T>, Disposable, AsyncDisposable {
  readonly #state: ScanState
  readonly #project: Project<T>
  #count = 0
  #pending: Promise<unknown> | undefined

  /** @internal */
  constructor(state: ScanState, project: Project<T>) {
    this.#state = state
    this.#project = project
  }

  /** Items given so far. */
  get count(): number {
    return this.#count
  }

  /** The next item, or `undefined` at the end. */
  next(): Promise<T | undefined> {
    const item = this.#take()
    return item instanceof Promise ? item : Promise.resolve(item)
  }

  /** As `next`, on the spot. */
  nextSync(): T | undefined {
    const state = this.#state
    if (!state.isOpen && state.ending === undefined) return this.#isEnded ? undefined : this.#refuse()
    try {
      if (state.step(true) === MOVED) return this.#item()
    } catch (error) {
      state.release()
      throw error
    }
    this.#finish()
    return undefined
  }

  /** Up to `size` further items; fewer, or none, at the end. */
  nextv(size: number): Promise<T[]> {
    if (!Number.isInteger(size) || size < 1) {
      return Promise.reject(new StoreError('ERR_INVALID_OPTION', `nextv takes a positive integer, not ${String(size)}`))
    }
    return this.#inOrder(async () => {
      const items: T[] = []
      while (items.length < size) {
        let item = this.#soon()
        if (item instanceof Promise) item = await item
        if (item === undefined) break
        items.push(item)
      }
      return items
    })
  }

  /** All further items. */
  toArray(): Promise<T[]> {
    return this.#inOrder(async () => {
      const items: T[] = []
      for (;;) {
        let item = this.#soon()
        if (item instanceof Promise) item = await item
        if (item === undefined) return items
        items.push(item)
      }
    })
  }

  /** As `toArray`, on the spot. */
  toArraySync(): T[] {
    const items: T[] = []
    for (let item = this.nextSync(); item !== undefined; item = this.nextSync()) items.push(item)
    return items
  }

  /**
   * Moves the position: the next item is the first at or after `key`, or at or before it in a reverse scan. Bounds and limit still hold.
   */
  seek(key: K | Key): void {
    this.#state.seek(key)
  }

  /** Ends the scan, after the step that is under way. Closing twice does nothing. */
  async close(): Promise<void> {
    await this.#pending?.catch(() => {})
    this.#state.release()
  }

  /** As `close`, at once. A step that is under way fails. */
  closeSync(): void {
    this.#state.release()
  }

  /** Synchronous iteration. Hot: guarded by `bench/micro/store.ts`. */
  [Symbol.iterator](): Iterator<T, undefined> {
    return {
      next: (): IteratorResult<T, undefined> => iteratorResult(this.nextSync()),
      return: (): IteratorResult<T, undefined> => {
        this.closeSync()
        return { done: true, value: undefined }
      },
    }
  }

  /** Asynchronous iteration. Hot: one promise an item, as long as no item has to be waited for; guarded by `bench/micro/store.ts`. */
  [Symbol.asyncIterator](): AsyncIterator<T, undefined> {
    return {
      next: (): Promise<IteratorResult<T, undefined>> => {
        const item = this.#take()
        return item instanceof Promise ? item.then(iteratorResult) : Promise.resolve(iteratorResult(item))
      },
      return: async (): Promise<IteratorResult<T, undefined>> => {
        await this.close()
        return { done: true, value: undefined }
      },
    }
  }

  /** As `closeSync`. */
  [Symbol.dispose](): void {
    this.closeSync()
  }

  /** As `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #isEnded = false

  #item(): T {
    this.#count++
    const state = this.#state
    return this.#project(state.entry, state.copies)
  }

  #finish(): void {
    this.#isEnded = true
    this.#state.release()
  }

  /** As `#soon`, after whatever is under way. */
  #take(): T | undefined | Promise<T | undefined> {
    if (this.#pending !== undefined) return this.#inOrder(() => this.#nextAsync())
    const item = this.#soon()
    return item instanceof Promise ? this.#inOrder(() => item) : item
  }

  /** The next item, or a promise of it where something has to be waited for, or has failed. Nothing else may be under way. */
  #soon(): T | undefined | Promise<T | undefined> {
    const state = this.#state
    if (!state.isOpen) return this.#nextAsync()
    if (state.turn.spend()) return this.#nextAsync(true)
    try {
      const status = state.step(state.gate.mayBlock())
      if (status === MOVED) return this.#item()
      if (status === NEEDS_IO) return this.#nextAsync()
    } catch (error) {
      state.release()
      return Promise.reject(error)
    }
    this.#finish()
    return undefined
  }

  async #nextAsync(isSpent = false): Promise<T | undefined> {
    const state = this.#state
    if (!state.isOpen && state.ending === undefined) return this.#isEnded ? undefined : this.#refuse()
    try {
      for (;;) {
        if (isSpent || state.turn.spend()) await state.turn.later(undefined)
        isSpent = false
        const status = state.step(state.gate.mayBlock())
        if (status === MOVED) return this.#item()
        if (status === EXHAUSTED) break
        if (status === NEEDS_IO) await state.context.load()
      }
    } catch (error) {
      state.release()
      throw error
    }
    this.#finish()
    return undefined
  }

  #inOrder<R>(work: () => Promise<R>): Promise<R> {
    const before = this.#pending
    const result = before === undefined ? work() : before.then(work, work)
    const settled = result.finally(() => {
      if (this.#pending === settled) this.#pending = undefined
    })
    this.#pending = settled
    return settled
  }

  #refuse(): never {
    throw new StoreError('ERR_NOT_OPEN', 'this scan is closed: begin a new one')
  }
}

function iteratorResult<T>(item: T | undefined): IteratorResult<T, undefined> {
  return item === undefined ? { done: true, value: undefined } : { done: false, value: item }
}
