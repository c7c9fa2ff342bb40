import { describe, expect, test } from 'vitest'
import { checksum32 } from '../../../src/codec/checksum.js'
import { readUint32 } from '../../../src/codec/bytes.js'
import { KEY_BYTES_MAX, VALUE_BYTES_MAX } from '../../../src/codec/internal_key.js'
import { FOOTER_BYTES } from '../../../src/sstable/footer.js'
import { BLOCK_TRAILER_BYTES, blockSeed, RAW_BLOCK_BYTES_MAX, tableFileName } from '../../../src/sstable/format.js'
import { MemoryVfs } from '../../../src/vfs/memory.js'
import { hexExample } from '../wal/hex_example.js'
import { allForward, BLOCKING, buildTable, deletion, openTable, put } from './fixture.js'

const entries = [put('apple', 7, '\x01red'), deletion('apple', 3), put('banana', 5, '\x01yellow')]
const options = { blockSize: 64, codec: 'none', bloomFalsePositiveRate: 0.01 } as const

describe('table format', () => {
  test('is the one of the example in docs/table.md', () => {
    const { vfs, path } = buildTable(entries, options)
    expect(hexExample('table.md', 'table').toString('hex')).toBe(vfs.readFile(path).toString('hex'))
  })

  test('of the example in docs/table.md can be read', () => {
    const { path, meta } = buildTable(entries, options)
    const vfs = new MemoryVfs()
    vfs.writeFile(path, hexExample('table.md', 'table'))
    expect(allForward(openTable({ vfs, path, meta }).iterator(BLOCKING))).toEqual(entries)
  })

  test('seals a block with a checksum that holds at one place of one file only', () => {
    const file = hexExample('table.md', 'table')
    const end = 0x33
    const stored = readUint32(file, end - 4)
    expect(checksum32(file, 0, end - 4, blockSeed(12, 0))).toBe(stored)
    const others = [blockSeed(13, 0), blockSeed(12, 51), blockSeed(0, 12), blockSeed(12 + 2 ** 32, 0), blockSeed(12, 2 ** 32)]
    for (const seed of others) expect(checksum32(file, 0, end - 4, seed)).not.toBe(stored)
  })

  test('gives nearby places different seeds', () => {
    const seeds = new Set<number>()
    for (let file = 0; file < 200; file++) for (let block = 0; block < 200; block++) seeds.add(blockSeed(file, block * 1000))
    expect(seeds.size).toBeGreaterThan(39_990)
  })

  test('has names that sort by number up to a million, and go on', () => {
    expect([0, 12, 999_999, 1_000_000].map(tableFileName)).toEqual(['000000.sst', '000012.sst', '999999.sst', '1000000.sst'])
  })

  test('has room in a raw block for the largest entry', () => {
    const largest = 3 + KEY_BYTES_MAX + 8 + VALUE_BYTES_MAX + 4 + 6
    expect(largest).toBeLessThanOrEqual(RAW_BLOCK_BYTES_MAX)
    expect([BLOCK_TRAILER_BYTES, FOOTER_BYTES]).toEqual([9, 64])
  })
})
