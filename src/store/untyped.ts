/**
 * Keys and values as text or as bytes, for adapters whose interfaces know no types: what was put as a string can be read as bytes and the
 * other way round.
 *
 * Bytes that are no UTF-8 come out as text with U+FFFD in it. A value that is neither a string nor bytes is `ERR_TYPE_MISMATCH`.
 */
import { decodeKeyString } from '../codec/key.js'
import { readText } from '../codec/text.js'
import { TAG_BYTES, TAG_STRING, decodeBytes, decodeString } from '../codec/value.js'
import type { VisibleIterator } from '../iterator/visible_iterator.js'
import type { ValueType } from './typed_value.js'

/** What text is stored as. */
export const TEXT: ValueType = TAG_STRING
/** What bytes are stored as. */
export const BYTES: ValueType = TAG_BYTES

/** The value as text. */
export function decodeAsText(source: Buffer, start: number, end: number): string {
  return start < end && source[start] === TAG_BYTES ? readText(source, start + 1, end) : decodeString(source, start, end)
}

/** Whatever the value is. */
export function decodeAsPresence(): true {
  return true
}

/** The value as bytes of the caller's own. */
export function decodeAsBytes(source: Buffer, start: number, end: number): Uint8Array {
  if (start >= end || source[start] !== TAG_STRING) return decodeBytes(source, start, end)
  const own = Buffer.allocUnsafe(end - start - 1)
  source.copy(own, 0, start + 1, end)
  return own
}

/** The key of an entry as text. */
export function keyAsText(entry: VisibleIterator): string {
  return decodeKeyString(entry.data, entry.keyStart, entry.keyEnd)
}

/** The key of an entry as bytes of the caller's own. */
export function keyAsBytes(entry: VisibleIterator): Uint8Array {
  const own = Buffer.allocUnsafe(entry.keyEnd - entry.keyStart)
  entry.data.copy(own, 0, entry.keyStart, entry.keyEnd)
  return own
}

/** The value of an entry as text. */
export function valueAsText(entry: VisibleIterator): string {
  return decodeAsText(entry.data, entry.valueStart, entry.valueEnd)
}

/** The value of an entry as bytes of the caller's own. */
export function valueAsBytes(entry: VisibleIterator): Uint8Array {
  return decodeAsBytes(entry.data, entry.valueStart, entry.valueEnd)
}
