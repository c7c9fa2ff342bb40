/**
 * All that writes: encodes operations, hands them to the commit queue, and decides the conditional ones.
 *
 * A conditional write (`putIfEquals`, `increment`) first brings everything issued before it into the memtable, reads the latest state,
 * acknowledged or not, and adds its own write, all without leaving the stack: nothing can come between. Where the key may lie on disk the
 * promise forms load it beforehand, so that the decisive read finds it in memory.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Key } from '../codec/key.js'
import { TAG_INT64, type Value, decodeInt64, decodeValue, valueByteLengthMax, writeValue } from '../codec/value.js'
import { StoreError } from '../util/errors.js'
import { PAUSE, type Task, runTaskSync } from '../util/task.js'
import { type BatchOperation, type BatchTarget, type WriteOptions, encodeBatch } from './batch.js'
import type { CommitQueue } from './commit_queue.js'
import type { Reads } from './reads.js'
import { RecordBuffer } from './record_buffer.js'
import type { KeyRange } from './scan.js'
import { VALUE_TYPE_ANY, type ValueType } from './typed_value.js'

const INT64_MIN = -(2n ** 63n)
const INT64_MAX = 2n ** 63n - 1n

/** Tombstones written between two pauses of `deleteRange`. */
const DELETES_PER_PAUSE = 512

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
  readonly #batchRecord = new RecordBuffer()

  constructor(gate: WriteGate, queue: CommitQueue, reads: Reads) {
    this.#gate = gate
    this.#queue = queue
    this.#reads = reads
  }

  /** Hot: an awaited put costs this, one log write and one memtable insert. Guarded by `bench/micro/store.ts`. */
  put(key: Key, value: unknown, type: ValueType, options: WriteOptions | undefined): Promise<void> {
    try {
      this.#gate.checkWritable()
      this.#queue.fillingRecord(options !== undefined && isSync(options)).put(key, value, type)
    } catch (error) {
      return Promise.reject(error)
    }
    return this.#queue.accepted()
  }

  putSync(key: Key, value: unknown, type: ValueType, options: WriteOptions | undefined): void {
    this.#gate.checkWritable()
    const record = this.#queue.syncRecord()
    record.put(key, value, type)
    this.#queue.writeSync(record, isSync(options))
  }

  delete(key: Key, options: WriteOptions | undefined): Promise<void> {
    try {
      this.#gate.checkWritable()
      this.#queue.fillingRecord(isSync(options)).delete(key)
    } catch (error) {
      return Promise.reject(error)
    }
    return this.#queue.accepted()
  }

  deleteSync(key: Key, options: WriteOptions | undefined): void {
    this.#gate.checkWritable()
    const record = this.#queue.syncRecord()
    record.delete(key)
    this.#queue.writeSync(record, isSync(options))
  }

  batch(operations: readonly BatchOperation[], options: WriteOptions | undefined): Promise<void> {
    // Encoded apart first, so that a malformed operation leaves nothing of the batch behind.
    const record = this.#batchRecord
    record.reset()
    try {
      this.#gate.checkWritable()
      encodeBatch(record, operations)
      return this.#accept(record, isSync(options))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  batchSync(operations: readonly BatchOperation[], options: WriteOptions | undefined): void {
    this.#gate.checkWritable()
    const record = this.#queue.syncRecord()
    encodeBatch(record, operations)
    this.#queue.writeSync(record, isSync(options))
  }

  writeBatch(record: RecordBuffer, options: WriteOptions | undefined): Promise<void> {
    this.#gate.checkWritable()
    return this.#accept(record, isSync(options))
  }

  writeBatchSync(record: RecordBuffer, options: WriteOptions | undefined): void {
    this.#gate.checkWritable()
    this.#queue.writeSync(record, isSync(options))
  }

  putIfEquals(key: Key, value: Value, expected: Value | undefined, options: WriteOptions | undefined): Promise<boolean> {
    return this.#decide(key, options, (record) => this.#putIfEquals(record, key, value, expected))
  }

  putIfEqualsSync(key: Key, value: Value, expected: Value | undefined, options: WriteOptions | undefined): boolean {
    return this.#decideSync(options, (record) => this.#putIfEquals(record, key, value, expected))
  }

  increment(key: Key, by: bigint | number, options: WriteOptions | undefined): Promise<bigint> {
    return this.#decide(key, options, (record) => this.#increment(record, key, by))
  }

  incrementSync(key: Key, by: bigint | number, options: WriteOptions | undefined): bigint {
    return this.#decideSync(options, (record) => this.#increment(record, key, by))
  }

  async deleteRange(range: KeyRange, options: WriteOptions | undefined): Promise<void> {
    this.#gate.checkWritable()
    const sync = isSync(options)
    let acknowledged: Promise<void> | undefined
    await this.#queue.runExclusive(
      this.#collectDeletes(range, (record) => {
        acknowledged = this.#queue.writeExclusive(record, sync)
      }),
    )
    await acknowledged
  }

  deleteRangeSync(range: KeyRange, options: WriteOptions | undefined): void {
    this.#gate.checkWritable()
    this.#queue.settleSync()
    runTaskSync(this.#collectDeletes(range, (record) => this.#queue.writeSync(record, isSync(options))))
  }

  #accept(record: RecordBuffer, sync: boolean): Promise<void> {
    let filling = this.#queue.fillingRecord(sync)
    if (!filling.takes(record)) {
      this.#queue.settle()
      filling = this.#queue.fillingRecord(sync)
    }
    filling.absorb(record)
    return this.#queue.accepted()
  }

  /**
   * Runs `decide` when everything issued before is in the memtable; it reads the latest state and encodes what is to be written, if
   * anything.
   */
  async #decide<T>(key: Key, options: WriteOptions | undefined, decide: (record: RecordBuffer) => T): Promise<T> {
    this.#gate.checkWritable()
    const sync = isSync(options)
    // Once: a cache without room would lose the block again, and the decisive read may then as well block.
    const loading = this.#reads.load(key, this.#queue.lastSequence)
    if (loading !== undefined) {
      await loading
      this.#gate.checkWritable()
    }
    while (!this.#queue.settle()) await this.#queue.whenSettled()
    const record = new RecordBuffer()
    const result = decide(record)
    if (record.operationCount > 0) await this.#accept(record, sync)
    return result
  }

  #decideSync<T>(options: WriteOptions | undefined, decide: (record: RecordBuffer) => T): T {
    this.#gate.checkWritable()
    this.#queue.settleSync()
    const record = this.#queue.syncRecord()
    const result = decide(record)
    if (record.operationCount > 0) this.#queue.writeSync(record, isSync(options))
    return result
  }

  #putIfEquals(record: RecordBuffer, key: Key, value: Value, expected: Value | undefined): boolean {
    const found = this.#reads.latest(key, this.#queue.lastSequence, decodeValue)
    // Encoded in any case: a value that cannot be stored is an error whether or not it would have been.
    record.put(key, value, VALUE_TYPE_ANY)
    const equal = expected === undefined ? found === undefined : found !== undefined && isDeepStrictEqual(found, canonical(expected))
    if (!equal) record.reset()
    return equal
  }

  #increment(record: RecordBuffer, key: Key, by: bigint | number): bigint {
    const step = typeof by === 'number' && Number.isSafeInteger(by) ? BigInt(by) : by
    if (typeof step !== 'bigint') {
      throw new StoreError('ERR_INVALID_VALUE', `increment takes a bigint or a safe integer, not ${String(by)}`)
    }
    const sum = (this.#reads.latest(key, this.#queue.lastSequence, decodeInt64) ?? 0n) + step
    if (sum < INT64_MIN || sum > INT64_MAX) {
      throw new StoreError('ERR_INVALID_VALUE', `the sum ${sum} is outside the 64-bit range; the stored value is unchanged`)
    }
    record.put(key, sum, TAG_INT64)
    return sum
  }

  *#collectDeletes(range: KeyRange, write: (record: RecordBuffer) => void): Task<void> {
    const record = new RecordBuffer()
    const scan = this.#reads.scanLatest(range, this.#queue.lastSequence)
    try {
      for (let key = scan.nextSync(); key !== undefined; key = scan.nextSync()) {
        record.delete(key)
        if (record.operationCount % DELETES_PER_PAUSE === 0) yield PAUSE
      }
    } finally {
      scan.closeSync()
    }
    if (record.operationCount > 0) write(record)
  }
}

/** A value as it would come back from the store: `1n` as `1`, a view as a copy, without what encoding leaves out. */
function canonical(value: Value): Value {
  const encoded = Buffer.alloc(valueByteLengthMax(value))
  return decodeValue(encoded, 0, writeValue(encoded, 0, value))
}

function isSync(options: WriteOptions | undefined): boolean {
  if (options === undefined) return false
  const { sync } = options
  if (sync !== undefined && typeof sync !== 'boolean') {
    throw new StoreError('ERR_INVALID_OPTION', `option 'sync' must be true or false, not ${String(sync)}`)
  }
  return sync === true
}
