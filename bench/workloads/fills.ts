/** Writing into a fresh store: in sequence and at random, one at a time, many in flight, in batches, waiting for the disk or not. */
import type { Durability, OpenEngine, OpenOptions } from '../engines/engine.js'
import { type Limit, type Metrics, nextTurn, timeAwaited, timeInFlight } from '../measure.js'
import { writtenBytes } from '../process_facts.js'
import { KEY_BYTES, Order, VALUE_BYTES } from '../records.js'
import { check, closeAndWeigh, observed, openStore, RATE, type Run, type Workload } from './workload.js'

const RECORD_BYTES = KEY_BYTES + VALUE_BYTES
/** Writers of the workloads with many of them. */
const IN_FLIGHT = 64

interface Fill {
  readonly order: 'sequence' | 'random'
  /** Writes in flight. */
  readonly lanes?: number
  /** Records of a batch. */
  readonly batch?: number
  /** Whether it lasts as long as a measurement, not as long as a fill. */
  readonly isTimed?: boolean
}

async function fill(run: Run, { order, lanes = 1, batch = 1, isTimed = false }: Fill): Promise<Metrics> {
  const { records, limits } = run
  const size = Math.min(batch, records.count)
  const random = new Order(records.count, run.seed)
  const numberAt = order === 'random' ? (i: number): number => random.at(i) : (i: number): number => i
  const store = await openStore(run, false)
  const startBytes = writtenBytes()
  const limit: Limit = {
    operations: Math.floor(records.count / size),
    milliseconds: isTimed ? limits.measureMs : limits.fillMs,
    ...(size > 1 || (isTimed && lanes === 1) ? { sampled: 1 } : {}),
  }
  const put = (i: number): unknown => {
    const number = numberAt(i)
    return store.put(records.key(number), records.value(number))
  }
  const metrics = await observed(async () => {
    if (size > 1)
      return perRecord(await timeAwaited(limit, (i) => store.putBatch(entriesOf(run, numberAt, i * size, (i + 1) * size))), size)
    return lanes === 1 ? timeAwaited(limit, put) : timeInFlight(lanes, limit, put)
  })
  const written = metrics['operations']!
  await check(run, store, (draw) => numberAt(draw.below(written)))
  const bytes = written * RECORD_BYTES
  return { ...metrics, ...(await closeAndWeigh(run, store, startBytes, bytes, bytes)) }
}

function entriesOf(run: Run, numberAt: (i: number) => number, start: number, end: number): [string, Buffer][] {
  const entries: [string, Buffer][] = []
  for (let i = start; i < end; i++) {
    const number = numberAt(i)
    entries.push([run.records.key(number), run.records.value(number)])
  }
  return entries
}

/** Counts records where batches were counted; times stay those of a batch. */
function perRecord(metrics: Metrics, size: number): Metrics {
  const { operations, opsPerSecond, meanUs } = metrics
  return { ...metrics, operations: operations! * size, opsPerSecond: opsPerSecond! * size, meanUs: meanUs! / size }
}

/** Fills in random order in batches, as fast as it goes without much memory. */
export async function fillInBatches(run: Run, store: OpenEngine, batch: number): Promise<void> {
  const order = new Order(run.records.count, run.seed)
  for (let start = 0; start < run.records.count; start += batch) {
    await store.putBatch(entriesOf(run, (i) => order.at(i), start, Math.min(start + batch, run.records.count)))
    await nextTurn()
  }
}

/** Batches of this size fill the prepared store: with 1000 of 1000 records, lmdb 3.5.6 aborts at the next start. */
const PREPARE_BATCH = 500

async function prepare(run: Run, options: Omit<OpenOptions, 'dir'> = {}): Promise<Metrics> {
  const { records } = run
  const store = await openStore(run, false, options)
  const startBytes = writtenBytes()
  const start = performance.now()
  await fillInBatches(run, store, PREPARE_BATCH)
  const filled = performance.now()
  await store.compact()
  const compactMs = performance.now() - filled
  await check(run, store, (draw) => draw.below(records.count))
  const weights = await closeAndWeigh(run, store, startBytes, records.rawBytes, records.rawBytes)
  return { opsPerSecond: (records.count / (filled - start)) * 1000, operations: records.count, compactMs, ...weights }
}

async function load(run: Run): Promise<Metrics> {
  const { records } = run
  const order = new Order(records.count, run.seed)
  const store = await run.engine.open({ dir: run.dir, lowMemory: true })
  const startBytes = writtenBytes()
  const metrics = await observed(() =>
    timeAwaited({ operations: records.count, milliseconds: Infinity }, (i) => {
      const number = order.at(i)
      return store.put(records.key(number), records.value(number))
    }),
  )
  const start = performance.now()
  await store.compact()
  const compactMs = performance.now() - start
  await check(run, store, (draw) => draw.below(records.count))
  return { ...metrics, compactMs, ...(await closeAndWeigh(run, store, startBytes, records.rawBytes, records.rawBytes)) }
}

function filling(about: string, how: Fill, durability: Durability = 'os'): Workload {
  const group = durability === 'always' ? 'durable writing' : 'writing'
  return { ...RATE, group, about, store: 'fresh', durability, isWriteLoad: true, run: (run) => fill(run, how) }
}

const BUFFERED = "; acknowledged while still in a buffer of the process, as the Go original does (`walSync: 'none'`)"

export const fills: readonly (readonly [string, Workload])[] = [
  ['fillseq', filling('one awaited put at a time, keys in order', { order: 'sequence' })],
  ['fillrandom', filling('one awaited put at a time, keys in random order', { order: 'random' })],
  ['fill64', filling('random order, 64 puts in flight', { order: 'random', lanes: IN_FLIGHT })],
  ['fillbatch', filling('keys in order, atomic batches of 1000', { order: 'sequence', batch: 1000 })],
  ['fillbatchrandom', filling('random order, atomic batches of 1000', { order: 'random', batch: 1000 })],
  ['fillseq_none', filling(`fillseq${BUFFERED}`, { order: 'sequence' }, 'none')],
  ['fillrandom_none', filling(`fillrandom${BUFFERED}`, { order: 'random' }, 'none')],
  ['fill64_none', filling(`fill64${BUFFERED}`, { order: 'random', lanes: IN_FLIGHT }, 'none')],
  ['fillbatch_none', filling(`fillbatch${BUFFERED}`, { order: 'sequence', batch: 1000 }, 'none')],
  ['durable', filling('random order, each put on the disk before the next', { order: 'random', isTimed: true }, 'always')],
  [
    'durable64',
    filling(
      'random order, 64 puts in flight, each on the disk before it resolves',
      { order: 'random', lanes: IN_FLIGHT, isTimed: true },
      'always',
    ),
  ],
  [
    'prepare',
    {
      ...RATE,
      group: 'preparing',
      about: `random order, batches of ${PREPARE_BATCH}, then a compaction: makes the store that the others read`,
      store: 'fresh',
      durability: 'os',
      run: (run) => prepare(run),
    },
  ],
  [
    'prepare_zstd',
    {
      ...RATE,
      group: 'preparing',
      about: 'the same with Zstandard, by engines that have it and do not use it by default',
      store: 'fresh',
      durability: 'os',
      needs: 'zstd',
      run: (run) => prepare(run, { compression: 'zstd' }),
    },
  ],
  [
    'load',
    {
      ...RATE,
      group: 'preparing',
      about: 'fillrandom with as little memory as the engine can do with, then a compaction',
      store: 'fresh',
      durability: 'os',
      run: load,
    },
  ],
]
