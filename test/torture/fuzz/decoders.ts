/** Decoders that take a stretch of bytes: values, records, keys, blocks, edits, operations, compressed blocks, names of manifests. */
import { checksum32 } from '../../../src/codec/checksum.js'
import { codecForWriting, type CompressionName } from '../../../src/codec/compression.js'
import { hashKey } from '../../../src/codec/hash.js'
import { decodeKeyString, prefixSuccessor } from '../../../src/codec/key.js'
import * as values from '../../../src/codec/value.js'
import { readVarint, varintEnd, varintLength, writeVarint } from '../../../src/codec/varint.js'
import { StoreError, type Value } from '../../../src/index.js'
import { BlockCursor } from '../../../src/sstable/block_cursor.js'
import { BlockIndex } from '../../../src/sstable/block_index.js'
import { BloomFilter } from '../../../src/sstable/bloom_filter.js'
import { entryCountOf, findStructuralDefect, findVersion, lowerBound } from '../../../src/sstable/data_block.js'
import { readFooter, FOOTER_BYTES } from '../../../src/sstable/footer.js'
import { BLOCK_TRAILER_BYTES } from '../../../src/sstable/format.js'
import { decodeProperties } from '../../../src/sstable/properties.js'
import { decodeCurrent, encodeCurrent } from '../../../src/version/current_file.js'
import { decodeEdit } from '../../../src/version/version_edit.js'
import { checkOperations, OperationReader } from '../../../src/wal/operations.js'
import type { Specimen } from '../damage/specimen.js'
import { blocksOf } from './sealing.js'
import type { Target } from './target.js'

const KEYS: readonly Buffer[] = ['', 'key', 'key05', 'key14', 'kez', 'zz', '\u00ff\u00ff'].map((key) => Buffer.from(key, 'latin1'))

const VALUES: readonly Value[] = [
  'text',
  'Zürich 日本',
  1,
  -1,
  2n ** 62n,
  0.5,
  true,
  Buffer.from('bytes'),
  null,
  [1, [2, ['x', null]], -5, 300, 70_000, 2n ** 40n],
  { name: 'Ada', tags: ['a', 'b'], nested: { deep: { deeper: [] } }, data: Buffer.from([1, 2]), ratio: 1.5, no: false },
  Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`property${i}`, i * 1000])),
]

/** Values of all types, and what is inside of records. */
export function valueTargets(): Target[] {
  const seeds = VALUES.map((value) => {
    const buffer = Buffer.alloc(values.valueByteLengthMax(value))
    return buffer.subarray(0, values.writeValue(buffer, 0, value))
  })
  const getters = [
    values.decodeString,
    values.decodeInt64,
    values.decodeFloat64,
    values.decodeBoolean,
    values.decodeBytes,
    values.decodeRecord,
  ]
  return [
    {
      name: 'value',
      seeds,
      decode(source, start, end) {
        const value = values.decodeValue(source, start, end)
        values.decodeValueShared(source, start, end)
        return value
      },
    },
    {
      name: 'value of one type',
      seeds,
      decode: (source, start, end) => getters.map((decode) => outcomeOf(() => decode(source, start, end))),
    },
    {
      name: 'key',
      seeds: [...KEYS, Buffer.from('Zürich')],
      decode(source, start, end) {
        const key = Buffer.from(source.subarray(start, end))
        const successor = prefixSuccessor(key)
        if (successor !== undefined && Buffer.compare(successor, key) <= 0) throw new Error('the successor of a prefix comes after it')
        return [decodeKeyString(source, start, end), hashKey(source, start, end)]
      },
    },
    {
      name: 'varint',
      seeds: [0, 127, 128, 300, 16_384, 0xffff_ffff].map((value) => {
        const bytes = Buffer.alloc(5)
        return bytes.subarray(0, writeVarint(bytes, 0, value))
      }),
      decode(source, start, end) {
        const value = readVarint(source, start, end)
        if (value < 0) return value
        if (varintEnd > end || varintEnd - start < varintLength(value) || value > 0xffff_ffff) throw new Error(`varint ${value} is none`)
        return [value, varintEnd]
      },
    },
  ]
}

function outcomeOf(action: () => unknown): unknown {
  try {
    return action()
  } catch (error) {
    if (error instanceof StoreError && (error.code === 'ERR_CORRUPTION' || error.code === 'ERR_TYPE_MISMATCH')) return error.code
    throw error
  }
}

/** The blocks of tables, with the payloads of a real store as seeds. */
export function blockTargets({ files }: Specimen): Target[] {
  const tables = files.filter(({ kind }) => kind === 'table').map(({ content }) => content)
  const payloads = (which: (blocks: [number, number][]) => [number, number][]): Buffer[] =>
    tables.flatMap((table) => which(blocksOf(table)).map(([start, end]) => table.subarray(start, end - BLOCK_TRAILER_BYTES)))
  const raw = tables.flatMap((table) =>
    blocksOf(table)
      .filter(([, end]) => table[end - 5] === 0)
      .map(([start, end]) => table.subarray(start, end - 9)),
  )
  return [
    { name: 'data block', seeds: raw.filter((payload) => findStructuralDefect(Buffer.from(payload)) === undefined), decode: decodeBlock },
    { name: 'filter', seeds: payloads((blocks) => blocks.slice(-3, -2)), decode: decodeFilter },
    {
      name: 'properties',
      seeds: payloads((blocks) => blocks.slice(-2, -1)),
      decode: (source, start, end) => decodeProperties(Buffer.from(source.subarray(start, end)), '/varve/1.sst', 0),
    },
    {
      name: 'index',
      seeds: tables.map((table) => {
        const [start, end] = blocksOf(table).at(-1)!
        return withNumbers(table.subarray(start, end - BLOCK_TRAILER_BYTES), tailOffsetOf(table))
      }),
      decode: decodeIndex,
    },
    {
      name: 'footer',
      seeds: tables.map((table) =>
        withNumbers(table.subarray(table.length - FOOTER_BYTES), tailOffsetOf(table), table.length - FOOTER_BYTES),
      ),
      decode: decodeFooter,
    },
  ]
}

function tailOffsetOf(table: Buffer): number {
  return Number(table.readBigUInt64LE(table.length - FOOTER_BYTES))
}

/** Numbers of 4 bytes, then a payload: what a decoder is told besides its input. */
function withNumbers(payload: Buffer, ...numbers: number[]): Buffer {
  const head = Buffer.alloc(4 * numbers.length)
  numbers.forEach((number, i) => head.writeUInt32LE(number, 4 * i))
  return Buffer.concat([head, payload])
}

/** Tail offset and place of the footer, then the footer, which is sealed here. */
function decodeFooter(source: Buffer, start: number, end: number): unknown {
  const input = Buffer.alloc(8 + FOOTER_BYTES)
  source.copy(input, 0, start, end)
  input.writeUInt32LE(checksum32(input, 8, 8 + 52, 0), 8 + 52)
  const footer = readFooter(input, 8, '/varve/1.sst', Number(input.readBigUInt64LE(8 + 36)), input.readUInt32LE(0), input.readUInt32LE(4))
  const { filter, properties, index } = footer
  if (filter.length + properties.length + index.length !== input.readUInt32LE(4) - filter.offset)
    throw new Error('the parts do not tile the tail')
  return footer
}

function decodeBlock(source: Buffer, start: number, end: number): unknown {
  // The reader's space is written to: each time on a block of its own, but in the midst of other bytes.
  const payload = source.subarray(start, end)
  const defect = findStructuralDefect(payload)
  if (defect !== undefined) throw new StoreError('ERR_CORRUPTION', defect)
  const cursor = new BlockCursor()
  const count = entryCountOf(payload)
  for (let i = 0; i < count; i++) {
    cursor.enter(payload, i)
    const isInside = cursor.keyStart > 0 && cursor.keyStart <= cursor.keyEnd && cursor.keyEnd + 8 === cursor.valueStart
    if (!isInside || cursor.valueStart > cursor.valueEnd || cursor.valueEnd >= payload.length) throw new Error(`entry ${i} lies outside`)
  }
  const found: number[] = []
  for (let round = 0; round < 3; round++) {
    for (const key of KEYS) {
      const at = lowerBound(payload, key, 0, key.length, 5, 0)
      const version = findVersion(payload, key, 0, key.length, hashKey(key, 0, key.length), 50)
      if (at < 0 || at > count || version < -1 || version >= count) throw new Error(`a search ends at ${at}, ${version} of ${count}`)
      found.push(at, version)
    }
  }
  return found
}

function decodeFilter(source: Buffer, start: number, end: number): unknown {
  const filter = new BloomFilter(source.subarray(start, end), '/varve/1.sst', 0)
  // One that asks beyond its lines, or asks nothing, would deny keys that are there, or none.
  const [lines, probes] = [source.readUInt32LE(end - 5), source[end - 1]!]
  if (lines * 64 + 5 !== end - start || probes === 0)
    throw new Error(`a filter of ${end - start} bytes has ${lines} lines, ${probes} probes`)
  return Array.from({ length: 60 }, (_, i) => filter.mayContain(Math.imul(i, 0x85eb_ca6b) >>> 0))
}

function decodeIndex(source: Buffer, start: number, end: number): unknown {
  const dataBytes = end - start < 4 ? 0 : source.readUInt32LE(start)
  const index = new BlockIndex(source.subarray(Math.min(start + 4, end), end), dataBytes, '/varve/1.sst', 0)
  if (index.heldBytes > 30 * (end - start) + 1000) throw new Error(`an index holds ${index.heldBytes} bytes`)
  return KEYS.map((key) => {
    const found = index.find(key, 0, key.length, 5)
    if (!(found >= 0 && found <= index.count)) throw new Error(`block ${found} of ${index.count}`)
    return [found, index.offsets[found], index.endsWith(key)]
  })
}

/** What logs and manifests hold, and `CURRENT`. */
export function recordTargets({ files }: Specimen): Target[] {
  const payloads = (kind: string, headerBytes: number): Buffer[] =>
    files.filter((file) => file.kind === kind).flatMap(({ content }) => payloadsOf(content, headerBytes))
  return [
    {
      name: 'version edit',
      seeds: payloads('manifest', 48),
      decode: (source, start, end) => decodeEdit(source, start, end, '/varve/MANIFEST-000001', 0),
    },
    { name: 'log operations', seeds: payloads('log', 32).map((payload) => payload.subarray(8)), decode: decodeOperations },
    {
      name: 'CURRENT',
      seeds: [encodeCurrent(1), encodeCurrent(999_999), encodeCurrent(12_345_678)],
      decode(source, start, end) {
        const content = Buffer.from(source.subarray(start, end))
        const number = decodeCurrent(content)
        if (number !== undefined && !encodeCurrent(number).equals(content)) throw new Error(`two contents name manifest ${number}`)
        return number
      },
    },
  ]
}

function payloadsOf(content: Buffer, headerBytes: number): Buffer[] {
  const payloads: Buffer[] = []
  for (let at = headerBytes; at < content.length;) {
    const end = at + 20 + content.readUInt32LE(at + 4)
    if (end > at + 20) payloads.push(content.subarray(at + 20, end))
    at = end
  }
  return payloads
}

/** The count of operations, then the operations. */
function decodeOperations(source: Buffer, start: number, end: number): unknown {
  if (end - start < 4) throw new StoreError('ERR_CORRUPTION', 'no count')
  const reader = new OperationReader()
  const count = source.readUInt32LE(start)
  const verdict = checkOperations(reader, source, start + 4, end, count)
  if (verdict !== 'valid') throw new StoreError('ERR_CORRUPTION', verdict)
  const read: unknown[] = []
  reader.reset(source, start + 4, end)
  while (reader.next()) {
    if (reader.keyStart < start || reader.keyEnd > end || reader.valueEnd > end) throw new Error('an operation lies outside')
    read.push([reader.kind, reader.keyEnd - reader.keyStart, reader.valueEnd - reader.valueStart])
  }
  if (read.length !== count) throw new Error(`${read.length} operations, not ${count}`)
  return read
}

/** Compressed blocks. zstd is foreign code: what it does with garbage is its affair, what is believed before is ours. */
export function compressionTargets(): Target[] {
  const texts = ['', 'a', 'value '.repeat(30), `${'abc'.repeat(100)}${'x'.repeat(500)}`].map((text) => Buffer.from(text))
  return (['none', 'snappy', 'zstd'] satisfies CompressionName[]).map((name) => {
    const codec = codecForWriting(name)
    if (codec === undefined) throw new Error(`the codec ${name} is not installed`)
    // The raw length, as the trailer of the block has it, then what was compressed.
    const seeds = texts.map((text) => Buffer.concat([lengthOf(text), codec.compress(text, 1)]))
    return {
      name: `${name} block`,
      seeds,
      decode(source: Buffer, start: number, end: number) {
        const rawLength = end - start < 4 ? 0 : Math.min(source.readUInt32LE(start), 1 << 20)
        const raw = codec.decompress(source, Math.min(start + 4, end), end, rawLength)
        if (raw.length !== rawLength) throw new Error(`${raw.length} bytes, not ${rawLength}`)
        return raw
      },
      mayThrow: (error: unknown) => error instanceof Error && !/^(Type|Range|Reference|Syntax|Assertion)Error$/.test(error.name),
      bufferBytesMax: () => 3 << 20,
    }
  })
}

function lengthOf(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32LE(bytes.length)
  return length
}
