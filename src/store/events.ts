/**
 * What a store tells while it works. Events are for watching, never for control: an error thrown by a listener is the listener's.
 */
import { EventEmitter } from 'node:events'

/** A memtable became a table. */
export interface FlushEvent {
  /** Entries of the memtable. */
  readonly entries: number
  /** Bytes written. */
  readonly outputBytes: number
  /** Tables made: one, or none when nothing was left to write. */
  readonly tables: number
  /** Milliseconds it took. */
  readonly durationMs: number
}

/** Tables were merged into a deeper level, or moved there. */
export interface CompactionEvent {
  /** Why it was done: `'size'`, `'manual'`, `'tombstones'`, `'idle'`, `'move'` … */
  readonly reason: string
  /** The shallower level that tables were taken from. */
  readonly fromLevel: number
  /** The level that got the result. */
  readonly toLevel: number
  /** Tables that went in, of both levels. */
  readonly inputTables: number
  /** Tables that came out. */
  readonly outputTables: number
  /** Bytes on disk that went in. */
  readonly inputBytes: number
  /** Bytes on disk that came out. */
  readonly outputBytes: number
  /** Milliseconds it took. */
  readonly durationMs: number
}

/** Writes had to wait for flush and compaction. */
export interface StallEvent {
  /** `'delay'` slows writes down, `'wait'` stops them until background work has caught up. */
  readonly kind: 'delay' | 'wait'
  /** Bytes that background work owes: frozen memtables and level 0. */
  readonly debtBytes: number
}

/** Writes go on after a stall. */
export interface StallEndEvent {
  /** Milliseconds that the stall lasted. */
  readonly durationMs: number
}

/** What opening the store found in the write-ahead logs. */
export interface RecoveryEvent {
  /** Logs replayed. */
  readonly logs: number
  /** Records replayed. */
  readonly records: number
  /** Bytes of a torn tail that were cut off: writes that no acknowledgement had promised to keep. */
  readonly tornBytes: number
  /** Damaged bytes skipped with `recovery: 'salvage'`. */
  readonly damagedBytes: number
  /** Writes that `recovery: 'salvage'` found missing, as far as is known: of damaged bytes this is not always known. */
  readonly missingWrites: number
}

/** A snapshot or scan was collected as garbage without having been closed. */
export interface LeakEvent {
  /** What was forgotten. */
  readonly kind: 'snapshot' | 'scan'
  /** Milliseconds since it was made. */
  readonly ageMs: number
}

/** A background failure. The store accepts no writes until it is reopened; reads go on. */
export interface BackgroundErrorEvent {
  /** What failed. */
  readonly error: Error
}

/** The disk is full (`full: true`), or has space again. */
export interface DiskFullEvent {
  /** Whether the disk is full now. */
  readonly full: boolean
}

/** Something works, but not as well as it could. */
export interface WarningEvent {
  /** What, and what to do about it. */
  readonly message: string
}

/** Events of a store and their arguments. */
export interface StoreEvents {
  /** A memtable became a table. */
  flush: [FlushEvent]
  /** Tables were merged or moved. */
  compaction: [CompactionEvent]
  /** Writes begin to wait for background work. */
  stall: [StallEvent]
  /** Writes run freely again. */
  stallEnd: [StallEndEvent]
  /** Opening replayed logs. */
  recovery: [RecoveryEvent]
  /** A snapshot or scan was forgotten. */
  leak: [LeakEvent]
  /** Background work failed; writes stop until the store is reopened. */
  backgroundError: [BackgroundErrorEvent]
  /** The disk is full, or has space again. */
  diskFull: [DiskFullEvent]
  /** Something could work better. */
  warning: [WarningEvent]
  /** The store was closed. */
  close: []
}

/** Typed emitter of {@link StoreEvents}. */
export class StoreEmitter extends EventEmitter<StoreEvents> {}
