/** What `stats()` tells must be what is. */
import { expect, test } from 'vitest'
import { memory, type StoreStats } from '../../src/index.js'
import { openStore, TINY } from '../support/stores.js'

test('an empty store', async () => {
  const store = await openStore()
  const stats = store.stats()
  expect(stats).toMatchObject({
    status: 'open',
    sequence: 0,
    memtable: { keys: 0, capacityBytes: 4096 },
    immutableMemtables: { count: 0, keys: 0, bytes: 0 },
    tables: { count: 0, open: 0, bytes: 0 },
    cache: { capacityBytes: 64 * 1024 * 1024, usedBytes: 0, blocks: 0, hits: 0, misses: 0, hitRate: 0 },
    wal: { records: 0, bytes: 0, syncs: 0 },
    flushes: { count: 0, bytes: 0, timeMs: 0 },
    compactions: { count: 0, moves: 0, readBytes: 0, writtenBytes: 0, timeMs: 0 },
    amplification: { write: 0, space: 0 },
    recovery: { logs: 0, records: 0, tornBytes: 0, damagedBytes: 0, missingWrites: 0 },
    stalls: { count: 0, waitedMs: 0, delayedMs: 0, debtBytes: 0 },
    snapshots: { open: 0, oldestAgeMs: 0 },
    scans: { open: 0, oldestAgeMs: 0 },
  })
  expect(stats.levels.map(({ level }) => level)).toEqual([0, 1, 2, 3, 4, 5, 6])
  for (const level of stats.levels) expect(level).toMatchObject({ tables: 0, keys: 0, tombstones: 0, bytes: 0, rawBytes: 0 })
})

test('the numbers follow what is written, read, flushed and compacted', async () => {
  const vfs = memory()
  const store = await openStore(vfs)
  const value = 'x'.repeat(99)
  for (let i = 0; i < 20; i++) await store.put(`key ${String(i).padStart(4, '0')}`, value)
  await store.delete('key 0000')
  const written = store.stats()
  expect(written.sequence).toBe(21)
  expect(written.memtable.keys).toBe(21)
  expect(written.memtable.bytes).toBeGreaterThan(20 * 108)
  expect(written.wal.records).toBe(21)
  expect(written.wal.bytes).toBeGreaterThan(20 * 108)
  expect(written.amplification.write).toBeGreaterThanOrEqual(1)

  await store.flush()
  const flushed = store.stats()
  const tableBytes = vfs
    .files()
    .filter((path) => path.endsWith('.sst'))
    .reduce((sum, path) => sum + vfs.readFile(path).length, 0)
  expect(flushed.memtable.keys).toBe(0)
  expect(flushed.flushes).toMatchObject({ count: 1, bytes: tableBytes })
  expect(flushed.tables).toMatchObject({ count: 1, bytes: tableBytes })
  expectConsistent(flushed)
  const holder = flushed.levels.find(({ tables }) => tables === 1)!
  expect(holder.rawBytes).toBeGreaterThanOrEqual(19 * 108)

  await store.get('key 0007')
  const first = store.stats().cache
  await store.get('key 0007')
  const second = store.stats().cache
  expect(first.misses).toBeGreaterThan(0)
  expect(second).toMatchObject({ misses: first.misses, hits: first.hits + 1 })
  expect(second.hitRate).toBeCloseTo(second.hits / (second.hits + second.misses))
  expect(second.usedBytes).toBeGreaterThan(256)
  expect(store.stats().tables.open).toBe(1)

  for (let i = 0; i < 500; i++) await store.put(`key ${String(i % 50).padStart(4, '0')}`, `${i}${value}`)
  await store.compact()
  const compacted = store.stats()
  expectConsistent(compacted)
  expect(compacted.sequence).toBe(521)
  expect(compacted.levels[6]).toMatchObject({ keys: 50, tombstones: 0 })
  expect(compacted.compactions.count).toBeGreaterThan(0)
  expect(compacted.compactions.writtenBytes).toBeGreaterThan(0)
  expect(compacted.amplification.space).toBe(1)
  expect(compacted.amplification.write).toBeGreaterThan(2)
  expect(compacted.amplification.write).toBeLessThan(20)

  await store.close()
  expect(store.stats()).toMatchObject({ status: 'closed', sequence: 521 })
})

test('syncs are counted, and shared', async () => {
  const store = await openStore(memory(), { ...TINY, memtableSize: 1024 * 1024, walSync: 'always' })
  await Promise.all(Array.from({ length: 64 }, (_, i) => store.put(`k${i}`, i)))
  expect(store.stats().wal).toMatchObject({ records: 1, syncs: 1 })
  await store.put('k', 1)
  expect(store.stats().wal).toMatchObject({ records: 2, syncs: 2 })
})

/** What must fit together in any state. */
function expectConsistent(stats: StoreStats): void {
  const { levels, tables, memory: parts } = stats
  expect(levels.reduce((sum, level) => sum + level.tables, 0)).toBe(tables.count)
  expect(levels.reduce((sum, level) => sum + level.bytes, 0)).toBe(tables.bytes)
  for (const level of levels) expect(level.tombstones).toBeLessThanOrEqual(level.keys)
  expect(parts.memtables + parts.cachedBlocks + parts.tableMetadata + parts.writeBuffers).toBe(parts.total)
  expect(parts.memtables).toBeGreaterThanOrEqual(stats.memtable.capacityBytes)
  expect(stats.cache.usedBytes).toBeLessThanOrEqual(stats.cache.capacityBytes)
}
