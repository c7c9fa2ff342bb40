/**
 * The hot paths of `src/iterator/`, in nanoseconds per entry: `npm run build:tools && node build/bench/micro/iterators.js [filter]`.
 *
 * 40,000 entries with keys of 16 and values of 100 bytes, dealt out to runs in various ways, all blocks cached. A sample is a full scan;
 * the fastest counts, what other processes take away is noise.
 */
import { BlockCache } from '../../src/cache/block_cache.js'
import { type InternalIterator, MOVED } from '../../src/codec/internal_iterator.js'
import { SEQUENCE_MAX } from '../../src/codec/internal_key.js'
import { LevelIterator } from '../../src/iterator/level.js'
import { mergeIterators } from '../../src/iterator/merging.js'
import { VisibleIterator } from '../../src/iterator/visible_iterator.js'
import { Memtable } from '../../src/memtable/memtable.js'
import { ReadContext } from '../../src/sstable/read_context.js'
import { TableBuilder } from '../../src/sstable/table_builder.js'
import { TableCache } from '../../src/sstable/table_cache.js'
import { tableFileName } from '../../src/sstable/format.js'
import type { TableMeta } from '../../src/sstable/table_meta.js'
import { Random } from '../../src/util/random.js'
import { runTaskSync } from '../../src/util/task.js'
import { MemoryVfs } from '../../src/vfs/memory.js'
import { median } from '../statistics.js'
import { publish } from './figures.js'

const ENTRIES = 40_000
const TABLES_PER_LEVEL = 4
const KEY_BYTES = 16
const RECORD_BYTES = KEY_BYTES + 100
const SAMPLES = 100

const vfs = new MemoryVfs()
const tables = new TableCache(vfs, '/', new BlockCache(256 * 1024 * 1024), 100)
const context = new ReadContext()
const records = Buffer.alloc(ENTRIES * RECORD_BYTES, 'v')
for (let i = 0; i < ENTRIES; i++) records.write(`user:${String(i).padStart(11, '0')}`, i * RECORD_BYTES, 'latin1')
let lastFileNumber = 0

/** A level with these entries (numbers in order), all at one sequence. */
function level(numbers: readonly number[], sequence: number): () => InternalIterator {
  const metas: TableMeta[] = []
  const size = Math.ceil(numbers.length / TABLES_PER_LEVEL)
  for (let from = 0; from < numbers.length; from += size) {
    const fileNumber = ++lastFileNumber
    const options = { blockSize: 16 * 1024, codec: 'none' as const, compressionLevel: 1, bloomFalsePositiveRate: 0 }
    const builder = new TableBuilder(vfs, `/${tableFileName(fileNumber)}`, fileNumber, options)
    for (const n of numbers.slice(from, from + size)) {
      const start = n * RECORD_BYTES
      builder.add(records, start, start + KEY_BYTES, sequence, 1, start + KEY_BYTES, start + RECORD_BYTES)
    }
    metas.push(runTaskSync(builder.finish()))
  }
  return () => new LevelIterator(metas, tables, context)
}

function memtable(numbers: readonly number[], sequence: number): () => InternalIterator {
  const filled = Memtable.create(16 * 1024 * 1024)
  for (const n of numbers) {
    const start = n * RECORD_BYTES
    filled.insert(records, start, start + KEY_BYTES, start + KEY_BYTES, start + RECORD_BYTES, sequence, 1)
  }
  return () => filled.iterator()
}

/** Deals all entries out at random, by weight. */
function deal(weights: readonly number[]): number[][] {
  const random = new Random(1)
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  const hands: number[][] = weights.map(() => [])
  for (let i = 0; i < ENTRIES; i++) {
    let at = random.float() * total
    let hand = 0
    while (hand + 1 < weights.length && at >= weights[hand]!) at -= weights[hand++]!
    hands[hand]!.push(i)
  }
  return hands
}

function entryBytes({ keyStart, keyEnd, valueStart, valueEnd }: InternalIterator | VisibleIterator): number {
  return keyEnd - keyStart + valueEnd - valueStart
}

function scan(iterator: InternalIterator | VisibleIterator): number {
  let bytes = 0
  for (let status = iterator.seekToFirst(); status === MOVED; status = iterator.next()) bytes += entryBytes(iterator)
  iterator.close()
  return bytes
}

function scanBack(iterator: InternalIterator | VisibleIterator): number {
  let bytes = 0
  for (let status = iterator.seekToLast(); status === MOVED; status = iterator.prev()) bytes += entryBytes(iterator)
  iterator.close()
  return bytes
}

function measure(name: string, run: () => number): void {
  if (!name.includes(process.argv[2] ?? '')) return
  const samples: number[] = []
  for (let sample = 0; sample < SAMPLES; sample++) {
    const startMs = performance.now()
    if (run() !== ENTRIES * RECORD_BYTES) throw new Error(`${name} does not see every entry`)
    samples.push(performance.now() - startMs)
  }
  const perEntry = (milliseconds: number): number => (milliseconds * 1e6) / ENTRIES
  publish('iterators', name, perEntry(Math.min(...samples)), perEntry(median(samples)))
}

const whole = level(deal([1])[0]!, 0)
const shaped = deal([90, 9, 1])
const store = [memtable(shaped[2]!, 3), level(shaped[1]!, 2), level(shaped[0]!, 0)]
const merged = (runs: readonly (() => InternalIterator)[]): InternalIterator => mergeIterators(runs.map((make) => make()))
const visible = (runs: readonly (() => InternalIterator)[]): VisibleIterator => new VisibleIterator(merged(runs), SEQUENCE_MAX)

console.log(`${ENTRIES} entries of ${RECORD_BYTES} bytes, Node ${process.versions.node}`)
measure('one level', () => scan(whole()))
measure('one level, visible', () => scan(visible([whole])))
measure('one level, visible, backward', () => scanBack(visible([whole])))
measure('memtable 1 %, level 9 %, level 90 %, merged', () => scan(merged(store)))
measure('memtable 1 %, level 9 %, level 90 %, visible', () => scan(visible(store)))
measure('memtable 1 %, level 9 %, level 90 %, visible, backward', () => scanBack(visible(store)))
for (const count of [2, 4, 8, 15]) {
  const runs = deal(Array.from({ length: count }, () => 1)).map((numbers, i) => level(numbers, i + 1))
  measure(`${count} equal runs at random, merged`, () => scan(merged(runs)))
}
