/** Explicit snapshots. */
import { AbstractSnapshot } from 'abstract-level'
import { type Key, type Snapshot, StoreError } from '../../index.js'

/** A snapshot of a Level database: one of the store. */
export class LevelSnapshot extends AbstractSnapshot {
  readonly #snapshot: Snapshot<Key>

  /** Which snapshot of the store it is. */
  static pinned(snapshot: LevelSnapshot): Snapshot<Key> {
    return snapshot.#snapshot
  }

  constructor(snapshot: Snapshot<Key>, options: object) {
    // The owner is an option that the types leave out.
    super(...([options] as unknown as []))
    this.#snapshot = snapshot
  }

  /** Lets go. @internal */
  _close(): void {
    this.#snapshot.close()
  }
}

/** The store's snapshot that an operation is to read at, if any. */
export function pinnedBy(snapshot: LevelSnapshot | null | undefined): Snapshot<Key> | undefined {
  if (snapshot === undefined || snapshot === null) return undefined
  if (snapshot instanceof LevelSnapshot) return LevelSnapshot.pinned(snapshot)
  throw new StoreError('ERR_INVALID_OPTION', "option 'snapshot' must be a snapshot of this database")
}
