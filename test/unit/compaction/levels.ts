/**
 * Levels of made-up tables, for tests of what chooses among them.
 */
import type { TableMeta } from '../../../src/sstable/table_meta.js'
import { Version } from '../../../src/version/version.js'
import type { PickerState } from '../../../src/compaction/picking.js'
import { QUIET_STATE } from '../../../src/compaction/picker.js'
import type { CompactionPlan } from '../../../src/compaction/plan.js'

/** Memtable size of the made-up stores: base levels hold 4,000 bytes, tables 2,000. */
export const MEMTABLE = 1000

let lastFileNumber = 0

/** A table from key `from` to key `to`. */
export function table(from: string, to: string, details: Partial<TableMeta> = {}): TableMeta {
  const fileNumber = details.fileNumber ?? ++lastFileNumber
  return {
    fileNumber,
    fileBytes: 1000,
    tailOffset: 900,
    entryCount: 100,
    deletionCount: 0,
    keyCount: 100,
    rawKeyBytes: 500,
    rawValueBytes: 500,
    smallestKey: Buffer.from(from),
    largestKey: Buffer.from(to),
    smallestSequence: fileNumber * 100,
    largestSequence: fileNumber * 100 + 99,
    ...details,
  }
}

/** A key with a number in it, in the order of the numbers. */
export function key(n: number): string {
  return `k${String(n).padStart(5, '0')}`
}

/** `count` tables side by side, each of `fileBytes`, over keys 0 to 9999. */
export function evenTables(count: number, fileBytes: number, details: Partial<TableMeta> = {}): TableMeta[] {
  const width = 10_000 / count
  return Array.from({ length: count }, (_, i) =>
    table(key(Math.ceil(i * width)), key(Math.ceil((i + 1) * width) - 1), { fileBytes, ...details }),
  )
}

/** A version with tables on the levels named. */
export function version(levels: Readonly<Record<number, readonly TableMeta[]>>): Version {
  return Version.of(Array.from({ length: 7 }, (_, level) => levels[level] ?? []))
}

/** A picker's state that differs from the quiet one. */
export function state(details: Partial<PickerState>): PickerState {
  return { ...QUIET_STATE, ...details }
}

/** A plan in short: reason, levels, and input file numbers by level. */
export function outline(plan: CompactionPlan | undefined): string {
  if (plan === undefined) return 'nothing'
  const inputs = plan.inputs.map(({ level, tables }) => `L${level}[${tables.map(({ fileNumber }) => fileNumber).join(' ')}]`)
  return `${plan.isMove ? 'move' : plan.reason} ${inputs.join(' ')} to L${plan.toLevel}`
}
