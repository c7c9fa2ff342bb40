/**
 * Files of records and tables taken apart and put together again with right checksums, so that what is changed in between gets past
 * them, as what a bug in a writer or a forger makes would.
 */
import { checksum32 } from '../../../src/codec/checksum.js'
import { FOOTER_BYTES } from '../../../src/sstable/footer.js'
import { BLOCK_TRAILER_BYTES, blockSeed } from '../../../src/sstable/format.js'
import { manifestSalt } from '../../../src/version/manifest_format.js'
import { recordSeed } from '../../../src/wal/format.js'
import type { Random } from '../../../src/util/random.js'
import { mutated, mutatedInPlace } from './mutations.js'

/** The shape of a file of records. */
export interface RecordFormat {
  readonly headerBytes: number
  readonly salt: (header: Buffer) => number
}

/** A log. */
export const LOG: RecordFormat = { headerBytes: 32, salt: () => 0 }

/** A manifest. */
export const MANIFEST: RecordFormat = { headerBytes: 48, salt: (header) => manifestSalt(header.subarray(24, 40)) }

const RECORD_HEADER_BYTES = 20

/** A sound file of records with changes in header, record headers and payloads, sealed again. */
export function resealedRecords(content: Buffer, format: RecordFormat, random: Random): Buffer {
  const header = Buffer.from(content.subarray(0, format.headerBytes))
  const fileNumber = Number(header.readBigUInt64LE(16))
  const records = split(content, format)
  const payloads = records.map((record) => record.subarray(RECORD_HEADER_BYTES))
  if (random.chance(0.1)) {
    mutatedInPlace(header, random).copy(header)
    header.writeUInt32LE(checksum32(header, 0, format.headerBytes - 4, 0), format.headerBytes - 4)
  }
  for (let changes = random.pick([1, 1, 2]); changes > 0 && records.length > 0; changes--) changeRecord(records, payloads, random)
  const parts = [header]
  let offset = header.length
  for (const original of records) {
    const record = Buffer.from(original)
    if (record.length >= RECORD_HEADER_BYTES && random.chance(0.97)) {
      const seed = recordSeed(fileNumber, offset, format.salt(header))
      record.writeUInt32LE(checksum32(record, 4, record.length, seed), 0)
    }
    parts.push(record)
    offset += record.length
  }
  return Buffer.concat(parts)
}

function split(content: Buffer, { headerBytes }: RecordFormat): Buffer[] {
  const records: Buffer[] = []
  for (let at = headerBytes; at < content.length;) {
    const end = at + RECORD_HEADER_BYTES + content.readUInt32LE(at + 4)
    records.push(Buffer.from(content.subarray(at, end)))
    at = end
  }
  return records
}

function changeRecord(records: Buffer[], payloads: readonly Buffer[], random: Random): void {
  const i = random.below(records.length)
  const record = records[i]!
  switch (random.below(6)) {
    case 0:
      records.splice(i, 1)
      return
    case 1:
      records.splice(random.below(records.length), 0, record)
      return
    case 2: {
      // Length, number, claim, flags: a length that is wrong swallows what follows, or leaves it over.
      const header = mutatedInPlace(record.subarray(4, RECORD_HEADER_BYTES), random)
      header.copy(record, 4)
      return
    }
    default: {
      const payload = mutated(record.subarray(RECORD_HEADER_BYTES), payloads, random)
      const changed = Buffer.concat([record.subarray(0, RECORD_HEADER_BYTES), payload])
      changed.writeUInt32LE(payload.length, 4)
      records[i] = changed
    }
  }
}

/** A sound table with changes in the blocks, their trailers or the footer, of the same length, sealed again. */
export function resealedTable(content: Buffer, fileNumber: number, random: Random): Buffer {
  const table = Buffer.from(content)
  const blocks = blocksOf(table)
  for (let changes = random.pick([1, 1, 1, 2]); changes > 0; changes--) {
    const footer = table.length - FOOTER_BYTES
    if (random.chance(0.1)) {
      mutatedInPlace(table.subarray(footer, footer + 52), random).copy(table, footer)
      continue
    }
    const [start, end] = random.pick(blocks)
    const changedEnd = random.chance(0.15) ? end - 4 : end - BLOCK_TRAILER_BYTES
    mutatedInPlace(table.subarray(start, changedEnd), random).copy(table, start)
    table.writeUInt32LE(checksum32(table, start, end - 4, blockSeed(fileNumber, start)), end - 4)
  }
  table.writeUInt32LE(checksum32(table, table.length - FOOTER_BYTES, table.length - 12, 0), table.length - 12)
  return table
}

/** Where the frames of all blocks of a sound table begin and end, data blocks first. */
export function blocksOf(table: Buffer): [start: number, end: number][] {
  const footer = table.length - FOOTER_BYTES
  const handles = [0, 12, 24].map((at): [number, number] => {
    const start = Number(table.readBigUInt64LE(footer + at))
    return [start, start + table.readUInt32LE(footer + at + 8)]
  })
  const [filter, , index] = handles as [[number, number], [number, number], [number, number]]
  const blocks = dataBlocksOf(table.subarray(index[0], index[1]))
  return [...blocks, ...handles.filter(([start, end]) => end > start && start >= filter[0])]
}

function dataBlocksOf(index: Buffer): [number, number][] {
  const blocks: [number, number][] = []
  let at = 6 + index.readUInt16LE(4)
  let start = 0
  const varint = (): number => {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = index[at++]!
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }
  for (let count = index.readUInt32LE(0); count > 0; count--) {
    const length = varint()
    const separator = varint()
    at += (separator >>> 1) + (separator & 1) * 8
    blocks.push([start, start + length])
    start += length
  }
  return blocks
}
