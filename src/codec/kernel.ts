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
 * 2. The memory of the shared kernel never grows over `KERNEL_BYTES_MAX`, since WebAssembly memory never shrinks: what needs more gets a
 *    kernel of its own for that call.
 * 3. The program checks nothing about places: whoever calls it has reserved them, `KERNEL_SLACK` bytes behind each included.
 */
import { KERNEL_PROGRAM } from './kernel_program.js'

/** First byte of the memory that callers lay out. */
export const KERNEL_START = 32_768

/** Bytes behind each source and target that may be read, and written: the program moves 16 at a time. */
export const KERNEL_SLACK = 64

/** The most memory of the shared kernel. A block of the greatest `blockSize`, with its compressed form, is half of it. */
const KERNEL_BYTES_MAX = 4 * 1024 * 1024

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
  /** Snappy: [source, sourceEnd) to `target`; returns the end of what it wrote. */
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
let isAbsent = false

/** The kernel of this thread, or `undefined` where there is no WebAssembly (`--jitless`). */
export function sharedKernel(): Kernel | undefined {
  if (shared === undefined && !isAbsent) shared = start()
  return shared
}

function start(): Kernel | undefined {
  try {
    module = new WebAssembly.Module(Buffer.from(KERNEL_PROGRAM, 'base64'))
    return new Kernel(module)
  } catch {
    isAbsent = true
    return undefined
  }
}

/**
 * A kernel with `bytes` reserved: the shared one, or for more than it may have, one of the caller's own. Throws a plain `Error` where
 * there is no WebAssembly.
 */
export function kernelWith(bytes: number): Kernel {
  const kernel = sharedKernel()
  if (kernel === undefined) throw new Error('this Node.js runs without WebAssembly')
  const used = KERNEL_START + bytes <= KERNEL_BYTES_MAX ? kernel : new Kernel(module!)
  used.reserve(bytes)
  return used
}

/**
 * The shared kernel's memory, for a frame of `frameBytes` to be read to `KERNEL_START`, where checksum and decompression need not copy it;
 * `undefined` when it is too long for that, with a raw block of `rawBytes` behind it, or where there is no kernel. Borrowed until the
 * next use of the kernel.
 */
export function frameMemory(frameBytes: number, rawBytes: number): Buffer | undefined {
  const kernel = sharedKernel()
  const bytes = frameBytes + rawBytes + 2 * KERNEL_SLACK
  if (kernel === undefined || KERNEL_START + bytes > KERNEL_BYTES_MAX) return undefined
  kernel.reserve(bytes)
  return kernel.memory
}

/** The most bytes that `compress` writes for `rawLength`. */
export function compressedLengthMax(rawLength: number): number {
  return 32 + rawLength + Math.ceil(rawLength / 6)
}
