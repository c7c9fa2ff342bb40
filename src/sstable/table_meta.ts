/**
 * What the manifest records of each SSTable, so that opening a store and choosing compactions reads no table.
 */

/** Description of one SSTable. Plain data: it crosses to worker threads. */
export interface TableMeta {
  readonly fileNumber: number
  /** Size of the file. */
  readonly fileBytes: number
  /** Where filter, properties, index and footer begin: the file's tail, read at once when the table is opened. */
  readonly tailOffset: number
  /** Entries, tombstones and older versions included. */
  readonly entryCount: number
  /** Tombstones among them. */
  readonly deletionCount: number
  /** Distinct user keys among them. All other entries are hidden from the latest state by a newer version, and are there for snapshots. */
  readonly keyCount: number
  /** Bytes of user keys and of values before compression. */
  readonly rawKeyBytes: number
  readonly rawValueBytes: number
  /** First and last user key, both included. A user key's versions never span two tables of one level. */
  readonly smallestKey: Uint8Array
  readonly largestKey: Uint8Array
  readonly smallestSequence: number
  readonly largestSequence: number
}
