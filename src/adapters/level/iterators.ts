/**
 * Iterators over entries, keys and values. All three are a cursor of the store and a projection; what they give is still encoded, and
 * `abstract-level` decodes it.
 *
 * Nothing is read ahead: `next()` reads one entry and `nextv()` as many as it gives, from memory on the spot.
 */
import { AbstractIterator, AbstractKeyIterator, AbstractValueIterator } from 'abstract-level'
import type { Key, ScanOptions } from '../../index.js'
import type { Cursor } from '../../store/cursor.js'
import type { Engine } from '../../store/engine.js'
import type { Project } from '../../store/scan.js'
import { keyAsBytes, keyAsText, valueAsBytes, valueAsText } from '../../store/untyped.js'
import { VarveLevelError, aborted, rethrow, toLevelError } from './errors.js'
import { pinnedBy, type LevelSnapshot } from './snapshot.js'

/** Bytes after which `nextv()` gives what it has, unless the caller says otherwise. */
const HIGH_WATER_MARK_BYTES = 16 * 1024

/** Options as `abstract-level` hands them on: encoded bounds, formats in place of encodings. */
export interface EncodedScanOptions {
  readonly gt?: Key
  readonly gte?: Key
  readonly lt?: Key
  readonly lte?: Key
  readonly reverse?: boolean
  readonly limit?: number
  readonly keys?: boolean
  readonly values?: boolean
  readonly keyEncoding: string
  readonly valueEncoding: string
  readonly snapshot?: LevelSnapshot | undefined
  readonly signal?: AbortSignal | null | undefined
  readonly fillCache?: boolean
  readonly highWaterMarkBytes?: number
}

/** The range that options name; where both are given, `gte` goes before `gt` and `lte` before `lt`. */
export function rangeOf(options: EncodedScanOptions): ScanOptions {
  const range: ScanOptions = {}
  if (options.gte !== undefined) range.gte = options.gte
  else if (options.gt !== undefined) range.gt = options.gt
  if (options.lte !== undefined) range.lte = options.lte
  else if (options.lt !== undefined) range.lt = options.lt
  return range
}

/** What the three kinds of iterators share: reads of one cursor, with the errors of the Level family. */
class Reading<T> {
  /** Missing when the snapshot was closed before: `abstract-level` refuses each read then. */
  readonly #cursor: Cursor | undefined
  readonly #project: Project<T>
  readonly #signal: AbortSignal | undefined
  readonly #pageBytesMax: number

  constructor(engine: Engine, options: EncodedScanOptions, counts: { keys: boolean; values: boolean }, project: Project<T>) {
    const { signal, highWaterMarkBytes } = options
    const scan = rangeOf(options)
    scan.reverse = options.reverse === true
    if (options.fillCache === false) scan.fillCache = false
    if (signal !== null && signal !== undefined) scan.signal = signal
    this.#signal = scan.signal
    this.#project = project
    this.#pageBytesMax = typeof highWaterMarkBytes === 'number' ? highWaterMarkBytes : HIGH_WATER_MARK_BYTES
    try {
      const pinned = pinnedBy(options.snapshot)
      this.#cursor = pinned?.isOpen === false ? undefined : engine.reads.cursor(scan, pinned, counts)
    } catch (error) {
      throw toLevelError(error)
    }
  }

  next(): T | undefined | Promise<T | undefined> {
    return this.#read((cursor) => cursor.next(this.#project))
  }

  page(count: number): T[] | Promise<T[]> {
    return this.#read((cursor) => cursor.page(count, this.#pageBytesMax, this.#project))
  }

  rest(count: number): T[] | Promise<T[]> {
    return this.#read((cursor) => cursor.page(count, Infinity, this.#project))
  }

  seek(target: Key): void {
    try {
      this.#cursor?.seek(target)
    } catch (error) {
      throw toLevelError(error)
    }
  }

  close(): void {
    this.#cursor?.close()
  }

  #read<R>(read: (cursor: Cursor) => R | Promise<R>): R | Promise<R> {
    const cursor = this.#cursor
    if (cursor === undefined) throw new VarveLevelError('LEVEL_SNAPSHOT_NOT_OPEN', 'Snapshot is not open: cannot read after close()')
    if (this.#signal !== undefined) return readUnlessAborted(this.#signal, cursor, read)
    try {
      const result = read(cursor)
      return result instanceof Promise ? result.catch(rethrow) : result
    } catch (error) {
      throw toLevelError(error)
    }
  }
}

/** A signal that is given in the turn of the call is still in time. */
async function readUnlessAborted<R>(signal: AbortSignal, cursor: Cursor, read: (cursor: Cursor) => R | Promise<R>): Promise<R> {
  await undefined
  if (signal.aborted) throw aborted(signal)
  try {
    return await read(cursor)
  } catch (error) {
    throw toLevelError(error)
  }
}

const BOTH = { keys: true, values: true }
const KEYS = { keys: true, values: false }
const VALUES = { keys: false, values: true }

type Encoded = string | Uint8Array
type Entry = [Encoded | undefined, Encoded | undefined]

function entryProjection(options: EncodedScanOptions): Project<Entry> {
  const key = options.keyEncoding === 'utf8' ? keyAsText : keyAsBytes
  const value = options.valueEncoding === 'utf8' ? valueAsText : valueAsBytes
  if (options.values === false) return options.keys === false ? () => [undefined, undefined] : (entry) => [key(entry), undefined]
  return options.keys === false ? (entry) => [undefined, value(entry)] : (entry) => [key(entry), value(entry)]
}

/** Entries in key order. */
export class LevelEntryIterator<D, K, V> extends AbstractIterator<D, K, V> {
  readonly #reading: Reading<Entry>

  constructor(db: D, engine: Engine, options: EncodedScanOptions) {
    const counts = options.keys === false ? VALUES : options.values === false ? KEYS : BOTH
    // First: what fails here must not be a resource of the database already.
    const reading = new Reading(engine, options, counts, entryProjection(options))
    super(db, options as object)
    this.#reading = reading
  }

  /** One entry. @internal */
  _next(): Entry | undefined | Promise<Entry | undefined> {
    return this.#reading.next()
  }

  /** A page of entries. @internal */
  _nextv(size: number): Entry[] | Promise<Entry[]> {
    return this.#reading.page(size)
  }

  /** All that is left. @internal */
  _all(): Entry[] | Promise<Entry[]> {
    return this.#reading.rest(this.limit - this.count)
  }

  /** Moves. @internal */
  _seek(target: Key): void {
    this.#reading.seek(target)
  }

  /** Lets go. @internal */
  _close(): void {
    this.#reading.close()
  }
}

/** Keys in order. */
export class LevelKeyIterator<D, K> extends AbstractKeyIterator<D, K> {
  readonly #reading: Reading<Encoded>

  constructor(db: D, engine: Engine, options: EncodedScanOptions) {
    const reading = new Reading<Encoded>(engine, options, KEYS, options.keyEncoding === 'utf8' ? keyAsText : keyAsBytes)
    super(db, options as object)
    this.#reading = reading
  }

  /** One key. @internal */
  _next(): Encoded | undefined | Promise<Encoded | undefined> {
    return this.#reading.next()
  }

  /** A page of keys. @internal */
  _nextv(size: number): Encoded[] | Promise<Encoded[]> {
    return this.#reading.page(size)
  }

  /** All that is left. @internal */
  _all(): Encoded[] | Promise<Encoded[]> {
    return this.#reading.rest(this.limit - this.count)
  }

  /** Moves. @internal */
  _seek(target: Key): void {
    this.#reading.seek(target)
  }

  /** Lets go. @internal */
  _close(): void {
    this.#reading.close()
  }
}

/** Values in the order of their keys. */
export class LevelValueIterator<D, K, V> extends AbstractValueIterator<D, K, V> {
  readonly #reading: Reading<Encoded>

  constructor(db: D, engine: Engine, options: EncodedScanOptions) {
    const reading = new Reading<Encoded>(engine, options, VALUES, options.valueEncoding === 'utf8' ? valueAsText : valueAsBytes)
    super(db, options as object)
    this.#reading = reading
  }

  /** One value. @internal */
  _next(): Encoded | undefined | Promise<Encoded | undefined> {
    return this.#reading.next()
  }

  /** A page of values. @internal */
  _nextv(size: number): Encoded[] | Promise<Encoded[]> {
    return this.#reading.page(size)
  }

  /** All that is left. @internal */
  _all(): Encoded[] | Promise<Encoded[]> {
    return this.#reading.rest(this.limit - this.count)
  }

  /** Moves. @internal */
  _seek(target: Key): void {
    this.#reading.seek(target)
  }

  /** Lets go. @internal */
  _close(): void {
    this.#reading.close()
  }
}
