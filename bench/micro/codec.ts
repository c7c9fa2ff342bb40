/**
 * The hot functions of `src/codec/`, in nanoseconds per call: `npm run build:tools && node build/bench/micro/codec.js [filter]`.
 *
 * One sample is a round of many calls, because a clock costs as much as most of these functions. The fastest tenth counts: what other
 * processes take away is noise. With a filter, only the lines that contain it are measured, each kind of input alone in its process, which
 * is kinder to the compiler than the engine is.
 */
import { Decoder, Encoder } from '@msgpack/msgpack'
import { Bench } from 'tinybench'
import xxhash from 'xxhash-wasm'
import { compareBytes } from '../../src/codec/bytes.js'
import { checksum32, checksum32Js } from '../../src/codec/checksum.js'
import { type CompressionName, codecForWriting } from '../../src/codec/compression.js'
import { hashKey } from '../../src/codec/hash.js'
import { KeyScratch, decodeKeyString } from '../../src/codec/key.js'
import { type RecordValue, type Value, decodeValue, valueByteLengthMax, writeValue } from '../../src/codec/value.js'
import { readVarint, writeVarint } from '../../src/codec/varint.js'
import { publish } from './figures.js'

const ROUND = 1000
const bench = new Bench({ time: 150, warmupTime: 50 })
const filter = process.argv[2] ?? ''
let sink = 0

/** Adds a line; `call` gets numbers from 0 and returns anything that depends on its work. */
function add(name: string, call: (i: number) => number, round = ROUND): void {
  if (!name.includes(filter)) return
  bench.add(name, () => {
    for (let i = 0; i < round; i++) sink = (sink + call(i)) | 0
  })
  rounds.set(name, round)
}

const rounds = new Map<string, number>()

const COUNT = 256
const numbered = <T>(make: (i: number) => T): T[] => Array.from({ length: COUNT }, (_, i) => make(i))
const target = Buffer.allocUnsafeSlow(1 << 20)

function addKeys(): void {
  const scratch = new KeyScratch()
  for (const length of [8, 16, 24, 40, 100]) {
    const keys = numbered((i) => `k${i}`.padEnd(length, 'abcdefgh'))
    add(`KeyScratch.set ${length} ASCII`, (i) => scratch.set(keys[i & 255]!))
  }
  const cyrillic = numbered((i) => `ключ${i}`.padEnd(16, 'ж'))
  add('KeyScratch.set 16 Cyrillic', (i) => scratch.set(cyrillic[i & 255]!))
  const bytes = numbered((i) => Buffer.from(`key${i}`.padEnd(16, '0')))
  add('KeyScratch.set 16 bytes', (i) => scratch.set(bytes[i & 255]!))
  add('decodeKeyString 16', (i) => decodeKeyString(bytes[i & 255]!, 0, 16).length)
  add('compareBytes 16, differ at 12', (i) => compareBytes(bytes[i & 255]!, 0, 16, bytes[(i + 1) & 255]!, 0, 16))
  const alike = numbered((i) => Buffer.from(`${'x'.repeat(100)}${i}`))
  add('compareBytes 100 equal', (i) => compareBytes(alike[i & 255]!, 0, 100, alike[(i + 1) & 255]!, 0, 100))
}

function addVarints(): void {
  for (const value of [5, 300, 70_000]) {
    add(`writeVarint ${value}`, (i) => writeVarint(target, i, value))
    const written = Buffer.alloc(8)
    writeVarint(written, 0, value)
    add(`readVarint ${value}`, () => readVarint(written, 0, 8))
  }
}

async function addHashes(): Promise<void> {
  const { h32Raw } = await xxhash()
  for (const length of [8, 16, 24, 40]) {
    const keys = numbered((i) => Buffer.from(`key${i}`.padEnd(length, '0')))
    add(`hashKey ${length}`, (i) => hashKey(keys[i & 255]!, 0, length))
    add(`  h32Raw of a view made before ${length}`, (i) => h32Raw(keys[i & 255]!, 1))
    add(`  h32Raw of a new view ${length}`, (i) => h32Raw(target.subarray(i, i + length), 1))
  }
  for (const length of [50, 100, 150, 200, 300, 1000, 16_384]) {
    const round = Math.ceil(200_000 / (length + 100))
    add(`checksum32 ${length}`, (i) => checksum32(target, i, i + length, 7), round)
    add(`  JavaScript ${length}`, (i) => checksum32Js(target, i, i + length, 7), round)
    add(`  xxhash-wasm ${length}`, (i) => h32Raw(target.subarray(i, i + length), 7), round)
  }
}

function addValues(): void {
  const kinds: Record<string, Value[]> = {
    'string 16': numbered((i) => `value${i}`.padEnd(16, 'v')),
    'string 100': numbered((i) => `value${i}`.padEnd(100, 'v')),
    'int64 of number': numbered((i) => i * 1_000_003),
    'int64 of bigint': numbered((i) => BigInt(i) * 1_000_003n),
    float64: numbered((i) => i / 3),
    boolean: numbered((i) => i % 2 === 0),
    'bytes 100': numbered((i) => Buffer.alloc(100, i)),
  }
  for (const [kind, values] of Object.entries(kinds)) {
    add(`write value ${kind}`, (i) => {
      const value = values[i & 255]!
      return valueByteLengthMax(value) + writeValue(target, 8, value)
    })
    const written = values.map((value) => encoded(value))
    add(`decodeValue ${kind}`, (i) => {
      const bytes = written[i & 255]!
      return decodeValue(bytes, 0, bytes.length) === undefined ? 1 : 2
    })
  }
}

function encoded(value: Value): Buffer {
  const bytes = Buffer.alloc(valueByteLengthMax(value))
  return bytes.subarray(0, writeValue(bytes, 0, value))
}

function addRecords(): void {
  const kinds: Record<string, RecordValue[]> = {
    'of 2 fields': numbered((i) => ({ name: `Ada ${i}`, age: i })),
    'of 11 fields': numbered((i) => ({
      id: i * 7919,
      name: `Ada Lovelace ${i}`,
      email: `ada${i}@example.com`,
      age: 36,
      active: true,
      tags: ['admin', 'author', 'editor'],
      score: i / 3,
      address: { street: 'Some Street 12', zip: '12345', position: [52.1, 13.4] },
    })),
  }
  const encoder = new Encoder({ useBigInt64: true, ignoreUndefined: true })
  const decoder = new Decoder({ useBigInt64: true })
  for (const [kind, records] of Object.entries(kinds)) {
    add(`write record ${kind}`, (i) => {
      const record = records[i & 255]!
      return valueByteLengthMax(record) + writeValue(target, 8, record)
    })
    add(`  @msgpack/msgpack ${kind}`, (i) => {
      const shared = encoder.encodeSharedRef(records[i & 255])
      target.set(shared, 8)
      return shared.length
    })
    const written = records.map((record) => encoded(record))
    add(`decode record ${kind}`, (i) => {
      const bytes = written[i & 255]!
      return decodeValue(bytes, 0, bytes.length) === null ? 1 : 2
    })
    add(`  @msgpack/msgpack decode ${kind}`, (i) => {
      const bytes = written[i & 255]!
      return decoder.decode(bytes.subarray(1)) === null ? 1 : 2
    })
  }
}

function addCompression(): void {
  const block = Buffer.alloc(16_384)
  const lines = numbered((i) => JSON.stringify({ id: i * 7919, name: `user ${(i * 31) % 97}`, mail: `user${i}@example.com`, score: i / 7 }))
  for (let offset = 0, i = 0; offset < block.length; i++) offset += block.write(lines[i & 255]!, offset)
  for (const name of ['zstd', 'snappy'] satisfies CompressionName[]) {
    const codec = codecForWriting(name)
    if (codec === undefined) continue
    const compressed = Buffer.from(codec.compress(block, 1))
    add(`${name} compress 16 KiB (to ${compressed.length})`, () => codec.compress(block, 1).length, 20)
    add(
      `${name} decompress 16 KiB to given memory`,
      () => {
        codec.decompressInto(compressed, 0, compressed.length, target, block.length)
        return 1
      },
      20,
    )
    add(`${name} decompress 16 KiB`, () => codec.decompress(compressed, 0, compressed.length, block.length).length, 20)
  }
}

addKeys()
addVarints()
await addHashes()
addValues()
addRecords()
addCompression()
await bench.run()
for (const task of bench.tasks) {
  const { result } = task
  if (result.state !== 'completed') continue
  const perCall = (milliseconds: number): number => (milliseconds * 1e6) / rounds.get(task.name)!
  publish('codec', task.name.trim(), perCall(result.latency.min), perCall(result.latency.p50))
}
if (sink === 0.5) console.log('never')
