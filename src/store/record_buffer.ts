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
import { writeText } from '../codec/text.js'
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
/** The longest bytes that are copied by a loop: for longer ones a call of `copy` costs less. */
const LOOP_COPY_BYTES_MAX = 256
/** A string up to this length takes at most 127 bytes, so that its length takes one. */
const SHORT_KEY_LENGTH = 42
/** What a memtable surely takes. */
const SURELY_FITS_BYTES_MAX = ARENA_BYTES_MAX / 2
const OPERATIONS_START = RECORD_HEADER_BYTES + PAYLOAD_PREFIX_BYTES

const keyScratch = new KeyScratch()

/** A growing, reusable buffer of encoded operations. */
export class RecordBuffer {
  buffer: Buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES)
  /** The same memory, in words. */
  words: Int32Array = wordsOf(this.buffer)
  /** Bytes used, the space for the record header included. */
  end = OPERATIONS_START
  operationCount = 0
  /** Upper bound of what the operations take in a memtable's arena. */
  arenaBytes = 0
  /** Bytes of the key written last. */
  #keyBytes = 0

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
    if (this.buffer.length > KEPT_BYTES_MAX) this.#setBuffer(Buffer.allocUnsafeSlow(INITIAL_BYTES))
  }

  /**
   * Hot: encodes a put. Guarded by `bench/micro/store.ts`.
   *
   * @param valueBytesMax `typedByteLengthMax(value, type)`, asked just before. Getters in a record run then, and may call the store: so it
   *   comes before the key, and, where the record is shared, before the record is taken.
   */
  put(key: Key, value: unknown, type: ValueType = VALUE_TYPE_ANY, valueBytesMax: number = typedByteLengthMax(value, type)): void {
    // The bound for a string is three times its length: what is refused for want of room is refused by what it takes.
    if (valueBytesMax > BOUND_TRUSTED_MAX && typeof value === 'string') valueBytesMax = 1 + Buffer.byteLength(value)
    let offset = this.#writeKey(KIND_PUT, key, valueBytesMax + 5)
    const keyBytes = this.#keyBytes
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
    const end = this.#writeKey(KIND_DELETE, key, 0)
    this.#accept(end, this.#keyBytes, 0)
  }

  /** Appends the operations of another buffer. */
  absorb(other: RecordBuffer): void {
    const bytes = other.operationBytes
    this.#reserve(bytes)
    if (bytes > LOOP_COPY_BYTES_MAX) other.buffer.copy(this.buffer, this.end, OPERATIONS_START, other.end)
    else {
      const { buffer, end } = this
      const source = other.buffer
      for (let i = 0; i < bytes; i++) buffer[end + i] = source[OPERATIONS_START + i]!
    }
    this.end += bytes
    this.operationCount += other.operationCount
    this.arenaBytes += other.arenaBytes
  }

  /** As `absorb`, and empties the other buffer. An empty buffer takes the memory of the other one instead of copying it. */
  take(other: RecordBuffer): void {
    if (this.operationCount > 0) this.absorb(other)
    else {
      const { buffer, words } = this
      this.buffer = other.buffer
      this.words = other.words
      this.end = other.end
      this.operationCount = other.operationCount
      this.arenaBytes = other.arenaBytes
      other.buffer = buffer
      other.words = words
    }
    other.reset()
  }

  /** Whether the operations of another buffer may be added: the sum must make a legal record, and fit in one memtable. */
  takes(other: RecordBuffer): boolean {
    return this.end + other.operationBytes <= RECORD_BYTES_MAX && fitsMemtable(this.arenaBytes + other.arenaBytes)
  }

  /** Fills in the sequence number of the first operation; the record header is the log writer's. */
  setBaseSequence(sequence: number): void {
    writePayloadPrefix(this.buffer, RECORD_HEADER_BYTES, sequence, this.operationCount)
  }

  /** Writes kind and key behind the last operation, and their length to `#keyBytes`; returns the offset after them. */
  #writeKey(kind: number, key: Key, roomAfter: number): number {
    if (typeof key === 'string' && key.length <= SHORT_KEY_LENGTH) {
      this.#reserve(2 + 3 * key.length + roomAfter)
      const { buffer } = this
      const start = this.end + 2
      const end = writeText(buffer, start, key)
      if (end >= 0) {
        buffer[start - 2] = kind
        buffer[start - 1] = end - start
        this.#keyBytes = end - start
        return end
      }
    }
    return this.#writeAnyKey(kind, keyScratch.set(key), roomAfter)
  }

  #writeAnyKey(kind: number, keyBytes: number, roomAfter: number): number {
    this.#reserve(1 + 3 + keyBytes + roomAfter)
    const { buffer } = this
    let offset = this.end
    buffer[offset] = kind
    offset = writeVarint(buffer, offset + 1, keyBytes)
    const source = keyScratch.buffer
    if (keyBytes <= 64) for (let i = 0; i < keyBytes; i++) buffer[offset + i] = source[i]!
    else source.copy(buffer, offset, 0, keyBytes)
    this.#keyBytes = keyBytes
    return offset + keyBytes
  }

  #accept(end: number, keyBytes: number, valueBytes: number): void {
    const arenaBytes = this.arenaBytes + Memtable.entryBytesMax(keyBytes, valueBytes)
    if (arenaBytes > SURELY_FITS_BYTES_MAX && !fitsMemtable(arenaBytes))
      throw tooLarge(`${arenaBytes} bytes of memory, of ${ARENA_BYTES_MAX}`)
    this.end = end
    this.operationCount++
    this.arenaBytes = arenaBytes
  }

  #reserve(bytes: number): void {
    const needed = this.end + bytes
    if (needed <= this.buffer.length) return
    if (needed > RECORD_BYTES_MAX) throw tooLarge(`${needed} bytes, of ${RECORD_BYTES_MAX}`)
    const grown = Buffer.allocUnsafeSlow(Math.max((needed + 3) & ~3, Math.min(this.buffer.length * 2, RECORD_BYTES_MAX)))
    this.buffer.copy(grown, 0, 0, this.end)
    this.#setBuffer(grown)
  }

  #setBuffer(buffer: Buffer): void {
    this.buffer = buffer
    this.words = wordsOf(buffer)
  }
}

/** A view of all of a buffer that is an allocation of its own, of whole words. */
function wordsOf(buffer: Buffer): Int32Array {
  return new Int32Array(buffer.buffer, buffer.byteOffset, buffer.length >>> 2)
}

function fitsMemtable(arenaBytes: number): boolean {
  return Memtable.capacityFor(arenaBytes) <= ARENA_BYTES_MAX
}

function tooLarge(takes: string): StoreError {
  return new StoreError('ERR_INVALID_VALUE', `this batch takes ${takes} that one may take: write it in several batches`)
}
