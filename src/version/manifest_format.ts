/**
 * The bytes of a manifest: a file header, then records framed as in a log (`wal/format.ts`), whose salt is made of the store's id.
 *
 * | byte | size | file header |
 * |---|---|---|
 * | 0 | 8 | magic, `VARVEMAN` |
 * | 8 | 4 | format version, 1 |
 * | 12 | 4 | zero |
 * | 16 | 8 | manifest number |
 * | 24 | 16 | store id: random, given at creation, the same in all manifests of a store |
 * | 40 | 4 | zero |
 * | 44 | 4 | checksum of bytes 0 to 43, seed 0 |
 *
 * A record holds one edit (`version_edit.ts`); the first one is a snapshot. A record without payload is a seal: it carries a synced offset
 * and nothing else. A record with the field of a clean close is a mark: a seal that says up to where the store was durable.
 */
import { readUint32, readUint53, writeUint32, writeUint53 } from '../codec/bytes.js'
import { checksum32 } from '../codec/checksum.js'
import { assert } from '../util/assert.js'

/** Bytes of a manifest's file header. */
export const MANIFEST_HEADER_BYTES = 48

/** Newest format of manifests that this version reads, and the one it writes. */
export const MANIFEST_FORMAT_VERSION = 1

/** Bytes of a store id. */
export const STORE_ID_BYTES = 16

/** `VARVEMAN`, as two numbers. */
const MAGIC_START = 0x56524156
const MAGIC_END = 0x4e414d45
const MAGIC_BYTES = 8
const STORE_ID_OFFSET = 24
const CHECKSUM_OFFSET = MANIFEST_HEADER_BYTES - 4

/** What a manifest's header says. */
export interface ManifestHeader {
  readonly formatVersion: number
  readonly manifestNumber: number
  readonly storeId: Buffer
}

/** Writes a file header at the start of `target`. */
export function writeManifestHeader(target: Buffer, manifestNumber: number, storeId: Uint8Array): void {
  assert(storeId.length === STORE_ID_BYTES, 'a store id has 16 bytes')
  target.fill(0, 0, MANIFEST_HEADER_BYTES)
  writeUint32(target, 0, MAGIC_START)
  writeUint32(target, 4, MAGIC_END)
  writeUint32(target, 8, MANIFEST_FORMAT_VERSION)
  writeUint53(target, 16, manifestNumber)
  target.set(storeId, STORE_ID_OFFSET)
  writeUint32(target, CHECKSUM_OFFSET, checksum32(target, 0, CHECKSUM_OFFSET, 0))
}

/** Reads the file header at the start of `source`; `undefined` when its magic or checksum is wrong. */
export function readManifestHeader(source: Buffer): ManifestHeader | undefined {
  if (source.length < MANIFEST_HEADER_BYTES || !hasManifestMagic(source)) return undefined
  if (readUint32(source, CHECKSUM_OFFSET) !== checksum32(source, 0, CHECKSUM_OFFSET, 0)) return undefined
  const storeId = Buffer.allocUnsafeSlow(STORE_ID_BYTES)
  source.copy(storeId, 0, STORE_ID_OFFSET, STORE_ID_OFFSET + STORE_ID_BYTES)
  return {
    formatVersion: readUint32(source, 8),
    manifestNumber: readUint53(source, 16),
    storeId,
  }
}

/** Whether `source` starts as our manifests do. */
export function hasManifestMagic(source: Buffer): boolean {
  return source.length >= MAGIC_BYTES && readUint32(source, 0) === MAGIC_START && readUint32(source, 4) === MAGIC_END
}

/** What tells records of this store's manifests from those of another store's. */
export function manifestSalt(storeId: Uint8Array): number {
  return checksum32(storeId, 0, STORE_ID_BYTES, 0x4d414e49)
}
