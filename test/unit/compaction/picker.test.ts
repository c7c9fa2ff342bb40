import { describe, expect, test } from 'vitest'
import { pickCompaction as pick, QUIET_STATE } from '../../../src/compaction/picker.js'
import { plansConflict } from '../../../src/compaction/plan.js'
import type { TableMeta } from '../../../src/sstable/table_meta.js'
import type { Version } from '../../../src/version/version.js'
import { evenTables, key, MEMTABLE, outline, state, table, version } from './levels.js'

const options = { memtableSize: MEMTABLE }

function picked(levels: Version, details: Parameters<typeof state>[0] = {}): string {
  return outline(pick(levels, state(details), options))
}

describe('level 0', () => {
  const overlapping = (count: number): TableMeta[] =>
    Array.from({ length: count }, (_, i) => table('a', 'z', { fileNumber: 10 + i, fileBytes: 400 }))
  const below = [table('b', 'c', { fileNumber: 1 })]

  test('waits for four tables', () => {
    expect(picked(version({ 0: overlapping(3), 6: below }))).toBe('nothing')
    expect(picked(version({ 0: overlapping(4), 6: below }))).toBe('level0 L0[13 12 11 10] L6[1] to L6')
  })

  test('is taken whole when more tables wait', () => {
    expect(picked(version({ 0: overlapping(9), 6: below }))).toBe('level0 L0[18 17 16 15 14 13 12 11 10] L6[1] to L6')
  })

  test('is due by its bytes, too', () => {
    const large = overlapping(2).map((each) => ({ ...each, fileBytes: 2500 }))
    expect(picked(version({ 0: large, 6: below }))).toBe('level0 L0[11 10] L6[1] to L6')
  })

  test('leaves the newest tables for the next time when a batch gets too large', () => {
    const large = overlapping(5).map((each) => ({ ...each, fileBytes: 10_000 }))
    expect(picked(version({ 0: large, 6: below }))).toBe('level0 L0[12 11 10] L6[1] to L6')
  })

  test('goes to the dynamic base level', () => {
    const baseOf = (levels: Parameters<typeof version>[0]): number =>
      pick(version({ 0: overlapping(4), ...levels }), QUIET_STATE, options)!.toLevel
    const whole = (fileBytes: number): TableMeta => table('a', 'z', { fileBytes })
    expect(baseOf({ 6: [whole(39_999)] })).toBe(6)
    expect(baseOf({ 5: [whole(1)], 6: [whole(40_000)] })).toBe(5)
    expect(baseOf({ 4: [whole(1)], 5: [whole(1)], 6: [whole(400_000)] })).toBe(4)
    expect(baseOf({ 5: [whole(1)], 6: [whole(400_000)] })).toBe(4)
  })

  test('the oldest table goes ahead when nothing lies below it yet', () => {
    expect(picked(version({ 0: overlapping(4) }))).toBe('move L0[10] to L6')
  })

  test('takes the tables below that it overlaps, and no others', () => {
    const level0 = [4, 3, 2, 1].map((n) => table(key(2500), key(4000), { fileNumber: 900 + n, fileBytes: 400 }))
    const level6 = evenTables(4, 1000)
    expect(picked(version({ 0: level0, 6: level6 }))).toBe(`level0 L0[904 903 902 901] L6[${level6[1]!.fileNumber}] to L6`)
  })

  test('compacts the tables that hang together with the oldest one, and leaves others', () => {
    const level0 = [
      table('x', 'z', { fileNumber: 804 }),
      table('b', 'd', { fileNumber: 803 }),
      table('w', 'y', { fileNumber: 802 }),
      table('a', 'c', { fileNumber: 801 }),
    ]
    const below = [table('a', 'm', { fileNumber: 700 }), table('n', 'z', { fileNumber: 701 })]
    expect(picked(version({ 0: level0, 6: below }))).toBe('level0 L0[803 801] L6[700] to L6')
  })

  test('a sequential load goes straight to the last level, unread', () => {
    const level0 = [0, 1, 2, 3].map((n) => table(key(n * 10), key(n * 10 + 9), { fileNumber: 500 + n }))
    expect(picked(version({ 0: level0, 6: [table('a', 'b')] }))).toBe('move L0[503 502 501 500] to L6')
  })

  test('a table that overlaps something below goes as deep as it can', () => {
    const level0 = [0, 1, 2, 3].map((n) => table(key(n * 10), key(n * 10 + 9), { fileNumber: 500 + n }))
    const levels = version({ 0: level0, 5: [table('x', 'y', { fileBytes: 3000 })], 6: evenTables(30, 2000) })
    expect(picked(levels)).toBe('move L0[503 502 501 500] to L5')
  })

  test('a table is not moved past an older one of its own level', () => {
    const level0 = [
      table('a', 'c', { fileNumber: 603 }),
      table('b', 'd', { fileNumber: 602 }),
      table('m', 'n', { fileNumber: 601 }),
      table('x', 'y', { fileNumber: 600 }),
    ]
    expect(picked(version({ 0: level0 }))).toBe('move L0[602 601 600] to L6')
  })

  test('a table full of deletions is not moved to where they would stay for ever', () => {
    const level0 = [0, 1, 2, 3].map((n) => table(key(n * 10), key(n * 10 + 9), { fileNumber: 500 + n, deletionCount: 90 }))
    expect(picked(version({ 0: level0 }))).toBe('level0 L0[500] to L6')
  })
})

describe('a level over its target', () => {
  test('gives the table with the least overlap per byte', () => {
    const level5 = [
      table(key(0), key(999), { fileNumber: 901, fileBytes: 9000 }),
      table(key(1000), key(1999), { fileNumber: 902, fileBytes: 9000 }),
      table(key(2000), key(2999), { fileNumber: 903, fileBytes: 9000 }),
    ]
    const level6 = [
      table(key(0), key(500), { fileNumber: 801, fileBytes: 60_000 }),
      table(key(900), key(1200), { fileNumber: 802, fileBytes: 30_000 }),
      table(key(1300), key(1400), { fileNumber: 803, fileBytes: 30_000 }),
      table(key(2500), key(2600), { fileNumber: 804, fileBytes: 50_000 }),
    ]
    expect(picked(version({ 5: level5, 6: level6 }))).toBe('size L5[903] L6[804] to L6')
  })

  test('breaks ties by key order, so the same levels give the same plan', () => {
    const level5 = evenTables(10, 3000)
    const level6 = evenTables(10, 10_000)
    const expected = `size L5[${level5[0]!.fileNumber}] L6[${level6[0]!.fileNumber}] to L6`
    expect(picked(version({ 5: level5, 6: level6 }))).toBe(expected)
    expect(picked(version({ 5: level5.toReversed(), 6: level6.toReversed() }))).toBe(expected)
  })

  test('takes neighbours along that overlap nothing more', () => {
    const level5 = evenTables(40, 1000)
    const level6 = evenTables(10, 10_000)
    const first = level5.slice(0, 4).map(({ fileNumber }) => fileNumber)
    expect(picked(version({ 5: level5, 6: level6 }))).toBe(`size L5[${first.join(' ')}] L6[${level6[0]!.fileNumber}] to L6`)
  })

  test('takes no neighbour along behind a table below that it does not take', () => {
    const deleting = { fileBytes: 9000, entryCount: 100, deletionCount: 40 }
    const level5 = [table('a', 'c', { ...deleting, fileNumber: 901 }), table('g', 'i', { ...deleting, fileNumber: 902 })]
    const between = table('d', 'f', { fileNumber: 801, fileBytes: 50_000 })
    const behind = table('k', 'm', { fileNumber: 802, fileBytes: 50_000 })
    expect(picked(version({ 5: level5, 6: [between, behind] }))).toBe('size L5[901] to L6')
    expect(picked(version({ 5: level5, 6: [behind] }))).toBe('size L5[901 902] to L6')
  })

  test('moves tables that overlap nothing, as many as bring it to its target', () => {
    const level5 = [table('a', 'b'), table('c', 'd'), table('e', 'f'), table('g', 'h')].map((each) => ({ ...each, fileBytes: 3000 }))
    const level6 = [table('p', 'q', { fileBytes: 70_000 })]
    const numbers = level5.map(({ fileNumber }) => fileNumber)
    expect(picked(version({ 5: level5, 6: level6 }))).toBe(`move L5[${numbers.slice(0, 2).join(' ')}] to L6`)
  })

  test('is drained when the store has become too small for it', () => {
    const level6 = evenTables(2, 5000)
    const level4 = [table(key(0), key(9999), { fileNumber: 903, fileBytes: 100 })]
    const numbers = level6.map(({ fileNumber }) => fileNumber)
    expect(picked(version({ 4: level4, 6: level6 }))).toBe(`size L4[903] L6[${numbers.join(' ')}] to L6`)
  })

  test('counts deletions as what they will remove', () => {
    const level6 = evenTables(10, 10_000)
    const full = evenTables(5, 1900)
    expect(picked(version({ 5: full, 6: level6 }))).toBe('nothing')
    const deleting = full.map((each, i) => (i === 2 ? { ...each, deletionCount: 28 } : each))
    expect(picked(version({ 5: deleting, 6: level6 }))).toContain(`L5[${deleting[2]!.fileNumber}]`)
  })

  test('the most urgent level comes first', () => {
    const level0 = Array.from({ length: 5 }, () => table('a', 'z'))
    const level5 = evenTables(4, 3000)
    const level6 = evenTables(10, 10_000)
    expect(picked(version({ 0: level0, 5: level5, 6: level6 }))).toContain('level0')
    expect(picked(version({ 0: level0, 5: evenTables(10, 3000), 6: level6 }))).toContain('size L5')
  })
})

describe('deletions and garbage', () => {
  const dense = { entryCount: 100, deletionCount: 40 }
  const sparse = { entryCount: 100, deletionCount: 8 }

  test('a table dense with deletions goes down although no level is over its target', () => {
    const level5 = [table(key(0), key(4999)), table(key(5000), key(9999), dense)]
    const level6 = evenTables(10, 6000, { largestSequence: 0 })
    const numbers = level6.slice(5).map(({ fileNumber }) => fileNumber)
    expect(picked(version({ 5: level5, 6: level6 }))).toBe(`tombstones L5[${level5[1]!.fileNumber}] L6[${numbers.join(' ')}] to L6`)
  })

  test('a tiny one waits', () => {
    const level5 = [table(key(5000), key(9999), { ...dense, fileBytes: 100 })]
    expect(picked(version({ 5: level5, 6: evenTables(10, 6000, { largestSequence: 0 }) }))).toBe('nothing')
  })

  test('in the last level it is rewritten, once no snapshot reads into it', () => {
    const level6 = [
      table('a', 'c', { largestSequence: 0 }),
      table('d', 'f', { ...dense, fileNumber: 7000, smallestSequence: 500, largestSequence: 800 }),
    ]
    expect(picked(version({ 6: level6 }))).toBe('tombstones L6[7000] to L6')
    expect(picked(version({ 6: level6 }), { oldestSnapshot: 600 })).toBe('nothing')
    expect(picked(version({ 6: level6 }), { oldestSnapshot: 800 })).toBe('tombstones L6[7000] to L6')
  })

  test('sparse deletions wait until the store is idle', () => {
    const level5 = [table(key(0), key(4999), { ...sparse, fileNumber: 7100 })]
    const levels = version({ 5: level5, 6: evenTables(1, 60_000, { largestSequence: 0, fileNumber: 7101 }) })
    expect(picked(levels)).toBe('nothing')
    expect(picked(levels, { isIdle: true })).toBe('idle L5[7100] L6[7101] to L6')
  })

  test('an idle store compacts deletions out of level 0, with what lies below them there', () => {
    const level0 = [
      table('a', 'c', { fileNumber: 7203 }),
      table('b', 'd', { ...sparse, fileNumber: 7202 }),
      table('c', 'f', { fileNumber: 7201 }),
    ]
    expect(picked(version({ 0: level0 }), { isIdle: true })).toBe('idle L0[7203 7202 7201] to L6')
    expect(picked(version({ 0: [level0[0]!] }), { isIdle: true })).toBe('nothing')
  })

  test('an idle store rewrites tables of the last level that were kept for snapshots', () => {
    const level6 = [table('a', 'c', { fileNumber: 7300 }), table('d', 'f', { fileNumber: 7301, largestSequence: 900, keyCount: 90 })]
    expect(picked(version({ 6: level6 }), { isIdle: true })).toBe('idle L6[7301] to L6')
    expect(picked(version({ 6: level6 }), { isIdle: true, oldestSnapshot: 899 })).toBe('nothing')
    expect(picked(version({ 6: level6 }), {})).toBe('nothing')
    expect(picked(version({ 6: [level6[0]!] }), { isIdle: true })).toBe('nothing')
  })
})

describe('plans', () => {
  test('name the deeper tables that overlap them, and those to cut along', () => {
    const level0 = Array.from({ length: 4 }, () => table(key(3000), key(3999)))
    const level5 = [table(key(0), key(9999), { fileBytes: 20_000, fileNumber: 9100 })]
    const level6 = evenTables(10, 20_000)
    const plan = pick(version({ 0: level0, 5: level5, 6: level6 }), QUIET_STATE, options)!
    expect(outline(plan)).toContain('L5[9100] to L5')
    expect(plan.grandparents).toHaveLength(10)
    expect(plan.deeper.map((tables) => tables.length)).toEqual([10])
    expect([plan.smallestKey, plan.largestKey].map(String)).toEqual([key(0), key(9999)])
  })

  test('conflict when they share keys on a level, the levels between included', () => {
    const levels = version({ 5: evenTables(10, 3000), 6: evenTables(10, 10_000) })
    const first = pick(levels, QUIET_STATE, options)!
    const second = pick(levels, state({ running: [first] }), options)!
    expect(second.inputs[0]!.tables).not.toEqual(first.inputs[0]!.tables)
    expect(plansConflict(first, second)).toBe(false)
    expect(plansConflict(first, first)).toBe(true)
    expect(plansConflict(first, { ...second, smallestKey: first.largestKey })).toBe(true)
    expect(plansConflict({ ...first, fromLevel: 1, toLevel: 4 }, first)).toBe(false)
    expect(plansConflict({ ...first, fromLevel: 0, toLevel: 6 }, { ...first, fromLevel: 3, toLevel: 4 })).toBe(true)
    expect(plansConflict({ ...first, fromLevel: 0 }, { ...second, fromLevel: 0 })).toBe(true)
  })
})
