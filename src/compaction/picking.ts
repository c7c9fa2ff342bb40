/**
 * What all pickers share: the view of the levels they choose from, overlap queries, and how a plan is put together.
 */
import { compareBytes } from '../codec/bytes.js'
import type { TableMeta } from '../sstable/table_meta.js'
import { assert } from '../util/assert.js'
import { type LevelTargets, levelTargets, targetTableBytes } from './level_targets.js'
import {
  boundsOverlap,
  type CompactionPlan,
  type CompactionReason,
  type KeyBounds,
  type KeyRange,
  LAST_LEVEL,
  type LevelTables,
  plansConflict,
} from './plan.js'

/**
 * Outputs and moved tables overlap at most this many tables' worth of bytes of the level below, or compacting them on would cost too much.
 */
export const GRANDPARENT_TABLES_MAX = 10

/** A compaction of a level below level 0 takes along neighbours that cost nothing more, up to this many tables' worth of input. */
export const INPUT_TABLES_MAX = 25

/** Share of deletions from which a table is compacted down even though no level is over its target. */
export const TOMBSTONE_SHARE_DENSE = 0.3

/** Share of deletions and shadowed versions from which a table is cleaned when nothing else is to do. */
export const GARBAGE_SHARE_IDLE = 0.05

/** The levels of a `Version`. */
export interface Levels {
  readonly levels: readonly (readonly TableMeta[])[]
}

/** What the picker knows besides the levels. */
export interface PickerState {
  /** Plans that are being carried out. */
  readonly running: readonly CompactionPlan[]
  /** The oldest sequence that somebody reads at; `SEQUENCE_MAX` when only the latest state is read. */
  readonly oldestSnapshot: number
  /** Whether garbage may be collected ahead of need. */
  readonly isIdle: boolean
}

/** Levels, targets and state of one moment. */
export class Picking {
  readonly levels: readonly (readonly TableMeta[])[]
  readonly levelBytes: readonly number[]
  readonly targets: LevelTargets
  readonly targetTableBytes: number
  private readonly meanEntryBytes: number
  readonly state: PickerState

  constructor(version: Levels, state: PickerState, memtableSize: number) {
    this.levels = version.levels
    this.levelBytes = version.levels.map(sumBytes)
    this.targets = levelTargets(this.levelBytes, memtableSize)
    this.targetTableBytes = targetTableBytes(this.levelBytes[LAST_LEVEL]!, memtableSize)
    this.meanEntryBytes = meanEntryBytes(version.levels)
    this.state = state
  }

  /**
   * Bytes of a table for scoring: each deletion counts as the entry that it will remove, at the mean size of all entries. So levels full of
   * deletions come due earlier, and such tables are chosen first.
   */
  compensatedBytes(table: TableMeta): number {
    return table.fileBytes + table.deletionCount * this.meanEntryBytes
  }

  /** The next deeper level that holds data or is to hold some. */
  levelBelow(level: number): number {
    let below = level + 1
    while (below < LAST_LEVEL && this.levels[below]!.length === 0 && this.targets.targetBytes[below] === 0) below++
    return below
  }

  /** Bytes of a level below level 0 that overlap the bounds. */
  overlapBytes(level: number, bounds: KeyBounds): number {
    return level > LAST_LEVEL ? 0 : sumBytes(overlapping(this.levels[level]!, bounds))
  }

  /** Whether no table below `level` overlaps the bounds. */
  isBottom(level: number, bounds: KeyBounds): boolean {
    for (let below = level + 1; below <= LAST_LEVEL; below++) if (overlapping(this.levels[below]!, bounds).length > 0) return false
    return true
  }

  /**
   * The deepest level that a table of `fromLevel` can be moved to as it is, or -1. It overlaps nothing down to there, not too much of the
   * level below, and is not so full of deletions that rewriting it at the bottom would pay.
   */
  moveTarget(fromLevel: number, table: TableMeta): number {
    let target = -1
    for (let level = fromLevel + 1; level <= LAST_LEVEL; level++) {
      if (overlapping(this.levels[level]!, table).length > 0) break
      const isAllowed =
        level >= this.targets.baseLevel && this.overlapBytes(level + 1, table) <= this.targetTableBytes * GRANDPARENT_TABLES_MAX
      if (isAllowed) target = level
    }
    if (target >= 0 && deletionShare(table) >= GARBAGE_SHARE_IDLE && this.isBottom(target, table)) return -1
    return target
  }

  /** A plan with these inputs, or `undefined` when a running plan is in its way. */
  plan(reason: CompactionReason, toLevel: number, inputs: readonly LevelTables[], isMove = false): CompactionPlan | undefined {
    const filled = inputs.filter(({ tables }) => tables.length > 0)
    const bounds = boundsOf(filled.flatMap(({ tables }) => tables))
    if (!isMove) {
      // What is written may reach from end to end of the inputs.
      const between = overlapping(this.levels[toLevel]!, bounds)
      const taken = filled.find(({ level }) => level === toLevel)?.tables ?? []
      assert(between.length === taken.length, 'a plan takes all tables of its target level between its ends')
    }
    const deeper: (readonly KeyBounds[])[] = []
    for (let level = toLevel + 1; level <= LAST_LEVEL; level++) {
      const tables = overlapping(this.levels[level]!, bounds).map(({ smallestKey, largestKey }) => ({ smallestKey, largestKey }))
      if (tables.length > 0) deeper.push(tables)
    }
    const grandparents = toLevel === LAST_LEVEL ? [] : overlapping(this.levels[toLevel + 1]!, bounds)
    const plan: CompactionPlan = {
      reason,
      fromLevel: filled[0]!.level,
      toLevel,
      inputs: filled,
      isMove,
      smallestKey: bounds.smallestKey,
      largestKey: bounds.largestKey,
      grandparents: grandparents.map(({ smallestKey, largestKey, fileBytes }) => ({ smallestKey, largestKey, fileBytes })),
      deeper,
      targetTableBytes: this.targetTableBytes,
    }
    return this.state.running.some((other) => plansConflict(plan, other)) ? undefined : plan
  }
}

/** Bytes of all tables. */
export function sumBytes(tables: readonly TableMeta[]): number {
  let bytes = 0
  for (const table of tables) bytes += table.fileBytes
  return bytes
}

function meanEntryBytes(levels: readonly (readonly TableMeta[])[]): number {
  let bytes = 0
  let entries = 0
  for (const tables of levels) {
    bytes += sumBytes(tables)
    for (const table of tables) entries += table.entryCount
  }
  return entries === 0 ? 0 : bytes / entries
}

/** Share of a table's entries that are deletions. */
export function deletionShare(table: TableMeta): number {
  return table.entryCount === 0 ? 0 : table.deletionCount / table.entryCount
}

/** Share of a table's entries that are deletions, or older versions of keys that are in it. */
export function garbageShare(table: TableMeta): number {
  return table.entryCount === 0 ? 0 : (table.deletionCount + table.entryCount - table.keyCount) / table.entryCount
}

/** Smallest and largest key of tables, of which there is at least one. */
export function boundsOf(tables: readonly KeyBounds[]): KeyBounds {
  let { smallestKey, largestKey } = tables[0]!
  for (const table of tables) {
    if (compareKeys(table.smallestKey, smallestKey) < 0) smallestKey = table.smallestKey
    if (compareKeys(table.largestKey, largestKey) > 0) largestKey = table.largestKey
  }
  return { smallestKey, largestKey }
}

/** Order of two user keys. */
export function compareKeys(a: Uint8Array, b: Uint8Array): number {
  return compareBytes(a, 0, a.length, b, 0, b.length)
}

/** Number of tables of a level that end before `key`; the tables are disjoint and in key order. */
export function tablesBefore(tables: readonly KeyBounds[], key: Uint8Array): number {
  let low = 0
  let high = tables.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compareKeys(tables[middle]!.largestKey, key) < 0) low = middle + 1
    else high = middle
  }
  return low
}

/** The tables of a level, disjoint and in key order, that overlap the bounds. */
export function overlapping<T extends KeyBounds>(tables: readonly T[], bounds: KeyBounds): readonly T[] {
  const first = tablesBefore(tables, bounds.smallestKey)
  let end = first
  while (end < tables.length && compareKeys(tables[end]!.smallestKey, bounds.largestKey) <= 0) end++
  return tables.slice(first, end)
}

/** Whether a table has a key in the range. */
export function isInRange(table: KeyBounds, range: KeyRange): boolean {
  if (range.smallestKey !== undefined && compareKeys(table.largestKey, range.smallestKey) < 0) return false
  return range.largestKey === undefined || compareKeys(table.smallestKey, range.largestKey) <= 0
}

/**
 * The tables of level 0 to compact together, newest first: the oldest that `isWanted` says, and all that overlap what was taken, directly
 * or through others. At most `bytesMax`, but for the first; the newest are left out, which is always right, because they stay above.
 */
export function level0Cluster(
  level0: readonly TableMeta[],
  bytesMax: number,
  isWanted: (table: TableMeta) => boolean,
): readonly TableMeta[] {
  const seed = level0.findLast(isWanted)
  if (seed === undefined) return []
  const cluster = new Set<TableMeta>([seed])
  let bounds: KeyBounds = seed
  for (let before = 0; before < cluster.size;) {
    before = cluster.size
    for (const table of level0) {
      if (cluster.has(table) || !boundsOverlap(table, bounds)) continue
      cluster.add(table)
      bounds = boundsOf([bounds, table])
    }
  }
  const taken: TableMeta[] = []
  let bytes = 0
  for (const table of level0.filter((candidate) => cluster.has(candidate)).toReversed()) {
    if (taken.length > 0 && bytes + table.fileBytes > bytesMax) break
    bytes += table.fileBytes
    taken.push(table)
  }
  return taken.toReversed()
}
