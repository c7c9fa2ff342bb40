/**
 * What `store.stats()` tells: sizes in bytes, counts, and what background work has cost.
 */
import type { StallStats } from './back_pressure.js'
import type { RecoveryEvent } from './events.js'

/** One level of the tree. */
export interface LevelStats {
  /** 0 to 6. */
  readonly level: number
  /** Number of tables. */
  readonly tables: number
  /** Entries, tombstones and shadowed versions included. */
  readonly keys: number
  /** Entries that say that a key is deleted. */
  readonly tombstones: number
  /** Bytes on disk. */
  readonly bytes: number
  /** Bytes of keys and values before compression. */
  readonly rawBytes: number
}

/** The state and the history of a store since it was opened. */
export interface StoreStats {
  /**
   * `'open'`, `'full'` (the disk is; writes fail until there is space), `'failed'` (writes fail until reopened), `'read-only'`, `'closed'`.
   */
  readonly status: StoreStatus
  /** Sequence number of the last acknowledged write: how many operations the store has ever taken. */
  readonly sequence: number
  /** The memtable that takes writes. */
  readonly memtable: {
    /** Entries. */
    readonly keys: number
    /** Bytes in use. */
    readonly bytes: number
    /** Bytes it may take. */
    readonly capacityBytes: number
  }
  /** Memtables that are full and wait to become tables. */
  readonly immutableMemtables: {
    /** How many there are. */
    readonly count: number
    /** Their entries. */
    readonly keys: number
    /** Bytes in use. */
    readonly bytes: number
  }
  /** Level 0 to level 6. */
  readonly levels: readonly LevelStats[]
  /** Tables of all levels. */
  readonly tables: {
    /** How many there are. */
    readonly count: number
    /** How many are held open. */
    readonly open: number
    /** Bytes on disk. */
    readonly bytes: number
  }
  /** The block cache. */
  readonly cache: {
    /** Bytes it may take. */
    readonly capacityBytes: number
    /** Bytes in use: blocks, and indexes and filters of open tables. */
    readonly usedBytes: number
    /** Blocks in it. */
    readonly blocks: number
    /** Blocks that were found in it. */
    readonly hits: number
    /** Blocks that had to be read. */
    readonly misses: number
    /** Hits per lookup, 0 to 1; 0 before the first. */
    readonly hitRate: number
  }
  /** Memory by part, in bytes. */
  readonly memory: {
    /** Arenas of all memtables, spare ones included. */
    readonly memtables: number
    /** Blocks in the cache. */
    readonly cachedBlocks: number
    /** Indexes and filters of open tables. */
    readonly tableMetadata: number
    /** Records on their way to the log. */
    readonly writeBuffers: number
    /** All of the above. */
    readonly total: number
  }
  /** The write-ahead log. */
  readonly wal: {
    /** Records written; those of one record were acknowledged together. */
    readonly records: number
    /** Bytes written. */
    readonly bytes: number
    /** How often it was made durable. */
    readonly syncs: number
  }
  /** Memtables that became tables. */
  readonly flushes: {
    /** How many. */
    readonly count: number
    /** Bytes written. */
    readonly bytes: number
    /** Milliseconds they took. */
    readonly timeMs: number
  }
  /** Merges of tables into deeper levels. */
  readonly compactions: {
    /** How many. */
    readonly count: number
    /** Tables moved to a deeper level without being rewritten. */
    readonly moves: number
    /** Bytes of the tables read. */
    readonly readBytes: number
    /** Bytes of the tables written. */
    readonly writtenBytes: number
    /** Milliseconds they took. */
    readonly timeMs: number
  }
  /** What one byte of the user's costs. */
  readonly amplification: {
    /** Bytes written to disk (log, flush, compaction) per byte of user writes; 0 before the first. */
    readonly write: number
    /** Bytes on disk per byte in the deepest level that holds data; 1 at best, 0 without tables. */
    readonly space: number
  }
  /** What opening the store found in the logs. */
  readonly recovery: RecoveryEvent
  /** How writes waited for background work. */
  readonly stalls: StallStats
  /** Open snapshots. */
  readonly snapshots: OpenReaderStats
  /** Open scans. */
  readonly scans: OpenReaderStats
}

/** Readers that keep old versions from being dropped. */
export interface OpenReaderStats {
  /** How many are open. */
  readonly open: number
  /** Age of the oldest in milliseconds; 0 when none is open. */
  readonly oldestAgeMs: number
}

/** The state of a store; see `docs/durability.md`. */
export type StoreStatus = 'open' | 'full' | 'failed' | 'read-only' | 'closing' | 'closed'
