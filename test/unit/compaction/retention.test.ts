import { describe, expect, test } from 'vitest'
import { Retention } from '../../../src/compaction/retention.js'
import type { KeyBounds } from '../../../src/compaction/plan.js'
import { compareEntries, deletion, type Entry, put } from '../iterator/array_iterator.js'

/** What stays of the entries, as key@sequence. */
function kept(
  entries: readonly Entry[],
  snapshots: readonly number[],
  deeper: readonly (readonly KeyBounds[])[] = [],
  zeroes = true,
): string {
  const retention = new Retention(snapshots, deeper, zeroes)
  const seen: string[] = []
  for (const { key, sequence, kind } of entries.toSorted(compareEntries)) {
    const data = Buffer.from(`<${key}>`)
    if (!retention.keeps(data, 1, data.length - 1, sequence, kind)) continue
    seen.push(`${key}${kind === 0 ? '✗' : ''}@${retention.sequence}`)
  }
  return seen.join(' ')
}

function range(from: string, to: string): KeyBounds {
  return { smallestKey: Buffer.from(from), largestKey: Buffer.from(to) }
}

describe('retention', () => {
  const versions = [put('a', 25), put('a', 22), put('a', 15), put('a', 9), put('a', 4), deletion('b', 8), put('b', 3)]

  test('keeps the newest version of each stripe', () => {
    expect(kept(versions, [10, 20])).toBe('a@25 a@15 a@0')
    expect(kept(versions, [])).toBe('a@0')
    expect(kept(versions, [4])).toBe('a@25 a@0 b✗@8 b@0')
    expect(kept(versions, [3])).toBe('a@25 b✗@8 b@0')
  })

  test('a snapshot sees the version with its own sequence', () => {
    expect(kept([put('a', 10), put('a', 9)], [9])).toBe('a@10 a@0')
    expect(kept([put('a', 10), put('a', 9)], [10])).toBe('a@0')
    expect(kept([put('a', 10), put('a', 9)], [8])).toBe('a@10')
  })

  test('the latest sequence among the snapshots changes nothing', () => {
    expect(kept(versions, [10, 20, 25])).toBe('a@25 a@15 a@0')
    expect(kept(versions, [25])).toBe('a@0')
  })

  test('a deletion stays while a deeper table may hold its key', () => {
    const deletions = ['a', 'c', 'e', 'g', 'i', 'k'].map((key, i) => deletion(key, i + 1))
    expect(kept(deletions, [], [[range('b', 'c'), range('f', 'h')]], false)).toBe('c✗@2 g✗@4')
    expect(kept(deletions, [], [[range('b', 'c')], [range('a', 'a'), range('i', 'z')]], false)).toBe('a✗@1 c✗@2 i✗@5 k✗@6')
    expect(kept(deletions, [], [], false)).toBe('')
  })

  test('a deletion stays while an older snapshot sees what it hides', () => {
    expect(kept([deletion('a', 5), put('a', 2)], [3])).toBe('a✗@5 a@0')
    expect(kept([deletion('a', 5), put('a', 2)], [5])).toBe('')
  })

  test('a deletion that goes takes the older versions with it', () => {
    expect(kept([put('a', 9), deletion('a', 5), put('a', 2), put('b', 1)], [6])).toBe('a@9 b@0')
  })

  test('sequences become zero only where all readers agree, and only once per key', () => {
    expect(kept([put('a', 9), put('a', 5), put('a', 2)], [1])).toBe('a@9')
    expect(kept([put('a', 9), put('a', 5), put('a', 2)], [2, 5])).toBe('a@9 a@5 a@0')
    expect(kept([put('a', 9)], [], [], false)).toBe('a@9')
  })

  test('tells keys apart that are prefixes of each other, and the empty one', () => {
    expect(kept([put('', 3), put('a', 2), put('aa', 1)], [])).toBe('@0 a@0 aa@0')
    expect(kept([put('', 3), put('', 2)], [])).toBe('@0')
  })

  test('knows long keys', () => {
    const long = 'k'.repeat(1000)
    expect(kept([put(long, 3), put(long, 2), put(`${long}x`, 1)], []).replaceAll(long, 'K')).toBe('K@0 Kx@0')
  })
})
