/**
 * Block compression: `zstd`, `snappy` or `none`, all synchronous, so that a block can be read on the synchronous path.
 *
 * A block stores the number of its codec. Codecs load when first asked for, so a store opens, writes and reads without what a codec
 * needs: `codecForWriting` is then `undefined` and the writer stores raw blocks, while `codecById` throws `ERR_CODEC_UNAVAILABLE`, naming
 * what is missing, where a block needs it to be read.
 *
 * | number | codec | comes from |
 * |---|---|---|
 * | 0 | none | here |
 * | 1 | snappy | the kernel, in WebAssembly (`snappy.ts`) |
 * | 2 | zstd | `node:zlib` (Node ≥ 22.15), else package `@bokuweb/zstd-wasm` |
 *
 * Codecs trust nothing: the length a compressed block claims is checked against the length its reader expects before anything is
 * allocated for it. They throw a plain `Error`; the caller knows file and offset and makes `ERR_CORRUPTION` of it.
 */
import { StoreError } from '../util/errors.js'
import { loadSnappy } from './snappy.js'
import { loadZstd } from './zstd.js'

/** What the option `compression` accepts. */
export type CompressionName = 'zstd' | 'snappy' | 'none'

/** Numbers of codecs. They are on disk: DO NOT CHANGE, only add. */
export const CODEC_NONE = 0
export const CODEC_SNAPPY = 1
export const CODEC_ZSTD = 2

/** A compression method. */
export interface Codec {
  /** Its number on disk. */
  readonly id: number
  readonly name: CompressionName
  /**
   * The compressed form of `source`; borrowed until the next call of any codec or checksum (with `none` it is `source`). `level` is for
   * zstd (1 to 22); the others have none.
   */
  compress(source: Uint8Array, level: number): Uint8Array
  /**
   * The `rawLength` bytes that source[start, end) holds compressed, in an allocation of exactly that size, fit for keeping. Throws a plain
   * `Error` when it does not hold exactly that many, before it allocates for them where the format tells, and a `RangeError` when there is
   * no memory to find out.
   */
  decompress(source: Uint8Array, start: number, end: number, rawLength: number): Buffer
  /** The same to target[0, rawLength). After an error there may be anything. */
  decompressInto(source: Uint8Array, start: number, end: number, target: Uint8Array, rawLength: number): void
}

/** How codecs are got. Each throws when what it needs cannot be loaded. */
export interface CodecLoaders {
  readonly snappy: () => Codec
  readonly zstd: () => Codec
}

const REMEDIES: Readonly<Record<'snappy' | 'zstd', string>> = {
  snappy: 'WebAssembly is needed, and this Node.js was started without it, or without the address space for it',
  zstd: 'install the package @bokuweb/zstd-wasm (npm install @bokuweb/zstd-wasm), or use Node.js 22.15 or later',
}

const noneCodec: Codec = {
  id: CODEC_NONE,
  name: 'none',
  compress: (source) => source,
  decompress(source, start, end, rawLength) {
    checkRawLength(start, end, rawLength)
    const copy = Buffer.allocUnsafeSlow(rawLength)
    copy.set(source.subarray(start, end), 0)
    return copy
  },
  decompressInto(source, start, end, target, rawLength) {
    checkRawLength(start, end, rawLength)
    target.set(source.subarray(start, end), 0)
  },
}

function checkRawLength(start: number, end: number, rawLength: number): void {
  if (end - start !== rawLength) throw new Error(`the block has ${end - start} bytes instead of ${rawLength}`)
}

/** Codecs by number and name, each loaded at its first use. A failure to load is remembered, too. */
export class CodecRegistry {
  readonly #loaders: CodecLoaders
  readonly #loaded = new Map<CompressionName, Codec | StoreError>([['none', noneCodec]])

  constructor(loaders: CodecLoaders) {
    this.#loaders = loaders
  }

  /**
   * The codec that wrote a block. Throws `ERR_CODEC_UNAVAILABLE` when what it needs cannot be loaded. A number that no codec has is damage:
   * test it with `isCodecId` first.
   */
  byId(id: number): Codec {
    const codec = this.#load(nameOf(id))
    if (codec instanceof StoreError) throw new StoreError(codec.code, codec.message, { cause: codec.cause })
    return codec
  }

  /** The codec to write with, or `undefined` when what it needs cannot be loaded. */
  forWriting(name: CompressionName): Codec | undefined {
    const codec = this.#load(name)
    return codec instanceof StoreError ? undefined : codec
  }

  #load(name: CompressionName): Codec | StoreError {
    const known = this.#loaded.get(name)
    if (known !== undefined) return known
    const loaded = this.#tryLoad(name as 'snappy' | 'zstd')
    this.#loaded.set(name, loaded)
    return loaded
  }

  #tryLoad(name: 'snappy' | 'zstd'): Codec | StoreError {
    try {
      return this.#loaders[name]()
    } catch (cause) {
      const message = `blocks compressed with ${name} cannot be read here: ${REMEDIES[name]}`
      return new StoreError('ERR_CODEC_UNAVAILABLE', message, { cause })
    }
  }
}

function nameOf(id: number): CompressionName {
  if (id === CODEC_NONE) return 'none'
  if (id === CODEC_SNAPPY) return 'snappy'
  if (id === CODEC_ZSTD) return 'zstd'
  throw new Error(`there is no codec with the number ${id}`)
}

/** Whether a codec has this number. */
export function isCodecId(id: number): boolean {
  return id === CODEC_NONE || id === CODEC_SNAPPY || id === CODEC_ZSTD
}

/** The registry of this thread. */
export const defaultCodecs: CodecRegistry = new CodecRegistry({ snappy: loadSnappy, zstd: loadZstd })

/** The codec that wrote a block, from the registry of this thread. See {@link CodecRegistry.byId}. */
export function codecById(id: number): Codec {
  return defaultCodecs.byId(id)
}

/** The codec to write with, from the registry of this thread. See {@link CodecRegistry.forWriting}. */
export function codecForWriting(name: CompressionName): Codec | undefined {
  return defaultCodecs.forWriting(name)
}
