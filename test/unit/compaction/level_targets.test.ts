import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { baseLevelBytes, levelTargets, targetTableBytes } from '../../../src/compaction/level_targets.js'

const MIB = 1024 * 1024
const MEMTABLE = 4 * MIB

/** Level sizes in MiB to targets in MiB. */
function targets(...levels: number[]): { baseLevel: number; mib: number[] } {
  const { baseLevel, targetBytes } = levelTargets(
    levels.map((mib) => mib * MIB),
    MEMTABLE,
  )
  return { baseLevel, mib: targetBytes.map((bytes) => Math.round((bytes / MIB) * 10) / 10) }
}

describe('level targets', () => {
  test('a small store has only its last level', () => {
    expect(targets(0, 0, 0, 0, 0, 0, 0)).toEqual({ baseLevel: 6, mib: [0, 0, 0, 0, 0, 0, 16] })
    expect(targets(0, 0, 0, 0, 0, 0, 150)).toEqual({ baseLevel: 6, mib: [0, 0, 0, 0, 0, 0, 150] })
  })

  test('a level above enters when a tenth of the one below is a base level', () => {
    expect(targets(0, 0, 0, 0, 0, 0, 160)).toEqual({ baseLevel: 5, mib: [0, 0, 0, 0, 0, 16, 160] })
    expect(targets(0, 0, 0, 0, 0, 50, 1000)).toEqual({ baseLevel: 5, mib: [0, 0, 0, 0, 0, 100, 1000] })
    expect(targets(0, 0, 0, 0, 20, 160, 1600)).toEqual({ baseLevel: 4, mib: [0, 0, 0, 0, 16, 160, 1600] })
  })

  test('all levels above the last together add a ninth', () => {
    for (const lastMib of [160, 999, 12_345, 1_000_000]) {
      const { mib } = targets(0, 0, 0, 0, 0, 0, lastMib)
      const above = mib.slice(0, 6).reduce((sum, bytes) => sum + bytes, 0)
      expect(above / lastMib).toBeLessThan(0.1112)
    }
  })

  test('the size of the largest level counts when the last is smaller', () => {
    expect(targets(0, 0, 0, 0, 0, 500, 0).mib).toEqual([0, 0, 0, 0, 0, 50, 500])
  })

  test('a store that shrinks a little keeps its levels, one that shrinks much drains them', () => {
    expect(targets(0, 0, 0, 0, 0, 10, 100)).toEqual({ baseLevel: 5, mib: [0, 0, 0, 0, 0, 16, 100] })
    expect(targets(0, 0, 0, 0, 0, 10, 70)).toEqual({ baseLevel: 5, mib: [0, 0, 0, 0, 0, 0, 70] })
    expect(targets(0, 0, 0, 5, 0, 0, 70)).toEqual({ baseLevel: 3, mib: [0, 0, 0, 0, 0, 0, 70] })
  })

  test('are those of the worked example in docs/compaction.md', () => {
    const page = readFileSync(new URL('../../../docs/compaction.md', import.meta.url), 'utf8')
    const rows = [...page.matchAll(/^((?:\| \d+ ){7})\| ([\d ]+) \|$/gm)]
    expect(rows.length).toBeGreaterThanOrEqual(6)
    for (const [row, sizes, expected] of rows) {
      const numbers = sizes!.match(/\d+/g)!.map(Number)
      const { baseLevel, mib } = targets(0, ...numbers.slice(0, 6))
      expect({ baseLevel, mib: mib.slice(1).join(' ') }, row).toEqual({ baseLevel: numbers[6], mib: expected })
    }
  })

  test('everything scales with the memtable', () => {
    expect(baseLevelBytes(4096)).toBe(16_384)
    expect(levelTargets([0, 0, 0, 0, 0, 0, 2_000_000], 4096).baseLevel).toBe(4)
  })

  test('tables are two memtables, and larger in stores that would have very many', () => {
    expect(targetTableBytes(0, MEMTABLE)).toBe(8 * MIB)
    expect(targetTableBytes(4 * 1024 * MIB, MEMTABLE)).toBe(8 * MIB)
    expect(targetTableBytes(16 * 1024 * MIB, MEMTABLE)).toBe(32 * MIB)
    expect(targetTableBytes(1024 * 1024 * MIB, MEMTABLE)).toBe(64 * MIB)
    expect(targetTableBytes(0, 256 * MIB)).toBe(64 * MIB)
  })
})
