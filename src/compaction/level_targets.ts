/**
 * How large each level should be: dynamic level targets, as in RocksDB's `level_compaction_dynamic_level_bytes`.
 *
 * 1. The last level holds nearly all data. Its size (or that of the largest level, when it is not the last) is taken as it is.
 * 2. Each level above is to hold a tenth of the one below: so all levels above the last together add a ninth, 11 %, whatever the size of
 *    the store.
 * 3. The *base level* is the first whose target is at least `baseBytes`. Level 0 is compacted straight into it; the levels between stay
 *    empty.
 * 4. A level above the base that holds data (the store has shrunk) goes on as the base while its target would be at least half of
 *    `baseBytes`, so that a store on the edge does not swing; below that it is drained: its target is 0.
 *
 * `baseBytes` is what level 0 holds when it is due: four memtables. A smaller base would be rewritten whole for less than its size; with a
 * larger one a batch from level 0 rewrites more than its own size. The level below enters when it is ten times as large, where going
 * through one more level (about 2 + 10/2 bytes written for each) starts to cost less than rewriting the last level with each batch (10).
 * Tiny memtables scale it all down, so that tests see every level.
 */
import { LAST_LEVEL } from './plan.js'

/** Bytes of a level over bytes of the level above it. */
export const FAN_OUT = 10

/** Tables of level 0 that make it due. */
export const LEVEL0_TRIGGER = 4

/** Largest size that tables are cut at. */
const TABLE_BYTES_MAX = 64 * 1024 * 1024

/** Tables that a last level is to have at least before larger ones are made. */
const LAST_LEVEL_TABLES = 512

/** What the levels should be. */
export interface LevelTargets {
  /** The level that level 0 is compacted into. */
  readonly baseLevel: number
  /** Bytes that each level should hold at most, by level. `0` for level 0 and for levels that should be empty. */
  readonly targetBytes: readonly number[]
}

/** Bytes that the base level is to hold at least. */
export function baseLevelBytes(memtableSize: number): number {
  return LEVEL0_TRIGGER * memtableSize
}

/** Targets for levels of the given sizes. */
export function levelTargets(levelBytes: readonly number[], memtableSize: number): LevelTargets {
  const baseBytes = baseLevelBytes(memtableSize)
  const targetBytes = levelBytes.map(() => 0)
  let largest = 0
  for (let level = 1; level <= LAST_LEVEL; level++) largest = Math.max(largest, levelBytes[level]!)
  let baseLevel = LAST_LEVEL
  let nominal = largest
  targetBytes[LAST_LEVEL] = Math.max(nominal, baseBytes)
  for (let level = LAST_LEVEL - 1; level >= 1; level--) {
    nominal /= FAN_OUT
    const isKept = nominal >= baseBytes || (levelBytes[level]! > 0 && nominal >= baseBytes / 2)
    if (isKept) targetBytes[level] = Math.max(nominal, baseBytes)
    if (isKept || levelBytes[level]! > 0) baseLevel = level
  }
  return { baseLevel, targetBytes }
}

/**
 * Size that tables are cut at: two memtables, so that a table of level 0 and its part of the next level make one; larger in stores with
 * more than 512 of them in the last level, because open tables, manifest and picking cost by the number; at most 64 MiB, because a
 * compaction of one table rewrites about eleven.
 */
export function targetTableBytes(lastLevelBytes: number, memtableSize: number): number {
  return Math.min(TABLE_BYTES_MAX, Math.max(2 * memtableSize, Math.ceil(lastLevelBytes / LAST_LEVEL_TABLES)))
}
