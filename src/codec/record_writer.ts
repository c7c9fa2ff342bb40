/**
 * Records into bytes: plain objects, arrays and null, nested, as MessagePack.
 *
 * | JavaScript | MessagePack |
 * |---|---|
 * | `null`, `true`, `false` | nil, true, false |
 * | safe integer, except -0; bigint | the shortest of positive fixint, uint 8 to 64, negative fixint, int 8 to 64 |
 * | other numbers | float 64 |
 * | string | fixstr, str 8, 16, 32 |
 * | `Uint8Array` | bin 8, 16, 32 |
 * | array | fixarray, array 16, 32 |
 * | plain object | fixmap, map 16, 32; keys are strings, in the order of `Object.keys`; undefined properties are left out |
 *
 * Everything else is refused with `ERR_INVALID_VALUE`, the path to it and what to do: nothing is stored that would come back as another
 * value. That is why this is not a library: `@msgpack/msgpack` (the reference in the tests) turns a `Map` into `{}`, -0 into 0, and half
 * a surrogate pair into bytes that are no UTF-8, and a pass that finds these first costs as much as the encoding. See `docs/values.md`.
 *
 * Encoding goes into one buffer per thread, so that the size is known before space is reserved elsewhere.
 */
import { isUint8Array } from 'node:util/types'
import { StoreError } from '../util/errors.js'
import { writeText } from './text.js'
import { VALUE_BYTES_MAX } from './internal_key.js'

/** Deepest nesting of arrays and objects in a record. */
export const RECORD_DEPTH_MAX = 100

const BUFFER_BYTES_MIN = 4096
/** A buffer that one large record made larger than this is not kept. */
const BUFFER_BYTES_KEPT = 1024 * 1024

const INT64_MIN = -(2n ** 63n)
const INT64_MAX = 2n ** 63n - 1n

let buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES_MIN)
let position = 0
/** Keys and indexes on the way to what is being written, by depth: for error messages. */
const path: (string | number)[] = []

let isBusy = false

/**
 * Encodes a record into the buffer of this thread and returns its length. `takeRecord` copies it out. Throws `ERR_INVALID_VALUE`, also when
 * a getter in the record comes back here: it would overwrite what is being encoded.
 */
export function encodeRecord(record: unknown): number {
  if (isBusy) throw invalid('a getter of the record stores another record: read the properties first, then store a plain object')
  let isDone = false
  isBusy = true
  position = 0
  try {
    writeAny(record, 0)
    isDone = true
  } finally {
    isBusy = false
    if (!isDone) shrink()
  }
  return position
}

/** Copies the record that was encoded last to `target` and returns the offset after it. */
export function takeRecord(target: Buffer, offset: number): number {
  buffer.copy(target, offset, 0, position)
  shrink()
  return offset + position
}

/** Lets a buffer go that one large record has left behind. */
function shrink(): void {
  if (buffer.length > BUFFER_BYTES_KEPT) buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES_MIN)
}

function writeAny(value: unknown, depth: number): void {
  if (position + 9 > buffer.length) grow(9)
  if (typeof value === 'string') writeString(value, depth)
  else if (typeof value === 'number') writeNumber(value)
  else if (value === null) buffer[position++] = 0xc0
  else if (typeof value === 'object') writeObject(value as object, depth)
  else if (typeof value === 'boolean') buffer[position++] = value ? 0xc3 : 0xc2
  else if (typeof value === 'bigint') writeBigint(value, depth)
  else throw refused(value, depth)
}

function writeObject(value: object, depth: number): void {
  if (depth === RECORD_DEPTH_MAX) throw tooDeep(depth)
  if (Array.isArray(value)) {
    writeArray(value, depth)
    return
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Object.prototype || prototype === null) writeMap(value as Record<string, unknown>, depth)
  else if (isUint8Array(value)) writeBinary(value)
  // The Object.prototype of another realm (a vm context, a test runner) has no prototype either.
  else if (Object.getPrototypeOf(prototype) === null) writeMap(value as Record<string, unknown>, depth)
  else throw refused(value, depth)
}

function writeArray(array: readonly unknown[], depth: number): void {
  const length = array.length
  writeHeader(length, 0x90, 0xdc)
  for (let i = 0; i < length; i++) {
    path[depth] = i
    writeAny(array[i], depth + 1)
  }
}

function writeMap(map: Record<string, unknown>, depth: number): void {
  const keys = Object.keys(map)
  const start = position
  writeHeader(keys.length, 0x80, 0xde)
  let left = 0
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i]!
    const value = map[key]
    if (value === undefined) {
      left++
      continue
    }
    path[depth] = key
    writeString(key, depth + 1)
    writeAny(value, depth + 1)
  }
  if (left > 0) patchMapHeader(start, keys.length, keys.length - left)
}

/** Corrects the count of a map that turned out to have undefined properties. The header keeps its size. */
function patchMapHeader(start: number, keyCount: number, count: number): void {
  if (keyCount < 16) buffer[start] = 0x80 | count
  else if (keyCount < 0x10000) buffer.writeUInt16BE(count, start + 1)
  else buffer.writeUInt32BE(count, start + 1)
}

/** Header of an array or a map: the short form, or `longTag` with 16 bits, or the tag after it with 32. */
function writeHeader(count: number, shortTag: number, longTag: number): void {
  if (position + 5 > buffer.length) grow(5)
  if (count < 16) {
    buffer[position++] = shortTag | count
  } else if (count < 0x10000) {
    buffer[position] = longTag
    buffer.writeUInt16BE(count, position + 1)
    position += 3
  } else {
    buffer[position] = longTag + 1
    buffer.writeUInt32BE(count, position + 1)
    position += 5
  }
}

function writeString(text: string, depth: number): void {
  const length = text.length
  const bytesMax = length < 1024 ? length * 3 : Buffer.byteLength(text)
  if (position + 5 + bytesMax > buffer.length) grow(5 + bytesMax)
  // The header is as long as it is for ASCII, and the text is moved in the rare case that it has to be longer.
  const assumed = textHeaderBytes(length)
  const start = position + assumed
  const end = writeText(buffer, start, text)
  if (end < 0) throw loneSurrogate(depth)
  const bytes = end - start
  const needed = bytes === length ? assumed : textHeaderBytes(bytes)
  if (needed !== assumed) buffer.copyWithin(position + needed, start, end)
  if (needed === 1) buffer[position] = 0xa0 | bytes
  else writeSized(0xd9, bytes)
  position += needed + bytes
}

function textHeaderBytes(bytes: number): number {
  if (bytes < 32) return 1
  if (bytes < 256) return 2
  return bytes < 0x10000 ? 3 : 5
}

/** Writes a tag with an 8-bit length, or the following tags with 16 or 32 bits. Moves nothing. */
function writeSized(tag: number, bytes: number): void {
  if (bytes < 256) {
    buffer[position] = tag
    buffer[position + 1] = bytes
  } else if (bytes < 0x10000) {
    buffer[position] = tag + 1
    buffer.writeUInt16BE(bytes, position + 1)
  } else {
    buffer[position] = tag + 2
    buffer.writeUInt32BE(bytes, position + 1)
  }
}

function writeBinary(bytes: Uint8Array): void {
  const length = bytes.length
  if (position + 5 + length > buffer.length) grow(5 + length)
  writeSized(0xc4, length)
  position += length < 256 ? 2 : length < 0x10000 ? 3 : 5
  buffer.set(bytes, position)
  position += length
}

function writeNumber(value: number): void {
  if (value >= 0 && value < 0x80 && value === (value | 0) && (value !== 0 || 1 / value > 0)) buffer[position++] = value
  else if (!Number.isSafeInteger(value) || value === 0) {
    buffer[position] = 0xcb
    position = buffer.writeDoubleBE(value, position + 1)
  } else if (value > 0) writePositive(value)
  else writeNegative(value)
}

function writePositive(value: number): void {
  if (value < 0x100) {
    buffer[position] = 0xcc
    buffer[position + 1] = value
    position += 2
  } else if (value < 0x10000) {
    buffer[position] = 0xcd
    position = buffer.writeUInt16BE(value, position + 1)
  } else if (value < 0x1_0000_0000) {
    buffer[position] = 0xce
    position = buffer.writeUInt32BE(value, position + 1)
  } else {
    write64(0xcf, value)
  }
}

function writeNegative(value: number): void {
  if (value >= -0x20) {
    buffer[position++] = value
  } else if (value >= -0x80) {
    buffer[position] = 0xd0
    buffer[position + 1] = value
    position += 2
  } else if (value >= -0x8000) {
    buffer[position] = 0xd1
    position = buffer.writeInt16BE(value, position + 1)
  } else if (value >= -0x8000_0000) {
    buffer[position] = 0xd2
    position = buffer.writeInt32BE(value, position + 1)
  } else {
    write64(0xd3, value)
  }
}

function write64(tag: number, value: number): void {
  const low = value >>> 0
  buffer[position] = tag
  buffer.writeInt32BE(((value - low) / 0x1_0000_0000) | 0, position + 1)
  position = buffer.writeUInt32BE(low, position + 5)
}

function writeBigint(value: bigint, depth: number): void {
  if (value < INT64_MIN || value > INT64_MAX) {
    throw invalid(`the bigint ${place(depth)} does not fit 64 bits: store it as a string`)
  }
  const number = Number(value)
  if (Number.isSafeInteger(number)) {
    writeNumber(number)
    return
  }
  buffer[position] = value < 0n ? 0xd3 : 0xcf
  position = buffer.writeBigInt64BE(value, position + 1)
}

function grow(bytes: number): void {
  const needed = position + bytes
  if (needed > VALUE_BYTES_MAX + 16) {
    throw invalid(
      `the record takes more than ${VALUE_BYTES_MAX.toLocaleString('en-US')} bytes, the limit of a value: split it over several keys`,
    )
  }
  const larger = Buffer.allocUnsafeSlow(Math.min(Math.max(needed, buffer.length * 2), VALUE_BYTES_MAX + 16))
  buffer.copy(larger, 0, 0, position)
  buffer = larger
}

/** The path to what stands at `depth`: `at .a.b[3]`. */
function place(depth: number): string {
  let text = ''
  for (let i = 0; i < depth; i++) {
    const step = path[i]!
    if (typeof step === 'number') text += `[${step}]`
    else text += /^[A-Za-z_$][\w$]*$/.test(step) ? `.${step}` : `[${JSON.stringify(step)}]`
    if (text.length > 200) return `at ${text.slice(0, 200)}…`
  }
  return text === '' ? 'given' : `at ${text}`
}

function refused(value: unknown, depth: number): StoreError {
  const where = place(depth)
  if (value === undefined) return invalid(`the array element ${where} is undefined, which cannot be stored: use null or leave it out`)
  if (typeof value !== 'object') return invalid(`the ${typeof value} ${where} cannot be stored: leave it out`)
  return invalid(`the ${nameOf(value as object)} ${where} cannot be stored in a record: ${remedy(value as object)}`)
}

function nameOf(value: object): string {
  const constructor: unknown = (value as { constructor?: unknown }).constructor
  return typeof constructor === 'function' && constructor.name !== '' ? constructor.name : 'object'
}

/** What to store instead. */
function remedy(value: object): string {
  if (value instanceof Date) return 'store getTime() or toISOString() of it'
  if (value instanceof Map) return 'store Object.fromEntries(map), or [...map]'
  if (value instanceof Set) return 'store [...set]'
  if (ArrayBuffer.isView(value)) return 'store new Uint8Array(view.buffer, view.byteOffset, view.byteLength)'
  if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) return 'store new Uint8Array(buffer)'
  return 'a record takes plain objects, arrays, strings, numbers, bigints, booleans, null and Uint8Array; make a plain object of it first'
}

function loneSurrogate(depth: number): StoreError {
  return invalid(`the string ${place(depth)} has a lone surrogate, which has no UTF-8 form: call toWellFormed() on it, or store bytes`)
}

function tooDeep(depth: number): StoreError {
  return invalid(`the record is nested deeper than ${RECORD_DEPTH_MAX} levels ${place(depth)}, or it contains itself: flatten it`)
}

function invalid(message: string): StoreError {
  return new StoreError('ERR_INVALID_VALUE', message)
}
