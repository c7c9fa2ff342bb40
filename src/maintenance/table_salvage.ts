/**
 * Reads what can be read of a damaged table.
 *
 * With its index, every block that passes its checks counts, whatever the others are. Without (tail damaged or cut off), blocks are found
 * from the front: a frame ends where its trailer fits, which its checksum confirms, and the next one begins there; so it ends at the first
 * damaged block. What is read is in order all the same: an entry that does not come after the one before is left out.
 */
import { compareBytes, readUint32 } from '../codec/bytes.js'
import { checksum32 } from '../codec/checksum.js'
import { CODEC_NONE, isCodecId } from '../codec/compression.js'
import { BlockCursor } from '../sstable/block_cursor.js'
import { entryCountOf, findStructuralDefect } from '../sstable/data_block.js'
import { BLOCK_TRAILER_BYTES, blockSeed, openBlock, RAW_BLOCK_BYTES_MAX } from '../sstable/format.js'
import type { TableMeta } from '../sstable/table_meta.js'
import { allocateTail, parseTail, readTableMetaSync } from '../sstable/table_tail.js'
import { StoreError } from '../util/errors.js'
import { PAUSE, type Task } from '../util/task.js'
import type { VfsFile } from '../vfs/vfs.js'
import { expectDamage } from './damage.js'
import { read } from './table_walk.js'
import type { EntryFields } from './version_check.js'

/** A frame that is longer is not looked for where there is no index. */
const FRAME_BYTES_MAX = 2 * 1024 * 1024

/** Where blocks stand, as far as that is known. */
interface Blocks {
  readonly offsets: ArrayLike<number>
  readonly count: number
}

/** Hands over the entries of a table that can be read. `meta` is what the manifest says of it, where there is one. */
export function* salvageTable(
  file: VfsFile,
  fileNumber: number,
  meta: TableMeta | undefined,
  skipUnreadable: boolean,
  add: (entry: EntryFields) => void,
): Task<void> {
  const reader = new Salvage(file, fileNumber, skipUnreadable, add)
  const blocks = yield* readIndex(file, fileNumber, meta, skipUnreadable)
  if (blocks === undefined) yield* reader.scan()
  else yield* reader.readAll(blocks)
}

/** The index, by the manifest's word or by the footer's; `undefined` when there is none. */
function* readIndex(file: VfsFile, fileNumber: number, stated: TableMeta | undefined, skipUnreadable: boolean): Task<Blocks | undefined> {
  for (const source of [(): TableMeta => readTableMetaSync(file, fileNumber), (): TableMeta | undefined => stated]) {
    try {
      const meta = source()
      if (meta === undefined) continue
      const tail = allocateTail(file, meta)
      const bytesRead = yield* read(file, tail, meta.tailOffset)
      return parseTail(tail, bytesRead, meta, file.path).index
    } catch (error) {
      expectDamage(error, skipUnreadable)
    }
  }
  return undefined
}

/** Bytes that are hashed at most to find the end of one frame: some tenths of a second. */
const HASHED_BYTES_MAX = 64 * 1024 * 1024

class Salvage extends BlockCursor {
  readonly #file: VfsFile
  readonly #fileNumber: number
  readonly #skipUnreadable: boolean
  readonly #add: (entry: EntryFields) => void
  #lastKey = Buffer.alloc(0)
  #lastSequence = Infinity
  #isBegun = false

  constructor(file: VfsFile, fileNumber: number, skipUnreadable: boolean, add: (entry: EntryFields) => void) {
    super()
    this.#file = file
    this.#fileNumber = fileNumber
    this.#skipUnreadable = skipUnreadable
    this.#add = add
  }

  *readAll({ offsets, count }: Blocks): Task<void> {
    for (let i = 0; i < count; i++) {
      const frame = Buffer.allocUnsafeSlow(offsets[i + 1]! - offsets[i]!)
      yield* this.#takeBlock(frame, offsets[i]!)
      yield PAUSE
    }
  }

  *scan(): Task<void> {
    const fileBytes = this.#file.sizeSync()
    let offset = 0
    while (offset < fileBytes) {
      const window = yield* this.#window(offset, fileBytes)
      const length = this.#frameLength(window, offset)
      if (length === 0 || !this.#takeFrame(window.subarray(0, length), offset)) return
      offset += length
      yield PAUSE
    }
  }

  /** What lies at `offset`, up to the longest frame: less where the disk cannot read on. */
  *#window(offset: number, fileBytes: number): Task<Buffer> {
    for (let bytes = Math.min(FRAME_BYTES_MAX, fileBytes - offset); bytes > 0; bytes >>>= 1) {
      const window = Buffer.allocUnsafeSlow(bytes)
      try {
        return window.subarray(0, yield* read(this.#file, window, offset))
      } catch (error) {
        expectDamage(error, this.#skipUnreadable)
      }
    }
    return Buffer.alloc(0)
  }

  /** Takes what the block holds, if it can be read. */
  *#takeBlock(frame: Buffer, offset: number): Task<void> {
    try {
      if ((yield* read(this.#file, frame, offset)) === frame.length) this.#takeFrame(frame, offset)
    } catch (error) {
      // A place that the disk cannot read any more is as lost as one that it reads wrongly.
      expectDamage(error, this.#skipUnreadable)
    }
  }

  /** The length of the frame that begins at `offset`; 0 when there is none that passes its checksum. */
  #frameLength(window: Buffer, offset: number): number {
    const seed = blockSeed(this.#fileNumber, offset)
    let hashedBytes = 0
    for (let end = BLOCK_TRAILER_BYTES + 1; end <= window.length; end++) {
      const payloadBytes = end - BLOCK_TRAILER_BYTES
      const rawBytes = readUint32(window, payloadBytes)
      const codec = window[payloadBytes + 4]!
      const isPlausible = codec === CODEC_NONE ? rawBytes === payloadBytes : rawBytes > payloadBytes && rawBytes <= RAW_BLOCK_BYTES_MAX
      if (!isPlausible || !isCodecId(codec)) continue
      // Bytes can be made up so that each place looks like an end.
      hashedBytes += end
      if (hashedBytes > HASHED_BYTES_MAX) return 0
      if (checksum32(window, 0, end - 4, seed) === readUint32(window, end - 4)) return end
    }
    return 0
  }

  /** Whether it was a data block. */
  #takeFrame(frame: Buffer, offset: number): boolean {
    const source = { path: this.#file.path, fileNumber: this.#fileNumber }
    let block: Buffer
    try {
      block = openBlock(source, frame, 0, frame.length, offset, RAW_BLOCK_BYTES_MAX, true)
    } catch (error) {
      if (error instanceof StoreError && error.code === 'ERR_CORRUPTION') return false
      throw error
    }
    if (findStructuralDefect(block) !== undefined) return false
    const entryCount = entryCountOf(block)
    this.enter(block, 0)
    for (let entry = 0; entry < entryCount; entry++) {
      this.moveTo(entry)
      this.#takeEntry()
    }
    return true
  }

  #takeEntry(): void {
    const { data, keyStart, keyEnd, sequence } = this
    const order = this.#isBegun ? compareBytes(this.#lastKey, 0, this.#lastKey.length, data, keyStart, keyEnd) : -1
    if (order > 0 || (order === 0 && sequence >= this.#lastSequence) || !Number.isSafeInteger(sequence)) return
    this.#isBegun = true
    if (order !== 0) this.#lastKey = Buffer.from(data.subarray(keyStart, keyEnd))
    this.#lastSequence = sequence
    this.#add(this)
  }
}
