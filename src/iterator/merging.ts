/**
 * Many sorted runs seen as one.
 *
 * The children that stand on an entry are kept in `order`, an array of child numbers sorted by their entries in the direction of travel;
 * its first element is the *top*, whose entry the merged iterator shows. A move moves the top, compares it with the second, and when it is
 * still ahead that was all. Otherwise its place among the others is found by binary search.
 *
 *   children   [ memtable, L0 table, L5, L6 ]            each stands on its own entry, or nowhere
 *   order      [ 3, 0, 2 ]                               L6 shows; child 1 has no entry left
 *
 * For the 1 to 15 runs that a store has this beats a binary heap: most entries are in the last level, the top mostly stays
 * the top, and then the move costs one comparison where a heap needs two (measured, see `docs/compaction.md`).
 *
 * Invariants
 * 1. The children hold distinct (key, sequence) pairs, as the runs of a store do. Should two be equal, the earlier child comes first.
 * 2. Going forward every child stands on its first entry at or after the current one; going backward on its last entry at or before it; the
 *    top on the current entry itself. A change of direction repositions all children but the top.
 * 3. After `NEEDS_IO` the current entry still shows; the same call may be repeated, or a seek made. Children that were already repositioned
 *    are remembered, so that a repeated call makes progress even when loaded blocks are not kept. After `NEEDS_IO` from a seek nothing is
 *    shown.
 * 4. No key byte is copied, except the target of a seek that had to wait.
 */
import { EXHAUSTED, type InternalIterator, MOVED, type MoveStatus, NEEDS_IO } from '../codec/internal_iterator.js'
import { compareBytes } from '../codec/bytes.js'
import { assert } from '../util/assert.js'
import { PendingSeek, SEEK, SEEK_BEFORE, SEEK_TO_FIRST, SEEK_TO_LAST, type SeekOperation } from './pending_seek.js'

const FORWARD = 1
const BACKWARD = -1
/** In the middle of a change of direction that had to wait. */
const TURNING = 0

const NO_BYTES = Buffer.alloc(0)

/** The runs as one iterator: the run itself when there is only one, so that it costs nothing. */
export function mergeIterators(children: InternalIterator[]): InternalIterator {
  return children.length === 1 ? children[0]! : new MergingIterator(children)
}

/** An {@link InternalIterator} over the entries of all children. It owns them: `close` closes them. */
export class MergingIterator implements InternalIterator {
  data: Buffer = NO_BYTES
  keyStart = 0
  keyEnd = 0
  valueStart = 0
  valueEnd = 0
  sequence = 0
  kind = 0
  private readonly children: InternalIterator[]
  /** Numbers of the children that stand on an entry, the first `active` elements; nearest first. */
  private readonly order: number[]
  private active = 0
  /** The child that shows, and the key of the one next in line, so that most moves look at one child only. */
  private top: InternalIterator
  private secondData: Buffer = NO_BYTES
  private secondStart = 0
  private secondEnd = 0
  private secondSequence = 0
  private direction: number = FORWARD
  /** Whether child i stands on an entry; only kept up to date while seeking and turning. */
  private readonly stands: boolean[]
  /** Direction being turned to, and how many children have been. */
  private turnTarget: number = FORWARD
  private turned = 0
  private readonly pending = new PendingSeek()

  constructor(children: InternalIterator[]) {
    this.children = children
    this.top = children[0]!
    this.order = children.map((_, i) => i)
    this.stands = children.map(() => false)
  }

  seekToFirst(): MoveStatus {
    return this.seekAll(SEEK_TO_FIRST, NO_BYTES, 0, 0, 0)
  }

  seekToLast(): MoveStatus {
    return this.seekAll(SEEK_TO_LAST, NO_BYTES, 0, 0, 0)
  }

  seek(key: Uint8Array, keyStart: number, keyEnd: number, sequence: number): MoveStatus {
    return this.seekAll(SEEK, key, keyStart, keyEnd, sequence)
  }

  seekBefore(key: Uint8Array, keyStart: number, keyEnd: number, sequence: number): MoveStatus {
    return this.seekAll(SEEK_BEFORE, key, keyStart, keyEnd, sequence)
  }

  /**
   * Hot: about 30 ns above the child's own move while the top stays the top; guarded by `bench/micro/iterators.ts`. The comparison stands
   * here in full, and what shows is read once, because calling `compareBytes` and `show` cost 15 % more.
   */
  next(): MoveStatus {
    if (this.direction !== FORWARD && this.turn(FORWARD) === NEEDS_IO) return NEEDS_IO
    assert(this.active > 0, 'an iterator moves on from an entry')
    const { top } = this
    const status = top.next()
    if (status !== MOVED) return status === NEEDS_IO ? NEEDS_IO : this.dropTop()
    const { data, keyStart, keyEnd } = top
    if (this.active > 1) {
      const { secondData, secondStart } = this
      const length = keyEnd - keyStart
      const secondLength = this.secondEnd - secondStart
      const shared = length < secondLength ? length : secondLength
      let difference = 0
      for (let i = 0; i < shared && difference === 0; i++) difference = data[keyStart + i]! - secondData[secondStart + i]!
      if (difference === 0) difference = length - secondLength
      if (difference === 0) difference = this.secondSequence - top.sequence
      if (difference === 0) difference = this.order[0]! - this.order[1]!
      if (difference > 0) {
        this.sink(FORWARD)
        return this.show()
      }
    }
    this.data = data
    this.keyStart = keyStart
    this.keyEnd = keyEnd
    this.valueStart = top.valueStart
    this.valueEnd = top.valueEnd
    this.sequence = top.sequence
    this.kind = top.kind
    return MOVED
  }

  prev(): MoveStatus {
    if (this.direction !== BACKWARD && this.turn(BACKWARD) === NEEDS_IO) return NEEDS_IO
    assert(this.active > 0, 'an iterator moves back from an entry')
    const { top } = this
    const status = top.prev()
    if (status !== MOVED) return status === NEEDS_IO ? NEEDS_IO : this.dropTop()
    if (this.active > 1) {
      let difference = compareBytes(top.data, top.keyStart, top.keyEnd, this.secondData, this.secondStart, this.secondEnd)
      if (difference === 0) difference = this.secondSequence - top.sequence
      if (difference === 0) difference = this.order[0]! - this.order[1]!
      if (difference < 0) this.sink(BACKWARD)
    }
    return this.show()
  }

  close(): void {
    this.active = 0
    for (const child of this.children) child.close()
  }

  /** The top has come to its end: the second takes its place. */
  private dropTop(): MoveStatus {
    const { order } = this
    this.active--
    for (let i = 0; i < this.active; i++) order[i] = order[i + 1]!
    if (this.active === 0) return EXHAUSTED
    this.noteFirstTwo()
    return this.show()
  }

  /** Moves the top, which has fallen behind the second, to its place: binary search, then a shift. */
  private sink(direction: number): void {
    const { order, children, top } = this
    const moved = order[0]!
    let low = 1
    let high = this.active - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      const other = order[middle]!
      if (isAhead(children[other]!, other, top, moved, direction)) low = middle
      else high = middle - 1
    }
    for (let i = 0; i < low; i++) order[i] = order[i + 1]!
    order[low] = moved
    this.noteFirstTwo()
  }

  /** Notes what every move needs: the top, and the key of the second. */
  private noteFirstTwo(): void {
    const { order, children } = this
    this.top = children[order[0]!]!
    if (this.active < 2) return
    const second = children[order[1]!]!
    this.secondData = second.data
    this.secondStart = second.keyStart
    this.secondEnd = second.keyEnd
    this.secondSequence = second.sequence
  }

  private show(): MoveStatus {
    const { top } = this
    this.data = top.data
    this.keyStart = top.keyStart
    this.keyEnd = top.keyEnd
    this.valueStart = top.valueStart
    this.valueEnd = top.valueEnd
    this.sequence = top.sequence
    this.kind = top.kind
    return MOVED
  }

  private seekAll(operation: SeekOperation, key: Uint8Array, keyStart: number, keyEnd: number, sequence: number): MoveStatus {
    const { children, stands, pending } = this
    let i = pending.isSame(operation, key, keyStart, keyEnd, sequence) ? pending.progress : 0
    this.active = 0
    for (; i < children.length; i++) {
      const status = seekChild(children[i]!, operation, key, keyStart, keyEnd, sequence)
      if (status === NEEDS_IO) {
        pending.set(operation, key, keyStart, keyEnd, sequence, i)
        return NEEDS_IO
      }
      stands[i] = status === MOVED
    }
    pending.clear()
    this.direction = operation === SEEK || operation === SEEK_TO_FIRST ? FORWARD : BACKWARD
    for (i = 0; i < children.length; i++) if (stands[i]) this.insert(i)
    if (this.active === 0) return EXHAUSTED
    this.noteFirstTwo()
    return this.show()
  }

  /** Repositions every child but the top around the current entry for the other direction. */
  private turn(direction: number): MoveStatus {
    assert(this.active > 0, 'an iterator turns on an entry')
    const { children, stands, order } = this
    const top = order[0]!
    if (this.direction !== TURNING || this.turnTarget !== direction) {
      this.direction = TURNING
      this.turnTarget = direction
      this.turned = 0
    }
    for (; this.turned < children.length; this.turned++) {
      if (this.turned === top) continue
      const child = children[this.turned]!
      const status =
        direction === FORWARD
          ? child.seek(this.data, this.keyStart, this.keyEnd, this.sequence)
          : child.seekBefore(this.data, this.keyStart, this.keyEnd, this.sequence)
      if (status === NEEDS_IO) return NEEDS_IO
      stands[this.turned] = status === MOVED
    }
    this.direction = direction
    this.active = 0
    order[this.active++] = top
    for (let i = 0; i < children.length; i++) if (i !== top && stands[i]) this.insert(i)
    this.noteFirstTwo()
    return MOVED
  }

  /** Adds a child to `order`. */
  private insert(added: number): void {
    const { order, children, direction } = this
    let place = this.active++
    for (; place > 0; place--) {
      const other = order[place - 1]!
      if (isAhead(children[other]!, other, children[added]!, added, direction)) break
      order[place] = other
    }
    order[place] = added
  }
}

/** Whether child `a` comes before child `b` in the direction of travel. */
function isAhead(a: InternalIterator, aIndex: number, b: InternalIterator, bIndex: number, direction: number): boolean {
  let difference = compareBytes(a.data, a.keyStart, a.keyEnd, b.data, b.keyStart, b.keyEnd)
  if (difference === 0) difference = b.sequence - a.sequence
  if (difference === 0) difference = aIndex - bIndex
  return direction === FORWARD ? difference < 0 : difference > 0
}

function seekChild(
  child: InternalIterator,
  operation: SeekOperation,
  key: Uint8Array,
  keyStart: number,
  keyEnd: number,
  sequence: number,
): MoveStatus {
  if (operation === SEEK) return child.seek(key, keyStart, keyEnd, sequence)
  if (operation === SEEK_BEFORE) return child.seekBefore(key, keyStart, keyEnd, sequence)
  return operation === SEEK_TO_FIRST ? child.seekToFirst() : child.seekToLast()
}
