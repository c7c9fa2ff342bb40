/**
 * Gathers `StoreStats` from the parts of the engine.
 */
import type { TableMeta } from '../sstable/table_meta.js'
import type { Engine } from './engine.js'
import type { LevelStats, StoreStats } from './stats.js'

/** The present state of an engine. */
export function collectStats(engine: Engine): StoreStats {
  const { blockCache, logs, memtables, queue, view } = engine
  const levels = view.version.levels.map(levelStats)
  const active = memtables.active.memtable
  const frozen = memtables.slots.slice(1).map((slot) => slot.memtable)
  const cache = blockCache.stats()
  const tables = engine.tables.stats()
  const jobs = engine.scheduler?.stats()
  let tableCount = 0
  let tableBytes = 0
  let deepestBytes = 0
  for (const level of levels) {
    tableCount += level.tables
    tableBytes += level.bytes
    if (level.bytes > 0) deepestBytes = level.bytes
  }
  const { arenaBytes, frozenBytes } = memtables
  const writeBufferBytes = queue.bufferBytes + logs.bufferBytes
  const flushedBytes = jobs?.flushedBytes ?? 0
  const compactedBytes = jobs?.compactionBytesWritten ?? 0
  return {
    status: engine.status,
    sequence: engine.visibleSequence,
    // Before the first write it has none of its memory yet.
    memtable: {
      keys: active.entryCount,
      bytes: active.usedBytes,
      capacityBytes: Math.max(active.capacityBytes, engine.options.memtableSize),
    },
    immutableMemtables: {
      count: frozen.length,
      keys: frozen.reduce((sum, memtable) => sum + memtable.entryCount, 0),
      bytes: frozenBytes,
    },
    levels,
    tables: { count: tableCount, open: tables.openTables, bytes: tableBytes },
    cache: {
      capacityBytes: cache.capacityBytes,
      usedBytes: cache.usedBytes,
      blocks: cache.blockCount,
      hits: cache.hits,
      misses: cache.misses,
      hitRate: cache.hits + cache.misses === 0 ? 0 : cache.hits / (cache.hits + cache.misses),
    },
    memory: {
      memtables: arenaBytes,
      cachedBlocks: cache.usedBytes,
      tableMetadata: tables.memoryBytes,
      writeBuffers: writeBufferBytes,
      total: arenaBytes + cache.usedBytes + tables.memoryBytes + writeBufferBytes,
    },
    wal: { records: logs.recordCount, bytes: logs.writtenBytes, syncs: logs.syncCount },
    flushes: { count: jobs?.flushes ?? 0, bytes: flushedBytes, timeMs: jobs?.flushMs ?? 0 },
    compactions: {
      count: jobs === undefined ? 0 : Object.values(jobs.compactions).reduce((sum, count) => sum + count, 0),
      moves: jobs?.movedTables ?? 0,
      readBytes: jobs?.compactionBytesRead ?? 0,
      writtenBytes: compactedBytes,
      timeMs: jobs?.compactionMs ?? 0,
    },
    amplification: {
      write: queue.userBytes === 0 ? 0 : (logs.writtenBytes + flushedBytes + compactedBytes) / queue.userBytes,
      space: deepestBytes === 0 ? 0 : tableBytes / deepestBytes,
    },
    recovery: engine.recovery,
    stalls: engine.pressure.stats(),
    snapshots: engine.openReaders.count('snapshot'),
    scans: engine.openReaders.count('scan'),
  }
}

function levelStats(tables: readonly TableMeta[], level: number): LevelStats {
  let keys = 0
  let tombstones = 0
  let bytes = 0
  let rawBytes = 0
  for (const table of tables) {
    keys += table.entryCount
    tombstones += table.deletionCount
    bytes += table.fileBytes
    rawBytes += table.rawKeyBytes + table.rawValueBytes
  }
  return { level, tables: tables.length, keys, tombstones, bytes, rawBytes }
}
