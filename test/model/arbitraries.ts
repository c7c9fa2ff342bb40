/** What the model-based test is fed with: few keys, values of all types and sizes, and options of all kinds. */
import * as fc from 'fast-check'
import type { CompressionName, StoreOptions, Value } from '../../src/index.js'
import { modelKey } from '../support/history.js'
import type { ModelRange } from './subject.js'

/** Keys as the model has them: the empty one, some that begin with others, text outside of ASCII, and bytes that are no text. */
const KEYS: readonly string[] = [
  ...['', 'a', 'a\0', 'a\0\0', 'aa', 'ab', 'b', 'é', 'éa', '日本', '日本語', '😀', '\uffff'].map(modelKey),
  ...[[0], [0, 0], [0xff], [0xff, 0xff], [0xff, 0], [0xfe], [0x80], [0xc3]].map((bytes) => modelKey(Uint8Array.from(bytes))),
  ...Array.from({ length: 12 }, (_, i) => `key:${String(i).padStart(2, '0')}`),
  ...Array.from({ length: 6 }, (_, i) => `a/long/prefix/that/many/keys/share/${i}`),
]

/** One of the few keys. */
export const anyKey: fc.Arbitrary<string> = fc.constantFrom(...KEYS)

/** What ranges are told by: keys, and places between them. */
const anyPrefix: fc.Arbitrary<string> = fc.oneof(anyKey, fc.constantFrom('key:', 'key:0', 'a/', '\xff', 'k', 'zz'))

/** A range, a direction and a limit; most leave most of them out. */
export const anyRange: fc.Arbitrary<ModelRange> = fc
  .record({
    gt: rarely(anyKey),
    gte: rarely(anyKey),
    lt: rarely(anyKey),
    lte: rarely(anyKey),
    prefix: rarely(anyPrefix),
    reverse: fc.boolean(),
    limit: fc.option(fc.nat({ max: 8 }), { freq: 3, nil: undefined }),
  })
  .map((range) => Object.fromEntries(Object.entries(range).filter(([, value]) => value !== undefined)) as ModelRange)

/** A value of any type, as it comes back: a bigint only where it is no safe integer. Some are larger than the smallest memtable. */
export const anyValue: fc.Arbitrary<Value> = fc.oneof(
  { weight: 4, arbitrary: fc.integer() },
  { weight: 1, arbitrary: fc.constantFrom<Value>(0, -0, NaN, Infinity, 2 ** 53 - 1, 2n ** 63n - 1n, -(2n ** 63n), null, '', true) },
  { weight: 1, arbitrary: fc.double() },
  { weight: 3, arbitrary: fc.string({ unit: 'grapheme', maxLength: 20 }) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 40 }) },
  { weight: 1, arbitrary: fc.record({ name: fc.string(), list: fc.array(fc.integer(), { maxLength: 3 }), flag: fc.boolean() }) },
  { weight: 3, arbitrary: fc.integer({ min: 100, max: 900 }).map((length) => 'x'.repeat(length)) },
  { weight: 1, arbitrary: fc.integer({ min: 2000, max: 9000 }).map((length) => Buffer.alloc(length, 'some bytes ')) },
)

const anyCodec = fc.constantFrom<CompressionName>('none', 'snappy', 'zstd')

/** Options that must make no difference to what is read; `threads` says where background work may run. */
export function anyOptions(threads: readonly (0 | 1)[]): fc.Arbitrary<StoreOptions> {
  return fc
    .record({
      memtableSize: fc.constantFrom(4096, 4096, 8192, 65_536),
      blockSize: fc.constantFrom(64, 256, 1024, 65_536),
      blockCacheSize: fc.constantFrom(0, 4096, 1024 * 1024),
      compression: fc.oneof(anyCodec, fc.array(anyCodec, { minLength: 1, maxLength: 7 })),
      bloomFalsePositiveRate: fc.constantFrom(0, 0.01, 0.5),
      walSync: fc.constantFrom('none', 'os', 'interval', 'always'),
      walSyncInterval: fc.constantFrom(1, 100),
      readMode: fc.constantFrom('adaptive', 'sync', 'async'),
      verifyChecksums: fc.boolean(),
      keys: fc.constantFrom('string', 'bytes'),
      maxOpenTables: fc.constantFrom(8, 500),
      backgroundThreads: fc.constantFrom(...threads),
    })
    .map((options) => options as StoreOptions)
}

function rarely<T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.option(arbitrary, { freq: 1, nil: undefined }).chain((value) => fc.constantFrom(value, undefined, undefined))
}
