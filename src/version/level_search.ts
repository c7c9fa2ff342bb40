/**
 * Finds the table of a level that may hold a key, in a flat structure built once per level.
 *
 * The tables of a level below 0 are sorted and disjoint, so the table is found by binary search over their largest keys. Comparing keys in
 * the table descriptions would touch an object and a `Uint8Array` per step; here all largest keys lie in one array, and the four bytes
 * after what they all share lie in a `Uint32Array`, which decides nearly every step by one number.
 *
 * Invariant: `words` ascends with the keys. A key's word is its four bytes after the shared prefix, big endian, missing ones zero; so words
 * never decide wrongly, and equal ones let the keys decide.
 */
import { commonPrefixLength, compareBytes } from '../codec/bytes.js'
import type { TableMeta } from '../sstable/table_meta.js'

/** Search structure over sorted, disjoint tables. */
export class LevelSearch {
  private readonly count: number
  /** Largest keys, one after the other; key `i` ends where `i + 1` starts. */
  private readonly largestKeys: Uint8Array
  private readonly largestStarts: Uint32Array
  private readonly smallestKeys: Uint8Array
  private readonly smallestStarts: Uint32Array
  /** Length of what all keys share. */
  private readonly sharedLength: number
  private readonly words: Uint32Array

  constructor(tables: readonly TableMeta[]) {
    this.count = tables.length
    const largest = concatenate(tables.map((table) => table.largestKey))
    const smallest = concatenate(tables.map((table) => table.smallestKey))
    this.largestKeys = largest.bytes
    this.largestStarts = largest.starts
    this.smallestKeys = smallest.bytes
    this.smallestStarts = smallest.starts
    const first = tables[0]?.smallestKey ?? new Uint8Array(0)
    const last = tables.at(-1)?.largestKey ?? first
    // Keys are sorted, so what the outermost ones share all of them share, smallest keys too.
    this.sharedLength = commonPrefixLength(first, 0, first.length, last, 0, last.length)
    this.words = new Uint32Array(this.count)
    for (let i = 0; i < this.count; i++) {
      this.words[i] = wordAt(this.largestKeys, this.largestStarts[i]! + this.sharedLength, this.largestStarts[i + 1]!)
    }
  }

  /** Index of the first table whose largest key is not smaller than the key; the number of tables when there is none. */
  seek(key: Uint8Array, start: number, end: number): number {
    if (this.count === 0) return 0
    const order = this.compareShared(key, start, end)
    if (order !== 0) return order < 0 ? 0 : this.count
    return this.search(key, start + this.sharedLength, end)
  }

  /**
   * Index of the table whose range holds the key, or -1.
   *
   * Hot: one per level and lookup, about 30 ns for 100 tables; `bench/micro/version.ts` guards it.
   */
  find(key: Uint8Array, start: number, end: number): number {
    const { count, sharedLength, smallestKeys, smallestStarts } = this
    if (count === 0 || this.compareShared(key, start, end) !== 0) return -1
    const rest = start + sharedLength
    const index = this.search(key, rest, end)
    if (index === count) return -1
    const smallestRest = smallestStarts[index]! + sharedLength
    return compareBytes(smallestKeys, smallestRest, smallestStarts[index + 1]!, key, rest, end) <= 0 ? index : -1
  }

  /** How the key sorts against what all keys share; 0 when it begins with it. */
  private compareShared(key: Uint8Array, start: number, end: number): number {
    const rest = start + this.sharedLength
    return compareBytes(key, start, rest < end ? rest : end, this.largestKeys, 0, this.sharedLength)
  }

  /** As `seek`, for a key without what all keys share. */
  private search(key: Uint8Array, start: number, end: number): number {
    const { largestKeys, largestStarts, sharedLength, words } = this
    const word = wordAt(key, start, end)
    let low = 0
    let high = this.count
    while (low < high) {
      const middle = (low + high) >>> 1
      const other = words[middle]!
      const isBefore =
        other === word
          ? compareBytes(largestKeys, largestStarts[middle]! + sharedLength, largestStarts[middle + 1]!, key, start, end) < 0
          : other < word
      if (isBefore) low = middle + 1
      else high = middle
    }
    return low
  }
}

function concatenate(keys: readonly Uint8Array[]): { bytes: Uint8Array; starts: Uint32Array } {
  const starts = new Uint32Array(keys.length + 1)
  for (let i = 0; i < keys.length; i++) starts[i + 1] = starts[i]! + keys[i]!.length
  const bytes = new Uint8Array(starts[keys.length]!)
  for (let i = 0; i < keys.length; i++) bytes.set(keys[i]!, starts[i])
  return { bytes, starts }
}

/** Four bytes at `start`, big endian; those from `end` on count as zero. */
function wordAt(source: Uint8Array, start: number, end: number): number {
  if (start + 4 <= end) return ((source[start]! << 24) | (source[start + 1]! << 16) | (source[start + 2]! << 8) | source[start + 3]!) >>> 0
  let word = 0
  for (let i = 0; i < 4; i++) word = (word << 8) | (start + i < end ? source[start + i]! : 0)
  return word >>> 0
}
