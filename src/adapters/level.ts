/**
 * `varve/level`: a store as an `abstract-level` database, in place of classic-level and its like.
 *
 * ```ts
 * import { VarveLevel } from 'varve/level'
 *
 * const db = new VarveLevel<string, { name: string }>('./data', { valueEncoding: 'json' })
 * await db.put('ada', { name: 'Ada' })
 * ```
 *
 * Needs the package `abstract-level`, version 3, beside this one. Semantics, options and differences: `docs/level.md`.
 *
 * A value of the format `utf8` is stored as a string and any other as bytes, so the store that lies underneath can be read with `Store`,
 * too. Private methods of the interface (`_get` …) may answer on the spot or with a promise; they answer on the spot where nothing has to
 * be waited for, which spares a promise and two microtasks an operation.
 *
 * @packageDocumentation
 */
import { type AbstractBatchOperation, type AbstractIterator, type AbstractKeyIterator, AbstractLevel } from 'abstract-level'
import type { AbstractSnapshot, AbstractValueIterator, Transcoder } from 'abstract-level'
import { type Key, Store, StoreError, type StoreLocation, type Vfs, type WriteOptions } from '../index.js'
import type { Engine } from '../store/engine.js'
import type { Decode } from '../store/reader.js'
import type { RecordBuffer } from '../store/record_buffer.js'
import { engineOf } from '../store/store.js'
import { BYTES, TEXT, decodeAsBytes, decodeAsPresence, decodeAsText, keyAsBytes } from '../store/untyped.js'
import { LevelChainedBatch } from './level/chained_batch.js'
import { notOpen, rethrow, toLevelError } from './level/errors.js'
import { type EncodedScanOptions, LevelEntryIterator, LevelKeyIterator, LevelValueIterator, rangeOf } from './level/iterators.js'
import {
  type LevelBatchOptions,
  type LevelDelOptions,
  type LevelGetManyOptions,
  type LevelGetOptions,
  type LevelIteratorOptions,
  type LevelKeyIteratorOptions,
  type LevelOpenOptions,
  type LevelOptions,
  type LevelPutOptions,
  type LevelRangeOptions,
  type LevelValueIteratorOptions,
  onlySync,
  storeOptions,
} from './level/options.js'
import { LevelSnapshot, pinnedBy } from './level/snapshot.js'

export { LevelChainedBatch } from './level/chained_batch.js'
export { VarveLevelError } from './level/errors.js'
export type * from './level/options.js'

/** What `abstract-level` calls the form of encoded data, and the snapshot to read at. */
interface Encoded {
  readonly keyEncoding: string
  readonly valueEncoding: string
  readonly snapshot?: LevelSnapshot | undefined
}

/** A write of an array batch, encoded. */
type EncodedOperation = { readonly type: 'put'; readonly key: Key; readonly value: unknown; readonly valueEncoding: string } | EncodedDelete

interface EncodedDelete {
  readonly type: 'del'
  readonly key: Key
}

const MANIFEST = {
  encodings: { buffer: true, utf8: true, view: true },
  implicitSnapshots: true,
  explicitSnapshots: true,
  snapshots: true,
  has: true,
  getSync: true,
  seek: true,
  createIfMissing: true,
  errorIfExists: true,
  permanence: true,
  additionalMethods: { approximateSize: true, compactRange: true },
  signals: { iterators: true },
}

/** Keys that `clear()` with a limit or a snapshot deletes in one batch. */
const CLEARED_KEYS = 1000

/** The methods of `abstract-level`, with the options that they take here. */
export interface LevelMethods<KDefault, VDefault> extends AbstractLevel<string | Buffer | Uint8Array, KDefault, VDefault> {
  /** Opens the database. Without a call it opens itself. */
  open(options?: LevelOpenOptions): Promise<void>
  /** The value of a key, or `undefined`. */
  get(key: KDefault): Promise<VDefault | undefined>
  /** As `get(key)`, with options. */
  get<K = KDefault, V = VDefault>(key: K, options: LevelGetOptions<K, V>): Promise<V | undefined>
  /** The values of keys, in their order, as of one moment. */
  getMany(keys: KDefault[]): Promise<(VDefault | undefined)[]>
  /** As `getMany(keys)`, with options. */
  getMany<K = KDefault, V = VDefault>(keys: K[], options: LevelGetManyOptions<K, V>): Promise<(V | undefined)[]>
  /** Sets a key. */
  put(key: KDefault, value: VDefault): Promise<void>
  /** As `put(key, value)`, with options. */
  put<K = KDefault, V = VDefault>(key: K, value: V, options: LevelPutOptions<K, V>): Promise<void>
  /** Deletes a key. */
  del(key: KDefault): Promise<void>
  /** As `del(key)`, with options. */
  del<K = KDefault>(key: K, options: LevelDelOptions<K>): Promise<void>
  /** Makes all writes, or none. */
  batch(operations: AbstractBatchOperation<this, KDefault, VDefault>[]): Promise<void>
  /** As `batch(operations)`, with options. */
  batch<K = KDefault, V = VDefault>(operations: AbstractBatchOperation<this, K, V>[], options: LevelBatchOptions<K, V>): Promise<void>
  /** Begins a batch that is built call by call. */
  batch(): LevelChainedBatch<this, KDefault, VDefault>
  /** Entries in key order, as of the call. */
  iterator(): AbstractIterator<this, KDefault, VDefault>
  /** As `iterator()`, with options. */
  iterator<K = KDefault, V = VDefault>(options: LevelIteratorOptions<K, V>): AbstractIterator<this, K, V>
  /** Keys in order, as of the call. */
  keys(): AbstractKeyIterator<this, KDefault>
  /** As `keys()`, with options. */
  keys<K = KDefault>(options: LevelKeyIteratorOptions<K>): AbstractKeyIterator<this, K>
  /** Values in the order of their keys, as of the call. */
  values(): AbstractValueIterator<this, KDefault, VDefault>
  /** As `values()`, with options. */
  values<K = KDefault, V = VDefault>(options: LevelValueIteratorOptions<K, V>): AbstractValueIterator<this, K, V>
}

/** `AbstractLevel` as it is, but for the types of its methods. */
const AbstractDatabase = AbstractLevel as unknown as new <K, V>(manifest: object, options?: LevelOptions<K, V>) => LevelMethods<K, V>

/**
 * A Level database in a directory.
 *
 * `KDefault` and `VDefault` are the types of keys and values, as the encodings of the database have them.
 */
export class VarveLevel<KDefault = string, VDefault = string> extends AbstractDatabase<KDefault, VDefault> {
  readonly #location: StoreLocation
  #store: Store<Key> | undefined
  #engine: Engine | undefined
  /** Operations that `close()` waits for. */
  readonly #pending = new Set<Promise<unknown>>()
  /** The acknowledgement of the writes of a turn, as the store promises it and as it is passed on. */
  #acknowledgement: Promise<void> | undefined
  #passedOn: Promise<void> = Promise.resolve()

  /**
   * @param location the directory, made when there is none; or a file system such as `memory()`
   * @param options those of `abstract-level`, and those of the store
   */
  constructor(location: StoreLocation, options?: LevelOptions<KDefault, VDefault>) {
    checkLocation(location)
    super(MANIFEST, options)
    this.#location = location
  }

  /**
   * Deletes the database at `location`: its files, never others, and the directory if nothing else is in it. Where there is none, nothing
   * happens. Close it first.
   *
   * @throws VarveLevelError (as a rejection) `LEVEL_LOCKED`, `LEVEL_IO_ERROR`
   */
  static async destroy(location: StoreLocation): Promise<void> {
    checkLocation(location)
    await Store.destroy(location).catch((error: unknown) => {
      // As in classic-level: there is no database, so there is nothing to do.
      if (!(error instanceof StoreError && error.code === 'ERR_NOT_A_STORE')) rethrow(error)
    })
  }

  /**
   * Makes the database at `location` open again, with what can be read of it; damaged files are put into the folder `lost` inside of it.
   * Close it first. `Store.repair` tells what was saved and what was not.
   *
   * @throws VarveLevelError (as a rejection) `LEVEL_LOCKED`, `LEVEL_IO_ERROR`; other errors of `Store.repair` as they are
   */
  static async repair(location: StoreLocation): Promise<void> {
    checkLocation(location)
    await Store.repair(location).catch(rethrow)
  }

  /** What was passed to the constructor. */
  get location(): StoreLocation {
    return this.#location
  }

  /** The store underneath, while the database is open: for statistics, events, `sync()` and so on. Do not close it. */
  get store(): Store<Key> {
    if (this.#store === undefined) throw notOpen('store')
    return this.#store
  }

  /**
   * About how many bytes of files hold keys from `start` (included) to `end` (not included). Recent writes may not count.
   *
   * @throws VarveLevelError (as a rejection) `LEVEL_DATABASE_NOT_OPEN`, `LEVEL_IO_ERROR`
   */
  approximateSize(start: KDefault, end: KDefault): Promise<number>
  approximateSize<K = KDefault>(start: K, end: K, options: LevelRangeOptions<K>): Promise<number>
  async approximateSize(start: unknown, end: unknown, options?: LevelRangeOptions<unknown>): Promise<number> {
    checkBounds(arguments.length)
    if (this.status === 'opening') return this.deferAsync(() => this.approximateSize(start, end, options ?? {}))
    const { gte, lte: lt } = this.#bounds('approximateSize', start, end, options)
    return this.#during(this.store.approximateSize({ gte, lt }))
  }

  /**
   * Gives back the space of what was deleted or replaced from `start` to `end`, both included.
   *
   * @throws VarveLevelError (as a rejection) `LEVEL_DATABASE_NOT_OPEN`, `LEVEL_IO_ERROR`
   */
  compactRange(start: KDefault, end: KDefault): Promise<void>
  compactRange<K = KDefault>(start: K, end: K, options: LevelRangeOptions<K>): Promise<void>
  async compactRange(start: unknown, end: unknown, options?: LevelRangeOptions<unknown>): Promise<void> {
    checkBounds(arguments.length)
    if (this.status === 'opening') return this.deferAsync(() => this.compactRange(start, end, options ?? {}))
    const range = this.#bounds('compactRange', start, end, options)
    return this.#during(this.store.compact(range))
  }

  /** Opens the store. @internal */
  async _open(options: LevelOpenOptions): Promise<void> {
    try {
      this.#store = await Store.open(this.#location, { ...storeOptions(options), keys: 'bytes' })
      this.#engine = engineOf(this.#store)
    } catch (error) {
      throw toLevelError(error)
    }
  }

  /** Closes the store when nothing is under way any more. @internal */
  async _close(): Promise<void> {
    await Promise.allSettled(this.#pending)
    const store = this.#store
    this.#store = undefined
    this.#engine = undefined
    // Whatever it says, the store is closed then: a second attempt succeeds.
    await store?.close().catch(rethrow)
  }

  /** Hot: reads a value. @internal */
  _get(key: Key, options: Encoded): unknown {
    try {
      const value = this.#open().reads.getSoon<string | Uint8Array>(key, pinnedBy(options.snapshot), decoderOf(options))
      return value instanceof Promise ? this.#during(value) : value
    } catch (error) {
      throw toLevelError(error)
    }
  }

  /** Hot: as `_get`, on the spot. @internal */
  _getSync(key: Key, options: Encoded): string | Uint8Array | undefined {
    try {
      return this.#open().reads.getSync<string | Uint8Array>(key, pinnedBy(options.snapshot), decoderOf(options))
    } catch (error) {
      throw toLevelError(error)
    }
  }

  /** Reads values. @internal */
  _getMany(keys: Key[], options: Encoded): Promise<(string | Uint8Array | undefined)[]> {
    return this.#during(this.#getMany(keys, options, decoderOf(options)))
  }

  /** Whether there is a key. @internal */
  _has(key: Key, options: Encoded): unknown {
    try {
      const found = this.#open().reads.getSoon(key, pinnedBy(options.snapshot), decodeAsPresence)
      return found instanceof Promise ? this.#during(found.then((presence) => presence === true)) : found === true
    } catch (error) {
      throw toLevelError(error)
    }
  }

  /** Whether there are keys. @internal */
  async _hasMany(keys: Key[], options: Encoded): Promise<boolean[]> {
    const found = await this.#during(this.#getMany(keys, options, decodeAsPresence))
    return found.map((presence) => presence === true)
  }

  /** Hot: sets a key. @internal */
  _put(key: Key, value: unknown, options: Encoded & WriteOptions): Promise<void> {
    const type = options.valueEncoding === 'utf8' ? TEXT : BYTES
    return this.#acknowledged(this.#open().writes.put(key, value, type, onlySync(options)))
  }

  /** Deletes a key. @internal */
  _del(key: Key, options: WriteOptions): Promise<void> {
    return this.#acknowledged(this.#open().writes.delete(key, onlySync(options)))
  }

  /** Writes an array batch. @internal */
  _batch(operations: readonly EncodedOperation[], options: WriteOptions): Promise<void> {
    return this.#acknowledged(this.#open().writes.batchOf((record) => encode(record, operations), onlySync(options)))
  }

  /** Begins a chained batch. @internal */
  _chainedBatch(): LevelChainedBatch<this, KDefault, VDefault> {
    return new LevelChainedBatch(this, this.#open())
  }

  /** Deletes a range. @internal */
  _clear(options: EncodedScanOptions & WriteOptions): Promise<void> {
    const { limit = -1, snapshot } = options
    const isWhole = limit < 0 && (snapshot === undefined || snapshot === null)
    return this.#during(isWhole ? this.#open().writes.clear(rangeOf(options), onlySync(options)) : this.#clearPart(options, limit))
  }

  /** Iterates entries. @internal */
  _iterator(options: EncodedScanOptions): LevelEntryIterator<this, KDefault, VDefault> {
    return new LevelEntryIterator(this, this.#open(), options)
  }

  /** Iterates keys. @internal */
  _keys(options: EncodedScanOptions): LevelKeyIterator<this, KDefault> {
    return new LevelKeyIterator(this, this.#open(), options)
  }

  /** Iterates values. @internal */
  _values(options: EncodedScanOptions): LevelValueIterator<this, KDefault, VDefault> {
    return new LevelValueIterator(this, this.#open(), options)
  }

  /** Takes a snapshot. @internal */
  _snapshot(options: object): AbstractSnapshot {
    return new LevelSnapshot(this.#open().reads.snapshot(), options)
  }

  #open(): Engine {
    if (this.#engine === undefined) throw notOpen('read or write')
    return this.#engine
  }

  #bounds(method: string, start: unknown, end: unknown, options: LevelRangeOptions<unknown> | undefined): { gte: Key; lte: Key } {
    if (this.status !== 'open') throw notOpen(method)
    const { encode } = this.keyEncoding(options?.keyEncoding as Transcoder.MixedEncoding<unknown, Key, unknown>)
    return { gte: encode(start), lte: encode(end) }
  }

  /** The promise, in the terms of the Level family; `close()` waits for it. */
  #during<T>(operation: Promise<T>): Promise<T> {
    const settled: Promise<T> = operation.catch(rethrow).finally(() => this.#pending.delete(settled))
    this.#pending.add(settled)
    return settled
  }

  /** Writes of one turn share the promise of the store, and so the one with its errors translated. */
  #acknowledged(promise: Promise<void>): Promise<void> {
    if (promise !== this.#acknowledgement) {
      this.#acknowledgement = promise
      this.#passedOn = promise.catch(rethrow)
    }
    return this.#passedOn
  }

  async #getMany<T>(keys: Key[], options: Encoded, decode: Decode<T>): Promise<(T | undefined)[]> {
    return this.#open().reads.getMany(keys, pinnedBy(options.snapshot), decode)
  }

  /** Deletes the first keys of a range, or those of a snapshot: batch by batch. */
  async #clearPart(options: EncodedScanOptions & WriteOptions, limit: number): Promise<void> {
    const { reads, writes } = this.#open()
    const range = { ...rangeOf(options), reverse: options.reverse === true, fillCache: false }
    const cursor = reads.cursor(range, pinnedBy(options.snapshot), { keys: true, values: false })
    let left = limit < 0 ? Infinity : limit
    try {
      while (left > 0) {
        const page = await cursor.page(Math.min(left, CLEARED_KEYS), Infinity, keyAsBytes)
        if (page.length === 0) return
        left -= page.length
        await writes.batchOf((record) => page.forEach((key) => record.delete(key)), onlySync(options))
      }
    } finally {
      cursor.close()
    }
  }
}

function checkLocation(location: unknown): void {
  if (typeof location === 'string' ? location !== '' : typeof (location as Partial<Vfs> | null)?.openSync === 'function') return
  throw new TypeError("The first argument 'location' must be a non-empty string")
}

function decoderOf({ valueEncoding }: Encoded): Decode<string | Uint8Array> {
  return valueEncoding === 'utf8' ? decodeAsText : decodeAsBytes
}

function checkBounds(given: number): void {
  if (given < 2) throw new TypeError("The arguments 'start' and 'end' are required")
}

function encode(record: RecordBuffer, operations: readonly EncodedOperation[]): void {
  for (const operation of operations) {
    if (operation.type === 'del') record.delete(operation.key)
    else record.put(operation.key, operation.value, operation.valueEncoding === 'utf8' ? TEXT : BYTES)
  }
}
