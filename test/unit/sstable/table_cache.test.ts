import { describe, expect, test } from 'vitest'
import { BlockCache } from '../../../src/cache/block_cache.js'
import { MOVED, NEEDS_IO } from '../../../src/codec/internal_iterator.js'
import { ReadContext } from '../../../src/sstable/read_context.js'
import { TableCache } from '../../../src/sstable/table_cache.js'
import type { TableMeta } from '../../../src/sstable/table_meta.js'
import { MemoryVfs } from '../../../src/vfs/memory.js'
import { BLOCKING, allForward, buildTable, type Entry, entryAt, getFrom, put, seek } from './fixture.js'

/** Tables 1 to `count` on one disk; table n holds the key `k` with the value n. */
function tables(count: number): { vfs: MemoryVfs; metas: TableMeta[] } {
  const vfs = new MemoryVfs()
  const metas = Array.from({ length: count }, (_, i) => buildTable([put('k', 1, String(i + 1))], {}, i + 1, vfs).meta)
  return { vfs, metas }
}

function valueIn(cache: TableCache, meta: TableMeta): string {
  const entry = getFrom(cache.reader(meta, BLOCKING)!, 'k', 9)
  return typeof entry === 'object' ? entry.value : String(entry)
}

describe('table cache', () => {
  test('opens tables when they are read, and again when they were closed', () => {
    const { vfs, metas } = tables(5)
    const blocks = new BlockCache(1 << 20)
    const cache = new TableCache(vfs, '', blocks, 2)
    expect(vfs.openHandleCount).toBe(0)
    for (let round = 0; round < 3; round++) {
      for (const meta of metas) {
        expect(valueIn(cache, meta)).toBe(String(meta.fileNumber))
        expect(vfs.openHandleCount).toBeLessThanOrEqual(2)
      }
    }
    expect(cache.stats()).toMatchObject({ openTables: 2, opens: 15, evictions: 13 })
    expect(blocks.stats().pinnedBytes).toBeGreaterThanOrEqual(cache.stats().memoryBytes)
    cache.closeAll()
    expect(vfs.openHandleCount).toBe(0)
    expect(blocks.stats()).toMatchObject({ pinnedBytes: 0, blockCount: 0 })
    expect(cache.stats()).toMatchObject({ openTables: 0, memoryBytes: 0 })
  })

  test('keeps what is in use: a table read between all others stays open', () => {
    const { vfs, metas } = tables(30)
    const cache = new TableCache(vfs, '', undefined, 3)
    const [hot, ...cold] = metas as [TableMeta, ...TableMeta[]]
    for (const meta of cold) {
      valueIn(cache, hot)
      valueIn(cache, meta)
    }
    expect(cache.stats().opens).toBe(30)
  })

  test('lets an iterator finish on a table that was evicted, and closes the file after it', () => {
    const { vfs, metas } = tables(3)
    const blocks = new BlockCache(1 << 20)
    const cache = new TableCache(vfs, '', blocks, 1)
    const iterator = cache.reader(metas[0]!, BLOCKING)!.iterator(BLOCKING)
    expect(valueIn(cache, metas[1]!)).toBe('2')
    cache.evict(1)
    expect(cache.stats().openTables).toBe(1)
    expect(vfs.openHandleCount).toBe(2)
    expect(allForward(iterator).map((entry) => entry.value)).toEqual(['1'])
    iterator.close()
    expect(vfs.openHandleCount).toBe(1)
    cache.closeAll()
    expect(vfs.openHandleCount).toBe(0)
    expect(blocks.stats().pinnedBytes).toBe(0)
  })

  test('lets an iterator finish after everything was closed', () => {
    const { vfs, metas } = tables(1)
    const cache = new TableCache(vfs, '', undefined, 9)
    const iterator = cache.reader(metas[0]!, BLOCKING)!.iterator(BLOCKING)
    cache.closeAll()
    expect(iterator.seekToFirst()).toBe(MOVED)
    expect(entryAt(iterator).value).toBe('1')
    iterator.close()
    expect(vfs.openHandleCount).toBe(0)
  })

  test('forgets a deleted table, and one that never was open', () => {
    const { vfs, metas } = tables(2)
    const cache = new TableCache(vfs, '', undefined, 9)
    valueIn(cache, metas[0]!)
    cache.evict(1)
    cache.evict(2)
    expect(vfs.openHandleCount).toBe(0)
    vfs.unlinkSync('000001.sst')
    expect(() => cache.reader(metas[0]!, BLOCKING)).toThrow('missing; if another process writes to the store, open it again (000001.sst)')
  })

  test('waits for the thread pool when it must not block, and opens a table once for all who wait', async () => {
    const { vfs, metas } = tables(1)
    const cache = new TableCache(vfs, '', undefined, 9)
    const contexts = [1, 2, 3].map(() => new ReadContext(false))
    for (const context of contexts) expect(cache.reader(metas[0]!, context)).toBeUndefined()
    await Promise.all(contexts.map((context) => context.load()))
    expect(cache.stats().opens).toBe(1)
    for (const context of contexts) expect(cache.reader(metas[0]!, context)).toBeDefined()
    expect(cache.readStats).toMatchObject({ pooledReads: 1, blockingReads: 0 })
  })

  test('gets on when one read needs more tables than may be open', async () => {
    const { vfs, metas } = tables(4)
    const cache = new TableCache(vfs, '', undefined, 1)
    const context = new ReadContext(false)
    const values: unknown[] = []
    let loads = 0
    for (let i = 0; i < metas.length;) {
      const reader = cache.reader(metas[i]!, context)
      const entry = reader === undefined ? 'needs io' : getFrom(reader, 'k', 9, context)
      if (entry === 'needs io') {
        await context.load()
        loads++
        i = 0
        values.length = 0
        continue
      }
      values.push(entry?.value)
      i++
    }
    expect(values).toEqual(['1', '2', '3', '4'])
    expect(loads).toBe(8)
    cache.closeAll()
    expect(vfs.openHandleCount).toBe(0)
  })

  test('does not let a scan collect the readers of all tables it comes by', async () => {
    const { vfs, metas } = tables(4)
    const cache = new TableCache(vfs, '', undefined, 1)
    const context = new ReadContext(false)
    for (const meta of metas) {
      expect(cache.reader(meta, context)).toBeUndefined()
      await context.load()
      const iterator = cache.reader(meta, context)!.iterator(context)
      expect(iterator.seekToFirst()).toBe(NEEDS_IO)
      await context.load()
      expect(iterator.seekToFirst()).toBe(MOVED)
      expect(context.heldCount).toBe(0)
      iterator.close()
    }
  })

  test('leaves no file open when a table is evicted, or all are closed, while it opens', async () => {
    for (const disturb of [(cache: TableCache) => cache.evict(1), (cache: TableCache) => cache.closeAll()]) {
      const { vfs, metas } = tables(1)
      const cache = new TableCache(vfs, '', undefined, 9)
      const context = new ReadContext(false)
      cache.reader(metas[0]!, context)
      const loading = context.load()
      disturb(cache)
      await loading
      expect(vfs.openHandleCount).toBe(0)
      expect(cache.stats().openTables).toBe(0)
      expect(cache.reader(metas[0]!, context)).toBeDefined()
    }
  })

  test('opens once when a read on the spot overtakes one through the thread pool', async () => {
    const { vfs, metas } = tables(1)
    const cache = new TableCache(vfs, '', undefined, 9)
    const context = new ReadContext(false)
    cache.reader(metas[0]!, context)
    const loading = context.load()
    expect(valueIn(cache, metas[0]!)).toBe('1')
    await loading
    expect(vfs.openHandleCount).toBe(1)
    expect(cache.stats().openTables).toBe(1)
  })

  test('reports a table that cannot be opened to each who asks, and tries again', async () => {
    const { vfs, metas } = tables(1)
    const whole = vfs.readFile('000001.sst')
    vfs.writeFile('000001.sst', Buffer.alloc(whole.length))
    const cache = new TableCache(vfs, '', undefined, 9)
    const context = new ReadContext(false)
    cache.reader(metas[0]!, context)
    await expect(context.load()).rejects.toMatchObject({ code: 'ERR_CORRUPTION' })
    vfs.writeFile('000001.sst', whole)
    cache.reader(metas[0]!, context)
    await context.load()
    expect(getFrom(cache.reader(metas[0]!, context)!, 'k', 9)).toMatchObject({ value: '1' })
  })

  describe('without filters', () => {
    const many = (tag: string, count: number): Entry[] =>
      Array.from({ length: count }, (_, i) => put(`${tag}${String(i).padStart(6, '0')}`, i + 1))
    const withoutFilters = (vfs: MemoryVfs): TableCache => new TableCache(vfs, '', undefined, 9, undefined, false)

    test('reads tables side by side, each with an index of its own', () => {
      const vfs = new MemoryVfs()
      const sets = [many('a', 900), many('other', 500), many('b', 1200)]
      const metas = sets.map((entries, i) => buildTable(entries, { blockSize: 64 }, i + 1, vfs).meta)
      const cache = withoutFilters(vfs)
      const iterators = metas.map((meta) => cache.reader(meta, BLOCKING)!.iterator(BLOCKING))
      for (const [i, iterator] of iterators.entries()) {
        expect(allForward(iterator)).toEqual(sets[i])
        for (const entry of sets[i]!.filter((_, at) => at % 97 === 0)) {
          expect(seek(iterator, entry.key, entry.sequence)).toBe(MOVED)
          expect(entryAt(iterator)).toEqual(entry)
        }
        iterator.close()
      }
      cache.closeAll()
      expect(vfs.openHandleCount).toBe(0)
    })

    test('holds less, and still finds keys', () => {
      const entries = many('k', 1000)
      const { vfs, meta } = buildTable(entries)
      const whole = new TableCache(vfs, '', undefined, 9)
      const cache = withoutFilters(vfs)
      expect(getFrom(cache.reader(meta, BLOCKING)!, 'k000500', 9999)).toEqual(entries[500])
      expect(getFrom(cache.reader(meta, BLOCKING)!, 'k0005000', 9999)).toBeUndefined()
      whole.reader(meta, BLOCKING)
      expect(cache.stats().memoryBytes).toBeGreaterThan(0)
      expect(cache.stats().memoryBytes).toBeLessThan(whole.stats().memoryBytes - 1000)
    })

    test('reports a damaged filter all the same, and closes the file', () => {
      const { vfs, path, meta } = buildTable(many('k', 1000))
      const content = vfs.readFile(path)
      content[meta.tailOffset + 100]! ^= 1
      vfs.writeFile(path, content)
      expect(() => withoutFilters(vfs).reader(meta, BLOCKING)).toThrow('a block does not match its checksum')
      expect(vfs.openHandleCount).toBe(0)
    })
  })
})
