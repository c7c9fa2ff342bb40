/**
 * Snapshots and scans that are open: which versions compactions must keep, how old the oldest is, and what was forgotten.
 *
 * A snapshot or scan that is collected as garbage without having been closed would pin files and memory for ever. A `FinalizationRegistry`
 * closes it and reports the leak.
 */
import type { Clock } from '../util/clock.js'

/** What an open snapshot or scan holds. */
export interface OpenReader {
  readonly kind: 'snapshot' | 'scan'
  readonly sinceMs: number
  /** Lets go of everything held. */
  release(): void
}

/** Registry of open snapshots and scans. */
export class OpenReaders {
  readonly #clock: Clock
  readonly #readers = new Set<OpenReader>()
  readonly #sequences = new Map<number, number>()
  readonly #onLeak: (kind: 'snapshot' | 'scan', ageMs: number) => void
  readonly #onUnpin: () => void
  readonly #registry: FinalizationRegistry<OpenReader>

  /** @param onUnpin is told when a sequence is no longer pinned: what it kept may go. */
  constructor(clock: Clock, onLeak: (kind: 'snapshot' | 'scan', ageMs: number) => void, onUnpin: () => void) {
    this.#clock = clock
    this.#onLeak = onLeak
    this.#onUnpin = onUnpin
    this.#registry = new FinalizationRegistry((reader) => {
      if (!this.#readers.has(reader)) return
      this.#onLeak(reader.kind, this.#clock.nowMs() - reader.sinceMs)
      reader.release()
    })
  }

  /** Registers what `handle` (the object the caller holds) keeps open. */
  open(handle: object, reader: OpenReader): void {
    this.#readers.add(reader)
    this.#registry.register(handle, reader, reader)
  }

  /** A reader was closed. */
  close(reader: OpenReader): void {
    if (this.#readers.delete(reader)) this.#registry.unregister(reader)
  }

  /** Releases all that is open: the store closes. */
  releaseAll(): void {
    for (const reader of [...this.#readers]) reader.release()
  }

  /** Versions visible at `sequence` must stay. */
  pin(sequence: number): void {
    this.#sequences.set(sequence, (this.#sequences.get(sequence) ?? 0) + 1)
  }

  /** Undoes one `pin`. */
  unpin(sequence: number): void {
    const count = (this.#sequences.get(sequence) ?? 1) - 1
    if (count > 0) {
      this.#sequences.set(sequence, count)
      return
    }
    this.#sequences.delete(sequence)
    this.#onUnpin()
  }

  /** Pinned sequences and `current`, ascending, each once. */
  sequences(current: number): number[] {
    return [...new Set([...this.#sequences.keys(), current])].sort((a, b) => a - b)
  }

  /** How many of a kind are open, and the age of the oldest. */
  count(kind: 'snapshot' | 'scan'): { open: number; oldestAgeMs: number } {
    let open = 0
    let oldestAgeMs = 0
    const nowMs = this.#clock.nowMs()
    for (const reader of this.#readers) {
      if (reader.kind !== kind) continue
      open++
      oldestAgeMs = Math.max(oldestAgeMs, nowMs - reader.sinceMs)
    }
    return { open, oldestAgeMs }
  }
}
