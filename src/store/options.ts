/**
 * Every option of a store: unit, default, range and reason. Options are few on purpose; what can be derived is derived.
 *
 * Invariant: a `ResolvedOptions` has passed every check. Nothing below this file checks an option again.
 */
import type { CompressionName } from '../codec/compression.js'
import { StoreError } from '../util/errors.js'
import { type Clock, systemClock } from '../util/clock.js'
import { nodeVfs } from '../vfs/node.js'
import type { Vfs } from '../vfs/vfs.js'

/** When a write is acknowledged, and hence what it survives. See `docs/durability.md`. */
export type WalSync = 'none' | 'os' | 'interval' | 'always'

/** How promise reads meet data that is not in memory. */
export type ReadMode = 'adaptive' | 'sync' | 'async'

/** Options of `Store.open` and `Store.openSync`. Every one may be left out. */
export interface StoreOptions {
  /** Make the store when there is none. Default `true`. */
  createIfMissing?: boolean
  /** Fail with `ERR_EXISTS` when there is a store. Default `false`. */
  errorIfExists?: boolean
  /** Open without writing or deleting anything, and without taking the lock. Default `false`. */
  readOnly?: boolean
  /** What scans and `keys` give as keys: `'string'` or `'bytes'`. Default `'string'`. */
  keys?: 'string' | 'bytes'
  /** Bytes of writes collected in memory before they become a table: 4 KiB to 256 MiB, default 4 MiB. */
  memtableSize?: number
  /** Bytes of table blocks kept in memory, indexes and filters included: 0 (none) to 64 GiB, default 64 MiB. */
  blockCacheSize?: number
  /** Bytes of a table block before compression, the unit of reading: 64 B to 1 MiB, default 8 KiB. */
  blockSize?: number
  /**
   * Codec of table blocks: `'snappy'`, `'zstd'` or `'none'`, default `'snappy'`. `'zstd'` takes 5 to 25 % less of the disk, and makes
   * reads that miss the cache slower (`docs/table.md`); it means zstd in the last level, which holds nine tenths of the data, and snappy
   * above it, where data is soon rewritten. An array names the codec of each level from level 0 on; its last element serves all deeper
   * levels (1 to 7 elements).
   */
  compression?: CompressionName | readonly CompressionName[]
  /** Effort of zstd: 1 to 19, default 1. */
  compressionLevel?: number
  /** Share of absent keys for which a table is read in vain: 0 (no filter) or 0.0001 to 0.5, default 0.01. */
  bloomFalsePositiveRate?: number
  /** When a write is acknowledged. Default `'os'`: it survives the death of the process. */
  walSync?: WalSync
  /** Milliseconds between syncs with `walSync: 'interval'`: 1 to 60,000, default 100. */
  walSyncInterval?: number
  /** Check the checksum of every block that is read. Default `true`. */
  verifyChecksums?: boolean
  /**
   * How promise reads meet data that is not in memory: `'adaptive'` reads at once while the disk answers in microseconds and goes
   * through the thread pool when it does not, `'sync'` always reads at once, `'async'` always uses the pool. Default `'adaptive'`.
   */
  readMode?: ReadMode
  /** Threads for flush and compaction: 1, or 0 to run them on the calling thread in short slices. Default 1. */
  backgroundThreads?: 0 | 1
  /**
   * How far the background thread gives way to other threads, the one of the event loop among them: what its nice value is raised by,
   * 0 (not at all) to 19, default 5. On Linux only.
   */
  backgroundNice?: number
  /** Greatest number of tables held open: 8 to 100,000, default 500. */
  maxOpenTables?: number
  /** What to do about damage in the write-ahead log: `'strict'` fails, `'salvage'` skips it and reports. Default `'strict'`. */
  recovery?: 'strict' | 'salvage'
  /** Location of the worker's module, for bundled applications. Default: beside the library. */
  workerUrl?: URL
  /** File system to use. Default: the operating system's. */
  vfs?: Vfs
  /** Source of time. Default: the system's. */
  clock?: Clock
}

/** Options after defaults and checks. */
export interface ResolvedOptions {
  readonly createIfMissing: boolean
  readonly errorIfExists: boolean
  readonly readOnly: boolean
  readonly keys: 'string' | 'bytes'
  readonly memtableSize: number
  readonly blockCacheSize: number
  readonly blockSize: number
  /** One codec for each of the seven levels. */
  readonly compression: readonly CompressionName[]
  readonly compressionLevel: number
  readonly bloomFalsePositiveRate: number
  readonly walSync: WalSync
  readonly walSyncInterval: number
  readonly verifyChecksums: boolean
  readonly readMode: ReadMode
  readonly backgroundThreads: 0 | 1
  readonly backgroundNice: number
  readonly maxOpenTables: number
  readonly recovery: 'strict' | 'salvage'
  readonly workerUrl: URL | undefined
  readonly vfs: Vfs
  readonly clock: Clock
}

const KIB = 1024
const MIB = 1024 * KIB
const GIB = 1024 * MIB

/** Number of levels of the tree. */
const LEVELS = 7

/** What a store uses when nothing is said. */
export const defaultOptions = {
  memtableSize: 4 * MIB,
  blockCacheSize: 64 * MIB,
  blockSize: 8 * KIB,
  compression: 'snappy',
  compressionLevel: 1,
  bloomFalsePositiveRate: 0.01,
  walSync: 'os',
} as const satisfies StoreOptions

/** For small machines: no block cache and no filters, a few open tables. Point reads pay with a block read a level. */
export const lowMemoryOptions = {
  ...defaultOptions,
  memtableSize: 4 * MIB,
  blockCacheSize: 0,
  bloomFalsePositiveRate: 0,
  maxOpenTables: 64,
} as const satisfies StoreOptions

/** For machines with memory to spare: larger memtables and cache, fewer false positives. */
export const highPerformanceOptions = {
  ...defaultOptions,
  memtableSize: 32 * MIB,
  blockCacheSize: 512 * MIB,
  bloomFalsePositiveRate: 0.001,
  maxOpenTables: 2000,
} as const satisfies StoreOptions

const ALL_OPTIONS: Record<keyof StoreOptions, true> = {
  createIfMissing: true,
  errorIfExists: true,
  readOnly: true,
  keys: true,
  memtableSize: true,
  blockCacheSize: true,
  blockSize: true,
  compression: true,
  compressionLevel: true,
  bloomFalsePositiveRate: true,
  walSync: true,
  walSyncInterval: true,
  verifyChecksums: true,
  readMode: true,
  backgroundThreads: true,
  backgroundNice: true,
  maxOpenTables: true,
  recovery: true,
  workerUrl: true,
  vfs: true,
  clock: true,
}

/** Whether there is an option of this name. */
export function isStoreOption(name: string): name is keyof StoreOptions {
  return Object.hasOwn(ALL_OPTIONS, name)
}

const CODECS: readonly CompressionName[] = ['zstd', 'snappy', 'none']

/**
 * Fills in defaults and checks ranges.
 *
 * @throws StoreError `ERR_INVALID_OPTION` naming the option, what it may be, and what came.
 */
export function resolveOptions(options: StoreOptions = {}): ResolvedOptions {
  if (typeof options !== 'object' || options === null) throw invalid('options', 'an object', options)
  for (const name of Object.keys(options)) {
    if (!isStoreOption(name)) {
      throw new StoreError('ERR_INVALID_OPTION', `unknown option '${name}': known are ${Object.keys(ALL_OPTIONS).join(', ')}`)
    }
  }
  const { bloomFalsePositiveRate: rate = defaultOptions.bloomFalsePositiveRate } = options
  if (rate !== 0) numberIn('bloomFalsePositiveRate', rate, 0.0001, 0.5, '0 (no filter) or a number')
  const { vfs = nodeVfs, clock = systemClock, workerUrl } = options
  if (workerUrl !== undefined && !(workerUrl instanceof URL)) throw invalid('workerUrl', 'a URL', workerUrl)
  if (typeof vfs !== 'object' || vfs === null || typeof vfs.openSync !== 'function') throw invalid('vfs', 'a file system', vfs)
  if (typeof clock !== 'object' || clock === null || typeof clock.nowMs !== 'function') throw invalid('clock', 'a clock', clock)
  return {
    createIfMissing: flag('createIfMissing', options.createIfMissing, true),
    errorIfExists: flag('errorIfExists', options.errorIfExists, false),
    readOnly: flag('readOnly', options.readOnly, false),
    keys: oneOf('keys', options.keys, ['string', 'bytes'], 'string'),
    memtableSize: integerIn('memtableSize', options.memtableSize, 4 * KIB, 256 * MIB, defaultOptions.memtableSize),
    blockCacheSize: integerIn('blockCacheSize', options.blockCacheSize, 0, 64 * GIB, defaultOptions.blockCacheSize),
    blockSize: integerIn('blockSize', options.blockSize, 64, MIB, defaultOptions.blockSize),
    compression: resolveCompression(options.compression),
    compressionLevel: integerIn('compressionLevel', options.compressionLevel, 1, 19, defaultOptions.compressionLevel),
    bloomFalsePositiveRate: rate,
    walSync: oneOf('walSync', options.walSync, ['none', 'os', 'interval', 'always'], defaultOptions.walSync),
    walSyncInterval: integerIn('walSyncInterval', options.walSyncInterval, 1, 60_000, 100),
    verifyChecksums: flag('verifyChecksums', options.verifyChecksums, true),
    readMode: oneOf('readMode', options.readMode, ['adaptive', 'sync', 'async'], 'adaptive'),
    backgroundThreads: oneOf('backgroundThreads', options.backgroundThreads, [0, 1], 1),
    backgroundNice: integerIn('backgroundNice', options.backgroundNice, 0, 19, 5),
    maxOpenTables: integerIn('maxOpenTables', options.maxOpenTables, 8, 100_000, 500),
    recovery: oneOf('recovery', options.recovery, ['strict', 'salvage'], 'strict'),
    workerUrl,
    vfs,
    clock,
  }
}

function resolveCompression(given: NonNullable<StoreOptions['compression']> = defaultOptions.compression): readonly CompressionName[] {
  if (typeof given === 'string') {
    const name = oneOf('compression', given, CODECS, defaultOptions.compression)
    const above: CompressionName = name === 'zstd' ? 'snappy' : name
    return [...Array<CompressionName>(LEVELS - 1).fill(above), name]
  }
  if (!Array.isArray(given) || given.length < 1 || given.length > LEVELS) {
    throw invalid('compression', `one of ${CODECS.join(', ')}, or an array of 1 to ${LEVELS} of them`, given)
  }
  const names = given as readonly CompressionName[]
  return Array.from({ length: LEVELS }, (_, level) => oneOf('compression', names[Math.min(level, names.length - 1)], CODECS, 'none'))
}

function flag(name: string, value: unknown, fallback: boolean): boolean {
  if (value === undefined) return fallback
  if (typeof value !== 'boolean') throw invalid(name, 'true or false', value)
  return value
}

function oneOf<T extends string | number>(name: string, value: unknown, allowed: readonly T[], fallback: T): T {
  if (value === undefined) return fallback
  if (!allowed.includes(value as T)) throw invalid(name, `one of ${allowed.join(', ')}`, value)
  return value as T
}

function integerIn(name: string, value: unknown, low: number, high: number, fallback: number): number {
  if (value === undefined) return fallback
  if (!Number.isInteger(value)) throw invalid(name, `an integer from ${low} to ${high}`, value)
  return numberIn(name, value, low, high, 'an integer')
}

function numberIn(name: string, value: unknown, low: number, high: number, what: string): number {
  if (typeof value !== 'number' || !(value >= low && value <= high)) throw invalid(name, `${what} from ${low} to ${high}`, value)
  return value
}

function invalid(name: string, expected: string, value: unknown): StoreError {
  return new StoreError('ERR_INVALID_OPTION', `option '${name}' must be ${expected}, not ${describe(value)}`)
}

function describe(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? `[${value.map(describe).join(', ')}]` : 'an object'
  return String(value)
}
