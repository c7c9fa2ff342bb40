/**
 * The memory of a memtable: one `SharedArrayBuffer` that two stacks share, growing towards each other.
 *
 * | where | what is there |
 * |---|---|
 * | words 0 to 15 | header: the words named `H_…` below |
 * | from word 16 | the head of the skiplist, a node with all levels, and no record |
 * | then | the key filter: see `key_filter.ts` |
 * | then, growing upwards | nodes of the skiplist: what a search walks over, kept dense so that it stays in the processor's caches |
 * | from the end, growing downwards | records: sequence, kind, key and value, read when the search is over |
 *
 * Node (32-bit words; a node's number is the index of its first word, 0 is "none"):
 *
 * | word | field |
 * |---|---|
 * | 0 | index of the first word of its record |
 * | 1 | length of the key in bytes |
 * | 2 + 2i | link of level i: the next node of that level |
 * | 3 + 2i | code of that link: see `skiplist.ts` |
 *
 * Record:
 *
 * | word | field |
 * |---|---|
 * | 0 | sequence number, lower 32 bits |
 * | 1 | sequence number, upper 21 bits, and the kind in bits 24 to 31 |
 * | 2 | length of the value in bytes |
 * | 3 | the preceding node |
 * | 4 … | key, padded with zeros to whole words |
 * | … | value, padded likewise |
 *
 * Invariants
 * 1. All state is in the buffer, so that a thread that attaches to it sees a whole memtable; equal inserts give equal words.
 * 2. What lies between the stacks is undefined. Resetting an arena writes header, head and filter only (1.6 % of it); every word of
 *    a node and of a record is written when it is allocated.
 * 3. Nodes and records never move and are never freed.
 *
 * Measured and lost (27,000 entries of 116 bytes): one stack with each node beside its key and value, which saves a cache miss per hit but
 * spreads the nodes over eight times the memory: finds took 10 to 20 % longer, at 100,000 entries 70 %.
 */
import { assert } from '../util/assert.js'
import { filterWordsFor } from './key_filter.js'

/** Smallest arena: 4 KiB. */
export const ARENA_BYTES_MIN = 4096
/** Largest arena: 1 GiB. */
export const ARENA_BYTES_MAX: number = 1024 * 1024 * 1024

/** Levels of the skiplist. With a branching factor of 4 they suffice for 16 million entries, and go on working beyond. */
export const HEIGHT_MAX = 12

/** Tells an arena from other memory. */
const H_MAGIC = 0
/** 0 while inserts are allowed, then 1. */
export const H_FROZEN = 1
/** Levels in use. */
export const H_HEIGHT = 2
/** First free word above the nodes. */
const H_NODE_END = 3
/** First word of the records. */
const H_RECORD_START = 4
/** Entries, deletions included. */
export const H_ENTRY_COUNT = 5
/** Entries that are deletions. */
export const H_DELETION_COUNT = 6
/** Bytes of all keys. */
export const H_RAW_KEY_BYTES = 7
/** Bytes of all values. */
export const H_RAW_VALUE_BYTES = 8
/** State of the generator of heights. */
const H_RANDOM = 9
/** Levels that the next node may have: see {@link Arena.drawHeight}. */
const H_LEVEL_CREDIT = 10
/** The last node, or the head. */
export const H_TAIL = 11

const MAGIC = 0x4d726176
const RANDOM_SEED = 0x5eed1e55

/** Words of a node before its links. */
export const NODE_LINKS = 2
/** The node before the first. */
export const HEAD = 16
/** The first word of the filter. */
export const FILTER = HEAD + NODE_LINKS + 2 * HEIGHT_MAX

/** Words of a record before its key. */
export const RECORD_WORDS = 4
/** The word of a record that names the preceding node. */
export const RECORD_PREVIOUS = 3

/** Levels that an entry pays for in {@link entryBytesMax}; the mean is 4/3. */
const LEVELS_CHARGED = 2

/** Arena bytes that stay out of reach of {@link Arena.hasRoomFor}, for towers that are higher than what their entry paid for. */
const RESERVE_BYTES = 8 * HEIGHT_MAX

/** The code of a link that leads nowhere: no code of a key is greater. */
const CODE_NONE = 0x7fffffff

/** Most bytes that an entry takes from an arena, when added up over any number of entries: see {@link Arena.drawHeight}. */
export function entryBytesMax(keyBytes: number, valueBytes: number): number {
  return 4 * (NODE_LINKS + 2 * LEVELS_CHARGED + RECORD_WORDS + wordsOf(keyBytes) + wordsOf(valueBytes))
}

/** Smallest capacity of an arena that has room, when empty, for entries whose {@link entryBytesMax} add up to `bytes`. */
export function capacityFor(bytes: number): number {
  const neededBytes = 4 * FILTER + RESERVE_BYTES + bytes
  // The filter takes its share of the whole, not of what is needed.
  const capacityBytes = Math.ceil(neededBytes / 252) * 256
  return Math.max(ARENA_BYTES_MIN, capacityBytes)
}

/** Words that `bytes` take. */
function wordsOf(bytes: number): number {
  return (bytes + 3) >>> 2
}

/** A view of an arena. */
export class Arena {
  readonly buffer: SharedArrayBuffer
  /** Header, nodes and headers of records. */
  readonly words: Int32Array
  /** Keys and values. */
  readonly bytes: Buffer

  private constructor(buffer: SharedArrayBuffer) {
    const isSized = buffer.byteLength >= ARENA_BYTES_MIN && buffer.byteLength <= ARENA_BYTES_MAX && buffer.byteLength % 4 === 0
    assert(isSized, 'an arena has 4 KiB to 1 GiB, in whole words')
    this.buffer = buffer
    this.words = new Int32Array(buffer)
    this.bytes = Buffer.from(buffer)
  }

  /** A view of a new arena or of a recycled one, empty. The former content is gone, though not overwritten. */
  static reset(buffer: SharedArrayBuffer): Arena {
    const arena = new Arena(buffer)
    const { words } = arena
    const nodesStart = FILTER + filterWordsFor(words.length)
    words.fill(0, 0, nodesStart)
    for (let level = 0; level < HEIGHT_MAX; level++) words[HEAD + NODE_LINKS + 2 * level + 1] = CODE_NONE
    words[H_MAGIC] = MAGIC
    words[H_HEIGHT] = 1
    words[H_NODE_END] = nodesStart
    words[H_RECORD_START] = words.length
    words[H_RANDOM] = RANDOM_SEED
    words[H_LEVEL_CREDIT] = HEIGHT_MAX
    words[H_TAIL] = HEAD
    return arena
  }

  /** Leaves no room for entries. */
  exhaust(): void {
    this.words[H_NODE_END] = this.words[H_RECORD_START]!
  }

  /** A view of an arena that was filled and frozen, in another thread perhaps. */
  static attach(buffer: SharedArrayBuffer): Arena {
    const arena = new Arena(buffer)
    assert(arena.words[H_MAGIC] === MAGIC, 'only the arena of a memtable is attached to')
    assert(arena.isFrozen, 'only a frozen memtable is attached to')
    return arena
  }

  /** Whether inserts are over. */
  get isFrozen(): boolean {
    return this.words[H_FROZEN] === 1
  }

  freeze(): void {
    this.words[H_FROZEN] = 1
  }

  /** Bytes in use, those of header and filter included. */
  get usedBytes(): number {
    return this.buffer.byteLength - this.freeBytes
  }

  private get freeBytes(): number {
    return 4 * (this.words[H_RECORD_START]! - this.words[H_NODE_END]!)
  }

  /** Whether entries fit whose {@link entryBytesMax} add up to `bytes`. They do fit, however high their towers turn out. */
  hasRoomFor(bytes: number): boolean {
    return bytes <= this.freeBytes - RESERVE_BYTES
  }

  /**
   * The height of the next node: 1 with probability 3/4, 2 with 3/16, and so on (pairs of trailing zeros of Marsaglia's xorshift32).
   *
   * Heights are bounded by a credit that grows by {@link LEVELS_CHARGED} per entry and is {@link HEIGHT_MAX} at most. So n entries in a row
   * have at most `LEVELS_CHARGED * n + HEIGHT_MAX` levels, and room for them can be promised without assuming the highest tower for each.
   * The mean height is 4/3: the credit is nearly always full, and hardly a node is lowered.
   */
  drawHeight(): number {
    const { words } = this
    let random = words[H_RANDOM]!
    random ^= random << 13
    random ^= random >>> 17
    random ^= random << 5
    words[H_RANDOM] = random
    const drawn = 1 + ((31 - Math.clz32(random & -random)) >> 1)
    const credit = words[H_LEVEL_CREDIT]!
    const height = drawn < credit ? drawn : credit
    const left = credit - height + LEVELS_CHARGED
    words[H_LEVEL_CREDIT] = left < HEIGHT_MAX ? left : HEIGHT_MAX
    return height
  }

  /** A node of `height` levels with its record, `dataWords` being what key and value take. Nothing is cleared, only the record named. */
  allocate(height: number, dataWords: number): number {
    const { words } = this
    const node = words[H_NODE_END]!
    const nodeEnd = node + NODE_LINKS + 2 * height
    const record = words[H_RECORD_START]! - RECORD_WORDS - dataWords
    assert(nodeEnd <= record, 'an entry fits into the arena')
    words[H_NODE_END] = nodeEnd
    words[H_RECORD_START] = record
    words[node] = record
    return node
  }
}
