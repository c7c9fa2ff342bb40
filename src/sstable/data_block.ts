/**
 * The data block: sorted entries, searched and iterated where they lie.
 *
 * | byte | size | field |
 * |---|---|---|
 * | 0 | e | entries, one after the other |
 * | e | w · n | where each entry starts; w is 2, or 4 when e > 65,535 |
 * | e + w · n | 2 · s | reader's space: zeros in the file |
 * | … | 4 | number of entries, n |
 * | … | 1 | w |
 * | … | 1 | reader's space: zero in the file |
 *
 * An entry:
 *
 * | byte | size | field |
 * |---|---|---|
 * | 0 | 1 to 3 | length of the user key, k (varint) |
 * | … | k | user key |
 * | … | 8 | trailer: kind and sequence number (`internal_key.ts`) |
 * | … | to the next entry | value |
 *
 * Keys are stored whole. Prefix compression loses in JavaScript: a key would have to be pieced together for each entry, and zstd finds the
 * shared prefixes anyway (`bench/block_layout.ts`, `docs/table.md`).
 *
 * The reader's space becomes a hash table of the block's keys at the second point lookup: a binary search over a block that is not in the
 * processor's cache waits for memory seven times, the hash table three times. In the file it is zeros, which compress to nothing; only
 * here, in memory, has it a meaning, so that is no part of the format. `s` is `hashSlotCount(n)`.
 *
 * A slot has 16 bits: in the low `bitLength(n)` ones the entry's index plus one (0 = free), in the others the high bits of the key's
 * hash. A key's slot is the hash's low 16 bits scaled to s, or the next free one after it; only the newest version of a key in the block
 * has one.
 *
 * Invariant: `findStructuralDefect` has passed every block before anything else here sees it. Then no search or cursor reads outside of it.
 */
import { readUint16, readUint32, writeUint16 } from '../codec/bytes.js'
import { hashKey } from '../codec/hash.js'
import { KEY_BYTES_MAX, KIND_MAX, TRAILER_BYTES, readTrailerSequence } from '../codec/internal_key.js'
import { readVarint, varintEnd } from '../codec/varint.js'

/** Bytes behind the reader's space. */
export const DATA_BLOCK_TAIL_BYTES = 6

/** Blocks of fewer entries are searched just as fast without a hash table; more than `HASH_ENTRIES_MAX` do not fit one. */
const HASH_ENTRIES_MIN = 8
const HASH_ENTRIES_MAX = 49_151

/** Point lookups in a block after which its hash table is built. */
const LOOKUPS_BEFORE_HASH = 1

/** In the last byte of a block in memory: lookups so far, or that the hash table is there. */
const HASH_IS_BUILT = 255

/** Slots of the hash table of a block with this many entries: at most three quarters of them get used. */
export function hashSlotCount(entryCount: number): number {
  return entryCount < HASH_ENTRIES_MIN || entryCount > HASH_ENTRIES_MAX ? 0 : ((entryCount * 4 + 2) / 3) | 0
}

/** Number of entries in a block. */
export function entryCountOf(block: Buffer): number {
  return readUint32(block, block.length - 6)
}

/** Bytes of one place in the table of entry starts. */
export function offsetBytesOf(block: Buffer): number {
  return block[block.length - 2]!
}

/** Where the table of entry starts begins, which is where the last entry ends. */
export function entriesEndOf(block: Buffer, entryCount: number, offsetBytes: number): number {
  return block.length - DATA_BLOCK_TAIL_BYTES - 2 * hashSlotCount(entryCount) - offsetBytes * entryCount
}

/**
 * Checks the structure of a block that has just been read, and readies its reader's space. Returns what is wrong, or `undefined`.
 *
 * Hot: 8 ns per entry, once per block read; `check block` in `bench/micro/sstable.ts` guards it.
 */
export function findStructuralDefect(block: Buffer): string | undefined {
  if (block.length < DATA_BLOCK_TAIL_BYTES) return 'a data block is shorter than its tail'
  const entryCount = entryCountOf(block)
  const offsetBytes = offsetBytesOf(block)
  if (offsetBytes !== 2 && offsetBytes !== 4) return 'a data block has entry offsets of an unknown width'
  if (entryCount === 0 || entryCount * offsetBytes > block.length) return 'a data block has an impossible number of entries'
  const entriesEnd = entriesEndOf(block, entryCount, offsetBytes)
  let start = 0
  for (let i = 1; i <= entryCount; i++) {
    const end =
      i === entryCount ? entriesEnd : offsetBytes === 2 ? readUint16(block, entriesEnd + 2 * i) : readUint32(block, entriesEnd + 4 * i)
    if (end > entriesEnd) return 'an entry ends outside of its data block'
    const keyLength = readVarint(block, start, end)
    if (keyLength < 0 || keyLength > KEY_BYTES_MAX) return 'an entry has an impossible key length'
    const keyEnd = varintEnd + keyLength
    if (keyEnd + TRAILER_BYTES > end) return 'an entry overlaps the next one'
    if (block[keyEnd]! > KIND_MAX) return 'an entry has an unknown kind'
    start = end
  }
  if (readUint16(block, entriesEnd) !== 0) return 'the first entry does not start its data block'
  block[block.length - 1] = 0
  return undefined
}

/** Where the entry `index` starts; `offsets` is where the table of entry starts begins. */
export function entryStart(block: Buffer, offsets: number, offsetBytes: number, index: number): number {
  return offsetBytes === 2 ? readUint16(block, offsets + 2 * index) : readUint32(block, offsets + 4 * index)
}

/**
 * The first entry from `from` on that is at or after (key, sequence), or the number of entries when there is none.
 *
 * Binary search that never compares again what is known to be equal: the key shares at least as many bytes with every entry between two
 * bounds as with both bounds (Manber and Myers, 1990).
 *
 * Hot: no allocation; 0.25 µs over 16 KiB that are in the processor's cache, 0.8 µs over those that are not; `seek in block` in
 * `bench/micro/sstable.ts` guards it.
 */
export function lowerBound(block: Buffer, key: Uint8Array, keyStart: number, keyEnd: number, sequence: number, from: number): number {
  const entryCount = entryCountOf(block)
  const offsetBytes = offsetBytesOf(block)
  const offsets = entriesEndOf(block, entryCount, offsetBytes)
  const searchedLength = keyEnd - keyStart
  let low = from
  let high = entryCount
  let lowShared = 0
  let highShared = 0
  while (low < high) {
    const middle = (low + high) >>> 1
    let at = entryStart(block, offsets, offsetBytes, middle)
    let length = block[at++]!
    if (length > 0x7f) {
      length = readVarint(block, at - 1, offsets)
      at = varintEnd
    }
    const shorter = length < searchedLength ? length : searchedLength
    let shared = lowShared < highShared ? lowShared : highShared
    let difference = 0
    while (shared < shorter && (difference = block[at + shared]! - key[keyStart + shared]!) === 0) shared++
    if (shared === shorter) difference = length - searchedLength
    if (difference === 0 && readTrailerSequence(block, at + length) > sequence) difference = -1
    if (difference < 0) {
      low = middle + 1
      lowShared = shared
    } else {
      high = middle
      highShared = shared
    }
  }
  return low
}

/**
 * The newest version of a key with a sequence of at most `sequence`, or -1 when the block has none.
 *
 * @param hash `hashKey` of the key
 *
 * Hot: no allocation; 0.1 µs over blocks in the processor's cache, 0.35 µs over others; `find in block` in `bench/micro/sstable.ts`
 * guards it.
 */
export function findVersion(block: Buffer, key: Uint8Array, keyStart: number, keyEnd: number, hash: number, sequence: number): number {
  const entryCount = entryCountOf(block)
  const slotCount = hashSlotCount(entryCount)
  if (slotCount === 0) return findBySearch(block, key, keyStart, keyEnd, sequence, entryCount)
  const state = block[block.length - 1]!
  if (state !== HASH_IS_BUILT) {
    if (state < LOOKUPS_BEFORE_HASH) {
      block[block.length - 1] = state + 1
      return findBySearch(block, key, keyStart, keyEnd, sequence, entryCount)
    }
    buildHashTable(block, entryCount, slotCount)
  }
  return findInHashTable(block, entryCount, offsetBytesOf(block), key, keyStart, keyEnd, hash, sequence)
}

/**
 * The number of entries of a block whose hash table is built and whose entry starts take 2 bytes, else 0. Who keeps it spares lookups the
 * tail of the block, by calling `findInHashTable`.
 */
export function hashedEntryCountOf(block: Buffer): number {
  return block[block.length - 1] === HASH_IS_BUILT && offsetBytesOf(block) === 2 ? entryCountOf(block) : 0
}

/** Where bytes go that are read only to have them in the processor's cache soon. */
const early = new Uint8Array(1)

/** As `findVersion`, in a block whose hash table is built. */
export function findInHashTable(
  block: Buffer,
  entryCount: number,
  offsetBytes: number,
  key: Uint8Array,
  keyStart: number,
  keyEnd: number,
  hash: number,
  sequence: number,
): number {
  const slotCount = hashSlotCount(entryCount)
  const slots = block.length - DATA_BLOCK_TAIL_BYTES - 2 * slotCount
  const offsets = slots - offsetBytes * entryCount
  const length = keyEnd - keyStart
  const indexBits = 32 - Math.clz32(entryCount)
  const tag = (hash >>> 16) >>> indexBits
  for (let slot = Math.imul(hash & 0xffff, slotCount) >>> 16; ; slot = slot + 1 === slotCount ? 0 : slot + 1) {
    const content = readUint16(block, slots + 2 * slot)
    if (content === 0) return -1
    if (content >>> indexBits !== tag) continue
    const index = (content & ((1 << indexBits) - 1)) - 1
    // The entry lies about here, if entries are alike: memory brings it, or its page, while it brings the start of the entry.
    early[0] = block[((index * offsets) / entryCount) | 0]!
    let at = entryStart(block, offsets, offsetBytes, index)
    let storedLength = block[at++]!
    if (storedLength > 0x7f) {
      storedLength = readVarint(block, at - 1, offsets)
      at = varintEnd
    }
    if (storedLength !== length) continue
    let i = 0
    while (i < length && block[at + i] === key[keyStart + i]) i++
    if (i < length) continue
    if (readTrailerSequence(block, at + length) <= sequence) return index
    return findBySearch(block, key, keyStart, keyEnd, sequence, entryCount)
  }
}

function findBySearch(block: Buffer, key: Uint8Array, keyStart: number, keyEnd: number, sequence: number, entryCount: number): number {
  const index = lowerBound(block, key, keyStart, keyEnd, sequence, 0)
  if (index === entryCount) return -1
  const offsetBytes = offsetBytesOf(block)
  const offsets = entriesEndOf(block, entryCount, offsetBytes)
  const storedLength = readVarint(block, entryStart(block, offsets, offsetBytes, index), offsets)
  if (storedLength !== keyEnd - keyStart) return -1
  for (let i = 0; i < storedLength; i++) if (block[varintEnd + i] !== key[keyStart + i]) return -1
  return index
}

/** Fills the reader's space: some 20 ns per entry, once in the life of a block in memory. */
function buildHashTable(block: Buffer, entryCount: number, slotCount: number): void {
  const slots = block.length - DATA_BLOCK_TAIL_BYTES - 2 * slotCount
  const offsetBytes = offsetBytesOf(block)
  const offsets = slots - offsetBytes * entryCount
  const indexBits = 32 - Math.clz32(entryCount)
  block.fill(0, slots, slots + 2 * slotCount)
  let previousEnd = 0
  let previousLength = -1
  for (let index = 0; index < entryCount; index++) {
    const keyLength = readVarint(block, entryStart(block, offsets, offsetBytes, index), offsets)
    const keyStart = varintEnd
    const keyEnd = keyStart + keyLength
    const isOlderVersion = keyLength === previousLength && endsAlike(block, previousEnd, keyEnd, keyLength)
    previousEnd = keyEnd
    previousLength = keyLength
    if (isOlderVersion) continue
    const hash = hashKey(block, keyStart, keyEnd)
    let slot = Math.imul(hash & 0xffff, slotCount) >>> 16
    while (readUint16(block, slots + 2 * slot) !== 0) slot = slot + 1 === slotCount ? 0 : slot + 1
    writeUint16(block, slots + 2 * slot, (((hash >>> 16) >>> indexBits) << indexBits) | (index + 1))
  }
  block[block.length - 1] = HASH_IS_BUILT
}

/** Whether the `length` bytes before `aEnd` and `bEnd` are equal. Neighbouring keys differ near their ends, so it starts there. */
function endsAlike(block: Buffer, aEnd: number, bEnd: number, length: number): boolean {
  for (let i = 1; i <= length; i++) if (block[aEnd - i] !== block[bEnd - i]) return false
  return true
}
