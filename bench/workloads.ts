/**
 * What is measured. A workload runs in a fresh process on one engine and returns its numbers; the first metric it names is the one that the
 * tables compare.
 *
 * | name | what |
 * |---|---|
 * | prepare | fill in random order in batches of 500, compact: makes the store that reads are measured on |
 * | fillrandom | one awaited put at a time in random order into a fresh store |
 * | fillbatch | the same in batches of 1000 |
 * | load | fillrandom with as little memory as the engine can do with, then compact: peak memory and bytes on disk |
 * | get, getsync | random reads with everything cached: awaited, synchronous |
 * | getmissing | awaited reads of absent keys that lie between the stored ones |
 * | scan | every entry in order, the engine's fastest way |
 * | open | open and read one key, files in the page cache, after a clean close |
 */
import { mkdtempSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import { Random } from '../src/util/random.js'
import type { Engine, OpenEngine, OpenOptions } from './engines/engine.js'
import { bytesOnDisk, type Limit, type Metrics, nextTurn, timeAwaited, timeSync, watchEventLoop } from './measure.js'
import { Order, type Records } from './records.js'

/** What a workload runs with. */
export interface Run {
  readonly engine: Engine
  readonly records: Records
  readonly seed: number
  /** The folder of the store: fresh, or prepared. */
  readonly dir: string
  readonly limits: Limits
}

/** How long a run may take. */
export interface Limits {
  readonly warmUpMs: number
  readonly measureMs: number
  /** Fills stop here; the rate is that of what was written by then. */
  readonly fillMs: number
}

/** How the tables show a workload's first metric. */
export interface Workload {
  readonly metric: string
  readonly unit: string
  readonly isHigherBetter: boolean
  /** Whether it reads a store that `prepare` made. */
  readonly readsPrepared: boolean
  run(run: Run): Promise<Metrics>
}

/** Enough for a million records and their index. */
const CACHE_EVERYTHING_BYTES = 256 * 1024 * 1024
/** Touching every so many-th key touches every block. */
const BLOCK_STRIDE = 32

async function fill(run: Run, store: OpenEngine, batchSize: number): Promise<void> {
  const order = new Order(run.records.count, run.seed)
  for (let start = 0; start < run.records.count; start += batchSize) {
    const entries: [string, Buffer][] = []
    for (let i = start; i < Math.min(start + batchSize, run.records.count); i++) {
      const number = order.at(i)
      entries.push([run.records.key(number), run.records.value(number)])
    }
    await store.putBatch(entries)
    await nextTurn()
  }
}

async function prepare(run: Run): Promise<Metrics> {
  const store = await run.engine.open({ dir: run.dir })
  const start = performance.now()
  await fill(run, store, 500)
  const seconds = (performance.now() - start) / 1000
  await store.compact()
  await store.close()
  return { opsPerSecond: run.records.count / seconds, diskBytes: bytesOnDisk(run.dir) }
}

/** Opens the store that a read is measured on, and fills it first where the engine keeps nothing over a close. */
async function openPrepared(run: Run, options: Omit<OpenOptions, 'dir'> = {}): Promise<OpenEngine> {
  const store = await run.engine.open({ dir: run.dir, ...options })
  if (!run.engine.isPersistent) await fill(run, store, 500)
  return store
}

async function fillRandom(run: Run): Promise<Metrics> {
  const store = await run.engine.open({ dir: run.dir })
  const order = new Order(run.records.count, run.seed)
  const { records } = run
  const limit: Limit = { operations: records.count, milliseconds: run.limits.fillMs }
  const loop = watchEventLoop()
  const metrics = await timeAwaited(limit, (i) => {
    const number = order.at(i)
    return store.put(records.key(number), records.value(number))
  })
  const delays = loop.stop()
  const start = performance.now()
  await store.close()
  return { ...metrics, ...delays, closeMs: performance.now() - start, diskBytes: bytesOnDisk(run.dir) }
}

async function fillBatch(run: Run): Promise<Metrics> {
  const store = await run.engine.open({ dir: run.dir })
  const order = new Order(run.records.count, run.seed)
  const { records } = run
  const size = Math.min(1000, records.count)
  const limit: Limit = { operations: Math.floor(records.count / size), milliseconds: run.limits.fillMs }
  const loop = watchEventLoop()
  const metrics = await timeAwaited(limit, async (batch) => {
    const entries: [string, Buffer][] = []
    for (let i = batch * size; i < (batch + 1) * size; i++) {
      const number = order.at(i)
      entries.push([records.key(number), records.value(number)])
    }
    await store.putBatch(entries)
    await nextTurn()
  })
  const delays = loop.stop()
  await store.close()
  return { ...metrics, ...delays, opsPerSecond: metrics['opsPerSecond']! * size, operations: metrics['operations']! * size }
}

async function load(run: Run): Promise<Metrics> {
  const store = await run.engine.open({ dir: run.dir, lowMemory: true })
  const order = new Order(run.records.count, run.seed)
  const { records } = run
  const loop = watchEventLoop()
  const metrics = await timeAwaited({ operations: records.count, milliseconds: Infinity }, (i) => {
    const number = order.at(i)
    return store.put(records.key(number), records.value(number))
  })
  const delays = loop.stop()
  const start = performance.now()
  await store.compact()
  const compactMs = performance.now() - start
  await store.close()
  const diskBytes = bytesOnDisk(run.dir)
  return { ...metrics, ...delays, compactMs, diskBytes, rawBytes: records.rawBytes, diskToRaw: diskBytes / records.rawBytes }
}

/** A read workload: brings every block into memory, warms the code up, then measures. */
async function read(run: Run, operation: (store: OpenEngine, random: Random) => () => unknown, time: typeof timeSync): Promise<Metrics> {
  const store = await openPrepared(run, { cacheBytes: CACHE_EVERYTHING_BYTES })
  for (let number = 0; number < run.records.count; number += BLOCK_STRIDE) {
    if ((await store.get(run.records.key(number))) === undefined) throw new Error(`record ${number} of ${run.records.count} is missing`)
  }
  const next = operation(store, new Random(run.seed + 1))
  await time({ operations: Infinity, milliseconds: run.limits.warmUpMs }, next)
  const loop = watchEventLoop()
  const metrics = await time({ operations: Infinity, milliseconds: run.limits.measureMs }, next)
  const delays = loop.stop()
  await store.close()
  return { ...metrics, ...delays }
}

async function scan(run: Run): Promise<Metrics> {
  const store = await openPrepared(run)
  const { count } = run.records
  let scans = 0
  let totalMs = 0
  // The first scan warms the code and the page cache.
  for (let isWarm = false; scans < 2 || totalMs < run.limits.measureMs; isWarm = true) {
    const start = performance.now()
    const seen = await store.scan()
    const milliseconds = performance.now() - start
    if (seen !== count) throw new Error(`a scan saw ${seen} of ${count} entries`)
    if (isWarm) {
      scans++
      totalMs += milliseconds
    }
    await nextTurn()
  }
  await store.close()
  return { entriesPerSecond: ((count * scans) / totalMs) * 1000, scans, scanMs: totalMs / scans }
}

async function open(run: Run): Promise<Metrics> {
  const key = run.records.key(run.records.count >>> 1)
  // Loads the code, which a program does once.
  const other = await run.engine.open({ dir: mkdtempSync(`${run.dir}-other-`) })
  await other.close()
  const start = performance.now()
  const store = await openPrepared(run)
  const opened = performance.now()
  if (store.getSync(key) === undefined) throw new Error('the record that was to be read is missing')
  const end = performance.now()
  await store.close()
  return { openAndReadMs: end - start, openMs: opened - start }
}

const RATE = { metric: 'opsPerSecond', unit: 'ops/s', isHigherBetter: true }

/** Every workload by name. */
export const workloads: ReadonlyMap<string, Workload> = new Map<string, Workload>([
  ['prepare', { ...RATE, readsPrepared: false, run: prepare }],
  ['fillrandom', { ...RATE, readsPrepared: false, run: fillRandom }],
  ['fillbatch', { ...RATE, readsPrepared: false, run: fillBatch }],
  ['load', { ...RATE, readsPrepared: false, run: load }],
  [
    'get',
    {
      ...RATE,
      readsPrepared: true,
      run: (run) => read(run, (store, random) => () => store.get(run.records.key(random.below(run.records.count))), timeAwaited),
    },
  ],
  [
    'getsync',
    {
      ...RATE,
      readsPrepared: true,
      run: (run) => read(run, (store, random) => () => store.getSync(run.records.key(random.below(run.records.count))), timeSync),
    },
  ],
  [
    'getmissing',
    {
      ...RATE,
      readsPrepared: true,
      run: (run) => read(run, (store, random) => () => store.get(run.records.absentKey(random.below(run.records.count))), timeAwaited),
    },
  ],
  ['scan', { metric: 'entriesPerSecond', unit: 'entries/s', isHigherBetter: true, readsPrepared: true, run: scan }],
  ['open', { metric: 'openAndReadMs', unit: 'ms', isHigherBetter: false, readsPrepared: true, run: open }],
])
