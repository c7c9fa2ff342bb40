/**
 * Many sorted runs seen as one.
 *
 * The children that stand on an entry are kept in `order`, an array of child numbers sorted by their entries in the direction of travel;
 * its first element is the *top*, whose entry the merged iterator shows. A move moves the top, compares it with the second, and when it is
 * still ahead that was all. Otherwise it is put in its place among the others by insertion.
 *
 *   children   [ memtable, L0 table, L5, L6 ]            each stands on its own entry, or nowhere
 *   order      [ 3, 0, 2 ]                               L6 shows; child 1 has no entry left
 *
 * For the 1 to 15 runs that a store has this beats a binary heap and a loser tree: most entries are in the last level, the top mostly stays
 * the top, and then the move costs one comparison where a heap needs two and a tree log2(n) (measured, see `docs/compaction.md`).
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
  private direction: number = FORWARD
  /** Whether child i stands on an entry; only kept up to date while seeking and turning. */
  private readonly stands: boolean[]
  /** Direction being turned to, and how many children have been. */
  private turnTarget: number = FORWARD
  private turned = 0
  private readonly pending = new PendingSeek()

  constructor(children: InternalIterator[]) {
    this.children = children
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

  /** Hot: about 20 ns above the child's own move while the top stays the top; guarded by `bench/micro/iterators.ts`. */
  next(): MoveStatus {
    if (this.direction !== FORWARD && this.turn(FORWARD) === NEEDS_IO) return NEEDS_IO
    assert(this.active > 0, 'an iterator moves on from an entry')
    const status = this.children[this.order[0]!]!.next()
    if (status === NEEDS_IO) return NEEDS_IO
    return this.reorder(status, FORWARD)
  }

  prev(): MoveStatus {
    if (this.direction !== BACKWARD && this.turn(BACKWARD) === NEEDS_IO) return NEEDS_IO
    assert(this.active > 0, 'an iterator moves back from an entry')
    const status = this.children[this.order[0]!]!.prev()
    if (status === NEEDS_IO) return NEEDS_IO
    return this.reorder(status, BACKWARD)
  }

  close(): void {
    this.active = 0
    for (const child of this.children) child.close()
  }

  /** The top has moved: puts it in its place, or takes it out, and shows the new top. */
  private reorder(status: MoveStatus, direction: number): MoveStatus {
    const { order, children } = this
    if (status === MOVED) {
      if (this.active > 1) {
        const top = order[0]!
        const moved = children[top]!
        if (isAhead(children[order[1]!]!, order[1]!, moved, top, direction)) this.sink(top, moved, direction)
      }
    } else {
      this.active--
      for (let i = 0; i < this.active; i++) order[i] = order[i + 1]!
      if (this.active === 0) return EXHAUSTED
    }
    this.show()
    return MOVED
  }

  /** Moves the first of `order`, which the second is known to be ahead of, to its place. */
  private sink(top: number, moved: InternalIterator, direction: number): void {
    const { order, children, active } = this
    order[0] = order[1]!
    let place = 1
    for (; place + 1 < active; place++) {
      const other = order[place + 1]!
      if (!isAhead(children[other]!, other, moved, top, direction)) break
      order[place] = other
    }
    order[place] = top
  }

  private show(): void {
    const top = this.children[this.order[0]!]!
    this.data = top.data
    this.keyStart = top.keyStart
    this.keyEnd = top.keyEnd
    this.valueStart = top.valueStart
    this.valueEnd = top.valueEnd
    this.sequence = top.sequence
    this.kind = top.kind
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
    this.show()
    return MOVED
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
