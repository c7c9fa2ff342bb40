/**
 * A skiplist whose links know how keys differ.
 *
 * A search in a plain skiplist spends its time on comparing the key with the key of the node ahead: a cache miss to get there, then a loop over
 * a prefix that most keys of a store share. Here every link carries a *code* of 32 bits that says where the node ahead departs from the
 * node behind, and with what (offset-value coding: Conner, IBM 1977; Do and Graefe, "Robust and efficient sorting with offset-value
 * coding", 2022). Nearly every step then is one comparison of two integers, and the node ahead is not touched unless the search goes there.
 *
 *     code(a → b) = (32767 - lcp(a, b)) << 16  |  the two bytes of b after the common prefix        (signed; a < b; bytes past the end are 0)
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
 *    a. Smaller: go there. When the codes differ in the last byte only, one more byte has matched.
 *    b. Greater: stay.
 *    c. Equal: compare k with the key of the node ahead from where the code ends, then s with its sequence (greater ones come first). Go or
 *       stay; when going, `matched` is what the comparison found. The node is remembered: it is not compared again on lower levels.
 * 3. When staying, go down one level. On level 0 the search is over.
 *
 * Insert: search, keeping for each level the link that was left (`path`) and the `want` there, which is the code of the new link towards
 * the new node. The code of the link from the new node to the one ahead is the old link's code, unless offset and first byte are the same in both
 * (the new key then shares more with the node ahead than the node behind does): then it is computed from the keys.
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
 * Measured and lost (27,000 entries, 16-byte keys with a common prefix of 10): see the commit messages.
 */
import { assert } from '../util/assert.js'
import {
  type Arena,
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
import { KIND_DELETE } from '../codec/internal_key.js'

/** Not greater than any code. */
const CODE_LEAST = -0x8000_0000

/** Values up to this length are copied by a loop: a call of `set` costs more. */
const LOOP_COPY_BYTES_MAX = 192

/** The sorted list in an {@link Arena}. */
export class Skiplist {
  private readonly arena: Arena
  private readonly words: Int32Array
  private readonly bytes: Buffer
  /** For each level i: the link word that the last insert left at [2i], the code from there to the key at [2i + 1]. */
  private readonly path = new Int32Array(2 * HEIGHT_MAX)
  private readonly readPath = new Int32Array(2 * HEIGHT_MAX)
  /** The node of the last insert; `path` leads behind it. */
  private last = 0
  /** Set by `search`: the first node at or after what was searched, if it has the same key; otherwise 0. */
  private found = 0

  constructor(arena: Arena) {
    this.arena = arena
    this.words = arena.words
    this.bytes = arena.bytes
  }

  /** The first node at or after (key, sequence) if it has that key, else 0. Hot: guarded by `bench/micro/memtable.ts`. */
  find(key: Uint8Array, keyStart: number, keyEnd: number, sequence: number): number {
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

  /** Searches, fills `path` and `found`, returns the node before. */
  private search(key: Uint8Array, keyStart: number, keyEnd: number, sequence: number, path: Int32Array): number {
    const { words, bytes } = this
    let at = 2 * words[H_HEIGHT]! - 2
    let node = HEAD
    let matched = 0
    let want = codeOf(key, keyStart, keyEnd, 0)
    let ahead = 0
    let found = 0
    for (;;) {
      const slot = node + NODE_LINKS + at
      const code = words[slot + 1]!
      if ((code ^ want) >>> 8 !== 0) {
        if (code < want) {
          node = words[slot]!
          continue
        }
      } else if (code !== want && (want & 0xff00) !== 0) {
        if (code < want) {
          node = words[slot]!
          matched++
          want = codeOf(key, keyStart, keyEnd, matched)
          continue
        }
      } else {
        const next = words[slot]!
        if (next !== ahead && next !== 0) {
          const record = words[next]!
          const keyBytes = keyEnd - keyStart
          const nextBytes = words[next + 1]!
          const common = keyBytes < nextBytes ? keyBytes : nextBytes
          const base = (record + RECORD_WORDS) << 2
          let i = matched
          while (i < common && key[keyStart + i] === bytes[base + i]) i++
          let isBefore: boolean
          if (i < common) isBefore = bytes[base + i]! < key[keyStart + i]!
          else if (keyBytes !== nextBytes) isBefore = nextBytes < keyBytes
          else {
            isBefore = this.recordSequence(record) > sequence
            if (!isBefore) found = next
          }
          if (isBefore) {
            node = next
            matched = i
            want = codeOf(key, keyStart, keyEnd, i)
            continue
          }
          ahead = next
        }
      }
      path[at] = slot
      path[at + 1] = want
      if (at === 0) break
      at -= 2
    }
    this.found = found
    return node
  }

  /** Adds an entry. Hot: guarded by `bench/micro/memtable.ts`. */
  insert(
    source: Uint8Array,
    keyStart: number,
    keyEnd: number,
    valueStart: number,
    valueEnd: number,
    sequence: number,
    kind: number,
  ): void {
    const { arena, words, path } = this
    assert(words[H_FROZEN] === 0, 'a frozen memtable takes no entries')
    if (!this.followFinger(source, keyStart, keyEnd)) {
      this.search(source, keyStart, keyEnd, sequence, path)
      assert(this.found === 0 || this.recordSequence(words[this.found]!) !== sequence, 'a version is inserted once')
    }
    const keyBytes = keyEnd - keyStart
    const valueBytes = valueEnd - valueStart
    const record = arena.allocateRecord(keyBytes + valueBytes)
    const height = arena.drawHeight()
    const node = arena.allocateNode(height)
    const target = (record + RECORD_WORDS) << 2
    copy(source, keyStart, keyEnd, this.bytes, target)
    copy(source, valueStart, valueEnd, this.bytes, target + keyBytes)
    words[record] = sequence
    words[record + 1] = ((sequence / 0x1_0000_0000) & 0x1fffff) | (kind << 24)
    words[record + 2] = valueBytes
    words[node] = record
    words[node + 1] = keyBytes
    while (words[H_HEIGHT]! < height) this.grow(codeOf(source, keyStart, keyEnd, 0))
    this.link(node, record, height, source, keyStart, keyEnd)
    words[H_ENTRY_COUNT]!++
    words[H_RAW_KEY_BYTES]! += keyBytes
    words[H_RAW_VALUE_BYTES]! += valueBytes
    if (kind === KIND_DELETE) words[H_DELETION_COUNT]!++
    this.last = node
  }

  /** Takes one more level into use: the head's link there leads nowhere. */
  private grow(code: number): void {
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
      if ((code ^ want) >>> 8 === 0 && ahead !== 0) code = this.codeTo(ahead, key, keyStart, keyEnd, 32767 - (want >> 16))
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
    const { words, bytes } = this
    const base = (words[ahead]! + RECORD_WORDS) << 2
    const end = base + words[ahead + 1]!
    let i = matched
    while (keyStart + i < keyEnd && base + i < end && key[keyStart + i] === bytes[base + i]) i++
    return codeOf(bytes, base, end, i)
  }

  /** Whether the key belongs between the node of the last insert and its successor. `path` then is its path. */
  private followFinger(key: Uint8Array, keyStart: number, keyEnd: number): boolean {
    const { words, bytes, path, last } = this
    if (last === 0) return false
    const keyBytes = keyEnd - keyStart
    const lastBytes = words[last + 1]!
    const common = keyBytes < lastBytes ? keyBytes : lastBytes
    const base = (words[last]! + RECORD_WORDS) << 2
    let i = 0
    while (i < common && key[keyStart + i] === bytes[base + i]) i++
    if (i < common ? key[keyStart + i]! < bytes[base + i]! : keyBytes <= lastBytes) return false
    const want = codeOf(key, keyStart, keyEnd, i)
    const slot = last + NODE_LINKS
    if (words[slot + 1]! <= want && words[slot] !== 0) return false
    const end = 2 * words[H_HEIGHT]!
    for (let at = 1; at < end; at += 2) {
      const old = path[at]!
      const matched = 32767 - (old >> 16)
      if (matched >= i) path[at] = want
      else if (matched + 1 === i) path[at] = (old & ~0xff) | ((want >> 8) & 0xff)
    }
    return true
  }
}

/** The code of a key towards which `matched` bytes are known to be equal. */
function codeOf(key: Uint8Array, keyStart: number, keyEnd: number, matched: number): number {
  const at = keyStart + matched
  const first = at < keyEnd ? key[at]! : 0
  const second = at + 1 < keyEnd ? key[at + 1]! : 0
  return ((32767 - matched) << 16) | (first << 8) | second
}

/** Copies bytes of `source` to `offset` of `target`. */
function copy(source: Uint8Array, start: number, end: number, target: Uint8Array, offset: number): void {
  if (end - start > LOOP_COPY_BYTES_MAX) {
    target.set(source.subarray(start, end), offset)
    return
  }
  for (let from = start, to = offset; from < end; from++, to++) target[to] = source[from]!
}
