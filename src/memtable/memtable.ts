/**
 * The memtable: the newest entries, sorted in memory, until they are written to a table.
 *
 * One thread creates it and inserts. After `freeze` other threads may `attach` to its arena and iterate over it, without a copy, while
 * the first goes on reading. The store recycles arenas (`reuse`): it must know that no reader is left, because everything that a
 * memtable or its iterators handed out is borrowed from the arena.
 *
 * A *node* is the number of an entry; 0 is none.
 */
import { hashKey } from '../codec/hash.js'
import type { InternalIterator } from '../codec/internal_iterator.js'
import { assert } from '../util/assert.js'
import {
  Arena,
  ARENA_BYTES_MAX,
  ARENA_BYTES_MIN,
  capacityFor,
  entryBytesMax,
  H_DELETION_COUNT,
  H_ENTRY_COUNT,
  H_RAW_KEY_BYTES,
  H_RAW_VALUE_BYTES,
  RECORD_WORDS,
} from './arena.js'
import { MemtableIterator } from './memtable_iterator.js'
import { Skiplist } from './skiplist.js'

/** Sorted entries in an arena of fixed size. */
export class Memtable {
  /** The memory, to be posted to a worker or recycled. */
  readonly arena: SharedArrayBuffer
  /** A view of all of it: `valueStartAt` and `valueEndAt` are offsets in it. */
  readonly data: Buffer
  private readonly memory: Arena
  private readonly words: Int32Array
  private readonly list: Skiplist

  private constructor(memory: Arena) {
    this.memory = memory
    this.arena = memory.buffer
    this.data = memory.bytes
    this.words = memory.words
    this.list = new Skiplist(memory)
  }

  /** An empty memtable in a new arena of `capacityBytes` (4 KiB to 1 GiB; rounded up to whole words). */
  static create(capacityBytes: number): Memtable {
    assert(capacityBytes >= ARENA_BYTES_MIN && capacityBytes <= ARENA_BYTES_MAX, 'a memtable has 4 KiB to 1 GiB')
    return new Memtable(Arena.reset(new SharedArrayBuffer((capacityBytes + 3) & ~3)))
  }

  /** A memtable without room for anything: it stands for one that is made when it is needed. */
  static placeholder(): Memtable {
    const memtable = Memtable.create(ARENA_BYTES_MIN)
    memtable.memory.exhaust()
    return memtable
  }

  /** An empty memtable in the arena of a former one. It costs no clearing. */
  static reuse(arena: SharedArrayBuffer): Memtable {
    return new Memtable(Arena.reset(arena))
  }

  /** A memtable that was frozen, in another thread perhaps; for reading. */
  static attach(arena: SharedArrayBuffer): Memtable {
    return new Memtable(Arena.attach(arena))
  }

  /** Most bytes that an entry takes. Add them up over the entries of a group and ask {@link Memtable.hasRoomFor}. */
  static entryBytesMax(keyBytes: number, valueBytes: number): number {
    return entryBytesMax(keyBytes, valueBytes)
  }

  /** Smallest capacity of a memtable, when empty, that has room for `bytes`: for groups that are larger than the usual arena. */
  static capacityFor(bytes: number): number {
    return capacityFor(bytes)
  }

  /** Entries, deletions included. */
  get entryCount(): number {
    return this.words[H_ENTRY_COUNT]!
  }

  /** Entries that are deletions. */
  get deletionCount(): number {
    return this.words[H_DELETION_COUNT]!
  }

  /** Bytes of the keys of all entries. */
  get rawKeyBytes(): number {
    return this.words[H_RAW_KEY_BYTES]!
  }

  /** Bytes of the values of all entries. */
  get rawValueBytes(): number {
    return this.words[H_RAW_VALUE_BYTES]!
  }

  /** Arena bytes in use, header included. */
  get usedBytes(): number {
    return this.memory.usedBytes
  }

  /** Size of the arena. */
  get capacityBytes(): number {
    return this.arena.byteLength
  }

  /** Whether inserts are over. */
  get isFrozen(): boolean {
    return this.memory.isFrozen
  }

  /** Whether all of a group of entries fits whose {@link Memtable.entryBytesMax} add up to `bytes`. */
  hasRoomFor(bytes: number): boolean {
    return this.memory.hasRoomFor(bytes)
  }

  /**
   * Adds an entry. The sequence number must be new. Asserts that there is room; the caller has asked {@link Memtable.hasRoomFor}.
   *
   * @param sourceWords the memory of `source` from its first byte on as words, where the caller has such a view: values are then copied
   *   by words.
   */
  insert(
    source: Uint8Array,
    keyStart: number,
    keyEnd: number,
    valueStart: number,
    valueEnd: number,
    sequence: number,
    kind: number,
    sourceWords?: Int32Array,
  ): void {
    this.list.insert(source, keyStart, keyEnd, valueStart, valueEnd, sequence, kind, sourceWords)
  }

  /** The node of the newest version of `key` whose sequence is at most `sequence`, or 0. */
  find(key: Uint8Array, keyStart: number, keyEnd: number, sequence: number): number {
    return this.list.find(key, keyStart, keyEnd, sequence, hashKey(key, keyStart, keyEnd))
  }

  /** {@link Memtable.find} for a key whose `hashKey` is known, as it is where tables are asked too. */
  findHashed(key: Uint8Array, keyStart: number, keyEnd: number, sequence: number, hash: number): number {
    return this.list.find(key, keyStart, keyEnd, sequence, hash)
  }

  /** The kind of an entry. */
  kindAt(node: number): number {
    return this.words[this.words[node]! + 1]! >>> 24
  }

  /** The sequence number of an entry. */
  sequenceAt(node: number): number {
    return this.list.recordSequence(this.words[node]!)
  }

  /** Where the value of an entry starts in {@link Memtable.data}. */
  valueStartAt(node: number): number {
    return (this.words[node]! + RECORD_WORDS + ((this.words[node + 1]! + 3) >>> 2)) << 2
  }

  /** Where the value of an entry ends in {@link Memtable.data}. */
  valueEndAt(node: number): number {
    return this.valueStartAt(node) + this.words[this.words[node]! + 2]!
  }

  /** An iterator over all entries. It stays valid while inserts go on, and may or may not meet what they add. */
  iterator(): InternalIterator {
    return new MemtableIterator(this.memory, this.list)
  }

  /** Ends inserts for good. */
  freeze(): void {
    this.memory.freeze()
  }
}
