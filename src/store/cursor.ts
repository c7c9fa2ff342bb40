/**
 * A cursor: a scan for adapters, whose interfaces have rules of their own for when it ends and what it gives.
 *
 * It differs from `Scan` in three ways. It does not close itself at its end, so that a `seek` may go on from there. A seek to a key outside
 * the range leads to the end, not to the nearest bound. And what it gives is read by pages, on the spot as far as nothing has to be waited
 * for: a promise is made only where the disk is slow or the turn of the event loop is spent.
 *
 * The caller makes one move at a time.
 */
import { EXHAUSTED, MOVED, NEEDS_IO } from '../codec/internal_iterator.js'
import { type Key, encodeKey } from '../codec/key.js'
import { StoreError } from '../util/errors.js'
import type { Project, ScanState } from './scan.js'

/** Which bytes of an entry count towards the size of a page. */
export interface CountedBytes {
  readonly keys: boolean
  readonly values: boolean
}

/** A position in a range, as of one moment. Close it. */
export class Cursor {
  readonly #state: ScanState
  readonly #counts: CountedBytes
  /** Bytes of the page that is being read. */
  #pageBytes = 0

  constructor(state: ScanState, counts: CountedBytes) {
    this.#state = state
    this.#counts = counts
  }

  /** The next item; `undefined` at the end. */
  next<T>(project: Project<T>): T | undefined | Promise<T | undefined> {
    const state = this.#state
    if (!state.turn.spend()) {
      const status = this.#step()
      if (status === MOVED) return project(state.entry, state.copies)
      if (status === EXHAUSTED) return undefined
    }
    return this.#pageLater([], 1, Infinity, project).then((items) => items[0])
  }

  /** Up to `count` further items, and none after those whose bytes have exceeded `bytesMax`. None at all at the end. */
  page<T>(count: number, bytesMax: number, project: Project<T>): T[] | Promise<T[]> {
    this.#pageBytes = 0
    const items: T[] = []
    return this.#fill(items, count, bytesMax, project) ? items : this.#pageLater(items, count, bytesMax, project)
  }

  /** The next item is the first at or after `key` in the direction of the cursor. Outside the range there is none. */
  seek(key: Key): void {
    const { lower, upper } = this.#state.range
    const target = encodeKey(key)
    const isBefore = lower !== undefined && Buffer.compare(target, lower) < 0
    const isBehind = upper !== undefined && Buffer.compare(target, upper) >= 0
    if (isBefore || isBehind) this.#state.exhaust()
    else this.#state.seek(target)
  }

  /** Lets go of what the cursor holds. Closing twice does nothing. */
  close(): void {
    this.#state.release()
  }

  /** Hot: reads on until the page is full; false when something has to be waited for. */
  #fill<T>(items: T[], count: number, bytesMax: number, project: Project<T>): boolean {
    const state = this.#state
    const { turn } = state
    const { keys, values } = this.#counts
    while (items.length < count) {
      if (turn.spend()) return false
      const status = this.#step()
      if (status === NEEDS_IO) return false
      if (status === EXHAUSTED) return true
      const { entry } = state
      items.push(project(entry, state.copies))
      if (keys) this.#pageBytes += entry.keyEnd - entry.keyStart
      // Without the byte of the type.
      if (values) this.#pageBytes += entry.valueEnd - entry.valueStart - 1
      if (this.#pageBytes > bytesMax) return true
    }
    return true
  }

  async #pageLater<T>(items: T[], count: number, bytesMax: number, project: Project<T>): Promise<T[]> {
    const { context, turn } = this.#state
    do {
      if (context.wanted === undefined) await turn.later(undefined)
      else await context.load()
    } while (!this.#fill(items, count, bytesMax, project))
    return items
  }

  #step(): typeof MOVED | typeof EXHAUSTED | typeof NEEDS_IO {
    const state = this.#state
    try {
      return state.step(state.gate.mayBlock())
    } catch (error) {
      // Where the position is after a failed move is not known: every further move fails alike.
      if (error instanceof StoreError) state.end(error)
      throw error
    }
  }
}
