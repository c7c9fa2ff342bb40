/** Stores made by hand, table by table, so that each rule can be broken on its own with all checksums in order. */
import { memory, type MemoryVfs } from '../../src/index.js'
import { readUint32 } from '../../src/codec/bytes.js'
import { FOOTER_BYTES, type Footer, readFooter } from '../../src/sstable/footer.js'
import { BLOCK_TRAILER_BYTES, blockSeed, sealBlock, tableFileName } from '../../src/sstable/format.js'
import { decodeProperties, encodeProperties, type TableProperties } from '../../src/sstable/properties.js'
import { TableBuilder, type TableBuilderOptions } from '../../src/sstable/table_builder.js'
import type { TableMeta } from '../../src/sstable/table_meta.js'
import { runTaskSync } from '../../src/util/task.js'
import { encodeCurrent } from '../../src/version/current_file.js'
import { manifestFileName } from '../../src/version/file_names.js'
import { MANIFEST_HEADER_BYTES, manifestSalt, writeManifestHeader } from '../../src/version/manifest_format.js'
import type { VersionEdit } from '../../src/version/version_edit.js'
import { encodeEdit } from '../../src/version/version_edit.js'
import { RECORD_HEADER_BYTES, sealRecord } from '../../src/wal/format.js'
import { addEntry, type Entry, OPTIONS } from '../unit/sstable/fixture.js'
import { DIR } from '../support/stores.js'

const STORE_ID = Buffer.from('0123456789abcdef', 'latin1')

/** A disk with an empty folder for a store. */
export function emptyDisk(): MemoryVfs {
  const vfs = memory()
  vfs.mkdirSync(DIR)
  vfs.syncDirSync('/')
  return vfs
}

/** Replaces what a file of the store holds, or makes it. */
export function writeStoreFile(vfs: MemoryVfs, name: string, content: Uint8Array): void {
  const path = `${DIR}/${name}`
  if (vfs.statSync(path) !== undefined) vfs.unlinkSync(path)
  const file = vfs.openSync(path, 'create')
  file.writeSync(content, 0, content.length, 0)
  file.syncSync()
  file.closeSync()
  vfs.syncDirSync(DIR)
}

/** Writes a table of the store. */
export function writeTable(
  vfs: MemoryVfs,
  fileNumber: number,
  entries: readonly Entry[],
  options: Partial<TableBuilderOptions> = {},
): TableMeta {
  const builder = new TableBuilder(vfs, `${DIR}/${tableFileName(fileNumber)}`, fileNumber, { ...OPTIONS, ...options })
  for (const entry of entries) addEntry(builder, entry)
  return runTaskSync(builder.finish())
}

/** Writes manifest 1, with any edits as its content, and `CURRENT`. */
export function writeManifest(vfs: MemoryVfs, ...edits: readonly Partial<VersionEdit>[]): void {
  let content: Buffer = Buffer.alloc(MANIFEST_HEADER_BYTES)
  writeManifestHeader(content, 1, STORE_ID)
  for (const [i, edit] of edits.entries()) {
    const base = { logNumber: 0, nextFileNumber: 100, lastSequence: 1000, added: [], removed: [] }
    const record = encodeEdit(i === 0 ? { ...base, ...edit } : { added: [], removed: [], ...edit }, RECORD_HEADER_BYTES)
    sealRecord(record, 0, record.length, 1, content.length, i === 0 ? 0 : content.length, manifestSalt(STORE_ID))
    content = Buffer.concat([content, record])
  }
  const seal = Buffer.alloc(RECORD_HEADER_BYTES)
  sealRecord(seal, 0, seal.length, 1, content.length, content.length, manifestSalt(STORE_ID))
  writeStoreFile(vfs, manifestFileName(1), Buffer.concat([content, seal]))
  writeStoreFile(vfs, 'CURRENT', encodeCurrent(1))
}

/** The parts of a table that can be broken. */
export interface TableParts {
  readonly bytes: Buffer
  readonly footer: Footer
  /** Seals the frame `[offset, offset + length)` again after its payload was changed. */
  seal(offset: number, length: number): void
}

/** Changes the bytes of a table with `change`. */
export function tamper(vfs: MemoryVfs, meta: TableMeta, change: (parts: TableParts) => void): void {
  const name = tableFileName(meta.fileNumber)
  const bytes = Buffer.from(vfs.readFile(`${DIR}/${name}`))
  const footerOffset = bytes.length - FOOTER_BYTES
  const footer = readFooter(bytes, footerOffset, name, meta.fileNumber, meta.tailOffset, footerOffset)
  const seal = (offset: number, length: number): void => {
    const end = offset + length - BLOCK_TRAILER_BYTES
    sealBlock(bytes, offset, end, readUint32(bytes, end), bytes[end + 4]!, blockSeed(meta.fileNumber, offset))
  }
  change({ bytes, footer, seal })
  writeStoreFile(vfs, name, bytes)
}

/** Changes what a table says of itself; the answer is what a manifest that agrees would say. */
export function tamperProperties(vfs: MemoryVfs, meta: TableMeta, changed: Partial<TableProperties>): TableMeta {
  tamper(vfs, meta, ({ bytes, footer, seal }) => {
    const { offset, length } = footer.properties
    const payload = bytes.subarray(offset, offset + length - BLOCK_TRAILER_BYTES)
    encodeProperties({ ...decodeProperties(payload, '', 0), ...changed }).copy(payload)
    seal(offset, length)
  })
  const { blockCount: _blocks, rawBlockBytesMax: _longest, ...shared } = changed
  return { ...meta, ...shared }
}
