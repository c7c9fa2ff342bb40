/**
 * What varve is to reach in its benchmarks, row by row. `npm run bench:report` judges every row by the medians of one session, and writes
 * the table of `BENCHMARKS.md` from that.
 */
import type { GO_ORIGINAL } from './references.js'

/** Engines to compare with: every peer (a `Map` is none), these, or every peer but these. */
export type Rivals = 'all' | { readonly only: readonly string[] } | { readonly except: readonly string[] }

/** A row of the table. */
export type Target = { readonly row: string } & (
  | {
      /** The first metric of a workload, at least so many times that of the best rival, who may run another workload. */
      readonly kind: 'rate'
      readonly workload: string
      readonly factor: number
      readonly rivals: Rivals
      readonly rivalWorkload?: string
    }
  | {
      /** The same against a number from elsewhere. */
      readonly kind: 'reference'
      readonly workload: string
      readonly factor: number
      readonly reference: keyof typeof GO_ORIGINAL.rates
    }
  | {
      /** A metric of workloads, or of all that write, at most so much in each. */
      readonly kind: 'limit'
      readonly workloads: readonly string[] | 'write loads'
      readonly metric: string
      readonly most: number
      readonly unit: string
      /** From the metric's unit to this one. */
      readonly scale: number
    }
  | {
      /** A metric of workloads at most so many times that of the rival with the least, in each. */
      readonly kind: 'share'
      readonly workloads: readonly string[]
      readonly metric: string
      readonly factor: number
      readonly rivals: Rivals
      /** What the rivals run instead. */
      readonly rivalWorkload?: string
      readonly unit: string
      readonly scale: number
    }
  | {
      /** How many times worse a metric is with more records. */
      readonly kind: 'growth'
      readonly workload: string
      readonly metric: string
      readonly isHigherBetter: boolean
      readonly from: number
      readonly to: number
      readonly most: number
    }
)

const LMDB: Rivals = { only: ['lmdb'] }
const LEVELDB: Rivals = { only: ['classic_level'] }

/** Every target, in the order of the table. */
export const TARGETS: readonly Target[] = [
  { row: 'get awaited', kind: 'rate', workload: 'get', factor: 1, rivals: LMDB },
  { row: 'get sync', kind: 'rate', workload: 'getsync', factor: 1, rivals: LMDB },
  { row: 'get of an absent key, awaited', kind: 'rate', workload: 'getmissing', factor: 1, rivals: LMDB },
  { row: 'get of an absent key, sync', kind: 'rate', workload: 'getmissingsync', factor: 1, rivals: LMDB },
  { row: 'getMany', kind: 'rate', workload: 'getmany', factor: 1, rivals: LMDB },
  { row: 'get with the small cache, to LevelDB', kind: 'rate', workload: 'getsmall', factor: 3, rivals: LEVELDB },
  { row: 'get with the small cache, to the Go original', kind: 'reference', workload: 'getsmall', factor: 1, reference: 'getsmall' },
  { row: 'fill in sequence', kind: 'rate', workload: 'fillseq', factor: 1.5, rivals: 'all' },
  { row: 'fill at random', kind: 'rate', workload: 'fillrandom', factor: 1.5, rivals: 'all' },
  { row: 'fill with 64 in flight', kind: 'rate', workload: 'fill64', factor: 1.5, rivals: 'all' },
  { row: "fill in sequence, 'none'", kind: 'rate', workload: 'fillseq_none', factor: 2, rivals: 'all', rivalWorkload: 'fillseq' },
  { row: "fill at random, 'none'", kind: 'rate', workload: 'fillrandom_none', factor: 2, rivals: 'all', rivalWorkload: 'fillrandom' },
  { row: "fill with 64 in flight, 'none'", kind: 'rate', workload: 'fill64_none', factor: 2, rivals: 'all', rivalWorkload: 'fill64' },
  { row: 'batches of 1000, to lmdb', kind: 'rate', workload: 'fillbatch', factor: 0.8, rivals: LMDB },
  { row: 'batches of 1000, to every other', kind: 'rate', workload: 'fillbatch', factor: 1.2, rivals: { except: ['lmdb'] } },
  { row: 'durable, one at a time', kind: 'rate', workload: 'durable', factor: 1, rivals: 'all' },
  { row: 'durable, 64 in flight', kind: 'rate', workload: 'durable64', factor: 1, rivals: 'all' },
  { row: 'scan', kind: 'rate', workload: 'scan', factor: 2, rivals: LMDB },
  { row: 'reverse scan', kind: 'rate', workload: 'scanreverse', factor: 2, rivals: LMDB },
  { row: '`for await`', kind: 'rate', workload: 'iterate', factor: 1.2, rivals: LMDB },
  { row: 'prefix scans of 100', kind: 'rate', workload: 'scanprefix', factor: 2, rivals: LMDB },
  { row: '80/20 mix', kind: 'rate', workload: 'mixed', factor: 2, rivals: 'all' },
  { row: 'overwrite', kind: 'rate', workload: 'overwrite', factor: 2, rivals: 'all' },
  { row: 'overwrite, put p99', kind: 'limit', workloads: ['overwrite'], metric: 'p99Us', most: 100, unit: 'µs', scale: 1 },
  { row: 'overwrite, put max', kind: 'limit', workloads: ['overwrite'], metric: 'maxUs', most: 25, unit: 'ms', scale: 1e-3 },
  {
    row: 'event-loop delay under every write load, p99',
    kind: 'limit',
    workloads: 'write loads',
    metric: 'loopDelayP99Ms',
    most: 3,
    unit: 'ms',
    scale: 1,
  },
  {
    row: 'event-loop delay under every write load, max',
    kind: 'limit',
    workloads: 'write loads',
    metric: 'loopDelayMaxMs',
    most: 25,
    unit: 'ms',
    scale: 1,
  },
  { row: 'open, in a new process', kind: 'limit', workloads: ['open'], metric: 'openAndReadMs', most: 4, unit: 'ms', scale: 1 },
  { row: 'open, again', kind: 'limit', workloads: ['openwarm'], metric: 'openAndReadMs', most: 4, unit: 'ms', scale: 1 },
  {
    row: 'bytes on disk after compaction, with zstd',
    kind: 'share',
    workloads: ['prepare_zstd'],
    rivalWorkload: 'prepare',
    metric: 'diskBytes',
    factor: 1,
    rivals: 'all',
    unit: 'MB',
    scale: 1e-6,
  },
  {
    row: 'peak memory of the fill that prepares a store: the same records',
    kind: 'share',
    workloads: ['prepare'],
    metric: 'peakMemoryBytes',
    factor: 1.2,
    rivals: LEVELDB,
    unit: 'MB',
    scale: 1e-6,
  },
  {
    // Fills end by time here, so that an engine that writes faster is measured with more records.
    row: 'peak memory of fills and reads',
    kind: 'share',
    workloads: ['fillseq', 'fillrandom', 'fill64', 'fillbatch', 'get', 'getsync', 'get64', 'getsmall', 'getmissing', 'getmany'],
    metric: 'peakMemoryBytes',
    factor: 1.2,
    rivals: LEVELDB,
    unit: 'MB',
    scale: 1e-6,
  },
  {
    row: 'get, from a million records to ten',
    kind: 'growth',
    workload: 'growth',
    metric: 'getNs',
    isHigherBetter: false,
    from: 1e6,
    to: 1e7,
    most: 1.6,
  },
  {
    row: 'sustained fill, from a million records to ten',
    kind: 'growth',
    workload: 'sustained',
    metric: 'opsPerSecond',
    isHigherBetter: true,
    from: 1e6,
    to: 1e7,
    most: 2,
  },
]
