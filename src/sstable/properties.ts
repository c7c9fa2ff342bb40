/**
 * The properties block: what the manifest records of the table, once more in the table itself, and what its reader needs to know before it
 * reads a data block. With it a table can be taken up again when the manifest is lost.
 *
 * A property is a number, a length and bytes; integers take 8 bytes, little endian. They stand in the order of their numbers.
 *
 * | byte | size | field |
 * |---|---|---|
 * | 0 | 1 | number of the property |
 * | 1 | 1 to 3 | length, varint |
 * | … | length | value |
 *
 * Numbers are on disk: DO NOT CHANGE, only add. Readers skip unknown numbers from 128 on; an unknown number below 128 is one that must be
 * understood, so they refuse the table.
 */
import { compareBytes, readUint53, writeUint53 } from '../codec/bytes.js'
import { KEY_BYTES_MAX } from '../codec/internal_key.js'
import { VARINT_BYTES_MAX, readVarint, varintEnd, writeVarint } from '../codec/varint.js'
import { StoreError, corruption } from '../util/errors.js'
import { RAW_BLOCK_BYTES_MAX } from './format.js'
import type { TableMeta } from './table_meta.js'

/** Properties of a table. */
export interface TableProperties {
  readonly entryCount: number
  readonly deletionCount: number
  /** Distinct user keys. */
  readonly keyCount: number
  readonly rawKeyBytes: number
  readonly rawValueBytes: number
  readonly smallestSequence: number
  readonly largestSequence: number
  readonly blockCount: number
  /** Length of the longest raw data block: no block may claim more. */
  readonly rawBlockBytesMax: number
  readonly smallestKey: Uint8Array
  readonly largestKey: Uint8Array
}

/** The integers, property 1 first. */
const INTEGERS = [
  'entryCount',
  'deletionCount',
  'keyCount',
  'rawKeyBytes',
  'rawValueBytes',
  'smallestSequence',
  'largestSequence',
  'blockCount',
  'rawBlockBytesMax',
] as const
const SMALLEST_KEY = 10
const LARGEST_KEY = 11
const SKIPPABLE_FROM = 128

/** The longest properties block that there can be; leaves room for properties of later versions. */
export const PROPERTIES_BYTES_MAX: number = 4096 + 2 * KEY_BYTES_MAX

/** The block's payload. */
export function encodeProperties(properties: TableProperties): Buffer {
  const keyBytes = properties.smallestKey.length + properties.largestKey.length
  const target = Buffer.alloc(INTEGERS.length * 10 + 2 * (1 + VARINT_BYTES_MAX) + keyBytes)
  let end = 0
  for (const [i, name] of INTEGERS.entries()) {
    target[end] = i + 1
    target[end + 1] = 8
    writeUint53(target, end + 2, properties[name])
    end += 10
  }
  end = writeKey(target, end, SMALLEST_KEY, properties.smallestKey)
  end = writeKey(target, end, LARGEST_KEY, properties.largestKey)
  return target.subarray(0, end)
}

function writeKey(target: Buffer, offset: number, id: number, key: Uint8Array): number {
  target[offset] = id
  const start = writeVarint(target, offset + 1, key.length)
  target.set(key, start)
  return start + key.length
}

/**
 * Reads a payload that stands at `offset` of the file `path`.
 *
 * @throws StoreError `ERR_CORRUPTION`; `ERR_FORMAT_VERSION` for a property that must be understood and is not
 */
export function decodeProperties(payload: Buffer, path: string, offset: number): TableProperties {
  const integers: number[] = []
  const keys: Uint8Array[] = []
  let previous = 0
  let at = 0
  while (at < payload.length) {
    const id = payload[at]!
    const length = readVarint(payload, at + 1, payload.length)
    if (length < 0 || varintEnd + length > payload.length) throw corruption('the properties end within a property', path, offset)
    const start = varintEnd
    at = start + length
    if (id <= previous) throw corruption(`property ${id} stands after property ${previous}`, path, offset)
    previous = id
    if (id <= INTEGERS.length) {
      if (length !== 8) throw corruption(`property ${id} has ${length} bytes instead of 8`, path, offset)
      integers.push(readUint53(payload, start))
    } else if (id <= LARGEST_KEY) {
      keys.push(new Uint8Array(payload.subarray(start, at)))
    } else if (id < SKIPPABLE_FROM) {
      const message = `${path} has the property ${id}, which this version does not know: use a newer version of varve`
      throw new StoreError('ERR_FORMAT_VERSION', message, { path, offset })
    }
  }
  if (integers.length !== INTEGERS.length || keys.length !== 2) throw corruption('a property is missing', path, offset)
  const properties = named(integers, keys as [Uint8Array, Uint8Array])
  if (!isPlausible(properties)) throw corruption('the properties contradict each other', path, offset)
  return properties
}

/** Spelled out, as a table has properties each time that it is opened, and an object made of a list of names is slow. */
function named(integers: readonly number[], [smallestKey, largestKey]: readonly [Uint8Array, Uint8Array]): TableProperties {
  return {
    entryCount: integers[0]!,
    deletionCount: integers[1]!,
    keyCount: integers[2]!,
    rawKeyBytes: integers[3]!,
    rawValueBytes: integers[4]!,
    smallestSequence: integers[5]!,
    largestSequence: integers[6]!,
    blockCount: integers[7]!,
    rawBlockBytesMax: integers[8]!,
    smallestKey,
    largestKey,
  }
}

function isPlausible(properties: TableProperties): boolean {
  const { entryCount, deletionCount, keyCount, smallestSequence, largestSequence, blockCount, rawBlockBytesMax } = properties
  return (
    entryCount > 0 &&
    entryCount <= Number.MAX_SAFE_INTEGER &&
    deletionCount <= entryCount &&
    keyCount > 0 &&
    keyCount <= entryCount &&
    smallestSequence <= largestSequence &&
    largestSequence <= Number.MAX_SAFE_INTEGER &&
    blockCount > 0 &&
    blockCount <= entryCount &&
    rawBlockBytesMax <= RAW_BLOCK_BYTES_MAX &&
    compareKeys(properties.smallestKey, properties.largestKey) <= 0
  )
}

function compareKeys(a: Uint8Array, b: Uint8Array): number {
  return compareBytes(a, 0, a.length, b, 0, b.length)
}

const SHARED = ['entryCount', 'deletionCount', 'keyCount', 'rawKeyBytes', 'rawValueBytes', 'smallestSequence', 'largestSequence'] as const

/** The name of the first thing in which the properties of a table and the manifest's record of it differ; `undefined` when they agree. */
export function disagreement(properties: TableProperties, meta: TableMeta): string | undefined {
  for (const name of SHARED) if (properties[name] !== meta[name]) return name
  if (compareKeys(properties.smallestKey, meta.smallestKey) !== 0) return 'smallestKey'
  if (compareKeys(properties.largestKey, meta.largestKey) !== 0) return 'largestKey'
  return undefined
}
