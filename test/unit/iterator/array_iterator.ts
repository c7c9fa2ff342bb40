/**
 * A sorted array as an `InternalIterator`, and the plain model that iterators are checked against.
 */
import { EXHAUSTED, type InternalIterator, type MoveStatus, MOVED, NEEDS_IO } from '../../../src/codec/internal_iterator.js'
import { KIND_DELETE, KIND_PUT } from '../../../src/codec/internal_key.js'
import type { Random } from '../../../src/util/random.js'

/** An internal entry in plain form. */
export interface Entry {
  readonly key: string
  readonly sequence: number
  readonly kind: number
  readonly value: string
}

/** A put. */
export function put(key: string, sequence: number, value = `${key}@${sequence}`): Entry {
  return { key, sequence, kind: KIND_PUT, value }
}

/** A deletion. */
export function deletion(key: string, sequence: number): Entry {
  return { key, sequence, kind: KIND_DELETE, value: '' }
}

/** The order of internal entries. */
export function compareEntries(a: Entry, b: Entry): number {
  return Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)) || b.sequence - a.sequence
}

/** How an iterator's entry reads in expectations. */
export function entryAt(iterator: InternalIterator): Entry {
  const { data } = iterator
  return {
    key: data.toString('utf8', iterator.keyStart, iterator.keyEnd),
    sequence: iterator.sequence,
    kind: iterator.kind,
    value: data.toString('utf8', iterator.valueStart, iterator.valueEnd),
  }
}

/** Entries in sorted order. With `ioPercent`, that share of moves first returns `NEEDS_IO`, once each. */
export class ArrayIterator implements InternalIterator {
  data = Buffer.alloc(0)
  keyStart = 0
  keyEnd = 0
  valueStart = 0
  valueEnd = 0
  sequence = 0
  kind = 0
  isClosed = false
  /** Moves that returned `NEEDS_IO`. */
  waits = 0
  readonly #entries: readonly Entry[]
  readonly #random: Random | undefined
  readonly #ioPercent: number
  #position = -1
  #hasWaited = false

  constructor(entries: readonly Entry[], random?: Random, ioPercent = 0) {
    this.#entries = entries.toSorted(compareEntries)
    this.#random = random
    this.#ioPercent = ioPercent
  }

  seekToFirst(): MoveStatus {
    return this.#to(() => 0)
  }

  seekToLast(): MoveStatus {
    return this.#to(() => this.#entries.length - 1)
  }

  seek(key: Uint8Array, keyStart: number, keyEnd: number, sequence: number): MoveStatus {
    const target = { key: Buffer.from(key.subarray(keyStart, keyEnd)).toString(), sequence, kind: 0, value: '' }
    return this.#to(() => {
      const found = this.#entries.findIndex((entry) => compareEntries(entry, target) >= 0)
      return found < 0 ? this.#entries.length : found
    })
  }

  seekBefore(key: Uint8Array, keyStart: number, keyEnd: number, sequence: number): MoveStatus {
    const target = { key: Buffer.from(key.subarray(keyStart, keyEnd)).toString(), sequence, kind: 0, value: '' }
    return this.#to(() => this.#entries.findLastIndex((entry) => compareEntries(entry, target) < 0))
  }

  next(): MoveStatus {
    if (this.#position < 0 || this.#position >= this.#entries.length) throw new Error('next from nowhere')
    return this.#to(() => this.#position + 1)
  }

  prev(): MoveStatus {
    if (this.#position < 0 || this.#position >= this.#entries.length) throw new Error('prev from nowhere')
    return this.#to(() => this.#position - 1)
  }

  close(): void {
    this.isClosed = true
  }

  #to(find: () => number): MoveStatus {
    if (this.isClosed) throw new Error('moved after close')
    if (!this.#hasWaited && this.#random !== undefined && this.#random.below(100) < this.#ioPercent) {
      this.#hasWaited = true
      this.waits++
      return NEEDS_IO
    }
    this.#hasWaited = false
    this.#position = find()
    const entry = this.#entries[this.#position]
    if (entry === undefined) return EXHAUSTED
    const key = Buffer.from(entry.key)
    this.data = Buffer.concat([Buffer.from('<'), key, Buffer.from('='), Buffer.from(entry.value), Buffer.from('>')])
    this.keyStart = 1
    this.keyEnd = 1 + key.length
    this.valueStart = this.keyEnd + 1
    this.valueEnd = this.data.length - 1
    this.sequence = entry.sequence
    this.kind = entry.kind
    return MOVED
  }
}

/** Repeats a move until it needs no more I/O. */
export function retried(move: () => MoveStatus): MoveStatus {
  for (let i = 0; i < 1000; i++) {
    const status = move()
    if (status !== NEEDS_IO) return status
  }
  throw new Error('a move makes no progress')
}

/** The seed of a random test: `VARVE_SEED` replays one. */
export function testSeed(): number {
  const given = process.env['VARVE_SEED']
  return given === undefined ? Math.floor(Math.random() * 0x1_0000_0000) : Number(given)
}

/** Entries with distinct sequences over a small set of keys, deletions among them. */
export function randomEntries(random: Random, count: number, keyCount: number, deletionPercent = 25): Entry[] {
  return Array.from({ length: count }, (_, i) => {
    const key = `k${String(random.below(keyCount)).padStart(3, '0')}`
    return random.below(100) < deletionPercent ? deletion(key, i + 1) : put(key, i + 1)
  })
}

/** Deals entries out to runs at random. */
export function dealOut(random: Random, entries: readonly Entry[], runCount: number): Entry[][] {
  const runs: Entry[][] = Array.from({ length: runCount }, () => [])
  for (const entry of entries) runs[random.below(runCount)]!.push(entry)
  return runs
}
