/**
 * Checksums of blocks and records: XXH32 (Yann Collet), seeded, unsigned 32-bit numbers.
 *
 * Two implementations give equal results: JavaScript, for short input and where there is no WebAssembly, and the kernel (`kernel.ts`).
 */
import { KERNEL_START, sharedKernel } from './kernel.js'

/** From this length on the call into the kernel is the faster way (measured: `bench/micro/codec.ts`). */
const KERNEL_BYTES_MIN = 320

/**
 * Longest input that is copied to the kernel: it fits in the memory that the shared one begins with. Copy included the kernel takes a
 * quarter of the time there.
 */
export const KERNEL_BYTES_MAX: number = 3 * 1024 * 1024

const PRIME_1 = 0x9e3779b1
const PRIME_2 = 0x85ebca77
const PRIME_3 = 0xc2b2ae3d
const PRIME_4 = 0x27d4eb2f
const PRIME_5 = 0x165667b1

/**
 * The checksum of `source[start, end)`.
 *
 * Hot: one per block read and per log record; `checksum32` in `bench/micro/codec.ts` guards it.
 */
export function checksum32(source: Uint8Array, start: number, end: number, seed: number): number {
  const length = end - start
  if (length < KERNEL_BYTES_MIN) return checksum32Js(source, start, end, seed)
  const kernel = sharedKernel()
  if (kernel === undefined || length > KERNEL_BYTES_MAX) return checksum32Js(source, start, end, seed)
  if (source === kernel.memory) return kernel.xxh32(start, length, seed) >>> 0
  kernel.memory.set(start === 0 && end === source.length ? source : source.subarray(start, end), KERNEL_START)
  return kernel.xxh32(KERNEL_START, length, seed) >>> 0
}

/** XXH32 in JavaScript, for input of any length. */
export function checksum32Js(source: Uint8Array, start: number, end: number, seed: number): number {
  const length = end - start
  let i = start
  let hash: number
  if (length >= 16) {
    let a = (seed + PRIME_1 + PRIME_2) | 0
    let b = (seed + PRIME_2) | 0
    let c = seed | 0
    let d = (seed - PRIME_1) | 0
    const stripesEnd = end - 16
    while (i <= stripesEnd) {
      a = round(a, source[i]! | (source[i + 1]! << 8) | (source[i + 2]! << 16) | (source[i + 3]! << 24))
      b = round(b, source[i + 4]! | (source[i + 5]! << 8) | (source[i + 6]! << 16) | (source[i + 7]! << 24))
      c = round(c, source[i + 8]! | (source[i + 9]! << 8) | (source[i + 10]! << 16) | (source[i + 11]! << 24))
      d = round(d, source[i + 12]! | (source[i + 13]! << 8) | (source[i + 14]! << 16) | (source[i + 15]! << 24))
      i += 16
    }
    hash = (((a << 1) | (a >>> 31)) + ((b << 7) | (b >>> 25)) + ((c << 12) | (c >>> 20)) + ((d << 18) | (d >>> 14))) | 0
  } else {
    hash = (seed + PRIME_5) | 0
  }
  hash = (hash + length) | 0
  for (; i + 4 <= end; i += 4) {
    const word = source[i]! | (source[i + 1]! << 8) | (source[i + 2]! << 16) | (source[i + 3]! << 24)
    hash = (hash + Math.imul(word, PRIME_3)) | 0
    hash = Math.imul((hash << 17) | (hash >>> 15), PRIME_4)
  }
  for (; i < end; i++) {
    hash = (hash + Math.imul(source[i]!, PRIME_5)) | 0
    hash = Math.imul((hash << 11) | (hash >>> 21), PRIME_1)
  }
  hash = Math.imul(hash ^ (hash >>> 15), PRIME_2)
  hash = Math.imul(hash ^ (hash >>> 13), PRIME_3)
  return (hash ^ (hash >>> 16)) >>> 0
}

function round(accumulator: number, word: number): number {
  const mixed = (accumulator + Math.imul(word, PRIME_2)) | 0
  return Math.imul((mixed << 13) | (mixed >>> 19), PRIME_1)
}
