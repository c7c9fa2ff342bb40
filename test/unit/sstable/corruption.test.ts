import { describe, expect, test } from 'vitest'
import { isCodecId } from '../../../src/codec/compression.js'
import { readUint32, writeUint32 } from '../../../src/codec/bytes.js'
import { NEEDS_IO } from '../../../src/codec/internal_iterator.js'
import { FOOTER_BYTES, readFooter, writeFooter } from '../../../src/sstable/footer.js'
import { BLOCK_TRAILER_BYTES, blockSeed, sealBlock } from '../../../src/sstable/format.js'
import { ReadContext } from '../../../src/sstable/read_context.js'
import type { TableMeta } from '../../../src/sstable/table_meta.js'
import { parseTail } from '../../../src/sstable/table_tail.js'
import { TableReader } from '../../../src/sstable/table_reader.js'
import { StoreError } from '../../../src/util/errors.js'
import type { MemoryVfs } from '../../../src/vfs/memory.js'
import { allForward, buildTable, type BuiltTable, type Entry, entryAt, getFrom, openTable, put } from './fixture.js'

const entries = Array.from({ length: 14 }, (_, i) => put(`key${String(i).padStart(3, '0')}`, i + 1, 'value '.repeat(3)))

/** Everything a table holds, read once through an iterator and once key by key. */
function readAll(vfs: MemoryVfs, path: string, meta: TableMeta, context = new ReadContext()): Entry[] {
  const reader = TableReader.openSync(vfs, path, meta)
  try {
    const iterator = reader.iterator(context)
    try {
      const scanned = allForward(iterator)
      const found = scanned.map((entry) => getFrom(reader, entry.key, entry.sequence, context))
      expect(found).toEqual(scanned)
      return scanned
    } finally {
      iterator.close()
    }
  } finally {
    reader.release()
  }
}

/** Asserts that reading ends with right data or with damage reported at a place in the file. */
function expectRightOrReported(vfs: MemoryVfs, path: string, meta: TableMeta, what: string): 'right' | 'reported' {
  let read: Entry[]
  try {
    read = readAll(vfs, path, meta)
  } catch (error) {
    if (!(error instanceof StoreError)) throw new Error(`${what}: ${String(error)}`, { cause: error })
    expect(error.code, what).toBe('ERR_CORRUPTION')
    expect(error.path, what).toBe(path)
    expect(error.offset, what).toBeGreaterThanOrEqual(0)
    expect(error.offset, what).toBeLessThanOrEqual(meta.fileBytes)
    expect(vfs.openHandleCount).toBe(0)
    return 'reported'
  }
  expect(read, what).toEqual(entries)
  return 'right'
}

function thrownBy(action: () => unknown): StoreError {
  try {
    action()
  } catch (error) {
    expect(error).toBeInstanceOf(StoreError)
    return error as StoreError
  }
  throw new Error('nothing was thrown')
}

describe('damage to a table', () => {
  for (const codec of ['none', 'snappy', 'zstd'] as const) {
    test(`in any single bit is reported (${codec})`, () => {
      const { vfs, path, meta } = buildTable(entries, { blockSize: 200, codec })
      const whole = vfs.readFile(path)
      for (let bit = 0; bit < whole.length * 8; bit++) {
        const damaged = Buffer.from(whole)
        damaged[bit >>> 3]! ^= 1 << (bit & 7)
        vfs.writeFile(path, damaged)
        expect(expectRightOrReported(vfs, path, meta, `bit ${bit & 7} of byte ${bit >>> 3}`)).toBe('reported')
      }
    })
  }

  test('by truncation or extension is reported, for any length', () => {
    const { vfs, path, meta } = buildTable(entries, { blockSize: 200 })
    const whole = Buffer.concat([vfs.readFile(path), Buffer.alloc(3)])
    for (let length = 0; length <= whole.length; length++) {
      if (length === meta.fileBytes) continue
      vfs.writeFile(path, whole.subarray(0, length))
      const error = thrownBy(() => readAll(vfs, path, meta))
      expect(error.message).toContain(`${length} bytes instead of ${meta.fileBytes}`)
      expect(error).toMatchObject({ code: 'ERR_CORRUPTION', path })
    }
  })

  test('by truncation of an open table is reported where the bytes are missing', () => {
    const table = buildTable(entries, { blockSize: 200 })
    const reader = openTable(table)
    table.vfs.writeFile(table.path, table.vfs.readFile(table.path).subarray(0, 100))
    const error = thrownBy(() => allForward(reader.iterator(new ReadContext())))
    expect(error).toMatchObject({ code: 'ERR_CORRUPTION', path: table.path, offset: 100 })
  })

  test('by a missing file is reported by name', () => {
    const { vfs, path, meta } = buildTable(entries)
    vfs.unlinkSync(path)
    const error = thrownBy(() => readAll(vfs, path, meta))
    expect(error).toMatchObject({ code: 'ERR_CORRUPTION', path })
    expect(error.message).toContain('000012.sst')
  })

  test('by another table under its name is reported', () => {
    const { vfs, path, meta } = buildTable(entries)
    vfs.writeFile('000013.sst', vfs.readFile(path))
    const error = thrownBy(() => readAll(vfs, '000013.sst', { ...meta, fileNumber: 13 }))
    expect(error.message).toContain('is table 12 under the name of table 13')
  })

  test('by blocks in each other’s place is reported', () => {
    const { vfs, path, meta } = buildTable(entries, { blockSize: 200 })
    const reader = openTable({ vfs, path, meta })
    const [first, second, third] = reader.index.offsets as unknown as [number, number, number]
    expect(second - first).toBe(third - second)
    const swapped = vfs.readFile(path)
    const copy = Buffer.from(swapped)
    copy.copy(swapped, first, second, third)
    copy.copy(swapped, second, first, second)
    vfs.writeFile(path, swapped)
    expect(thrownBy(() => readAll(vfs, path, meta))).toMatchObject({ code: 'ERR_CORRUPTION', offset: 0 })
  })

  test('by a foreign file is reported', () => {
    const { vfs, path, meta } = buildTable(entries)
    vfs.writeFile(path, Buffer.alloc(meta.fileBytes, 'not a table '))
    expect(thrownBy(() => readAll(vfs, path, meta)).message).toContain('does not end like a table')
  })

  test('in the manifest’s record is reported, whatever differs', () => {
    const { vfs, path, meta } = buildTable(entries)
    const wrong: Partial<TableMeta>[] = [
      { entryCount: 13 },
      { deletionCount: 1 },
      { keyCount: 1 },
      { rawKeyBytes: 1 },
      { rawValueBytes: 1 },
      { smallestSequence: 2 },
      { largestSequence: 2 },
      { smallestKey: Buffer.from('key') },
      { largestKey: Buffer.from('key') },
      { tailOffset: meta.tailOffset + 1 },
      { tailOffset: meta.tailOffset - 1 },
      { tailOffset: 0 },
      { tailOffset: meta.fileBytes },
      { tailOffset: -1 },
      { tailOffset: Number.NaN },
      { fileBytes: meta.fileBytes + 1 },
    ]
    for (const part of wrong) {
      expect(
        thrownBy(() => readAll(vfs, path, { ...meta, ...part })),
        JSON.stringify(part),
      ).toMatchObject({ code: 'ERR_CORRUPTION' })
    }
  })

  test('with unverified checksums never runs away', () => {
    const { vfs, path, meta } = buildTable(entries, { blockSize: 200, codec: 'zstd' })
    const whole = vfs.readFile(path)
    for (let bit = 0; bit < meta.tailOffset * 8; bit++) {
      const damaged = Buffer.from(whole)
      damaged[bit >>> 3]! ^= 1 << (bit & 7)
      vfs.writeFile(path, damaged)
      try {
        const reader = openTable({ vfs, path, meta })
        const context = new ReadContext(true, false)
        expect(allForward(reader.iterator(context)).length).toBeLessThan(1000)
        for (const entry of entries) getFrom(reader, entry.key, 99, context)
      } catch (error) {
        expect(error).toMatchObject({ code: 'ERR_CORRUPTION', path })
      }
    }
  })

  test('met by a read through the thread pool is reported by load, each time', async () => {
    const table = buildTable(entries, { blockSize: 200 })
    const damaged = table.vfs.readFile(table.path)
    damaged[5]! ^= 1
    table.vfs.writeFile(table.path, damaged)
    const reader = openTable(table)
    const context = new ReadContext(false)
    for (let i = 0; i < 2; i++) {
      expect(getFrom(reader, 'key000', 9, context)).toBe('needs io')
      await expect(context.load()).rejects.toMatchObject({ code: 'ERR_CORRUPTION', path: table.path, offset: 0 })
    }
    reader.release()
    expect(table.vfs.openHandleCount).toBe(0)
  })
})

/** The table with the frame of its first data block changed and sealed again. */
function withFirstFrame(table: BuiltTable, change: (frame: Buffer, payloadEnd: number) => void): void {
  const reader = openTable(table)
  const end = reader.index.offsets[1]!
  reader.release()
  const content = table.vfs.readFile(table.path)
  const payloadEnd = end - BLOCK_TRAILER_BYTES
  change(content, payloadEnd)
  sealBlock(content, 0, payloadEnd, readUint32(content, payloadEnd), content[payloadEnd + 4]!, blockSeed(12, 0))
  table.vfs.writeFile(table.path, content)
}

describe('a block that was written wrongly and sealed', () => {
  const cases: [string, 'none' | 'zstd', (frame: Buffer, payloadEnd: number) => void][] = [
    ['a block claims 4294967295 bytes', 'zstd', (frame, at) => writeUint32(frame, at, 0xffff_ffff)],
    ['more than', 'none', (frame, at) => writeUint32(frame, at, 100_000)],
    ['a block claims 7 bytes', 'none', (frame, at) => writeUint32(frame, at, 7)],
    ['cannot be decompressed', 'zstd', (frame, at) => writeUint32(frame, at, 7)],
    ['the unknown codec 77', 'none', (frame, at) => void (frame[at + 4] = 77)],
    ['an unknown width', 'none', (frame, at) => void (frame[at - 2] = 3)],
    ['an impossible number of entries', 'none', (frame, at) => writeUint32(frame, at - 6, 0)],
    ['an impossible number of entries', 'none', (frame, at) => writeUint32(frame, at - 6, 0xffff_ffff)],
    ['outside of its data block', 'none', (frame, at) => writeUint32(frame, at - 6, 60)],
    ['an impossible key length', 'none', (frame) => void frame.fill(0xff, 0, 5)],
    ['overlaps the next one', 'none', (frame) => void (frame[0] = 0x7f)],
    ['an unknown kind', 'none', (frame) => void (frame[7] = 0xee)],
  ]
  for (const [message, codec, change] of cases) {
    test(`is reported: ${message}`, () => {
      const table = buildTable(entries, { blockSize: 200, codec })
      withFirstFrame(table, change)
      const error = thrownBy(() => readAll(table.vfs, table.path, table.meta))
      expect(error).toMatchObject({ code: 'ERR_CORRUPTION', offset: 0 })
      expect(error.message).toContain(message)
    })
  }
})

describe('a tail whose parts are sound and contradict each other', () => {
  /** The table with a byte of a block of its tail changed, counted from the end of the payload if negative, and the block sealed again. */
  function withTailByte(part: 'properties' | 'index', at: number, value: number): BuiltTable {
    const table = buildTable(entries, { blockSize: 200 })
    const content = table.vfs.readFile(table.path)
    const footerStart = table.meta.fileBytes - FOOTER_BYTES
    const { offset, length } = readFooter(content, footerStart, table.path, 12, table.meta.tailOffset, footerStart)[part]
    const payloadEnd = offset + length - BLOCK_TRAILER_BYTES
    content[(at < 0 ? payloadEnd : offset) + at] = value
    sealBlock(content, offset, payloadEnd, payloadEnd - offset, 0, blockSeed(12, offset))
    table.vfs.writeFile(table.path, content)
    return table
  }

  test('is reported: number of blocks', () => {
    expect(thrownBy(() => openTable(withTailByte('properties', 7 * 10 + 2, 2))).message).toContain('the index and the properties disagree')
  })

  test('is reported: last key', () => {
    expect(thrownBy(() => openTable(withTailByte('index', -1, 0x7a))).message).toContain('the index and the properties disagree')
  })

  test('is reported: longest block', () => {
    const table = withTailByte('properties', 8 * 10 + 2, 100)
    const error = thrownBy(() => readAll(table.vfs, table.path, table.meta))
    expect(error.message).toContain('more than 100')
  })

  test('is reported when it cannot be read to its end', () => {
    const { vfs, path, meta } = buildTable(entries)
    const tail = vfs.readFile(path).subarray(meta.tailOffset)
    expect(parseTail(tail, tail.length, meta, path).index.count).toBeGreaterThan(0)
    expect(thrownBy(() => parseTail(tail, tail.length - 1, meta, path))).toMatchObject({
      code: 'ERR_CORRUPTION',
      offset: meta.fileBytes - 1,
    })
  })
})

describe('a table of another format', () => {
  function withVersion(version: number): BuiltTable {
    const table = buildTable(entries)
    const content = table.vfs.readFile(table.path)
    const { fileBytes, tailOffset } = table.meta
    const footer = readFooter(content, fileBytes - FOOTER_BYTES, table.path, 12, tailOffset, fileBytes - FOOTER_BYTES)
    writeFooter(content, fileBytes - FOOTER_BYTES, footer, version)
    table.vfs.writeFile(table.path, content)
    return table
  }

  test('is refused as newer when it is newer', () => {
    const { vfs, path, meta } = withVersion(2)
    const error = thrownBy(() => readAll(vfs, path, meta))
    expect(error).toMatchObject({ code: 'ERR_FORMAT_VERSION', path })
    expect(error.message).toContain('use a newer version of varve')
  })

  test('is damage when no version could have written it', () => {
    const { vfs, path, meta } = withVersion(0)
    expect(thrownBy(() => readAll(vfs, path, meta)).code).toBe('ERR_CORRUPTION')
  })
})

test('no codec has the number that the test of unknown codecs uses', () => {
  expect(isCodecId(77)).toBe(false)
})

test('an iterator that met damage can go on elsewhere', () => {
  const table = buildTable(entries, { blockSize: 200 })
  const content = table.vfs.readFile(table.path)
  content[3]! ^= 1
  table.vfs.writeFile(table.path, content)
  const reader = openTable(table)
  const iterator = reader.iterator(new ReadContext())
  expect(() => iterator.seekToFirst()).toThrow('does not match its checksum')
  expect(iterator.seekToLast()).not.toBe(NEEDS_IO)
  expect(entryAt(iterator)).toEqual(entries.at(-1))
})
