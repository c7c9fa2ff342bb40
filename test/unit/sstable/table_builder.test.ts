import { describe, expect, test } from 'vitest'
import { readUint32 } from '../../../src/codec/bytes.js'
import { CODEC_NONE, CODEC_SNAPPY } from '../../../src/codec/compression.js'
import { VALUE_BYTES_MAX } from '../../../src/codec/internal_key.js'
import { BLOCK_TRAILER_BYTES, tableFileName } from '../../../src/sstable/format.js'
import { TableBuilder, type TableBuilderOptions } from '../../../src/sstable/table_builder.js'
import { Random } from '../../../src/util/random.js'
import { runTask, runTaskSync } from '../../../src/util/task.js'
import { MemoryVfs } from '../../../src/vfs/memory.js'
import { addEntry, allForward, BLOCKING, buildTable, deletion, getFrom, OPTIONS, openTable, put } from './fixture.js'

function newBuilder(options: Partial<TableBuilderOptions> = {}, vfs = new MemoryVfs()): { builder: TableBuilder; vfs: MemoryVfs } {
  return { vfs, builder: new TableBuilder(vfs, tableFileName(12), 12, { ...OPTIONS, ...options }) }
}

/** Entries of which `randomPercent` of each value cannot be compressed. */
function entriesOf(count: number, randomPercent: number): ReturnType<typeof put>[] {
  const random = new Random(1)
  return Array.from({ length: count }, (_, i) => {
    const noise = Buffer.alloc(randomPercent)
    random.fill(noise)
    return put(`user:${String(i).padStart(11, '0')}`, i + 1, noise.toString('latin1').padEnd(100, 'x'))
  })
}

describe('table builder', () => {
  test('refuses entries out of order', () => {
    const { builder } = newBuilder()
    addEntry(builder, put('b', 5))
    expect(() => addEntry(builder, put('a', 9))).toThrow('added in order')
    expect(() => addEntry(builder, put('b', 5))).toThrow('added in order')
    expect(() => addEntry(builder, put('b', 6))).toThrow('added in order')
    addEntry(builder, put('b', 4))
    addEntry(builder, put('b\0', 9))
    expect(builder.entryCount).toBe(3)
  })

  test('refuses what is outside of the limits', () => {
    const { builder } = newBuilder()
    const data = Buffer.alloc(70_000)
    expect(() => builder.add(data, 0, 65_536, 1, 1, 0, 0)).toThrow('limits')
    expect(() => builder.add(data, 0, 1, 1, 1, 0, VALUE_BYTES_MAX + 1)).toThrow('limits')
    expect(() => builder.add(data, 0, 1, 2 ** 53, 1, 0, 0)).toThrow('sequence')
    expect(() => builder.add(data, 0, 1, 1, 2, 0, 0)).toThrow('kind')
    expect(() => newBuilder({ blockSize: 63 })).toThrow('block size')
    expect(() => newBuilder({ blockSize: 1024 * 1024 + 1 })).toThrow('block size')
  })

  test('writes no empty table, and finishes once', () => {
    expect(() => runTaskSync(newBuilder().builder.finish())).toThrow('with entries')
    const { builder } = newBuilder()
    addEntry(builder, put('a', 1))
    runTaskSync(builder.finish())
    expect(() => runTaskSync(builder.finish())).toThrow('once')
    expect(() => addEntry(builder, put('b', 1))).toThrow('before a table is finished')
  })

  test('makes the file durable, and closes it', async () => {
    const { builder, vfs } = newBuilder()
    addEntry(builder, put('a', 1))
    const meta = await runTask(builder.finish(), () => undefined)
    expect(vfs.openHandleCount).toBe(0)
    vfs.syncDirSync('')
    const crashed = vfs.crashClone({ unsyncedPercent: 0, seed: 1 })
    expect(crashed.readFile('000012.sst').length).toBe(meta.fileBytes)
    expect(crashed.readFile('000012.sst').equals(vfs.readFile('000012.sst'))).toBe(true)
  })

  test('leaves nothing behind when abandoned, at whatever stage', () => {
    const stages: ((builder: TableBuilder) => void)[] = [
      () => {},
      (builder) => addEntry(builder, put('a', 1)),
      (builder) => addEntry(builder, put('a', 1, 'x'.repeat(400_000))),
      (builder) => {
        addEntry(builder, put('a', 1))
        runTaskSync(builder.finish())
      },
    ]
    for (const stage of stages) {
      const { builder, vfs } = newBuilder()
      stage(builder)
      builder.abandon()
      builder.abandon()
      expect(vfs.files()).toEqual([])
      expect(vfs.openHandleCount).toBe(0)
    }
  })

  test('reports a failed sync, and can be abandoned then', () => {
    const { builder, vfs } = newBuilder()
    addEntry(builder, put('a', 1))
    vfs.onMutation = (_, kind) => {
      if (kind === 'sync') throw new Error('the disk is gone')
    }
    expect(() => runTaskSync(builder.finish())).toThrow('the disk is gone')
    builder.abandon()
    expect(vfs.files()).toEqual([])
    expect(vfs.openHandleCount).toBe(0)
  })

  test('reports a full disk, and can be abandoned then', () => {
    const { builder, vfs } = newBuilder()
    vfs.capacityBytes = 300_000
    const write = (): void => {
      for (const entry of entriesOf(10_000, 100)) addEntry(builder, entry)
    }
    expect(write).toThrow(expect.objectContaining({ code: 'ERR_DISK_FULL' }))
    builder.abandon()
    expect(vfs.files()).toEqual([])
    expect(vfs.usedBytes).toBe(0)
  })

  test('refuses to write over a file that is there', () => {
    const { builder, vfs } = newBuilder()
    vfs.writeFile('000012.sst', Buffer.from('precious'))
    addEntry(builder, put('a', 1))
    expect(() => runTaskSync(builder.finish())).toThrow('000012.sst')
    builder.abandon()
    expect(vfs.readFile('000012.sst').toString()).toBe('precious')
  })

  for (const codec of ['none', 'snappy', 'zstd'] as const) {
    test(`knows about how long the file will be, all along (${codec})`, () => {
      const { builder } = newBuilder({ codec, blockSize: 4096 })
      expect(builder.estimatedFileBytes()).toBeLessThan(1000)
      const half: number[] = []
      for (const [i, entry] of entriesOf(8000, 50).entries()) {
        addEntry(builder, entry)
        if (i === 3999) half.push(builder.estimatedFileBytes())
      }
      const estimate = builder.estimatedFileBytes()
      const { fileBytes } = runTaskSync(builder.finish())
      expect(estimate / fileBytes).toBeCloseTo(1, 1)
      expect(half[0]! / fileBytes).toBeCloseTo(0.5, 1)
    })
  }

  test('writes in pieces while it is built', () => {
    const { builder, vfs } = newBuilder({ blockSize: 4096 })
    const sizes = new Set<number>()
    for (const entry of entriesOf(10_000, 100)) {
      addEntry(builder, entry)
      sizes.add(vfs.usedBytes)
    }
    expect(sizes.size).toBeGreaterThan(4)
  })

  test('keeps a block raw when compression saves less than an eighth', () => {
    const codecs = [0, 50, 100].map((randomPercent) => {
      const table = buildTable(entriesOf(400, randomPercent), { codec: 'snappy', blockSize: 4096 })
      const content = table.vfs.readFile(table.path)
      const reader = openTable(table)
      const used = new Set<number>()
      for (let i = 0; i < reader.index.count; i++) {
        const trailer = reader.index.offsets[i + 1]! - BLOCK_TRAILER_BYTES
        const payloadLength = trailer - reader.index.offsets[i]!
        const rawLength = readUint32(content, trailer)
        expect(rawLength).toBeLessThanOrEqual(4096)
        used.add(content[trailer + 4]!)
        if (content[trailer + 4] === CODEC_NONE) expect(payloadLength).toBe(rawLength)
        else expect(payloadLength).toBeLessThanOrEqual(rawLength - (rawLength >>> 3))
      }
      return [...used]
    })
    expect(codecs).toEqual([[CODEC_SNAPPY], [CODEC_SNAPPY], [CODEC_NONE]])
  })

  test('fills blocks up to the block size, and gives a larger entry one of its own', () => {
    const entries = [put('a', 1, 'x'.repeat(10)), put('b', 1, 'y'.repeat(5000)), put('c', 1, 'z'.repeat(10)), deletion('d', 1)]
    const reader = openTable(buildTable(entries, { blockSize: 64 }))
    expect(reader.index.count).toBe(3)
    expect(allForward(reader.iterator(BLOCKING))).toEqual(entries)
  })

  test('leaves the filter out when asked', () => {
    const withFilter = buildTable(entriesOf(1000, 0), { bloomFalsePositiveRate: 0.01 })
    const without = buildTable(entriesOf(1000, 0), { bloomFalsePositiveRate: 0 })
    const saved = withFilter.meta.fileBytes - without.meta.fileBytes
    expect(saved).toBeGreaterThan(1000)
    expect(saved).toBeLessThan(1500)
    const reader = openTable(without)
    expect(getFrom(reader, 'user:0', 9)).toBeUndefined()
    expect(reader.stats.blockingReads).toBe(2)
    const filtered = openTable(withFilter)
    expect(getFrom(filtered, 'user:0', 9)).toBeUndefined()
    expect(filtered.stats.blockingReads).toBe(1)
  })

  test('keeps values up to the limit', () => {
    const vfs = new MemoryVfs()
    const builder = new TableBuilder(vfs, 'large.sst', 3, { ...OPTIONS, codec: 'snappy' })
    const value = Buffer.alloc(VALUE_BYTES_MAX, 'large')
    builder.add(Buffer.from('key'), 0, 3, 1, 1, 0, 0)
    builder.add(value, 0, 5, 1, 1, 0, VALUE_BYTES_MAX)
    const meta = runTaskSync(builder.finish())
    const reader = openTable({ vfs, path: 'large.sst', meta })
    expect(getFrom(reader, 'large', 1)).toMatchObject({ sequence: 1 })
    expect(reader.resultValueEnd - reader.resultValueStart).toBe(VALUE_BYTES_MAX)
    expect(reader.resultData.compare(value, 0, value.length, reader.resultValueStart, reader.resultValueEnd)).toBe(0)
    reader.clearResult()
    expect(reader.resultData.length).toBe(0)
  })
})
