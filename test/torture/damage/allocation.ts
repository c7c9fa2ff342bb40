/**
 * How much memory a piece of work asks for: what goes through `Buffer`, call by call, and by how much memory outside of the heap grows,
 * which is where all typed arrays and native code take theirs. So a length in a damaged file that is believed before it is checked
 * shows, even when the memory is given back at once.
 */
import { getHeapStatistics } from 'node:v8'
import { codecForWriting } from '../../../src/codec/compression.js'

type Allocate = (size: number, ...rest: never[]) => Buffer

const METERED = ['alloc', 'allocUnsafe', 'allocUnsafeSlow'] as const

/** What a piece of work has asked for. */
export interface Allocation {
  /** The longest buffer. */
  readonly largestBytes: number
  /** All buffers together, or the growth of memory outside of the heap if that is more. */
  readonly totalBytes: number
}

const NOTHING = Buffer.alloc(0)

/** Runs work that does not wait for anything, and tells what it allocated. */
export function allocationOf(work: () => void): Allocation {
  let largestBytes = 0
  let totalBytes = 0
  // zstd takes its 16 MiB anew after a frame that it failed on, whatever it decodes next: that may have been the work before this.
  codecForWriting('zstd')?.compress(NOTHING, 1)
  const originals = METERED.map((name) => Buffer[name] as Allocate)
  const before = getHeapStatistics().external_memory
  METERED.forEach((name, i) => {
    const metered: Allocate = (size, ...rest) => {
      totalBytes += size
      if (size > largestBytes) largestBytes = size
      return originals[i]!(size, ...rest)
    }
    Object.assign(Buffer, { [name]: metered })
  })
  try {
    work()
  } finally {
    METERED.forEach((name, i) => Object.assign(Buffer, { [name]: originals[i]! }))
  }
  return { largestBytes, totalBytes: Math.max(totalBytes, getHeapStatistics().external_memory - before) }
}
