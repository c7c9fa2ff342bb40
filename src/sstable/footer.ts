/**
 * The footer: the last 64 bytes of a table. It says what the file is and where the parts of its tail are.
 *
 * | byte | size | field |
 * |---|---|---|
 * | 0 | 8 | offset of the filter block's frame |
 * | 8 | 4 | its length; 0 = no filter |
 * | 12 | 8 | offset of the properties block's frame |
 * | 20 | 4 | its length |
 * | 24 | 8 | offset of the index block's frame |
 * | 32 | 4 | its length |
 * | 36 | 8 | file number |
 * | 44 | 4 | zero |
 * | 48 | 4 | format version |
 * | 52 | 4 | XXH32 of bytes 0 to 51 with seed 0 |
 * | 56 | 8 | magic: `VARVESST` |
 *
 * Invariant for all versions to come: the last 16 bytes keep their place and meaning, so that damage is told from a newer format. Damage
 * never looks like a newer format, because the checksum covers the version.
 */
import { readUint32, readUint53, writeUint32, writeUint53 } from '../codec/bytes.js'
import { checksum32 } from '../codec/checksum.js'
import { StoreError, corruption } from '../util/errors.js'
import { TABLE_FORMAT_VERSION } from './format.js'

/** Bytes of a footer. */
export const FOOTER_BYTES = 64

const MAGIC = Buffer.from('VARVESST', 'latin1')

/** Where a block's frame stands. */
export interface BlockHandle {
  readonly offset: number
  readonly length: number
}

/** What a footer says. */
export interface Footer {
  readonly fileNumber: number
  /** Its length is 0 when the table has no filter. */
  readonly filter: BlockHandle
  readonly properties: BlockHandle
  readonly index: BlockHandle
}

/** Writes a footer at `offset`. */
export function writeFooter(target: Uint8Array, offset: number, footer: Footer, version: number = TABLE_FORMAT_VERSION): void {
  writeHandle(target, offset, footer.filter)
  writeHandle(target, offset + 12, footer.properties)
  writeHandle(target, offset + 24, footer.index)
  writeUint53(target, offset + 36, footer.fileNumber)
  writeUint32(target, offset + 44, 0)
  writeUint32(target, offset + 48, version)
  writeUint32(target, offset + 52, checksum32(target, offset, offset + 52, 0))
  target.set(MAGIC, offset + 56)
}

/**
 * Reads the footer at `offset` of `source`, which is byte `fileOffset` of the file `path`, and checks that the parts tile the tail from
 * `tailOffset` up to it.
 *
 * @throws StoreError `ERR_CORRUPTION`; `ERR_FORMAT_VERSION` when a newer version wrote the table
 */
export function readFooter(
  source: Uint8Array,
  offset: number,
  path: string,
  fileNumber: number,
  tailOffset: number,
  fileOffset: number,
): Footer {
  for (let i = 0; i < MAGIC.length; i++) {
    if (source[offset + 56 + i] !== MAGIC[i]) throw corruption('the file does not end like a table', path, fileOffset + 56)
  }
  if (checksum32(source, offset, offset + 52, 0) !== readUint32(source, offset + 52)) {
    throw corruption('the footer does not match its checksum', path, fileOffset)
  }
  const version = readUint32(source, offset + 48)
  if (version > TABLE_FORMAT_VERSION) {
    const message = `${path} has table format ${version}; this version reads up to ${TABLE_FORMAT_VERSION}: use a newer version of varve`
    throw new StoreError('ERR_FORMAT_VERSION', message, { path })
  }
  const footer: Footer = {
    fileNumber: readUint53(source, offset + 36),
    filter: readHandle(source, offset),
    properties: readHandle(source, offset + 12),
    index: readHandle(source, offset + 24),
  }
  if (footer.fileNumber !== fileNumber) {
    throw corruption(`the file is table ${footer.fileNumber} under the name of table ${fileNumber}`, path, fileOffset + 36)
  }
  const { filter, properties, index } = footer
  const isTiled =
    version > 0 &&
    filter.offset === tailOffset &&
    properties.offset === filter.offset + filter.length &&
    index.offset === properties.offset + properties.length &&
    index.offset + index.length === fileOffset
  if (!isTiled) throw corruption('the footer does not fit the file', path, fileOffset)
  return footer
}

function writeHandle(target: Uint8Array, offset: number, handle: BlockHandle): void {
  writeUint53(target, offset, handle.offset)
  writeUint32(target, offset + 8, handle.length)
}

function readHandle(source: Uint8Array, offset: number): BlockHandle {
  return { offset: readUint53(source, offset), length: readUint32(source, offset + 8) }
}
