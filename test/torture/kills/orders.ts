/** What a process that is to be killed is told to do: how it opens the store, what it writes, and how it ends. */
import type { StoreOptions, WalSync } from '../../../src/index.js'
import type { Random } from '../../../src/util/random.js'
import type { KillOperation, KillPoint } from './kill_point.js'

/** How a process ends, and when. */
export type Ending =
  /** By its parent, once so many writes were issued. */
  | { readonly kind: 'killed' | 'terminated'; readonly issued: number }
  /** By itself at a file operation, which counts from its start, from when it closes the store, or from when it destroys it after that. */
  | { readonly kind: 'point'; readonly point: KillPoint; readonly since: 'start' | 'close' | 'destroy'; readonly name: string }
  /** In the middle of a write. */
  | { readonly kind: 'exit' | 'uncaught'; readonly issued: number }
  /** After all of its writes. */
  | { readonly kind: 'close' | 'close on the spot' }

/** The orders of one process. */
export interface Orders {
  readonly dir: string
  readonly progressPath: string
  /** Without `workerUrl`, which cannot be sent. */
  readonly options: StoreOptions
  readonly isOpenedSync: boolean
  readonly loadSeed: number
  readonly hasLongKeys: boolean
  readonly writes: number
  /** Writes that may be under way together. */
  readonly window: number
  readonly ending: Ending
}

/** Options of a process. Small tables and memtables, so that a few hundred writes go through every part of the engine. */
export function randomOptions(random: Random): StoreOptions & { walSync: WalSync } {
  return {
    walSync: random.pick(['none', 'os', 'os', 'interval', 'always']),
    walSyncInterval: random.pick([1, 10, 100]),
    memtableSize: random.pick([4096, 8192, 16_384, 65_536]),
    blockSize: random.pick([64, 256, 1024, 4096]),
    blockCacheSize: random.pick([0, 65_536, 8 << 20]),
    compression: random.pick(['none', 'none', 'snappy', 'zstd']),
    bloomFalsePositiveRate: random.pick([0, 0.01]),
    maxOpenTables: random.pick([8, 500]),
    readMode: random.pick(['adaptive', 'sync', 'async']),
    backgroundThreads: random.pick([0, 1]),
  }
}

interface PointKind {
  readonly name: string
  readonly operations?: readonly KillOperation[]
  readonly names?: string
  /** Most likely there are so many; where they grow with the writes, in `WRITES` of them. */
  readonly nthMax: number
  readonly growsWithWrites?: boolean
  readonly isInJobs?: boolean
  readonly since?: 'close' | 'destroy'
}

/** See `nthMax`. */
const WRITES = 1000

/** Places where dying is told apart from dying elsewhere. */
const POINTS: readonly PointKind[] = [
  { name: 'opening', nthMax: 16 },
  { name: 'lock', names: '^LOCK', nthMax: 4 },
  { name: 'log write', operations: ['write'], names: '\\.log$', nthMax: 400, growsWithWrites: true },
  { name: 'log sync', operations: ['sync'], names: '\\.log$', nthMax: 12 },
  { name: 'log roll', operations: ['create'], names: '\\.log$', nthMax: 8, growsWithWrites: true },
  { name: 'log deletion', operations: ['unlink'], names: '\\.log$', nthMax: 8, growsWithWrites: true },
  { name: 'log cut', operations: ['truncate'], names: '\\.log$', nthMax: 1 },
  { name: 'flush', names: '\\.sst$', nthMax: 8, growsWithWrites: true, isInJobs: true },
  { name: 'compaction', names: '\\.sst$', nthMax: 80, growsWithWrites: true, isInJobs: true },
  { name: 'table deletion', operations: ['unlink'], names: '\\.sst$', nthMax: 12, growsWithWrites: true },
  { name: 'manifest edit', operations: ['write', 'sync'], names: '^MANIFEST', nthMax: 40, growsWithWrites: true },
  { name: 'manifest roll-over', operations: ['create'], names: '^MANIFEST', nthMax: 2 },
  { name: 'manifest roll-over', names: '^CURRENT', nthMax: 5 },
  { name: 'manifest deletion', operations: ['unlink'], names: '^MANIFEST', nthMax: 2 },
  { name: 'any', nthMax: 1500, growsWithWrites: true },
  { name: 'close', nthMax: 8, since: 'close' },
  { name: 'destroying', nthMax: 16, since: 'destroy' },
]

/** A way to end. */
export function randomEnding(random: Random, threads: number, writes: number): Ending {
  const n = random.below(100)
  const issued = 1 + random.below(writes)
  if (n < 25) return { kind: 'killed', issued }
  if (n < 29) return { kind: 'terminated', issued }
  if (n < 33) return { kind: 'exit', issued }
  if (n < 37) return { kind: 'uncaught', issued }
  if (n < 40) return { kind: random.pick(['close', 'close on the spot']) }
  const { name, operations, names, nthMax, growsWithWrites = false, isInJobs = false, since = 'start' } = random.pick(POINTS)
  const most = growsWithWrites ? Math.ceil((nthMax * writes) / WRITES) : nthMax
  const point: KillPoint = {
    thread: isInJobs && threads > 0 ? 'worker' : 'main',
    nth: 1 + random.below(most),
    moment: random.pick(['before', 'torn', 'after']),
    ...(operations === undefined ? {} : { operations }),
    ...(names === undefined ? {} : { names }),
  }
  return { kind: 'point', point, since, name }
}
