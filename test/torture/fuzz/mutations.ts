/**
 * Changes to inputs of decoders: such as go wrong in the field, and such as a decoder is most likely to believe. Lengths and counts can be
 * anywhere, so numbers are written at any place, in all forms in which the formats have them.
 */
import type { Random } from '../../../src/util/random.js'

const BYTES: readonly number[] = [0, 1, 2, 3, 4, 7, 8, 0x10, 0x3f, 0x40, 0x7f, 0x80, 0x81, 0xc1, 0xdf, 0xfe, 0xff]

const NUMBERS: readonly bigint[] = [
  0n,
  1n,
  0xffn,
  0x7fffn,
  0xffffn,
  0x1_0000n,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_fffen,
  0xffff_ffffn,
  0x1_0000_0000n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 63n,
  2n ** 64n - 1n,
]

/** A varint of 2^32 - 1, of 2^32, and one that does not end. */
const VARINTS: readonly Buffer[] = ['ffffffff0f', '8080808010', 'ffffffffffffffffff', '8000', 'ffff03'].map((hex) =>
  Buffer.from(hex, 'hex'),
)

/** The input with one to four changes. Others of its kind lend pieces. */
export function mutated(input: Buffer, others: readonly Buffer[], random: Random): Buffer {
  let result: Buffer = Buffer.from(input)
  for (let changes = random.pick([1, 1, 1, 2, 2, 3, 4]); changes > 0; changes--) result = changedOnce(result, others, random)
  return result
}

/** As `mutated`, of the same length. */
export function mutatedInPlace(input: Buffer, random: Random): Buffer {
  const result = Buffer.from(input)
  for (let changes = random.pick([1, 1, 2, 3]); changes > 0 && result.length > 0; changes--) overwrite(result, random)
  return result
}

function changedOnce(input: Buffer, others: readonly Buffer[], random: Random): Buffer {
  const at = random.below(input.length + 1)
  const end = Math.min(input.length, at + random.pick([1, 2, 4, 8, 16, 64]))
  switch (random.below(9)) {
    case 0:
      return input.subarray(0, at)
    case 1: // a piece gone
      return Buffer.concat([input.subarray(0, at), input.subarray(end)])
    case 2: // a piece twice
      return Buffer.concat([input.subarray(0, end), input.subarray(at)])
    case 3: {
      const other = others.length === 0 ? input : random.pick(others)
      const from = random.below(other.length + 1)
      return Buffer.concat([input.subarray(0, at), other.subarray(from, from + random.pick([1, 4, 16, 64])), input.subarray(end)])
    }
    case 4: {
      const middle = end + random.below(input.length - end + 1)
      return Buffer.concat([input.subarray(0, at), input.subarray(end, middle), input.subarray(at, end), input.subarray(middle)])
    }
    case 5:
      return Buffer.concat([input.subarray(0, at), Buffer.alloc(random.pick([1, 4, 64]), random.pick(BYTES)), input.subarray(at)])
    default: {
      const result = Buffer.from(input)
      if (result.length > 0) overwrite(result, random)
      return result
    }
  }
}

function overwrite(target: Buffer, random: Random): void {
  const at = random.below(target.length)
  switch (random.below(6)) {
    case 0:
      target[at]! ^= 1 << random.below(8)
      return
    case 1:
      target[at] = random.pick(BYTES)
      return
    case 2:
      target[at] = target[at]! + random.pick([1, 255, 2, 254])
      return
    case 3:
      random.pick(VARINTS).copy(target, at)
      return
    case 4: {
      const number = Buffer.alloc(8)
      number.writeBigUInt64LE(random.pick(NUMBERS))
      if (random.chance(0.2)) number.reverse()
      number.copy(target, at, 0, random.pick([2, 4, 6, 8]))
      return
    }
    default:
      target[at] = random.below(256)
  }
}
