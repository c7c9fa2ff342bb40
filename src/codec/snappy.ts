/**
 * Snappy, by the kernel. A raw Snappy block starts with its raw length as a varint; the elements behind it are described in
 * `kernel/assembly/snappy.ts`. Blocks are as any other Snappy reads and writes them.
 *
 * Measured against the native package `snappy`, whose calls and allocations cost as much as its work: 4 µs instead of 8 to decompress
 * 16 KiB, 1 instead of 4.6 for 4 KiB, and the same 20 to compress (`bench/micro/codec.ts`).
 */
import type { Codec } from './compression.js'
import { KERNEL_SLACK, KERNEL_START, type Kernel, compressedLengthMax, kernelWith, sharedKernel } from './kernel.js'
import { readVarint, varintEnd } from './varint.js'
import { assert } from '../util/assert.js'

/** Throws where there is no WebAssembly. */
export function loadSnappy(): Codec {
  kernelWith(0)
  return new Snappy()
}

class Snappy implements Codec {
  readonly id = 1
  readonly name = 'snappy'

  compress(source: Uint8Array): Buffer {
    const target = KERNEL_START + source.length + KERNEL_SLACK
    const kernel = kernelWith(source.length + compressedLengthMax(source.length) + 2 * KERNEL_SLACK)
    kernel.memory.set(source, KERNEL_START)
    const end = kernel.compress(KERNEL_START, KERNEL_START + source.length, target)
    return kernel.memory.subarray(target, end)
  }

  decompress(source: Uint8Array, start: number, end: number, rawLength: number): Buffer {
    checkLength(source, start, end, rawLength)
    const target = Buffer.allocUnsafeSlow(rawLength)
    this.#decode(source, varintEnd, end, target, rawLength)
    return target
  }

  decompressInto(source: Uint8Array, start: number, end: number, target: Uint8Array, rawLength: number): void {
    checkLength(source, start, end, rawLength)
    this.#decode(source, varintEnd, end, target, rawLength)
  }

  #decode(source: Uint8Array, start: number, end: number, target: Uint8Array, rawLength: number): void {
    const kernel = decoded(source, start, end, rawLength)
    kernel.memory.copy(target, 0, decodedStart, decodedStart + rawLength)
  }
}

/** Where the kernel that `decoded` gave has the raw bytes. */
let decodedStart = 0

/** Decodes source[start, end), the elements, in a kernel's memory, and returns the kernel. */
function decoded(source: Uint8Array, start: number, end: number, rawLength: number): Kernel {
  const shared = sharedKernel()
  if (shared !== undefined && source === shared.memory) {
    const target = end + KERNEL_SLACK
    assert(target + rawLength + KERNEL_SLACK <= source.length, 'a frame in the kernel has room for its block behind it')
    return uncompress(shared, start, end, target, rawLength)
  }
  const length = end - start
  const kernel = kernelWith(length + rawLength + 2 * KERNEL_SLACK)
  kernel.memory.set(source.subarray(start, end), KERNEL_START)
  const target = KERNEL_START + length + KERNEL_SLACK
  return uncompress(kernel, KERNEL_START, KERNEL_START + length, target, rawLength)
}

function uncompress(kernel: Kernel, start: number, end: number, target: number, rawLength: number): Kernel {
  if (kernel.uncompress(start, end, target, target + rawLength) !== 1) throw new Error('the snappy block is damaged')
  decodedStart = target
  return kernel
}

function checkLength(source: Uint8Array, start: number, end: number, rawLength: number): void {
  const claimed = readVarint(source, start, end)
  if (claimed !== rawLength) throw new Error(`the snappy block claims ${claimed} bytes instead of ${rawLength}`)
}
