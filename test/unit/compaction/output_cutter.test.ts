import { describe, expect, test } from 'vitest'
import { OutputCutter } from '../../../src/compaction/output_cutter.js'
import type { TableExtent } from '../../../src/compaction/plan.js'
import { key } from './levels.js'

const TARGET = 1000
const ENTRY = 100

/** Writes keys 0 to `count - 1` of 100 bytes each; returns the first key of each table after the first. */
function cuts(count: number, grandparents: readonly TableExtent[], entryBytes = ENTRY): number[] {
  const cutter = new OutputCutter(TARGET, grandparents)
  const found: number[] = []
  let tableBytes = 0
  for (let n = 0; n < count; n++) {
    const data = Buffer.from(key(n))
    if (cutter.cutsBefore(data, 0, data.length, tableBytes)) {
      found.push(n)
      tableBytes = 0
    }
    tableBytes += entryBytes
  }
  return found
}

function extent(from: number, to: number, fileBytes = TARGET): TableExtent {
  return { smallestKey: Buffer.from(key(from)), largestKey: Buffer.from(key(to)), fileBytes }
}

describe('output cutter', () => {
  test('cuts at the target where there is nothing to cut along', () => {
    expect(cuts(35, [])).toEqual([10, 20, 30])
  })

  test('cuts where a grandparent ends, from half of the target on', () => {
    expect(cuts(30, [extent(0, 6), extent(7, 15), extent(16, 40)])).toEqual([7, 16])
  })

  test('does not cut at a boundary before half of the target', () => {
    expect(cuts(20, [extent(0, 3), extent(4, 40)])).toEqual([])
  })

  test('asks for more with each boundary passed', () => {
    const many = [0, 2, 4, 6, 8].map((n) => extent(n, n + 1))
    expect(cuts(12, [...many, extent(10, 40)])).toEqual([8])
  })

  test('goes on to twice the target when no boundary comes', () => {
    expect(cuts(45, [extent(0, 1000)])).toEqual([20, 40])
  })

  test('cuts at the target behind the last grandparent', () => {
    expect(cuts(40, [extent(0, 4)])).toEqual([10, 20, 30])
  })

  test('cuts early when it overlaps more than ten tables below', () => {
    const tiny = Array.from({ length: 100 }, (_, n) => extent(n, n, 600))
    expect(cuts(60, tiny, 1)).toEqual([17, 34, 51])
  })
})
