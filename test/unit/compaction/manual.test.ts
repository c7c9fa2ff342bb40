import { describe, expect, test } from 'vitest'
import { ManualCompaction } from '../../../src/compaction/manual.js'
import { Picking } from '../../../src/compaction/picking.js'
import type { CompactionPlan, KeyRange } from '../../../src/compaction/plan.js'
import { QUIET_STATE } from '../../../src/compaction/picker.js'
import type { TableMeta } from '../../../src/sstable/table_meta.js'
import type { Version } from '../../../src/version/version.js'
import { evenTables, key, MEMTABLE, outline, table, version } from './levels.js'

const settled = { smallestSequence: 0, largestSequence: 0 }
const everything: KeyRange = {}

/** Carries out the request on made-up tables: each plan turns its inputs into one table. Returns the plans in short. */
function steps(start: Version, range: KeyRange, sequences = settled): { outlines: string[]; end: Version } {
  const manual = new ManualCompaction(range, start.levels)
  const outlines: string[] = []
  let levels = start
  for (;;) {
    const plan = manual.next(new Picking(levels, QUIET_STATE, MEMTABLE))
    if (plan === undefined) break
    outlines.push(outline(plan))
    levels = carryOut(levels, plan, sequences)
    expect(outlines.length).toBeLessThan(100)
  }
  expect(manual.isDone).toBe(true)
  return { outlines, end: levels }
}

function carryOut(levels: Version, plan: CompactionPlan, sequences = settled): Version {
  const inputs = plan.inputs.flatMap(({ level, tables }) => tables.map((input) => ({ level, table: input })))
  const fileBytes = inputs.reduce((sum, input) => sum + input.table.fileBytes, 0)
  const { smallestKey, largestKey } = plan
  const isLast = plan.toLevel === 6
  const output: TableMeta = {
    ...table('', ''),
    smallestKey,
    largestKey,
    fileBytes,
    ...(isLast ? sequences : {}),
  }
  return levels.applyEdit({
    added: [{ level: plan.toLevel, table: output }],
    removed: inputs.map((input) => ({ level: input.level, fileNumber: input.table.fileNumber })),
  })
}

describe('compaction of a range', () => {
  test('goes level by level down to the last', () => {
    const level0 = [table('a', 'm', { fileNumber: 9003 }), table('c', 'z', { fileNumber: 9002 })]
    const level5 = [table('b', 'h', { fileNumber: 9001 })]
    const level6 = [table('a', 'g', { fileNumber: 9000, fileBytes: 60_000, ...settled })]
    const { outlines, end } = steps(version({ 0: level0, 5: level5, 6: level6 }), everything)
    expect(outlines.slice(0, 1)).toEqual(['manual L0[9003 9002] L5[9001] to L5'])
    expect(outlines[1]).toMatch(/^manual L5\[\d+\] L6\[9000\] to L6$/)
    expect(outlines).toHaveLength(2)
    expect(end.levels.map((tables) => tables.length)).toEqual([0, 0, 0, 0, 0, 0, 1])
  })

  test('takes a large level some tables at a time', () => {
    const { outlines, end } = steps(version({ 5: evenTables(30, 4000), 6: evenTables(60, 4000, settled) }), everything)
    expect(outlines.length).toBeGreaterThan(5)
    expect(end.levels[5]).toEqual([])
  })

  test('rewrites tables of the last level that were moved there, or hold deletions, and no others', () => {
    const level6 = [
      table('a', 'b', { fileNumber: 9100, ...settled }),
      table('c', 'd', { fileNumber: 9101 }),
      table('e', 'f', { fileNumber: 9102, ...settled, deletionCount: 1 }),
      table('g', 'h', { fileNumber: 9103, ...settled }),
    ]
    expect(steps(version({ 6: level6 }), everything).outlines).toEqual(['manual L6[9101 9102] to L6'])
  })

  test('has nothing to do the second time', () => {
    const { end } = steps(version({ 0: [table('a', 'z')], 6: [table('c', 'd')] }), everything)
    expect(steps(end, everything).outlines).toEqual([])
  })

  test('does not rewrite its own outputs, which a snapshot has kept from being settled', () => {
    const level5 = evenTables(6, 4000)
    const { outlines } = steps(version({ 5: level5, 6: evenTables(6, 4000, settled) }), everything, {
      smallestSequence: 0,
      largestSequence: 70,
    })
    expect(outlines.every((step) => step.includes('L5'))).toBe(true)
  })

  test('leaves tables outside of the range alone', () => {
    const level5 = evenTables(10, 1000)
    const range = { smallestKey: Buffer.from(key(3500)), largestKey: Buffer.from(key(4999)) }
    const numbers = level5.slice(3, 5).map(({ fileNumber }) => fileNumber)
    const { outlines, end } = steps(version({ 5: level5, 6: evenTables(10, 10_000, settled) }), range)
    expect(outlines[0]).toContain(`L5[${numbers.join(' ')}]`)
    expect(end.levels[5]).toHaveLength(8)
  })

  test('does not wait for what is written meanwhile', () => {
    const start = version({ 0: [table('a', 'z', { fileNumber: 9200 })] })
    const manual = new ManualCompaction(everything, start.levels)
    const plan = manual.next(new Picking(start, QUIET_STATE, MEMTABLE))!
    expect(outline(plan)).toBe('manual L0[9200] to L6')
    const later = carryOut(start, plan).applyEdit({ added: [{ level: 0, table: table('b', 'y', { fileNumber: 9300 }) }], removed: [] })
    expect(manual.next(new Picking(later, QUIET_STATE, MEMTABLE))).toBeUndefined()
    expect(manual.isDone).toBe(true)
  })
})
