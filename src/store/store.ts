/**
 * `Store`: the public face of the engine.
 *
 * It checks nothing and decides nothing; it names what `Engine` does. Semantics that hold for all methods:
 *
 * - **Order.** Writes take effect in the order in which they are called. A promise write and a synchronous one keep that order too.
 * - **Visible = acknowledged.** A write is seen by reads when its promise has resolved (or its `…Sync` call returned), and not before.
 * - **Atomic.** A batch is kept and seen whole or not at all; so are `deleteRange`, `deletePrefix` and the conditional writes.
 * - **As of the call.** Scans and snapshots see the store as it was when they were made.
 */
import type { Key } from '../codec/key.js'
import { destroyStore } from '../maintenance/destroy.js'
import type { MaintenanceOptions } from '../maintenance/options.js'
import { repairStore, type RepairOptions } from '../maintenance/repair.js'
import type { RepairReport } from '../maintenance/repair_report.js'
import { verifyStore, type VerifyOptions } from '../maintenance/verify.js'
import type { VerifyReport } from '../maintenance/verify_report.js'
import { TAG_BOOLEAN, TAG_BYTES, TAG_FLOAT64, TAG_INT64, TAG_RECORD, TAG_STRING, type RecordValue, type Value } from '../codec/value.js'
import { approximateSize } from './approximate_size.js'
import { Batch, type BatchOperation, type WriteOptions } from './batch.js'
import { collectStats } from './collect_stats.js'
import type { Engine } from './engine.js'
import type { StoreEvents } from './events.js'
import type { StoreOptions } from './options.js'
import { type ReadEngine, Reader } from './reader.js'
import { openEngine, openEngineSync } from './recovery.js'
import type { KeyRange } from './scan.js'
import type { Snapshot } from './snapshot.js'
import type { StoreStats, StoreStatus } from './stats.js'
import { VALUE_TYPE_ANY } from './typed_value.js'
import type { StoreLocation } from '../vfs/location.js'

/**
 * The engine behind a store, for checks from inside and for adapters.
 * @internal
 */
export let engineOf: (store: Store<Key>) => Engine

/** Options of a store whose scans give keys as bytes. */
export interface ByteKeyOptions extends StoreOptions {
  /** Scans give keys as bytes. */
  keys: 'bytes'
}

/**
 * An ordered, durable key-value store in a directory.
 *
 * `K` is what scans give as keys: `string`, or `Uint8Array` with `keys: 'bytes'`. Keys may be given as either, always.
 */
export class Store<K extends Key = string> extends Reader<K> implements AsyncDisposable, Disposable {
  /** @internal */
  protected override readonly reads: ReadEngine
  readonly #engine: Engine

  static {
    engineOf = (store) => store.#engine
  }

  private constructor(engine: Engine) {
    super()
    this.reads = engine.reads
    this.#engine = engine
  }

  /**
   * Opens the store at `location`, making it when there is none.
   *
   * @throws StoreError (as a rejection) `ERR_LOCKED`, `ERR_CORRUPTION`, `ERR_FORMAT_VERSION`, `ERR_NOT_A_STORE`, `ERR_EXISTS`,
   *   `ERR_INVALID_OPTION`, `ERR_IO`, `ERR_DISK_FULL`
   */
  static async open(location: StoreLocation, options: ByteKeyOptions): Promise<Store<Uint8Array>>
  static async open(location: StoreLocation, options?: StoreOptions): Promise<Store>
  static async open(location: StoreLocation, options?: StoreOptions): Promise<Store<Key>> {
    return new Store(await openEngine(location, options))
  }

  /** As `open`, on the spot. */
  static openSync(location: StoreLocation, options: ByteKeyOptions): Store<Uint8Array>
  static openSync(location: StoreLocation, options?: StoreOptions): Store
  static openSync(location: StoreLocation, options?: StoreOptions): Store<Key> {
    return new Store(openEngineSync(location, options))
  }

  /**
   * Checks the store at `location`: reads all of it, compares everything in it, and changes nothing. Damage is reported, not thrown: see
   * `docs/maintenance.md`.
   *
   * It takes no lock. When the store is open meanwhile, what was acknowledged but is in memory only is not looked at.
   *
   * @throws StoreError (as a rejection) `ERR_NOT_A_STORE` when there is none, `ERR_INVALID_OPTION`, `ERR_ABORTED`, and `ERR_IO` when the
   *   directory cannot be read
   */
  static verify(location: StoreLocation, options?: VerifyOptions): Promise<VerifyReport> {
    return verifyStore(location, options)
  }

  /**
   * Makes the store at `location` open again, with what can be read of it: see `docs/maintenance.md`. Damaged files are put into the folder
   * `lost` inside of it. A store that is whole stays as it is.
   *
   * @throws StoreError (as a rejection) `ERR_LOCKED` when it is open, `ERR_NOT_A_STORE`, `ERR_CODEC_UNAVAILABLE` and `ERR_FORMAT_VERSION`
   *   when it can be read elsewhere, but not here, `ERR_INVALID_OPTION`, `ERR_ABORTED`, `ERR_IO`, `ERR_DISK_FULL`; the store is then as it
   *   was
   */
  static repair(location: StoreLocation, options?: RepairOptions): Promise<RepairReport> {
    return repairStore(location, options)
  }

  /**
   * Deletes the store at `location`: its files, never others, and the directory if nothing else is in it. Where there is nothing, nothing
   * happens. After a crash on the way it cannot be opened any more, and calling this again finishes it.
   *
   * @throws StoreError (as a rejection) `ERR_LOCKED` when it is open, `ERR_NOT_A_STORE` when the directory holds something else,
   *   `ERR_INVALID_OPTION`, `ERR_IO`
   */
  static destroy(location: StoreLocation, options?: MaintenanceOptions): Promise<void> {
    return destroyStore(location, options)
  }

  /** The state of the store; see `docs/durability.md`. */
  get status(): StoreStatus {
    return this.#engine.status
  }

  /** The directory of the store. */
  get path(): string {
    return this.#engine.path
  }

  /**
   * Sets `key` to `value`; the stored type follows from the value. The promise resolves when the write is acknowledged (see `walSync`).
   *
   * @throws StoreError (as a rejection, like all failures of promise methods) `ERR_INVALID_KEY`, `ERR_INVALID_VALUE`, `ERR_READ_ONLY`,
   *   `ERR_NOT_OPEN`, `ERR_DISK_FULL`, `ERR_BACKGROUND`
   */
  put(key: Key, value: Value, options?: WriteOptions): Promise<void> {
    return this.#engine.writes.put(key, value, VALUE_TYPE_ANY, options)
  }

  /** As `put`, on the spot. */
  putSync(key: Key, value: Value, options?: WriteOptions): void {
    this.#engine.writes.putSync(key, value, VALUE_TYPE_ANY, options)
  }

  /** Sets `key` to a string. */
  putString(key: Key, value: string, options?: WriteOptions): Promise<void> {
    return this.#engine.writes.put(key, value, TAG_STRING, options)
  }

  /** As `putString`, on the spot. */
  putStringSync(key: Key, value: string, options?: WriteOptions): void {
    this.#engine.writes.putSync(key, value, TAG_STRING, options)
  }

  /** Sets `key` to an integer from -2^63 to 2^63 - 1. */
  putInt64(key: Key, value: bigint | number, options?: WriteOptions): Promise<void> {
    return this.#engine.writes.put(key, value, TAG_INT64, options)
  }

  /** As `putInt64`, on the spot. */
  putInt64Sync(key: Key, value: bigint | number, options?: WriteOptions): void {
    this.#engine.writes.putSync(key, value, TAG_INT64, options)
  }

  /** Sets `key` to a 64-bit float. */
  putFloat64(key: Key, value: number, options?: WriteOptions): Promise<void> {
    return this.#engine.writes.put(key, value, TAG_FLOAT64, options)
  }

  /** As `putFloat64`, on the spot. */
  putFloat64Sync(key: Key, value: number, options?: WriteOptions): void {
    this.#engine.writes.putSync(key, value, TAG_FLOAT64, options)
  }

  /** Sets `key` to a boolean. */
  putBool(key: Key, value: boolean, options?: WriteOptions): Promise<void> {
    return this.#engine.writes.put(key, value, TAG_BOOLEAN, options)
  }

  /** As `putBool`, on the spot. */
  putBoolSync(key: Key, value: boolean, options?: WriteOptions): void {
    this.#engine.writes.putSync(key, value, TAG_BOOLEAN, options)
  }

  /** Sets `key` to bytes. */
  putBytes(key: Key, value: Uint8Array, options?: WriteOptions): Promise<void> {
    return this.#engine.writes.put(key, value, TAG_BYTES, options)
  }

  /** As `putBytes`, on the spot. */
  putBytesSync(key: Key, value: Uint8Array, options?: WriteOptions): void {
    this.#engine.writes.putSync(key, value, TAG_BYTES, options)
  }

  /** Sets `key` to a record: an object or array of JSON-like data. */
  putRecord(key: Key, value: RecordValue, options?: WriteOptions): Promise<void> {
    return this.#engine.writes.put(key, value, TAG_RECORD, options)
  }

  /** As `putRecord`, on the spot. */
  putRecordSync(key: Key, value: RecordValue, options?: WriteOptions): void {
    this.#engine.writes.putSync(key, value, TAG_RECORD, options)
  }

  /** Deletes `key`; nothing happens when it is not there. */
  delete(key: Key, options?: WriteOptions): Promise<void> {
    return this.#engine.writes.delete(key, options)
  }

  /** As `delete`, on the spot. */
  deleteSync(key: Key, options?: WriteOptions): void {
    this.#engine.writes.deleteSync(key, options)
  }

  /** Begins a batch that is built call by call. */
  batch(): Batch
  /** Writes all operations, or none. They may take 256 MiB encoded. */
  batch(operations: readonly BatchOperation[], options?: WriteOptions): Promise<void>
  batch(operations?: readonly BatchOperation[], options?: WriteOptions): Batch | Promise<void> {
    if (arguments.length === 0) return new Batch(this.#engine.writes)
    return this.#engine.writes.batch(operations as readonly BatchOperation[], options)
  }

  /** As `batch(operations)`, on the spot. */
  batchSync(operations: readonly BatchOperation[], options?: WriteOptions): void {
    this.#engine.writes.batchSync(operations, options)
  }

  /** Sets `key` to `value` if it is absent. Resolves to whether it was written. */
  putIfAbsent(key: Key, value: Value, options?: WriteOptions): Promise<boolean> {
    return this.#engine.writes.putIfEquals(key, value, undefined, options)
  }

  /** As `putIfAbsent`, on the spot. */
  putIfAbsentSync(key: Key, value: Value, options?: WriteOptions): boolean {
    return this.#engine.writes.putIfEqualsSync(key, value, undefined, options)
  }

  /**
   * Sets `key` to `value` if it now holds `expected` (compared by type and content; records deeply). `expected: undefined` means absent.
   * Resolves to whether it was written.
   */
  putIfEquals(key: Key, value: Value, expected: Value | undefined, options?: WriteOptions): Promise<boolean> {
    return this.#engine.writes.putIfEquals(key, value, expected, options)
  }

  /** As `putIfEquals`, on the spot. */
  putIfEqualsSync(key: Key, value: Value, expected: Value | undefined, options?: WriteOptions): boolean {
    return this.#engine.writes.putIfEqualsSync(key, value, expected, options)
  }

  /**
   * Adds `by` (default 1) to the 64-bit integer at `key`; an absent key counts as 0. Resolves to the new value.
   *
   * @throws StoreError `ERR_TYPE_MISMATCH` when the value is no integer, `ERR_INVALID_VALUE` when the sum leaves the 64-bit range; nothing
   *   is written then
   */
  increment(key: Key, by: bigint | number = 1n, options?: WriteOptions): Promise<bigint> {
    return this.#engine.writes.increment(key, by, options)
  }

  /** As `increment`, on the spot. */
  incrementSync(key: Key, by: bigint | number = 1n, options?: WriteOptions): bigint {
    return this.#engine.writes.incrementSync(key, by, options)
  }

  /**
   * Deletes all keys from `start` (included) to `end` (not included), atomically. It reads the range and writes one tombstone a key in one
   * batch, so a range may hold about as many keys as fit in 256 MiB; other writes wait meanwhile.
   *
   * @throws StoreError `ERR_INVALID_VALUE` when the range holds more; nothing is deleted then
   */
  deleteRange(start: Key, end: Key, options?: WriteOptions): Promise<void> {
    return this.#engine.writes.deleteRange({ gte: start, lt: end }, options)
  }

  /** As `deleteRange`, on the spot. */
  deleteRangeSync(start: Key, end: Key, options?: WriteOptions): void {
    this.#engine.writes.deleteRangeSync({ gte: start, lt: end }, options)
  }

  /** Deletes all keys that begin with `prefix`, as `deleteRange` does. */
  deletePrefix(prefix: Key, options?: WriteOptions): Promise<void> {
    return this.#engine.writes.deleteRange({ prefix }, options)
  }

  /** As `deletePrefix`, on the spot. */
  deletePrefixSync(prefix: Key, options?: WriteOptions): void {
    this.#engine.writes.deleteRangeSync({ prefix }, options)
  }

  /** The store as it is now, unchanging. Close it when done: `using snapshot = store.snapshot()`. */
  snapshot(): Snapshot<K> {
    return this.#engine.reads.snapshot() as Snapshot<Key> as Snapshot<K>
  }

  /** Writes what is in memory to tables. */
  flush(): Promise<void> {
    return this.#engine.flush()
  }

  /** Makes everything acknowledged so far survive a power loss. */
  sync(): Promise<void> {
    return this.#engine.sync()
  }

  /** As `sync`, on the spot. */
  syncSync(): void {
    this.#engine.syncSync()
  }

  /** Flushes, then merges all tables that overlap `range` (default: everything) down to the last level: gives disk space back at once. */
  compact(range?: KeyRange): Promise<void> {
    return this.#engine.compact(range)
  }

  /**
   * About how many bytes of the store's tables hold keys of `range` (default: everything). Writes that are still in memory do not count.
   * It reads no more than the indexes of the tables at both ends.
   */
  approximateSize(range: KeyRange = {}): Promise<number> {
    return approximateSize(this.#engine, range)
  }

  /** Sizes, counts and costs. */
  stats(): StoreStats {
    return collectStats(this.#engine)
  }

  /** Listens to an event. */
  on<E extends keyof StoreEvents>(event: E, listener: (...args: StoreEvents[E]) => void): this {
    this.#engine.emitter.on(event, listener as never)
    return this
  }

  /** Listens to the next event of a kind. */
  once<E extends keyof StoreEvents>(event: E, listener: (...args: StoreEvents[E]) => void): this {
    this.#engine.emitter.once(event, listener as never)
    return this
  }

  /** Stops listening. */
  off<E extends keyof StoreEvents>(event: E, listener: (...args: StoreEvents[E]) => void): this {
    this.#engine.emitter.off(event, listener as never)
    return this
  }

  /**
   * Finishes what was accepted, makes it durable, and lets go of the directory. Open snapshots and scans are closed. Closing twice does
   * nothing.
   *
   * @throws StoreError when the last writes could not be kept; the store is closed all the same
   */
  close(): Promise<void> {
    return this.#engine.close()
  }

  /** As `close`, on the spot. While `close` is under way it finishes what is left of it; the promise then settles alike. */
  closeSync(): void {
    this.#engine.closeSync()
  }

  /** As `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** As `closeSync`. */
  [Symbol.dispose](): void {
    this.closeSync()
  }

  /** @internal */
  protected override pinned(): undefined {
    return undefined
  }
}
