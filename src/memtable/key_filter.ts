/**
 * Which keys a memtable certainly does not hold: a bloom filter in its arena.
 *
 * Most lookups pass a memtable by, because the key is in a table below. They need not pay for a search: the filter turns away all but some
 * percent of them for one access to memory. It is a register-blocked filter: the upper bits of a key's hash choose one 32-bit word, the
 * lower ones choose four bits of it.
 *
 * It takes 1/64 of the arena or a little less. With 116 bytes per entry that is 20 bits per key, and one absent key in 100 passes;
 * with 16 bytes per entry, one in 6.
 */

/** Words of the filter of an arena of `arenaWords` words: a power of two, 4 MiB at most. */
export function filterWordsFor(arenaWords: number): number {
  const share = Math.min(arenaWords >>> 6, 1 << 20)
  return 1 << (31 - Math.clz32(share))
}

/** How far a hash is shifted right to get the index of its word. */
export function filterShiftFor(arenaWords: number): number {
  return 32 - Math.log2(filterWordsFor(arenaWords))
}

/** The four bits (fewer, when they coincide) that stand for a key in its word. */
export function filterMask(hash: number): number {
  const mixed = Math.imul(hash, 0x9e3779b1)
  return (1 << (mixed >>> 27)) | (1 << (mixed >>> 22)) | (1 << (mixed >>> 17)) | (1 << (mixed >>> 12))
}

/**
 * The `hashKey` (`codec/hash.ts`) of a key that is in memory as whole words padded with zeros: the same 32 bits, which a test makes sure
 * of, for a third of the time, because no words have to be put together. The result is signed: larger numbers than that are boxed.
 */
export function hashKeyWords(words: Int32Array, at: number, keyBytes: number): number {
  const wordsEnd = at + (keyBytes >>> 2)
  let hash = 0x76_61_72_76
  for (let i = at; i < wordsEnd; i++) {
    hash ^= scramble(words[i]!)
    hash = (hash << 13) | (hash >>> 19)
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0
  }
  if ((keyBytes & 3) !== 0) hash ^= scramble(words[wordsEnd]!)
  hash ^= keyBytes
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}

function scramble(word: number): number {
  const product = Math.imul(word, 0xcc9e2d51)
  return Math.imul((product << 15) | (product >>> 17), 0x1b873593)
}
