/**
 * Walks through a whole table, from its first entry to its last, and holds everything in it against everything else.
 *
 * What readers rely on without looking is looked at here:
 *
 * 1. Entries are ordered by key ascending, then sequence descending, and no two are equal; within blocks and from block to block.
 * 2. The index leads to the block of each entry.
 * 3. The filter knows each key.
 * 4. Counts, bytes, bounds and the range of sequences are those of the properties block; opening the table has compared that block with
 *    the manifest.
 *
 * Checksums, lengths and the structure of blocks are checked as by every reader. Memory: index and filter, and one batch of blocks.
 */
import { compareBytes } from '../codec/bytes.js'
import { hashKey } from '../codec/hash.js'
import { EXHAUSTED, MOVED, type MoveStatus, NEEDS_IO } from '../codec/internal_iterator.js'
import { KIND_DELETE } from '../codec/internal_key.js'
import { BlockCursor } from '../sstable/block_cursor.js'
import { findStructuralDefect } from '../sstable/data_block.js'
import { type BlockSource, openBlock } from '../sstable/format.js'
import type { TableProperties } from '../sstable/properties.js'
import type { TableMeta } from '../sstable/table_meta.js'
import { allocateTail, parseTail, type TableTail } from '../sstable/table_tail.js'
import { corruption, type StoreError } from '../util/errors.js'
import { step, type Task } from '../util/task.js'
import { closeQuietly, readFully, readFullySync } from '../vfs/io.js'
import type { Vfs, VfsFile } from '../vfs/vfs.js'

/** Blocks are read together up to this length. */
const BATCH_BYTES = 256 * 1024

const NOTHING = Buffer.alloc(0)

/** A table that is being walked through. */
export class TableWalk extends BlockCursor {
  readonly meta: TableMeta
  /** Bytes of the file read so far. */
  bytesRead = 0
  private readonly file: VfsFile
  private readonly source: BlockSource
  private readonly tail: TableTail
  private blockIndex = -1
  private batch: Buffer = NOTHING
  /** The blocks of `batch` are those from `batchStart` up to, not including, `batchEnd`. */
  private batchStart = 0
  private batchEnd = 0
  private entriesSeen = 0
  private deletionsSeen = 0
  private keysSeen = 0
  private keyBytesSeen = 0
  private valueBytesSeen = 0
  private leastSequence = Infinity
  private greatestSequence = 0
  private rawBlockBytesSeen = 0

  private constructor(file: VfsFile, meta: TableMeta, tail: TableTail) {
    super()
    this.file = file
    this.meta = meta
    this.source = { path: file.path, fileNumber: meta.fileNumber }
    this.tail = tail
  }

  /**
   * Opens a table and checks its tail.
   *
   * @throws StoreError `ERR_CORRUPTION`, `ERR_FORMAT_VERSION`, `ERR_IO` (also when the file is missing)
   */
  static *open(vfs: Vfs, path: string, meta: TableMeta): Task<TableWalk> {
    const file = vfs.openSync(path, 'read')
    let walk: TableWalk | undefined
    try {
      const tail = allocateTail(file, meta)
      const bytesRead = yield* read(file, tail, meta.tailOffset)
      walk = new TableWalk(file, meta, parseTail(tail, bytesRead, meta, path))
      walk.bytesRead = bytesRead
      return walk
    } finally {
      // Not `catch`, which is passed over when the task is ended while it reads.
      if (walk === undefined) closeQuietly(file)
    }
  }

  /** What the table says of itself. */
  get properties(): TableProperties {
    return this.tail.properties
  }

  /**
   * Moves to the next entry. `NEEDS_IO`: call `load`, and then this again. `EXHAUSTED`: the table is whole. What `data` was before stays
   * as it is for as long as somebody holds it.
   *
   * @throws StoreError `ERR_CORRUPTION`, `ERR_CODEC_UNAVAILABLE`
   */
  next(): MoveStatus {
    const { data, keyStart, keyEnd, sequence } = this
    if (this.entry + 1 < this.entryCount) {
      this.moveTo(this.entry + 1)
    } else {
      const index = this.blockIndex + 1
      if (index === this.tail.index.count) {
        this.checkEnd()
        return EXHAUSTED
      }
      if (index < this.batchStart || index >= this.batchEnd) return NEEDS_IO
      this.checkPlace()
      const block = this.blockOf(index)
      this.blockIndex = index
      this.rawBlockBytesSeen = Math.max(this.rawBlockBytesSeen, block.length)
      this.enter(block, 0)
      this.checkPlace()
    }
    this.takeEntry(data, keyStart, keyEnd, sequence)
    return MOVED
  }

  /** Reads the blocks that follow. */
  *load(): Task<void> {
    const { offsets, count } = this.tail.index
    const start = this.blockIndex + 1
    let end = start + 1
    while (end < count && offsets[end + 1]! - offsets[start]! <= BATCH_BYTES) end++
    const offset = offsets[start]!
    // Never used again: whoever looks at an earlier entry still holds the batch before.
    const batch = Buffer.allocUnsafeSlow(offsets[end]! - offset)
    const bytesRead = yield* read(this.file, batch, offset)
    this.bytesRead += bytesRead
    if (bytesRead !== batch.length) throw corruption('the table ends early', this.source.path, offset + bytesRead)
    this.batch = batch
    this.batchStart = start
    this.batchEnd = end
  }

  /** Closes the file. */
  close(): void {
    closeQuietly(this.file)
  }

  private blockOf(index: number): Buffer {
    const { offsets } = this.tail.index
    const base = offsets[this.batchStart]!
    const offset = offsets[index]!
    const { source, batch, tail } = this
    const block = openBlock(source, batch, offset - base, offsets[index + 1]! - base, offset, tail.rawBlockBytesMax, true)
    const defect = findStructuralDefect(block)
    if (defect !== undefined) throw corruption(defect, source.path, offset)
    return block
  }

  /** Whether the index leads to the entry. As it is in order itself, it is enough to ask for the first and the last entry of a block. */
  private checkPlace(): void {
    if (this.blockIndex < 0) return
    if (this.tail.index.find(this.data, this.keyStart, this.keyEnd, this.sequence) !== this.blockIndex) {
      throw this.damage(`the index does not lead to the ${this.entry === 0 ? 'first' : 'last'} entry of a block`)
    }
  }

  private takeEntry(before: Buffer, beforeStart: number, beforeEnd: number, beforeSequence: number): void {
    const { data, keyStart, keyEnd, sequence } = this
    const order = this.entriesSeen === 0 ? -1 : compareBytes(before, beforeStart, beforeEnd, data, keyStart, keyEnd)
    if (order > 0) throw this.damage('the keys of the table are not in order')
    if (order === 0 && sequence >= beforeSequence) throw this.damage('the versions of a key are not in order')
    if (this.entriesSeen === 0) this.checkBound('smallestKey')
    if (order < 0) {
      this.keysSeen++
      const { filter } = this.tail
      if (filter !== undefined && !filter.mayContain(hashKey(data, keyStart, keyEnd))) {
        throw this.damage(`the filter lacks the key ${printableKey(data, keyStart, keyEnd)}`)
      }
    }
    this.entriesSeen++
    if (this.kind === KIND_DELETE) this.deletionsSeen++
    this.keyBytesSeen += keyEnd - keyStart
    this.valueBytesSeen += this.valueEnd - this.valueStart
    if (sequence < this.leastSequence) this.leastSequence = sequence
    if (sequence > this.greatestSequence) this.greatestSequence = sequence
  }

  private checkEnd(): void {
    this.checkPlace()
    this.checkBound('largestKey')
    const found = {
      entryCount: this.entriesSeen,
      deletionCount: this.deletionsSeen,
      keyCount: this.keysSeen,
      rawKeyBytes: this.keyBytesSeen,
      rawValueBytes: this.valueBytesSeen,
      smallestSequence: this.leastSequence,
      largestSequence: this.greatestSequence,
      rawBlockBytesMax: this.rawBlockBytesSeen,
    }
    for (const [name, value] of Object.entries(found)) {
      const stated = this.properties[name as keyof typeof found]
      if (stated !== value) {
        throw corruption(`the table states a ${name} of ${stated}, and it is ${value}`, this.source.path, this.meta.tailOffset)
      }
    }
  }

  private checkBound(name: 'smallestKey' | 'largestKey'): void {
    const bound = this.properties[name]
    if (compareBytes(bound, 0, bound.length, this.data, this.keyStart, this.keyEnd) === 0) return
    const [stated, found] = [printableKey(bound, 0, bound.length), printableKey(this.data, this.keyStart, this.keyEnd)]
    throw this.damage(`the table states a ${name} of ${stated}, and it is ${found}`)
  }

  private damage(problem: string): StoreError {
    return corruption(problem, this.source.path, this.tail.index.offsets[this.blockIndex])
  }
}

/** Walks through a table to its end. @throws StoreError when it is not whole, or cannot be read */
export function* walkTable(vfs: Vfs, path: string, meta: TableMeta): Task<void> {
  const walk = yield* TableWalk.open(vfs, path, meta)
  try {
    for (let status = walk.next(); status !== EXHAUSTED; status = walk.next()) if (status === NEEDS_IO) yield* walk.load()
  } finally {
    walk.close()
  }
}

/** A key for messages: as text where it is printable, and not longer than a line can hold. */
export function printableKey(source: Uint8Array, start: number, end: number): string {
  const shown = Buffer.from(source.subarray(start, Math.min(end, start + 40)))
  const isText = shown.every((byte) => byte >= 0x20 && byte < 0x7f)
  return `${isText ? `'${shown.toString('latin1')}'` : `0x${shown.toString('hex')}`}${end - start > 40 ? '…' : ''}`
}

/** Fills `target` from `position` on; returns how many bytes there were. */
export function* read(file: VfsFile, target: Buffer, position: number): Task<number> {
  return yield* step({
    runSync: () => readFullySync(file, target, 0, target.length, position),
    run: () => readFully(file, target, 0, target.length, position),
  })
}
