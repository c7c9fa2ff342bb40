import { describe, expect, test } from 'vitest'
import { EXHAUSTED, type MoveStatus, MOVED, NEEDS_IO } from '../../../src/codec/internal_iterator.js'
import { SEQUENCE_MAX } from '../../../src/codec/internal_key.js'
import { mergeIterators, MergingIterator } from '../../../src/iterator/merging.js'
import { Random } from '../../../src/util/random.js'
import { ArrayIterator, compareEntries, dealOut, type Entry, entryAt, put, randomEntries, retried, testSeed } from './array_iterator.js'

describe('merging iterator', () => {
  test('gives the entries of all runs in order, newest version first', () => {
    const merged = new MergingIterator([new ArrayIterator([put('a', 1), put('c', 7)]), new ArrayIterator([put('b', 2), put('c', 9)])])
    expect(forward(merged)).toEqual(['a@1', 'b@2', 'c@9', 'c@7'])
    expect(backward(merged)).toEqual(['c@7', 'c@9', 'b@2', 'a@1'])
  })

  test('has nothing to give without entries', () => {
    const merged = new MergingIterator([new ArrayIterator([]), new ArrayIterator([])])
    expect(merged.seekToFirst()).toBe(EXHAUSTED)
    expect(merged.seekToLast()).toBe(EXHAUSTED)
    expect(new MergingIterator([]).seekToFirst()).toBe(EXHAUSTED)
  })

  test('refuses to move on from nowhere', () => {
    const merged = new MergingIterator([new ArrayIterator([put('a', 1)]), new ArrayIterator([])])
    expect(() => merged.next()).toThrow('moves on from an entry')
    merged.seekToFirst()
    expect(merged.next()).toBe(EXHAUSTED)
    expect(() => merged.prev()).toThrow('on an entry')
  })

  test('is the run itself when there is only one', () => {
    const run = new ArrayIterator([put('a', 1)])
    expect(mergeIterators([run])).toBe(run)
    expect(mergeIterators([run, new ArrayIterator([])])).toBeInstanceOf(MergingIterator)
  })

  test('closes its children', () => {
    const children = [new ArrayIterator([]), new ArrayIterator([])]
    new MergingIterator(children).close()
    expect(children.every((child) => child.isClosed)).toBe(true)
  })

  test('copies no byte: it shows the memory of the child', () => {
    const child = new ArrayIterator([put('a', 1)])
    const merged = new MergingIterator([child, new ArrayIterator([put('b', 2)])])
    merged.seekToFirst()
    expect(merged.data).toBe(child.data)
  })

  test('turns around between runs', () => {
    const merged = new MergingIterator([new ArrayIterator([put('a', 1), put('d', 4)]), new ArrayIterator([put('b', 2), put('c', 3)])])
    merged.seekToFirst()
    const walk = [merged.next(), merged.next(), merged.prev(), merged.prev()]
    expect(walk).toEqual([MOVED, MOVED, MOVED, MOVED])
    expect(entryAt(merged).key).toBe('a')
    merged.next()
    expect(entryAt(merged).key).toBe('b')
  })

  test('goes on after a turn that waited, also the other way', () => {
    const random = new Random(3)
    const waiting = new ArrayIterator([put('b', 2), put('d', 4)], random, 100)
    const merged = new MergingIterator([new ArrayIterator([put('a', 1), put('c', 3), put('e', 5)]), waiting])
    retried(() => merged.seek(Buffer.from('c'), 0, 1, SEQUENCE_MAX))
    expect(merged.prev()).toBe(NEEDS_IO)
    expect(entryAt(merged).key).toBe('c')
    expect(retried(() => merged.next())).toBe(MOVED)
    expect(entryAt(merged).key).toBe('d')
  })

  test('another seek replaces one that waited', () => {
    const random = new Random(4)
    const runs = [
      [put('a', 1), put('c', 3)],
      [put('b', 2), put('d', 4)],
    ]
    const merged = new MergingIterator(runs.map((run) => new ArrayIterator(run, random, 100)))
    expect(merged.seek(Buffer.from('a'), 0, 1, SEQUENCE_MAX)).toBe(NEEDS_IO)
    expect(merged.seek(Buffer.from('a'), 0, 1, SEQUENCE_MAX)).toBe(NEEDS_IO)
    expect(retried(() => merged.seek(Buffer.from('c'), 0, 1, SEQUENCE_MAX))).toBe(MOVED)
    expect(entryAt(merged).key).toBe('c')
    expect(retried(() => merged.prev())).toBe(MOVED)
    expect(entryAt(merged).key).toBe('b')
  })

  test.each([0, 10, 60])('equals a sorted array on random walks, with %i percent of moves waiting, some of them given up', (ioPercent) => {
    const seed = testSeed()
    const random = new Random(seed)
    for (let round = 0; round < 60; round++) walkAtRandom(random, ioPercent, `VARVE_SEED=${seed} round ${round}`)
  })
})

function walkAtRandom(random: Random, ioPercent: number, replay: string): void {
  const entries = randomEntries(random, random.below(80), 1 + random.below(30))
  const runs = dealOut(random, entries, 1 + random.below(8))
  const merged = new MergingIterator(runs.map((run) => new ArrayIterator(run, random, ioPercent)))
  const model = entries.toSorted(compareEntries)
  let position = -1
  for (let move = 0; move < 80; move++) {
    const isStanding = position >= 0 && position < model.length
    const action = random.below(isStanding ? 12 : 4)
    const target: Entry = put(`k${String(random.below(31)).padStart(3, '0')}`, random.below(100))
    const key = Buffer.from(target.key)
    const act = (): MoveStatus => {
      if (action === 0) return merged.seekToFirst()
      if (action === 1) return merged.seekToLast()
      if (action === 2) return merged.seek(key, 0, key.length, target.sequence)
      if (action === 3) return merged.seekBefore(key, 0, key.length, target.sequence)
      return action < 8 ? merged.next() : merged.prev()
    }
    const status = random.chance(0.2) ? act() : retried(act)
    if (status === NEEDS_IO) {
      if (action < 4) position = -1
      continue
    }
    if (action === 0) position = 0
    else if (action === 1) position = model.length - 1
    else if (action === 2) position = model.findIndex((entry) => compareEntries(entry, target) >= 0)
    else if (action === 3) position = model.findLastIndex((entry) => compareEntries(entry, target) < 0)
    else position += action < 8 ? 1 : -1
    const expected = model[position]
    expect(status, replay).toBe(expected === undefined ? EXHAUSTED : MOVED)
    if (expected !== undefined) expect(entryAt(merged), replay).toEqual(expected)
  }
}

function forward(merged: MergingIterator): string[] {
  const seen: string[] = []
  for (let status = merged.seekToFirst(); status === MOVED; status = merged.next()) seen.push(entryAt(merged).value)
  return seen
}

function backward(merged: MergingIterator): string[] {
  const seen: string[] = []
  for (let status = merged.seekToLast(); status === MOVED; status = merged.prev()) seen.push(entryAt(merged).value)
  return seen
}
