/** Copies of a scan's values: each is the caller's own, whatever stretch it was cut from. */
import { describe, expect, it } from 'vitest'
import { CopyHabit, ValueCopies } from '../../../src/store/value_copies.js'
import { Random } from '../../../src/util/random.js'

/** A block of values with some bytes in between, as keys are. */
function makeBlock(random: Random, count: number, lengthMax: number): { block: Buffer; ranges: [start: number, end: number][] } {
  const ranges: [number, number][] = []
  let end = 0
  for (let i = 0; i < count; i++) {
    const start = end + 20
    end = start + random.below(lengthMax + 1)
    ranges.push([start, end])
  }
  const block = Buffer.allocUnsafeSlow(end + 30)
  random.fill(block)
  return { block, ranges }
}

describe('copies of values', () => {
  it.each([1, 2, 3, 4])('equal the values, forward and backward, with blocks that alternate (seed %i)', (seed) => {
    const random = new Random(seed)
    for (const isReverse of [false, true]) {
      const copies = new ValueCopies(isReverse, new CopyHabit())
      const blocks = Array.from({ length: 6 }, (_, i) => makeBlock(random, 150, [0, 10, 100, 700, 3000, 9000][i]!))
      const given: { copy: Buffer; expected: Buffer }[] = []
      for (let round = 0; round < 40; round++) {
        const { block, ranges } = random.chance(0.5) ? blocks[2]! : blocks[random.below(blocks.length)]!
        const count = random.chance(0.3) ? 1 + random.below(4) : random.below(ranges.length)
        const from = random.below(ranges.length - count)
        const part = ranges.slice(from, from + count)
        for (const [start, end] of isReverse ? part.toReversed() : part) {
          given.push({ copy: copies.copy(block, start, end), expected: Buffer.from(block.subarray(start, end)) })
        }
      }
      for (const { block } of blocks) block.fill(0)
      for (const { copy, expected } of given) expect(copy.equals(expected)).toBe(true)
    }
  })

  it('do not share a byte: writing into one changes no other', () => {
    const { block, ranges } = makeBlock(new Random(7), 200, 100)
    const before = Buffer.from(block)
    const copies = new ValueCopies(false, new CopyHabit())
    const all = ranges.map(([start, end]) => copies.copy(block, start, end))
    all.forEach((copy, i) => copy.fill(i))
    all.forEach((copy, i) => expect(copy.every((byte) => byte === i)).toBe(true))
    expect(block.equals(before)).toBe(true)
  })

  it('keep no more memory alive than 8 KiB, and share it once several have come from a block', () => {
    const { block, ranges } = makeBlock(new Random(8), 200, 100)
    const copies = new ValueCopies(false, new CopyHabit())
    const memories = new Set(ranges.map(([start, end]) => copies.copy(block, start, end).buffer).slice(10))
    expect(memories.size).toBeLessThan(10)
    for (const memory of memories) expect(memory.byteLength).toBeLessThanOrEqual(Buffer.poolSize + 64)
  })

  it('are made one by one where values of two blocks alternate', () => {
    const a = makeBlock(new Random(9), 100, 50)
    const b = makeBlock(new Random(10), 100, 50)
    const copies = new ValueCopies(false, new CopyHabit())
    for (const [start, end] of a.ranges) copies.copy(a.block, start, end)
    for (let i = 0; i < 50; i++) {
      for (const { block, ranges } of [a, b]) {
        const { byteLength } = copies.copy(block, ...ranges[i]!).buffer
        // That of Node's pool, or of nothing for nothing.
        if (i > 5) expect(byteLength === 0 || byteLength >= Buffer.poolSize).toBe(true)
      }
    }
  })

  it('cannot be transferred away from under each other', () => {
    const { block, ranges } = makeBlock(new Random(11), 100, 50)
    const copies = new ValueCopies(false, new CopyHabit())
    const all = ranges.map(([start, end]) => copies.copy(block, start, end))
    const last = all.at(-1)!
    try {
      structuredClone(last, { transfer: [last.buffer as ArrayBuffer] })
    } catch {
      // Newer versions of Node refuse, older ones copy.
    }
    all.forEach((copy, i) => expect(copy.length).toBe(ranges[i]![1] - ranges[i]![0]))
  })

  it('are not cut out of memory that others write to', () => {
    const block = Buffer.from(new SharedArrayBuffer(4096))
    const copies = new ValueCopies(false, new CopyHabit())
    for (let i = 0; i < 40; i++) {
      block.fill(i, i * 100, i * 100 + 100)
      expect(copies.copy(block, i * 100, i * 100 + 100).every((byte) => byte === i)).toBe(true)
    }
  })

  it('are cut from stretches from the first on, once scans have gone on for long, and no more once they have not', () => {
    const { block, ranges } = makeBlock(new Random(12), 100, 50)
    const habit = new CopyHabit()
    const scan = (count: number): boolean => {
      const copies = new ValueCopies(false, habit)
      const memories = ranges.slice(10, 10 + count).map(([start, end]) => copies.copy(block, start, end).buffer)
      copies.clear()
      return memories[0] === memories[1] && memories[0]!.byteLength < Buffer.poolSize
    }
    expect(scan(70)).toBe(false)
    expect(scan(70)).toBe(true)
    for (let i = 0; i < 3; i++) scan(2)
    expect(scan(2)).toBe(false)
  })

  it('are made one by one where a scan seeks for each', () => {
    const { block, ranges } = makeBlock(new Random(13), 100, 50)
    const copies = new ValueCopies(false, new CopyHabit())
    for (const [start, end] of ranges) copies.copy(block, start, end)
    for (let i = 0; i < 20; i++) {
      copies.clear()
      const { byteLength } = copies.copy(block, ...ranges[i * 3]!).buffer
      if (i > 3) expect(byteLength === 0 || byteLength >= Buffer.poolSize).toBe(true)
    }
  })
})
