/**
 * Strings as UTF-8, both ways, for keys, string values and records.
 *
 * A string with a lone surrogate (half of a pair, as `'\ud800'`) has no UTF-8. Encoders put U+FFFD in its place, so that what is read is
 * not what was written; here such strings are refused. The check costs nothing where all characters are below U+0080.
 *
 * `utf8Write` and `utf8Slice` are the methods beneath `Buffer.write` and `Buffer.toString`: they skip the handling of optional arguments,
 * which is as dear as encoding a key.
 */
import { isUtf8 } from 'node:buffer'
import { SHORT_ASCII_BYTES_MAX, isAscii, shortAscii } from './short_text.js'

/** What Buffers have beside their documented methods. */
interface RawText {
  utf8Write?: (text: string, offset: number) => number
  utf8Slice?: (start: number, end: number) => string
}

const raw: RawText = Buffer.prototype as unknown as RawText
const hasRawMethods = typeof raw.utf8Write === 'function' && typeof raw.utf8Slice === 'function'

/** Up to this length characters are copied one by one before the encoder is called: above it the call is cheaper. */
const SHORT_TEXT_LENGTH = 28

/** Up to this length a string is taken to need three bytes per character; longer ones are measured. */
const UNMEASURED_LENGTH_MAX = 42

/** The bytes of `text` as UTF-8, exactly, or an upper bound (of at most 126) where the string is short. */
export function textByteLengthMax(text: string): number {
  return text.length <= UNMEASURED_LENGTH_MAX ? text.length * 3 : Buffer.byteLength(text)
}

/**
 * Writes `text` as UTF-8 and returns the offset after it, or -1 when it has a lone surrogate. There must be room for `textByteLengthMax`
 * bytes.
 */
export function writeText(target: Buffer, offset: number, text: string): number {
  const length = text.length
  if (length <= SHORT_TEXT_LENGTH) {
    let i = 0
    while (i < length) {
      const unit = text.charCodeAt(i)
      if (unit > 0x7f) break
      target[offset + i++] = unit
    }
    if (i === length) return offset + length
  }
  const bytes = hasRawMethods ? (target as RawText).utf8Write!(text, offset) : target.write(text, offset, 'utf8')
  // Every character above U+007F takes more bytes than units: equal counts mean that there is none.
  return bytes === length || isWellFormed(text) ? offset + bytes : -1
}

/** The bytes `[start, end)` as a string; what is no UTF-8 among them comes out as U+FFFD. */
export function readText(source: Buffer, start: number, end: number): string {
  const length = end - start
  if (length <= SHORT_ASCII_BYTES_MAX && isAscii(source, start, end)) return shortAscii(source, start, length)
  return readLongText(source, start, end)
}

function readLongText(source: Buffer, start: number, end: number): string {
  return hasRawMethods ? (source as RawText).utf8Slice!(start, end) : source.toString('utf8', start, end)
}

/** Whether `text`, read from `[start, end)`, is all that stood there: false when some of it was no UTF-8. */
export function isFaithful(text: string, source: Buffer, start: number, end: number): boolean {
  return !text.includes('\ufffd') || isUtf8(source.subarray(start, end))
}

/** Whether the string has no lone surrogate. */
function isWellFormed(text: string): boolean {
  return (text as unknown as { isWellFormed(): boolean }).isWellFormed()
}
