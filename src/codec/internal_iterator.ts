/**
 * The one interface of everything that holds sorted entries: memtables, blocks, tables, levels, merged views.
 *
 * An iterator stands on an entry or nowhere. Moves return a status; the entry is then in the iterator's fields, which are plain
 * data properties because an accessor call per field and entry is what scans and compactions spend their time on.
 *
 * Invariants
 * 1. After a move that returns `MOVED`, the fields describe the entry. `data` and the offsets into it are borrowed: they hold until the
 *    next move or `close`.
 * 2. After `EXHAUSTED` the iterator stands nowhere; `next` and `prev` must not be called before a seek.
 * 3. `NEEDS_IO` is returned only when the iterator was made with a `ReadContext` that forbids blocking and the move would have to read a
 *    file. The iterator is then unchanged: load what `ReadContext.wanted` names (`await context.load()`), and make the same call again.
 * 4. Every byte offered has passed its checksum, unless the reader was told not to verify.
 */

/** The move succeeded: the fields describe an entry. */
export const MOVED = 1
/** There is no such entry. */
export const EXHAUSTED = 0
/** The move has to wait for a file; nothing has changed. */
export const NEEDS_IO = -1

/** `MOVED`, `EXHAUSTED` or `NEEDS_IO`. */
export type MoveStatus = 1 | 0 | -1

/** A position in a sorted run of internal entries. */
export interface InternalIterator {
  /** Holds the key and the value of the entry. */
  data: Buffer
  keyStart: number
  keyEnd: number
  valueStart: number
  valueEnd: number
  sequence: number
  kind: number
  /** To the first entry of the run. */
  seekToFirst(): MoveStatus
  /** To the last entry of the run. */
  seekToLast(): MoveStatus
  /** To the first entry at or after (key, sequence): a greater key, or the same key with an equal or smaller sequence. */
  seek(key: Uint8Array, keyStart: number, keyEnd: number, sequence: number): MoveStatus
  /** To the last entry before (key, sequence): a smaller key, or the same key with a greater sequence. */
  seekBefore(key: Uint8Array, keyStart: number, keyEnd: number, sequence: number): MoveStatus
  /** To the following entry. */
  next(): MoveStatus
  /** To the preceding entry. */
  prev(): MoveStatus
  /** Lets go of what the iterator holds. */
  close(): void
}
