/**
 * The kernel: a WebAssembly program of 2 KB for loops over bytes, checksum and Snappy. Its source is AssemblyScript, in the folder
 * `kernel/`; `kernel_program.ts` holds it compiled.
 *
 * It starts synchronously, at its first use, in about a millisecond. Its linear memory:
 *
 * | from | what |
 * |---|---|
 * | 0 | the table of `compress` |
 * | `KERNEL_START` | source, then target, as each call lays them out |
 *
 * Invariants
 * 1. Nothing in the memory is kept from call to call, but for what a caller has put there for the very next one.
 * 2. The memory of the shared kernel does not grow: it would never shrink again, and growing detaches an array buffer, after which V8 takes
 *    more care at each access to any. What needs more gets a kernel of its own for that call, unless there is no address space for one
 *    (each takes some 10 GiB of that).
 * 3. While the shared kernel's memory is lent for a frame to be read to, nobody else uses it: a file system of the caller's may do what it
 *    likes, even work with a store.
 * 4. The program checks nothing about places: whoever calls it has reserved them, `KERNEL_SLACK` bytes behind each included.
 */
import { KERNEL_PROGRAM } from './kernel_program.js'

/** First byte of the memory that callers lay out. */
export const KERNEL_START = 32_768

/** Bytes behind each source and target that may be read, and written: the program moves 16 at a time. */
export const KERNEL_SLACK = 64

/**
 * Memory that a kernel begins with, of which only pages in use are resident, and that the shared one keeps to. A block of the greatest
 * `blockSize`, with its compressed form, is half of it.
 */
const KERNEL_BYTES = 4 * 1024 * 1024

const PAGE_BYTES = 65_536

/** What is used of WebAssembly's synchronous interface; its types are part of the browser's library alone. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object, imports: object) => { readonly exports: unknown }
}

/** What the program exports; see `kernel/assembly`. Numbers are addresses and lengths. */
interface Program {
  readonly memory: { readonly buffer: ArrayBuffer; readonly grow: (pages: number) => number }
  readonly xxh32: (start: number, length: number, seed: number) => number
  readonly compress: (source: number, sourceEnd: number, target: number, table: number) => number
  readonly uncompress: (source: number, sourceEnd: number, target: number, targetEnd: number) => number
}

/** The program with a memory. */
export class Kernel {
  /** All of its memory: another view after each `reserve` that let it grow. */
  memory: Buffer
  readonly xxh32: Program['xxh32']
  /** Snappy: [source, sourceEnd), without the length in front, to [target, targetEnd). Returns 1 if it fills just that, else 0. */
  readonly uncompress: Program['uncompress']
  readonly #compress: Program['compress']
  readonly #memory: Program['memory']

  constructor(module: object) {
    const program = new WebAssembly.Instance(module, {}).exports as Program
    this.#memory = program.memory
    this.memory = Buffer.from(program.memory.buffer)
    this.xxh32 = program.xxh32
    this.uncompress = program.uncompress
    this.#compress = program.compress
  }

  /** Snappy: compresses [source, sourceEnd) to `target`, where there is room for {@link compressedLengthMax}; returns the end. */
  compress(source: number, sourceEnd: number, target: number): number {
    return this.#compress(source, sourceEnd, target, 0)
  }

  /** Sees to it that `bytes` from `KERNEL_START` on may be used. */
  reserve(bytes: number): void {
    const missing = KERNEL_START + bytes - this.memory.length
    if (missing <= 0) return
    this.#memory.grow(Math.ceil(missing / PAGE_BYTES))
    this.memory = Buffer.from(this.#memory.buffer)
  }
}

let module: object | undefined
let shared: Kernel | undefined
let failure: unknown
let isLent = false

/** The kernel of this thread, or `undefined` where there is no WebAssembly (`--jitless`), and while its memory is lent. */
export function sharedKernel(): Kernel | undefined {
  if (isLent) return undefined
  if (shared === undefined && failure === undefined) shared = start()
  return shared
}

function start(): Kernel | undefined {
  try {
    module = new WebAssembly.Module(Buffer.from(KERNEL_PROGRAM, 'base64'))
    return new Kernel(module)
  } catch (error) {
    failure = error
    return undefined
  }
}

/**
 * A kernel with `bytes` reserved: the shared one, or for more than it may have, one of the caller's own. Throws a plain `Error` where
 * there is no WebAssembly.
 */
export function kernelWith(bytes: number): Kernel {
  const kernel = sharedKernel()
  if (kernel === undefined && !isLent) throw new Error('this Node.js runs without WebAssembly', { cause: failure })
  const used = kernel !== undefined && KERNEL_START + bytes <= KERNEL_BYTES ? kernel : ownKernel(kernel)
  used.reserve(bytes)
  return used
}

/** A kernel for one call; `otherwise` where there is no room for another one. */
function ownKernel(otherwise: Kernel | undefined): Kernel {
  try {
    return new Kernel(module!)
  } catch (error) {
    if (otherwise === undefined) throw error
    return otherwise
  }
}

/**
 * Lends the shared kernel's memory, for a frame of `frameBytes` to be read to `KERNEL_START`, where checksum and decompression need not
 * copy it; `undefined` when it is too long for that, with a raw block of `rawBytes` behind it, or where there is no kernel. To be given
 * back with `endLoan` when the frame has been read, and valid from then until the next use of the kernel.
 */
export function lendMemory(frameBytes: number, rawBytes: number): Buffer | undefined {
  const kernel = sharedKernel()
  if (kernel === undefined || KERNEL_START + frameBytes + rawBytes + 2 * KERNEL_SLACK > KERNEL_BYTES) return undefined
  isLent = true
  return kernel.memory
}

/** Ends the loan of `lendMemory`. */
export function endLoan(): void {
  isLent = false
}

/** The most bytes that `compress` writes for `rawLength`. */
export function compressedLengthMax(rawLength: number): number {
  return 32 + rawLength + Math.ceil(rawLength / 6)
}
