/**
 * The hot paths of `src/sstable/`, in nanoseconds per operation: `npm run build:tools && node build/bench/micro/sstable.js [filter]`.
 *
 * One table of 135,000 entries (16 MiB: keys `user:00000012345`, values of 100 bytes, half of them compressible) in memory, its blocks
 * of 16 KiB cached: more than the processor's caches hold, so random access waits for memory as in a real store. One sample is a round
 * of many operations; the fastest tenth counts, what other processes take away is noise.
 */
import { Bench } from 'tinybench'
import { BlockCache } from '../../src/cache/block_cache.js'
import type { CompressionName } from '../../src/codec/compression.js'
import { hashKey } from '../../src/codec/hash.js'
import { MOVED } from '../../src/codec/internal_iterator.js'
import { SEQUENCE_MAX } from '../../src/codec/internal_key.js'
import { BlockIndex, BlockIndexBuilder } from '../../src/sstable/block_index.js'
import { BloomFilter, BloomFilterBuilder } from '../../src/sstable/bloom_filter.js'
import { findStructuralDefect, findVersion, lowerBound } from '../../src/sstable/data_block.js'
import { ReadContext } from '../../src/sstable/read_context.js'
import { TableBuilder } from '../../src/sstable/table_builder.js'
import { TableCache } from '../../src/sstable/table_cache.js'
import type { TableMeta } from '../../src/sstable/table_meta.js'
import { TableReader } from '../../src/sstable/table_reader.js'
import { Random } from '../../src/util/random.js'
import { runTaskSync } from '../../src/util/task.js'
import { MemoryVfs } from '../../src/vfs/memory.js'
import { publish } from './figures.js'

const ENTRIES = 135_000
const ROUND = 2048
const KEY_BYTES = 16
const VALUE_BYTES = 100

const filter = process.argv[2] ?? ''
const bench = new Bench({ time: 300, warmupTime: 100 })
const rounds = new Map<string, number>()
const random = new Random(1)
let sink = 0

/** Adds a line; `run` performs `operations` operations and returns anything that depends on its work. */
function add(name: string, operations: number, run: () => number): void {
  if (!name.includes(filter)) return
  rounds.set(name, operations)
  bench.add(name, () => {
    sink = (sink + run()) | 0
  })
}

/** Keys of `count` entries side by side, every second number; the numbers between them are absent. */
function keysOf(count: number, firstNumber: number): Buffer {
  const keys = Buffer.alloc(count * KEY_BYTES)
  for (let i = 0; i < count; i++) keys.write(`user:${String(firstNumber + 2 * i).padStart(11, '0')}`, i * KEY_BYTES, 'latin1')
  return keys
}

const present = keysOf(ENTRIES, 0)
const absent = keysOf(ENTRIES, 1)
const RECORD_BYTES = KEY_BYTES + VALUE_BYTES
const records = Buffer.alloc(ENTRIES * RECORD_BYTES, 'compressible')
for (let i = 0; i < ENTRIES; i++) {
  present.copy(records, i * RECORD_BYTES, i * KEY_BYTES, (i + 1) * KEY_BYTES)
  random.fill(records.subarray(i * RECORD_BYTES + KEY_BYTES, i * RECORD_BYTES + KEY_BYTES + VALUE_BYTES / 2))
}

function buildTable(vfs: MemoryVfs, codec: CompressionName, count = ENTRIES): TableMeta {
  const options = { blockSize: 16 * 1024, codec, compressionLevel: 1, bloomFalsePositiveRate: 0.01 }
  const builder = new TableBuilder(vfs, `${codec}.sst`, 1, options)
  for (let i = 0; i < count; i++) {
    const start = i * RECORD_BYTES
    const keyEnd = start + KEY_BYTES
    builder.add(records, start, keyEnd, i + 1, 1, keyEnd, start + RECORD_BYTES)
  }
  return runTaskSync(builder.finish())
}

/** Random entry numbers, the same in each round. */
const picks = Uint32Array.from({ length: ROUND }, () => random.below(ENTRIES))
const hashes = Uint32Array.from(picks, (pick) => hashKey(present, pick * KEY_BYTES, (pick + 1) * KEY_BYTES))
const absentHashes = Uint32Array.from(picks, (pick) => hashKey(absent, pick * KEY_BYTES, (pick + 1) * KEY_BYTES))
const blocking = new ReadContext()

function addReads(reader: TableReader): void {
  const getAll = (keys: Buffer, keyHashes: Uint32Array) => (): number => {
    let found = 0
    for (let i = 0; i < ROUND; i++) {
      const start = picks[i]! * KEY_BYTES
      found += reader.get(keys, start, start + KEY_BYTES, keyHashes[i]!, SEQUENCE_MAX, blocking)
    }
    return found
  }
  add('get, present', ROUND, getAll(present, hashes))
  add('get, absent', ROUND, getAll(absent, absentHashes))
  const iterator = reader.iterator(blocking)
  add('next', ENTRIES, () => {
    let sum = 0
    for (let status = iterator.seekToFirst(); status === MOVED; status = iterator.next()) sum += iterator.sequence + iterator.valueEnd
    return sum
  })
  add('prev', ENTRIES, () => {
    let sum = 0
    for (let status = iterator.seekToLast(); status === MOVED; status = iterator.prev()) sum += iterator.sequence + iterator.valueEnd
    return sum
  })
  add('seek', ROUND, () => {
    let found = 0
    for (let i = 0; i < ROUND; i++) {
      const start = picks[i]! * KEY_BYTES
      found += iterator.seek(absent, start, start + KEY_BYTES, SEQUENCE_MAX)
    }
    return found
  })
}

function addBlocks(block: Buffer, entryCount: number): void {
  const numbers = Array.from({ length: 64 }, () => random.below(entryCount))
  const searched = (find: (start: number, i: number) => number) => (): number => {
    let sum = 0
    for (let i = 0; i < ROUND; i++) sum += find(numbers[i & 63]! * KEY_BYTES, i)
    return sum
  }
  const numberHashes = Uint32Array.from(numbers, (number) => hashKey(present, number * KEY_BYTES, (number + 1) * KEY_BYTES))
  add(
    'seek in block, warm',
    ROUND,
    searched((start) => lowerBound(block, present, start, start + KEY_BYTES, 0, 0)),
  )
  add(
    'find in block, warm',
    ROUND,
    searched((start, i) => findVersion(block, present, start, start + KEY_BYTES, numberHashes[i & 63]!, SEQUENCE_MAX)),
  )
  const copy = Buffer.from(block)
  add('check block, per entry', entryCount, () => (findStructuralDefect(copy) === undefined ? 1 : 0))
}

function addIndex(blockCount: number): void {
  const builder = new BlockIndexBuilder()
  const stride = Math.floor(ENTRIES / blockCount)
  for (let i = 1; i <= blockCount; i++) {
    const end = (i * stride - 1) * KEY_BYTES
    builder.add(present.subarray(end, end + KEY_BYTES), 0, 16_000)
  }
  const index = new BlockIndex(builder.finish(), blockCount * 16_000, 'bench', 0)
  add(`index, ${blockCount} blocks`, ROUND, () => {
    let sum = 0
    for (let i = 0; i < ROUND; i++) {
      const start = picks[i]! * KEY_BYTES
      sum += index.find(present, start, start + KEY_BYTES, SEQUENCE_MAX)
    }
    return sum
  })
}

function addFilter(keyCount: number): void {
  const builder = new BloomFilterBuilder(0.01)
  for (let i = 0; i < keyCount; i++) builder.add(Math.imul(i, 0x9e3779b1) >>> 0)
  const { buffer, length } = runTaskSync(builder.finish(0))
  const bloom = new BloomFilter(buffer.subarray(0, length), 'bench', 0)
  const all = Uint32Array.from({ length: ROUND }, () => random.uint32())
  const there = Uint32Array.from({ length: ROUND }, () => Math.imul(random.below(keyCount), 0x9e3779b1) >>> 0)
  for (const [name, asked] of [
    ['absent', all],
    ['present', there],
  ] as const) {
    add(`filter, ${keyCount} keys, ${name}`, ROUND, () => {
      let sum = 0
      for (let i = 0; i < ROUND; i++) sum += bloom.mayContain(asked[i]!) ? 1 : 0
      return sum
    })
  }
}

function addFiles(vfs: MemoryVfs): void {
  for (const codec of ['none', 'snappy', 'zstd'] as const) {
    const meta = buildTable(vfs, codec)
    const path = `${codec}.sst`
    add(`build, ${codec}, per entry`, 20_000, () => {
      const scratch = new MemoryVfs()
      return buildTable(scratch, codec, 20_000).fileBytes
    })
    const reader = TableReader.openSync(vfs, path, meta)
    const iterator = reader.iterator(blocking)
    add(`scan uncached, ${codec}, per block`, reader.index.count, () => {
      let sum = 0
      for (let status = iterator.seekToFirst(); status === MOVED; status = iterator.next()) sum += iterator.sequence
      return sum
    })
    add(`open, ${codec}`, 1, () => {
      const opened = TableReader.openSync(vfs, path, meta)
      opened.release()
      return opened.memoryBytes
    })
  }
}

function addTableCache(vfs: MemoryVfs, meta: TableMeta): void {
  vfs.writeFile('000001.sst', vfs.readFile('none.sst'))
  const tables = new TableCache(vfs, '', undefined, 10)
  add('table cache', ROUND, () => {
    let sum = 0
    for (let i = 0; i < ROUND; i++) sum += tables.reader(meta, blocking)!.fileNumber
    return sum
  })
}

const disk = new MemoryVfs()
addFiles(disk)
const meta = buildTable(new MemoryVfs(), 'none')
const cached = TableReader.openSync(disk, 'none.sst', meta, new BlockCache(64 * 1024 * 1024))
addReads(cached)
const firstBlock = cached.iterator(blocking)
firstBlock.seekToFirst()
let entryCount = 1
while (firstBlock.next() === MOVED && firstBlock.keyStart > 1) entryCount++
firstBlock.seekToFirst()
addBlocks(Buffer.from(firstBlock.data), entryCount)
for (const blockCount of [100, 1000, 10_000]) addIndex(blockCount)
for (const keyCount of [35_000, 1_000_000]) addFilter(keyCount)
addTableCache(disk, meta)
await bench.run()
for (const { name, result } of bench.tasks) {
  if (result.state !== 'completed') continue
  const perOperation = (milliseconds: number): number => (milliseconds * 1e6) / rounds.get(name)!
  publish('sstable', name, perOperation(result.latency.min), perOperation(result.latency.p50))
}
if (sink === 0.5) console.log(sink)
