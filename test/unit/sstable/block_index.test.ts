import { describe, expect, test } from 'vitest'
import { SEQUENCE_MAX } from '../../../src/codec/internal_key.js'
import { BlockIndex, BlockIndexBuilder } from '../../../src/sstable/block_index.js'
import { Random } from '../../../src/util/random.js'
import { bytes, testSeed } from './fixture.js'

interface Separator {
  readonly key: string
  readonly sequence: number
}

const FRAME_BYTES = 100
/** Lengths of frames that take one, two and three bytes in the index. */
const FRAME_SIZES = [FRAME_BYTES, 128, 5000, 16_383, 16_384, 100_000]

function indexOf(separators: readonly Separator[], frameBytes = FRAME_BYTES): BlockIndex {
  const builder = new BlockIndexBuilder()
  for (const { key, sequence } of separators) builder.add(bytes(key), sequence, frameBytes)
  expect(builder.blockCount).toBe(separators.length)
  const payload = builder.finish()
  expect(payload.length).toBeLessThanOrEqual(builder.usedBytes + 6 + 65_535)
  return new BlockIndex(payload, separators.length * frameBytes, 'a.sst', 0)
}

function payloadOf(keys: readonly string[], frameBytes: number): Buffer {
  const builder = new BlockIndexBuilder()
  for (const key of keys) builder.add(bytes(key), 0, frameBytes)
  return builder.finish()
}

/** The first separator that is not before (key, sequence), one after the other. */
function naiveFind(separators: readonly Separator[], key: string, sequence: number): number {
  for (const [i, separator] of separators.entries()) {
    const order = Buffer.compare(bytes(separator.key), bytes(key)) || sequence - separator.sequence
    if (order >= 0) return i
  }
  return separators.length
}

function find(index: BlockIndex, key: string, sequence: number): number {
  const padded = bytes(`..${key}..`)
  return index.find(padded, 2, 2 + key.length, sequence)
}

const KEY_SHAPES: readonly ((random: Random) => string)[] = [
  (random) => `user:${String(random.below(100_000)).padStart(11, '0')}`,
  (random) => String.fromCharCode(...Array.from({ length: random.below(7) }, () => random.pick([0, 0x7f, 0x80, 0xff]))),
  (random) => `prefix${random.pick(['', 'aaaa', 'aaab', 'aaaaaaaaaaaa'])}${random.below(50)}`,
  (random) => 'aaaaaaaaa'.slice(0, random.below(10)) + 'b'.repeat(random.below(3)),
]

describe('block index', () => {
  const seed = testSeed()
  const random = new Random(seed)
  for (let round = 0; round < 40; round++) {
    const shape = random.pick(KEY_SHAPES)
    const hasStraddling = random.chance(0.5)
    const frameBytes = random.pick(FRAME_SIZES)
    const wanted = 1 + random.below(random.pick([3, 40, 1000]))
    test(`finds what a naive search finds: VARVE_SEED=${seed} round ${round}`, () => {
      const keys = [...new Set(Array.from({ length: wanted }, () => shape(random)))].map(bytes).toSorted((a, b) => Buffer.compare(a, b))
      const separators = keys.flatMap((key): Separator[] => {
        const versions = hasStraddling && random.chance(0.2) ? random.below(8) : 0
        const straddling = Array.from({ length: versions }, (_, i) => ({ key: key.toString('latin1'), sequence: 100 - i * 3 }))
        return [...straddling, { key: key.toString('latin1'), sequence: 0 }]
      })
      const index = indexOf(separators, frameBytes)
      expect(index.offsets.every((offset, i) => offset === i * frameBytes)).toBe(true)
      for (let i = 0; i < 500; i++) {
        const near = random.pick(separators).key
        const key = random.pick([
          near,
          near,
          shape(random),
          `${near}\0`,
          near.slice(0, -1),
          `${near.slice(0, -1)}\xff`,
          '',
          '\xff'.repeat(9),
        ])
        const sequence = random.pick([0, 1, 80, 90, 94, 97, 100, 101, SEQUENCE_MAX])
        expect(find(index, key, sequence), JSON.stringify({ key, sequence })).toBe(naiveFind(separators, key, sequence))
      }
      expect(index.endsWith(keys.at(-1)!)).toBe(true)
      expect(index.endsWith(bytes(`${separators.at(-1)!.key}x`))).toBe(false)
    })
  }

  test('serves a table of one block, even one whose only key is empty', () => {
    expect(find(indexOf([{ key: '', sequence: 0 }]), '', 5)).toBe(0)
    expect(find(indexOf([{ key: '', sequence: 0 }]), '\0', 5)).toBe(1)
    expect(indexOf([{ key: '', sequence: 0 }]).endsWith(bytes(''))).toBe(true)
  })

  test('keeps copies of its separators, which lie in memory that is used again', () => {
    const builder = new BlockIndexBuilder()
    const memory = Buffer.from('key1')
    for (const digit of '123') {
      memory.write(digit, 3)
      builder.add(memory, digit === '3' ? 0 : 5, FRAME_BYTES)
    }
    const index = new BlockIndex(builder.finish(), 3 * FRAME_BYTES, 'a.sst', 0)
    expect(['key0', 'key1', 'key2', 'key3', 'key4'].map((key) => find(index, key, 5))).toEqual([0, 0, 1, 2, 3])
  })

  test.each(FRAME_SIZES)('is refused when it is not in order, or not whole: frames of %i bytes', (frameBytes) => {
    const open = (payload: Buffer): BlockIndex => new BlockIndex(payload, 3 * frameBytes, 'a.sst', 0)
    const unordered = [
      ['b', 'a', 'c'],
      ['abcdef', 'abcdeg', 'abcdef'],
      ['same', 'same', 'samf'],
      ['xabcdeb', 'xabcdea', 'yabcdea'],
    ]
    for (const keys of unordered) expect(() => open(payloadOf(keys, frameBytes)), String(keys)).toThrow('not in order')
    const whole = payloadOf(['abcdea', 'abcdeb', 'b'], frameBytes)
    expect(open(whole).count).toBe(3)
    for (let length = 0; length < whole.length; length++) expect(() => open(whole.subarray(0, length))).toThrow('the index')
    expect(() => open(Buffer.concat([whole, Buffer.alloc(1)]))).toThrow('goes on')
  })

  test('knows where each block starts and where the last one ends', () => {
    const index = indexOf([
      { key: 'a', sequence: 0 },
      { key: 'b', sequence: 0 },
    ])
    expect([...index.offsets]).toEqual([0, 100, 200])
  })
})
