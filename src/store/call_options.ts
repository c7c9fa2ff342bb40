/**
 * Options of single calls: names and types are checked where options are given at all, so a misspelt `sync` is an error and no broken
 * promise. A call without options costs nothing here; `null` is none.
 */
import { StoreError } from '../util/errors.js'
import type { WriteOptions } from './batch.js'
import type { ReadOptions } from './reader.js'
import type { KeyRange, ScanOptions } from './scan.js'

type Names<T> = Readonly<Record<keyof T, true>>

const WRITE: Names<WriteOptions> = { sync: true }
const READ: Names<ReadOptions> = { snapshot: true, copy: true }
const RANGE: Names<KeyRange> = { gt: true, gte: true, lt: true, lte: true, prefix: true }
const SCAN: Names<ScanOptions> = { ...RANGE, reverse: true, limit: true, snapshot: true, signal: true, fillCache: true, keys: true }

/** Whether a write is to be durable when it is acknowledged. @throws StoreError `ERR_INVALID_OPTION` */
export function isSync(options: WriteOptions | undefined): boolean {
  if (options === undefined) return false
  checkNames('write', options, WRITE)
  checkFlag('sync', options.sync)
  return options.sync === true
}

/** Checks the options of a point read, but for the snapshot. @throws StoreError `ERR_INVALID_OPTION` */
export function checkReadOptions(options: ReadOptions): void {
  checkNames('read', options, READ)
  checkFlag('copy', options.copy)
}

/** Checks a range of keys, but for the keys. @throws StoreError `ERR_INVALID_OPTION` */
export function checkRange(range: KeyRange): void {
  checkNames('range', range, RANGE)
}

/** Checks the options of a scan, but for keys and snapshot. @throws StoreError `ERR_INVALID_OPTION` */
export function checkScanOptions(options: ScanOptions): void {
  checkNames('scan', options, SCAN)
  const { limit, reverse, keys, fillCache, signal } = options
  if (limit !== undefined && limit !== Infinity && !(Number.isInteger(limit) && limit >= 0)) {
    throw invalid(`scan option 'limit' must be an integer from 0 on, or Infinity, not ${String(limit)}`)
  }
  if (keys !== undefined && keys !== 'string' && keys !== 'bytes') {
    throw invalid(`scan option 'keys' must be 'string' or 'bytes', not ${String(keys)}`)
  }
  checkFlag('reverse', reverse)
  checkFlag('fillCache', fillCache)
  if (signal !== undefined && typeof signal?.addEventListener !== 'function') throw invalid("scan option 'signal' must be an AbortSignal")
}

function checkNames(what: string, options: object, known: Readonly<Record<string, true>>): void {
  if (typeof options !== 'object' || options === null) throw invalid(`${what} options are an object, not ${String(options)}`)
  for (const name in options) {
    if (!Object.hasOwn(known, name)) throw invalid(`unknown ${what} option '${name}': known are ${Object.keys(known).join(', ')}`)
  }
}

function checkFlag(name: string, value: unknown): void {
  if (value !== undefined && typeof value !== 'boolean') throw invalid(`option '${name}' must be true or false, not ${String(value)}`)
}

function invalid(message: string): StoreError {
  return new StoreError('ERR_INVALID_OPTION', message)
}
