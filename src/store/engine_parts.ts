/**
 * What an engine is made of: found and made by opening a store (`recovery.ts`).
 */
import type { BlockCache } from '../cache/block_cache.js'
import type { FlushRequest, Scheduler } from '../compaction/scheduler.js'
import type { TableCache } from '../sstable/table_cache.js'
import type { Manifest } from '../version/manifest.js'
import type { StoreLock } from '../vfs/lock.js'
import type { Engine } from './engine.js'
import type { RecoveredMemtable } from './memtable_set.js'
import type { ResolvedOptions } from './options.js'
import type { MemtableSlot } from './read_view.js'

/** A frozen memtable on its way to a table. */
export interface SlotFlush extends FlushRequest {
  readonly slot: MemtableSlot
}

/** The parts. */
export interface EngineParts {
  readonly options: ResolvedOptions
  readonly path: string
  readonly lock: StoreLock | undefined
  readonly manifest: Manifest
  readonly blockCache: BlockCache
  readonly tables: TableCache
  /** Memtables filled from the logs, newest first; at least one, and only the first is not frozen. */
  readonly memtables: readonly RecoveredMemtable[]
  /** Whether what was recovered must become a table before anything written later is called durable. */
  readonly mustFlush: boolean
  readonly lastSequence: number
  readonly nextFileNumber: number
  readonly makeScheduler: (engine: Engine) => Scheduler<SlotFlush>
}
