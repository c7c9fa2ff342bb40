/**
 * Varints: unsigned 32-bit integers in 1 to 5 bytes (LEB128). Seven bits per byte, the low ones first; the high bit says that more follow.
 *
 * | value | bytes |
 * |---|---|
 * | 0 | `00` |
 * | 127 | `7f` |
 * | 128 | `80 01` |
 * | 300 | `ac 02` |
 * | 16,384 | `80 80 01` |
 * | 4,294,967,295 | `ff ff ff ff 0f` |
 */

/** Most bytes of a varint. */
export const VARINT_BYTES_MAX = 5

/** Where the varint read last ended. Holds until the next `readVarint`. */
export let varintEnd = 0

/** Bytes of `value` as a varint. */
export function varintLength(value: number): number {
  if (value < 0x80) return 1
  if (value < 0x4000) return 2
  if (value < 0x20_0000) return 3
  return value < 0x1000_0000 ? 4 : 5
}

/** Writes `value` (0 to 2^32 - 1) and returns the offset after it. */
export function writeVarint(target: Uint8Array, offset: number, value: number): number {
  let rest = value
  let position = offset
  while (rest > 0x7f) {
    target[position++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  target[position++] = rest
  return position
}

/**
 * Reads a varint that must end before `limit`. Gives -1 when it does not, or when it is greater than 2^32 - 1; otherwise the value, and
 * the offset after it in `varintEnd`. An error as a return value keeps exceptions out of the loops that decode blocks; the caller knows
 * the file and offset to report.
 *
 * Hot: 2 to 4 ns; `readVarint` in `bench/micro/codec.ts` guards it.
 */
export function readVarint(source: Uint8Array, offset: number, limit: number): number {
  if (offset >= limit) return -1
  const first = source[offset]!
  if (first < 0x80) {
    varintEnd = offset + 1
    return first
  }
  return readLongVarint(source, offset, limit)
}

function readLongVarint(source: Uint8Array, offset: number, limit: number): number {
  let value = source[offset]! & 0x7f
  let position = offset + 1
  for (let shift = 7; shift < 28; shift += 7) {
    if (position >= limit) return -1
    const byte = source[position++]!
    value |= (byte & 0x7f) << shift
    if (byte < 0x80) {
      varintEnd = position
      return value
    }
  }
  if (position >= limit) return -1
  const last = source[position]!
  if (last > 0x0f) return -1
  varintEnd = position + 1
  return (value | (last << 28)) >>> 0
}
