import { beforeEach, describe, expect, test, vi } from 'vitest'
import { type BuilderMemory, giveBuilderMemory, PART_BYTES_MAX, takeBuilderMemory } from '../../../src/sstable/builder_memory.js'
import { tableFileName } from '../../../src/sstable/format.js'
import { TableBuilder, type TableBuilderOptions } from '../../../src/sstable/table_builder.js'
import { Random } from '../../../src/util/random.js'
import { runTaskSync } from '../../../src/util/task.js'
import { MemoryVfs } from '../../../src/vfs/memory.js'
import { addEntry, allForward, BLOCKING, buildTable, type Entry, OPTIONS, openTable, put } from './fixture.js'

const { blockSize, bloomFalsePositiveRate } = OPTIONS
const take = (): BuilderMemory => takeBuilderMemory(blockSize, bloomFalsePositiveRate)

/** Entries whose keys share a prefix of another length each time, so that their indexes have nothing in common. */
function randomEntries(random: Random, count: number, valueBytesMax: number): Entry[] {
  const prefix = 'p'.repeat(random.below(40))
  return Array.from({ length: count }, (_, i) => {
    const value = String.fromCharCode(97 + random.below(26)).repeat(random.below(valueBytesMax))
    return put(`${prefix}${String(random.below(10) + 10 * i).padStart(8, '0')}`, 1 + random.below(1000), value)
  })
}

function fileOf(entries: readonly Entry[], options: Partial<TableBuilderOptions> = {}): Buffer {
  const { vfs, path } = buildTable(entries, options)
  return vfs.readFile(path)
}

/** Takes whatever is spare, so that the next builder has memory that was never used. */
function drain(): void {
  for (let i = 0; i < 3; i++) {
    take()
    takeBuilderMemory(1024, 0)
  }
}

describe('builder memory', () => {
  beforeEach(drain)

  test('goes from a finished table to the next one', () => {
    const memory = take()
    giveBuilderMemory(memory)
    buildTable([put('a', 1)])
    const again = take()
    expect(again).toBe(memory)
    expect(take()).not.toBe(memory)
  })

  test('goes on from an abandoned table, and once only', () => {
    const memory = take()
    giveBuilderMemory(memory)
    const builder = new TableBuilder(new MemoryVfs(), tableFileName(1), 1, OPTIONS)
    addEntry(builder, put('a', 1))
    builder.abandon()
    builder.abandon()
    expect(take()).toBe(memory)
    expect(take()).not.toBe(memory)
  })

  test('is let go when there is no memory for smaller parts, and the file of an abandoned table is gone all the same', () => {
    const vfs = new MemoryVfs()
    const memory = take()
    giveBuilderMemory(memory)
    const builder = new TableBuilder(vfs, tableFileName(1), 1, { ...OPTIONS, codec: 'none' })
    for (const key of ['a', 'b']) addEntry(builder, put(key, 1, key.repeat(3 * PART_BYTES_MAX)))
    expect(vfs.files()).toHaveLength(1)
    const allocate = vi.spyOn(Buffer, 'allocUnsafeSlow').mockImplementation(() => {
      throw new RangeError('Array buffer allocation failed')
    })
    try {
      builder.abandon()
      expect(allocate).toHaveBeenCalled()
    } finally {
      allocate.mockRestore()
    }
    expect([vfs.files(), vfs.openHandleCount]).toEqual([[], 0])
    expect(take()).not.toBe(memory)
  })

  test('keeps what a builder of the largest blocks begins with', () => {
    const memory = takeBuilderMemory(PART_BYTES_MAX, 0)
    const { buffer } = memory.block
    giveBuilderMemory(memory)
    expect(takeBuilderMemory(PART_BYTES_MAX, 0).block.buffer === buffer).toBe(true)
  })

  test('does not come back twice from a table that was finished and then abandoned', () => {
    const memory = take()
    giveBuilderMemory(memory)
    const builder = new TableBuilder(new MemoryVfs(), tableFileName(1), 1, OPTIONS)
    addEntry(builder, put('a', 1))
    runTaskSync(builder.finish())
    builder.abandon()
    expect(take()).toBe(memory)
    expect(take()).not.toBe(memory)
  })

  test('is never that of two builders at a time', () => {
    const random = new Random(7)
    const vfs = new MemoryVfs()
    for (let round = 0; round < 5; round++) {
      const sets = [0, 1, 2].map(() => randomEntries(random, 300, 60))
      const builders = sets.map((_, i) => new TableBuilder(vfs, tableFileName(i + 1), i + 1, OPTIONS))
      for (let i = 0; i < 300; i++) for (let j = 0; j < 3; j++) addEntry(builders[j]!, sets[j]![i]!)
      for (const [j, builder] of builders.entries()) {
        const table = { vfs, path: tableFileName(j + 1), meta: runTaskSync(builder.finish()) }
        const reader = openTable(table)
        const iterator = reader.iterator(BLOCKING)
        expect(allForward(iterator)).toEqual(sets[j])
        iterator.close()
        reader.release()
        vfs.unlinkSync(table.path)
      }
    }
  })

  test('leaves no trace in the tables that are built in it', () => {
    const random = new Random(3)
    const sets = Array.from({ length: 12 }, () => randomEntries(random, 1 + random.below(3000), random.below(4) === 0 ? 3000 : 40))
    const fresh = sets.map((entries) => {
      drain()
      return fileOf(entries)
    })
    const memory = take()
    giveBuilderMemory(memory)
    for (let round = 0; round < 2; round++) {
      for (const [i, entries] of sets.entries()) expect(fileOf(entries).equals(fresh[i]!), `set ${i}`).toBe(true)
    }
    expect(take()).toBe(memory)
  })

  test('is not shared by tables of other settings', () => {
    const memory = take()
    giveBuilderMemory(memory)
    expect(takeBuilderMemory(blockSize * 2, bloomFalsePositiveRate)).not.toBe(memory)
    expect(takeBuilderMemory(blockSize, 0.5)).not.toBe(memory)
    expect(takeBuilderMemory(blockSize, 0).filter).toBeUndefined()
    expect(take()).toBe(memory)
  })

  test('is kept for two builders, the latest ones', () => {
    const all = [take(), take(), take()]
    for (const memory of all) giveBuilderMemory(memory)
    expect([take(), take()]).toEqual([all[2], all[1]])
    expect(all).not.toContain(take())
  })

  test('does not stay as large as it was for a large table', () => {
    const memory = take()
    giveBuilderMemory(memory)
    const builder = new TableBuilder(new MemoryVfs(), tableFileName(1), 1, OPTIONS)
    const value = 'v'.repeat(2 * PART_BYTES_MAX)
    for (let i = 0; i < 3; i++) addEntry(builder, put(`key${i}`, 1, value))
    expect(memory.block.buffer.length).toBeGreaterThan(PART_BYTES_MAX)
    runTaskSync(builder.finish())
    expect(memory.block.buffer.length).toBeLessThanOrEqual(4 * blockSize + 4096)
    expect(take()).toBe(memory)
  })
})
