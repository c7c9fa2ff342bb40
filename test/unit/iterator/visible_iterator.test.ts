import { describe, expect, test } from 'vitest'
import { EXHAUSTED, type InternalIterator, type MoveStatus, MOVED, NEEDS_IO } from '../../../src/codec/internal_iterator.js'
import { KIND_PUT, SEQUENCE_MAX } from '../../../src/codec/internal_key.js'
import { MergingIterator } from '../../../src/iterator/merging.js'
import { VisibleIterator } from '../../../src/iterator/visible_iterator.js'
import { Random } from '../../../src/util/random.js'
import { ArrayIterator, compareEntries, dealOut, deletion, type Entry, put, randomEntries, retried, testSeed } from './array_iterator.js'

describe('visible iterator', () => {
  const history = [put('a', 9), put('a', 4), deletion('b', 7), put('b', 2), put('c', 3)]

  test('shows the newest version that the sequence allows', () => {
    expect(forward(at(history, 5))).toEqual(['a@4', 'b@2', 'c@3'])
    expect(backward(at(history, 5))).toEqual(['c@3', 'b@2', 'a@4'])
  })

  test('hides deleted keys and what is too new', () => {
    expect(forward(at(history, 8))).toEqual(['a@4', 'c@3'])
    expect(backward(at(history, 8))).toEqual(['c@3', 'a@4'])
    expect(forward(at(history, 1))).toEqual([])
    expect(backward(at(history, 1))).toEqual([])
    expect(forward(at(history, SEQUENCE_MAX))).toEqual(['a@9', 'c@3'])
  })

  test('shows what was put again after a deletion', () => {
    const again = [put('a', 3), deletion('a', 2), put('a', 1)]
    expect(backward(at(again, 3))).toEqual(['a@3'])
    expect(backward(at(again, 2))).toEqual([])
    expect(forward(at(again, 1))).toEqual(['a@1'])
  })

  test('takes versions with sequence 0 for the oldest of their keys', () => {
    const settled = [put('a', 5), put('a', 0), put('b', 0), put('c', 0)]
    expect(forward(at(settled, 9))).toEqual(['a@5', 'b@0', 'c@0'])
    const iterator = at(settled, 4)
    iterator.seekToLast()
    expect([iterator.prev(), text(iterator), iterator.next(), text(iterator)]).toEqual([MOVED, 'b@0', MOVED, 'c@0'])
  })

  test('stays within its bounds, the lower one included and the upper one not', () => {
    const letters = ['a', 'b', 'c', 'd', 'e'].map((key, i) => put(key, i + 1))
    const bounded = (): VisibleIterator => new VisibleIterator(new ArrayIterator(letters), 9, Buffer.from('b'), Buffer.from('d'))
    expect(forward(bounded())).toEqual(['b@2', 'c@3'])
    expect(backward(bounded())).toEqual(['c@3', 'b@2'])
    const iterator = bounded()
    expect([seek(iterator, 'a'), text(iterator)]).toEqual([MOVED, 'b@2'])
    expect([seekBefore(iterator, 'z'), text(iterator)]).toEqual([MOVED, 'c@3'])
    expect([seek(iterator, 'd'), seekBefore(iterator, 'b')]).toEqual([EXHAUSTED, EXHAUSTED])
  })

  test('reads no further than the first entry beyond a bound', () => {
    let moves = 0
    const source = new ArrayIterator([put('a', 1), put('b', 2), put('c', 3), put('d', 4)])
    const next = source.next.bind(source)
    source.next = () => {
      moves++
      return next()
    }
    forward(new VisibleIterator(source, 9, undefined, Buffer.from('b')))
    expect(moves).toBe(1)
  })

  test('counts the entries that it passes over', () => {
    const iterator = at(history, SEQUENCE_MAX)
    forward(iterator)
    expect(iterator.skippedCount).toBe(3)
    backward(iterator)
    expect(iterator.skippedCount).toBe(6)
  })

  test('keeps showing its entry while a move waits', () => {
    const random = new Random(1)
    const iterator = new VisibleIterator(new ArrayIterator([put('a', 1), deletion('b', 3), put('c', 4)], random, 100), 9)
    retried(() => iterator.seekToFirst())
    expect(iterator.next()).toBe(NEEDS_IO)
    expect(text(iterator)).toBe('a@1')
    expect([retried(() => iterator.next()), text(iterator)]).toEqual([MOVED, 'c@4'])
    expect(iterator.prev()).toBe(NEEDS_IO)
    expect(text(iterator)).toBe('c@4')
    expect([retried(() => iterator.prev()), text(iterator)]).toEqual([MOVED, 'a@1'])
  })

  test('a seek that waits is not confused with another one', () => {
    const random = new Random(2)
    const iterator = new VisibleIterator(new ArrayIterator([deletion('a', 1), deletion('b', 2), put('c', 3), put('d', 4)], random, 100), 9)
    expect([seek(iterator, 'a'), seek(iterator, 'a')]).toEqual([NEEDS_IO, NEEDS_IO])
    expect([retried(() => seek(iterator, 'd')), text(iterator)]).toEqual([MOVED, 'd@4'])
    expect([retried(() => seek(iterator, 'a')), text(iterator)]).toEqual([MOVED, 'c@3'])
  })

  test('refuses to move on from nowhere, and from a move the other way that waits', () => {
    const iterator = new VisibleIterator(new ArrayIterator([put('a', 1), put('b', 2), put('c', 3)], new Random(1), 100), 9)
    expect(() => iterator.next()).toThrow('moves on from an entry')
    expect(() => iterator.prev()).toThrow('moves back from an entry')
    retried(() => seek(iterator, 'b'))
    expect(iterator.next()).toBe(NEEDS_IO)
    expect(() => iterator.prev()).toThrow('moves back from an entry')
  })

  test('closes what is below', () => {
    const source = new ArrayIterator([])
    new VisibleIterator(source, 1).close()
    expect(source.isClosed).toBe(true)
  })

  test.each([0, 10, 60])('equals a sorted array on random walks, with %i percent of moves waiting', (ioPercent) => {
    const seed = testSeed()
    const random = new Random(seed)
    for (let round = 0; round < 100; round++) walkAtRandom(random, ioPercent, `VARVE_SEED=${seed} round ${round}`)
  })
})

function walkAtRandom(random: Random, ioPercent: number, replay: string): void {
  const keyCount = 1 + random.below(25)
  const entries = randomEntries(random, random.below(80), keyCount, random.below(60))
  const snapshot = random.below(entries.length + 2)
  const lower = random.chance(0.3) ? randomKey(random, keyCount) : undefined
  const upper = random.chance(0.3) ? randomKey(random, keyCount) : undefined
  const runs = dealOut(random, random.chance(0.5) ? settled(entries, snapshot) : entries, 1 + random.below(5))
  const merged = new MergingIterator(runs.map((run) => new ArrayIterator(run, random, ioPercent)))
  const iterator = new VisibleIterator(merged, snapshot, encoded(lower), encoded(upper))
  const model = visible(entries, snapshot).filter(
    ({ key }) => (lower === undefined || key >= lower) && (upper === undefined || key < upper),
  )
  let position = -1
  for (let move = 0; move < 60; move++) {
    const isStanding = position >= 0 && position < model.length
    const action = random.below(isStanding ? 12 : 4)
    const target = randomKey(random, keyCount + 2)
    const act = (): MoveStatus => {
      if (action === 0) return iterator.seekToFirst()
      if (action === 1) return iterator.seekToLast()
      if (action === 2) return seek(iterator, target)
      if (action === 3) return seekBefore(iterator, target)
      return action < 8 ? iterator.next() : iterator.prev()
    }
    const status = action < 4 && random.chance(0.2) ? act() : retried(act)
    if (status === NEEDS_IO) {
      position = -1
      continue
    }
    if (action === 0) position = 0
    else if (action === 1) position = model.length - 1
    else if (action === 2) position = model.findIndex(({ key }) => key >= target)
    else if (action === 3) position = model.findLastIndex(({ key }) => key < target)
    else position += action < 8 ? 1 : -1
    const expected = model[position]
    expect(status, replay).toBe(expected === undefined ? EXHAUSTED : MOVED)
    if (expected !== undefined) expect(text(iterator), replay).toBe(expected.value)
  }
}

/** The newest puts at `snapshot`, by key. */
function visible(entries: readonly Entry[], snapshot: number): Entry[] {
  const newest = new Map<string, Entry>()
  for (const entry of entries.toSorted((a, b) => a.sequence - b.sequence)) if (entry.sequence <= snapshot) newest.set(entry.key, entry)
  return [...newest.values()].filter(({ kind }) => kind === KIND_PUT).toSorted(compareEntries)
}

/** The entries with the oldest version of each key at sequence 0, if it is a put that is visible. */
function settled(entries: readonly Entry[], snapshot: number): Entry[] {
  const seen = new Set<string>()
  return entries
    .toSorted((a, b) => a.sequence - b.sequence)
    .map((entry) => {
      const isOldest = !seen.has(entry.key)
      seen.add(entry.key)
      return isOldest && entry.kind === KIND_PUT && entry.sequence <= snapshot ? { ...entry, sequence: 0 } : entry
    })
}

function randomKey(random: Random, keyCount: number): string {
  return `k${String(random.below(keyCount)).padStart(3, '0')}`
}

function encoded(key: string | undefined): Buffer | undefined {
  return key === undefined ? undefined : Buffer.from(key)
}

function at(entries: readonly Entry[], snapshot: number): VisibleIterator {
  const merged: InternalIterator = new ArrayIterator(entries)
  return new VisibleIterator(merged, snapshot)
}

function text(iterator: VisibleIterator): string {
  return iterator.data.toString('utf8', iterator.valueStart, iterator.valueEnd)
}

function seek(iterator: VisibleIterator, key: string): MoveStatus {
  return iterator.seek(Buffer.from(`x${key}x`), 1, key.length + 1)
}

function seekBefore(iterator: VisibleIterator, key: string): MoveStatus {
  return iterator.seekBefore(Buffer.from(`x${key}x`), 1, key.length + 1)
}

function forward(iterator: VisibleIterator): string[] {
  const seen: string[] = []
  for (let status = iterator.seekToFirst(); status === MOVED; status = iterator.next()) seen.push(text(iterator))
  return seen
}

function backward(iterator: VisibleIterator): string[] {
  const seen: string[] = []
  for (let status = iterator.seekToLast(); status === MOVED; status = iterator.prev()) seen.push(text(iterator))
  return seen
}
