/**
 * Where the outputs of a job are cut into tables.
 *
 * A table written to level n will itself be compacted into level n + 1, together with all tables there that it overlaps, the *grandparents*
 * of the job. Cutting where they are cut saves the parts of them that a table only touches (RocksDB found 12 % less compaction).
 *
 *   grandparents   ├────────┤├──────────┤├─────────┤├──────┤
 *   outputs        ├─────────────────────┤├─────────────────┤
 *
 * A table is cut before a new user key when
 * 1. it overlaps grandparents of more than ten tables' worth of bytes: compacting it would cost too much, however small it is;
 * 2. a grandparent ends just before, and the table has reached 50 % of the target, 5 % more for each grandparent it ends in, up to 90 %:
 *    with many small grandparents there will be another boundary soon, with few large ones perhaps not;
 * 3. it has reached 200 % of the target; 100 % where no grandparent follows.
 */
import { compareBytes } from '../codec/bytes.js'
import { GRANDPARENT_TABLES_MAX } from './picking.js'
import type { TableExtent } from './plan.js'

/** Percent of the target at which boundaries are taken: at the first one, more for each, at most. */
const BOUNDARY_PERCENT = 50
const BOUNDARY_PERCENT_STEP = 5
const BOUNDARY_PERCENT_MAX = 90

/** Says where to cut; asked once for each user key, in order. */
export class OutputCutter {
  private readonly targetBytes: number
  private readonly grandparents: readonly TableExtent[]
  /** First grandparent that ends at or after the current key. */
  private next = 0
  private overlappedBytes = 0
  private boundariesCrossed = 0

  constructor(targetBytes: number, grandparents: readonly TableExtent[]) {
    this.targetBytes = targetBytes
    this.grandparents = grandparents
  }

  /**
   * Whether the table is to end before this key.
   *
   * @param tableBytes size of the table so far; 0 when there is none, and then there is nothing to cut
   */
  cutsBefore(data: Uint8Array, keyStart: number, keyEnd: number, tableBytes: number): boolean {
    const hasCrossed = this.grandparents.length > 0 && this.advance(data, keyStart, keyEnd, tableBytes > 0)
    if (tableBytes === 0 || !this.isDue(tableBytes, hasCrossed)) return false
    this.overlappedBytes = 0
    this.boundariesCrossed = 0
    return true
  }

  /** Passes the grandparents that end before the key. True when there was one. */
  private advance(data: Uint8Array, keyStart: number, keyEnd: number, isInTable: boolean): boolean {
    const { grandparents } = this
    const before = this.next
    while (this.next < grandparents.length) {
      const { largestKey, fileBytes } = grandparents[this.next]!
      if (compareBytes(largestKey, 0, largestKey.length, data, keyStart, keyEnd) >= 0) break
      if (isInTable) {
        this.overlappedBytes += fileBytes
        this.boundariesCrossed++
      }
      this.next++
    }
    return this.next > before
  }

  private isDue(tableBytes: number, hasCrossed: boolean): boolean {
    const { targetBytes } = this
    if (this.overlappedBytes > targetBytes * GRANDPARENT_TABLES_MAX) return true
    if (hasCrossed) {
      const percent = Math.min(BOUNDARY_PERCENT_MAX, BOUNDARY_PERCENT + BOUNDARY_PERCENT_STEP * this.boundariesCrossed)
      if (tableBytes * 100 >= targetBytes * percent) return true
    }
    return tableBytes >= (this.next < this.grandparents.length ? 2 * targetBytes : targetBytes)
  }
}
