import { describe, expect, test } from 'vitest'
import { compactionDraft, fileNumbersFor, flushDraft } from '../../../src/compaction/job_making.js'
import { pickCompaction, QUIET_STATE } from '../../../src/compaction/picker.js'
import type { TableMeta } from '../../../src/sstable/table_meta.js'
import { deletion, put } from '../iterator/array_iterator.js'
import { memtableOf, settings } from './job_store.js'
import { evenTables, MEMTABLE, table, version } from './levels.js'

const levels = (tables: Readonly<Record<number, readonly TableMeta[]>>): readonly (readonly TableMeta[])[] => version(tables).levels

describe('a flush', () => {
  const tables = { 0: [table('a', 'c'), table('b', 'd')], 5: evenTables(3, 1000), 6: evenTables(5, 1000) }

  test('is told of all tables when it holds deletions: those of level 0 one by one, the others level by level', () => {
    const { deeper } = flushDraft([memtableOf([deletion('a', 1)])], levels(tables), settings, [])
    expect(deeper.map((list) => list.length)).toEqual([1, 1, 3, 5])
  })

  test('is told of none when it holds no deletions', () => {
    expect(flushDraft([memtableOf([put('a', 1)])], levels(tables), settings, []).deeper).toEqual([])
  })

  test('is told of very large levels as one range', () => {
    const { deeper } = flushDraft([memtableOf([deletion('a', 1)])], levels({ 6: evenTables(2000, 10) }), settings, [])
    expect(deeper.map((list) => list.length)).toEqual([1])
    expect(String(deeper[0]![0]!.largestKey)).toBe('k09999')
  })
})

describe('a compaction', () => {
  test('gets file numbers for all tables that it may write, and some to spare', () => {
    const tables = version({ 5: evenTables(40, 1000), 6: evenTables(10, 10_000, { rawKeyBytes: 20_000, rawValueBytes: 20_000 }) })
    const plan = pickCompaction(tables, QUIET_STATE, { memtableSize: MEMTABLE })!
    const bytes = plan.inputs.flatMap((input) => input.tables).reduce((sum, each) => sum + each.rawKeyBytes + each.rawValueBytes, 0)
    expect(fileNumbersFor(plan)).toBeGreaterThan((2 * bytes) / plan.targetTableBytes)
    expect(compactionDraft(plan, settings, [7])).toMatchObject({
      kind: 'compaction',
      snapshots: [7],
      fileNumberCount: fileNumbersFor(plan),
    })
  })
})
