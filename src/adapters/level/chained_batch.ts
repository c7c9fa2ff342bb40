/** Batches that are built call by call. Keys and values are encoded into the record of the log at each call. */
import { AbstractChainedBatch } from 'abstract-level'
import type { Key, WriteOptions } from '../../index.js'
import { Batch } from '../../store/batch.js'
import type { Engine } from '../../store/engine.js'
import { rethrow, toLevelError } from './errors.js'
import { type LevelBatchWriteOptions, onlySync } from './options.js'

/** `AbstractChainedBatch`, with the options that its `write` takes here. */
interface BatchMethods<D, K, V> extends AbstractChainedBatch<D, K, V> {
  /** Commits the batch: all of it or nothing. */
  write(options?: LevelBatchWriteOptions): Promise<void>
}

const AbstractBatch = AbstractChainedBatch as unknown as new <D, K, V>(db: D) => BatchMethods<D, K, V>

/** A chained batch over a batch of the store. */
export class LevelChainedBatch<D, K, V> extends AbstractBatch<D, K, V> {
  readonly #batch: Batch

  /** @internal */
  constructor(db: D, engine: Engine) {
    super(db)
    this.#batch = new Batch(engine.writes)
  }

  /** Adds a put. @internal */
  _put(key: Key, value: string | Uint8Array): void {
    try {
      if (typeof value === 'string') this.#batch.putString(key, value)
      else this.#batch.putBytes(key, value)
    } catch (error) {
      throw toLevelError(error)
    }
  }

  /** Adds a deletion. @internal */
  _del(key: Key): void {
    try {
      this.#batch.delete(key)
    } catch (error) {
      throw toLevelError(error)
    }
  }

  /** Empties it. @internal */
  _clear(): void {
    this.#batch.clear()
  }

  /** Writes it. @internal */
  _write(options: WriteOptions): Promise<void> {
    return this.#batch.write(onlySync(options)).catch(rethrow)
  }

  /** Drops it. @internal */
  _close(): void {
    this.#batch.close()
  }
}
