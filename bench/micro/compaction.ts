/**
 * The throughput of jobs, in nanoseconds per entry: `npm run build:tools && node build/bench/micro/compaction.js [filter]`.
 *
 * Entries have keys of 16 bytes and values of 100, half of them compressible; files lie in memory, so that only the processor counts. A
 * compaction merges a batch of four tables of level 0 with the level below, which is two and a half times as large; a flush writes one
 * memtable. Time is that of the processor, garbage collection included: the clock of a busy machine tells more about its other work.
 */
import type { CompressionName } from '../../src/codec/compression.js'
import type { Job, JobResult } from '../../src/compaction/executor.js'
import { jobTask } from '../../src/compaction/job.js'
import { QUIET_STATE } from '../../src/compaction/picker.js'
import { Picking } from '../../src/compaction/picking.js'
import { Retention } from '../../src/compaction/retention.js'
import { Memtable } from '../../src/memtable/memtable.js'
import { tableFileName } from '../../src/sstable/format.js'
import { TableBuilder } from '../../src/sstable/table_builder.js'
import type { TableMeta } from '../../src/sstable/table_meta.js'
import { Random } from '../../src/util/random.js'
import { runTaskSync } from '../../src/util/task.js'
import { Version } from '../../src/version/version.js'
import { MemoryVfs } from '../../src/vfs/memory.js'
import { publish } from './figures.js'

const MEMTABLE_BYTES = 4 * 1024 * 1024
const LEVEL0_ENTRIES = 25_000
const LEVEL0_TABLES = 4
const BELOW_ENTRIES = 250_000
const KEY_BYTES = 16
const RECORD_BYTES = KEY_BYTES + 100
const SAMPLES = 4

const filter = process.argv[2] ?? ''
const random = new Random(1)
const records = Buffer.alloc(BELOW_ENTRIES * RECORD_BYTES, 'compressible')
for (let i = 0; i < BELOW_ENTRIES; i++) {
  records.write(`user:${String(i).padStart(11, '0')}`, i * RECORD_BYTES, 'latin1')
  random.fill(records.subarray(i * RECORD_BYTES + KEY_BYTES, i * RECORD_BYTES + KEY_BYTES + 50))
}

/** Ascending numbers of records, at random. */
function pick(count: number): number[] {
  const numbers = new Set<number>()
  while (numbers.size < count) numbers.add(random.below(BELOW_ENTRIES))
  return [...numbers].toSorted((a, b) => a - b)
}

function processorMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

function settings(codec: CompressionName): Job['settings'] {
  const compression = Array.from({ length: 7 }, () => codec)
  return { dir: '/', blockSize: 16 * 1024, compression, compressionLevel: 1, bloomFalsePositiveRate: 0.01 }
}

function writeTable(vfs: MemoryVfs, fileNumber: number, codec: CompressionName, numbers: readonly number[], sequence: number): TableMeta {
  const options = { blockSize: 16 * 1024, codec, compressionLevel: 1, bloomFalsePositiveRate: 0.01 }
  const builder = new TableBuilder(vfs, `/${tableFileName(fileNumber)}`, fileNumber, options)
  for (const [i, n] of numbers.entries()) {
    const start = n * RECORD_BYTES
    builder.add(records, start, start + KEY_BYTES, sequence === 0 ? 0 : sequence + i, 1, start + KEY_BYTES, start + RECORD_BYTES)
  }
  return runTaskSync(builder.finish())
}

/** Runs a job several times on the same inputs; the fastest counts. */
function measure(name: string, makeJob: (firstFileNumber: number) => Job, vfs: MemoryVfs): void {
  if (!name.includes(filter)) return
  let bestMs = Infinity
  let result: JobResult | undefined
  for (let sample = 0; sample < SAMPLES; sample++) {
    const task = jobTask(makeJob(1000 * (sample + 1)), { vfs, isCancelled: () => false })
    const startMs = processorMs()
    result = runTaskSync(task)
    bestMs = Math.min(bestMs, processorMs() - startMs)
    for (const { table } of result.outputs) vfs.unlinkSync(`/${tableFileName(table.fileNumber)}`)
  }
  const { entriesRead, bytesWritten } = result!
  publish('compaction', `${name}, per entry`, (bestMs * 1e6) / entriesRead)
  const mibPerSecond = ((entriesRead * RECORD_BYTES) / 1024 / 1024 / bestMs) * 1000
  const written = (bytesWritten / 1024 / 1024).toFixed(1)
  console.log(`            that is ${mibPerSecond.toFixed(0)} MiB/s raw; it wrote ${written} MiB`)
}

function measureCompaction(codec: CompressionName): void {
  const vfs = new MemoryVfs()
  const below: TableMeta[] = []
  const all = Array.from({ length: BELOW_ENTRIES }, (_, i) => i)
  for (let from = 0; from < BELOW_ENTRIES; from += 70_000) {
    below.push(writeTable(vfs, below.length + 1, codec, all.slice(from, from + 70_000), 0))
  }
  const level0 = Array.from({ length: LEVEL0_TABLES }, (_, i) => writeTable(vfs, 100 + i, codec, pick(LEVEL0_ENTRIES), (i + 1) * 100_000))
  const picking = new Picking(Version.of([level0, [], [], [], [], [], below]), QUIET_STATE, MEMTABLE_BYTES)
  const plan = picking.plan('level0', 6, [
    { level: 0, tables: level0.toReversed() },
    { level: 6, tables: below },
  ])!
  const base = { kind: 'compaction' as const, id: 1, settings: settings(codec), snapshots: [], fileNumberCount: 100 }
  measure(`compaction, ${codec}`, (firstFileNumber) => ({ ...base, plan, firstFileNumber }), vfs)
}

function measureFlush(codec: CompressionName): void {
  const vfs = new MemoryVfs()
  const memtable = Memtable.create(MEMTABLE_BYTES)
  let sequence = 0
  for (const n of random.shuffle(pick(LEVEL0_ENTRIES))) {
    const start = n * RECORD_BYTES
    memtable.insert(records, start, start + KEY_BYTES, start + KEY_BYTES, start + RECORD_BYTES, ++sequence, 1)
  }
  memtable.freeze()
  const base = {
    kind: 'flush' as const,
    id: 1,
    settings: settings(codec),
    snapshots: [],
    fileNumberCount: 1,
    arenas: [memtable.arena],
    deeper: [],
  }
  measure(`flush, ${codec}`, (firstFileNumber) => ({ ...base, firstFileNumber }), vfs)
}

function measureRetention(): void {
  if (!'retention'.includes(filter)) return
  let bestMs = Infinity
  for (let sample = 0; sample < 200; sample++) {
    const retention = new Retention([1000, 2000], [], true)
    const startMs = performance.now()
    for (let i = 0; i < LEVEL0_ENTRIES; i++) retention.keeps(records, i * RECORD_BYTES, i * RECORD_BYTES + KEY_BYTES, 5, 1)
    bestMs = Math.min(bestMs, performance.now() - startMs)
  }
  publish('compaction', 'retention, per entry', (bestMs * 1e6) / LEVEL0_ENTRIES)
}

console.log(`entries of ${RECORD_BYTES} bytes, Node ${process.versions.node}`)
measureRetention()
for (const codec of ['none', 'snappy', 'zstd'] as const) {
  measureFlush(codec)
  measureCompaction(codec)
}
