/**
 * Remembers a seek that had to wait for a file, so that the repeated call goes on where it stopped, and another call does not.
 */
import { compareBytes } from '../codec/bytes.js'

/** No seek is waiting. */
const NONE = 0

/** The four seeks. */
export const SEEK_TO_FIRST = 1
export const SEEK_TO_LAST = 2
export const SEEK = 3
export const SEEK_BEFORE = 4

/** One of the four seeks of an iterator. */
export type SeekOperation = 1 | 2 | 3 | 4

/** At most one waiting seek: its arguments and how far it got. */
export class PendingSeek {
  /** How far the seek got; its owner gives it meaning. */
  progress = 0
  private operation: SeekOperation | 0 = NONE
  private key: Uint8Array = new Uint8Array(0)
  private keyLength = 0
  private sequence = 0

  /** Whether this very seek is waiting. */
  isSame(operation: SeekOperation, key: Uint8Array, keyStart: number, keyEnd: number, sequence: number): boolean {
    return (
      this.operation === operation && this.sequence === sequence && compareBytes(this.key, 0, this.keyLength, key, keyStart, keyEnd) === 0
    )
  }

  /** Whether any seek is waiting. */
  isWaiting(): boolean {
    return this.operation !== NONE
  }

  /** A seek has to wait. Its key is copied: the caller's may be gone when it calls again with an equal one. */
  set(operation: SeekOperation, key: Uint8Array, keyStart: number, keyEnd: number, sequence: number, progress: number): void {
    const length = keyEnd - keyStart
    if (this.key.length < length) this.key = new Uint8Array(length * 2)
    for (let i = 0; i < length; i++) this.key[i] = key[keyStart + i]!
    this.keyLength = length
    this.operation = operation
    this.sequence = sequence
    this.progress = progress
  }

  /** The seek is done or given up. */
  clear(): void {
    this.operation = NONE
  }
}
