/**
 * Compaction of a key range on request: everything in it goes down to the last level, and what nobody can see is dropped on the way.
 *
 * 1. Level 0: the tables that were there at the start and reach into the range, with all that overlap them, go to the base level.
 * 2. Each level below, from the top: its tables in the range are merged into the next, in key order, some tables at a time, so that a job
 *    needs bounded room on the disk.
 * 3. The last level: tables that were there at the start and are not *settled* are rewritten, neighbours together. A settled table was
 *    written by a compaction into the last level when no snapshot was in the way: it holds no deletions, its sequences are all zero, and
 *    its codec is that of the last level. A table that was moved there is not.
 *
 * The range is covered once: what is written meanwhile is not waited for. Since levels shrink by ten upwards, going level by level writes
 * about 1.2 times the data.
 */
import type { TableMeta } from '../sstable/table_meta.js'
import { type CompactionPlan, type KeyRange, LAST_LEVEL } from './plan.js'
import { boundsOf, compareKeys, isInRange, level0Cluster, overlapping, type Picking, sumBytes } from './picking.js'

/** Input of one job in tables' worth of bytes, unless one table and what it overlaps is more. */
const CHUNK_TABLES = 16

/** A request, and how far it has come. */
export class ManualCompaction {
  readonly range: KeyRange
  private level = 0
  /** In `level`, tables up to this key are done. */
  private doneKey: Uint8Array | undefined = undefined
  /** The newest sequence of level 0 at the start, and the greatest file number of all. */
  private level0Sequence = -1
  private lastFileNumber = -1

  constructor(range: KeyRange, levels: readonly (readonly TableMeta[])[]) {
    this.range = range
    for (const table of levels[0]!) this.level0Sequence = Math.max(this.level0Sequence, table.largestSequence)
    for (const tables of levels) for (const table of tables) this.lastFileNumber = Math.max(this.lastFileNumber, table.fileNumber)
  }

  /** Whether all is done. */
  get isDone(): boolean {
    return this.level > LAST_LEVEL
  }

  /**
   * The next step, or `undefined` when the request is done (`isDone`), or when a running plan is in the way. The step must have been
   * carried out before the next call.
   */
  next(picking: Picking): CompactionPlan | undefined {
    for (; this.level <= LAST_LEVEL; this.level++, this.doneKey = undefined) {
      const step = this.level === 0 ? this.nextLevel0(picking) : this.nextBelow(picking)
      if (step !== 'nothing') return step
    }
    return undefined
  }

  private nextLevel0(picking: Picking): CompactionPlan | undefined | 'nothing' {
    const isWanted = (table: TableMeta): boolean => table.largestSequence <= this.level0Sequence && isInRange(table, this.range)
    const tables = level0Cluster(picking.levels[0]!, picking.targetTableBytes * CHUNK_TABLES, isWanted)
    if (tables.length === 0) return 'nothing'
    const { baseLevel } = picking.targets
    return picking.plan('manual', baseLevel, [
      { level: 0, tables },
      { level: baseLevel, tables: overlapping(picking.levels[baseLevel]!, boundsOf(tables)) },
    ])
  }

  private nextBelow(picking: Picking): CompactionPlan | undefined | 'nothing' {
    const { level } = this
    const tables = picking.levels[level]!
    const start = tables.findIndex((table) => this.isDue(table))
    if (start < 0) return 'nothing'
    const toLevel = level === LAST_LEVEL ? LAST_LEVEL : picking.levelBelow(level)
    let end = start
    let bytes = 0
    let below: readonly TableMeta[] = []
    do {
      bytes += tables[end++]!.fileBytes
      if (level < LAST_LEVEL) below = overlapping(picking.levels[toLevel]!, boundsOf(tables.slice(start, end)))
    } while (end < tables.length && this.isDue(tables[end]!) && bytes + sumBytes(below) < picking.targetTableBytes * CHUNK_TABLES)
    const plan = picking.plan('manual', toLevel, [
      { level, tables: tables.slice(start, end) },
      { level: toLevel, tables: below },
    ])
    if (plan !== undefined) this.doneKey = tables[end - 1]!.largestKey
    return plan
  }

  private isDue(table: TableMeta): boolean {
    if (!isInRange(table, this.range)) return false
    if (this.doneKey !== undefined && compareKeys(table.smallestKey, this.doneKey) <= 0) return false
    if (this.level < LAST_LEVEL) return true
    return table.fileNumber <= this.lastFileNumber && (table.deletionCount > 0 || table.largestSequence > 0)
  }
}
