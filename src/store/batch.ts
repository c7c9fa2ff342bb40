/**
 * Batches: several writes that happen all or not at all.
 *
 * Invariant: the operations of a batch lie in one log record and take consecutive sequence numbers that become visible together.
 */
import type { Key } from '../codec/key.js'
import { TAG_BOOLEAN, TAG_BYTES, TAG_FLOAT64, TAG_INT64, TAG_RECORD, TAG_STRING, type RecordValue, type Value } from '../codec/value.js'
import { StoreError } from '../util/errors.js'
import { RecordBuffer } from './record_buffer.js'
import type { ValueType } from './typed_value.js'

/** One write of an array batch. */
export type BatchOperation = PutOperation | DeleteOperation

/** Sets a key, as `store.put` does. */
export interface PutOperation {
  /** What to do. */
  readonly type: 'put'
  /** The key to set. */
  readonly key: Key
  /** What to set it to; the stored type follows from it. */
  readonly value: Value
}

/** Deletes a key, as `store.delete` does. */
export interface DeleteOperation {
  /** What to do. */
  readonly type: 'delete'
  /** The key to delete. */
  readonly key: Key
}

/** Options of a write. */
export interface WriteOptions {
  /** Acknowledge only when the write is on disk, whatever `walSync` says. Default `false`. */
  sync?: boolean
}

/** Encodes an array batch. @throws StoreError when an operation is malformed; nothing is written then. */
export function encodeBatch(record: RecordBuffer, operations: readonly BatchOperation[]): void {
  if (!Array.isArray(operations)) throw new StoreError('ERR_INVALID_VALUE', 'a batch is an array of { type, key, value } operations')
  for (const operation of operations as readonly BatchOperation[]) {
    const type = (operation as { type?: unknown } | null | undefined)?.type
    if (type === 'put') record.put(operation.key, (operation as { value: Value }).value)
    else if (type === 'delete') record.delete(operation.key)
    else throw new StoreError('ERR_INVALID_VALUE', `a batch operation has type 'put' or 'delete', not ${String(type)}`)
  }
}

/** What a chained batch needs of its store. */
export interface BatchTarget {
  writeBatch(record: RecordBuffer, options: WriteOptions | undefined): Promise<void>
  writeBatchSync(record: RecordBuffer, options: WriteOptions | undefined): void
}

/**
 * A batch that is built call by call: `store.batch().put(a, 1).delete(b).write()`. Keys and values are encoded when they are given, so they
 * may be changed afterwards. A batch is written once; `ERR_NOT_OPEN` after that.
 */
export class Batch {
  readonly #target: BatchTarget
  #record: RecordBuffer | undefined = new RecordBuffer()

  /** @internal */
  constructor(target: BatchTarget) {
    this.#target = target
  }

  /** Number of operations. */
  get length(): number {
    return this.#record?.operationCount ?? 0
  }

  /** Sets `key` to `value`; the stored type follows from the value. */
  put(key: Key, value: Value): this {
    this.#open().put(key, value)
    return this
  }

  /** Sets `key` to a string. */
  putString(key: Key, value: string): this {
    return this.#putTyped(key, value, TAG_STRING)
  }

  /** Sets `key` to a 64-bit integer. */
  putInt64(key: Key, value: bigint | number): this {
    return this.#putTyped(key, value, TAG_INT64)
  }

  /** Sets `key` to a 64-bit float. */
  putFloat64(key: Key, value: number): this {
    return this.#putTyped(key, value, TAG_FLOAT64)
  }

  /** Sets `key` to a boolean. */
  putBool(key: Key, value: boolean): this {
    return this.#putTyped(key, value, TAG_BOOLEAN)
  }

  /** Sets `key` to bytes. */
  putBytes(key: Key, value: Uint8Array): this {
    return this.#putTyped(key, value, TAG_BYTES)
  }

  /** Sets `key` to a record. */
  putRecord(key: Key, value: RecordValue): this {
    return this.#putTyped(key, value, TAG_RECORD)
  }

  /** Deletes `key`; nothing happens when it is not there. */
  delete(key: Key): this {
    this.#open().delete(key)
    return this
  }

  /** Forgets the operations given so far. */
  clear(): this {
    this.#open().reset()
    return this
  }

  /** Writes the batch. The promise resolves when it is acknowledged. */
  async write(options?: WriteOptions): Promise<void> {
    const record = this.#open()
    this.#record = undefined
    return this.#target.writeBatch(record, options)
  }

  /** As `write`, on the spot. */
  writeSync(options?: WriteOptions): void {
    const record = this.#open()
    this.#record = undefined
    this.#target.writeBatchSync(record, options)
  }

  /** Drops the batch unwritten. */
  close(): void {
    this.#record = undefined
  }

  /** As `close`. */
  [Symbol.dispose](): void {
    this.close()
  }

  #putTyped(key: Key, value: unknown, type: ValueType): this {
    this.#open().put(key, value, type)
    return this
  }

  #open(): RecordBuffer {
    if (this.#record === undefined) {
      throw new StoreError('ERR_NOT_OPEN', 'this batch was written or closed: begin a new one with store.batch()')
    }
    return this.#record
  }
}
