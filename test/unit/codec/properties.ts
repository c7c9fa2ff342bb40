/**
 * Settings of the property tests. fast-check prints the seed of a property that fails; `VARVE_SEED=<seed>` runs it with that one again.
 */
import * as fc from 'fast-check'

/** Parameters for `fc.assert`: so many runs, from the seed of the environment if there is one. */
export function runs(count: number): fc.Parameters<unknown> {
  const seed = process.env['VARVE_SEED']
  return seed === undefined ? { numRuns: count } : { numRuns: count, seed: Number(seed) }
}

/** Short byte strings over few values, so that prefixes, neighbours and runs of 0xff come up often. */
export const closeBytes: fc.Arbitrary<Uint8Array> = fc
  .array(fc.constantFrom(0, 1, 2, 0x7f, 0x80, 0xfe, 0xff), { maxLength: 8 })
  .map((bytes) => Uint8Array.from(bytes))

/** Byte strings of any content. */
export const anyBytes: fc.Arbitrary<Uint8Array> = fc.uint8Array({ maxLength: 200 })

/** Strings of all lengths around the borders of the fast paths, from ASCII to characters of four bytes, without lone surrogates. */
export const anyText: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.string({ unit: 'binary-ascii', maxLength: 300 }),
  fc.string({ unit: fc.constantFrom('a', 'z', '\u007f', '\u0080', '\u07ff', '\u0800', '\ufffd', '\uffff', '\u{10000}', '\u{10ffff}') }),
)

/** What can stand in a record, nested. `undefined` stands for a property that is left out. */
export const anyRecord: fc.Arbitrary<unknown> = fc.letrec<{ record: unknown; leaf: unknown; node: unknown }>((tie) => ({
  leaf: fc.oneof(
    anyText,
    fc.integer(),
    fc.maxSafeInteger(),
    fc.double(),
    fc.constantFrom(
      0,
      -0,
      127,
      128,
      255,
      256,
      65_535,
      65_536,
      2 ** 32 - 1,
      2 ** 32,
      -32,
      -33,
      -128,
      -129,
      -32_768,
      -32_769,
      -(2 ** 31),
      -(2 ** 31) - 1,
    ),
    fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n - 1n }),
    fc.bigInt({ min: -(2n ** 63n), max: -(2n ** 53n) }),
    fc.boolean(),
    fc.constant(null),
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  ),
  node: fc.oneof({ depthSize: 'small', withCrossShrink: true }, tie('leaf'), tie('record')),
  record: fc.oneof(
    fc.array(tie('node'), { maxLength: 20 }),
    fc.dictionary(fc.oneof(anyText, fc.constantFrom('__proto__', 'constructor', 'toString', '', '0', '17')), tie('node'), { maxKeys: 20 }),
    fc.constant(null),
  ),
})).record

/** Every kind of value. */
export const anyValue: fc.Arbitrary<unknown> = fc.oneof(
  anyText,
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double(),
  fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n - 1n }),
  fc.bigInt({ min: -(2n ** 63n), max: -(2n ** 53n) }),
  fc.boolean(),
  anyBytes.map((bytes) => Buffer.from(bytes)),
  anyRecord,
)

/** One change to a byte string: a byte replaced, the end cut off, a byte put in. */
export interface Damage {
  readonly kind: 'replace' | 'truncate' | 'insert'
  readonly at: number
  readonly byte: number
}

/** Any damage. */
export const anyDamage: fc.Arbitrary<Damage> = fc.record({
  kind: fc.constantFrom('replace' as const, 'truncate' as const, 'insert' as const),
  at: fc.nat(),
  byte: fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(0, 0x7f, 0x80, 0xc6, 0xdb, 0xdd, 0xdf, 0xff)),
})

/** A damaged copy. */
export function damaged(bytes: Uint8Array, { kind, at, byte }: Damage): Buffer {
  const copy = Buffer.from(bytes)
  if (copy.length === 0) return kind === 'insert' ? Buffer.of(byte) : copy
  const position = at % copy.length
  if (kind === 'truncate') return Buffer.from(copy.subarray(0, position))
  if (kind === 'insert') return Buffer.concat([copy.subarray(0, position), Buffer.of(byte), copy.subarray(position)])
  copy[position] = byte
  return copy
}
