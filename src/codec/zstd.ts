/**
 * Zstandard, synchronously: from `node:zlib` where it has it (Node ≥ 22.15 and ≥ 23.8), else from `@bokuweb/zstd-wasm`. Both read each
 * other's frames.
 *
 * The package offers only an asynchronous start and an interface that allocates, copies and makes a context per call. So its emscripten
 * module is loaded beneath that interface, from its file, and started with a synchronous `WebAssembly.Instance`; contexts and buffers in
 * its memory are kept from call to call. Measured on 16 KiB of JSON, level 1: 70 µs instead of 120 µs to compress.
 *
 * Invariants
 * 1. The loaded module is a private copy: an application that uses the package itself has another one, with another memory.
 * 2. WebAssembly memory never shrinks, so an instance whose memory grew over `HEAP_BYTES_KEPT` is let go after the call.
 * 3. No frame is decoded whose header does not state exactly the length that the caller expects.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import * as zlib from 'node:zlib'
import type { Codec } from './compression.js'
import { readUint16, readUint32, readUint53 } from './bytes.js'

const PACKAGE = '@bokuweb/zstd-wasm'

/** What is used of WebAssembly's synchronous interface; its types are part of the browser's library alone. */
declare const WebAssembly: {
  readonly compile: (bytes: Uint8Array) => Promise<object>
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object, imports: object) => object
}

/** An instance with more memory than this is not kept. It starts with 16 MiB, of which only the pages in use are resident. */
const HEAP_BYTES_KEPT = 32 * 1024 * 1024

/** The program in this file, compiled ahead of its first use. */
let compiled: { readonly file: string; readonly program: object } | undefined
let preparing: Promise<void> | undefined

/**
 * Has the package's program compiled on a thread of V8's, so that `loadZstd` need not do it on this one. Nothing happens where Node has
 * zstd itself, and where there is no package: `loadZstd` tells when it is needed.
 */
export function prepareZstd(): Promise<void> {
  preparing ??= compileAhead()
  return preparing
}

async function compileAhead(): Promise<void> {
  if (loadNodeZstd() !== undefined) return
  try {
    const file = join(dirname(createRequire(import.meta.url).resolve(PACKAGE)), 'zstd.wasm')
    compiled = { file, program: await WebAssembly.compile(readFileSync(file)) }
  } catch {
    compiled = undefined
  }
}

/** Loads zstd from wherever it is to be had; throws when it is nowhere. */
export function loadZstd(): Codec {
  return loadNodeZstd() ?? loadWasmZstd()
}

/** What `node:zlib` offers since Node 22.15. */
interface NodeZstd {
  zstdCompressSync?: (source: Uint8Array, options: object) => Buffer
  zstdDecompressSync?: (source: Uint8Array, options: object) => Buffer
  constants: { ZSTD_c_compressionLevel?: number }
}

/** zstd of Node itself, or `undefined` where Node has none. */
export function loadNodeZstd(node: NodeZstd = zlib as unknown as NodeZstd): Codec | undefined {
  const compressSync = node.zstdCompressSync
  const decompressSync = node.zstdDecompressSync
  const levelParameter = node.constants.ZSTD_c_compressionLevel
  if (compressSync === undefined || decompressSync === undefined || levelParameter === undefined) return undefined
  const decode = (frame: Uint8Array, rawLength: number): Buffer => {
    checkFrame(frame, rawLength)
    let raw: Buffer
    try {
      raw = decompressSync(frame, { chunkSize: Math.max(rawLength + 1, 64), maxOutputLength: Math.max(rawLength, 1) })
    } catch (cause) {
      // Node has a RangeError for a frame that holds more than its header says, too, and that is damage.
      throw new Error('the zstd frame is damaged', { cause })
    }
    if (raw.length !== rawLength) throw new Error(`the zstd frame holds ${raw.length} bytes instead of ${rawLength}`)
    return raw
  }
  return {
    id: 2,
    name: 'zstd',
    compress(source, level) {
      // One chunk that surely holds the result: the default makes Node join several.
      return compressSync(source, {
        params: { [levelParameter]: level },
        pledgedSrcSize: source.length,
        chunkSize: compressedLengthMax(source.length),
      })
    },
    decompress(source, start, end, rawLength) {
      const raw = decode(source.subarray(start, end), rawLength)
      const own = Buffer.allocUnsafeSlow(rawLength)
      raw.copy(own)
      return own
    },
    decompressInto(source, start, end, target, rawLength) {
      decode(source.subarray(start, end), rawLength).copy(target)
    },
  }
}

/** The emscripten module of the package, as far as it is used. Its functions take and give numbers: pointers, lengths, results. */
interface EmscriptenModule {
  instantiateWasm?: (imports: object, receive: (instance: object) => unknown) => unknown
  init(): void
  calledRun?: boolean
  /** All of its memory; another view after it has grown. */
  readonly HEAPU8: Uint8Array
  readonly _malloc: (bytes: number) => number
  readonly _free: (pointer: number) => void
  readonly _ZSTD_createCCtx: () => number
  readonly _ZSTD_createDCtx: () => number
  readonly _ZSTD_compress_usingDict: (...context_target_source_dictionary_level: number[]) => number
  readonly _ZSTD_decompress_usingDict: (...context_target_source_dictionary: number[]) => number
}

/** A started module, under readable names. */
interface Zstd {
  readonly memory: () => Uint8Array
  readonly malloc: EmscriptenModule['_malloc']
  readonly free: EmscriptenModule['_free']
  readonly createCompressContext: EmscriptenModule['_ZSTD_createCCtx']
  readonly createDecompressContext: EmscriptenModule['_ZSTD_createDCtx']
  /** With no dictionary this is `ZSTD_compressCCtx`, which the package does not export. */
  readonly compress: EmscriptenModule['_ZSTD_compress_usingDict']
  /** With no dictionary this is `ZSTD_decompressDCtx`. */
  readonly decompress: EmscriptenModule['_ZSTD_decompress_usingDict']
}

/**
 * zstd of the package; throws when it is not installed or not as expected.
 * @param require resolves the package; another one in tests
 */
export function loadWasmZstd(require: NodeJS.Require = createRequire(import.meta.url)): Codec {
  const folder = dirname(require.resolve(PACKAGE))
  const file = join(folder, 'zstd.wasm')
  const program = compiled?.file === file ? compiled.program : new WebAssembly.Module(readFileSync(file))
  return new WasmZstd(() => startModule(require, join(folder, 'zstd.js'), program))
}

/** A fresh module in its own memory. */
function startModule(require: NodeJS.Require, file: string, program: object): Zstd {
  const cached = require.cache[file]
  delete require.cache[file]
  let emscripten: EmscriptenModule
  try {
    emscripten = (require(file) as { Module: EmscriptenModule }).Module
  } finally {
    if (cached === undefined) delete require.cache[file]
    else require.cache[file] = cached
  }
  emscripten.instantiateWasm = (imports, receive) => receive(new WebAssembly.Instance(program, imports))
  emscripten.init()
  const { _malloc: malloc, _free: free } = emscripten
  const { _ZSTD_createCCtx: createCompressContext, _ZSTD_createDCtx: createDecompressContext } = emscripten
  const { _ZSTD_compress_usingDict: compress, _ZSTD_decompress_usingDict: decompress } = emscripten
  const isUsable =
    emscripten.calledRun === true && [malloc, free, createCompressContext, createDecompressContext, compress, decompress].every(isFunction)
  if (!isUsable) throw new Error(`${PACKAGE} did not start: version 0.0.27 of it is needed`)
  return { memory: () => emscripten.HEAPU8, malloc, free, createCompressContext, createDecompressContext, compress, decompress }
}

function isFunction(value: unknown): boolean {
  return typeof value === 'function'
}

/** zstd over one module, with contexts and buffers that are kept from call to call. */
class WasmZstd implements Codec {
  readonly id = 2
  readonly name = 'zstd'
  readonly #start: () => Zstd
  #zstd: Zstd | undefined
  #compressContext = 0
  #decompressContext = 0
  #source = 0
  #sourceBytes = 0
  #target = 0
  #targetBytes = 0

  constructor(start: () => Zstd) {
    this.#start = start
    this.#use()
  }

  compress(source: Uint8Array, level: number): Buffer {
    const bound = compressedLengthMax(source.length)
    let isSound = false
    try {
      const zstd = this.#use()
      this.#reserve(zstd, source.length, bound)
      if (this.#compressContext === 0) this.#compressContext = allocated(zstd.createCompressContext())
      zstd.memory().set(source, this.#source)
      const length = zstd.compress(this.#compressContext, this.#target, bound, this.#source, source.length, 0, 0, level)
      if (length < 0) throw failure(-length)
      isSound = true
      return copyOut(zstd, this.#target, length)
    } finally {
      this.#keep(isSound)
    }
  }

  decompress(source: Uint8Array, start: number, end: number, rawLength: number): Buffer {
    const frame = source.subarray(start, end)
    checkFrame(frame, rawLength)
    const target = Buffer.allocUnsafeSlow(rawLength)
    this.#decode(frame, target, rawLength)
    return target
  }

  decompressInto(source: Uint8Array, start: number, end: number, target: Uint8Array, rawLength: number): void {
    const frame = source.subarray(start, end)
    checkFrame(frame, rawLength)
    this.#decode(frame, target, rawLength)
  }

  #decode(frame: Uint8Array, target: Uint8Array, rawLength: number): void {
    let isSound = false
    try {
      const zstd = this.#use()
      this.#reserve(zstd, frame.length, rawLength)
      if (this.#decompressContext === 0) this.#decompressContext = allocated(zstd.createDecompressContext())
      zstd.memory().set(frame, this.#source)
      const length = zstd.decompress(this.#decompressContext, this.#target, rawLength, this.#source, frame.length, 0, 0)
      if (length < 0) throw failure(-length)
      if (length !== rawLength) throw new Error(`the zstd frame holds ${length} bytes instead of ${rawLength}`)
      target.set(zstd.memory().subarray(this.#target, this.#target + length), 0)
      isSound = true
    } finally {
      this.#keep(isSound)
    }
  }

  /** Lets the module go after an error, and when its memory has grown too much. */
  #keep(isSound: boolean): void {
    if (!isSound || (this.#zstd !== undefined && this.#zstd.memory().length > HEAP_BYTES_KEPT)) this.#zstd = undefined
  }

  /** The module, started again if it was let go. */
  #use(): Zstd {
    if (this.#zstd !== undefined) return this.#zstd
    this.#compressContext = 0
    this.#decompressContext = 0
    this.#source = 0
    this.#sourceBytes = 0
    this.#target = 0
    this.#targetBytes = 0
    this.#zstd = this.#start()
    return this.#zstd
  }

  #reserve(zstd: Zstd, sourceBytes: number, targetBytes: number): void {
    if (this.#sourceBytes < sourceBytes || this.#source === 0) {
      if (this.#source !== 0) zstd.free(this.#source)
      this.#sourceBytes = roundUp(sourceBytes)
      this.#source = allocated(zstd.malloc(this.#sourceBytes))
    }
    if (this.#targetBytes < targetBytes || this.#target === 0) {
      if (this.#target !== 0) zstd.free(this.#target)
      this.#targetBytes = roundUp(targetBytes)
      this.#target = allocated(zstd.malloc(this.#targetBytes))
    }
  }
}

function copyOut(zstd: Zstd, start: number, length: number): Buffer {
  const copy = Buffer.allocUnsafeSlow(length)
  copy.set(zstd.memory().subarray(start, start + length), 0)
  return copy
}

/** `ZSTD_error_memory_allocation` */
const OUT_OF_MEMORY = 64

function failure(code: number): Error {
  return code === OUT_OF_MEMORY ? new RangeError('zstd is out of memory') : new Error(`zstd failed with error ${code}`)
}

function allocated(pointer: number): number {
  if (pointer === 0) throw new RangeError('zstd is out of memory')
  return pointer
}

/** The next multiple of 64 KiB, so that buffers are not replaced for every longer block. */
function roundUp(bytes: number): number {
  return Math.ceil((bytes + 1) / 65_536) * 65_536
}

/** `ZSTD_COMPRESSBOUND`: the most bytes that a frame of `rawLength` bytes can take. */
function compressedLengthMax(rawLength: number): number {
  const small = rawLength < 131_072 ? (131_072 - rawLength) >>> 11 : 0
  return Math.max(rawLength + (rawLength >>> 8) + small, 64)
}

/** Throws unless `source` starts with a zstd frame whose header says that it holds `rawLength` bytes. */
function checkFrame(source: Uint8Array, rawLength: number): void {
  const claimed = frameContentSize(source)
  if (claimed === -1) throw new Error('the block does not start with a zstd frame that states its length')
  if (claimed !== rawLength) throw new Error(`the zstd frame claims ${claimed} bytes instead of ${rawLength}`)
}

/**
 * The content size in the frame's header (RFC 8878, section 3.1.1.1), or -1 when there is no frame or no size in it.
 *
 * | byte | field |
 * |---|---|
 * | 0 | magic `28 b5 2f fd` |
 * | 4 | descriptor: bits 7-6 size of the content size, bit 5 single segment, bits 1-0 size of the dictionary number |
 * | 5 | window descriptor, 1 byte, unless single segment |
 * | then | dictionary number, 0, 1, 2 or 4 bytes |
 * | then | content size, 0 (1 if single segment), 2, 4 or 8 bytes |
 */
export function frameContentSize(source: Uint8Array): number {
  if (source.length < 5 || readUint32(source, 0) !== 0xfd2fb528) return -1
  const descriptor = source[4]!
  const isSingleSegment = (descriptor & 0x20) !== 0
  const dictionaryBytes = (1 << (descriptor & 3)) >> 1
  const offset = 5 + (isSingleSegment ? 0 : 1) + dictionaryBytes
  const sizeFlag = descriptor >>> 6
  const sizeBytes = sizeFlag === 0 ? (isSingleSegment ? 1 : 0) : 1 << sizeFlag
  if (sizeBytes === 0 || source.length < offset + sizeBytes) return -1
  if (sizeBytes === 1) return source[offset]!
  if (sizeBytes === 2) return readUint16(source, offset) + 256
  return sizeBytes === 4 ? readUint32(source, offset) : readUint53(source, offset)
}
