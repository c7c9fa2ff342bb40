import xxhash from 'xxhash-wasm'
import { describe, expect, test, vi } from 'vitest'
import { checksum32, checksum32Js, KERNEL_BYTES_MAX } from '../../../src/codec/checksum.js'
import { Random } from '../../../src/util/random.js'

const PRIME = 2_654_435_761

/** The input of the test vectors in Yann Collet's own sanity check. */
const sanity = Buffer.alloc(101)
for (let i = 0, state = PRIME; i < sanity.length; i++) {
  sanity[i] = state >>> 24
  state = Math.imul(state, state) >>> 0
}

/** Length, seed and checksum, from the reference implementation. */
const vectors: readonly [number, number, number][] = [
  [0, 0, 0x02cc_5d05],
  [0, PRIME, 0x36b7_8ae7],
  [1, 0, 0xb85c_bee5],
  [1, PRIME, 0xd584_5d64],
  [14, 0, 0xe5aa_0ab4],
  [14, PRIME, 0x4481_951d],
  [101, 0, 0x1f1a_a412],
  [101, PRIME, 0x498e_c8e2],
]

/** Bytes that are the same in every run. */
function bytes(length: number): Buffer {
  const filled = Buffer.alloc(length)
  new Random(length).fill(filled)
  return filled
}

test.each(vectors)('%i bytes with seed %i, as the reference has it', (length, seed, expected) => {
  expect(checksum32Js(sanity, 0, length, seed)).toBe(expected)
  expect(checksum32(sanity, 0, length, seed)).toBe(expected)
})

describe('the kernel and JavaScript', () => {
  test('agree with another implementation at every length around their borders', async () => {
    const { h32Raw } = await xxhash()
    const data = bytes(3000)
    for (let length = 0; length < 1000; length++) {
      const start = length % 13
      const seed = Math.imul(length, 0x9e37_79b1) >>> 0
      const expected = h32Raw(data.subarray(start, start + length), seed)
      expect(checksum32Js(data, start, start + length, seed)).toBe(expected)
      expect(checksum32(data, start, start + length, seed)).toBe(expected)
    }
  })

  test('a seed is its low 32 bits, whatever its sign', () => {
    const data = bytes(1000)
    for (const length of [0, 5, 20, 1000]) {
      const seeds = [0xffff_fffe, -2].map((seed) => checksum32(data, 0, length, seed))
      expect(seeds[1]).toBe(seeds[0])
    }
  })

  test('agree at the longest input that is copied, beyond it, and grow no memory', () => {
    const grow = vi.spyOn(Object.getPrototypeOf(webAssemblyMemory()) as { grow(pages: number): number }, 'grow')
    const data = bytes(KERNEL_BYTES_MAX + 6)
    for (const end of [KERNEL_BYTES_MAX + 5, KERNEL_BYTES_MAX + 6]) expect(checksum32(data, 5, end, 1)).toBe(checksum32Js(data, 5, end, 1))
    expect(grow).not.toHaveBeenCalled()
    grow.mockRestore()
  })

  test('every bit of the input counts', () => {
    const data = bytes(400)
    const whole = checksum32(data, 0, data.length, 0)
    for (let bit = 0; bit < data.length * 8; bit++) {
      data[bit >> 3]! ^= 1 << (bit & 7)
      expect(checksum32(data, 0, data.length, 0)).not.toBe(whole)
      data[bit >> 3]! ^= 1 << (bit & 7)
    }
  })
})

function webAssemblyMemory(): object {
  const { Memory } = (globalThis as unknown as { WebAssembly: { Memory: new (limits: { initial: number }) => object } }).WebAssembly
  return new Memory({ initial: 1 })
}
