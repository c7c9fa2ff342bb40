/**
 * The tail of a table: filter, properties, index and footer, read at once when the table is opened and checked against each other and
 * against the manifest.
 */
import { copyOfBytes, readUint53 } from '../codec/bytes.js'
import { corruption } from '../util/errors.js'
import { readFullySync } from '../vfs/io.js'
import type { VfsFile } from '../vfs/vfs.js'
import { BlockIndex } from './block_index.js'
import { BloomFilter } from './bloom_filter.js'
import { type BlockHandle, FOOTER_BYTES, readFooter } from './footer.js'
import { BLOCK_TRAILER_BYTES, type BlockSource, openBlock } from './format.js'
import { PROPERTIES_BYTES_MAX, type TableProperties, decodeProperties, disagreement } from './properties.js'
import type { TableMeta } from './table_meta.js'

/** What a reader keeps of the tail. */
export interface TableTail {
  readonly index: BlockIndex
  readonly filter: BloomFilter | undefined
  readonly properties: TableProperties
  /** Length of the longest raw data block. */
  readonly rawBlockBytesMax: number
  /** Memory held. */
  readonly heldBytes: number
}

/** Memory for the tail of the file, which must have the length that the manifest states. @throws StoreError `ERR_CORRUPTION` */
export function allocateTail(file: VfsFile, meta: TableMeta): Buffer {
  return Buffer.allocUnsafeSlow(tailLength(file, meta))
}

/** Length of the tail of the file, which must have the length that the manifest states. @throws StoreError `ERR_CORRUPTION` */
export function tailLength(file: VfsFile, meta: TableMeta): number {
  const fileBytes = file.sizeSync()
  if (fileBytes !== meta.fileBytes) {
    throw corruption(`the table has ${fileBytes} bytes instead of ${meta.fileBytes}`, file.path, Math.min(fileBytes, meta.fileBytes))
  }
  const tailBytes = fileBytes - meta.tailOffset
  if (!(tailBytes > FOOTER_BYTES && meta.tailOffset > 0)) throw corruption('the tail of the table lies outside of it', file.path, 0)
  return tailBytes
}

/**
 * Takes the tail apart; `tail` stays in use, unless the filter is not kept: then it is checked like everything else, and forgotten.
 *
 * @param bytesRead how many bytes of `tail` could be read
 * @throws StoreError `ERR_CORRUPTION`; `ERR_FORMAT_VERSION`
 */
export function parseTail(tail: Buffer, bytesRead: number, meta: TableMeta, path: string, keepsFilter = true): TableTail {
  const { fileNumber, tailOffset } = meta
  if (bytesRead !== tail.length) throw corruption('the table ends early', path, tailOffset + bytesRead)
  const source: BlockSource = { path, fileNumber }
  const footerStart = tail.length - FOOTER_BYTES
  const footer = readFooter(tail, footerStart, path, fileNumber, tailOffset, tailOffset + footerStart)
  const payloadOf = (handle: BlockHandle, lengthMax: number): Buffer => {
    const start = handle.offset - tailOffset
    return openBlock(source, tail, start, start + handle.length, handle.offset, lengthMax, true)
  }
  const properties = decodeProperties(payloadOf(footer.properties, PROPERTIES_BYTES_MAX), path, footer.properties.offset)
  const difference = disagreement(properties, meta)
  if (difference !== undefined) throw corruption(`the manifest and the table disagree on ${difference}`, path, footer.properties.offset)
  const hasFilter = footer.filter.length > 0
  const filter = hasFilter ? new BloomFilter(payloadOf(footer.filter, tail.length), path, footer.filter.offset) : undefined
  const indexPayload = payloadOf(footer.index, tail.length)
  const ownPayload = keepsFilter ? indexPayload : copyOfBytes(indexPayload, 0, indexPayload.length)
  const index = new BlockIndex(ownPayload, tailOffset, path, footer.index.offset)
  if (index.count !== properties.blockCount || !index.endsWith(meta.largestKey)) {
    throw corruption('the index and the properties disagree', path, footer.index.offset)
  }
  const heldBytes = (keepsFilter ? tail.length : ownPayload.length) + index.heldBytes
  return { index, filter: keepsFilter ? filter : undefined, properties, rawBlockBytesMax: properties.rawBlockBytesMax, heldBytes }
}

/**
 * What the manifest would record of a table, from the table itself: for when no manifest tells. Reads footer and properties.
 *
 * @throws StoreError `ERR_CORRUPTION`; `ERR_FORMAT_VERSION`; `ERR_IO`
 */
export function readTableMetaSync(file: VfsFile, fileNumber: number): TableMeta {
  const { path } = file
  const fileBytes = file.sizeSync()
  const footerOffset = fileBytes - FOOTER_BYTES
  if (footerOffset < 0) throw corruption('the file is shorter than the footer of a table', path, 0)
  const bytes = Buffer.alloc(FOOTER_BYTES)
  if (readFullySync(file, bytes, 0, FOOTER_BYTES, footerOffset) !== FOOTER_BYTES)
    throw corruption('the table ends early', path, footerOffset)
  const tailOffset = readUint53(bytes, 0)
  const { offset, length } = readFooter(bytes, 0, path, fileNumber, tailOffset, footerOffset).properties
  if (length > PROPERTIES_BYTES_MAX + BLOCK_TRAILER_BYTES) throw corruption('the properties are too long', path, offset)
  const frame = Buffer.alloc(length)
  if (readFullySync(file, frame, 0, length, offset) !== length) throw corruption('the table ends early', path, offset)
  const payload = openBlock({ path, fileNumber }, frame, 0, length, offset, PROPERTIES_BYTES_MAX, true)
  const { blockCount: _blocks, rawBlockBytesMax: _longest, ...shared } = decodeProperties(payload, path, offset)
  return { fileNumber, fileBytes, tailOffset, ...shared }
}
