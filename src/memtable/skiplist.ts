/**
 * A skiplist whose links know how keys differ.
 *
 * A search in a plain skiplist spends its time on comparing the key with the key of the node ahead: a cache miss to get there, then a loop
 * over a prefix that most keys of a store share. Here every link carries a *code* of 32 bits that says where the node ahead departs from
 * the node behind, and with what (offset-value coding: Conner, IBM 1977; Do and Graefe, "Robust and efficient sorting with offset-value
 * coding", 2022). Nearly every step then is one comparison of two integers, and the node ahead is not touched unless the search goes there.
 *
 *     code(a → b) = (32767 - lcp(a, b)) << 16  |  the two bytes of b after the common prefix, zeros past its end        (a < b; signed)
 *     code('user:17' → 'user:234') = 32762, '23'
 *
 * Let a < b and a < k, with `want` = code(a → k). Both codes say how a key leaves a, and leaving it later means staying smaller:
 *
 *     lcp(a, b) > lcp(a, k): b stays with a where k is greater already:            b < k, code < want
 *     lcp(a, b) < lcp(a, k): likewise the other way round:                         b > k, code > want
 *     equal: the next bytes decide, and they are the lower half of the code;       code < want: b < k; code > want: b > k
 *     code = want: look at b itself.
 *
 * Search for key k with sequence s, that is, for the last entry before (k, s):
 * 1. Start at the head (an empty key), on the highest level in use; `matched`, the common prefix of k with the key of the node, is 0.
 * 2. Compare the code of the link with `want`.
 *    a. Smaller: go there. When the codes differ in the last byte only, one more byte has matched; but if that byte is a zero it may be
 *       the padding of a key that ends there, so that c applies.
 *    b. Greater: stay.
 *    c. Equal: compare k with the key of the node ahead from where the code ends, then s with its sequence (greater ones come first). Go or
 *       stay; when going, `matched` is what the comparison found. The node is remembered: it is not compared again on lower levels.
 * 3. When staying, go down one level. On level 0 the search is over.
 *
 * Insert: search, keeping for each level the link that was left (`path`) and the `want` there, which is the code of the new link towards
 * the new node. The code of the link from the new node to the one ahead is the old link's code, unless offset and first byte are the same
 * in both (the new key then shares more with the node ahead than the node behind does): then it is computed from the keys.
 *
 * Finger: the path of an insert, moved behind the new node, is the path of every key k between it and its successor. There
 * lcp(a, k) = min(lcp(a, last), lcp(last, k)) for every node a on the path, which gives `want` of each level: sequential inserts search
 * nothing, wherever in the list they go on.
 *
 * Invariants
 * 1. On each level the nodes are ordered by key ascending, then sequence descending; level i + 1 is a subset of level i.
 * 2. Nodes never move. A search or an iterator that stands on a node goes on working while inserts go on. Entries that are
 *    inserted meanwhile have greater sequences than a reader may see: it meets them or not, and must skip them by sequence.
 * 3. One thread inserts. Others attach once the list is frozen.
 *
 * Measured and lost (27,000 entries, 16-byte keys with a common prefix of 10): a plain skiplist that compares keys, three times slower at
 * finding; branching by 2 or 3 instead of 4, 5 to 10 % slower, with up to 28 % more memory for nodes; comparing keys byte by byte instead
 * of four bytes at a time; a second copy of `search` that keeps no path, 4 % faster finds.
 */
import { KIND_DELETE } from '../codec/internal_key.js'
import { assert } from '../util/assert.js'
import {
  type Arena,
  FILTER,
  H_DELETION_COUNT,
  H_ENTRY_COUNT,
  H_FROZEN,
  H_HEIGHT,
  H_RAW_KEY_BYTES,
  H_RAW_VALUE_BYTES,
  H_TAIL,
  HEAD,
  HEIGHT_MAX,
  NODE_LINKS,
  RECORD_PREVIOUS,
  RECORD_WORDS,
} from './arena.js'
import { filterMask, filterShiftFor, hashKeyWords } from './key_filter.js'

/** Not greater than any code. */
const CODE_LEAST = -0x8000_0000

/** The longest bytes that are copied by a loop: for longer ones a call of `set` costs less. */
const LOOP_COPY_BYTES_MAX = 256

/** The sorted list in an {@link Arena}. */
export class Skiplist {
  private readonly arena: Arena
  private readonly words: Int32Array
  private readonly bytes: Buffer
  private readonly filterShift: number
  /** For each level i: the link word that the last insert left at [2i], the code from there to its key at [2i + 1]. */
  private readonly path = new Int32Array(2 * HEIGHT_MAX)
  private readonly readPath = new Int32Array(2 * HEIGHT_MAX)
  /** The node of the last insert; `path` leads behind it. 0 before the first. */
  private last = 0
  /** Set by `search`: the first node at or after what was searched, if it has the same key; otherwise 0. */
  private found = 0

  constructor(arena: Arena) {
    this.arena = arena
    this.words = arena.words
    this.bytes = arena.bytes
    this.filterShift = filterShiftFor(arena.words.length)
  }

  /**
   * The first node at or after (key, sequence) if it has that key, else 0; `hash` is the `hashKey` of the key.
   *
   * Hot: 0.4 to 0.5 µs for a key that is here, 25 ns with its hash for most that are not (27,000 entries);
   * guarded by `bench/micro/memtable.ts`.
   */
  find(key: Uint8Array, keyStart: number, keyEnd: number, sequence: number, hash: number): number {
    const mask = filterMask(hash)
    if ((this.words[FILTER + (hash >>> this.filterShift)]! & mask) !== mask) return 0
    this.search(key, keyStart, keyEnd, sequence, this.readPath)
    return this.found
  }

  /** The last node before (key, sequence), or `HEAD`. */
  findBefore(key: Uint8Array, keyStart: number, keyEnd: number, sequence: number): number {
    return this.search(key, keyStart, keyEnd, sequence, this.readPath)
  }

  /** The sequence number in a record. */
  recordSequence(record: number): number {
    return (this.words[record + 1]! & 0x1fffff) * 0x1_0000_0000 + (this.words[record]! >>> 0)
  }

  /** The search: fills `path` and `found`, returns the node before. It calls nothing, so that all its state stays in registers. */
  private search(key: Uint8Array, keyStart: number, keyEnd: number, sequence: number, path: Int32Array): number {
    const { words } = this
    const keyBytes = (keyEnd - keyStart) | 0
    let at = 2 * words[H_HEIGHT]! - 2
    let node = HEAD
    let matched = 0
    let want = codeOf(key, keyStart, keyEnd, 0)
    let ahead = 0
    let found = 0
    for (;;) {
      const slot = (node + NODE_LINKS + at) | 0
      const code = words[(slot + 1) | 0]!
      if (code <= want) {
        const next = words[slot]!
        if ((code ^ want) >>> 8 !== 0) {
          node = next
          continue
        }
        // Unless the byte that they share is a zero: it may be padding of one of them.
        if (code !== want && (want & 0xff00) !== 0) {
          node = next
          matched = (matched + 1) | 0
          want = codeOf(key, keyStart, keyEnd, matched)
          continue
        }
        if (next !== ahead && next !== 0) {
          const record = words[next]!
          const nextBytes = words[(next + 1) | 0]!
          const common = keyBytes < nextBytes ? keyBytes : nextBytes
          const nextKey = (record + RECORD_WORDS) | 0
          const same = commonBytes(key, keyStart, words, nextKey, matched, common)
          let isBefore: boolean
          if (same < common) isBefore = byteOf(words, nextKey, same) < key[(keyStart + same) | 0]!
          else if (keyBytes !== nextBytes) isBefore = nextBytes < keyBytes
          else {
            isBefore = (words[(record + 1) | 0]! & 0x1fffff) * 0x1_0000_0000 + (words[record]! >>> 0) > sequence
            if (!isBefore) found = next
          }
          if (isBefore) {
            node = next
            matched = same
            want = codeOf(key, keyStart, keyEnd, same)
            continue
          }
          ahead = next
        }
      }
      path[at] = slot
      path[(at + 1) | 0] = want
      if (at === 0) break
      at = (at - 2) | 0
    }
    this.found = found
    return node
  }

  /**
   * Adds an entry; see `Memtable.insert`.
   *
   * Hot: 0.5 to 0.6 µs in random order, 0.2 µs in sequence; guarded by `bench/micro/memtable.ts`.
   */
  insert(
    source: Uint8Array,
    keyStart: number,
    keyEnd: number,
    valueStart: number,
    valueEnd: number,
    sequence: number,
    kind: number,
    sourceWords: Int32Array | undefined,
  ): void {
    const { arena, words, path } = this
    assert(words[H_FROZEN] === 0, 'a frozen memtable takes no entries')
    const isNext = this.followFinger(source, keyStart, keyEnd)
    // From here on the path is that of the new entry: should it be refused, nothing may follow the old finger.
    this.last = 0
    if (!isNext) {
      this.search(source, keyStart, keyEnd, sequence, path)
      assert(this.found === 0 || this.recordSequence(words[this.found]!) !== sequence, 'a version is inserted once')
    }
    const keyBytes = keyEnd - keyStart
    const valueBytes = valueEnd - valueStart
    const keyWords = (keyBytes + 3) >>> 2
    const height = arena.drawHeight()
    const node = arena.allocate(height, keyWords + ((valueBytes + 3) >>> 2))
    const record = words[node]!
    this.copy(source, keyStart, keyEnd, record + RECORD_WORDS)
    const valueWord = record + RECORD_WORDS + keyWords
    if (sourceWords === undefined || valueBytes > LOOP_COPY_BYTES_MAX) this.copy(source, valueStart, valueEnd, valueWord)
    else copyWords(sourceWords, valueStart, valueEnd, words, valueWord)
    words[record] = sequence
    words[record + 1] = ((sequence / 0x1_0000_0000) & 0x1fffff) | (kind << 24)
    words[record + 2] = valueBytes
    words[node + 1] = keyBytes
    while (words[H_HEIGHT]! < height) this.addLevel(codeOf(source, keyStart, keyEnd, 0))
    this.link(node, record, height, source, keyStart, keyEnd)
    const hash = hashKeyWords(words, record + RECORD_WORDS, keyBytes)
    words[FILTER + (hash >>> this.filterShift)]! |= filterMask(hash)
    words[H_ENTRY_COUNT]!++
    words[H_RAW_KEY_BYTES]! += keyBytes
    words[H_RAW_VALUE_BYTES]! += valueBytes
    if (kind === KIND_DELETE) words[H_DELETION_COUNT]!++
    this.last = node
  }

  /** Takes one more level into use, and into the path: there, the head's link leads nowhere. */
  private addLevel(code: number): void {
    const { words, path } = this
    const level = words[H_HEIGHT]!
    words[H_HEIGHT] = level + 1
    path[2 * level] = HEAD + NODE_LINKS + 2 * level
    path[2 * level + 1] = code
  }

  /** Splices `node` in at `path` and moves the path behind it. */
  private link(node: number, record: number, height: number, key: Uint8Array, keyStart: number, keyEnd: number): void {
    const { words, path } = this
    words[record + RECORD_PREVIOUS] = path[0]! - NODE_LINKS
    const next = words[path[0]!]!
    if (next === 0) words[H_TAIL] = node
    else words[words[next]! + RECORD_PREVIOUS] = node
    for (let at = 0; at < 2 * height; at += 2) {
      const slot = path[at]!
      const want = path[at + 1]!
      const own = node + NODE_LINKS + at
      const ahead = words[slot]!
      let code = words[slot + 1]!
      if ((code ^ want) >>> 8 === 0 && ahead !== 0) code = this.codeTo(ahead, key, keyStart, keyEnd, offsetOf(want))
      words[own] = ahead
      words[own + 1] = code
      words[slot] = node
      words[slot + 1] = want
      path[at] = own
      path[at + 1] = CODE_LEAST
    }
  }

  /** The code from `key` to the node ahead of it, both being equal in the first `matched` bytes. */
  private codeTo(ahead: number, key: Uint8Array, keyStart: number, keyEnd: number, matched: number): number {
    const { words } = this
    const aheadKey = words[ahead]! + RECORD_WORDS
    const aheadBytes = words[ahead + 1]!
    const common = Math.min(keyEnd - keyStart, aheadBytes)
    const same = commonBytes(key, keyStart, words, aheadKey, matched, common)
    return codeOf(this.bytes, aheadKey << 2, (aheadKey << 2) + aheadBytes, same)
  }

  /** Whether the key belongs between the node of the last insert and its successor. If so, `path` is its path afterwards. */
  private followFinger(key: Uint8Array, keyStart: number, keyEnd: number): boolean {
    const { words, path, last } = this
    if (last === 0) return false
    const keyBytes = keyEnd - keyStart
    const lastBytes = words[last + 1]!
    const lastKey = words[last]! + RECORD_WORDS
    const common = keyBytes < lastBytes ? keyBytes : lastBytes
    const same = commonBytes(key, keyStart, words, lastKey, 0, common)
    if (same < common ? key[keyStart + same]! < byteOf(words, lastKey, same) : keyBytes <= lastBytes) return false
    const want = codeOf(key, keyStart, keyEnd, same)
    const slot = last + NODE_LINKS
    if (words[slot + 1]! <= want && words[slot] !== 0) return false
    const end = 2 * words[H_HEIGHT]!
    for (let at = 1; at < end; at = (at + 2) | 0) {
      // The code from node a on the path to the last key; from a to this key, the offset is the smaller one of the two. It shrinks upwards.
      const old = path[at]!
      const offset = offsetOf(old)
      if (offset >= same) path[at] = want
      else {
        if (offset + 1 < same) break
        path[at] = (old & ~0xff) | ((want >> 8) & 0xff)
      }
    }
    return true
  }

  /** Copies bytes of `source` to the words from `word` on, the last one filled up with zeros, which `hashKeyWords` relies on. */
  private copy(source: Uint8Array, start: number, end: number, word: number): void {
    const { words } = this
    if (end - start > LOOP_COPY_BYTES_MAX) {
      words[word + ((end - start - 1) >>> 2)] = 0
      this.bytes.set(source.subarray(start, end), word << 2)
      return
    }
    let from = start
    let to = word
    for (const last = (end - 4) | 0; from <= last; from = (from + 4) | 0, to = (to + 1) | 0) {
      words[to] = source[from]! | (source[(from + 1) | 0]! << 8) | (source[(from + 2) | 0]! << 16) | (source[(from + 3) | 0]! << 24)
    }
    if (from === end) return
    let rest = source[from]!
    if (from + 1 < end) rest |= source[from + 1]! << 8
    if (from + 2 < end) rest |= source[from + 2]! << 16
    words[to] = rest
  }
}

/** As `Skiplist.copy`, from memory that is at hand as words, too: a quarter of the loads, wherever in a word the bytes begin. */
function copyWords(source: Int32Array, start: number, end: number, target: Int32Array, word: number): void {
  const low = (start & 3) << 3
  const high = 32 - low
  const stop = (word + ((end - start) >> 2)) | 0
  const restBits = ((end - start) & 3) << 3
  let from = start >> 2
  let to = word
  if (low === 0) {
    while (to < stop) target[to++] = source[from++]!
    if (restBits > 0) target[to] = source[from]! & ((1 << restBits) - 1)
    return
  }
  let here = source[from]!
  while (to < stop) {
    const next = source[++from]!
    target[to++] = (here >>> low) | (next << high)
    here = next
  }
  if (restBits === 0) return
  const next = low + restBits > 32 ? source[from + 1]! : 0
  target[to] = ((here >>> low) | (next << high)) & ((1 << restBits) - 1)
}

/** The code of a key towards which `matched` bytes are known to be equal. */
function codeOf(key: Uint8Array, keyStart: number, keyEnd: number, matched: number): number {
  const at = (keyStart + matched) | 0
  const first = at < keyEnd ? key[at]! : 0
  const second = ((at + 1) | 0) < keyEnd ? key[(at + 1) | 0]! : 0
  return ((32767 - matched) << 16) | (first << 8) | second
}

/** The length of the common prefix in a code. */
function offsetOf(code: number): number {
  return 32767 - (code >> 16)
}

/** Byte `index` of the bytes that start at word `word`. */
function byteOf(words: Int32Array, word: number, index: number): number {
  return (words[(word + (index >> 2)) | 0]! >>> ((index & 3) << 3)) & 0xff
}

/**
 * How many bytes a key has in common with that at `word`: `common` at most (the shorter length), `from` at least (known to be equal).
 * Four bytes at a time, because the keys in the arena start on whole words and the system is little endian, as are all that Node.js runs on
 * but one.
 */
function commonBytes(key: Uint8Array, keyStart: number, words: Int32Array, word: number, from: number, common: number): number {
  let i = from & ~3
  for (; ((i + 4) | 0) <= common; i = (i + 4) | 0) {
    const at = (keyStart + i) | 0
    const four = key[at]! | (key[(at + 1) | 0]! << 8) | (key[(at + 2) | 0]! << 16) | (key[(at + 3) | 0]! << 24)
    const difference = four ^ words[(word + (i >> 2)) | 0]!
    if (difference !== 0) return (i + ((31 - Math.clz32(difference & -difference)) >> 3)) | 0
  }
  while (i < common && key[(keyStart + i) | 0] === byteOf(words, word, i)) i = (i + 1) | 0
  return i < common ? i : common
}
