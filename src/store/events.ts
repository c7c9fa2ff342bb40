/**
 * What a store tells while it works. Events are for watching, never for control: an error thrown by a listener is the listener's.
 */
import { EventEmitter } from 'node:events'

/** A memtable became a table. */
export interface FlushEvent {
  readonly entries: number
  /** Bytes written. */
  readonly outputBytes: number
  readonly tables: number
  readonly durationMs: number
}

/** Tables were merged into a deeper level, or moved there. */
export interface CompactionEvent {
  /** Why it was done: `'size'`, `'manual'`, `'tombstones'`, `'idle'`, `'move'` … */
  readonly reason: string
  readonly fromLevel: number
  readonly toLevel: number
  readonly inputTables: number
  readonly outputTables: number
  readonly inputBytes: number
  readonly outputBytes: number
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
  readonly durationMs: number
}

/** What opening the store found in the write-ahead logs. */
export interface RecoveryEvent {
  readonly logs: number
  /** Records replayed. */
  readonly records: number
  /** Bytes of a torn tail that were cut off: writes that no acknowledgement had promised to keep. */
  readonly tornBytes: number
  /** Damaged bytes skipped with `recovery: 'salvage'`. */
  readonly damagedBytes: number
}

/** A snapshot or scan was collected as garbage without having been closed. */
export interface LeakEvent {
  readonly kind: 'snapshot' | 'scan'
  readonly ageMs: number
}

/** A background failure. The store accepts no writes until it is reopened; reads go on. */
export interface BackgroundErrorEvent {
  readonly error: Error
}

/** The disk is full (`full: true`), or has space again. */
export interface DiskFullEvent {
  readonly full: boolean
}

/** Something works, but not as well as it could. */
export interface WarningEvent {
  readonly message: string
}

/** Events of a store and their arguments. */
export interface StoreEvents {
  flush: [FlushEvent]
  compaction: [CompactionEvent]
  stall: [StallEvent]
  stallEnd: [StallEndEvent]
  recovery: [RecoveryEvent]
  leak: [LeakEvent]
  backgroundError: [BackgroundErrorEvent]
  diskFull: [DiskFullEvent]
  warning: [WarningEvent]
  close: []
}

/** Typed emitter of {@link StoreEvents}. */
export class StoreEmitter extends EventEmitter<StoreEvents> {}
