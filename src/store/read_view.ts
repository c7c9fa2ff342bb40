/**
 * What a reader looks at: the memtables and the version of one moment, held together.
 *
 * A view never changes. Each roll of the memtable, flush and compaction makes a new one; whoever still reads the old one holds a reference,
 * which keeps its memtables from being recycled and its table files from being deleted.
 *
 * Invariants
 * 1. `memtables` are newest first, and newer than all of `version`.
 * 2. A view's references on memtables and version are dropped exactly once, when its own count reaches zero.
 */
import type { Memtable } from '../memtable/memtable.js'
import type { Version } from '../version/version.js'
import { assert } from '../util/assert.js'

/** A memtable with the logs it needs and the views that read it. */
export class MemtableSlot {
  readonly memtable: Memtable
  /** Number of the first log that holds operations of this memtable; it and later logs are needed until the memtable is a table. */
  readonly firstLog: number
  /** Sequence number of its last operation. */
  lastSequence = 0
  #references = 0
  readonly #recycle: (memtable: Memtable) => void

  constructor(memtable: Memtable, firstLog: number, recycle: (memtable: Memtable) => void) {
    this.memtable = memtable
    this.firstLog = firstLog
    this.#recycle = recycle
  }

  reference(): void {
    this.#references++
  }

  release(): void {
    assert(this.#references > 0, 'a memtable is released only as often as it was referenced')
    if (--this.#references === 0) this.#recycle(this.memtable)
  }
}

/** An immutable set of memtables and one version. */
export class ReadView {
  readonly slots: readonly MemtableSlot[]
  readonly memtables: readonly Memtable[]
  readonly version: Version
  #references = 1

  /** Takes references on all parts; the creator holds one on the view. */
  constructor(slots: readonly MemtableSlot[], version: Version) {
    this.slots = slots
    this.memtables = slots.map((slot) => slot.memtable)
    this.version = version
    for (const slot of slots) slot.reference()
    version.ref()
  }

  reference(): void {
    assert(this.#references > 0, 'a view that was let go is not taken up again')
    this.#references++
  }

  release(): void {
    assert(this.#references > 0, 'a view is released only as often as it was referenced')
    if (--this.#references > 0) return
    for (const slot of this.slots) slot.release()
    this.version.unref()
  }
}
