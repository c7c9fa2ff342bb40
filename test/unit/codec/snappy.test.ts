import { describe, expect, test } from 'vitest'
import { compressSync, uncompressSync } from 'snappy'
import {
  endLoan,
  KERNEL_SLACK,
  KERNEL_START,
  compressedLengthMax,
  lendMemory,
  kernelWith,
  sharedKernel,
} from '../../../src/codec/kernel.js'
import { loadSnappy } from '../../../src/codec/snappy.js'
import { writeVarint } from '../../../src/codec/varint.js'
import { Random } from '../../../src/util/random.js'

const snappy = loadSnappy()
const SEED = Number(process.env['VARVE_SEED'] ?? 20_261_121)

function restore(compressed: Uint8Array, rawLength: number): Buffer {
  return snappy.decompress(compressed, 0, compressed.length, rawLength)
}

/** A block of these elements that claims to hold `rawLength` bytes. */
function block(rawLength: number, ...elements: (number[] | Buffer | string)[]): Buffer {
  const header = Buffer.alloc(5)
  const parts = elements.map((element) => (typeof element === 'string' ? Buffer.from(element) : Buffer.from(element)))
  return Buffer.concat([header.subarray(0, writeVarint(header, 0, rawLength)), ...parts])
}

/** Bytes with repetitions near and far, long and short, and stretches that do not compress. */
function mixture(random: Random, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  let filled = 0
  while (filled < length) {
    const stretch = Math.min(length - filled, 1 + random.below(random.pick([8, 70, 3000])))
    const back = random.pick([1, 2, 3, 5, 7, 8, 11, 15, 16, 17, 100, 2047, 2048, 65_535, 65_536, 70_000])
    if (back <= filled && random.chance(0.6)) {
      for (let i = 0; i < stretch; i++) bytes[filled + i] = bytes[filled + i - back]!
    } else {
      random.fill(bytes.subarray(filled, filled + stretch))
    }
    filled += stretch
  }
  return bytes
}

describe('the other implementation', () => {
  test(`reads what this one wrote, and the other way round; seed ${SEED}`, () => {
    const random = new Random(SEED)
    const lengths = [0, 1, 3, 4, 14, 15, 16, 17, 60, 61, 255, 256, 257, 4096, 16_384, 65_535, 65_536, 65_537, 131_072, 200_000]
    for (let round = 0; round < 300; round++) {
      const raw = mixture(random, lengths[round] ?? random.below(round % 20 === 0 ? 150_000 : 20_000))
      const ours = Buffer.from(snappy.compress(raw, 1))
      expect((uncompressSync(ours, { asBuffer: true }) as Buffer).equals(raw)).toBe(true)
      const theirs = compressSync(raw)
      expect(restore(theirs, raw.length).equals(raw)).toBe(true)
      expect(restore(ours, raw.length).equals(raw)).toBe(true)
      expect(ours.length).toBeLessThan(theirs.length * 1.05 + 32)
    }
  })

  test(`refuses the same damaged blocks, and reads the others alike; seed ${SEED}`, () => {
    const random = new Random(SEED ^ 1)
    let refused = 0
    for (let round = 0; round < 3000; round++) {
      const raw = mixture(random, 1 + random.below(2000))
      const damaged = Buffer.from(snappy.compress(raw, 1))
      const header = raw.length < 128 ? 1 : 2
      for (let i = random.below(4); i >= 0; i--) damaged[header + random.below(damaged.length - header)] = random.below(256)
      const cut = random.chance(0.2) ? damaged.subarray(0, header + random.below(damaged.length - header)) : damaged
      let theirs: Buffer | undefined
      try {
        theirs = uncompressSync(cut, { asBuffer: true }) as Buffer
      } catch {
        refused++
      }
      if (theirs === undefined) expect(() => restore(cut, raw.length)).toThrow('damaged')
      else expect(restore(cut, raw.length).equals(theirs)).toBe(true)
    }
    expect(refused).toBeGreaterThan(500)
  })
})

describe('elements', () => {
  const letters = 'abcdefghijklmnop'

  test('of every form', () => {
    expect(restore(block(16, [15 << 2], letters), 16).toString()).toBe(letters)
    expect(restore(block(16, [60 << 2, 15], letters), 16).toString()).toBe(letters)
    expect(restore(block(16, [61 << 2, 15, 0], letters), 16).toString()).toBe(letters)
    expect(restore(block(16, [62 << 2, 15, 0, 0], letters), 16).toString()).toBe(letters)
    expect(restore(block(16, [63 << 2, 15, 0, 0, 0], letters), 16).toString()).toBe(letters)
    expect(restore(block(20, [15 << 2], letters, [1, 16]), 20).toString()).toBe(`${letters}abcd`)
    expect(restore(block(20, [15 << 2], letters, [(3 << 2) | 2, 16, 0]), 20).toString()).toBe(`${letters}abcd`)
    expect(restore(block(20, [15 << 2], letters, [(3 << 2) | 3, 16, 0, 0, 0]), 20).toString()).toBe(`${letters}abcd`)
  })

  test.each(Array.from({ length: 40 }, (_, i) => i + 1))('a copy repeats a period of %i bytes', (period) => {
    const start = Buffer.from(letters.repeat(3)).subarray(0, period)
    for (const length of [1, 4, 5, 8, 15, 16, 17, 31, 63, 64]) {
      const raw = Buffer.alloc(period + length)
      for (let i = 0; i < raw.length; i++) raw[i] = start[i % period]!
      const coded = block(raw.length, [(period - 1) << 2], start, [((length - 1) << 2) | 2, period, 0])
      expect(restore(coded, raw.length).equals(raw)).toBe(true)
    }
  })

  test.each<[string, Buffer, number]>([
    ['an offset of 0', block(20, [15 << 2], letters, [1, 0]), 20],
    ['an offset to before the block', block(20, [15 << 2], letters, [1, 17]), 20],
    ['an offset of 2^32 - 1', block(20, [15 << 2], letters, [(3 << 2) | 3, 255, 255, 255, 255]), 20],
    ['a copy first', block(4, [1, 1]), 4],
    ['a copy that is cut off', block(20, [15 << 2], letters, [1]), 20],
    ['a long copy that is cut off', block(20, [15 << 2], letters, [(3 << 2) | 2, 16]), 20],
    ['a longer copy that is cut off', block(20, [15 << 2], letters, [(3 << 2) | 3, 16, 0, 0]), 20],
    ['a literal that is cut off', block(16, [15 << 2], letters.slice(1)), 16],
    ['a length that is cut off', block(16, [63 << 2, 15, 0, 0]), 16],
    ['a literal of 2^32 bytes', block(16, [63 << 2, 255, 255, 255, 255], letters), 16],
    ['a literal that is too long for the block', block(15, [15 << 2], letters), 15],
    ['a copy that is too long for the block', block(19, [15 << 2], letters, [1, 16]), 19],
    ['too few bytes', block(17, [15 << 2], letters), 17],
    ['no elements', block(1), 1],
    ['elements after the end', block(0, [0], 'a'), 0],
  ])('%s is damage', (_name, coded, rawLength) => {
    expect(() => restore(coded, rawLength)).toThrow('damaged')
  })
})

describe('memory', () => {
  test(`behind the slack of a target is not written; seed ${SEED}`, () => {
    const random = new Random(SEED ^ 2)
    for (let round = 0; round < 500; round++) {
      const raw = mixture(random, 1 + random.below(300))
      const coded = Buffer.from(snappy.compress(raw, 1))
      const header = raw.length < 128 ? 1 : 2
      if (random.chance(0.5)) coded[header + random.below(coded.length - header)] = random.below(256)
      const kernel = kernelWith(8192)
      const [source, target] = [KERNEL_START, KERNEL_START + 4096]
      kernel.memory.fill(0xee, source, source + 8192)
      kernel.memory.set(coded, source)
      kernel.uncompress(source + header, source + coded.length, target, target + raw.length)
      expect(kernel.memory.subarray(target - 1000, target).every((byte) => byte === 0xee)).toBe(true)
      expect(kernel.memory.subarray(target + raw.length + KERNEL_SLACK, source + 8192).every((byte) => byte === 0xee)).toBe(true)
      const end = kernel.compress(source, source + raw.length, target)
      expect(end - target).toBeLessThanOrEqual(compressedLengthMax(raw.length))
    }
  })

  test('of the kernel can hold the source', () => {
    const raw = mixture(new Random(SEED), 10_000)
    const coded = Buffer.from(snappy.compress(raw, 1))
    const memory = lendMemory(coded.length, raw.length)!
    memory.set(coded, KERNEL_START)
    endLoan()
    const target = Buffer.alloc(raw.length)
    snappy.decompressInto(memory, KERNEL_START, KERNEL_START + coded.length, target, raw.length)
    expect(target.equals(raw)).toBe(true)
    expect(sharedKernel()!.memory).toBe(memory)
  })

  test('for a large block is not kept', () => {
    const raw = mixture(new Random(SEED), 6 * 1024 * 1024)
    const coded = Buffer.from(snappy.compress(raw, 1))
    expect(restore(coded, raw.length).equals(raw)).toBe(true)
    expect(sharedKernel()!.memory.length).toBeLessThanOrEqual(4 * 1024 * 1024)
  })
})
