import { describe, expect, test } from 'vitest'
import { EXHAUSTED, type InternalIterator, type MoveStatus, MOVED } from '../../../src/codec/internal_iterator.js'
import { KEY_BYTES_MAX, KIND_DELETE, KIND_PUT, SEQUENCE_MAX } from '../../../src/codec/internal_key.js'
import { Memtable } from '../../../src/memtable/memtable.js'
import { Random } from '../../../src/util/random.js'
import {
  compareEntries,
  deletion,
  type Entry,
  entryAt,
  hasRoomForEntry,
  insert,
  KEY_SHAPES,
  put,
  randomEntry,
  testSeed,
  textOf,
  textsOf,
} from './entries.js'

/** The value that a reader at `sequence` finds, 'deleted', or nothing. */
function lookUp(memtable: Memtable, key: string | Buffer, sequence: number = SEQUENCE_MAX): string | undefined {
  const bytes = Buffer.concat([Buffer.from('??'), Buffer.from(key), Buffer.from('?')])
  const node = memtable.find(bytes, 2, bytes.length - 1, sequence)
  if (node === 0) return undefined
  if (memtable.kindAt(node) === KIND_DELETE) return 'deleted'
  return memtable.data.toString('latin1', memtable.valueStartAt(node), memtable.valueEndAt(node))
}

function filled(entries: readonly Entry[], capacityBytes = 65_536): Memtable {
  const memtable = Memtable.create(capacityBytes)
  for (const entry of entries) insert(memtable, entry)
  return memtable
}

function allKeys(memtable: Memtable): string {
  const iterator = memtable.iterator()
  const keys: string[] = []
  for (let status = iterator.seekToFirst(); status === MOVED; status = iterator.next()) keys.push(entryAt(iterator).key.toString())
  return keys.join(' ')
}

describe('memtable', () => {
  test('finds the newest version at or below a sequence', () => {
    const memtable = filled([put('a', 1), put('b', 2), put('a', 5), deletion('a', 7), put('a', 9)])
    expect(lookUp(memtable, 'a')).toBe('v9')
    expect(lookUp(memtable, 'a', 9)).toBe('v9')
    expect(lookUp(memtable, 'a', 8)).toBe('deleted')
    expect(lookUp(memtable, 'a', 6)).toBe('v5')
    expect(lookUp(memtable, 'a', 4)).toBe('v1')
    expect(lookUp(memtable, 'a', 0)).toBeUndefined()
    expect(lookUp(memtable, 'b')).toBe('v2')
    expect(lookUp(memtable, 'b', 1)).toBeUndefined()
    expect(lookUp(memtable, 'c')).toBeUndefined()
  })

  test('one that stands for another has nothing, and no room', () => {
    const memtable = Memtable.placeholder()
    expect([memtable.entryCount, memtable.hasRoomFor(0), lookUp(memtable, 'a')]).toEqual([0, false, undefined])
    expect(memtable.iterator().seekToFirst()).toBe(EXHAUSTED)
    expect(memtable.capacityBytes).toBeLessThanOrEqual(4096)
  })

  test('an empty one has nothing', () => {
    const memtable = Memtable.create(4096)
    const iterator = memtable.iterator()
    expect(lookUp(memtable, '')).toBeUndefined()
    expect([iterator.seekToFirst(), iterator.seekToLast()]).toEqual([EXHAUSTED, EXHAUSTED])
    const key = Buffer.from('a')
    expect([iterator.seek(key, 0, 1, SEQUENCE_MAX), iterator.seekBefore(key, 0, 1, 0)]).toEqual([EXHAUSTED, EXHAUSTED])
    expect([memtable.entryCount, memtable.deletionCount, memtable.rawKeyBytes, memtable.rawValueBytes]).toEqual([0, 0, 0, 0])
  })

  test('takes the empty key, empty values and the longest key', () => {
    const longest = Buffer.alloc(KEY_BYTES_MAX, 'k')
    const next = Buffer.concat([longest.subarray(1), Buffer.from('l')])
    const memtable = filled([put(longest, 1, ''), put('', 2, ''), put('', 3, 'x'), put(next, 4, 'y'), deletion('', 5)], 1 << 20)
    expect(lookUp(memtable, longest)).toBe('')
    expect(lookUp(memtable, next)).toBe('y')
    expect(lookUp(memtable, longest.subarray(1))).toBeUndefined()
    expect([lookUp(memtable, ''), lookUp(memtable, '', 3), lookUp(memtable, '', 2)]).toEqual(['deleted', 'x', ''])
    const iterator = memtable.iterator()
    expect([iterator.seekToFirst(), entryAt(iterator)]).toEqual([MOVED, deletion('', 5)])
    expect([iterator.seekToLast(), entryAt(iterator).key.equals(next)]).toEqual([MOVED, true])
  })

  test('a source in words gives the same memory as one in bytes, wherever in a word a value begins and ends', () => {
    const random = new Random(7)
    const source = Buffer.alloc(1024)
    random.fill(source)
    const words = new Int32Array(source.buffer, source.byteOffset, source.length >>> 2)
    for (let length = 0; length <= 270; length += length < 20 ? 1 : 25) {
      const plain = Memtable.create(4096)
      const fast = Memtable.create(4096)
      for (let start = 16; start < 20; start++) {
        plain.insert(source, 0, 8, start, start + length, start, KIND_PUT)
        fast.insert(source, 0, 8, start, start + length, start, KIND_PUT, words)
      }
      const end = source.length
      plain.insert(source, 0, 8, end - length, end, 20, KIND_PUT)
      fast.insert(source, 0, 8, end - length, end, 20, KIND_PUT, words)
      expect(fast.data.equals(plain.data), `${length} bytes`).toBe(true)
    }
  })

  test('keeps sequences of 53 bits', () => {
    const memtable = filled([put('a', 2 ** 32 - 1), put('a', 2 ** 32), put('a', 2 ** 53 - 2), put('a', SEQUENCE_MAX)])
    const iterator = memtable.iterator()
    const sequences: number[] = []
    for (let status = iterator.seekToFirst(); status === MOVED; status = iterator.next()) sequences.push(iterator.sequence)
    expect(sequences).toEqual([SEQUENCE_MAX, 2 ** 53 - 2, 2 ** 32, 2 ** 32 - 1])
    expect(lookUp(memtable, 'a', 2 ** 33)).toBe(`v${2 ** 32}`)
    expect(memtable.sequenceAt(memtable.find(Buffer.from('a'), 0, 1, 2 ** 53 - 2))).toBe(2 ** 53 - 2)
  })

  test('counts entries, deletions and raw bytes', () => {
    const memtable = filled([put('aa', 1, 'xyz'), deletion('b', 2), put('', 3, '')])
    expect([memtable.entryCount, memtable.deletionCount, memtable.rawKeyBytes, memtable.rawValueBytes]).toEqual([3, 1, 3, 3])
    expect(memtable.kindAt(memtable.find(Buffer.from('aa'), 0, 2, 1))).toBe(KIND_PUT)
    expect(memtable.capacityBytes).toBe(65_536)
  })

  test('an iterator goes on where it stands while inserts go on', () => {
    const memtable = filled([put('b', 1), put('d', 2), put('f', 3)])
    const iterator = memtable.iterator()
    iterator.seekToFirst()
    for (const [index, key] of ['a', 'c', 'e', 'g', 'b', 'd', 'f'].entries()) insert(memtable, put(key, 10 + index))
    const seen: Entry[] = []
    for (let status = iterator.next(); status === MOVED; status = iterator.next()) seen.push(entryAt(iterator))
    expect(seen.filter(({ sequence }) => sequence <= 3)).toEqual([put('d', 2), put('f', 3)])
    expect(seen.toSorted(compareEntries)).toEqual(seen)
    expect(allKeys(memtable)).toBe('a b b c d d e f f g')
  })

  test('takes nothing once it is frozen, and no version twice', () => {
    const memtable = filled([put('a', 1), put('b', 2), put('a', 3)])
    expect(() => insert(memtable, put('a', 1))).toThrow('a version is inserted once')
    memtable.freeze()
    expect(memtable.isFrozen).toBe(true)
    expect(() => insert(memtable, put('c', 4))).toThrow('a frozen memtable takes no entries')
    expect(lookUp(memtable, 'a')).toBe('v3')
  })

  test('an iterator that stands nowhere does not move', () => {
    const iterator = filled([put('a', 1)]).iterator()
    expect(() => iterator.next()).toThrow('moves on from an entry')
    iterator.seekToFirst()
    expect(iterator.next()).toBe(EXHAUSTED)
    expect(() => iterator.prev()).toThrow('moves back from an entry')
  })

  test('passes by keys that only look like those that are there', () => {
    const memtable = filled([put('a\0', 1), put('ab\0\0', 2), put('ab', 3), put('ab\0c', 4), put('\0', 5)])
    for (const absent of ['a', 'a\0\0', 'ab\0', 'ab\0b', 'ab\0\0\0', '', '\0\0', 'b']) expect(lookUp(memtable, absent)).toBeUndefined()
    for (const present of ['a\0', 'ab\0\0', 'ab', 'ab\0c', '\0']) expect(lookUp(memtable, present)).toBeDefined()
    expect(JSON.stringify(allKeys(memtable))).toBe(JSON.stringify('\0 a\0 ab ab\0\0 ab\0c'))
  })
})

describe.each(Object.keys(KEY_SHAPES))('memtable equals a sorted array: %s', (shape) => {
  const makeKey = KEY_SHAPES[shape]!
  const seed = testSeed()
  const ROUNDS = 15

  test(`VARVE_SEED=${seed}`, () => {
    const random = new Random(seed)
    for (let round = 0; round < ROUNDS; round++) {
      const memtable = Memtable.create(random.pick([4096, 20_000, 65_536, 200_000]))
      const model = fillAtRandom(memtable, random, makeKey)
      expect(memtable.entryCount).toBe(model.length)
      checkScans(memtable, model)
      for (let i = 0; i < 60; i++) {
        const known = model.length > 0 && random.chance(0.6)
        const key = known ? random.pick(model).key : makeKey(random, model.length)
        const sequence = random.pick([0, SEQUENCE_MAX, random.below(model.length * 3 + 1)])
        checkSeeks(memtable, model, key, sequence, random)
      }
    }
  })

  function fillAtRandom(memtable: Memtable, random: Random, make: typeof makeKey): Entry[] {
    const model: Entry[] = []
    const limit = random.below(500)
    let sequence = 0
    while (model.length < limit) {
      const entry = randomEntry(random, make(random, model.length), (sequence += random.between(1, 3)))
      if (!hasRoomForEntry(memtable, entry)) break
      insert(memtable, entry, random.below(5))
      model.push(entry)
    }
    return model.sort(compareEntries)
  }
})

function checkScans(memtable: Memtable, model: readonly Entry[]): void {
  const iterator = memtable.iterator()
  const texts = model.map((entry) => textOf(entry))
  expect(textsOf(iterator, iterator.seekToFirst(), 'next')).toEqual(texts)
  expect(textsOf(iterator, iterator.seekToLast(), 'prev')).toEqual(texts.toReversed())
}

function checkSeeks(memtable: Memtable, model: readonly Entry[], key: Buffer, sequence: number, random: Random): void {
  const after = model.findIndex((entry) => compareEntries(entry, { key, sequence }) >= 0)
  const index = after === -1 ? model.length : after
  const at = model[index]
  const node = memtable.find(key, 0, key.length, sequence)
  if (at?.key.equals(key) !== true) expect(node).toBe(0)
  else {
    expect([memtable.sequenceAt(node), memtable.kindAt(node)]).toEqual([at.sequence, at.kind])
    expect(memtable.data.subarray(memtable.valueStartAt(node), memtable.valueEndAt(node)).equals(at.value)).toBe(true)
  }
  const iterator = memtable.iterator()
  expectAt(iterator, iterator.seek(key, 0, key.length, sequence), at)
  const before = model[index - 1]
  expectAt(iterator, iterator.seekBefore(key, 0, key.length, sequence), before)
  if (before !== undefined) walk(iterator, model, index - 1, random)
}

/** Some steps to and fro from an entry of the model. */
function walk(iterator: InternalIterator, model: readonly Entry[], start: number, random: Random): void {
  let index = start
  for (let steps = 0; steps < 8; steps++) {
    const isForward = random.chance(0.5)
    const status = isForward ? iterator.next() : iterator.prev()
    index += isForward ? 1 : -1
    expectAt(iterator, status, model[index])
    if (status === EXHAUSTED) return
  }
}

/** `expect` takes its time, so only a difference gets there. */
function expectAt(iterator: InternalIterator, status: MoveStatus, entry: Entry | undefined): void {
  const seen = status === MOVED ? textOf(entryAt(iterator)) : 'nothing'
  const wanted = entry === undefined ? 'nothing' : textOf(entry)
  if (seen !== wanted) expect(seen).toBe(wanted)
}
