import { describe, expect, test } from 'vitest'
import { BlockCache } from '../../../src/cache/block_cache.js'
import { EXHAUSTED, type InternalIterator, MOVED, type MoveStatus, NEEDS_IO } from '../../../src/codec/internal_iterator.js'
import { ReadContext, ReadStats } from '../../../src/sstable/read_context.js'
import { TableReader } from '../../../src/sstable/table_reader.js'
import { Random } from '../../../src/util/random.js'
import { BLOCKING, buildTable, type Entry, entryAt, getFrom, openTable, put, randomEntries, seek, seekBefore, testSeed } from './fixture.js'

const entries = Array.from({ length: 60 }, (_, i) => put(`key${100 + i}`, i + 1))

/** The fields an iterator shows. */
function visible(iterator: InternalIterator): unknown {
  const { data, keyStart, keyEnd, valueStart, valueEnd, sequence, kind } = iterator
  return { data: data.toString('latin1'), keyStart, keyEnd, valueStart, valueEnd, sequence, kind }
}

/** Makes a move until it needs no more I/O, and checks that a move that waits changes nothing. */
async function moved(
  iterator: InternalIterator,
  context: ReadContext,
  move: () => MoveStatus,
): Promise<{ status: MoveStatus; waits: number }> {
  let waits = 0
  for (;;) {
    const before = visible(iterator)
    const status = move()
    if (status !== NEEDS_IO) return { status, waits }
    expect(visible(iterator)).toEqual(before)
    expect(context.wanted).toBeDefined()
    waits++
    await context.load()
    expect(context.wanted).toBeUndefined()
  }
}

describe('a read that must not block', () => {
  for (const [name, makeCache] of [
    ['no cache', () => undefined],
    ['a cache of capacity 0', () => new BlockCache(0)],
    ['a cache', () => new BlockCache(1 << 20)],
  ] as const) {
    test(`finds a key after one load, with ${name}`, async () => {
      const reader = openTable(buildTable(entries), makeCache())
      const context = new ReadContext(false)
      expect(getFrom(reader, 'key130', 99, context)).toBe('needs io')
      await context.load()
      expect(getFrom(reader, 'key130', 99, context)).toEqual(entries[30])
      expect(reader.stats).toMatchObject({ blockingReads: 1, pooledReads: 1 })
    })

    test(`walks the whole table both ways, with ${name}`, async () => {
      const reader = openTable(buildTable(entries, { blockSize: 64 }), makeCache())
      const context = new ReadContext(false)
      const iterator = reader.iterator(context)
      const seen: Entry[] = []
      let waits = 0
      let step = await moved(iterator, context, () => iterator.seekToFirst())
      while (step.status === MOVED) {
        seen.push(entryAt(iterator))
        waits += step.waits
        step = await moved(iterator, context, () => iterator.next())
      }
      expect(seen).toEqual(entries)
      expect(waits).toBe(reader.index.count)
      expect(context.heldCount).toBe(0)
      step = await moved(iterator, context, () => iterator.seekToLast())
      while (step.status === MOVED) {
        expect(entryAt(iterator)).toEqual(seen.pop())
        step = await moved(iterator, context, () => iterator.prev())
      }
      expect(seen).toEqual([])
    })
  }

  test('gets on when two blocks are needed for one move', async () => {
    const long = 'x'.repeat(30)
    const table = buildTable([put('a11', 1, long), put('c22', 2, long), put('e33', 3, long)], { blockSize: 64 })
    const reader = openTable(table)
    const context = new ReadContext(false)
    const iterator = reader.iterator(context)
    // Separators are 'b' and 'd': after 'a11' in the first block there is nothing, so the second one is needed, too.
    const forward = await moved(iterator, context, () => seek(iterator, 'a22', 9))
    expect(forward).toEqual({ status: MOVED, waits: 2 })
    expect(entryAt(iterator).key).toBe('c22')
    const backward = await moved(iterator, context, () => seekBefore(iterator, 'bb', 9))
    expect(backward).toEqual({ status: MOVED, waits: 1 })
    expect(entryAt(iterator).key).toBe('a11')
    expect(context.heldCount).toBe(0)
  })

  test('needs no I/O for the block it stands in', async () => {
    const reader = openTable(buildTable(entries))
    const context = new ReadContext(false)
    const iterator = reader.iterator(context)
    await moved(iterator, context, () => seek(iterator, 'key101', 99))
    expect(seek(iterator, 'key100', 99)).toBe(MOVED)
    expect(iterator.prev()).toBe(EXHAUSTED)
    expect(seek(iterator, 'key101', 99)).toBe(MOVED)
    expect(seek(iterator, 'zzz', 99)).toBe(EXHAUSTED)
    expect(seek(iterator, 'key101', 99)).toBe(MOVED)
  })

  test('shares the way through the thread pool with others that want the same block', async () => {
    const reader = openTable(buildTable(entries))
    const contexts = [1, 2, 3].map(() => new ReadContext(false))
    for (const context of contexts) getFrom(reader, 'key130', 99, context)
    await Promise.all(contexts.map((context) => context.load()))
    for (const context of contexts) expect(getFrom(reader, 'key130', 99, context)).toEqual(entries[30])
    expect(reader.stats.pooledReads).toBe(1)
  })

  test('works on when its table is closed meanwhile', async () => {
    const table = buildTable(entries)
    const reader = openTable(table, new BlockCache(1 << 20))
    const context = new ReadContext(false)
    expect(getFrom(reader, 'key130', 99, context)).toBe('needs io')
    reader.release()
    expect(table.vfs.openHandleCount).toBe(0)
    await context.load()
    expect(getFrom(reader, 'key130', 99, context)).toEqual(entries[30])
    expect(getFrom(reader, 'key110', 99, BLOCKING)).toEqual(entries[10])
    const iterator = reader.iterator(BLOCKING)
    expect(iterator.seekToLast()).toBe(MOVED)
    expect(entryAt(iterator)).toEqual(entries.at(-1))
    iterator.close()
    expect(table.vfs.openHandleCount).toBe(0)
  })

  test('forgets on reset', async () => {
    const reader = openTable(buildTable(entries))
    const context = new ReadContext(false)
    getFrom(reader, 'key130', 99, context)
    await context.load()
    context.reset()
    expect(context.heldCount).toBe(0)
    expect(getFrom(reader, 'key130', 99, context)).toBe('needs io')
    context.reset()
    expect(context.wanted).toBeUndefined()
    await context.load()
  })

  test('opens a table through the thread pool', async () => {
    const { vfs, path, meta } = buildTable(entries)
    const stats = new ReadStats()
    const reader = await TableReader.open(vfs, path, meta, undefined, stats)
    expect(getFrom(reader, 'key130', 99)).toEqual(entries[30])
    expect(stats).toMatchObject({ pooledReads: 1, blockingReads: 1 })
    expect(stats.readBytes).toBeGreaterThan(meta.fileBytes - meta.tailOffset)
    reader.release()
    vfs.writeFile(path, Buffer.alloc(meta.fileBytes))
    await expect(TableReader.open(vfs, path, meta)).rejects.toMatchObject({ code: 'ERR_CORRUPTION' })
    expect(vfs.openHandleCount).toBe(0)
  })

  test('random walks wait as often as they like and see the same', async () => {
    const seed = testSeed()
    const random = new Random(seed)
    const sorted = randomEntries(random, 200)
    const table = buildTable(sorted, { blockSize: 100 })
    const plain = openTable(table).iterator(BLOCKING)
    const context = new ReadContext(false)
    const waiting = openTable(table, random.chance(0.5) ? undefined : new BlockCache(random.below(8000))).iterator(context)
    let isStanding = false
    for (let i = 0; i < 400; i++) {
      const { key, sequence } = random.pick(sorted)
      const action = isStanding ? random.below(4) : random.below(2)
      const move = (iterator: InternalIterator) => (): MoveStatus =>
        [() => seek(iterator, key, sequence), () => seekBefore(iterator, key, sequence), () => iterator.next(), () => iterator.prev()][
          action
        ]!()
      const expected = move(plain)()
      const { status } = await moved(waiting, context, move(waiting))
      expect(status, `VARVE_SEED=${seed} step ${i}`).toBe(expected)
      isStanding = status === MOVED
      if (isStanding) expect(entryAt(waiting), `VARVE_SEED=${seed} step ${i}`).toEqual(entryAt(plain))
    }
  })
})

describe('a read that may block', () => {
  test('puts blocks into the cache, unless told not to', () => {
    const cache = new BlockCache(1 << 20)
    const reader = openTable(buildTable(entries), cache)
    const bypass = new ReadContext(true, true, false)
    getFrom(reader, 'key130', 99, bypass)
    expect(cache.stats().blockCount).toBe(0)
    getFrom(reader, 'key130', 99, BLOCKING)
    expect(cache.stats().blockCount).toBe(1)
    const { blockingReads } = reader.stats
    expect(getFrom(reader, 'key130', 99, bypass)).toEqual(entries[30])
    expect(reader.stats.blockingReads).toBe(blockingReads)
  })

  test('does not verify checksums when told not to', () => {
    const table = buildTable(entries)
    const content = table.vfs.readFile(table.path)
    const at = content.indexOf('key100@1')
    content.write('KEY', at, 'latin1')
    table.vfs.writeFile(table.path, content)
    const reader = openTable(table)
    expect(() => getFrom(reader, 'key100', 99, BLOCKING)).toThrow('checksum')
    expect(getFrom(reader, 'key100', 99, new ReadContext(true, false))).toMatchObject({ value: 'KEY100@1' })
  })

  test('counts reads and their time', () => {
    const reader = openTable(buildTable(entries))
    getFrom(reader, 'key130', 99)
    expect(reader.stats.blockingReads).toBe(2)
    expect(reader.stats.blockingReadMs).toBeGreaterThan(0)
  })
})

test('an iterator refuses to move on from nowhere', () => {
  const iterator = openTable(buildTable(entries)).iterator(BLOCKING)
  expect(() => iterator.next()).toThrow('moves on from an entry')
  iterator.seekToLast()
  expect(iterator.next()).toBe(EXHAUSTED)
  expect(() => iterator.prev()).toThrow('moves on from an entry')
  iterator.close()
  iterator.close()
})
