/**
 * The operations in the payload of a log record.
 *
 * | size | field |
 * |---|---|
 * | 1 | kind: 0 delete, 1 put |
 * | varint | key length |
 * | | key |
 * | varint | value length, puts only |
 * | | value with its tag, puts only |
 */
import { KEY_BYTES_MAX, KIND_DELETE, KIND_MAX, KIND_PUT, VALUE_BYTES_MAX } from '../codec/internal_key.js'
import { readVarint, varintEnd } from '../codec/varint.js'
import { assert } from '../util/assert.js'

/** What `checkOperations` found. */
export type OperationsVerdict = 'valid' | 'malformed' | 'unknown kind'

/** Steps through the operations of a payload, in place. */
export class OperationReader {
  buffer: Buffer = Buffer.alloc(0)
  kind = KIND_DELETE
  keyStart = 0
  keyEnd = 0
  /** Both 0 for a delete. */
  valueStart = 0
  valueEnd = 0
  private position = 0
  private end = 0

  /** Stands before the operations of `buffer[start, end)`, which is a payload without its prefix. */
  reset(buffer: Buffer, start: number, end: number): void {
    this.buffer = buffer
    this.position = start
    this.end = end
  }

  /**
   * Moves to the next operation; `false` when there is none, or when what follows is none (then `isAtEnd` is false).
   *
   * Hot: every operation of a log passes here at open, about 10 ns of it; `bench/micro/wal.ts` guards it.
   */
  next(): boolean {
    const { buffer, end } = this
    const kind = this.position < end ? buffer[this.position]! : KIND_MAX + 1
    if (kind > KIND_MAX) return false
    const keyBytes = readVarint(buffer, this.position + 1, end)
    if (keyBytes < 0 || keyBytes > KEY_BYTES_MAX || varintEnd + keyBytes > end) return false
    const keyStart = varintEnd
    const keyEnd = keyStart + keyBytes
    let valueStart = 0
    let valueEnd = 0
    if (kind === KIND_PUT) {
      const valueBytes = readVarint(buffer, keyEnd, end)
      if (valueBytes < 0 || valueBytes > VALUE_BYTES_MAX || varintEnd + valueBytes > end) return false
      valueStart = varintEnd
      valueEnd = valueStart + valueBytes
    }
    this.kind = kind
    this.keyStart = keyStart
    this.keyEnd = keyEnd
    this.valueStart = valueStart
    this.valueEnd = valueEnd
    this.position = kind === KIND_PUT ? valueEnd : keyEnd
    return true
  }

  /** Whether all bytes have been read. */
  get isAtEnd(): boolean {
    return this.position === this.end
  }

  /** The kind that stopped `next`, if it is one that this version does not know. */
  get isAtUnknownKind(): boolean {
    return this.position < this.end && this.buffer[this.position]! > KIND_MAX
  }
}

/** Whether `buffer[start, end)` holds exactly `count` operations, so that a record is applied whole or not at all. */
export function checkOperations(reader: OperationReader, buffer: Buffer, start: number, end: number, count: number): OperationsVerdict {
  assert(start <= end, 'operations do not end before they start')
  reader.reset(buffer, start, end)
  for (let i = 0; i < count; i++) {
    if (reader.next()) continue
    return reader.isAtUnknownKind ? 'unknown kind' : 'malformed'
  }
  return reader.isAtEnd ? 'valid' : 'malformed'
}
