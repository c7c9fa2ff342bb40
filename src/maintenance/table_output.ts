/**
 * Tables that a repair writes: entries in order in, tables of a bounded size out.
 */
import { tableFileName } from '../sstable/format.js'
import { TableBuilder } from '../sstable/table_builder.js'
import type { TableMeta } from '../sstable/table_meta.js'
import { StoreError } from '../util/errors.js'
import type { Task } from '../util/task.js'
import { joinPath } from '../vfs/io.js'
import type { Vfs } from '../vfs/vfs.js'
import type { EntryFields, EntrySink } from './version_check.js'

/** A table is ended at the next key when it has so many bytes. */
const TABLE_BYTES = 8 * 1024 * 1024

/** How tables of a repair are written: as a store does by default. */
const OPTIONS = { blockSize: 8 * 1024, codec: 'snappy', compressionLevel: 1, bloomFalsePositiveRate: 0.01 } as const

/** Collects entries into tables. */
export class TableOutput implements EntrySink {
  /** Entries written. */
  entryCount = 0
  readonly #vfs: Vfs
  readonly #dir: string
  readonly #allocateNumber: () => number
  readonly #finished: TableMeta[] = []
  #builder: TableBuilder | undefined

  constructor(vfs: Vfs, dir: string, allocateNumber: () => number) {
    this.#vfs = vfs
    this.#dir = dir
    this.#allocateNumber = allocateNumber
  }

  isDue(): boolean {
    return this.#builder !== undefined && this.#builder.estimatedFileBytes() >= TABLE_BYTES
  }

  *pause(): Task<void> {
    if (this.#builder === undefined) return
    this.#finished.push(yield* this.#builder.finish())
    this.#builder = undefined
  }

  add({ data, keyStart, keyEnd, sequence, kind, valueStart, valueEnd }: EntryFields): void {
    this.#builder ??= this.#begin()
    this.#builder.add(data, keyStart, keyEnd, sequence, kind, valueStart, valueEnd)
    this.entryCount++
  }

  /** Completes the last table, and gives all of them. Their names are not durable yet. */
  *finish(): Task<TableMeta[]> {
    yield* this.pause()
    return this.#finished
  }

  /** Deletes everything, as far as that goes: an opening deletes the rest. */
  discard(): void {
    const remove = (action: () => void): void => {
      try {
        action()
      } catch (error) {
        if (!(error instanceof StoreError)) throw error
      }
    }
    remove(() => this.#builder?.abandon())
    for (const { fileNumber } of this.#finished) remove(() => this.#vfs.unlinkSync(joinPath(this.#dir, tableFileName(fileNumber))))
  }

  #begin(): TableBuilder {
    const fileNumber = this.#allocateNumber()
    return new TableBuilder(this.#vfs, joinPath(this.#dir, tableFileName(fileNumber)), fileNumber, OPTIONS)
  }
}
