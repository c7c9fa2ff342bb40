/**
 * Short strings of ASCII from bytes, without a call into C++: keys, above all.
 *
 * `String.fromCharCode` with many arguments makes one flat string of them for 30 ns, where `utf8Slice` takes 80. It has to be called with
 * the arguments written out: given as an array or spread they cost 100 to 200 ns, and pieces joined by `+` are from 13 characters on a
 * tree, which is built again when it is read. So there is a call for each length.
 */

/** Longest string that is made here. */
export const SHORT_ASCII_BYTES_MAX = 24

const chars = String.fromCharCode

/** Whether all bytes of `[start, end)` are below 0x80. */
export function isAscii(source: Uint8Array, start: number, end: number): boolean {
  let bits = 0
  for (let i = start; i < end; i++) bits |= source[i]!
  return bits <= 0x7f
}

/**
 * The `length` bytes from `start` on, ASCII and at most {@link SHORT_ASCII_BYTES_MAX}, as a string. Hot: 30 ns for 16; `readText` in
 * `bench/micro/codec.ts` guards it.
 */
export function shortAscii(source: Uint8Array, start: number, length: number): string {
  if (length >= 20) return from20(source, start, length)
  if (length >= 16) return from16(source, start, length)
  if (length >= 8) return from8(source, start, length)
  let text = ''
  let i = start
  const end = start + length
  if (length >= 4) {
    text = chars(source[i]!, source[i + 1]!, source[i + 2]!, source[i + 3]!)
    i += 4
  }
  for (; i < end; i++) text += chars(source[i]!)
  return text
}

/** 8 to 15 bytes of `s`. */
function from8(s: Uint8Array, start: number, length: number): string {
  const a = s[start]!
  const b = s[start + 1]!
  const c = s[start + 2]!
  const d = s[start + 3]!
  const e = s[start + 4]!
  const f = s[start + 5]!
  const g = s[start + 6]!
  const h = s[start + 7]!
  const t = start + 8
  switch (length) {
    case 8:
      return chars(a, b, c, d, e, f, g, h)
    case 9:
      return chars(a, b, c, d, e, f, g, h, s[t]!)
    case 10:
      return chars(a, b, c, d, e, f, g, h, s[t]!, s[t + 1]!)
    case 11:
      return chars(a, b, c, d, e, f, g, h, s[t]!, s[t + 1]!, s[t + 2]!)
    case 12:
      return chars(a, b, c, d, e, f, g, h, s[t]!, s[t + 1]!, s[t + 2]!, s[t + 3]!)
    case 13:
      return chars(a, b, c, d, e, f, g, h, s[t]!, s[t + 1]!, s[t + 2]!, s[t + 3]!, s[t + 4]!)
    case 14:
      return chars(a, b, c, d, e, f, g, h, s[t]!, s[t + 1]!, s[t + 2]!, s[t + 3]!, s[t + 4]!, s[t + 5]!)
    default:
      return chars(a, b, c, d, e, f, g, h, s[t]!, s[t + 1]!, s[t + 2]!, s[t + 3]!, s[t + 4]!, s[t + 5]!, s[t + 6]!)
  }
}

/** 16 to 19 bytes of `s`. */
function from16(s: Uint8Array, start: number, length: number): string {
  const a = s[start]!
  const b = s[start + 1]!
  const c = s[start + 2]!
  const d = s[start + 3]!
  const e = s[start + 4]!
  const f = s[start + 5]!
  const g = s[start + 6]!
  const h = s[start + 7]!
  const i = s[start + 8]!
  const j = s[start + 9]!
  const k = s[start + 10]!
  const l = s[start + 11]!
  const m = s[start + 12]!
  const n = s[start + 13]!
  const o = s[start + 14]!
  const p = s[start + 15]!
  const t = start + 16
  switch (length) {
    case 16:
      return chars(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p)
    case 17:
      return chars(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, s[t]!)
    case 18:
      return chars(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, s[t]!, s[t + 1]!)
    default:
      return chars(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, s[t]!, s[t + 1]!, s[t + 2]!)
  }
}

/** 20 to 24 bytes of `s`. */
function from20(s: Uint8Array, start: number, length: number): string {
  const a = s[start]!
  const b = s[start + 1]!
  const c = s[start + 2]!
  const d = s[start + 3]!
  const e = s[start + 4]!
  const f = s[start + 5]!
  const g = s[start + 6]!
  const h = s[start + 7]!
  const i = s[start + 8]!
  const j = s[start + 9]!
  const k = s[start + 10]!
  const l = s[start + 11]!
  const m = s[start + 12]!
  const n = s[start + 13]!
  const o = s[start + 14]!
  const p = s[start + 15]!
  const q = s[start + 16]!
  const r = s[start + 17]!
  const u = s[start + 18]!
  const v = s[start + 19]!
  const t = start + 20
  switch (length) {
    case 20:
      return chars(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, u, v)
    case 21:
      return chars(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, u, v, s[t]!)
    case 22:
      return chars(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, u, v, s[t]!, s[t + 1]!)
    case 23:
      return chars(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, u, v, s[t]!, s[t + 1]!, s[t + 2]!)
    default:
      return chars(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, u, v, s[t]!, s[t + 1]!, s[t + 2]!, s[t + 3]!)
  }
}
