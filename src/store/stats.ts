/**
 * What `store.stats()` tells: sizes in bytes, counts, and what background work has cost.
 */
import type { StallStats } from './back_pressure.js'
import type { RecoveryEvent } from './events.js'

/** One level of the tree. */
export interface LevelStats {
  readonly level: number
  readonly tables: number
  /** Entries, tombstones and shadowed versions included. */
  readonly keys: number
  readonly tombstones: number
  /** Bytes on disk. */
  readonly bytes: number
  /** Bytes of keys and values before compression. */
  readonly rawBytes: number
}

/** The state and the history of a store since it was opened. */
export interface StoreStats {
  /** `'open'`, `'full'` (the disk is; writes fail until there is space), `'failed'` (writes fail until reopened), `'read-only'`, `'closed'`. */
  readonly status: StoreStatus
  /** Sequence number of the last acknowledged write: how many operations the store has ever taken. */
  readonly sequence: number
  readonly memtable: { readonly keys: number; readonly bytes: number; readonly capacityBytes: number }
  /** Memtables that are full and wait to become tables. */
  readonly immutableMemtables: { readonly count: number; readonly keys: number; readonly bytes: number }
  /** Level 0 to level 6. */
  readonly levels: readonly LevelStats[]
  readonly tables: { readonly count: number; readonly open: number; readonly bytes: number }
  readonly cache: {
    readonly capacityBytes: number
    readonly usedBytes: number
    readonly blocks: number
    readonly hits: number
    readonly misses: number
    /** Hits per lookup, 0 to 1; 0 before the first. */
    readonly hitRate: number
  }
  /** Memory by part, in bytes. */
  readonly memory: {
    /** Arenas of all memtables, spare ones included. */
    readonly memtables: number
    readonly cachedBlocks: number
    /** Indexes and filters of open tables. */
    readonly tableMetadata: number
    readonly writeBuffers: number
    readonly total: number
  }
  readonly wal: { readonly records: number; readonly bytes: number; readonly syncs: number }
  readonly flushes: { readonly count: number; readonly bytes: number; readonly timeMs: number }
  readonly compactions: {
    readonly count: number
    /** Tables moved to a deeper level without being rewritten. */
    readonly moves: number
    readonly readBytes: number
    readonly writtenBytes: number
    readonly timeMs: number
  }
  readonly amplification: {
    /** Bytes written to disk (log, flush, compaction) per byte of user writes; 0 before the first. */
    readonly write: number
    /** Bytes on disk per byte in the deepest level that holds data; 1 at best, 0 without tables. */
    readonly space: number
  }
  /** What opening the store found in the logs. */
  readonly recovery: RecoveryEvent
  readonly stalls: StallStats
  readonly snapshots: { readonly open: number; readonly oldestAgeMs: number }
  readonly scans: { readonly open: number; readonly oldestAgeMs: number }
}

/** The state of a store; see `docs/durability.md`. */
export type StoreStatus = 'open' | 'full' | 'failed' | 'read-only' | 'closing' | 'closed'
