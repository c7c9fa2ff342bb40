/**
 * Values: one byte that says the type, then the payload. `docs/values.md` has every byte and worked examples.
 *
 * | tag | type | payload |
 * |---|---|---|
 * | 1 | string | UTF-8 |
 * | 2 | int64 | 8 bytes, little endian, two's complement |
 * | 3 | float64 | 8 bytes, little endian, IEEE 754 |
 * | 4 | boolean | 1 byte: 0 or 1 |
 * | 5 | bytes | as they are |
 * | 6 | record | MessagePack (`record_writer.ts`) |
 *
 * A JavaScript number is an int64 when it is a safe integer other than -0, and a float64 otherwise; int64s come back as numbers when they
 * are safe and as bigints when not. So what is read equals what was put, but for one thing: a small bigint comes back as a number.
 *
 * Writing takes two steps, because space has to be reserved in between: `valueByteLengthMax(value)`, then `write…(target, offset, value)`
 * for the same value, unchanged, with no other value in between. The first encodes a record into a buffer of this thread, and the second
 * copies it from there. A write that throws may have written into the reserved space, and nowhere else.
 *
 * Decoders check everything they rely on: `ERR_CORRUPTION`, without a path (the store adds it), when the bytes are no value, and
 * `ERR_TYPE_MISMATCH` when they are one of another type.
 */
import { isUint8Array } from 'node:util/types'
import { StoreError } from '../util/errors.js'
import { copyOfBytes } from './bytes.js'
import { VALUE_BYTES_MAX } from './internal_key.js'
import { MalformedRecord, readRecord } from './record_reader.js'
import { encodeRecord, takeRecord } from './record_writer.js'
import { isFaithful, readText, textByteLengthMax, writeText } from './text.js'

/** What can stand inside a record. */
export type JsonValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | Uint8Array
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue | undefined }

/** JSON-like data: plain objects, arrays and null, whose leaves may also be bigints (of 64 bits) and byte strings. */
export type RecordValue = null | readonly JsonValue[] | { readonly [key: string]: JsonValue | undefined }

/** Whatever a store can hold. */
export type Value = string | number | bigint | boolean | Uint8Array | RecordValue

/** Type tags. They are on disk: DO NOT CHANGE, only add. */
export const TAG_STRING = 1
export const TAG_INT64 = 2
export const TAG_FLOAT64 = 3
export const TAG_BOOLEAN = 4
export const TAG_BYTES = 5
export const TAG_RECORD = 6

const TYPE_NAMES: readonly (string | undefined)[] = [undefined, 'string', 'int64', 'float64', 'boolean', 'bytes', 'record']

const INT64_MIN = -(2n ** 63n)
const INT64_MAX = 2n ** 63n - 1n

/** The record that `valueByteLengthMax` has encoded, until it is written. */
let encodedRecord: unknown
let encodedRecordBytes = 0

// ── Writing ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * How many bytes `write…` may take for this value, the tag included: exact for all but short strings. Throws `ERR_INVALID_VALUE` for what
 * cannot be stored. Hot: `value` in `bench/micro/codec.ts` guards it.
 */
export function valueByteLengthMax(value: Value): number {
  switch (typeof value) {
    case 'string':
      return 1 + checkedLength(textByteLengthMax(value))
    case 'number':
      return 9
    case 'bigint':
      return 9
    case 'boolean':
      return 2
    case 'object':
      return isBytes(value) ? 1 + checkedLength(value.length) : 1 + prepareRecord(value)
    default:
      throw notAValue(value)
  }
}

/** Writes the value with the type that follows from it, and returns the offset after it. */
export function writeValue(target: Buffer, offset: number, value: Value): number {
  switch (typeof value) {
    case 'string':
      return writeString(target, offset, value)
    case 'number':
      return Number.isSafeInteger(value) && !Object.is(value, -0) ? writeInt64(target, offset, value) : writeFloat64(target, offset, value)
    case 'bigint':
      return writeInt64(target, offset, value)
    case 'boolean':
      return writeBoolean(target, offset, value)
    case 'object':
      return isBytes(value) ? writeBytes(target, offset, value) : writeRecord(target, offset, value)
    default:
      throw notAValue(value)
  }
}

/** Writes a string value. */
export function writeString(target: Buffer, offset: number, value: string): number {
  if (typeof value !== 'string') throw wrongType('a string', value)
  target[offset] = TAG_STRING
  const end = writeText(target, offset + 1, value)
  if (end < 0) throw invalid('the string has a lone surrogate, which has no UTF-8 form: call toWellFormed() on it, or store bytes')
  return end
}

/** Writes an int64: a bigint of 64 bits, or a safe integer. */
export function writeInt64(target: Buffer, offset: number, value: bigint | number): number {
  if (typeof value === 'bigint') {
    if (value < INT64_MIN || value > INT64_MAX) throw invalid(`the bigint ${abbreviated(value)} does not fit int64: store it as a string`)
    target[offset] = TAG_INT64
    return target.writeBigInt64LE(value, offset + 1)
  }
  if (!Number.isSafeInteger(value)) throw notAnInteger(value)
  const low = value >>> 0
  const high = (value - low) / 0x1_0000_0000
  target[offset] = TAG_INT64
  target[offset + 1] = low
  target[offset + 2] = low >>> 8
  target[offset + 3] = low >>> 16
  target[offset + 4] = low >>> 24
  target[offset + 5] = high
  target[offset + 6] = high >> 8
  target[offset + 7] = high >> 16
  target[offset + 8] = high >> 24
  return offset + 9
}

/** Writes a float64. */
export function writeFloat64(target: Buffer, offset: number, value: number): number {
  if (typeof value !== 'number') throw wrongType('a number', value)
  target[offset] = TAG_FLOAT64
  return target.writeDoubleLE(value, offset + 1)
}

/** Writes a boolean. */
export function writeBoolean(target: Buffer, offset: number, value: boolean): number {
  if (typeof value !== 'boolean') throw wrongType('a boolean', value)
  target[offset] = TAG_BOOLEAN
  target[offset + 1] = value ? 1 : 0
  return offset + 2
}

/** Writes a byte string. */
export function writeBytes(target: Buffer, offset: number, value: Uint8Array): number {
  if (!isBytes(value)) throw wrongType('a Uint8Array', value)
  target[offset] = TAG_BYTES
  target.set(value, offset + 1)
  return offset + 1 + value.length
}

/** Writes a record. */
export function writeRecord(target: Buffer, offset: number, value: RecordValue): number {
  if (typeof value !== 'object' || isBytes(value)) throw wrongType('a plain object, an array or null', value)
  if (encodedRecord !== value || encodedRecordBytes === 0) prepareRecord(value)
  target[offset] = TAG_RECORD
  encodedRecord = undefined
  encodedRecordBytes = 0
  return takeRecord(target, offset + 1)
}

/** Encodes a record into the buffer of this thread and remembers it for the write that follows. */
function prepareRecord(value: RecordValue): number {
  encodedRecordBytes = 0
  const bytes = checkedLength(encodeRecord(value))
  encodedRecord = value
  encodedRecordBytes = bytes
  return bytes
}

function isBytes(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array || isUint8Array(value)
}

function checkedLength(payloadBytes: number): number {
  if (payloadBytes >= VALUE_BYTES_MAX) {
    throw invalid(
      `the value takes ${formatted(payloadBytes + 1)} bytes, and the limit is ${formatted(VALUE_BYTES_MAX)}: split it over several keys`,
    )
  }
  return payloadBytes
}

// ── Reading ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The value in `[start, end)`. Byte strings are copies. Hot: `value` in `bench/micro/codec.ts` guards it. */
export function decodeValue(source: Buffer, start: number, end: number): Value {
  return decodeAny(source, start, end, true)
}

/** As `decodeValue`, but byte strings, also those in records, are views of `source`. */
export function decodeValueShared(source: Buffer, start: number, end: number): Value {
  return decodeAny(source, start, end, false)
}

function decodeAny(source: Buffer, start: number, end: number, copy: boolean): Value {
  switch (start < end ? source[start]! : 0) {
    case TAG_STRING:
      return stringPayload(source, start, end)
    case TAG_INT64:
      return int64Payload(source, start, end)
    case TAG_FLOAT64:
      return float64Payload(source, start, end)
    case TAG_BOOLEAN:
      return booleanPayload(source, start, end)
    case TAG_BYTES:
      return bytesPayload(source, start, end, copy)
    case TAG_RECORD:
      return recordPayload(source, start, end, copy)
    default:
      throw noSuchTag(source, start, end)
  }
}

/** The string in `[start, end)`; another type is `ERR_TYPE_MISMATCH`. */
export function decodeString(source: Buffer, start: number, end: number): string {
  expectTag(source, start, end, TAG_STRING)
  return stringPayload(source, start, end)
}

/** The int64 in `[start, end)`; another type is `ERR_TYPE_MISMATCH`. */
export function decodeInt64(source: Buffer, start: number, end: number): bigint {
  expectTag(source, start, end, TAG_INT64)
  const value = int64Payload(source, start, end)
  return typeof value === 'bigint' ? value : BigInt(value)
}

/** The float64 in `[start, end)`; another type is `ERR_TYPE_MISMATCH`. */
export function decodeFloat64(source: Buffer, start: number, end: number): number {
  expectTag(source, start, end, TAG_FLOAT64)
  return float64Payload(source, start, end)
}

/** The boolean in `[start, end)`; another type is `ERR_TYPE_MISMATCH`. */
export function decodeBoolean(source: Buffer, start: number, end: number): boolean {
  expectTag(source, start, end, TAG_BOOLEAN)
  return booleanPayload(source, start, end)
}

/** A copy of the byte string in `[start, end)`; another type is `ERR_TYPE_MISMATCH`. */
export function decodeBytes(source: Buffer, start: number, end: number): Uint8Array {
  expectTag(source, start, end, TAG_BYTES)
  return bytesPayload(source, start, end, true)
}

/** A view of the byte string in `[start, end)`; another type is `ERR_TYPE_MISMATCH`. */
export function decodeBytesShared(source: Buffer, start: number, end: number): Uint8Array {
  expectTag(source, start, end, TAG_BYTES)
  return bytesPayload(source, start, end, false)
}

/** The record in `[start, end)`; another type is `ERR_TYPE_MISMATCH`. */
export function decodeRecord(source: Buffer, start: number, end: number): RecordValue {
  expectTag(source, start, end, TAG_RECORD)
  return recordPayload(source, start, end, true)
}

/** The name of the type of the value that starts at `start`: `'string'`, `'int64'` … For messages and listings. */
export function valueTypeName(source: Uint8Array, start: number): string {
  return TYPE_NAMES[source[start] ?? 0] ?? 'unknown'
}

function stringPayload(source: Buffer, start: number, end: number): string {
  const text = readText(source, start + 1, end)
  if (!isFaithful(text, source, start + 1, end)) throw malformed('a string that is no UTF-8')
  return text
}

function int64Payload(source: Buffer, start: number, end: number): number | bigint {
  expectLength(start, end, 9)
  const low = (source[start + 1]! | (source[start + 2]! << 8) | (source[start + 3]! << 16) | (source[start + 4]! << 24)) >>> 0
  const high = source[start + 5]! | (source[start + 6]! << 8) | (source[start + 7]! << 16) | (source[start + 8]! << 24)
  const value = high * 0x1_0000_0000 + low
  return Number.isSafeInteger(value) ? value : source.readBigInt64LE(start + 1)
}

function float64Payload(source: Buffer, start: number, end: number): number {
  expectLength(start, end, 9)
  return source.readDoubleLE(start + 1)
}

function booleanPayload(source: Buffer, start: number, end: number): boolean {
  expectLength(start, end, 2)
  const byte = source[start + 1]!
  if (byte > 1) throw malformed(`a boolean of ${byte}`)
  return byte === 1
}

function bytesPayload(source: Buffer, start: number, end: number, copy: boolean): Uint8Array {
  return copy ? copyOfBytes(source, start + 1, end) : source.subarray(start + 1, end)
}

function recordPayload(source: Buffer, start: number, end: number, copy: boolean): RecordValue {
  try {
    return readRecord(source, start + 1, end, copy) as RecordValue
  } catch (cause) {
    if (cause instanceof MalformedRecord) throw malformed(`a record that cannot be read: ${cause.message}`)
    throw cause
  }
}

function expectTag(source: Buffer, start: number, end: number, tag: number): void {
  if (start < end && source[start] === tag) return
  if (start >= end || TYPE_NAMES[source[start]!] === undefined) throw noSuchTag(source, start, end)
  const stored = valueTypeName(source, start)
  throw new StoreError(
    'ERR_TYPE_MISMATCH',
    `the value is of type ${stored}, and ${TYPE_NAMES[tag]} was asked for: read it as ${stored}, or with get()`,
  )
}

function expectLength(start: number, end: number, length: number): void {
  if (end - start !== length) throw malformed(`a payload of ${end - start - 1} bytes where ${length - 1} belong`)
}

// ── Messages ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

function noSuchTag(source: Buffer, start: number, end: number): StoreError {
  return malformed(start < end ? `the unknown type tag ${source[start]}` : 'no type tag')
}

function malformed(what: string): StoreError {
  return new StoreError('ERR_CORRUPTION', `the stored value is damaged: it has ${what}`)
}

function invalid(message: string): StoreError {
  return new StoreError('ERR_INVALID_VALUE', message)
}

function notAValue(value: unknown): StoreError {
  if (value === undefined) return invalid('undefined cannot be stored: use null, or delete the key')
  return invalid(
    `a ${typeof value} cannot be stored: a value is a string, number, bigint, boolean, Uint8Array, plain object, array or null`,
  )
}

function notAnInteger(value: unknown): StoreError {
  if (typeof value !== 'number') return wrongType('a bigint or a safe integer', value)
  const remedy = Number.isInteger(value) ? 'pass it as a bigint' : 'use putFloat64, or round it'
  return invalid(`the number ${value} is not a safe integer, and an int64 was to be stored: ${remedy}`)
}

function wrongType(wanted: string, value: unknown): StoreError {
  return invalid(`${wanted} was to be stored, not ${described(value)}: use put(), or the method for that type`)
}

function described(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (typeof value !== 'object') return `a ${typeof value}`
  return `an object (${(value as object).constructor?.name ?? 'without prototype'})`
}

function abbreviated(value: bigint): string {
  const text = String(value)
  return text.length <= 40 ? text : `${text.slice(0, 37)}…`
}

function formatted(count: number): string {
  return count.toLocaleString('en-US')
}
