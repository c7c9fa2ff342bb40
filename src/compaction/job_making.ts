/**
 * How jobs are made from what they are for: settings, file numbers, and what a flush must know of the tables.
 */
import type { Memtable } from '../memtable/memtable.js'
import type { TableMeta } from '../sstable/table_meta.js'
import type { CompactionJob, FlushJob, TableSettings } from './executor.js'
import { type CompactionPlan, inputBytes, inputTableCount, type KeyBounds } from './plan.js'
import { boundsOf, GRANDPARENT_TABLES_MAX, sumBytes } from './picking.js'
import type { JobDescription, SchedulerOptions } from './scheduler.js'

/** Bytes of an entry in a block besides key and value, at most. */
const ENTRY_OVERHEAD_BYTES = 24

/** Lists of tables that a flush is given to look deletions up in; larger levels are given as one range. */
const FLUSH_TABLES_MAX = 1000

/** Everything of a job but its number and its file numbers. */
export type JobDraft = Omit<FlushJob, 'id' | 'firstFileNumber'> | Omit<CompactionJob, 'id' | 'firstFileNumber'>

/** The settings of tables among those of a scheduler. */
export function tableSettings(options: SchedulerOptions): TableSettings {
  const { dir, blockSize, compression, compressionLevel, bloomFalsePositiveRate } = options
  return { dir, blockSize, compression, compressionLevel, bloomFalsePositiveRate }
}

/** A flush of these memtables, oldest first, into a store with these levels. */
export function flushDraft(
  memtables: readonly Memtable[],
  levels: readonly (readonly TableMeta[])[],
  settings: TableSettings,
  snapshots: readonly number[],
): Omit<FlushJob, 'id' | 'firstFileNumber'> {
  const hasDeletions = memtables.some((memtable) => memtable.deletionCount > 0)
  return {
    kind: 'flush',
    settings,
    snapshots,
    fileNumberCount: 1,
    arenas: memtables.map((memtable) => memtable.arena),
    deeper: hasDeletions ? deeperOfFlush(levels) : [],
  }
}

/** All tables as disjoint lists in key order: those of level 0 one by one. */
function deeperOfFlush(levels: readonly (readonly TableMeta[])[]): KeyBounds[][] {
  const lists = levels[0]!.map((table) => [extent(table)])
  for (const tables of levels.slice(1)) {
    if (tables.length > FLUSH_TABLES_MAX) lists.push([extent(boundsOf(tables))])
    else if (tables.length > 0) lists.push(tables.map(extent))
  }
  return lists
}

function extent({ smallestKey, largestKey }: KeyBounds): KeyBounds {
  return { smallestKey, largestKey }
}

/** A compaction by this plan. */
export function compactionDraft(
  plan: CompactionPlan,
  settings: TableSettings,
  snapshots: readonly number[],
): Omit<CompactionJob, 'id' | 'firstFileNumber'> {
  return { kind: 'compaction', settings, snapshots, plan, fileNumberCount: fileNumbersFor(plan) }
}

/**
 * File numbers that a plan may need: outputs are at most as large as their entries are raw, are cut at half of the target at the earliest,
 * and once more for every ten tables' worth of grandparents. Should it be one too few, the last table gets longer.
 */
export function fileNumbersFor(plan: CompactionPlan): number {
  let rawBytes = 0
  for (const { tables } of plan.inputs) {
    for (const table of tables) rawBytes += table.rawKeyBytes + table.rawValueBytes + table.entryCount * ENTRY_OVERHEAD_BYTES
  }
  const outputBytes = Math.max(rawBytes, inputBytes(plan))
  let grandparentBytes = 0
  for (const { fileBytes } of plan.grandparents) grandparentBytes += fileBytes
  const cuts = outputBytes / (plan.targetTableBytes / 2) + grandparentBytes / (plan.targetTableBytes * GRANDPARENT_TABLES_MAX)
  return Math.ceil(cuts) + 2
}

/** A flush, for messages. */
export function describeFlush(memtables: readonly Memtable[]): JobDescription {
  const bytes = memtables.reduce((sum, memtable) => sum + memtable.usedBytes, 0)
  return { kind: 'flush', reason: 'memtable', fromLevel: 0, toLevel: 0, inputTables: memtables.length, inputBytes: bytes }
}

/** A compaction, for messages. */
export function describeCompaction(plan: CompactionPlan): JobDescription {
  const { fromLevel, toLevel } = plan
  const reason = plan.isMove ? 'move' : plan.reason
  return { kind: 'compaction', reason, fromLevel, toLevel, inputTables: inputTableCount(plan), inputBytes: inputBytes(plan) }
}

/** File bytes of tables given with their levels. */
export function addedBytes(added: readonly { readonly table: TableMeta }[]): number {
  return sumBytes(added.map(({ table }) => table))
}
