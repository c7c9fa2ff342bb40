/** `Store.repair`: what can be read comes back, the newest version wins, nothing wrong is read, and a crash on the way costs nothing. */
import { describe, expect, test } from 'vitest'
import { memory, type MemoryVfs, Store, type StoreOptions, type Value } from '../../src/index.js'
import { tableFileName } from '../../src/sstable/format.js'
import type { TableMeta } from '../../src/sstable/table_meta.js'
import { placeTables } from '../../src/maintenance/placement.js'
import { Random } from '../../src/util/random.js'
import { testSeed } from '../support/seed.js'
import { contentOf, DIR, entriesOf, openStore, rejection, temporaryDirectory, TINY } from '../support/stores.js'
import { deletion, put } from '../unit/sstable/fixture.js'
import { table as describedTable } from '../unit/version/fixture.js'
import { emptyDisk, tamperProperties, writeManifest, writeStoreFile, writeTable } from './crafted.js'

/** A closed store with tables on several levels, old versions that snapshots held, tombstones, and a log. */
async function closedStore(seed: number, options: StoreOptions = TINY): Promise<{ vfs: MemoryVfs; entries: [string, Value][] }> {
  const random = new Random(seed)
  const vfs = memory()
  const store = await Store.open(vfs, options)
  let snapshot = store.snapshot()
  for (let i = 0; i < 600; i++) {
    const key = `key ${random.below(150)}`
    if (random.chance(0.25)) await store.delete(key)
    else await store.put(key, `${i} `.repeat(1 + random.below(15)))
    if (random.chance(0.02)) await store.flush()
    if (random.chance(0.01)) await store.compact({ gte: 'key 1', lt: 'key 5' })
    if (random.chance(0.05)) {
      snapshot.close()
      snapshot = store.snapshot()
    }
  }
  const entries = entriesOf(store)
  await store.close()
  return { vfs, entries }
}

function namesOf(vfs: MemoryVfs, kind: string): string[] {
  return vfs.readdirSync(DIR).filter((name) => name.includes(kind))
}

function flip(vfs: MemoryVfs, name: string, offset: number): void {
  const content = Buffer.from(vfs.readFile(`${DIR}/${name}`))
  content[offset]! ^= 0x40
  writeStoreFile(vfs, name, content)
}

/** Opens, compares, writes, compacts, verifies. */
async function expectWorking(vfs: MemoryVfs, entries: readonly [string, Value][], options: StoreOptions = TINY): Promise<void> {
  expect((await Store.verify(vfs)).problems).toEqual([])
  expect((await Store.repair(vfs)).isChanged).toBe(false)
  const store = await Store.open(vfs, options)
  expect(entriesOf(store)).toEqual(entries)
  for (const [key, value] of entries.slice(0, 20)) expect(store.getSync(key)).toEqual(value)
  await store.put('after the repair', 1)
  await store.compact()
  expect(entriesOf(store)).toEqual([['after the repair', 1], ...entries])
  await store.close()
  expect(await Store.verify(vfs)).toMatchObject({ ok: true })
}

describe('a store that is whole', () => {
  test('stays as it is', async () => {
    const { vfs, entries } = await closedStore(1)
    const before = contentOf(vfs)
    expect(await Store.repair(vfs)).toMatchObject({ isChanged: false, problems: [], lostDirectory: undefined })
    expect(contentOf(vfs)).toEqual(before)
    await expectWorking(vfs, entries)
  })

  test('is refused while it is open', async () => {
    const vfs = memory()
    await openStore(vfs)
    expect(await rejection(Store.repair(vfs))).toMatchObject({ code: 'ERR_LOCKED' })
    expect(await rejection(Store.repair(vfs.otherProcess()))).toMatchObject({ code: 'ERR_LOCKED' })
  })

  test('must be there', async () => {
    expect(await rejection(Store.repair(temporaryDirectory()))).toMatchObject({ code: 'ERR_NOT_A_STORE' })
    expect(await rejection(Store.repair(memory(), { deep: 1 } as never))).toMatchObject({ code: 'ERR_INVALID_OPTION' })
  })
})

describe('a store that lost', () => {
  test.each(['CURRENT', 'MANIFEST'])('its %s comes back with everything', async (kind) => {
    const seed = testSeed()
    for (let i = 0; i < 4; i++) {
      const { vfs, entries } = await closedStore(seed + i)
      for (const name of namesOf(vfs, kind)) {
        if (i % 2 === 0) vfs.unlinkSync(`${DIR}/${name}`)
        else writeStoreFile(vfs, name, Buffer.from('no manifest'))
      }
      expect(await rejection(Store.open(vfs))).toMatchObject({ code: 'ERR_CORRUPTION' })
      const report = await Store.repair(vfs)
      expect(report, `VARVE_SEED=${seed + i}`).toMatchObject({ isChanged: true, isRebuilt: kind === 'MANIFEST' })
      expect(report.files.filter(({ entriesLost }) => entriesLost! > 0)).toEqual([])
      await expectWorking(vfs, entries)
    }
  })

  test('a table comes back with the others', async () => {
    const { vfs } = await closedStore(3)
    const [name] = namesOf(vfs, '.sst')
    vfs.unlinkSync(`${DIR}/${name}`)
    const report = await Store.repair(vfs)
    expect(report.files.filter(({ fate }) => fate !== 'kept')).toMatchObject([{ name, fate: 'lost', entriesKept: 0 }])
    expect(report.lostDirectory).toBeUndefined()
    expect(await Store.verify(vfs)).toMatchObject({ ok: true })
  })
})

describe('a damaged table', () => {
  const keys = Array.from({ length: 60 }, (_, i) => `key ${10 + i}`)

  function oneTable(codec: 'none' | 'zstd' = 'none'): { vfs: MemoryVfs; meta: TableMeta } {
    const vfs = emptyDisk()
    const entries = keys.map((key, i) => put(key, 100 + i, `\u0001${'value '.repeat(8)}${key}`))
    const meta = writeTable(vfs, 7, entries, { blockSize: 512, codec })
    writeManifest(vfs, { added: [{ level: 3, table: meta }] })
    return { vfs, meta }
  }

  test('gives what its whole blocks hold, and is put aside', async () => {
    const { vfs } = oneTable()
    const damaged = vfs.readFile(`${DIR}/000007.sst`)
    flip(vfs, '000007.sst', 700)
    const report = await Store.repair(vfs)
    expect(report).toMatchObject({ isRebuilt: false, tables: 1, lostDirectory: `${DIR}/lost` })
    const [file] = report.files
    expect(file).toMatchObject({ name: '000007.sst', fate: 'salvaged', error: { code: 'ERR_CORRUPTION' } })
    expect(file!.entriesKept! + file!.entriesLost!).toBe(60)
    expect(file!.entriesKept).toBeGreaterThan(45)
    expect(vfs.readdirSync(DIR)).not.toContain('000007.sst')
    expect(Buffer.from(vfs.readFile(`${DIR}/lost/000007.sst`)).length).toBe(damaged.length)
    expect(await Store.verify(vfs)).toMatchObject({ ok: true, entries: file!.entriesKept })
  })

  test.each(['none', 'zstd'] as const)('whose end is cut off gives the blocks before: %s', async (codec) => {
    const { vfs, meta } = oneTable(codec)
    const content = Buffer.from(vfs.readFile(`${DIR}/000007.sst`))
    writeStoreFile(vfs, '000007.sst', content.subarray(0, meta.tailOffset - 20))
    const report = await Store.repair(vfs)
    expect(report.files[0]).toMatchObject({ fate: 'salvaged' })
    expect(report.files[0]!.entriesKept).toBeGreaterThan(45)
    expect(await Store.verify(vfs)).toMatchObject({ ok: true })
  })

  test('gives right entries or none, whichever byte changed', async () => {
    const { vfs: original, meta } = oneTable()
    for (let offset = 3; offset < meta.fileBytes; offset += 97) {
      const vfs = original.processKillClone()
      flip(vfs, '000007.sst', offset)
      await Store.repair(vfs)
      const store = await Store.open(vfs, { ...TINY, readOnly: true })
      for (const key of keys) {
        const value = store.getSync(key)
        if (value !== undefined) expect(value).toBe(`${'value '.repeat(8)}${key}`)
      }
      await store.close()
    }
  })

  test('of which nothing can be read is lost', async () => {
    const { vfs } = oneTable()
    writeStoreFile(vfs, '000007.sst', Buffer.alloc(5000))
    expect((await Store.repair(vfs)).files[0]).toMatchObject({ fate: 'lost', entriesKept: 0, entriesLost: 60 })
    await expectWorking(vfs, [])
  })

  test('that only the manifest is wrong about is kept', async () => {
    const { vfs, meta } = oneTable()
    writeManifest(vfs, { added: [{ level: 3, table: { ...meta, entryCount: 59 } }] })
    const report = await Store.repair(vfs)
    expect(report.files[0]).toMatchObject({ fate: 'kept', entriesKept: 60, entriesLost: 0 })
    expect(await Store.verify(vfs)).toMatchObject({ ok: true, entries: 60 })
  })

  test('with a wrong count of its own is written anew', async () => {
    const { vfs, meta } = oneTable()
    writeManifest(vfs, { added: [{ level: 3, table: tamperProperties(vfs, meta, { deletionCount: 1 }) }] })
    const report = await Store.repair(vfs)
    expect(report.files[0]).toMatchObject({ fate: 'salvaged', entriesKept: 60, entriesLost: 0 })
    expect(await Store.verify(vfs)).toMatchObject({ ok: true, entries: 60 })
  })
})

describe('a damaged log', () => {
  test('gives the records around the damage', async () => {
    const vfs = memory()
    const store = await Store.open(vfs, TINY)
    for (let i = 0; i < 20; i++) await store.put(`key ${10 + i}`, i)
    await store.close()
    const [name] = namesOf(vfs, '.log')
    flip(vfs, name!, 300)
    expect(await rejection(Store.open(vfs))).toMatchObject({ code: 'ERR_CORRUPTION' })
    const report = await Store.repair(vfs)
    expect(report.files.find((file) => file.name === name)).toMatchObject({ fate: 'salvaged', entriesKept: 19 })
    expect(vfs.readdirSync(`${DIR}/lost`)).toEqual([name])
    const found = entriesOf(await openStore(vfs, { ...TINY, readOnly: true }))
    expect(found).toHaveLength(19)
    for (const [key, value] of found) expect(key).toBe(`key ${10 + (value as number)}`)
    await expectWorking(vfs, found)
  })
})

describe('without a manifest', () => {
  async function rebuilt(vfs: MemoryVfs): Promise<[string, Value][]> {
    const report = await Store.repair(vfs)
    expect(report.isRebuilt).toBe(true)
    expect((await Store.verify(vfs)).problems).toEqual([])
    const store = await Store.open(vfs, { ...TINY, readOnly: true })
    const entries = entriesOf(store)
    for (const [key, value] of entries) expect(store.getSync(key)).toEqual(value)
    await store.close()
    return entries
  }

  test('the newest version wins although its table has the lower greatest sequence', async () => {
    const vfs = emptyDisk()
    // As compactions leave them: what is old enough has sequence 0.
    writeTable(vfs, 7, [put('k', 0, '\u0001old'), put('m', 50, '\u0001m')])
    writeTable(vfs, 8, [put('k', 10, '\u0001new')])
    expect(await rebuilt(vfs)).toEqual([
      ['k', 'new'],
      ['m', 'm'],
    ])
  })

  test('tombstones go on to hide', async () => {
    const vfs = emptyDisk()
    writeTable(vfs, 9, [put('a', 0, '\u0001a'), put('k', 5, '\u0001k'), put('z', 90, '\u0001z')])
    writeTable(vfs, 7, [deletion('k', 20)])
    writeTable(vfs, 8, [put('c', 30, '\u0001c'), put('k', 10, '\u0001k')])
    expect(await rebuilt(vfs)).toEqual([
      ['a', 'a'],
      ['c', 'c'],
      ['z', 'z'],
    ])
  })

  test('a table that a readable edit removed does not bring back what was deleted', async () => {
    const vfs = emptyDisk()
    const old = writeTable(vfs, 7, [put('k', 5, '\u0001k')])
    const tombstone = writeTable(vfs, 8, [deletion('k', 9)])
    const other = writeTable(vfs, 9, [put('z', 7, '\u0001z')])
    const removed = [old, tombstone].map(({ fileNumber }, level) => ({ level: 1 - level, fileNumber }))
    const added = [
      { level: 1, table: old },
      { level: 0, table: tombstone },
    ]
    writeManifest(vfs, { added }, { added: [{ level: 1, table: other }], removed }, { lastSequence: 1001 }, { lastSequence: 1002 })
    // The tombstone is gone already, what it hid is not, and a later edit is damaged.
    vfs.unlinkSync(`${DIR}/${tableFileName(8)}`)
    flip(vfs, 'MANIFEST-000001', vfs.readFile(`${DIR}/MANIFEST-000001`).length - 55)
    expect(await rebuilt(vfs)).toEqual([['z', 'z']])
    expect(vfs.readdirSync(`${DIR}/lost`)).toEqual(['MANIFEST-000001'])
  })

  test('two copies of a version are one', async () => {
    const vfs = emptyDisk()
    for (const fileNumber of [7, 8]) writeTable(vfs, fileNumber, [put('k', 5, '\u0001k')])
    expect(await rebuilt(vfs)).toEqual([['k', 'k']])
  })

  test('levels that contradict the sequences are found out anew', async () => {
    const vfs = emptyDisk()
    const newer = writeTable(vfs, 7, [put('k', 20, '\u0001new')])
    const older = writeTable(vfs, 8, [put('k', 10, '\u0001old')])
    writeManifest(vfs, {
      added: [
        { level: 1, table: older },
        { level: 2, table: newer },
      ],
    })
    expect(await rebuilt(vfs)).toEqual([['k', 'new']])
  })
})

describe('placement', () => {
  test('puts every table above those that are older, and merges what sequences do not part', () => {
    const seed = testSeed()
    const random = new Random(seed)
    for (let round = 0; round < 300; round++) {
      const tables = Array.from({ length: random.below(14) }, (_, i) => {
        const [a, b] = [random.below(40), random.below(40)]
        const smallestSequence = random.below(60)
        const key = (n: number): string => String(n).padStart(2, '0')
        const bounds = { smallestSequence, largestSequence: smallestSequence + random.below(15) }
        return describedTable(i + 1, key(Math.min(a, b)), key(Math.max(a, b)), bounds)
      })
      const { levels, merges } = placeTables(tables)
      expect([...levels.flat(), ...merges.flat()].map(({ fileNumber }) => fileNumber).toSorted((a, b) => a - b)).toEqual(
        tables.map(({ fileNumber }) => fileNumber),
      )
      const placed = [...levels.entries()].flatMap(([level, all]) => all.map((table) => ({ level, table })))
      placed.push(...merges.flat().map((table) => ({ level: 1, table })))
      for (const upper of placed) {
        for (const lower of placed) {
          if (upper.level >= lower.level || !overlap(upper.table, lower.table)) continue
          expect(upper.table.smallestSequence, `VARVE_SEED=${seed}`).toBeGreaterThan(lower.table.largestSequence)
        }
      }
      for (const all of levels) for (const a of all) for (const b of all) expect(a !== b && overlap(a, b)).toBe(false)
    }
  })

  function overlap(a: TableMeta, b: TableMeta): boolean {
    return Buffer.compare(a.smallestKey, b.largestKey) <= 0 && Buffer.compare(b.smallestKey, a.largestKey) <= 0
  }
})

describe('a crash before any change to the disk', () => {
  const cases: Record<string, (vfs: MemoryVfs) => void> = {
    'the manifest is lost': (vfs) => namesOf(vfs, 'MANIFEST').forEach((name) => vfs.unlinkSync(`${DIR}/${name}`)),
    'a table and the log are damaged': (vfs) => {
      flip(vfs, namesOf(vfs, '.sst')[0]!, 100)
      const [log] = namesOf(vfs, '.log')
      if (log !== undefined) flip(vfs, log, 70)
    },
  }

  test.each(Object.entries(cases))('costs nothing that the repair would have kept: %s', async (_, damage) => {
    const { vfs } = await closedStore(5)
    damage(vfs)
    // What happened before the repair is settled: a power loss is not to bring back what the store had deleted.
    vfs.syncDirSync(DIR)
    const uninterrupted = vfs.processKillClone()
    await Store.repair(uninterrupted)
    const expected = entriesOf(await openStore(uninterrupted, { ...TINY, readOnly: true }))
    const damaged = namesOf(vfs, '').filter((name) => uninterrupted.statSync(`${DIR}/lost/${name}`) !== undefined)
    const wrecks: [string, MemoryVfs][] = []
    vfs.onMutation = (index, kind, path) => {
      wrecks.push([`kill before change ${index}, ${kind} ${path}`, vfs.processKillClone()])
      for (const unsyncedPercent of [0, 60]) {
        const what = `power loss before change ${index}, ${kind} ${path}, ${unsyncedPercent} % survives`
        wrecks.push([what, vfs.crashClone({ unsyncedPercent, seed: index })])
      }
    }
    await Store.repair(vfs)
    expect(wrecks.length).toBeGreaterThan(40)
    for (const [what, wreck] of wrecks) {
      await Store.repair(wreck)
      const store = Store.openSync(wreck, TINY)
      expect(entriesOf(store), what).toEqual(expected)
      store.closeSync()
      for (const name of damaged) expect(wreck.statSync(`${DIR}/lost/${name}`), `${what}: ${name}`).toBeDefined()
      expect(wreck.openHandleCount, what).toBe(0)
    }
  })

  test('and a signal leave the store as it was', async () => {
    const { vfs } = await closedStore(6)
    for (const name of namesOf(vfs, 'MANIFEST')) vfs.unlinkSync(`${DIR}/${name}`)
    const before = contentOf(vfs)
    const controller = new AbortController()
    vfs.onMutation = (_index, kind, path) => {
      if (kind === 'create' && path.endsWith('.sst')) controller.abort()
    }
    expect(await rejection(Store.repair(vfs, { signal: controller.signal }))).toMatchObject({ code: 'ERR_ABORTED' })
    expect(contentOf(vfs)).toEqual(before)
    expect(vfs.openHandleCount).toBe(0)
  })
})
