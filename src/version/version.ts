/**
 * A version: which tables make up the store at one moment, and on which level.
 *
 * Versions are immutable and counted by reference; a change makes a new one, which shares the levels it leaves alone. Whoever reads tables
 * holds a reference on the version that named them, and so keeps their files (`file_registry.ts`).
 *
 * Invariants (`check`)
 * 1. Level 0 holds tables in the order of their age, newest first by largest sequence; their key ranges may overlap.
 * 2. The levels below hold tables in the order of their keys, and no user key lies in the range of two tables of a level.
 * 3. A file number appears once.
 *
 * A key found on a shallower level is newer than any on a deeper one; within level 0, earlier in the list is newer.
 */
import { compareBytes } from '../codec/bytes.js'
import type { TableMeta } from '../sstable/table_meta.js'
import { assert } from '../util/assert.js'
import { LevelSearch } from './level_search.js'
import type { VersionEdit } from './version_edit.js'

/** Number of levels: 0 to 6. */
export const LEVEL_COUNT = 7

/** Tables of one level, with what is computed once for them. */
interface Level {
  readonly tables: readonly TableMeta[]
  readonly search: LevelSearch
  readonly bytes: number
}

const emptyLevel: Level = { tables: [], search: new LevelSearch([]), bytes: 0 }

/** The tables of a store at one moment. */
export class Version {
  /** Tables of the seven levels: newest first in level 0, by key in the others. */
  readonly levels: readonly (readonly TableMeta[])[]
  /** Called once, when the last reference is dropped. */
  onRelease: ((version: Version) => void) | undefined
  private readonly details: readonly Level[]
  private readonly searches: readonly LevelSearch[]
  private references = 0

  private constructor(details: readonly Level[]) {
    this.details = details
    this.searches = details.map((level) => level.search)
    this.levels = details.map((level) => level.tables)
  }

  /** The version without tables. */
  static empty(): Version {
    return new Version(Array.from({ length: LEVEL_COUNT }, () => emptyLevel))
  }

  /** A version of these tables, given by level in any order. */
  static of(levels: readonly (readonly TableMeta[])[]): Version {
    assert(levels.length <= LEVEL_COUNT, 'there are seven levels')
    const details: Level[] = []
    for (let level = 0; level < LEVEL_COUNT; level++) {
      const tables = levels[level]
      details.push(tables === undefined || tables.length === 0 ? emptyLevel : makeLevel(level, tables))
    }
    const version = new Version(details)
    version.check()
    return version
  }

  /** Takes a reference: while there is one, no file of this version is deleted. */
  ref(): void {
    this.references++
  }

  /** Drops a reference. */
  unref(): void {
    assert(this.references > 0, 'a version is released as often as it was referenced')
    this.references--
    if (this.references === 0) this.onRelease?.(this)
  }

  /** References held at the moment. */
  get referenceCount(): number {
    return this.references
  }

  /**
   * Index of the table of `level` (1 to 6) whose key range holds `key[start, end)`, or -1.
   *
   * Hot: one per level and lookup, about 30 ns for 100 tables; `bench/micro/version.ts` guards it.
   */
  findTable(level: number, key: Uint8Array, start: number, end: number): number {
    return this.searches[level]!.find(key, start, end)
  }

  /** Index of the first table of `level` (1 to 6) that ends at or after the key; the number of tables when there is none. */
  seekTable(level: number, key: Uint8Array, start: number, end: number): number {
    return this.searches[level]!.seek(key, start, end)
  }

  /** File bytes of a level. */
  levelBytes(level: number): number {
    return this.details[level]!.bytes
  }

  /** Number of tables on all levels. */
  get tableCount(): number {
    return this.levels.reduce((sum, tables) => sum + tables.length, 0)
  }

  /** File bytes of all levels. */
  get totalBytes(): number {
    return this.details.reduce((sum, level) => sum + level.bytes, 0)
  }

  /**
   * Tables of a level whose key range shares a key with `smallest` to `largest`, both included; an end left out is open. In the level's
   * order.
   */
  overlapping(level: number, smallest?: Uint8Array, largest?: Uint8Array): TableMeta[] {
    const tables = this.levels[level]!
    if (level === 0) return tables.filter((table) => !isBefore(table.largestKey, smallest) && !isBefore(largest, table.smallestKey))
    const first = smallest === undefined ? 0 : this.seekTable(level, smallest, 0, smallest.length)
    let end = first
    while (end < tables.length && !isBefore(largest, tables[end]!.smallestKey)) end++
    return tables.slice(first, end)
  }

  /** The version after an edit. Removing a table that is not there breaks an invariant, as does any overlap. */
  applyEdit(edit: VersionEdit): Version {
    const details = this.details.map((detail, level) => {
      const added = edit.added.filter((each) => each.level === level).map((each) => each.table)
      const removed = new Set(edit.removed.filter((each) => each.level === level).map((each) => each.fileNumber))
      if (added.length === 0 && removed.size === 0) return detail
      const kept = detail.tables.filter((table) => !removed.has(table.fileNumber))
      assert(kept.length === detail.tables.length - removed.size, 'an edit removes tables that are there')
      const changed = makeLevel(level, [...kept, ...added])
      checkOrder(level, changed.tables)
      return changed
    })
    return new Version(details)
  }

  /** Asserts the invariants. */
  check(): void {
    const numbers = new Set<number>()
    for (const [level, tables] of this.levels.entries()) {
      checkOrder(level, tables)
      for (const { fileNumber } of tables) {
        assert(!numbers.has(fileNumber), 'a table stands in a version once')
        numbers.add(fileNumber)
      }
    }
  }
}

/** Whether `key[start, end)` lies in the range of a table. For level 0, where each table has to be asked. */
export function tableHolds(table: TableMeta, key: Uint8Array, start: number, end: number): boolean {
  const { smallestKey, largestKey } = table
  return (
    compareBytes(smallestKey, 0, smallestKey.length, key, start, end) <= 0 &&
    compareBytes(key, start, end, largestKey, 0, largestKey.length) <= 0
  )
}

function makeLevel(level: number, tables: readonly TableMeta[]): Level {
  const sorted = tables.toSorted(level === 0 ? byAge : bySmallestKey)
  let bytes = 0
  for (const table of sorted) bytes += table.fileBytes
  return { tables: sorted, search: level === 0 ? emptyLevel.search : new LevelSearch(sorted), bytes }
}

function byAge(a: TableMeta, b: TableMeta): number {
  return b.largestSequence - a.largestSequence || b.fileNumber - a.fileNumber
}

function bySmallestKey(a: TableMeta, b: TableMeta): number {
  return compareKeys(a.smallestKey, b.smallestKey)
}

/** One call, while this code still runs for the first time when a store is opened: `compareBytes` is fast once it is compiled. */
function compareKeys(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b)
}

/** Whether `a` sorts before `b`; never when one of them is open. */
function isBefore(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a !== undefined && b !== undefined && compareKeys(a, b) < 0
}

function checkOrder(level: number, tables: readonly TableMeta[]): void {
  let before: TableMeta | undefined
  for (const table of tables) {
    assert(compareKeys(table.smallestKey, table.largestKey) <= 0, 'a table does not end before it starts')
    if (before !== undefined) {
      if (level === 0) assert(byAge(before, table) < 0, 'level 0 is sorted by age')
      else assert(compareKeys(before.largestKey, table.smallestKey) < 0, 'tables of a level do not overlap')
    }
    before = table
  }
}
