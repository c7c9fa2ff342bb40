import { createRequire } from 'node:module'
import * as fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import {
  CODEC_NONE,
  CODEC_SNAPPY,
  CODEC_ZSTD,
  type Codec,
  CodecRegistry,
  type CompressionName,
  codecById,
  codecForWriting,
  isCodecId,
} from '../../../src/codec/compression.js'
import { loadSnappy } from '../../../src/codec/snappy.js'
import { frameContentSize, loadNodeZstd, loadWasmZstd, loadZstd, prepareZstd } from '../../../src/codec/zstd.js'
import { Random } from '../../../src/util/random.js'
import { anyDamage, damaged, runs } from './properties.js'

const nodeZstd = loadNodeZstd()
const codecs: [string, Codec][] = [
  ['none', codecById(CODEC_NONE)],
  ['snappy', loadSnappy()],
  ['zstd of the package', loadWasmZstd()],
]
if (nodeZstd !== undefined) codecs.push(['zstd of Node', nodeZstd])

/** The raw bytes of all of `compressed`. */
function restore(codec: Codec, compressed: Uint8Array, rawLength: number): Buffer {
  return codec.decompress(compressed, 0, compressed.length, rawLength)
}

/** Bytes that compress to about half: every other one is random. */
function halfRandom(length: number): Buffer {
  const random = new Random(length)
  const bytes = Buffer.alloc(length, 'x')
  for (let i = 0; i < length; i += 2) bytes[i] = random.uint32() >>> 24
  return bytes
}

test('the numbers on disk stay', () => {
  expect([CODEC_NONE, CODEC_SNAPPY, CODEC_ZSTD]).toEqual([0, 1, 2])
  for (const [id, name] of [
    [0, 'none'],
    [1, 'snappy'],
    [2, 'zstd'],
  ] as const) {
    expect(codecById(id)).toMatchObject({ id, name })
    expect(codecForWriting(name)).toBe(codecById(id))
  }
  expect([-1, 0, 1, 2, 3, 255].map((id) => isCodecId(id))).toEqual([false, true, true, true, false, false])
})

describe.each(codecs)('%s', (_name, codec) => {
  test('gives back what was compressed, in memory of its own and of exactly that size', () => {
    for (const length of [0, 1, 2, 63, 64, 100, 4095, 4096, 16_384, 16_385, 70_000, 300_000]) {
      for (const raw of [Buffer.alloc(length, 'varve '), halfRandom(length)]) {
        const back = restore(codec, codec.compress(raw, 1), length)
        expect(back.equals(raw)).toBe(true)
        expect(back.buffer.byteLength).toBe(length)
        const target = Buffer.alloc(length + 5, 9)
        const compressed = Buffer.from(codec.compress(raw, 1))
        codec.decompressInto(compressed, 0, compressed.length, target, length)
        expect(target.subarray(0, length).equals(raw)).toBe(true)
        expect(target.subarray(length).equals(Buffer.alloc(5, 9))).toBe(true)
      }
    }
  })

  test('gives back anything, at any level, from anywhere in a larger array', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), fc.integer({ min: 1, max: 12 }), fc.nat(9), (raw, level, before) => {
        const around = Buffer.concat([Buffer.alloc(before, 1), raw, Buffer.alloc(3, 2)])
        const compressed = codec.compress(around.subarray(before, before + raw.length), level)
        const stored = Buffer.concat([Buffer.alloc(before, 3), compressed, Buffer.alloc(3, 4)])
        const back = codec.decompress(stored, before, before + compressed.length, raw.length)
        expect(back.equals(raw)).toBe(true)
      }),
      runs(200),
    )
  })

  test('refuses a raw length that is not the one of the block', () => {
    const compressed = Buffer.from(codec.compress(halfRandom(1000), 1))
    for (const length of [0, 1, 999, 1001, 65_536, 2 ** 31, 2 ** 32 - 1]) {
      expect(() => restore(codec, compressed, length)).toThrow(Error)
      expect(() => codec.decompressInto(compressed, 0, compressed.length, Buffer.alloc(70_000), length)).toThrow(Error)
    }
  })

  test('results stay as they are while later blocks are worked on', () => {
    const [a, b] = [halfRandom(5000), Buffer.alloc(5000, 7)]
    const [compressedA, compressedB] = [a, b].map((raw) => Buffer.from(codec.compress(raw, 1))) as [Buffer, Buffer]
    const backA = restore(codec, compressedA, a.length)
    restore(codec, compressedB, b.length)
    expect(backA.equals(a)).toBe(true)
    expect(restore(codec, compressedA, a.length).equals(a)).toBe(true)
  })

  test('damage gives an error or the right length, and the codec works on', () => {
    const raw = halfRandom(2000)
    const compressed = Buffer.from(codec.compress(raw, 1))
    fc.assert(
      fc.property(anyDamage, (damage) => {
        try {
          expect(restore(codec, damaged(compressed, damage), raw.length)).toHaveLength(raw.length)
        } catch (error) {
          expect(error).toBeInstanceOf(Error)
        }
        expect(restore(codec, compressed, raw.length).equals(raw)).toBe(true)
      }),
      runs(300),
    )
  })
})

describe.each(codecs.filter(([, codec]) => codec.name !== 'none'))('%s', (_name, codec) => {
  test('refuses a claim of gigabytes before it allocates for it', () => {
    const claims = {
      snappy: Buffer.from('ffffffff0f00', 'hex'),
      zstd: Buffer.from('28b52ffda0ffffff7f0300', 'hex'),
    }
    const before = process.memoryUsage().arrayBuffers
    expect(() => restore(codec, claims[codec.name as 'snappy' | 'zstd'], 16_384)).toThrow('claims')
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1_000_000)
  })

  test('compresses', () => {
    expect(codec.compress(Buffer.alloc(16_384, 'varve '), 1).length).toBeLessThan(2000)
  })
})

describe('what is absent', () => {
  const absent = (): never => {
    throw Object.assign(new Error("Cannot find module 'x'"), { code: 'MODULE_NOT_FOUND' })
  }

  test.each<[CompressionName, number, string[]]>([
    ['snappy', CODEC_SNAPPY, ['WebAssembly']],
    ['zstd', CODEC_ZSTD, ['npm install @bokuweb/zstd-wasm', '22.15']],
  ])('%s: cannot be read, with the remedy in the message, and cannot be written', (name, id, remedies) => {
    const registry = new CodecRegistry({ snappy: absent, zstd: absent })
    expect(registry.forWriting(name)).toBeUndefined()
    for (const remedy of remedies) expect(() => registry.byId(id)).toThrow(remedy)
    expect(() => registry.byId(id)).toThrow(expect.objectContaining({ code: 'ERR_CODEC_UNAVAILABLE', cause: expect.any(Error) as Error }))
  })

  test('the others work, and so does none', () => {
    const registry = new CodecRegistry({ snappy: absent, zstd: loadZstd })
    expect(registry.forWriting('zstd')?.name).toBe('zstd')
    expect(registry.forWriting('none')?.name).toBe('none')
    expect(registry.byId(CODEC_NONE).decompress(Buffer.from('raw'), 0, 3, 3).toString()).toBe('raw')
  })

  test('nothing is loaded before it is asked for, and then once', () => {
    const loaders = { snappy: vi.fn<() => Codec>(() => loadSnappy()), zstd: vi.fn<() => Codec>(absent) }
    const registry = new CodecRegistry(loaders)
    registry.byId(CODEC_NONE)
    expect(loaders.snappy).not.toHaveBeenCalled()
    registry.byId(CODEC_SNAPPY)
    registry.forWriting('snappy')
    registry.forWriting('zstd')
    registry.forWriting('zstd')
    expect([loaders.snappy.mock.calls.length, loaders.zstd.mock.calls.length]).toEqual([1, 1])
  })

  test('a package that cannot be resolved is absent', () => {
    const lost = createRequire('file:///nowhere/at/all.js')
    expect(() => loadWasmZstd(lost)).toThrow('@bokuweb/zstd-wasm')
  })

  test('a number that no codec has is the error of the caller', () => {
    expect(() => codecById(7)).toThrow('no codec with the number 7')
  })
})

describe('zstd', () => {
  test.each([
    ['an empty source', '', -1],
    ['no magic', '00000000000000', -1],
    ['a header that is cut off', '28b52ffda0ffff', -1],
    ['no size in the header', '28b52ffd00580300', -1],
    ['one byte', '28b52ffd2005', 5],
    ['two bytes, counted from 256', '28b52ffd600000', 256],
    ['four bytes', '28b52ffda078563412', 0x1234_5678],
    ['a window descriptor before it', '28b52ffd805878563412', 0x1234_5678],
    ['a dictionary number of one byte before it', '28b52ffd21990a', 10],
    ['a dictionary number of two bytes before it', '28b52ffd2299990a', 10],
    ['a dictionary number of four bytes before it', '28b52ffd23999999990a', 10],
    ['a dictionary number and nothing after it', '28b52ffd229999', -1],
    ['eight bytes', '28b52ffde00000000001000000', 2 ** 32],
    ['eight bytes beyond 2^53', '28b52ffde0ffffffffffffffff', 2 ** 64],
  ])('the content size in a header with %s', (_name, hex, size) => {
    expect(frameContentSize(Buffer.from(hex, 'hex'))).toBe(size)
  })

  test('every implementation reads the frames of the other', () => {
    const raw = halfRandom(20_000)
    const all = codecs.filter(([, codec]) => codec.name === 'zstd').map(([, codec]) => codec)
    for (const writer of all) for (const reader of all) expect(restore(reader, writer.compress(raw, 3), raw.length).equals(raw)).toBe(true)
  })

  test('a higher level compresses better', () => {
    const zstd = loadWasmZstd()
    const random = new Random(5)
    const words = Array.from({ length: 500 }, () => random.uint32().toString(36))
    const raw = Buffer.from(Array.from({ length: 5000 }, () => random.pick(words)).join(' '))
    expect(zstd.compress(raw, 12).length).toBeLessThan(zstd.compress(raw, 1).length)
  })

  test('the application has another copy of the package, untouched', () => {
    const require = createRequire(import.meta.url)
    const file = require.resolve('@bokuweb/zstd-wasm').replace('index.node.js', 'zstd.js')
    const { Module } = require(file) as { Module: { calledRun?: boolean } }
    loadWasmZstd().compress(Buffer.from('x'), 1)
    expect((require(file) as { Module: object }).Module).toBe(Module)
    expect(Module.calledRun).toBeUndefined()
  })

  test.skipIf(nodeZstd !== undefined)('once prepared, nothing is compiled on the spot any more', async () => {
    await prepareZstd()
    const { WebAssembly } = globalThis as unknown as { WebAssembly: { Module: () => object } }
    const compile = vi.spyOn(WebAssembly, 'Module')
    try {
      const zstd = loadWasmZstd()
      const raw = halfRandom(5000)
      expect(restore(zstd, zstd.compress(raw, 1), raw.length).equals(raw)).toBe(true)
      expect(compile).not.toHaveBeenCalled()
    } finally {
      compile.mockRestore()
    }
  })

  test('a large block does not leave its memory behind', () => {
    const zstd = loadWasmZstd()
    const raw = halfRandom(24 * 1024 * 1024)
    const compressed = zstd.compress(raw, 1)
    expect(restore(zstd, compressed, raw.length).equals(raw)).toBe(true)
    const instances = countInstances(() => zstd.compress(Buffer.from('small'), 1))
    expect(instances).toBe(1)
    expect(countInstances(() => zstd.compress(Buffer.from('small'), 1))).toBe(0)
  })
})

/** How many WebAssembly instances are made during a call. */
function countInstances(call: () => unknown): number {
  const { WebAssembly } = globalThis as unknown as { WebAssembly: { Instance: new (...given: unknown[]) => object } }
  const { Instance } = WebAssembly
  let count = 0
  WebAssembly.Instance = class extends Instance {
    constructor(...given: unknown[]) {
      super(...given)
      count++
    }
  }
  try {
    call()
  } finally {
    WebAssembly.Instance = Instance
  }
  return count
}
