/**
 * What a compaction is to do, as plain data: made by the picker, carried out by a job in this thread or another, kept by the scheduler
 * while it runs so that nothing else touches the same tables.
 *
 * Invariants
 * 1. Inputs are complete: with a table, every older table of its level and every table of the levels down to `toLevel` whose key range
 *    overlaps the inputs' is among the inputs too. So an entry never passes an older one of its key on the way down.
 * 2. While a plan runs, no other plan may touch its key range in its levels, the two ends and all between: see {@link plansConflict}.
 */
import { compareBytes } from '../codec/bytes.js'
import type { TableMeta } from '../sstable/table_meta.js'
import { LEVEL_COUNT } from '../version/version.js'

/** The deepest level. */
export const LAST_LEVEL: number = LEVEL_COUNT - 1

/**
 * Why a compaction was chosen: `level0` has too many tables, a level has outgrown its target (`size`), tables consist of `tombstones`,
 * nothing else was to do and garbage was found (`idle`), or somebody asked (`manual`).
 */
export type CompactionReason = 'level0' | 'size' | 'tombstones' | 'idle' | 'manual'

/** Tables of one level. */
export interface LevelTables {
  readonly level: number
  /** In the order of the level: newest first in level 0, by key elsewhere. */
  readonly tables: readonly TableMeta[]
}

/** First and last user key of something, both included. */
export interface KeyBounds {
  readonly smallestKey: Uint8Array
  readonly largestKey: Uint8Array
}

/** The bounds and size of a table that the job does not read, only steers by. */
export interface TableExtent extends KeyBounds {
  readonly fileBytes: number
}

/** A user key range, both ends included; an end that is left out is open. */
export interface KeyRange {
  readonly smallestKey?: Uint8Array | undefined
  readonly largestKey?: Uint8Array | undefined
}

/** One compaction. */
export interface CompactionPlan extends KeyBounds {
  readonly reason: CompactionReason
  /** Shallowest level with inputs. */
  readonly fromLevel: number
  /** Level of the outputs. Equal to `fromLevel` when tables of the last level are rewritten. */
  readonly toLevel: number
  /** Inputs from the shallowest to the deepest level, empty levels left out. */
  readonly inputs: readonly LevelTables[]
  /** The inputs keep their bytes and only change their level: the edit is all there is to do. */
  readonly isMove: boolean
  /** Tables of `toLevel + 1` that overlap the range: outputs are cut along them. */
  readonly grandparents: readonly TableExtent[]
  /** Tables below `toLevel` that overlap the range, by level: while a key lies in one of them its tombstone must stay. */
  readonly deeper: readonly (readonly KeyBounds[])[]
  /** Size that outputs are cut at. */
  readonly targetTableBytes: number
}

/** Whether two key ranges share a key. */
export function boundsOverlap(a: KeyBounds, b: KeyBounds): boolean {
  return (
    compareBytes(a.smallestKey, 0, a.smallestKey.length, b.largestKey, 0, b.largestKey.length) <= 0 &&
    compareBytes(b.smallestKey, 0, b.smallestKey.length, a.largestKey, 0, a.largestKey.length) <= 0
  )
}

/** Whether two plans must not run at the same time. */
export function plansConflict(a: CompactionPlan, b: CompactionPlan): boolean {
  if (a.fromLevel === 0 && b.fromLevel === 0) return true
  return a.fromLevel <= b.toLevel && b.fromLevel <= a.toLevel && boundsOverlap(a, b)
}

/** Tables that a plan reads or moves. */
export function inputTableCount(plan: CompactionPlan): number {
  let count = 0
  for (const { tables } of plan.inputs) count += tables.length
  return count
}

/** Bytes of those tables. */
export function inputBytes(plan: CompactionPlan): number {
  let bytes = 0
  for (const { tables } of plan.inputs) for (const table of tables) bytes += table.fileBytes
  return bytes
}
