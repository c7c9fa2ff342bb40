/**
 * Damage to bytes: each bit flipped, each length that a file can be cut to, and at random: pairs of bits, bytes, sectors, and what is
 * appended. A place in a sweep is a number, the same for equal specimens.
 */
import type { Random } from '../../../src/util/random.js'
import type { DamageCase } from './examination.js'
import type { Specimen, SpecimenFile } from './specimen.js'
import { changeCase } from './verdict.js'

/** How many bits files have together. */
export function bitCount(files: readonly SpecimenFile[]): number {
  return 8 * byteCount(files)
}

/** How many bytes files have together, which is also how many shorter lengths they have. */
export function byteCount(files: readonly SpecimenFile[]): number {
  return files.reduce((sum, file) => sum + file.content.length, 0)
}

/** The flip of bit `index` of the files, counted from the first bit of the first file. */
export function flipCase(specimen: Specimen, files: readonly SpecimenFile[], index: number): DamageCase {
  const { file, at } = locate(files, index >>> 3)
  const content = Buffer.from(file.content)
  content[at]! ^= 1 << (index & 7)
  return changeCase(specimen, `bit ${index & 7} of byte ${at} of ${file.path} flipped`, [{ file, content }])
}

/** A file cut so that byte `index` of the files is the first one that is gone. */
export function truncationCase(specimen: Specimen, files: readonly SpecimenFile[], index: number): DamageCase {
  const { file, at } = locate(files, index)
  return changeCase(specimen, `${file.path} cut to ${at} bytes`, [{ file, content: file.content.subarray(0, at) }])
}

function locate(files: readonly SpecimenFile[], index: number): { file: SpecimenFile; at: number } {
  let at = index
  for (const file of files) {
    if (at < file.content.length) return { file, at }
    at -= file.content.length
  }
  throw new RangeError(`the files have no byte ${index}`)
}

const INTERESTING_BYTES: readonly number[] = [0, 1, 2, 0x7f, 0x80, 0xfe, 0xff]

/** More than one bit, chosen at random. */
export function randomCase(specimen: Specimen, random: Random): DamageCase {
  const kinds = random.pick([1, 1, 1, 2])
  const files = random.shuffle([...specimen.files]).slice(0, kinds)
  const changed = files.map((file) => ({ file, ...randomChange(file.content, random) }))
  return changeCase(specimen, changed.map(({ file, what }) => `${what} of ${file.path}`).join(', '), changed)
}

function randomChange(original: Buffer, random: Random): { what: string; content: Buffer } {
  const content = Buffer.from(original)
  const at = random.below(content.length)
  switch (random.below(6)) {
    case 0: {
      const second = random.below(content.length * 8)
      content[at]! ^= 1 << random.below(8)
      content[second >>> 3]! ^= 1 << (second & 7)
      return { what: `bits in bytes ${at} and ${second >>> 3}`, content }
    }
    case 1:
      content[at] = random.pick(INTERESTING_BYTES)
      return { what: `byte ${at} set to ${content[at]}`, content }
    case 2: {
      const end = Math.min(content.length, at + random.pick([4, 16, 64, 512]))
      content.fill(random.pick([0, 0xff]), at, end)
      return { what: `bytes ${at} to ${end} filled with ${content[at]}`, content }
    }
    case 3: {
      const end = Math.min(content.length, at + random.pick([2, 16, 64, 512]))
      random.fill(content.subarray(at, end))
      return { what: `bytes ${at} to ${end} filled at random`, content }
    }
    case 4: {
      const from = random.below(content.length)
      const bytes = random.pick([16, 64, 512])
      original.copy(content, at, from, from + bytes)
      return { what: `up to ${bytes} bytes at ${at} copied from ${from}`, content }
    }
    default: {
      const added = Buffer.alloc(random.pick([1, 20, 32, 100, 600]))
      if (random.chance(0.6)) random.fill(added)
      else if (random.chance(0.5)) original.copy(added)
      return { what: `${added.length} bytes more at the end (${added[0]} …)`, content: Buffer.concat([original, added]) }
    }
  }
}
