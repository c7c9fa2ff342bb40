/**
 * The operations of one log record, encoded as they arrive.
 *
 * `put` writes key and value straight into this buffer; the very bytes then go to the log and are what the memtable is filled from. Layout:
 * see `docs/log.md` (record header, base sequence, operation count, operations).
 *
 * Invariant: `end`, `operationCount` and `arenaBytes` change together, after an operation has been encoded whole. An operation that throws
 * (bad key or value) leaves the buffer as it was.
 */
import { type Key, KeyScratch } from '../codec/key.js'
import { KIND_DELETE, KIND_PUT } from '../codec/internal_key.js'
import { VALUE_TYPE_ANY, type ValueType, typedByteLengthMax, writeTyped } from './typed_value.js'
import { varintLength, writeVarint } from '../codec/varint.js'
import { ARENA_BYTES_MAX } from '../memtable/arena.js'
import { Memtable } from '../memtable/memtable.js'
import { StoreError } from '../util/errors.js'
import { PAYLOAD_PREFIX_BYTES, RECORD_BYTES_MAX, RECORD_HEADER_BYTES, writePayloadPrefix } from '../wal/format.js'

const INITIAL_BYTES = 16 * 1024
/** A buffer that grew beyond this is let go when it is emptied. */
const KEPT_BYTES_MAX = 2 * 1024 * 1024
/** Values whose bound is beyond this are measured before they are encoded. */
const BOUND_TRUSTED_MAX = 1024 * 1024
const OPERATIONS_START = RECORD_HEADER_BYTES + PAYLOAD_PREFIX_BYTES

const keyScratch = new KeyScratch()

/** A growing, reusable buffer of encoded operations. */
export class RecordBuffer {
  buffer: Buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES)
  /** Bytes used, the space for the record header included. */
  end = OPERATIONS_START
  operationCount = 0
  /** Upper bound of what the operations take in a memtable's arena. */
  arenaBytes = 0

  /** Where the operations begin in `buffer`. */
  get operationsStart(): number {
    return OPERATIONS_START
  }

  /** Bytes of encoded operations. */
  get operationBytes(): number {
    return this.end - OPERATIONS_START
  }

  /** Empties the buffer. */
  reset(): void {
    this.end = OPERATIONS_START
    this.operationCount = 0
    this.arenaBytes = 0
    if (this.buffer.length > KEPT_BYTES_MAX) this.buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES)
  }

  /**
   * Hot: encodes a put. Guarded by `bench/micro/store.ts`.
   *
   * @param valueBytesMax `typedByteLengthMax(value, type)`, asked just before. Getters in a record run then, and may call the store: so it
   *   comes before the key, and, where the record is shared, before the record is taken.
   */
  put(key: Key, value: unknown, type: ValueType = VALUE_TYPE_ANY, valueBytesMax: number = typedByteLengthMax(value, type)): void {
    const keyBytes = keyScratch.set(key)
    // The bound for a string is three times its length: what is refused for want of room is refused by what it takes.
    if (valueBytesMax > BOUND_TRUSTED_MAX && typeof value === 'string') valueBytesMax = 1 + Buffer.byteLength(value)
    let offset = this.#writeKey(KIND_PUT, keyBytes, valueBytesMax + 5)
    const lengthBytes = varintLength(valueBytesMax)
    const valueStart = offset + lengthBytes
    const valueEnd = writeTyped(this.buffer, valueStart, value, type)
    const valueBytes = valueEnd - valueStart
    const shortfall = lengthBytes - varintLength(valueBytes)
    // The bound was more than the value took by an order of magnitude: close the gap before the value.
    if (shortfall > 0) this.buffer.copyWithin(valueStart - shortfall, valueStart, valueEnd)
    offset = writeVarint(this.buffer, offset, valueBytes)
    this.#accept(offset + valueBytes, keyBytes, valueBytes)
  }

  /** Encodes a delete. */
  delete(key: Key): void {
    const keyBytes = keyScratch.set(key)
    this.#accept(this.#writeKey(KIND_DELETE, keyBytes, 0), keyBytes, 0)
  }

  /** Appends the operations of another buffer. */
  absorb(other: RecordBuffer): void {
    const bytes = other.operationBytes
    this.#reserve(bytes)
    other.buffer.copy(this.buffer, this.end, OPERATIONS_START, other.end)
    this.end += bytes
    this.operationCount += other.operationCount
    this.arenaBytes += other.arenaBytes
  }

  /** Whether the operations of another buffer may be added: the sum must make a legal record, and fit in one memtable. */
  takes(other: RecordBuffer): boolean {
    return this.end + other.operationBytes <= RECORD_BYTES_MAX && fitsMemtable(this.arenaBytes + other.arenaBytes)
  }

  /** Fills in the sequence number of the first operation; the record header is the log writer's. */
  setBaseSequence(sequence: number): void {
    writePayloadPrefix(this.buffer, RECORD_HEADER_BYTES, sequence, this.operationCount)
  }

  #writeKey(kind: number, keyBytes: number, roomAfter: number): number {
    this.#reserve(1 + 3 + keyBytes + roomAfter)
    const { buffer } = this
    let offset = this.end
    buffer[offset] = kind
    offset = writeVarint(buffer, offset + 1, keyBytes)
    const source = keyScratch.buffer
    if (keyBytes <= 64) for (let i = 0; i < keyBytes; i++) buffer[offset + i] = source[i]!
    else source.copy(buffer, offset, 0, keyBytes)
    return offset + keyBytes
  }

  #accept(end: number, keyBytes: number, valueBytes: number): void {
    const arenaBytes = this.arenaBytes + Memtable.entryBytesMax(keyBytes, valueBytes)
    if (!fitsMemtable(arenaBytes)) throw tooLarge(`${arenaBytes} bytes of memory, of ${ARENA_BYTES_MAX}`)
    this.end = end
    this.operationCount++
    this.arenaBytes = arenaBytes
  }

  #reserve(bytes: number): void {
    const needed = this.end + bytes
    if (needed <= this.buffer.length) return
    if (needed > RECORD_BYTES_MAX) throw tooLarge(`${needed} bytes, of ${RECORD_BYTES_MAX}`)
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, Math.min(this.buffer.length * 2, RECORD_BYTES_MAX)))
    this.buffer.copy(grown, 0, 0, this.end)
    this.buffer = grown
  }
}

function fitsMemtable(arenaBytes: number): boolean {
  return Memtable.capacityFor(arenaBytes) <= ARENA_BYTES_MAX
}

function tooLarge(takes: string): StoreError {
  return new StoreError('ERR_INVALID_VALUE', `this batch takes ${takes} that one may take: write it in several batches`)
}
