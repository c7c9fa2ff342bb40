/** Entries for memtables, a sorted array as their model, and keys of several shapes. */
import { compareBytes } from '../../../src/codec/bytes.js'
import { type InternalIterator, type MoveStatus, MOVED } from '../../../src/codec/internal_iterator.js'
import { KIND_DELETE, KIND_PUT } from '../../../src/codec/internal_key.js'
import { Memtable } from '../../../src/memtable/memtable.js'
import type { Random } from '../../../src/util/random.js'

export interface Entry {
  readonly key: Buffer
  readonly value: Buffer
  readonly sequence: number
  readonly kind: number
}

/** A put whose value tells its sequence. */
export function put(key: string | Buffer, sequence: number, value: string | Buffer = `v${sequence}`): Entry {
  return { key: Buffer.from(key), value: Buffer.from(value), sequence, kind: KIND_PUT }
}

/** A deletion. */
export function deletion(key: string | Buffer, sequence: number): Entry {
  return { key: Buffer.from(key), value: Buffer.alloc(0), sequence, kind: KIND_DELETE }
}

/** The order of internal entries. */
export function compareEntries(a: Pick<Entry, 'key' | 'sequence'>, b: Pick<Entry, 'key' | 'sequence'>): number {
  return compareBytes(a.key, 0, a.key.length, b.key, 0, b.key.length) || b.sequence - a.sequence
}

/** Inserts an entry from a source in which key and value lie apart and unaligned. */
export function insert(memtable: Memtable, entry: Entry, gap = 3): void {
  const { key, value, sequence, kind } = entry
  const source = Buffer.concat([Buffer.alloc(gap, 0xff), key, Buffer.alloc(gap, 0xff), value, Buffer.alloc(1, 0xff)])
  const valueStart = gap + key.length + gap
  memtable.insert(source, gap, gap + key.length, valueStart, valueStart + value.length, sequence, kind)
}

/** Whether a memtable promises room for an entry. */
export function hasRoomForEntry(memtable: Memtable, entry: Entry): boolean {
  return memtable.hasRoomFor(Memtable.entryBytesMax(entry.key.length, entry.value.length))
}

/** The entry that an iterator stands on, copied. */
export function entryAt(iterator: InternalIterator): Entry {
  return {
    key: Buffer.from(iterator.data.subarray(iterator.keyStart, iterator.keyEnd)),
    value: Buffer.from(iterator.data.subarray(iterator.valueStart, iterator.valueEnd)),
    sequence: iterator.sequence,
    kind: iterator.kind,
  }
}

/** An entry as text: comparing thousands of these is much quicker than comparing buffers. */
export function textOf({ key, value, sequence, kind }: Entry): string {
  return `${sequence} ${kind} ${key.length} ${key.toString('latin1')} ${value.toString('latin1')}`
}

/** The texts of all entries that moves from `status` on meet. */
export function textsOf(iterator: InternalIterator, first: MoveStatus, move: 'next' | 'prev'): string[] {
  const texts: string[] = []
  for (let status = first; status === MOVED; status = iterator[move]()) texts.push(textOf(entryAt(iterator)))
  return texts
}

/** The seed of a random test: `VARVE_SEED` replays one. */
export function testSeed(): number {
  const given = process.env['VARVE_SEED']
  return given === undefined ? Date.now() >>> 0 : Number(given)
}

/** Shapes of keys, each of which a comparison by codes could get wrong in its own way. */
export const KEY_SHAPES: Record<string, (random: Random, count: number) => Buffer> = {
  'numbered keys with a common prefix': (random) => Buffer.from(`user:${String(random.below(3000)).padStart(11, '0')}`),
  'several groups of keys': (random) => Buffer.from(`${random.pick(['city:', 'population:', 'c'])}${random.below(400)}`),
  'short keys, the empty one, and prefixes of each other': (random) =>
    Buffer.from(Array.from({ length: random.below(6) }, () => random.below(3))),
  'zeros and extreme bytes': (random) =>
    Buffer.from(Array.from({ length: random.below(10) }, () => random.pick([0, 0, 1, 127, 128, 254, 255]))),
  'random bytes': (random) => {
    const key = Buffer.alloc(16)
    random.fill(key)
    return key
  },
  'rising keys with a step back now and then': (random, count) =>
    Buffer.from(`event/${String(count + 100 - (random.chance(0.1) ? random.below(50) : 0)).padStart(6, '0')}`),
  'long keys that differ late': (random) =>
    Buffer.from('x'.repeat(random.below(3) * 150) + 'y'.repeat(random.below(2) * 200) + String(random.below(30))),
}

/** A random entry with the key. Sequences rise from call to call, as those of a store do. */
export function randomEntry(random: Random, key: Buffer, sequence: number): Entry {
  if (random.chance(0.2)) return deletion(key, sequence)
  const value = Buffer.alloc(random.chance(0.05) ? random.below(700) : random.below(30))
  random.fill(value)
  return put(key, sequence, value)
}
