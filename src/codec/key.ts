/**
 * User keys: strings (as UTF-8) or bytes, 0 to 65,535 bytes long, ordered by unsigned bytes.
 *
 * UTF-8 keeps the order of code points, so string keys sort by code point. A string key and the bytes of its UTF-8 are the same key.
 *
 * A string with a lone surrogate (half of a pair, as `'\ud800'`) has no UTF-8. Encoders put U+FFFD in its place, which would make one key
 * of many strings, so such a string is refused (`ERR_INVALID_KEY`). The check runs only where a character above U+007F was met.
 */
import { isUint8Array } from 'node:util/types'
import { StoreError } from '../util/errors.js'
import { KEY_BYTES_MAX } from './internal_key.js'
import { readText, writeText } from './text.js'

/** A user key as applications give it. */
export type Key = string | Uint8Array

const SCRATCH_BYTES_MIN = 256

/** Strings up to this length fit the smallest scratch whatever their characters take. */
const SCRATCH_LENGTH_MIN = 80

/**
 * Encodes one key at a time into a buffer of its own, for lookups: no allocation per key. The bytes hold until the next `set`.
 */
export class KeyScratch {
  /** The key is in `buffer[0, length)`. Replaced when a longer key comes: read the field after each `set`. */
  buffer: Buffer = Buffer.allocUnsafeSlow(SCRATCH_BYTES_MIN)
  length = 0

  /**
   * Encodes `key` and returns its length in bytes. Throws `ERR_INVALID_KEY`.
   *
   * Hot: about 20 ns for 16 ASCII characters; `KeyScratch.set` in `bench/micro/codec.ts` guards it.
   */
  set(key: Key): number {
    if (typeof key === 'string' && key.length <= SCRATCH_LENGTH_MIN) {
      const end = writeText(this.buffer, 0, key)
      if (end >= 0) {
        this.length = end
        return end
      }
    }
    return this.#setSlowly(key)
  }

  #setSlowly(key: Key): number {
    const bytes = keyByteLengthMax(key)
    if (this.buffer.length < bytes) this.buffer = Buffer.allocUnsafeSlow(bytes)
    this.length = writeKey(this.buffer, 0, key)
    return this.length
  }
}

/** The key as bytes of its own. Throws `ERR_INVALID_KEY`. */
export function encodeKey(key: Key): Buffer {
  if (typeof key !== 'string') {
    const copy = Buffer.allocUnsafeSlow(keyByteLengthMax(key))
    copy.set(key, 0)
    return copy
  }
  const scratch = Buffer.allocUnsafe(keyByteLengthMax(key))
  const copy = Buffer.allocUnsafeSlow(writeKey(scratch, 0, key))
  scratch.copy(copy, 0, 0, copy.length)
  return copy
}

/**
 * An upper bound of the encoded length, for reserving space before `writeKey`. Throws `ERR_INVALID_KEY` for what is no key at all or
 * certainly too long; a string that turns out too long only as UTF-8 is refused by `writeKey`.
 */
export function keyByteLengthMax(key: Key): number {
  if (typeof key === 'string') {
    if (key.length > KEY_BYTES_MAX) throw tooLong(Buffer.byteLength(key))
    return key.length * 3
  }
  if (!(key instanceof Uint8Array) && !isUint8Array(key)) throw notAKey(key)
  const length = (key as Uint8Array).length
  if (length > KEY_BYTES_MAX) throw tooLong(length)
  return length
}

/**
 * Writes the key at `offset` and returns the offset after it. There must be room for `keyByteLengthMax(key)` bytes, which also is the
 * check that must have passed before.
 */
export function writeKey(target: Buffer, offset: number, key: Key): number {
  if (typeof key !== 'string') {
    target.set(key, offset)
    return offset + key.length
  }
  const end = writeText(target, offset, key)
  if (end < 0) throw loneSurrogate()
  if (end - offset > KEY_BYTES_MAX) throw tooLong(end - offset)
  return end
}

/**
 * The bytes `[start, end)` as a string key. Bytes that are no UTF-8 (a key that was put as bytes) come out with U+FFFD in them: read such
 * keys as bytes.
 */
export function decodeKeyString(source: Buffer, start: number, end: number): string {
  return readText(source, start, end)
}

/**
 * The smallest key that is greater than every key with this prefix: the end of a prefix scan. `undefined` when there is none, because the
 * prefix is empty or all 0xff.
 */
export function prefixSuccessor(prefix: Uint8Array): Buffer | undefined {
  let end = prefix.length
  while (end > 0 && prefix[end - 1] === 0xff) end--
  if (end === 0) return undefined
  const successor = Buffer.allocUnsafeSlow(end)
  for (let i = 0; i < end; i++) successor[i] = prefix[i]!
  successor[end - 1]!++
  return successor
}

function tooLong(bytes: number): StoreError {
  return new StoreError(
    'ERR_INVALID_KEY',
    `the key has ${bytes.toLocaleString('en-US')} bytes, and the limit is ${KEY_BYTES_MAX.toLocaleString('en-US')}: ` +
      'use a shorter key, for example a hash of the long one, and keep the long one in the value',
  )
}

function loneSurrogate(): StoreError {
  return new StoreError(
    'ERR_INVALID_KEY',
    'the key is a string with a lone surrogate, which has no UTF-8 form: call toWellFormed() on it, or pass the key as bytes',
  )
}

function notAKey(key: unknown): StoreError {
  const what = key === null ? 'null' : typeof key === 'object' ? ((key as object).constructor?.name ?? 'an object') : typeof key
  return new StoreError(
    'ERR_INVALID_KEY',
    `a key is a string or a Uint8Array of at most ${KEY_BYTES_MAX.toLocaleString('en-US')} bytes, not ${what}`,
  )
}
