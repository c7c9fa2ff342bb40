/**
 * Writes a table: entries in order in, a file and its {@link TableMeta} out.
 *
 * 1. Entries collect in a raw data block.
 * 2. When the next entry would make the block longer than `blockSize`, the block is compressed, framed and put into the write buffer, and a
 *    separator between its last key and the next one goes into the index.
 * 3. `finish` writes the tail (filter, properties, index, footer), makes the file durable and closes it.
 *
 * Memory is bounded, whatever the length of the table: one raw block, its compressed form, the write buffer, the index, and 4 bytes per
 * key for the filter. It is used again by later builders (`builder_memory.ts`).
 *
 * Invariants
 * 1. Entries come by user key ascending, then by sequence descending, no two equal. This is asserted for each.
 * 2. Equal entries and options give equal files, byte for byte.
 * 3. A table that is finished is durable, but for its name: the caller syncs the folder.
 */
import { compareBytes, shortestSeparator } from '../codec/bytes.js'
import { CODEC_NONE, type Codec, type CompressionName, codecForWriting } from '../codec/compression.js'
import { hashKey } from '../codec/hash.js'
import { KEY_BYTES_MAX, KIND_DELETE, KIND_MAX, VALUE_BYTES_MAX } from '../codec/internal_key.js'
import { assert } from '../util/assert.js'
import { type Task, step } from '../util/task.js'
import { closeQuietly, syncStep, writeFullySync } from '../vfs/io.js'
import type { Vfs, VfsFile } from '../vfs/vfs.js'
import type { BlockIndexBuilder } from './block_index.js'
import type { BloomFilterBuilder } from './bloom_filter.js'
import { type BuilderMemory, WRITE_BUFFER_BYTES, giveBuilderMemory, takeBuilderMemory } from './builder_memory.js'
import type { DataBlockBuilder } from './data_block_builder.js'
import { type BlockHandle, FOOTER_BYTES, writeFooter } from './footer.js'
import { BLOCK_SIZE_MAX, BLOCK_SIZE_MIN, BLOCK_TRAILER_BYTES, blockSeed, sealBlock } from './format.js'
import { encodeProperties } from './properties.js'
import type { TableMeta } from './table_meta.js'

/** How a table is written. */
export interface TableBuilderOptions {
  /** Target for the raw bytes of a data block: 64 B to 1 MiB. A block holds at least one entry, however large. */
  readonly blockSize: number
  /** Codec of data blocks. Where its package is absent, blocks are stored raw. */
  readonly codec: CompressionName
  readonly compressionLevel: number
  /** Wanted false-positive rate of the filter; 0 = no filter. */
  readonly bloomFalsePositiveRate: number
}

/** Builds one table. */
export class TableBuilder {
  /** Entries added so far. */
  entryCount = 0
  private readonly vfs: Vfs
  private readonly path: string
  private readonly fileNumber: number
  private readonly options: TableBuilderOptions
  private readonly codec: Codec | undefined
  /** Goes to another builder when the table is finished or abandoned; the four below are its parts. */
  private memory: BuilderMemory | undefined
  private readonly block: DataBlockBuilder
  private readonly index: BlockIndexBuilder
  private readonly filter: BloomFilterBuilder | undefined
  private readonly writeBuffer: Buffer
  private file: VfsFile | undefined = undefined
  private state: 'open' | 'finished' | 'abandoned' = 'open'
  private bufferedBytes = 0
  private writtenBytes = 0
  private rawBytes = 0
  private rawBlockBytesMax = 0
  private lastSequence = 0
  private deletionCount = 0
  private keyCount = 0
  private rawKeyBytes = 0
  private rawValueBytes = 0
  private smallestKey: Uint8Array = new Uint8Array(0)
  private smallestSequence = Number.MAX_SAFE_INTEGER
  private largestSequence = 0

  /** The file is created when the first bytes are written. */
  constructor(vfs: Vfs, path: string, fileNumber: number, options: TableBuilderOptions) {
    assert(options.blockSize >= BLOCK_SIZE_MIN && options.blockSize <= BLOCK_SIZE_MAX, 'a block size is 64 B to 1 MiB')
    this.vfs = vfs
    this.path = path
    this.fileNumber = fileNumber
    this.options = options
    this.codec = options.codec === 'none' ? undefined : codecForWriting(options.codec)
    const memory = takeBuilderMemory(options.blockSize, options.bloomFalsePositiveRate)
    this.memory = memory
    this.block = memory.block
    this.index = memory.index
    this.filter = memory.filter
    this.writeBuffer = memory.writeBuffer
  }

  /**
   * Adds an entry that comes after all others.
   *
   * Hot: about 0.3 µs for a 16-byte key and a 100-byte value, block and filter included, compression not; `build` in
   * `bench/micro/sstable.ts` guards it.
   */
  add(data: Uint8Array, keyStart: number, keyEnd: number, sequence: number, kind: number, valueStart: number, valueEnd: number): void {
    const { block } = this
    const keyLength = keyEnd - keyStart
    const valueLength = valueEnd - valueStart
    assert(this.state === 'open', 'entries are added before a table is finished')
    assert(
      keyLength >= 0 && keyLength <= KEY_BYTES_MAX && valueLength >= 0 && valueLength <= VALUE_BYTES_MAX,
      'an entry keeps to the limits',
    )
    assert(kind >= 0 && kind <= KIND_MAX && sequence >= 0 && sequence <= Number.MAX_SAFE_INTEGER, 'an entry has a kind and a sequence')
    const isFirst = this.entryCount === 0
    const order = isFirst ? -1 : compareBytes(block.buffer, block.lastKeyStart, block.lastKeyEnd, data, keyStart, keyEnd)
    assert(order < 0 || (order === 0 && sequence < this.lastSequence), 'entries are added in order')
    if (isFirst) this.smallestKey = new Uint8Array(data.subarray(keyStart, keyEnd))
    if (block.entryCount > 0 && block.rawBytesWith(keyLength, valueLength) > this.options.blockSize) {
      const lastKey = block.buffer.subarray(block.lastKeyStart, block.lastKeyEnd)
      const frameLength = this.writeDataBlock()
      if (order === 0) this.index.add(lastKey, this.lastSequence, frameLength)
      else this.index.add(shortestSeparator(lastKey, data.subarray(keyStart, keyEnd)), 0, frameLength)
      block.reset()
    }
    block.add(data, keyStart, keyEnd, sequence, kind, valueStart, valueEnd)
    if (order < 0) {
      this.keyCount++
      if (this.filter !== undefined) this.filter.add(hashKey(data, keyStart, keyEnd))
    }
    if (kind === KIND_DELETE) this.deletionCount++
    if (sequence < this.smallestSequence) this.smallestSequence = sequence
    if (sequence > this.largestSequence) this.largestSequence = sequence
    this.lastSequence = sequence
    this.rawKeyBytes += keyLength
    this.rawValueBytes += valueLength
    this.entryCount++
  }

  /** About how long the file would be if it were finished now. */
  estimatedFileBytes(): number {
    const dataBytes = this.writtenBytes + this.bufferedBytes
    const ratio = this.rawBytes === 0 ? 1 : dataBytes / this.rawBytes
    const tailBytes = this.index.usedBytes + (this.filter?.estimatedBytes ?? 0) + 256 + FOOTER_BYTES
    return dataBytes + Math.ceil(this.block.usedBytes * ratio) + tailBytes
  }

  /** Completes the table and makes it durable. When it fails, `abandon` is to be called. */
  *finish(): Task<TableMeta> {
    assert(this.state === 'open' && this.entryCount > 0, 'a table with entries is finished once')
    const { block } = this
    const largestKey = new Uint8Array(block.buffer.subarray(block.lastKeyStart, block.lastKeyEnd))
    this.index.add(largestKey, 0, this.writeDataBlock())
    const tailOffset = this.offset()
    const { entryCount, deletionCount, keyCount, rawKeyBytes, rawValueBytes, smallestSequence, largestSequence, smallestKey } = this
    const counts = { entryCount, deletionCount, keyCount, rawKeyBytes, rawValueBytes }
    const shared = { ...counts, smallestKey, largestKey, smallestSequence, largestSequence }
    const { rawBlockBytesMax } = this
    const properties = { ...shared, rawBlockBytesMax, blockCount: this.index.blockCount }
    yield* this.writeTail(tailOffset, encodeProperties(properties))
    const fileBytes = this.offset()
    this.flushBuffer()
    const file = this.openFile()
    yield* step(syncStep(file))
    closeQuietly(file)
    this.state = 'finished'
    this.giveMemory()
    return { fileNumber: this.fileNumber, fileBytes, tailOffset, ...shared }
  }

  /** Closes and deletes the file, at whatever stage; the table is not wanted any more. */
  abandon(): void {
    if (this.state === 'abandoned') return
    this.state = 'abandoned'
    this.giveMemory()
    if (this.file === undefined) return
    closeQuietly(this.file)
    this.vfs.unlinkSync(this.path)
  }

  private giveMemory(): void {
    if (this.memory !== undefined) giveBuilderMemory(this.memory)
    this.memory = undefined
  }

  private offset(): number {
    return this.writtenBytes + this.bufferedBytes
  }

  /** Compresses and frames the data block; returns the length of the frame. */
  private writeDataBlock(): number {
    const { block, codec } = this
    const rawLength = block.finish(BLOCK_TRAILER_BYTES)
    if (rawLength > this.rawBlockBytesMax) this.rawBlockBytesMax = rawLength
    this.rawBytes += rawLength
    const raw = block.buffer.subarray(0, rawLength)
    if (codec !== undefined) {
      // What `compress` gives is borrowed: no file system may be called before it has been copied.
      if (this.bufferedBytes + rawLength + BLOCK_TRAILER_BYTES > WRITE_BUFFER_BYTES) this.flushBuffer()
      const compressed = codec.compress(raw, this.options.compressionLevel)
      // At least 12.5 % must be saved: less is not worth the time to decompress it at each read.
      if (compressed.length <= rawLength - (rawLength >>> 3)) return this.writeFrame(compressed, rawLength, codec.id)
    }
    return this.writeFrame(raw, rawLength, CODEC_NONE)
  }

  private *writeTail(tailOffset: number, propertiesPayload: Buffer): Task<void> {
    let filter: BlockHandle = { offset: tailOffset, length: 0 }
    if (this.filter !== undefined) {
      const { buffer, length } = yield* this.filter.finish(BLOCK_TRAILER_BYTES)
      filter = { offset: tailOffset, length: this.writeFrame(buffer.subarray(0, length), length, CODEC_NONE) }
    }
    const properties = { offset: this.offset(), length: this.writeFrame(propertiesPayload, propertiesPayload.length, CODEC_NONE) }
    const indexPayload = this.index.finish()
    const index = { offset: this.offset(), length: this.writeFrame(indexPayload, indexPayload.length, CODEC_NONE) }
    if (this.bufferedBytes + FOOTER_BYTES > WRITE_BUFFER_BYTES) this.flushBuffer()
    writeFooter(this.writeBuffer, this.bufferedBytes, { fileNumber: this.fileNumber, filter, properties, index })
    this.bufferedBytes += FOOTER_BYTES
  }

  /** Puts a frame into the write buffer, or writes it at once when it is longer than that. */
  private writeFrame(payload: Uint8Array, rawLength: number, codecId: number): number {
    const length = payload.length + BLOCK_TRAILER_BYTES
    const seed = blockSeed(this.fileNumber, this.offset())
    if (this.bufferedBytes + length > WRITE_BUFFER_BYTES) this.flushBuffer()
    if (length > WRITE_BUFFER_BYTES) {
      const frame = Buffer.allocUnsafeSlow(length)
      frame.set(payload, 0)
      sealBlock(frame, 0, payload.length, rawLength, codecId, seed)
      writeFullySync(this.openFile(), frame, 0, length, this.writtenBytes)
      this.writtenBytes += length
      return length
    }
    const start = this.bufferedBytes
    this.writeBuffer.set(payload, start)
    this.bufferedBytes = sealBlock(this.writeBuffer, start, start + payload.length, rawLength, codecId, seed)
    return length
  }

  private flushBuffer(): void {
    if (this.bufferedBytes === 0) return
    writeFullySync(this.openFile(), this.writeBuffer, 0, this.bufferedBytes, this.writtenBytes)
    this.writtenBytes += this.bufferedBytes
    this.bufferedBytes = 0
  }

  private openFile(): VfsFile {
    this.file ??= this.vfs.openSync(this.path, 'create')
    return this.file
  }
}
