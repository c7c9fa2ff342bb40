/**
 * All that writes: encodes operations, hands them to the commit queue, and decides the conditional ones.
 *
 * A conditional write (`putIfEquals`, `increment`) and a range delete are decisions of the commit queue: they take their place in the order
 * of writes when they are called, and are made when all before them is in the memtable, on the latest state, acknowledged or not. Nothing
 * can come between. Where the key may lie on disk the promise forms load it beforehand, so that the decisive read finds it in memory.
 *
 * Arguments are encoded at the call, before a shared record is touched: a getter of a record may call the store.
 */
import { isDeepStrictEqual } from 'node:util'
import { type Key, encodeKey } from '../codec/key.js'
import { TAG_INT64, type Value, decodeInt64, decodeValue, valueByteLengthMax, writeValue } from '../codec/value.js'
import { StoreError } from '../util/errors.js'
import { type BatchOperation, type BatchTarget, type WriteOptions, encodeBatch } from './batch.js'
import { isSync } from './call_options.js'
import type { Decision } from './commit_group.js'
import type { CommitQueue } from './commit_queue.js'
import type { Reads } from './reads.js'
import { RecordBuffer } from './record_buffer.js'
import type { KeyRange, Scan } from './scan.js'
import { VALUE_TYPE_ANY, type ValueType, typedByteLengthMax } from './typed_value.js'

const INT64_MIN = -(2n ** 63n)
const INT64_MAX = 2n ** 63n - 1n

/** Tombstones in a slice of `deleteRange`. */
const DELETES_PER_SLICE = 512

/** Bytes of tombstones in a piece of `clear`. */
const PIECE_BYTES = 1024 * 1024

/** What a range delete deletes: a range with both ends, or a prefix. */
export type DeletedRange = { readonly gte: Key; readonly lt: Key } | { readonly prefix: Key }

/** What writes need of the engine. */
export interface WriteGate {
  /** @throws StoreError when the store takes no writes */
  checkWritable(): void
}

/** The writing half of the engine. */
export class Writes implements BatchTarget {
  readonly #gate: WriteGate
  readonly #queue: CommitQueue
  readonly #reads: Reads
  #spare: RecordBuffer | undefined = new RecordBuffer()

  constructor(gate: WriteGate, queue: CommitQueue, reads: Reads) {
    this.#gate = gate
    this.#queue = queue
    this.#reads = reads
  }

  /** Hot: an awaited put costs this, one log write and one memtable insert. Guarded by `bench/micro/store.ts`. */
  put(key: Key, value: unknown, type: ValueType, options: WriteOptions | undefined): Promise<void> {
    try {
      this.#gate.checkWritable()
      const sync = isSync(options)
      const valueBytesMax = typedByteLengthMax(value, type)
      this.#queue.fillingRecord(sync).put(key, value, type, valueBytesMax)
    } catch (error) {
      return Promise.reject(error)
    }
    return this.#queue.accepted()
  }

  putSync(key: Key, value: unknown, type: ValueType, options: WriteOptions | undefined): void {
    this.#gate.checkWritable()
    const sync = isSync(options)
    const valueBytesMax = typedByteLengthMax(value, type)
    const record = this.#queue.syncRecord()
    record.put(key, value, type, valueBytesMax)
    this.#queue.writeSync(record, sync)
  }

  delete(key: Key, options: WriteOptions | undefined): Promise<void> {
    try {
      this.#gate.checkWritable()
      const sync = isSync(options)
      this.#queue.fillingRecord(sync).delete(key)
    } catch (error) {
      return Promise.reject(error)
    }
    return this.#queue.accepted()
  }

  deleteSync(key: Key, options: WriteOptions | undefined): void {
    this.#gate.checkWritable()
    const sync = isSync(options)
    const record = this.#queue.syncRecord()
    record.delete(key)
    this.#queue.writeSync(record, sync)
  }

  batch(operations: readonly BatchOperation[], options: WriteOptions | undefined): Promise<void> {
    return this.batchOf((record) => encodeBatch(record, operations), options)
  }

  /** Writes the operations that `encode` puts into the record it is given. */
  batchOf(encode: (record: RecordBuffer) => void, options: WriteOptions | undefined): Promise<void> {
    try {
      this.#gate.checkWritable()
      const sync = isSync(options)
      // Encoded apart first, so that a malformed operation leaves nothing of the batch behind.
      return this.#withRecord((record) => {
        encode(record)
        return this.#accept(record, sync)
      })
    } catch (error) {
      return Promise.reject(error)
    }
  }

  batchSync(operations: readonly BatchOperation[], options: WriteOptions | undefined): void {
    this.#gate.checkWritable()
    const sync = isSync(options)
    this.#withRecord((record) => {
      encodeBatch(record, operations)
      this.#queue.writeSync(record, sync)
    })
  }

  writeBatch(record: RecordBuffer, options: WriteOptions | undefined): Promise<void> {
    this.#gate.checkWritable()
    return this.#accept(record, isSync(options))
  }

  writeBatchSync(record: RecordBuffer, options: WriteOptions | undefined): void {
    this.#gate.checkWritable()
    this.#queue.writeSync(record, isSync(options))
  }

  async putIfEquals(key: Key, value: Value, expected: Value | undefined, options: WriteOptions | undefined): Promise<boolean> {
    this.#gate.checkWritable()
    const record = new RecordBuffer()
    const decide = this.#putIfEquals(record, key, value, expected)
    return this.#decide(key, record, isSync(options), decide)
  }

  putIfEqualsSync(key: Key, value: Value, expected: Value | undefined, options: WriteOptions | undefined): boolean {
    this.#gate.checkWritable()
    return this.#withRecord((record) => this.#decideSync(record, isSync(options), this.#putIfEquals(record, key, value, expected)))
  }

  async increment(key: Key, by: bigint | number, options: WriteOptions | undefined): Promise<bigint> {
    this.#gate.checkWritable()
    const record = new RecordBuffer()
    return this.#decide(key, record, isSync(options), this.#increment(record, key, by))
  }

  incrementSync(key: Key, by: bigint | number, options: WriteOptions | undefined): bigint {
    this.#gate.checkWritable()
    return this.#withRecord((record) => this.#decideSync(record, isSync(options), this.#increment(record, key, by)))
  }

  async deleteRange(range: DeletedRange, options: WriteOptions | undefined): Promise<void> {
    this.#gate.checkWritable()
    const deletion = new RangeDeletion(this.#reads, this.#queue, checkedRange(range))
    await this.#queue.decide(new RecordBuffer(), isSync(options), deletion)
  }

  /**
   * Deletes the keys that a range holds when the writes called before are made, however many they are: in pieces of about `PIECE_BYTES`,
   * each of them atomic. A key that is put again while later pieces are to come may be deleted, too.
   */
  async clear(range: KeyRange, options: WriteOptions | undefined): Promise<void> {
    this.#gate.checkWritable()
    const sync = isSync(options)
    const deletion = new RangeDeletion(this.#reads, this.#queue, range, PIECE_BYTES)
    try {
      do await this.#queue.decide(new RecordBuffer(), sync, deletion)
      while (!deletion.isComplete)
    } finally {
      deletion.close()
    }
  }

  deleteRangeSync(range: DeletedRange, options: WriteOptions | undefined): void {
    this.#gate.checkWritable()
    const sync = isSync(options)
    const deletion = new RangeDeletion(this.#reads, this.#queue, checkedRange(range))
    this.#queue.settleSync()
    const record = new RecordBuffer()
    try {
      while (!deletion.decide(record));
    } finally {
      deletion.end()
    }
    this.#queue.writeSync(record, sync)
  }

  #accept(record: RecordBuffer, sync: boolean): Promise<void> {
    let filling = this.#queue.fillingRecord(sync)
    if (!filling.takes(record)) {
      this.#queue.settle()
      filling = this.#queue.fillingRecord(sync)
    }
    filling.take(record)
    return this.#queue.accepted()
  }

  /** `decide` reads the latest state and completes the record, once all before is written. */
  async #decide<T>(key: Key, record: RecordBuffer, sync: boolean, decide: () => T): Promise<T> {
    let result!: T
    // Once: a cache without room would lose the block again, and the decisive read may then as well block.
    const ready = this.#reads.load(key, this.#queue.lastSequence)
    // Whoever closes the store, or writes on the spot, goes past it without listening.
    ready?.catch(() => {})
    await this.#queue.decide(record, sync, {
      ready,
      decide: () => {
        result = decide()
        return true
      },
    })
    return result
  }

  #decideSync<T>(record: RecordBuffer, sync: boolean, decide: () => T): T {
    this.#queue.settleSync()
    const result = decide()
    this.#queue.writeSync(record, sync)
    return result
  }

  /** Encodes the write; what it gives takes it back unless the key holds `expected`, and tells whether it does. */
  #putIfEquals(record: RecordBuffer, key: Key, value: Value, expected: Value | undefined): () => boolean {
    record.put(key, value, VALUE_TYPE_ANY)
    const wanted = expected === undefined ? undefined : canonical(expected)
    const ownKey = encodeKey(key)
    return () => {
      const found = this.#reads.latest(ownKey, this.#queue.lastSequence, decodeValue)
      const equal = wanted === undefined ? found === undefined : found !== undefined && isDeepStrictEqual(found, wanted)
      if (!equal) record.reset()
      return equal
    }
  }

  #increment(record: RecordBuffer, key: Key, by: bigint | number): () => bigint {
    const step = typeof by === 'number' && Number.isSafeInteger(by) ? BigInt(by) : by
    if (typeof step !== 'bigint') {
      throw new StoreError('ERR_INVALID_VALUE', `increment takes a bigint or a safe integer, not ${String(by)}`)
    }
    const ownKey = encodeKey(key)
    return () => {
      const sum = (this.#reads.latest(ownKey, this.#queue.lastSequence, decodeInt64) ?? 0n) + step
      if (sum < INT64_MIN || sum > INT64_MAX) {
        throw new StoreError('ERR_INVALID_VALUE', `the sum ${sum} is outside the 64-bit range; the stored value is unchanged`)
      }
      record.put(ownKey, sum, TAG_INT64)
      return sum
    }
  }

  /** Gives `use` an empty record that nobody else has: neither does a call that user code makes meanwhile. */
  #withRecord<T>(use: (record: RecordBuffer) => T): T {
    const record = this.#spare ?? new RecordBuffer()
    this.#spare = undefined
    record.reset()
    try {
      return use(record)
    } finally {
      this.#spare = record
    }
  }
}

/** Fills records with a tombstone for each key of a range. */
class RangeDeletion implements Decision {
  readonly ready = undefined
  /** Whether every key has its tombstone in one of the records. */
  isComplete = false
  readonly #reads: Reads
  readonly #queue: CommitQueue
  readonly #range: KeyRange
  readonly #recordBytesMax: number
  #scan: Scan<Uint8Array, Uint8Array> | undefined

  constructor(reads: Reads, queue: CommitQueue, range: KeyRange, recordBytesMax = Infinity) {
    this.#reads = reads
    this.#queue = queue
    // Copies, and errors, at the call.
    this.#range = ownRange(range)
    this.#recordBytesMax = recordBytesMax
  }

  decide(record: RecordBuffer): boolean {
    this.#scan ??= this.#reads.scanLatest(this.#range, this.#queue.lastSequence)
    for (let i = 0; i < DELETES_PER_SLICE; i++) {
      const key = this.#scan.nextSync()
      if (key === undefined) {
        this.isComplete = true
        return true
      }
      record.delete(key)
    }
    return record.operationBytes >= this.#recordBytesMax
  }

  end(): void {
    if (this.#recordBytesMax === Infinity) this.close()
  }

  close(): void {
    this.#scan?.closeSync()
  }
}

/** The range with bounds of its own. */
function ownRange(range: KeyRange): KeyRange {
  const own: KeyRange = {}
  for (const name of ['gt', 'gte', 'lt', 'lte', 'prefix'] as const) {
    const bound = range[name]
    if (bound !== undefined) own[name] = encodeKey(bound)
  }
  return own
}

/** The range of `deleteRange`. A bound that is missing is no key: it must not mean "everything". */
function checkedRange(range: DeletedRange): KeyRange {
  return 'prefix' in range ? { prefix: encodeKey(range.prefix) } : { gte: encodeKey(range.gte), lt: encodeKey(range.lt) }
}

/** A value as it would come back from the store: `1n` as `1`, a view as a copy, without what encoding leaves out. */
function canonical(value: Value): Value {
  const encoded = Buffer.alloc(valueByteLengthMax(value))
  return decodeValue(encoded, 0, writeValue(encoded, 0, value))
}
