/** Versions: order of tables, search, edits, references. */
import { describe, expect, test } from 'vitest'
import { Random } from '../../../src/util/random.js'
import { tableHolds, Version } from '../../../src/version/version.js'
import { bytes, edit, numbers, randomEdit, table, testSeed } from './fixture.js'

function levels(...lists: readonly (readonly ReturnType<typeof table>[])[]): Version {
  return Version.of(lists)
}

function find(version: Version, level: number, key: string): number {
  // The key lies inside a larger buffer, as it does in blocks and scratch buffers.
  const buffer = Buffer.from(`zz${key}zz`)
  return version.findTable(level, buffer, 2, buffer.length - 2)
}

describe('the order of tables', () => {
  test('is newest first in level 0, by key below', () => {
    const version = levels([table(5, 'a', 'z'), table(9, 'c', 'd'), table(7, 'a', 'b')], [table(4, 'm', 'p'), table(3, 'a', 'c')])
    expect(numbers(version)).toEqual([[9, 7, 5], [3, 4], [], [], [], [], []])
    expect(version.tableCount).toBe(5)
    expect([version.levelBytes(0), version.levelBytes(1), version.totalBytes]).toEqual([3021, 2007, 5028])
  })

  test('admits no overlap below level 0, not even of one key', () => {
    expect(() => levels([], [table(1, 'a', 'c'), table(2, 'c', 'd')])).toThrow('do not overlap')
    expect(() => levels([table(1, 'a', 'c'), table(2, 'c', 'd')])).not.toThrow()
    expect(() => levels([], [table(1, 'c', 'a')])).toThrow('does not end before it starts')
    expect(() => levels([table(1, 'a', 'b')], [table(1, 'c', 'd')])).toThrow('once')
  })
})

describe('the search for a key', () => {
  test('finds the table whose range holds it, ends included', () => {
    const version = levels([], [table(1, 'b', 'd'), table(2, 'f', 'f'), table(3, 'fa', 'k')])
    expect(['a', 'b', 'c', 'd', 'da', 'e', 'f', 'f\0', 'fa', 'k', 'ka', ''].map((key) => find(version, 1, key))).toEqual([
      -1, 0, 0, 0, -1, -1, 1, -1, 2, 2, -1, -1,
    ])
    expect(find(version, 2, 'a')).toBe(-1)
  })

  test('agrees with a plain scan, for keys with long shared prefixes, prefixes of each other, and zero bytes', () => {
    const seed = testSeed()
    const random = new Random(seed)
    for (let round = 0; round < 300; round++) {
      const prefix = random.pick(['', 'p', 'city:de:', '\0\0\0\0', 'x'.repeat(30)])
      const key = (): string => {
        let text = random.chance(0.05) ? '' : prefix
        for (let i = random.below(7); i > 0; i--) text += random.pick(['\0', '\u0001', 'a', 'b', '\u007f'])
        return text
      }
      const borders = [...new Set(Array.from({ length: random.below(60) }, key))].toSorted((a, b) => Buffer.compare(bytes(a), bytes(b)))
      const tables = []
      for (let i = 0; i + 1 < borders.length; i += 2) tables.push(table(i + 1, borders[i]!, borders[random.chance(0.2) ? i : i + 1]!))
      const version = levels([], tables)
      for (let i = 0; i < 60; i++) {
        const text = random.chance(0.5) && borders.length > 0 ? random.pick(borders) : key()
        const sought = bytes(text)
        const expected = version.levels[1]!.findIndex((each) => tableHolds(each, sought, 0, sought.length))
        const firstAtOrAfter = version.levels[1]!.findIndex((each) => Buffer.compare(each.largestKey, sought) >= 0)
        const message = `VARVE_SEED=${seed} round ${round} key ${JSON.stringify(text)}`
        const found = [find(version, 1, text), version.seekTable(1, sought, 0, sought.length)]
        const wanted = [expected, firstAtOrAfter < 0 ? tables.length : firstAtOrAfter]
        // `expect` costs more than the search: only a difference is worth it.
        if (found[0] !== wanted[0] || found[1] !== wanted[1]) expect(found, message).toEqual(wanted)
      }
    }
  })

  test('gives the tables that overlap a range, open ends included', () => {
    const version = levels([table(9, 'a', 'c'), table(8, 'x', 'z')], [table(1, 'b', 'd'), table(2, 'f', 'h'), table(3, 'j', 'k')])
    const overlapping = (level: number, from?: string, to?: string): number[] =>
      version
        .overlapping(level, from === undefined ? undefined : bytes(from), to === undefined ? undefined : bytes(to))
        .map((each) => each.fileNumber)
    expect(overlapping(1)).toEqual([1, 2, 3])
    expect(overlapping(1, 'd', 'f')).toEqual([1, 2])
    expect(overlapping(1, 'e', 'e')).toEqual([])
    expect(overlapping(1, undefined, 'a')).toEqual([])
    expect(overlapping(1, 'i')).toEqual([3])
    expect(overlapping(0, 'c', 'x')).toEqual([9, 8])
    expect(overlapping(0, 'd', 'e')).toEqual([])
    expect(overlapping(3)).toEqual([])
  })
})

describe('an edit', () => {
  test('makes a new version and leaves the old one alone', () => {
    const before = levels([table(9, 'a', 'c')], [table(1, 'b', 'd')])
    const after = before.applyEdit(
      edit(
        [{ level: 1, table: table(10, 'a', 'd') }],
        [
          { level: 0, fileNumber: 9 },
          { level: 1, fileNumber: 1 },
        ],
      ),
    )
    expect(numbers(before).slice(0, 2)).toEqual([[9], [1]])
    expect(numbers(after).slice(0, 2)).toEqual([[], [10]])
    expect([find(before, 1, 'a'), find(after, 1, 'a')]).toEqual([-1, 0])
  })

  test('shares the levels that it does not touch', () => {
    const before = levels([table(9, 'a', 'c')], [table(1, 'b', 'd')], [table(2, 'b', 'd')])
    const after = before.applyEdit(edit([{ level: 0, table: table(10, 'a', 'd') }]))
    expect(after.levels[1]).toBe(before.levels[1])
    expect(after.levels[2]).toBe(before.levels[2])
  })

  test('may move a table to another level', () => {
    const moved = table(9, 'a', 'c')
    const after = levels([moved]).applyEdit(edit([{ level: 6, table: moved }], [{ level: 0, fileNumber: 9 }]))
    expect(numbers(after)).toEqual([[], [], [], [], [], [], [9]])
  })

  test('may neither remove what is not there nor add what overlaps', () => {
    const version = levels([table(9, 'a', 'c')], [table(1, 'b', 'd')])
    expect(() => version.applyEdit(edit([], [{ level: 1, fileNumber: 9 }]))).toThrow('removes tables that are there')
    expect(() => version.applyEdit(edit([{ level: 1, table: table(10, 'd', 'e') }]))).toThrow('do not overlap')
  })

  test('in a long random history keeps all invariants', () => {
    const seed = testSeed()
    const random = new Random(seed)
    let version = Version.empty()
    for (let next = 1; next < 400; next++) {
      version = version.applyEdit(randomEdit(random, version, next))
      version.check()
    }
    expect(version.tableCount, `VARVE_SEED=${seed}`).toBeGreaterThan(0)
  })
})

describe('references', () => {
  test('release a version once, with the last one', () => {
    const version = Version.empty()
    let releases = 0
    version.onRelease = () => releases++
    version.ref()
    version.ref()
    version.unref()
    expect([version.referenceCount, releases]).toEqual([1, 0])
    version.unref()
    expect(releases).toBe(1)
    expect(() => version.unref()).toThrow('as often as')
  })
})
