/**
 * The hash of keys for bloom filters: 32 bits, the finalised MurmurHash3 (x86, 32 bit) of Austin Appleby, public domain.
 *
 * The numbers are on disk inside every filter: DO NOT CHANGE. Test vectors in `test/unit/codec/hash.test.ts` hold them.
 *
 * Filters take the high bits for the cache line and remix the rest for the probes, so every bit of the key has to reach every bit of the
 * hash: MurmurHash3's finaliser does that. A pure JavaScript loop wins over `xxhash-wasm` for keys, because the call into WebAssembly has
 * to copy the key first.
 */

/** Seed of the filter hash. */
const SEED = 0x76_61_72_76

/**
 * The hash of `source[start, end)`, an unsigned 32-bit integer.
 *
 * Hot: about 10 ns for a 16-byte key; `hashKey` in `bench/micro/codec.ts` guards it.
 */
export function hashKey(source: Uint8Array, start: number, end: number): number {
  const length = end - start
  const wordsEnd = start + (length & ~3)
  let hash = SEED
  let i = start
  for (; i < wordsEnd; i += 4) {
    let word = source[i]! | (source[i + 1]! << 8) | (source[i + 2]! << 16) | (source[i + 3]! << 24)
    word = Math.imul(word, 0xcc9e2d51)
    word = (word << 15) | (word >>> 17)
    hash ^= Math.imul(word, 0x1b873593)
    hash = (hash << 13) | (hash >>> 19)
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0
  }
  if (i < end) {
    let word = source[i]!
    if (i + 1 < end) word |= source[i + 1]! << 8
    if (i + 2 < end) word |= source[i + 2]! << 16
    word = Math.imul(word, 0xcc9e2d51)
    word = (word << 15) | (word >>> 17)
    hash ^= Math.imul(word, 0x1b873593)
  }
  hash ^= length
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
