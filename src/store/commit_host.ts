/**
 * What the commit queue needs of the store around it: room, memtables, and somebody to tell.
 */
import type { StoreError } from '../util/errors.js'
import type { RecordBuffer } from './record_buffer.js'

/** What the queue needs of the store around it. */
export interface CommitHost {
  /** Makes room in the active memtable; false when the write has to wait for background work. */
  admit(arenaBytes: number): boolean
  /** Blocks until `admit` may succeed. */
  waitForRoomSync(): void
  /** Milliseconds to slow writes down before the next group; 0 for none. */
  paceMs(): number
  /** Puts the operations of a record into the active memtable. */
  apply(record: RecordBuffer, baseSequence: number): void
  /** Lets readers see everything up to `sequence`. */
  publish(sequence: number): void
  /** A record found no room on the disk (`true`), or was written. */
  logIsShort(isShort: boolean): void
  /** The log is in doubt: stops the store. Returns the error for those who wait. */
  fail(error: unknown): StoreError
  /** Groups began or ceased to wait. */
  setWaiting(waiting: boolean): void
}
