/**
 * Chooses the next compaction.
 *
 * 1. Every level gets a score, its bytes over its target (level 0: the greater of its tables over four and its bytes over the base level's
 *    share). Deletions count as the bytes they will remove. The highest score of at least 1 wins; when a running plan is in the way, the
 *    next.
 * 2. Level 0: tables that overlap no older table of level 0 and nothing below go straight down to the deepest level they fit in, unread and
 *    unwritten. This is how sequential loads end in the last level for the price of their flush. Otherwise the oldest tables and all that
 *    overlap them go to the base level in one batch: the more of them wait, the fewer bytes each costs.
 * 3. Another level: the table with the fewest overlapping bytes below per byte of its own; tables that overlap nothing are moved.
 * 4. No score of 1: the table with the largest share of deletions, from 30 % on, goes one level down; in the last level it is rewritten.
 * 5. Nothing of that, and the store is idle: the same from 5 % of deletions and shadowed versions on, level 0 included.
 *
 * Ties are broken by level, then by key order: the same levels always give the same plan.
 *
 * The choice by least overlap comes from RocksDB (`kMinOverlappingRatio`), the order of the cases from Pebble's picker.
 */
import { SEQUENCE_MAX } from '../codec/internal_key.js'
import type { TableMeta } from '../sstable/table_meta.js'
import { baseLevelBytes, LEVEL0_TRIGGER } from './level_targets.js'
import { boundsOverlap, type CompactionPlan, type KeyBounds, LAST_LEVEL } from './plan.js'
import {
  boundsOf,
  compareKeys,
  deletionShare,
  GARBAGE_SHARE_IDLE,
  garbageShare,
  INPUT_TABLES_MAX,
  level0Cluster,
  type Levels,
  overlapping,
  type PickerState,
  Picking,
  sumBytes,
  TOMBSTONE_SHARE_DENSE,
} from './picking.js'

/** A batch from level 0 is at most this many base levels' worth of bytes. */
const LEVEL0_BATCH_BASES = 8

/** Options of the picker. */
export interface PickerOptions {
  readonly memtableSize: number
}

/** A state in which nothing runs and only the latest state is read. */
export const QUIET_STATE: PickerState = { running: [], oldestSnapshot: SEQUENCE_MAX, isIdle: false }

/** The most urgent compaction that can start now, or `undefined` when none is due. */
export function pickCompaction(version: Levels, state: PickerState, options: PickerOptions): CompactionPlan | undefined {
  const picking = new Picking(version, state, options.memtableSize)
  const scores = levelScores(picking, options.memtableSize)
  const due = scores.map((score, level) => ({ score, level })).filter(({ score }) => score >= 1)
  due.sort((a, b) => b.score - a.score || a.level - b.level)
  for (const { level } of due) {
    const plan = level === 0 ? pickLevel0(picking, options.memtableSize) : pickFromLevel(picking, level)
    if (plan !== undefined) return plan
  }
  return pickTombstones(picking) ?? (state.isIdle ? pickGarbage(picking, options.memtableSize) : undefined)
}

/** How urgent each level is; from 1 on it is due. The last level never is. */
export function levelScores(picking: Picking, memtableSize: number): number[] {
  const { levels, targets } = picking
  return levels.map((tables, level) => {
    if (tables.length === 0 || level === LAST_LEVEL) return 0
    let bytes = 0
    for (const table of tables) bytes += picking.compensatedBytes(table)
    if (level === 0) return Math.max(tables.length / LEVEL0_TRIGGER, bytes / baseLevelBytes(memtableSize))
    const target = targets.targetBytes[level]!
    return target > 0 ? bytes / target : 1 + bytes / baseLevelBytes(memtableSize)
  })
}

function pickLevel0(picking: Picking, memtableSize: number): CompactionPlan | undefined {
  return moveLevel0(picking) ?? mergeLevel0(picking, memtableSize, () => true, 'level0')
}

function mergeLevel0(
  picking: Picking,
  memtableSize: number,
  isWanted: (table: TableMeta) => boolean,
  reason: 'level0' | 'idle',
): CompactionPlan | undefined {
  const tables = level0Cluster(picking.levels[0]!, LEVEL0_BATCH_BASES * baseLevelBytes(memtableSize), isWanted)
  if (tables.length === 0) return undefined
  const { baseLevel } = picking.targets
  const below = overlapping(picking.levels[baseLevel]!, boundsOf(tables))
  return picking.plan(reason, baseLevel, [
    { level: 0, tables },
    { level: baseLevel, tables: below },
  ])
}

/** Tables of level 0 that overlap no older one and can be moved, all to the same level. */
function moveLevel0(picking: Picking): CompactionPlan | undefined {
  const level0 = picking.levels[0]!
  const moved: TableMeta[] = []
  let toLevel = -1
  for (let i = level0.length - 1; i >= 0; i--) {
    const table = level0[i]!
    if (level0.some((older, j) => j > i && boundsOverlap(older, table))) continue
    const target = picking.moveTarget(0, table)
    if (target < 0 || (toLevel >= 0 && target !== toLevel)) continue
    toLevel = target
    moved.push(table)
  }
  return moved.length === 0 ? undefined : picking.plan('level0', toLevel, [{ level: 0, tables: moved.toReversed() }], true)
}

/** The best table of a level, with the neighbours that come for free. */
function pickFromLevel(picking: Picking, level: number): CompactionPlan | undefined {
  const order = leastOverlapFirst(picking, level)
  for (const { index, overlapBytes } of order) {
    const plan = (overlapBytes === 0 ? moveFromLevel(picking, level, index) : undefined) ?? mergeFromLevel(picking, level, index)
    if (plan !== undefined) return plan
  }
  return undefined
}

interface Candidate {
  readonly index: number
  readonly overlapBytes: number
  readonly cost: number
}

/** Tables of a level by overlapping bytes below per own byte. One sweep over both levels. */
function leastOverlapFirst(picking: Picking, level: number): Candidate[] {
  const tables = picking.levels[level]!
  const below = picking.levels[picking.levelBelow(level)]!
  const candidates: Candidate[] = []
  let first = 0
  for (const [index, table] of tables.entries()) {
    while (first < below.length && isBefore(below[first]!, table)) first++
    let overlapBytes = 0
    for (let i = first; i < below.length && !isBefore(table, below[i]!); i++) overlapBytes += below[i]!.fileBytes
    candidates.push({ index, overlapBytes, cost: overlapBytes / picking.compensatedBytes(table) })
  }
  return candidates.sort((a, b) => a.cost - b.cost || a.index - b.index)
}

/** Whether table `a` ends before table `b` starts. */
function isBefore(a: TableMeta, b: TableMeta): boolean {
  return compareKeys(a.largestKey, b.smallestKey) < 0
}

/** Moves the table and those after it that can go to the same level, as many as bring the level down to its target. */
function moveFromLevel(picking: Picking, level: number, index: number): CompactionPlan | undefined {
  const tables = picking.levels[level]!
  const toLevel = picking.moveTarget(level, tables[index]!)
  if (toLevel < 0) return undefined
  const moved: TableMeta[] = []
  let excess = picking.levelBytes[level]! - picking.targets.targetBytes[level]!
  for (let i = index; i < tables.length && (moved.length === 0 || excess > 0); i++) {
    const table = tables[i]!
    if (picking.moveTarget(level, table) !== toLevel) break
    moved.push(table)
    excess -= table.fileBytes
  }
  return picking.plan('size', toLevel, [{ level, tables: moved }], true)
}

/** Merges the table into the level below, with neighbours on both sides that bring in no further table there. */
function mergeFromLevel(
  picking: Picking,
  level: number,
  index: number,
  reason: 'size' | 'tombstones' | 'idle' = 'size',
): CompactionPlan | undefined {
  const tables = picking.levels[level]!
  const toLevel = picking.levelBelow(level)
  const below = overlapping(picking.levels[toLevel]!, tables[index]!)
  let bytesLeft = picking.targetTableBytes * INPUT_TABLES_MAX - tables[index]!.fileBytes - sumBytes(below)
  let first = index
  let end = index + 1
  let bounds: KeyBounds = tables[index]!
  // What is written may reach from end to end: a table below that lies between two inputs, and touches neither, is in the way, too.
  const isFree = (table: TableMeta | undefined): table is TableMeta => {
    if (table === undefined || table.fileBytes > bytesLeft) return false
    return overlapping(picking.levels[toLevel]!, boundsOf([bounds, table])).length === below.length
  }
  const take = (table: TableMeta): void => {
    bytesLeft -= table.fileBytes
    bounds = boundsOf([bounds, table])
  }
  for (let table = tables[end]; isFree(table); table = tables[++end]) take(table)
  for (let table = tables[first - 1]; isFree(table); table = tables[--first - 1]) take(table)
  return picking.plan(reason, toLevel, [
    { level, tables: tables.slice(first, end) },
    { level: toLevel, tables: below },
  ])
}

/**
 * The table below level 0 with the largest share of deletions, if that is dense. Small ones wait: their level's turn comes before they
 * matter.
 */
function pickTombstones(picking: Picking): CompactionPlan | undefined {
  const bytesMin = picking.targetTableBytes / 16
  return pickDirty(picking, 'tombstones', TOMBSTONE_SHARE_DENSE, (table) => (table.fileBytes < bytesMin ? 0 : deletionShare(table)))
}

function pickGarbage(picking: Picking, memtableSize: number): CompactionPlan | undefined {
  const level0 = mergeLevel0(picking, memtableSize, (table) => garbageShare(table) >= GARBAGE_SHARE_IDLE, 'idle')
  return level0 ?? pickDirty(picking, 'idle', GARBAGE_SHARE_IDLE, garbageShare)
}

/**
 * Sends the dirtiest table one level down, or rewrites it in the last level, if its share is at least `shareMin`. A table of the last level
 * that snapshots still read into is left alone: rewriting it now would not free all.
 */
function pickDirty(
  picking: Picking,
  reason: 'tombstones' | 'idle',
  shareMin: number,
  share: (table: TableMeta) => number,
): CompactionPlan | undefined {
  const candidates: { level: number; index: number; dirt: number }[] = []
  for (let level = 1; level <= LAST_LEVEL; level++) {
    for (const [index, table] of picking.levels[level]!.entries()) {
      if (level === LAST_LEVEL && table.largestSequence > picking.state.oldestSnapshot) continue
      const dirt = share(table)
      if (dirt >= shareMin) candidates.push({ level, index, dirt })
    }
  }
  candidates.sort((a, b) => b.dirt - a.dirt || a.level - b.level || a.index - b.index)
  for (const { level, index } of candidates) {
    const plan = level === LAST_LEVEL ? rewriteLast(picking, reason, index) : mergeFromLevel(picking, level, index, reason)
    if (plan !== undefined) return plan
  }
  return undefined
}

function rewriteLast(picking: Picking, reason: 'tombstones' | 'idle', index: number): CompactionPlan | undefined {
  return picking.plan(reason, LAST_LEVEL, [{ level: LAST_LEVEL, tables: [picking.levels[LAST_LEVEL]![index]!] }])
}
