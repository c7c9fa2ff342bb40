/**
 * What a reader sees: of all entries of a merged view, for each user key the newest version that its sequence allows, unless that is a
 * deletion.
 *
 * Forward, versions of a key come newest first: the first visible one decides, the older ones are skipped. Backward they come oldest first:
 * the last visible one decides, and that it was the last is only known one entry further on.
 *
 *   entries          a@9  a@4  b@7✗  b@2  c@3        reading at 5:  a@4  b@2  c@3        reading at 8:  a@4  c@3
 *
 *   forward rest     the merged iterator stands on the visible entry
 *   backward rest    the merged iterator stands before all versions of the visible key, or is exhausted
 *
 * Invariants
 * 1. Nothing is copied: the visible entry stays where it lies while the merged iterator has moved on. That is sound because the buffers
 *    behind iterators, blocks and arenas, are not written to as long as an iterator that offered them is open.
 * 2. After `NEEDS_IO` the visible entry still shows (nothing after a seek), and the same call must be repeated, or a seek made.
 * 3. No entry at or beyond a bound is offered, and the first one met ends the scan.
 *
 * An entry with sequence 0 is the only and oldest version of its key (compactions into the last level zero them), so after it the
 * comparison of keys is spared.
 */
import { compareBytes } from '../codec/bytes.js'
import { EXHAUSTED, type InternalIterator, MOVED, type MoveStatus, NEEDS_IO } from '../codec/internal_iterator.js'
import { KIND_DELETE, SEQUENCE_MAX } from '../codec/internal_key.js'
import { assert } from '../util/assert.js'
import { PendingSeek, SEEK, SEEK_BEFORE, SEEK_TO_FIRST, SEEK_TO_LAST } from './pending_seek.js'

const NO_BYTES = Buffer.alloc(0)

/** Where the merged iterator stands in relation to the visible entry. */
const NOWHERE = 0
const ON = 1
const BEFORE = 2
/** A move has to wait: only the same move, or a seek, may follow. */
const WAITING_NEXT = 3
const WAITING_PREV = 4
/** As `WAITING_NEXT`, in the seek that turns around. */
const WAITING_TURN = 5

/** The visible entries of a merged iterator, which it owns. Without allocation after construction. */
export class VisibleIterator {
  /** Holds key and value of the visible entry; borrowed until the next move. */
  data: Buffer = NO_BYTES
  keyStart = 0
  keyEnd = 0
  valueStart = 0
  valueEnd = 0
  sequence = 0
  /** Internal entries that were passed over: older or too new versions, deletions and what they hide. */
  skippedCount = 0
  private readonly merged: InternalIterator
  private readonly snapshot: number
  /** First key that may be seen. */
  private readonly lower: Uint8Array | undefined
  /** First key that may not be seen any more. */
  private readonly upper: Uint8Array | undefined
  private stance = NOWHERE
  private isMergedExhausted = false
  private readonly pending = new PendingSeek()
  /** Forward: versions of this key are skipped, if `isSkipping`. */
  private isSkipping = false
  private skipData: Buffer = NO_BYTES
  private skipStart = 0
  private skipEnd = 0
  /** Backward: the newest visible version met so far of the key in progress, if `hasCandidate`. */
  private hasCandidate = false
  private candidateData: Buffer = NO_BYTES
  private candidateKeyStart = 0
  private candidateKeyEnd = 0
  private candidateValueStart = 0
  private candidateValueEnd = 0
  private candidateSequence = 0
  private candidateKind = 0

  /**
   * @param snapshot sequence to read at
   * @param lower encoded key that is the first to be seen, if given
   * @param upper encoded key that is the first not to be seen, if given
   */
  constructor(merged: InternalIterator, snapshot: number, lower?: Uint8Array, upper?: Uint8Array) {
    this.merged = merged
    this.snapshot = snapshot
    this.lower = lower
    this.upper = upper
  }

  /** To the first visible entry within the bounds. */
  seekToFirst(): MoveStatus {
    const { lower } = this
    if (lower !== undefined) return this.seek(lower, 0, lower.length)
    const isResumed = this.pending.isSame(SEEK_TO_FIRST, NO_BYTES, 0, 0, 0)
    if (!isResumed && !this.startSeek(this.merged.seekToFirst())) return NEEDS_IO
    const status = this.findForward(isResumed)
    if (status === NEEDS_IO) this.pending.set(SEEK_TO_FIRST, NO_BYTES, 0, 0, 0, 0)
    return this.rest(status, NOWHERE)
  }

  /** To the last visible entry within the bounds. */
  seekToLast(): MoveStatus {
    const { upper } = this
    if (upper !== undefined) return this.seekBefore(upper, 0, upper.length)
    const isResumed = this.pending.isSame(SEEK_TO_LAST, NO_BYTES, 0, 0, 0)
    if (!isResumed && !this.startSeek(this.merged.seekToLast())) return NEEDS_IO
    const status = this.findBackward(isResumed)
    if (status === NEEDS_IO) this.pending.set(SEEK_TO_LAST, NO_BYTES, 0, 0, 0, 0)
    return this.rest(status, NOWHERE)
  }

  /** To the first visible entry whose key is at or after the given one. */
  seek(key: Uint8Array, keyStart: number, keyEnd: number): MoveStatus {
    const { lower } = this
    if (lower !== undefined && compareBytes(key, keyStart, keyEnd, lower, 0, lower.length) < 0) {
      key = lower
      keyStart = 0
      keyEnd = lower.length
    }
    const isResumed = this.pending.isSame(SEEK, key, keyStart, keyEnd, 0)
    if (!isResumed && !this.startSeek(this.merged.seek(key, keyStart, keyEnd, this.snapshot))) return NEEDS_IO
    const status = this.findForward(isResumed)
    if (status === NEEDS_IO) this.pending.set(SEEK, key, keyStart, keyEnd, 0, 0)
    return this.rest(status, NOWHERE)
  }

  /** To the last visible entry whose key is before the given one. */
  seekBefore(key: Uint8Array, keyStart: number, keyEnd: number): MoveStatus {
    const { upper } = this
    if (upper !== undefined && compareBytes(key, keyStart, keyEnd, upper, 0, upper.length) > 0) {
      key = upper
      keyStart = 0
      keyEnd = upper.length
    }
    const isResumed = this.pending.isSame(SEEK_BEFORE, key, keyStart, keyEnd, 0)
    if (!isResumed && !this.startSeek(this.merged.seekBefore(key, keyStart, keyEnd, SEQUENCE_MAX))) return NEEDS_IO
    const status = this.findBackward(isResumed)
    if (status === NEEDS_IO) this.pending.set(SEEK_BEFORE, key, keyStart, keyEnd, 0, 0)
    return this.rest(status, NOWHERE)
  }

  /** To the following visible entry. Hot: about 10 ns above the merged iterator's move; guarded by `bench/micro/iterators.ts`. */
  next(): MoveStatus {
    let isMoving = true
    if (this.stance === ON) {
      this.skipVisible()
    } else if (this.stance === BEFORE || this.stance === WAITING_TURN) {
      const status = this.merged.seek(this.data, this.keyStart, this.keyEnd, 0)
      if (status === NEEDS_IO) return this.rest(NEEDS_IO, WAITING_TURN)
      this.isMergedExhausted = status === EXHAUSTED
      this.skipVisible()
      this.isSkipping = true
      isMoving = false
    } else {
      assert(this.stance === WAITING_NEXT, 'a visible iterator moves on from an entry')
    }
    return this.rest(this.findForward(isMoving), WAITING_NEXT)
  }

  /** To the preceding visible entry. */
  prev(): MoveStatus {
    let isMoving = true
    if (this.stance === ON) {
      this.hasCandidate = false
      this.skipVisible()
      this.isSkipping = true
    } else if (this.stance === BEFORE) {
      this.hasCandidate = false
      this.isSkipping = false
      isMoving = false
    } else {
      assert(this.stance === WAITING_PREV, 'a visible iterator moves back from an entry')
    }
    return this.rest(this.findBackward(isMoving), WAITING_PREV)
  }

  /** Closes the merged iterator. */
  close(): void {
    this.stance = NOWHERE
    this.merged.close()
  }

  /** Notes where a seek of the merged iterator led; false when it has to wait. */
  private startSeek(status: MoveStatus): boolean {
    this.stance = NOWHERE
    this.pending.clear()
    this.isSkipping = false
    this.hasCandidate = false
    this.isMergedExhausted = status === EXHAUSTED
    return status !== NEEDS_IO
  }

  /** Sets the stance after a search that did not end on an entry. */
  private rest(status: MoveStatus, waiting: number): MoveStatus {
    if (status === MOVED) return MOVED
    this.stance = status === NEEDS_IO ? waiting : NOWHERE
    return status
  }

  /** From here on skips other versions of the entry that shows. */
  private skipVisible(): void {
    this.isSkipping = this.sequence !== 0
    this.skipData = this.data
    this.skipStart = this.keyStart
    this.skipEnd = this.keyEnd
  }

  /** From the entry on which the merged iterator stands, or from the next one, forward to the first visible one. */
  private findForward(isMoving: boolean): MoveStatus {
    const { merged, snapshot, upper } = this
    let status: MoveStatus = isMoving ? merged.next() : this.isMergedExhausted ? EXHAUSTED : MOVED
    for (; status === MOVED; status = merged.next()) {
      if (upper !== undefined && compareBytes(merged.data, merged.keyStart, merged.keyEnd, upper, 0, upper.length) >= 0) return this.end()
      if (merged.sequence <= snapshot && !(this.isSkipping && this.isSkipped())) {
        if (merged.kind !== KIND_DELETE) {
          this.pending.clear()
          this.stance = ON
          this.data = merged.data
          this.keyStart = merged.keyStart
          this.keyEnd = merged.keyEnd
          this.valueStart = merged.valueStart
          this.valueEnd = merged.valueEnd
          this.sequence = merged.sequence
          return MOVED
        }
        this.isSkipping = merged.sequence !== 0
        this.skipData = merged.data
        this.skipStart = merged.keyStart
        this.skipEnd = merged.keyEnd
      }
      this.skippedCount++
    }
    return status === NEEDS_IO ? NEEDS_IO : this.end()
  }

  /** Whether the merged iterator stands on a version of the key that is being skipped. */
  private isSkipped(): boolean {
    const { merged } = this
    return compareBytes(merged.data, merged.keyStart, merged.keyEnd, this.skipData, this.skipStart, this.skipEnd) === 0
  }

  /** From the entry on which the merged iterator stands, or from the one before it, backward to the first key with a visible version. */
  private findBackward(isMoving: boolean): MoveStatus {
    const { merged, snapshot, lower } = this
    let status: MoveStatus = isMoving ? merged.prev() : this.isMergedExhausted ? EXHAUSTED : MOVED
    for (; status === MOVED; status = merged.prev()) {
      if (lower !== undefined && compareBytes(merged.data, merged.keyStart, merged.keyEnd, lower, 0, lower.length) < 0) break
      if (this.isSkipping) {
        if (this.isSkipped()) {
          this.skippedCount++
          continue
        }
        this.isSkipping = false
      }
      if (this.hasCandidate && !this.isOfCandidate()) {
        if (this.candidateKind !== KIND_DELETE) return this.showCandidate(false)
        this.hasCandidate = false
      }
      this.skippedCount++
      if (merged.sequence <= snapshot) this.takeCandidate()
    }
    if (status === NEEDS_IO) return NEEDS_IO
    if (this.hasCandidate && this.candidateKind !== KIND_DELETE) return this.showCandidate(true)
    return this.end()
  }

  /** The bound or the end of the merged view was reached. */
  private end(): MoveStatus {
    this.pending.clear()
    return EXHAUSTED
  }

  /** Whether the merged iterator stands on a version of the candidate's key. */
  private isOfCandidate(): boolean {
    const { merged } = this
    const { candidateData, candidateKeyStart, candidateKeyEnd } = this
    return compareBytes(merged.data, merged.keyStart, merged.keyEnd, candidateData, candidateKeyStart, candidateKeyEnd) === 0
  }

  private takeCandidate(): void {
    const { merged } = this
    this.hasCandidate = true
    this.candidateData = merged.data
    this.candidateKeyStart = merged.keyStart
    this.candidateKeyEnd = merged.keyEnd
    this.candidateValueStart = merged.valueStart
    this.candidateValueEnd = merged.valueEnd
    this.candidateSequence = merged.sequence
    this.candidateKind = merged.kind
  }

  private showCandidate(isMergedExhausted: boolean): MoveStatus {
    this.pending.clear()
    this.stance = BEFORE
    this.isMergedExhausted = isMergedExhausted
    this.hasCandidate = false
    this.skippedCount--
    this.data = this.candidateData
    this.keyStart = this.candidateKeyStart
    this.keyEnd = this.candidateKeyEnd
    this.valueStart = this.candidateValueStart
    this.valueEnd = this.candidateValueEnd
    this.sequence = this.candidateSequence
    return MOVED
  }
}
