/**
 * Copies of byte values for a scan, made many at a time.
 *
 * A copy of 100 bytes costs 210 ns, most of it for the call and for memory; a view of memory that is the caller's already costs 80. So the
 * stretch of the block that the following values lie in is copied at once, and each value is a view of it:
 *
 *   block    … k v k [ v k v k v k v k v ] k v …
 *                    └──── stretch ──────┘          copied once, given out as five values
 *
 * A caller that keeps one of the values keeps the stretch: `STRETCH_BYTES_MAX`, as much as `Buffer.allocUnsafe` has it keep. Like the pool
 * of that one a stretch cannot be transferred to another thread, which would take the other values away.
 *
 * How long a stretch is goes by how many values the last one has served, so that neither a scan of three entries nor one that alternates
 * between tables copies in vain. A scan begins with what the last one of the store has ended with: scans of a hundred entries come by the
 * thousand, and so do those of three. Memtables are left alone: their order is not that of keys, and what lies between values is undefined.
 */
import { isSharedArrayBuffer } from 'node:util/types'
import { markAsUntransferable } from 'node:worker_threads'
import { copyOfBytes } from '../codec/bytes.js'

const STRETCH_BYTES_MAX = 8192
/** Shorter ones do not pay. */
const STRETCH_BYTES_MIN = 1024
/** So many values of one block make a longer stretch worth trying; fewer, a shorter one. */
const SERVED_MIN = 8

const NOTHING = Buffer.alloc(0)

/** What the scans of a store have learned for the next one. */
export class CopyHabit {
  /** Length of the first stretch; 0 for none yet. */
  stretchBytes = 0
}

/** Copies the values of one scan. */
export class ValueCopies {
  private readonly isReverse: boolean
  /** The block of the last value, and which part of it the stretch is; none when it ends at 0. */
  private source: Buffer = NOTHING
  private start = 0
  private end = 0
  private stretch: Buffer = NOTHING
  private stretchBytes: number
  /** Values of the stretch so far; without one, of this block. */
  private served = 0
  /** Values since the scan began, or since it sought, without those of the stretch. */
  private given = 0
  private readonly habit: CopyHabit

  /** @param isReverse whether values come from the end of a block to its start */
  constructor(isReverse: boolean, habit: CopyHabit) {
    this.isReverse = isReverse
    this.habit = habit
    this.stretchBytes = habit.stretchBytes
  }

  /** A copy of `source[start, end)`, which must not change any more. Hot: guarded by `bench/micro/store.ts`. */
  copy(source: Buffer, start: number, end: number): Buffer {
    if (source !== this.source || start < this.start || end > this.end) return this.copyAnew(source, start, end)
    this.served++
    return this.stretch.subarray(start - this.start, end - this.start)
  }

  /** Lets go of block and stretch: what comes next, if anything, lies elsewhere. */
  clear(): void {
    const given = this.given + (this.end > 0 ? this.served : 0)
    if (given > 0) {
      if (given < SERVED_MIN) this.stretchBytes >>>= 2
      this.habit.stretchBytes = this.stretchBytes
    }
    this.source = NOTHING
    this.stretch = NOTHING
    this.end = 0
    this.served = 0
    this.given = 0
  }

  private copyAnew(source: Buffer, start: number, end: number): Buffer {
    const isSame = source === this.source
    if (this.end > 0) this.given += this.served
    if (this.served >= SERVED_MIN) this.stretchBytes = Math.min(STRETCH_BYTES_MAX, Math.max(STRETCH_BYTES_MIN, 2 * this.stretchBytes))
    else if (!isSame && this.given > 0) this.stretchBytes >>>= 2
    this.source = source
    const { stretchBytes } = this
    if (stretchBytes < STRETCH_BYTES_MIN || 2 * (end - start) > stretchBytes || isSharedArrayBuffer(source.buffer)) {
      this.served = isSame ? this.served + 1 : 1
      this.given++
      this.start = 0
      this.end = 0
      return copyOfBytes(source, start, end)
    }
    this.served = 1
    this.start = this.isReverse ? Math.max(0, end - stretchBytes) : start
    this.end = this.isReverse ? end : Math.min(source.length, start + stretchBytes)
    this.stretch = Buffer.allocUnsafeSlow(this.end - this.start)
    markAsUntransferable(this.stretch.buffer)
    source.copy(this.stretch, 0, this.start, this.end)
    return this.stretch.subarray(start - this.start, end - this.start)
  }
}
