/**
 * A version edit: what changes between two versions, and its bytes in the manifest. `docs/manifest.md` has the same tables.
 *
 * An edit is a sequence of fields: tag (varint), length of the body (varint), body. Numbers in bodies are 8 bytes, of which 53 bits are
 * used. A manifest's first edit applies to the empty version: it is the snapshot.
 *
 * | tag | body | meaning |
 * |---|---|---|
 * | 1 | number | oldest log that is still needed |
 * | 2 | number | next file number |
 * | 3 | number | last sequence: the greatest that is in tables; the logs go on with the next one |
 * | 4 | level (1), table | a table is added |
 * | 5 | level (1), file number | a table is removed |
 * | 6 | level (1), key | where the last compaction of the level ended |
 * | 7 … 63 | | for features to come (keyspaces, range tombstones, blob files): a reader that does not know the tag must refuse the manifest |
 * | 64 | number | mark of a clean close: everything up to this sequence was durable in tables and logs. Stands alone in its record |
 * | 65 … 127 | | hints to come: a reader that does not know the tag skips the field |
 *
 * | byte | size | table |
 * |---|---|---|
 * | 0 | 8 each | file number, file bytes, tail offset, entries, deletions, keys, raw key bytes, raw value bytes, smallest and largest sequence |
 * | 80 | varint, … | length of the smallest key, smallest key |
 * | | varint, … | length of the largest key, largest key |
 *
 * Invariant: what decodes is sane: levels are 0 to 6, keys are in order and not too long, counts and offsets lie within their bounds.
 */
import { readUint53, writeUint53 } from '../codec/bytes.js'
import { KEY_BYTES_MAX } from '../codec/internal_key.js'
import { readVarint, VARINT_BYTES_MAX, varintEnd, varintLength, writeVarint } from '../codec/varint.js'
import type { TableMeta } from '../sstable/table_meta.js'
import { assert } from '../util/assert.js'
import { corruption, StoreError } from '../util/errors.js'

/** A change from one version to the next; all of it takes effect at once. */
export interface VersionEdit {
  /** The oldest log whose records are not all in tables. */
  readonly logNumber?: number | undefined
  /** Filled in by the manifest. */
  readonly nextFileNumber?: number | undefined
  /** The greatest sequence in tables, when it changes: that of the last operation in the logs below `logNumber`. */
  readonly lastSequence?: number | undefined
  readonly added: readonly AddedTable[]
  /** A table that changes its level is both removed and added. */
  readonly removed: readonly RemovedTable[]
  /** Where the next compaction of a level is to begin. */
  readonly compactPointers?: readonly CompactPointer[] | undefined
  /** A mark of a clean close, which is no edit: everything up to this sequence was durable in tables and logs. */
  readonly closedSequence?: number | undefined
}

/** A table that an edit adds. */
export interface AddedTable {
  readonly level: number
  readonly table: TableMeta
}

/** A table that an edit removes. */
export interface RemovedTable {
  readonly level: number
  readonly fileNumber: number
}

/** The key at which the last compaction of a level ended. */
export interface CompactPointer {
  readonly level: number
  readonly key: Uint8Array
}

/** Tags of fields. They are on disk: DO NOT CHANGE, only add. */
const TAG_LOG_NUMBER = 1
const TAG_NEXT_FILE_NUMBER = 2
const TAG_LAST_SEQUENCE = 3
const TAG_ADDED = 4
const TAG_REMOVED = 5
const TAG_COMPACT_POINTER = 6
const TAG_CLOSED_SEQUENCE = 64
const TAG_IGNORABLE_MIN = 64
const TAG_IGNORABLE_MAX = 127

const LEVEL_MAX = 6
const TABLE_NUMBERS = 10
const TABLE_NUMBERS_BYTES = TABLE_NUMBERS * 8

/** The bytes of an edit, after `headroom` free ones. */
export function encodeEdit(edit: VersionEdit, headroom: number): Buffer {
  const writer = new FieldWriter(headroom)
  if (edit.logNumber !== undefined) writer.number(TAG_LOG_NUMBER, edit.logNumber)
  if (edit.nextFileNumber !== undefined) writer.number(TAG_NEXT_FILE_NUMBER, edit.nextFileNumber)
  if (edit.lastSequence !== undefined) writer.number(TAG_LAST_SEQUENCE, edit.lastSequence)
  for (const { level, fileNumber } of edit.removed) writer.levelAndNumber(TAG_REMOVED, level, fileNumber)
  for (const { level, table } of edit.added) writer.table(level, table)
  for (const { level, key } of edit.compactPointers ?? []) writer.levelAndKey(TAG_COMPACT_POINTER, level, key)
  if (edit.closedSequence !== undefined) writer.number(TAG_CLOSED_SEQUENCE, edit.closedSequence)
  return writer.result()
}

class FieldWriter {
  #buffer: Buffer
  #end: number

  constructor(headroom: number) {
    this.#buffer = Buffer.alloc(headroom + 512)
    this.#end = headroom
  }

  result(): Buffer {
    return this.#buffer.subarray(0, this.#end)
  }

  number(tag: number, value: number): void {
    this.#begin(tag, 8)
    this.#put53(value)
  }

  levelAndNumber(tag: number, level: number, value: number): void {
    this.#begin(tag, 9)
    this.#buffer[this.#end++] = level
    this.#put53(value)
  }

  levelAndKey(tag: number, level: number, key: Uint8Array): void {
    this.#begin(tag, 1 + key.length)
    this.#buffer[this.#end++] = level
    this.#putBytes(key)
  }

  table(level: number, table: TableMeta): void {
    const { smallestKey, largestKey } = table
    const keyBytes = varintLength(smallestKey.length) + smallestKey.length + varintLength(largestKey.length) + largestKey.length
    this.#begin(TAG_ADDED, 1 + TABLE_NUMBERS_BYTES + keyBytes)
    this.#buffer[this.#end++] = level
    this.#put53(table.fileNumber)
    this.#put53(table.fileBytes)
    this.#put53(table.tailOffset)
    this.#put53(table.entryCount)
    this.#put53(table.deletionCount)
    this.#put53(table.keyCount)
    this.#put53(table.rawKeyBytes)
    this.#put53(table.rawValueBytes)
    this.#put53(table.smallestSequence)
    this.#put53(table.largestSequence)
    for (const key of [smallestKey, largestKey]) {
      this.#end = writeVarint(this.#buffer, this.#end, key.length)
      this.#putBytes(key)
    }
  }

  #begin(tag: number, bodyBytes: number): void {
    const needed = this.#end + 2 * VARINT_BYTES_MAX + bodyBytes
    if (needed > this.#buffer.length) {
      const grown = Buffer.alloc(Math.max(needed, this.#buffer.length * 2))
      this.#buffer.copy(grown, 0, 0, this.#end)
      this.#buffer = grown
    }
    this.#end = writeVarint(this.#buffer, writeVarint(this.#buffer, this.#end, tag), bodyBytes)
  }

  #put53(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, 'numbers in a manifest are integers from 0 to 2^53 - 1')
    writeUint53(this.#buffer, this.#end, value)
    this.#end += 8
  }

  #putBytes(bytes: Uint8Array): void {
    this.#buffer.set(bytes, this.#end)
    this.#end += bytes.length
  }
}

/**
 * Reads the edit in `source[start, end)`. Keys are copied.
 *
 * @throws StoreError `ERR_FORMAT_VERSION` for a field of a newer version, `ERR_CORRUPTION` for anything else that is no edit; both with
 * `path` and `offset`, the place of the record.
 */
export function decodeEdit(source: Buffer, start: number, end: number, path: string, offset: number): VersionEdit {
  return new EditDecoder(source, path, offset).decode(start, end)
}

class EditDecoder {
  readonly #source: Buffer
  readonly #path: string
  readonly #offset: number
  readonly #numbers = new Map<number, number>()
  readonly #added: AddedTable[] = []
  readonly #removed: RemovedTable[] = []
  readonly #compactPointers: CompactPointer[] = []

  constructor(source: Buffer, path: string, offset: number) {
    this.#source = source
    this.#path = path
    this.#offset = offset
  }

  decode(start: number, end: number): VersionEdit {
    let position = start
    while (position < end) {
      const tag = readVarint(this.#source, position, end)
      if (tag < 0) throw this.#damage('an edit has an unreadable tag')
      const length = readVarint(this.#source, varintEnd, end)
      if (length < 0 || length > end - varintEnd) throw this.#damage('a field of an edit is longer than the edit')
      const body = varintEnd
      position = body + length
      this.#field(tag, body, position)
    }
    const closedSequence = this.#numbers.get(TAG_CLOSED_SEQUENCE)
    const fields = this.#numbers.size + this.#added.length + this.#removed.length + this.#compactPointers.length
    if (closedSequence !== undefined && fields > 1) throw this.#damage('an edit is marked as a clean close')
    return {
      logNumber: this.#numbers.get(TAG_LOG_NUMBER),
      nextFileNumber: this.#numbers.get(TAG_NEXT_FILE_NUMBER),
      lastSequence: this.#numbers.get(TAG_LAST_SEQUENCE),
      added: this.#added,
      removed: this.#removed,
      compactPointers: this.#compactPointers,
      closedSequence,
    }
  }

  #field(tag: number, start: number, end: number): void {
    switch (tag) {
      case TAG_LOG_NUMBER:
      case TAG_NEXT_FILE_NUMBER:
      case TAG_LAST_SEQUENCE:
      case TAG_CLOSED_SEQUENCE:
        if (end - start !== 8 || this.#numbers.has(tag)) throw this.#damage('a number of an edit is malformed')
        this.#numbers.set(tag, this.#number(start))
        return
      case TAG_ADDED:
        this.#added.push({ level: this.#level(start, end), table: this.#table(start + 1, end) })
        return
      case TAG_REMOVED:
        if (end - start !== 9) throw this.#damage('a removed table of an edit is malformed')
        this.#removed.push({ level: this.#level(start, end), fileNumber: this.#number(start + 1) })
        return
      case TAG_COMPACT_POINTER:
        this.#compactPointers.push({ level: this.#level(start, end), key: this.#key(start + 1, end) })
        return
      default:
        if (tag >= TAG_IGNORABLE_MIN && tag <= TAG_IGNORABLE_MAX) return
        throw new StoreError('ERR_FORMAT_VERSION', `${this.#path} has edits of a newer version (field ${tag}): open it with that version`, {
          path: this.#path,
          offset: this.#offset,
        })
    }
  }

  #table(start: number, end: number): TableMeta {
    const keysStart = start + TABLE_NUMBERS_BYTES
    if (keysStart > end) throw this.#damage('an added table is too short')
    const fileNumber = this.#number(start)
    const fileBytes = this.#number(start + 8)
    const tailOffset = this.#number(start + 16)
    const entryCount = this.#number(start + 24)
    const deletionCount = this.#number(start + 32)
    const keyCount = this.#number(start + 40)
    const rawKeyBytes = this.#number(start + 48)
    const rawValueBytes = this.#number(start + 56)
    const smallestSequence = this.#number(start + 64)
    const largestSequence = this.#number(start + 72)
    const smallestKey = this.#sizedKey(keysStart, end)
    const largestKey = this.#sizedKey(varintEnd + smallestKey.length, end)
    const isSane =
      varintEnd + largestKey.length === end &&
      fileNumber > 0 &&
      tailOffset <= fileBytes &&
      deletionCount <= entryCount &&
      keyCount <= entryCount &&
      smallestSequence <= largestSequence &&
      Buffer.compare(smallestKey, largestKey) <= 0
    if (!isSane) throw this.#damage('an added table contradicts itself')
    return {
      fileNumber,
      fileBytes,
      tailOffset,
      entryCount,
      deletionCount,
      keyCount,
      rawKeyBytes,
      rawValueBytes,
      smallestKey,
      largestKey,
      smallestSequence,
      largestSequence,
    }
  }

  /** A key after its length; the key starts at `varintEnd`. */
  #sizedKey(start: number, end: number): Uint8Array {
    const length = readVarint(this.#source, start, end)
    if (length < 0 || length > end - varintEnd) throw this.#damage('a key of an edit is longer than its field')
    return this.#key(varintEnd, varintEnd + length)
  }

  #key(start: number, end: number): Uint8Array {
    if (end - start > KEY_BYTES_MAX) throw this.#damage('a key of an edit is too long')
    const key = new Uint8Array(end - start)
    key.set(this.#source.subarray(start, end))
    return key
  }

  #level(start: number, end: number): number {
    const level = start < end ? this.#source[start]! : LEVEL_MAX + 1
    if (level > LEVEL_MAX) throw this.#damage('an edit has an impossible level')
    return level
  }

  #number(start: number): number {
    const value = readUint53(this.#source, start)
    if (!Number.isSafeInteger(value)) throw this.#damage('an edit has an impossible number')
    return value
  }

  #damage(message: string): StoreError {
    return corruption(message, this.#path, this.#offset)
  }
}
