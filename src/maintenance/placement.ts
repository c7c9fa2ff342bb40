/**
 * Where tables go of which nobody knows the level any more.
 *
 * Lookups take the first version that they meet, from the top down. So of two tables that share keys, the one that is newer throughout must
 * lie above the other, and "newer throughout" can be told only when their ranges of sequences do not meet. (Level 0 by greatest sequence,
 * as LevelDB's repair does it, is not sound: compactions give sequence 0 to what is old enough, so that a table may hold one newest version
 * and many oldest ones.)
 *
 * From level 6 upwards, each level takes the tables that have nothing below them among those that are left: every table that shares keys
 * with them is newer throughout. Two of these never overlap. What is left after level 2 goes to level 1: groups of tables that overlap are
 * to be merged there, which settles each key by its sequences.
 */
import { compareBytes } from '../codec/bytes.js'
import type { TableMeta } from '../sstable/table_meta.js'

/** A place for each table. */
export interface Placement {
  /** Tables that stay as they are, by level. */
  readonly levels: TableMeta[][]
  /** Groups of tables that are to be merged into level 1. */
  readonly merges: TableMeta[][]
}

/** The deepest level, and the one that takes what has to be merged. */
const DEEPEST_LEVEL = 6
const MERGE_LEVEL = 1

/** Places tables. */
export function placeTables(tables: readonly TableMeta[]): Placement {
  const levels: TableMeta[][] = Array.from({ length: DEEPEST_LEVEL + 1 }, () => [])
  let left = tables.toSorted(bySmallestKey)
  for (let level = DEEPEST_LEVEL; level > MERGE_LEVEL && left.length > 0; level--) {
    const above = new Set<TableMeta>()
    forOverlapping(left, (a, b) => {
      if (!(a.largestSequence < b.smallestSequence)) above.add(a)
      if (!(b.largestSequence < a.smallestSequence)) above.add(b)
    })
    levels[level] = left.filter((table) => !above.has(table))
    left = left.filter((table) => above.has(table))
  }
  const groups = overlappingGroups(left)
  levels[MERGE_LEVEL] = groups.filter((group) => group.length === 1).flat()
  return { levels, merges: groups.filter((group) => group.length > 1) }
}

/** Splits tables into runs of disjoint ones, as few as there must be. */
export function disjointRuns(tables: readonly TableMeta[]): TableMeta[][] {
  const runs: TableMeta[][] = []
  for (const table of tables.toSorted(bySmallestKey)) {
    const run = runs.find((each) => compare(each.at(-1)!.largestKey, table.smallestKey) < 0)
    if (run === undefined) runs.push([table])
    else run.push(table)
  }
  return runs
}

function forOverlapping(sorted: readonly TableMeta[], visit: (a: TableMeta, b: TableMeta) => void): void {
  for (const [i, a] of sorted.entries()) {
    for (let j = i + 1; j < sorted.length && compare(sorted[j]!.smallestKey, a.largestKey) <= 0; j++) visit(a, sorted[j]!)
  }
}

/** Tables that overlap, directly or through others, in one group. */
function overlappingGroups(sorted: readonly TableMeta[]): TableMeta[][] {
  const groups: TableMeta[][] = []
  let end: Uint8Array | undefined
  for (const table of sorted) {
    if (end !== undefined && compare(table.smallestKey, end) <= 0) groups.at(-1)!.push(table)
    else groups.push([table])
    if (end === undefined || compare(end, table.largestKey) < 0) end = table.largestKey
  }
  return groups
}

function bySmallestKey(a: TableMeta, b: TableMeta): number {
  return compare(a.smallestKey, b.smallestKey) || a.fileNumber - b.fileNumber
}

function compare(a: Uint8Array, b: Uint8Array): number {
  return compareBytes(a, 0, a.length, b, 0, b.length)
}
