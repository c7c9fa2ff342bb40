/**
 * The options of the database and of its operations: those of `abstract-level`, flat, with those of the store.
 */
import type {
  AbstractBatchOptions,
  AbstractChainedBatchWriteOptions,
  AbstractDatabaseOptions,
  AbstractDelOptions,
  AbstractGetManyOptions,
  AbstractGetOptions,
  AbstractIteratorOptions,
  AbstractKeyIteratorOptions,
  AbstractOpenOptions,
  AbstractPutOptions,
  AbstractValueIteratorOptions,
  Transcoder,
} from 'abstract-level'
import { StoreError, type StoreOptions, type WriteOptions } from '../../index.js'
import { isStoreOption } from '../../store/options.js'

/** Options of the store that a Level database passes on; what its scans give is decided by encodings instead. */
type PassedOptions = Omit<StoreOptions, 'keys' | 'compression' | 'createIfMissing' | 'errorIfExists'>

/** Options of `db.open()`. */
export interface LevelOpenOptions extends AbstractOpenOptions, PassedOptions {
  /** As the store's option; also `true` for the default and `false` for `'none'`. */
  compression?: StoreOptions['compression'] | boolean
}

/** Options of the constructor. */
export interface LevelOptions<K, V> extends AbstractDatabaseOptions<K, V>, Omit<LevelOpenOptions, 'passive'> {}

/** Options of `db.put()`. */
export interface LevelPutOptions<K, V> extends AbstractPutOptions<K, V>, WriteOptions {}

/** Options of `db.del()`. */
export interface LevelDelOptions<K> extends AbstractDelOptions<K>, WriteOptions {}

/** Options of `db.batch([])`. */
export interface LevelBatchOptions<K, V> extends AbstractBatchOptions<K, V>, WriteOptions {}

/** Options of `db.batch().write()`. */
export interface LevelBatchWriteOptions extends AbstractChainedBatchWriteOptions, WriteOptions {}

/** Options of `db.get()` and `db.getSync()`. */
export type LevelGetOptions<K, V> = AbstractGetOptions<K, V>

/** Options of `db.getMany()`. */
export type LevelGetManyOptions<K, V> = AbstractGetManyOptions<K, V>

/** What iterators take besides the options of `abstract-level`. */
export interface LevelScanOptions {
  /** Keep the blocks that are read in the cache. Default `true`. */
  fillCache?: boolean
  /** Bytes of entries after which `nextv()` gives what it has; `Infinity` for no limit. Default 16 KiB. */
  highWaterMarkBytes?: number
}

/** Options of `db.iterator()`. */
export type LevelIteratorOptions<K, V> = AbstractIteratorOptions<K, V> & LevelScanOptions

/** Options of `db.keys()`. */
export type LevelKeyIteratorOptions<K> = AbstractKeyIteratorOptions<K> & LevelScanOptions

/** Options of `db.values()`. */
export type LevelValueIteratorOptions<K, V> = AbstractValueIteratorOptions<K, V> & LevelScanOptions

/** Options of `db.approximateSize()` and `db.compactRange()`. */
export interface LevelRangeOptions<K> {
  /** Encoding of `start` and `end`, in place of the database's. */
  keyEncoding?: string | Transcoder.PartialEncoder<K> | undefined
}

/** Options of classic-level, and what stands for them here. */
const CLASSIC: Readonly<Record<string, string>> = {
  cacheSize: "use 'blockCacheSize'",
  writeBufferSize: "use 'memtableSize'",
  maxOpenFiles: "use 'maxOpenTables'",
  blockRestartInterval: 'leave it out',
  maxFileSize: 'leave it out',
  multithreading: 'leave it out: a store is used by one thread',
}

/**
 * The options that the store is opened with. Others are passed over, as everywhere in the Level family: hooks may have options, too.
 *
 * @throws StoreError `ERR_INVALID_OPTION` for an option of classic-level that has another name here
 */
export function storeOptions(options: LevelOpenOptions): StoreOptions {
  const passed: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(options)) {
    if (isStoreOption(name)) passed[name] = value
    else if (Object.hasOwn(CLASSIC, name)) {
      throw new StoreError('ERR_INVALID_OPTION', `there is no option '${name}' as in classic-level: ${CLASSIC[name]}`)
    }
  }
  if (passed['compression'] === false) passed['compression'] = 'none'
  else if (passed['compression'] === true) delete passed['compression']
  return passed
}

/** The options of a write that are the store's: encodings and whatever else there is are not. */
export function onlySync(options: WriteOptions): WriteOptions | undefined {
  return options.sync === undefined ? undefined : { sync: options.sync }
}
