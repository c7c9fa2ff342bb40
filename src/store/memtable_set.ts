/**
 * The memtables of a store: the one that takes writes, and those that are full and wait to become tables.
 *
 * Invariants
 * 1. `slots` are newest first; exactly the first is not frozen. Sequence numbers of a slot are all greater than those of the slots behind
 *    it.
 * 2. Slots leave from the old end only.
 * 3. Arenas of the usual size are used again when the last view of them is gone.
 */
import { Memtable } from '../memtable/memtable.js'
import { assert } from '../util/assert.js'
import { OperationReader } from '../wal/operations.js'
import { MemtableSlot } from './read_view.js'
import type { RecordBuffer } from './record_buffer.js'

/** Empty arenas kept for later memtables. */
const SPARE_ARENAS_MAX = 2

/** A memtable that was filled from logs. */
export interface RecoveredMemtable {
  readonly memtable: Memtable
  readonly firstLog: number
  readonly lastSequence: number
}

/** Active and frozen memtables, newest first. */
export class MemtableSet {
  readonly slots: MemtableSlot[]
  readonly #memtableSize: number
  readonly #spareArenas: SharedArrayBuffer[] = []
  readonly #operations = new OperationReader()
  readonly #recycle = (memtable: Memtable): void => {
    if (memtable.capacityBytes !== this.#memtableSize || this.#spareArenas.length >= SPARE_ARENAS_MAX) return
    this.#spareArenas.push(memtable.arena)
  }

  /** @param recovered newest first, at least one */
  constructor(memtableSize: number, recovered: readonly RecoveredMemtable[]) {
    this.#memtableSize = memtableSize
    this.slots = recovered.map(({ memtable, firstLog, lastSequence }) => {
      const slot = new MemtableSlot(memtable, firstLog, this.#recycle)
      slot.lastSequence = lastSequence
      return slot
    })
  }

  /** The one that takes writes. */
  get active(): MemtableSlot {
    return this.slots[0]!
  }

  get frozenCount(): number {
    return this.slots.length - 1
  }

  /** Bytes in use in frozen memtables. */
  get frozenBytes(): number {
    let bytes = 0
    for (let i = 1; i < this.slots.length; i++) bytes += this.slots[i]!.memtable.usedBytes
    return bytes
  }

  /** Memory of all arenas, spare ones included. */
  get arenaBytes(): number {
    let bytes = 0
    for (const arena of this.#spareArenas) bytes += arena.byteLength
    for (const slot of this.slots) bytes += slot.memtable.capacityBytes
    return bytes
  }

  /** Hot: puts the operations of a record into the active memtable, which has room for them. */
  apply(record: RecordBuffer, baseSequence: number): void {
    const slot = this.active
    const { memtable } = slot
    const { buffer, words } = record
    const operations = this.#operations
    operations.reset(buffer, record.operationsStart, record.end)
    let sequence = baseSequence
    while (operations.next()) {
      const { keyStart, keyEnd, valueStart, valueEnd, kind } = operations
      memtable.insert(buffer, keyStart, keyEnd, valueStart, valueEnd, sequence++, kind, words)
    }
    assert(sequence - baseSequence === record.operationCount, 'a record holds the operations it counts')
    slot.lastSequence = sequence - 1
  }

  /** Whether the active memtable is still that which opening puts in its place: it takes up no memory that a reader would not need. */
  get isUnbegun(): boolean {
    const { memtable } = this.active
    return memtable.entryCount === 0 && !memtable.hasRoomFor(0)
  }

  /**
   * Begins a new memtable, whose operations go to the log `firstLog` and later ones. Returns the former one, frozen; `undefined` when it
   * was empty and has been dropped.
   */
  begin(capacityBytes: number, firstLog: number): MemtableSlot | undefined {
    const spare = capacityBytes === this.#memtableSize ? this.#spareArenas.pop() : undefined
    const memtable = spare === undefined ? Memtable.create(capacityBytes) : Memtable.reuse(spare)
    const fresh = new MemtableSlot(memtable, firstLog, this.#recycle)
    const full = this.active
    if (full.memtable.entryCount === 0) {
      this.slots[0] = fresh
      return undefined
    }
    full.memtable.freeze()
    this.slots.unshift(fresh)
    return full
  }

  /** Takes out memtables that have become a table, oldest ones first. */
  remove(flushed: readonly MemtableSlot[]): void {
    for (const slot of flushed) {
      assert(this.slots.length > 1 && this.slots[this.slots.length - 1] === slot, 'memtables are flushed oldest first')
      this.slots.pop()
    }
  }

  /** The first log that is needed once `slot` and all older ones are tables. */
  firstLogAfter(slot: MemtableSlot): number {
    return this.slots[this.slots.indexOf(slot) - 1]!.firstLog
  }
}
