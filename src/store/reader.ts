/**
 * Everything that reads: the same methods on the store (which sees the latest state) and on a snapshot (which sees one moment).
 *
 * Each read exists as a promise and as `…Sync`. The promise form resolves from memory without leaving the thread, and never holds the event
 * loop longer than a millisecond or two; the synchronous form reads the disk on the spot when it must.
 */
import type { Key } from '../codec/key.js'
import {
  type RecordValue,
  type Value,
  decodeBoolean,
  decodeBytes,
  decodeFloat64,
  decodeInt64,
  decodeRecord,
  decodeString,
  decodeValue,
  decodeValueShared,
} from '../codec/value.js'
import { StoreError } from '../util/errors.js'
import { checkReadOptions, checkScanOptions } from './call_options.js'
import type { Scan, ScanOptions } from './scan.js'
import type { Snapshot } from './snapshot.js'

/** Turns stored bytes into a value. The bytes may be others as soon as it returns: only `decodeValueShared` gives views of them. */
export type Decode<T> = (data: Buffer, start: number, end: number) => T

/** Options of a point read. */
export interface ReadOptions {
  /** Read as of this snapshot. Default: the latest acknowledged state. */
  snapshot?: Snapshot<Key>
  /**
   * `false`: returned bytes may be a view of the store's memory instead of a copy. The view is borrowed: it must not be written to, and
   * holds only until the caller next awaits or calls the store. Default `true`.
   */
  copy?: boolean
}

/** What reads need of the engine. */
export interface ReadEngine {
  get<T>(key: Key, snapshot: Snapshot<Key> | undefined, decode: Decode<T>): Promise<T | undefined>
  getSync<T>(key: Key, snapshot: Snapshot<Key> | undefined, decode: Decode<T>): T | undefined
  getMany<T>(keys: readonly Key[], snapshot: Snapshot<Key> | undefined, decode: Decode<T>): Promise<(T | undefined)[]>
  getManySync<T>(keys: readonly Key[], snapshot: Snapshot<Key> | undefined, decode: Decode<T>): (T | undefined)[]
  scan<K extends Key, T>(shape: 'entries' | 'keys' | 'values', options: ScanOptions, snapshot: Snapshot<Key> | undefined): Scan<T, K>
}

const isThere: Decode<true> = () => true

/** The reading methods. `K` is what scans give as keys: strings, or bytes with `keys: 'bytes'`. */
export abstract class Reader<K extends Key = string> {
  /** @internal */
  protected abstract readonly reads: ReadEngine

  /** The snapshot to read at, where the reader is one. @internal */
  protected abstract pinned(): Snapshot<Key> | undefined

  /**
   * The value of `key`, or `undefined`. Safe integers come as `number`, larger ones as `bigint`.
   *
   * @throws StoreError `ERR_INVALID_KEY`, `ERR_NOT_OPEN`, `ERR_CORRUPTION`, `ERR_IO`, `ERR_CODEC_UNAVAILABLE` (as a rejection)
   */
  get(key: Key, options?: ReadOptions): Promise<Value | undefined> {
    return this.#get(key, options, decodeValue)
  }

  /** As `get`, on the spot. */
  getSync(key: Key, options?: ReadOptions): Value | undefined {
    if (options === undefined) return this.reads.getSync(key, this.pinned(), decodeValue)
    return this.reads.getSync(key, this.#momentOf(options), options.copy === false ? decodeValueShared : decodeValue)
  }

  /** The values of `keys`, in their order, `undefined` for each that is absent; all as of one moment. */
  async getMany(keys: readonly Key[], options?: ReadOptions): Promise<(Value | undefined)[]> {
    return this.reads.getMany(keys, this.#momentOf(options), options?.copy === false ? decodeValueShared : decodeValue)
  }

  /** As `getMany`, on the spot. */
  getManySync(keys: readonly Key[], options?: ReadOptions): (Value | undefined)[] {
    return this.reads.getManySync(keys, this.#momentOf(options), options?.copy === false ? decodeValueShared : decodeValue)
  }

  /** Whether `key` is there. */
  async has(key: Key, options?: ReadOptions): Promise<boolean> {
    return (await this.#get(key, options, isThere)) !== undefined
  }

  /** As `has`, on the spot. */
  hasSync(key: Key, options?: ReadOptions): boolean {
    return this.reads.getSync(key, this.#momentOf(options), isThere) !== undefined
  }

  /** The string at `key`, or `undefined`. @throws StoreError `ERR_TYPE_MISMATCH` when the value is of another type */
  getString(key: Key, options?: ReadOptions): Promise<string | undefined> {
    return this.#get(key, options, decodeString)
  }

  /** As `getString`, on the spot. */
  getStringSync(key: Key, options?: ReadOptions): string | undefined {
    return this.reads.getSync(key, this.#momentOf(options), decodeString)
  }

  /** The 64-bit integer at `key`, always as `bigint`, or `undefined`. @throws StoreError `ERR_TYPE_MISMATCH` */
  getInt64(key: Key, options?: ReadOptions): Promise<bigint | undefined> {
    return this.#get(key, options, decodeInt64)
  }

  /** As `getInt64`, on the spot. */
  getInt64Sync(key: Key, options?: ReadOptions): bigint | undefined {
    return this.reads.getSync(key, this.#momentOf(options), decodeInt64)
  }

  /** The 64-bit float at `key`, or `undefined`. @throws StoreError `ERR_TYPE_MISMATCH` */
  getFloat64(key: Key, options?: ReadOptions): Promise<number | undefined> {
    return this.#get(key, options, decodeFloat64)
  }

  /** As `getFloat64`, on the spot. */
  getFloat64Sync(key: Key, options?: ReadOptions): number | undefined {
    return this.reads.getSync(key, this.#momentOf(options), decodeFloat64)
  }

  /** The boolean at `key`, or `undefined`. @throws StoreError `ERR_TYPE_MISMATCH` */
  getBool(key: Key, options?: ReadOptions): Promise<boolean | undefined> {
    return this.#get(key, options, decodeBoolean)
  }

  /** As `getBool`, on the spot. */
  getBoolSync(key: Key, options?: ReadOptions): boolean | undefined {
    return this.reads.getSync(key, this.#momentOf(options), decodeBoolean)
  }

  /** The bytes at `key`, the caller's own copy, or `undefined`. @throws StoreError `ERR_TYPE_MISMATCH` */
  getBytes(key: Key, options?: ReadOptions): Promise<Uint8Array | undefined> {
    return this.#get(key, options, decodeBytes)
  }

  /** As `getBytes`, on the spot. */
  getBytesSync(key: Key, options?: ReadOptions): Uint8Array | undefined {
    return this.reads.getSync(key, this.#momentOf(options), decodeBytes)
  }

  /** The record at `key`, or `undefined`. `T` is the caller's claim; it is not checked. @throws StoreError `ERR_TYPE_MISMATCH` */
  getRecord<T = RecordValue>(key: Key, options?: ReadOptions): Promise<T | undefined> {
    return this.#get(key, options, decodeRecord as Decode<unknown> as Decode<T>)
  }

  /** As `getRecord`, on the spot. */
  getRecordSync<T = RecordValue>(key: Key, options?: ReadOptions): T | undefined {
    return this.reads.getSync(key, this.#momentOf(options), decodeRecord as Decode<unknown> as Decode<T>)
  }

  /**
   * Entries in key order, as of this call: `for (const [key, value] of store.scan({ gte: 'a', lt: 'b' }))`, or `for await`.
   *
   * @throws StoreError `ERR_INVALID_KEY` for a bound that is no key, `ERR_INVALID_OPTION`, `ERR_NOT_OPEN`
   */
  scan(options: ScanOptions & { keys: 'bytes' }): Scan<[Uint8Array, Value], Uint8Array>
  scan(options: ScanOptions & { keys: 'string' }): Scan<[string, Value], string>
  scan(options?: ScanOptions): Scan<[K, Value], K>
  scan(options: ScanOptions = {}): Scan<[Key, Value], Key> {
    return this.#scan('entries', options)
  }

  /** Entries whose keys begin with `prefix`, in key order, as of this call. */
  scanPrefix(prefix: Key, options: ScanOptions & { keys: 'bytes' }): Scan<[Uint8Array, Value], Uint8Array>
  scanPrefix(prefix: Key, options: ScanOptions & { keys: 'string' }): Scan<[string, Value], string>
  scanPrefix(prefix: Key, options?: ScanOptions): Scan<[K, Value], K>
  scanPrefix(prefix: Key, options: ScanOptions = {}): Scan<[Key, Value], Key> {
    // Without this a missing argument would scan everything.
    if (prefix === undefined) throw new StoreError('ERR_INVALID_KEY', 'scanPrefix takes a prefix: a string or a Uint8Array')
    checkScanOptions(options)
    return this.#scan('entries', { ...options, prefix })
  }

  /** As `scan`, keys only. */
  keys(options: ScanOptions & { keys: 'bytes' }): Scan<Uint8Array, Uint8Array>
  keys(options: ScanOptions & { keys: 'string' }): Scan<string, string>
  keys(options?: ScanOptions): Scan<K, K>
  keys(options: ScanOptions = {}): Scan<Key, Key> {
    return this.#scan('keys', options)
  }

  /** As `scan`, values only. */
  values(options: ScanOptions = {}): Scan<Value, K> {
    return this.#scan('values', options)
  }

  /** Hot: a promise method, so that what is wrong with the options comes as a rejection. Guarded by `bench/micro/store.ts`. */
  #get<T>(key: Key, options: ReadOptions | undefined, decode: Decode<T>): Promise<T | undefined> {
    if (options === undefined) return this.reads.get(key, this.pinned(), decode)
    try {
      const isShared = decode === (decodeValue as Decode<unknown>) && options?.copy === false
      return this.reads.get(key, this.#momentOf(options), isShared ? (decodeValueShared as Decode<unknown> as Decode<T>) : decode)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #scan<S extends Key, T>(shape: 'entries' | 'keys' | 'values', options: ScanOptions): Scan<T, S> {
    checkScanOptions(options)
    return this.reads.scan(shape, options, options.snapshot === undefined ? this.pinned() : options.snapshot)
  }

  /** The snapshot to read at. @throws StoreError `ERR_INVALID_OPTION` when the options are none */
  #momentOf(options: ReadOptions | undefined): Snapshot<Key> | undefined {
    if (options === undefined) return this.pinned()
    checkReadOptions(options)
    return options.snapshot === undefined ? this.pinned() : options.snapshot
  }
}
