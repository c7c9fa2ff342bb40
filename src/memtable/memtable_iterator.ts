/**
 * A position in a memtable.
 *
 * It stands on a node, and nodes never move: inserts that go on do not disturb it. Whether it meets what they add depends on where they
 * fall; they carry sequences that no reader who started earlier may see, so that readers skip them as they skip every newer version.
 * It never returns `NEEDS_IO`.
 */
import { EXHAUSTED, type InternalIterator, type MoveStatus, MOVED } from '../codec/internal_iterator.js'
import { assert } from '../util/assert.js'
import { type Arena, H_TAIL, HEAD, NODE_LINKS, RECORD_PREVIOUS, RECORD_WORDS } from './arena.js'
import type { Skiplist } from './skiplist.js'

/** An {@link InternalIterator} over the entries of a memtable. */
export class MemtableIterator implements InternalIterator {
  data: Buffer
  keyStart = 0
  keyEnd = 0
  valueStart = 0
  valueEnd = 0
  sequence = 0
  kind = 0
  private readonly words: Int32Array
  private readonly list: Skiplist
  /** 0 when it stands nowhere. */
  private node = 0

  constructor(arena: Arena, list: Skiplist) {
    this.data = arena.bytes
    this.words = arena.words
    this.list = list
  }

  seekToFirst(): MoveStatus {
    return this.standOn(this.words[HEAD + NODE_LINKS]!)
  }

  seekToLast(): MoveStatus {
    const tail = this.words[H_TAIL]!
    return this.standOn(tail === HEAD ? 0 : tail)
  }

  seek(key: Uint8Array, keyStart: number, keyEnd: number, sequence: number): MoveStatus {
    return this.standOn(this.words[this.list.findBefore(key, keyStart, keyEnd, sequence) + NODE_LINKS]!)
  }

  seekBefore(key: Uint8Array, keyStart: number, keyEnd: number, sequence: number): MoveStatus {
    const node = this.list.findBefore(key, keyStart, keyEnd, sequence)
    return this.standOn(node === HEAD ? 0 : node)
  }

  /** Hot: guarded by `bench/micro/memtable.ts`. */
  next(): MoveStatus {
    assert(this.node !== 0, 'an iterator moves on from an entry')
    return this.standOn(this.words[this.node + NODE_LINKS]!)
  }

  prev(): MoveStatus {
    assert(this.node !== 0, 'an iterator moves back from an entry')
    const previous = this.words[this.words[this.node]! + RECORD_PREVIOUS]!
    return this.standOn(previous === HEAD ? 0 : previous)
  }

  close(): void {
    this.node = 0
  }

  private standOn(node: number): MoveStatus {
    this.node = node
    if (node === 0) return EXHAUSTED
    const { words } = this
    const record = words[node]!
    const high = words[record + 1]!
    const keyStart = (record + RECORD_WORDS) << 2
    const keyEnd = keyStart + words[node + 1]!
    const valueStart = (keyEnd + 3) & ~3
    this.keyStart = keyStart
    this.keyEnd = keyEnd
    this.valueStart = valueStart
    this.valueEnd = valueStart + words[record + 2]!
    this.sequence = (high & 0x1fffff) * 0x1_0000_0000 + (words[record]! >>> 0)
    this.kind = high >>> 24
    return MOVED
  }
}
