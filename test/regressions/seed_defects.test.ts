/**
 * Defects of an earlier engine, S1 to S16, each as a test that this engine does not have it. They were found by reading that engine; its
 * own tests were green. `S14`, options that do nothing, is in `options_matter.test.ts`.
 */
import { describe, expect, test } from 'vitest'
import {
  type BatchOperation,
  FaultVfs,
  ManualClock,
  memory,
  type MemoryVfs,
  Store,
  type StoreOptions,
  type Value,
} from '../../src/index.js'
import { writeUint32 } from '../../src/codec/bytes.js'
import { checksum32 } from '../../src/codec/checksum.js'
import { Random } from '../../src/util/random.js'
import { MANIFEST_HEADER_BYTES } from '../../src/version/manifest_format.js'
import { expectState, modelKey } from '../support/history.js'
import { IS_LONG, testSeed } from '../support/seed.js'
import { DIR, entriesOf, failure, nextTurn, openStore, rejection, TINY } from '../support/stores.js'

/** A power loss now, that takes everything which was not synced. */
const POWER_LOSS = { unsyncedPercent: 0, seed: 1 }

function pathsOf(vfs: MemoryVfs, end: string): string[] {
  return vfs.files().filter((path) => path.endsWith(end))
}

test('S1: of 20,000 records that were synced one by one, a recovery finds 20,000', async () => {
  const vfs = memory()
  const store = await openStore(vfs, { walSync: 'always', backgroundThreads: 0 })
  for (let i = 0; i < 20_000; i++) store.putSync(`key ${i}`, i)
  expect(store.stats().wal.syncs).toBe(20_000)
  const recovered = await openStore(vfs.crashClone(POWER_LOSS), { backgroundThreads: 0 })
  expect(recovered.stats().recovery).toMatchObject({ records: 20_000, tornBytes: 0 })
  expect([...recovered.keys()]).toHaveLength(20_000)
  for (const i of [0, 305, 306, 307, 9999, 19_999]) expect(recovered.getSync(`key ${i}`)).toBe(i)
})

test('S2: with default options what is acknowledged has been given to the system, and survives the death of the process', async () => {
  const vfs = memory()
  const store = await openStore(vfs, { backgroundThreads: 0 })
  for (let i = 0; i < 500; i++) {
    await store.put(`key ${i}`, i)
    if (i % 100 !== 0) continue
    const recovered = await openStore(vfs.processKillClone(), { backgroundThreads: 0, readOnly: true })
    expect([...recovered.keys()]).toHaveLength(i + 1)
  }
})

test('S3: a batch is one record of the log: cut off at any byte, it is there whole or not at all', async () => {
  const vfs = memory()
  const store = await openStore(vfs)
  await store.put('before', 1)
  await store.batch(Array.from({ length: 30 }, (_, i): BatchOperation => ({ type: 'put', key: `batch ${i}`, value: 'some text' })))
  expect(store.stats().wal.records).toBe(2)
  const path = pathsOf(vfs, '.log')[0]!
  const log = vfs.readFile(path)
  const counts = new Set<number>()
  for (let length = 0; length <= log.length; length += IS_LONG ? 1 : 3) {
    const torn = vfs.processKillClone()
    torn.writeFile(path, log.subarray(0, length))
    const recovered = await Store.open(torn, TINY)
    counts.add([...recovered.keys()].length)
    await recovered.close()
  }
  expect([...counts].toSorted((a, b) => a - b)).toEqual([0, 1].concat(log.length % (IS_LONG ? 1 : 3) === 0 ? [31] : []))
  expect([...(await openStore(vfs.processKillClone())).keys()]).toHaveLength(31)
})

test('S4: a flush in the background takes no log away that a younger memtable needs', async () => {
  const vfs = memory()
  const store = await openStore(vfs)
  const state = new Map<string, Value>()
  const clones: { clone: MemoryVfs; state: Map<string, Value> }[] = []
  vfs.onMutation = (_, kind, path) => {
    // The moment after which a log is gone, with writes in the memtable that came after the flushed one.
    if (kind === 'unlink' && path.endsWith('.log'))
      queueMicrotask(() => clones.push({ clone: vfs.processKillClone(), state: new Map(state) }))
  }
  for (let i = 0; i < 300; i++) {
    const value = `${i} ${'x'.repeat(60)}`
    await store.put(`key ${i}`, value)
    state.set(`key ${i}`, value)
    if (i % 3 === 0) await nextTurn()
  }
  expect(clones.length).toBeGreaterThan(5)
  for (const { clone, state: expected } of clones) {
    const recovered = await Store.open(clone, TINY)
    for (const [key, value] of expected) expect(recovered.getSync(key)).toBe(value)
    await recovered.close()
  }
})

test('S5: tables, directory, manifest: each is durable before what relies on it, and inputs go last', async () => {
  const vfs = memory()
  const store = await openStore(vfs)
  const trace: { kind: string; path: string }[] = []
  vfs.onMutation = (_, kind, path) => trace.push({ kind, path })
  for (let round = 0; round < 4; round++) {
    for (let i = 0; i < 60; i++) await store.put(`key ${i}`, `${round} ${'x'.repeat(60)}`)
    await store.flush()
  }
  await store.compact()
  for (let i = 0; i < 20; i++) await nextTurn()
  const last = (kind: string, path: string | RegExp, end: number): number =>
    trace.findLastIndex((each, i) => i < end && each.kind === kind && each.path.search(path) >= 0)
  const first = (kind: string, path: string | RegExp, start: number): number =>
    trace.findIndex((each, i) => i > start && each.kind === kind && each.path.search(path) >= 0)
  const created = trace.flatMap(({ kind, path }, i) => (kind === 'create' && path.endsWith('.sst') ? [{ path, at: i }] : []))
  expect(created.length).toBeGreaterThan(4)
  for (const { path, at } of created) {
    const synced = first('sync', path, at)
    const dirSynced = first('syncDir', DIR, synced)
    const written = first('write', /MANIFEST/, synced)
    expect(last('write', path, trace.length), path).toBeLessThan(synced)
    expect([synced > at, dirSynced > synced, written > dirSynced], path).toEqual([true, true, true])
  }
  // Each of these after the one before: where the chain ends.
  const chain = (start: number, ...links: [kind: string, path: RegExp][]): number =>
    links.reduce((at, [kind, path]) => (at < 0 ? at : first(kind, path, at)), start)
  const edit: [string, RegExp][] = [
    ['write', /MANIFEST/],
    ['sync', /MANIFEST/],
  ]
  const removed = trace.flatMap(({ kind, path }, at) => (kind === 'unlink' && /\.(sst|log)$/.test(path) ? [{ path, at }] : []))
  expect(removed.length).toBeGreaterThan(4)
  for (const { path, at } of removed) {
    // A log: written, then a table made of it, then an edit. A table: put in force by one edit, and out of it by another.
    const isLog = path.endsWith('.log')
    const durable = isLog
      ? chain(last('write', path, at), ['create', /\.sst$/], ['sync', /\.sst$/], ...edit)
      : chain(first('create', path, -1), ...edit, ...edit)
    expect([durable > 0, durable < at], path).toEqual([true, true])
  }
})

describe('S6: what cannot be read is never passed over', () => {
  async function filled(): Promise<{ vfs: MemoryVfs; state: Map<string, Value> }> {
    const vfs = memory()
    const store = await Store.open(vfs, TINY)
    const state = new Map<string, Value>()
    for (let i = 0; i < 100; i++) {
      await store.put(`key ${i % 60}`, `value ${i}`)
      state.set(modelKey(`key ${i % 60}`), `value ${i}`)
      if (i % 25 === 24) await store.flush()
    }
    await store.close()
    return { vfs, state }
  }

  test('a table that is missing keeps the store from opening', async () => {
    const { vfs } = await filled()
    const path = pathsOf(vfs, '.sst')[0]!
    vfs.unlinkSync(path)
    expect(await rejection(Store.open(vfs, TINY))).toMatchObject({ code: 'ERR_CORRUPTION', path })
  })

  test('damage in the input of a compaction ends it, and everything stays', async () => {
    const { vfs, state } = await filled()
    const tables = pathsOf(vfs, '.sst')
    expect(tables.length).toBeGreaterThan(1)
    const whole = tables.map((path) => vfs.readFile(path))
    for (const [i, path] of tables.entries()) {
      const content = Buffer.from(whole[i]!)
      content[10]! ^= 1
      vfs.writeFile(path, content)
      const store = await Store.open(vfs, TINY)
      const error = await rejection(store.compact())
      expect(['ERR_CORRUPTION', 'ERR_BACKGROUND']).toContain(error.code)
      expect(`${error.message} ${String(error.cause)}`).toContain(path)
      await store.close().catch(() => {})
      for (const table of tables) expect(vfs.files()).toContain(table)
      vfs.writeFile(path, whole[i]!)
    }
    const store = await openStore(vfs)
    expectState(store, state)
    await store.compact()
    expectState(store, state)
  })

  test('a read that fails in the middle of a scan is an error, not the end', async () => {
    const { vfs: inner, state } = await filled()
    const vfs = new FaultVfs(inner)
    for (let nth = 1; nth < 12; nth++) {
      const store = await Store.open(vfs, { ...TINY, blockCacheSize: 0, readOnly: true })
      const rule = vfs.addRule({ operation: 'read', path: /\.sst$/, nth })
      let entries: unknown[] | undefined
      try {
        entries = entriesOf(store)
      } catch (error) {
        expect(error).toMatchObject({ code: 'ERR_IO' })
      }
      if (entries !== undefined) expect(entries).toHaveLength(state.size)
      expect(rule.hits).toBe(entries === undefined ? 1 : 0)
      rule.remove()
      await store.close()
    }
  })
})

test('S7: no byte of a table can change without being noticed: index, filter, properties and footer included', async () => {
  const vfs = memory()
  const store = await Store.open(vfs, { ...TINY, blockSize: 128 })
  const state = new Map<string, Value>()
  for (let i = 0; i < 40; i++) {
    await store.put(`key ${i}`, `value ${i}`)
    state.set(modelKey(`key ${i}`), `value ${i}`)
  }
  await store.compact()
  await store.close()
  const [path] = pathsOf(vfs, '.sst')
  const table = vfs.readFile(path!)
  const seed = testSeed()
  const random = new Random(seed)
  let noticed = 0
  for (let offset = 0; offset < table.length; offset += IS_LONG ? 1 : 3) {
    const damaged = Buffer.from(table)
    damaged[offset]! ^= 1 << random.below(8)
    vfs.writeFile(path!, damaged)
    const reader = await Store.open(vfs, { ...TINY, readOnly: true })
    try {
      expectState(reader, state)
      // Nothing that reads need; whoever copies the table must notice.
    } catch (error) {
      expect(error, `VARVE_SEED=${seed}, byte ${offset}`).toMatchObject({ code: expect.stringMatching(/ERR_(CORRUPTION|FORMAT_VERSION)/) })
      noticed++
    }
    await reader.close()
  }
  expect(noticed / Math.ceil(table.length / (IS_LONG ? 1 : 3))).toBeGreaterThan(0.8)
})

test('S8: filters on every level: a key that is absent costs no read of a block', async () => {
  const misses: Record<string, number> = {}
  for (const rate of [0, 0.01]) {
    const store = await openStore(memory(), { ...TINY, bloomFalsePositiveRate: rate, blockCacheSize: 0 })
    for (let i = 0; i < 1000; i += 2) await store.put(`key ${String(i).padStart(6, '0')}`, 'x'.repeat(20))
    await store.compact()
    for (let i = 0; i < 100; i += 2) await store.put(`key ${String(i * 10).padStart(6, '0')}`, 'newer')
    await store.flush()
    const filled = store.stats().levels.filter(({ tables }) => tables > 0)
    expect(filled.length).toBeGreaterThan(1)
    const before = store.stats().cache.misses
    for (let i = 1; i < 1000; i += 2) expect(store.getSync(`key ${String(i).padStart(6, '0')}`)).toBeUndefined()
    misses[rate] = store.stats().cache.misses - before
  }
  expect(misses['0']).toBeGreaterThan(450)
  expect(misses['0.01']).toBeLessThan(50)
})

describe('S9: deleting gives the disk back', () => {
  test('compact() leaves no tombstone and no table of what was deleted', async () => {
    const store = await openStore()
    for (let i = 0; i < 500; i++) await store.put(`key ${i}`, 'x'.repeat(100))
    await store.compact()
    expect(store.stats().tables.bytes).toBeGreaterThan(40_000)
    await store.deletePrefix('key')
    await store.compact()
    expect(store.stats().tables).toMatchObject({ count: 0, bytes: 0 })
  })

  test('tombstones go as soon as nothing deeper lies under them, in whatever level', async () => {
    const store = await openStore()
    for (let i = 0; i < 500; i++) await store.put('other', i)
    for (let i = 0; i < 2000; i++) await store.delete(`never there ${i}`)
    await store.flush()
    for (let i = 0; i < 200; i++) await nextTurn()
    const tombstones = store.stats().levels.reduce((sum, level) => sum + level.tombstones, 0)
    expect(tombstones).toBeLessThan(400)
  })

  test('it happens by itself when the store is idle', async () => {
    const clock = new ManualClock()
    const vfs = memory()
    const store = await openStore(vfs, { ...TINY, clock })
    for (let i = 0; i < 500; i++) store.putSync(`key ${i}`, 'x'.repeat(100))
    await store.compact()
    const before = store.stats().tables.bytes
    for (let i = 0; i < 500; i++) if (i % 50 !== 0) store.deleteSync(`key ${i}`)
    for (let i = 0; i < 400 && store.stats().tables.bytes > before / 4; i++) {
      clock.advance(100)
      await nextTurn()
    }
    expect(store.stats().tables.bytes).toBeLessThan(before / 4)
    expect([...store.keys()]).toHaveLength(10)
    // Files go one a turn.
    for (let i = 0; i < 50; i++) await nextTurn()
    const onDisk = pathsOf(vfs, '.sst').reduce((sum, path) => sum + vfs.readFile(path).length, 0)
    expect(onDisk).toBeLessThan(before / 4)
  })
})

test('S10: reads and writes go on while compact() is under way', async () => {
  const store = await openStore(memory(), { ...TINY, memtableSize: 64 * 1024 })
  for (let i = 0; i < 5000; i++) void store.put(`key ${i}`, `${i} ${'x'.repeat(60)}`)
  await store.flush()
  let isDone = false
  const compacting = store.compact().then(() => (isDone = true))
  let steps = 0
  while (!isDone) {
    await store.put(`meanwhile ${steps % 50}`, steps)
    expect(await store.get(`key ${(steps * 7) % 5000}`)).toMatch(/^\d/)
    expect(await store.scan({ limit: 3 }).toArray()).toHaveLength(3)
    steps++
    await nextTurn()
  }
  await compacting
  expect(steps).toBeGreaterThan(5)
  expect(store.getSync(`meanwhile ${(steps - 1) % 50}`)).toBe(steps - 1)
  expect([...store.keys()]).toHaveLength(5000 + Math.min(steps, 50))
})

test('S11: prefix scans over several levels are in order and show no version that was replaced', async () => {
  const seed = testSeed()
  const random = new Random(seed)
  const store = await openStore()
  const state = new Map<string, Value>()
  let levels = 0
  for (let i = 0; i < 3000; i++) {
    const key = `${random.pick(['a', 'b', 'c'])}:${String(random.below(400)).padStart(3, '0')}`
    if (random.chance(0.25)) {
      await store.delete(key)
      state.delete(key)
    } else {
      await store.put(key, i)
      state.set(key, i)
    }
    if (i % 500 !== 499) continue
    levels = Math.max(levels, store.stats().levels.filter(({ tables }) => tables > 0).length)
    for (const prefix of ['a:', 'b:1', 'c:39', '']) {
      const expected = [...state].filter(([each]) => each.startsWith(prefix)).toSorted(([a], [b]) => (a < b ? -1 : 1))
      expect([...store.scanPrefix(prefix)], `VARVE_SEED=${seed}`).toEqual(expected)
      expect(await store.scanPrefix(prefix, { reverse: true }).toArray(), `VARVE_SEED=${seed}`).toEqual(expected.toReversed())
    }
    if (i === 999) await store.compact()
  }
  expect(levels).toBeGreaterThan(1)
})

test('S12: deletePrefix reads the keys of the prefix, and not the store', async () => {
  const vfs = new FaultVfs(memory())
  const store = await openStore(vfs, { ...TINY, memtableSize: 64 * 1024, blockCacheSize: 0 })
  for (let i = 0; i < 3000; i++) void store.put(`key ${String(i).padStart(4, '0')}`, 'x'.repeat(100))
  await store.compact()
  const all = vfs.count('read')
  entriesOf(store)
  expect(vfs.count('read') - all).toBeGreaterThan(500)
  const before = vfs.count('read')
  await store.deletePrefix('key 200')
  await store.deleteRange('key 2500', 'key 2510')
  expect(vfs.count('read') - before).toBeLessThan(60)
  expect([...store.keys()]).toHaveLength(2980)
})

describe('S13: one order of all writes', () => {
  test('a scan in the middle of which everything is overwritten shows what was', async () => {
    const store = await openStore()
    for (let i = 0; i < 100; i++) await store.put(`key ${String(i).padStart(3, '0')}`, 'old')
    const scan = store.scan()
    const seen: Value[] = []
    for (let i = 0; i < 100; i++) {
      const [, value] = (await scan.next())!
      seen.push(value)
      for (let j = 0; j < 100; j += 7) await store.put(`key ${String(j).padStart(3, '0')}`, `new ${i}`)
    }
    expect(new Set(seen)).toEqual(new Set(['old']))
    expect(await scan.next()).toBeUndefined()
  })

  test('sequence numbers go on after every opening, also when the log is empty', async () => {
    const vfs = memory()
    let sequence = 0
    for (let round = 0; round < 6; round++) {
      const store = await Store.open(vfs, TINY)
      expect(store.stats().sequence).toBe(sequence)
      const writes = [0, 1, 5, 0, 300, 2][round]!
      for (let i = 0; i < writes; i++) await store.put('k', `${round} ${i}`)
      sequence += writes
      if (round % 2 === 1) await store.flush()
      if (round === 4) await store.compact()
      if (writes > 0) expect(await store.get('k')).toBe(`${round} ${writes - 1}`)
      await store.close()
    }
    expect((await openStore(vfs)).stats().sequence).toBe(308)
  })
})

test.each([0, 2, 99])('S15: format version %i of the manifest is refused, not misread', async (version) => {
  const vfs = memory()
  await (await Store.open(vfs, TINY)).close()
  const path = vfs.files().find((each) => each.includes('MANIFEST'))!
  const content = vfs.readFile(path)
  writeUint32(content, 8, version)
  writeUint32(content, MANIFEST_HEADER_BYTES - 4, checksum32(content, 0, MANIFEST_HEADER_BYTES - 4, 0))
  vfs.writeFile(path, content)
  expect((await rejection(Store.open(vfs, TINY))).code).toBe(version === 0 ? 'ERR_CORRUPTION' : 'ERR_FORMAT_VERSION')
})

describe('S16: tests of crashes crash, and locks lock', () => {
  const LOOSE: StoreOptions = { ...TINY, walSync: 'none' }

  test('a disk after a crash is not one after a close', async () => {
    const vfs = memory()
    const store = await openStore(vfs, LOOSE)
    await store.put('in the process', 1)
    expect(entriesOf(await openStore(vfs.processKillClone(), LOOSE))).toEqual([])
    await store.sync()
    await store.put('in the process', 2)
    const killed = vfs.processKillClone()
    expect(killed.files()).toContain(`${DIR}/LOCK`)
    expect(entriesOf(await openStore(killed, LOOSE))).toEqual([['in the process', 1]])
    await store.close()
    expect(vfs.files()).not.toContain(`${DIR}/LOCK`)
    expect(entriesOf(await openStore(vfs, LOOSE))).toEqual([['in the process', 2]])
  })

  test('a power loss takes what the system had not written', async () => {
    const vfs = memory()
    const store = await openStore(vfs)
    await store.put('synced', 1, { sync: true })
    await store.put('not synced', 1)
    expect(entriesOf(await openStore(vfs.crashClone(POWER_LOSS)))).toEqual([['synced', 1]])
    expect(entriesOf(await openStore(vfs.processKillClone()))).toHaveLength(2)
  })

  test('a store is never open twice', async () => {
    const vfs = memory()
    const store = await openStore(vfs)
    expect((await rejection(Store.open(vfs, TINY))).code).toBe('ERR_LOCKED')
    expect(failure(() => Store.openSync(vfs.otherProcess(), TINY)).code).toBe('ERR_LOCKED')
    const both = await Promise.allSettled([Store.open(memory(), TINY), Store.open(vfs.otherProcess(), TINY)])
    expect(both.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
    await (both[0] as PromiseFulfilledResult<Store>).value.close()
    await store.close()
  })

  test('of two that open at the same time one gets the store', async () => {
    for (let i = 0; i < 5; i++) {
      const vfs = memory()
      const outcomes = await Promise.allSettled([Store.open(vfs, TINY), Store.open(vfs, TINY), Store.open(vfs.otherProcess(), TINY)])
      const opened = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
      expect(opened).toHaveLength(1)
      for (const outcome of outcomes) if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'ERR_LOCKED' })
      await opened[0]!.close()
    }
  })
})
