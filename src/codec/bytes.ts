/**
 * Byte strings in place: comparison, shared prefixes, separators, and the fixed-width little-endian integers of every format.
 *
 * Everything works on (array, start, end) so that keys are compared where they lie, in a block, an arena or a log buffer, without a view
 * being made first (`subarray` costs 46 ns, more than most comparisons).
 *
 * Order, everywhere in the store: unsigned bytes from left to right, and a prefix before what it is a prefix of (`memcmp`, then length).
 */
import { assert } from '../util/assert.js'

/**
 * Negative, zero or positive as the first byte string sorts before, equals, or sorts after the second.
 *
 * Hot: about 10 ns for two 16-byte keys that differ near their end; `compareBytes` in `bench/micro/codec.ts` guards it. The first bytes are
 * compared one by one, since they often decide; then four at a time. `Buffer.prototype.compare` wins only from some hundred equal bytes on.
 */
export function compareBytes(a: Uint8Array, aStart: number, aEnd: number, b: Uint8Array, bStart: number, bEnd: number): number {
  const aLength = aEnd - aStart
  const bLength = bEnd - bStart
  const shared = aLength < bLength ? aLength : bLength
  const head = shared < 8 ? shared : 8
  let i = 0
  for (; i < head; i++) {
    const difference = a[aStart + i]! - b[bStart + i]!
    if (difference !== 0) return difference
  }
  for (; i + 4 <= shared; i += 4) {
    const p = aStart + i
    const q = bStart + i
    if (((a[p]! ^ b[q]!) | (a[p + 1]! ^ b[q + 1]!) | (a[p + 2]! ^ b[q + 2]!) | (a[p + 3]! ^ b[q + 3]!)) !== 0) break
  }
  for (; i < shared; i++) {
    const difference = a[aStart + i]! - b[bStart + i]!
    if (difference !== 0) return difference
  }
  return aLength - bLength
}

/** How many leading bytes the two byte strings share. */
export function commonPrefixLength(a: Uint8Array, aStart: number, aEnd: number, b: Uint8Array, bStart: number, bEnd: number): number {
  const aLength = aEnd - aStart
  const bLength = bEnd - bStart
  const shared = aLength < bLength ? aLength : bLength
  let i = 0
  while (i < shared && a[aStart + i] === b[bStart + i]) i++
  return i
}

/**
 * A shortest byte string `s` with `a <= s < b`, for the sparse index: it parts the block that ends with `a` from the one that starts with
 * `b` in as few bytes as can be. `a` must sort before `b`. The result is a copy of its own.
 *
 * With `n` shared bytes there are four cases:
 * 1. `a` is a prefix of `b`: nothing shorter than `a` lies between them, so it is `a`.
 * 2. byte `n` leaves room (`a[n] + 1 < b[n]`, or `b` goes on after it): the first `n` bytes and `a[n] + 1`.
 * 3. no room there (`b` ends with `a[n] + 1`): `a` up to its first later byte below 0xff, that byte plus one.
 * 4. `a` is as short as what 2 or 3 would give, or all its later bytes are 0xff: it is `a`.
 */
export function shortestSeparator(a: Uint8Array, b: Uint8Array): Uint8Array {
  const shared = commonPrefixLength(a, 0, a.length, b, 0, b.length)
  if (shared === a.length) {
    assert(shared < b.length, 'a separator needs a < b')
    return copyBytes(a, 0, a.length)
  }
  assert(shared < b.length && a[shared]! < b[shared]!, 'a separator needs a < b')
  let cut = shared
  if (a[shared]! + 1 === b[shared]! && b.length === shared + 1) {
    cut++
    while (cut < a.length && a[cut] === 0xff) cut++
  }
  if (cut + 1 >= a.length) return copyBytes(a, 0, a.length)
  const separator = copyBytes(a, 0, cut + 1)
  separator[cut]!++
  return separator
}

/** Up to this length bytes are copied one by one: above it a view and a call into C++ are cheaper. */
const SHORT_COPY_BYTES = 48

/**
 * A copy of `source[start, end)` in memory of Node's pool. Hot: about 120 ns for 20 bytes, 200 for 100; `value` in `bench/micro/codec.ts`
 * guards it. `Buffer.copy` takes half as long again, and twice as long for the short ones.
 */
export function copyOfBytes(source: Buffer, start: number, end: number): Buffer {
  const length = end - start
  const copy = Buffer.allocUnsafe(length)
  if (length > SHORT_COPY_BYTES) copy.set(new Uint8Array(source.buffer, source.byteOffset + start, length), 0)
  else for (let i = 0; i < length; i++) copy[i] = source[start + i]!
  return copy
}

/** A copy of `source[start, end)` with an allocation of its own. */
function copyBytes(source: Uint8Array, start: number, end: number): Uint8Array {
  const copy = new Uint8Array(end - start)
  for (let i = start; i < end; i++) copy[i - start] = source[i]!
  return copy
}

/** The 2 bytes at `offset` as an unsigned integer. */
export function readUint16(source: Uint8Array, offset: number): number {
  return source[offset]! | (source[offset + 1]! << 8)
}

/** The 4 bytes at `offset` as an unsigned integer. */
export function readUint32(source: Uint8Array, offset: number): number {
  return (source[offset]! | (source[offset + 1]! << 8) | (source[offset + 2]! << 16) | (source[offset + 3]! << 24)) >>> 0
}

/** The 6 bytes at `offset` as an unsigned integer. */
export function readUint48(source: Uint8Array, offset: number): number {
  return readUint16(source, offset + 4) * 0x1_0000_0000 + readUint32(source, offset)
}

/**
 * The 8 bytes at `offset` as an unsigned integer. What does not fit 53 bits comes back rounded, but always above
 * `Number.MAX_SAFE_INTEGER`, so a check against any limit refuses it.
 */
export function readUint53(source: Uint8Array, offset: number): number {
  return readUint32(source, offset + 4) * 0x1_0000_0000 + readUint32(source, offset)
}

/** Writes the low 16 bits of `value`. */
export function writeUint16(target: Uint8Array, offset: number, value: number): void {
  target[offset] = value
  target[offset + 1] = value >>> 8
}

/** Writes the low 32 bits of `value`. */
export function writeUint32(target: Uint8Array, offset: number, value: number): void {
  target[offset] = value
  target[offset + 1] = value >>> 8
  target[offset + 2] = value >>> 16
  target[offset + 3] = value >>> 24
}

/** Writes an integer from 0 to 2^48 - 1 in 6 bytes. */
export function writeUint48(target: Uint8Array, offset: number, value: number): void {
  writeUint32(target, offset, value >>> 0)
  writeUint16(target, offset + 4, Math.floor(value / 0x1_0000_0000))
}

/** Writes an integer from 0 to 2^53 - 1 in 8 bytes. */
export function writeUint53(target: Uint8Array, offset: number, value: number): void {
  writeUint32(target, offset, value >>> 0)
  writeUint32(target, offset + 4, Math.floor(value / 0x1_0000_0000))
}
