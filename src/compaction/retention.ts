/**
 * Which entries outlive a job: only those that somebody can still see.
 *
 * Snapshots cut the sequence numbers into *stripes*: up to the oldest snapshot, up to the next, …, and what is newer than all. Readers
 * within a stripe cannot tell its versions apart, so of each key
 *
 * 1. the newest version of each stripe stays, and the others go;
 * 2. a deletion in the oldest stripe goes, too, when no deeper table can hold its key: it has nothing left to hide. (In newer stripes it
 *    stays, since it hides what older snapshots still see.);
 * 3. a put in the oldest stripe gets sequence 0, when no deeper table overlaps the whole job: it is older than everything that any reader
 *    tells apart. At most one version of a key is in the oldest stripe after rule 1, so (key, sequence) pairs stay unique. Zeros compress
 *    well and spare readers a comparison.
 *
 *   snapshots 10, 20         a@25  a@22  a@15  a@9  a@4        b@8✗  b@3
 *   stripe                    2     2     1     0    0          0     0
 *   stays                    a@25        a@15  a@9 → a@0        nothing
 *
 * Entries must come in order: user key ascending, sequence descending.
 */
import { compareBytes } from '../codec/bytes.js'
import { KIND_DELETE, KIND_PUT } from '../codec/internal_key.js'
import type { KeyBounds } from './plan.js'

/** Decides over entries, one after the other. Without allocation. */
export class Retention {
  /** Sequence to write the entry with, after `keeps` said yes. */
  sequence = 0
  /** Whether the entry is of another user key than the one before. */
  isNewKey = true
  private readonly snapshots: readonly number[]
  private readonly deeper: readonly (readonly KeyBounds[])[]
  private readonly zeroes: boolean
  /** For each list of `deeper`, the first table that ends at or after the key last asked for. */
  private readonly places: number[]
  /** The key of the entry before, where it lies: the buffers behind iterators are not written to. */
  private hasKey = false
  private keyData: Uint8Array = new Uint8Array(0)
  private keyStart = 0
  private keyEnd = 0
  private stripe = 0

  /**
   * @param snapshots ascending
   * @param deeper disjoint tables in key order below the output, list by list
   * @param zeroes whether rule 3 applies
   */
  constructor(snapshots: readonly number[], deeper: readonly (readonly KeyBounds[])[], zeroes: boolean) {
    this.snapshots = snapshots
    this.deeper = deeper
    this.zeroes = zeroes
    this.places = deeper.map(() => 0)
  }

  /** Whether the entry stays. Hot: about 15 ns for a 16-byte key; guarded by `bench/micro/compaction.ts`. */
  keeps(data: Uint8Array, keyStart: number, keyEnd: number, sequence: number, kind: number): boolean {
    const isSameKey = this.hasKey && compareBytes(this.keyData, this.keyStart, this.keyEnd, data, keyStart, keyEnd) === 0
    const stripe = this.stripeOf(sequence)
    this.isNewKey = !isSameKey
    if (isSameKey) {
      if (stripe === this.stripe) return false
    } else {
      this.hasKey = true
      this.keyData = data
      this.keyStart = keyStart
      this.keyEnd = keyEnd
    }
    this.stripe = stripe
    this.sequence = sequence
    if (stripe > 0) return true
    if (kind === KIND_DELETE) return this.isDeeper(data, keyStart, keyEnd)
    if (kind === KIND_PUT && this.zeroes) this.sequence = 0
    return true
  }

  /** Number of snapshots below the sequence. */
  private stripeOf(sequence: number): number {
    const { snapshots } = this
    let low = 0
    let high = snapshots.length
    if (high === 0 || snapshots[0]! >= sequence) return 0
    while (low < high) {
      const middle = (low + high) >>> 1
      if (snapshots[middle]! < sequence) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Whether a deeper table can hold the key. Keys come in order, so each list is walked through once. */
  private isDeeper(data: Uint8Array, keyStart: number, keyEnd: number): boolean {
    const { deeper, places } = this
    for (let i = 0; i < deeper.length; i++) {
      const tables = deeper[i]!
      let place = places[i]!
      while (place < tables.length && isBelow(tables[place]!.largestKey, data, keyStart, keyEnd)) place++
      places[i] = place
      if (place < tables.length && !isAbove(tables[place]!.smallestKey, data, keyStart, keyEnd)) return true
    }
    return false
  }
}

function isBelow(bound: Uint8Array, data: Uint8Array, keyStart: number, keyEnd: number): boolean {
  return compareBytes(bound, 0, bound.length, data, keyStart, keyEnd) < 0
}

function isAbove(bound: Uint8Array, data: Uint8Array, keyStart: number, keyEnd: number): boolean {
  return compareBytes(bound, 0, bound.length, data, keyStart, keyEnd) > 0
}
