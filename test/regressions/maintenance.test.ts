/**
 * Repairs that lost what was there, reports that did not tell, and a destruction that went too far: each with the smallest case that shows
 * it.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { FaultVfs, memory, type MemoryVfs, Store, type Value } from '../../src/index.js'
import { ioError } from '../../src/util/errors.js'
import { encodeCurrent } from '../../src/version/current_file.js'
import { DIR, entriesOf, openStore, rejection, temporaryDirectory, TINY } from '../support/stores.js'
import { emptyDisk, tamperProperties, writeManifest, writeStoreFile, writeTable } from '../maintenance/crafted.js'
import { put } from '../unit/sstable/fixture.js'
import { table as describedTable } from '../unit/version/fixture.js'
import { LogBytes } from '../unit/wal/fixture.js'

/** Keeps everything in the log until it is told to flush. */
const LOGGING = { ...TINY, memtableSize: 1 << 20, walSync: 'os' } as const

function namesOf(vfs: MemoryVfs, kind: string): string[] {
  return vfs.readdirSync(DIR).filter((name) => name.includes(kind))
}

function content(vfs: MemoryVfs, name: string): Buffer {
  return Buffer.from(vfs.readFile(`${DIR}/${name}`))
}

function flip(vfs: MemoryVfs, name: string, offset: number): void {
  const bytes = content(vfs, name)
  bytes[offset]! ^= 0x40
  writeStoreFile(vfs, name, bytes)
}

/** What the store shows, which has nothing wrong with it. */
async function entries(vfs: MemoryVfs): Promise<[string, Value][]> {
  expect((await Store.verify(vfs)).problems).toEqual([])
  const store = await Store.open(vfs, { ...TINY, readOnly: true })
  const found = entriesOf(store)
  await store.close()
  return found
}

/** A store with a table of 10 keys; then, with another manifest, another one and a log of 10 keys each. */
async function grownStore(): Promise<{ vfs: MemoryVfs; oldManifest: Buffer; all: [string, Value][] }> {
  const vfs = memory()
  let store = await Store.open(vfs, TINY)
  for (let i = 10; i < 20; i++) await store.put(`key ${i}`, i)
  await store.flush()
  await store.close()
  const oldManifest = content(vfs, namesOf(vfs, 'MANIFEST')[0]!)
  store = await Store.open(vfs, TINY)
  for (let i = 20; i < 30; i++) await store.put(`key ${i}`, i)
  await store.flush()
  for (let i = 30; i < 40; i++) await store.put(`key ${i}`, i, { sync: true })
  const all = entriesOf(store)
  await store.close()
  return { vfs, oldManifest, all }
}

describe('a manifest that is older than the tables', () => {
  test('does not put aside a table that holds what nothing else does', async () => {
    const { vfs, oldManifest, all } = await grownStore()
    writeStoreFile(vfs, namesOf(vfs, 'MANIFEST')[0]!, oldManifest)
    // Behind the gap that the table fills, the log has lost a record.
    const log = namesOf(vfs, '.log').at(-1)!
    flip(vfs, log, 150)
    const report = await Store.repair(vfs)
    expect(report.files.filter(({ kind }) => kind === 'table').map(({ fate }) => fate)).toEqual(['kept', 'kept'])
    const found = await entries(vfs)
    expect(found.slice(0, 20)).toEqual(all.slice(0, 20))
    expect(found.length).toBeGreaterThanOrEqual(28)
  })

  test('stays in force where nothing else is wrong, and the opening keeps the newer table', async () => {
    const { vfs, oldManifest, all } = await grownStore()
    writeStoreFile(vfs, namesOf(vfs, 'MANIFEST')[0]!, oldManifest)
    for (const name of namesOf(vfs, '.log')) vfs.unlinkSync(`${DIR}/${name}`)
    const newer = namesOf(vfs, '.sst').at(-1)!
    const before = content(vfs, newer)
    expect(await Store.verify(vfs)).toMatchObject({ ok: true })
    expect((await Store.repair(vfs)).isChanged).toBe(false)
    const store = await Store.open(vfs, TINY)
    expect(entriesOf(store)).toEqual(all.slice(0, 10))
    await store.close()
    expect(content(vfs, `lost/${newer}`)).toEqual(before)
  })

  test('is found out by a table whose sequences a compaction has set to 0, and told', async () => {
    const vfs = emptyDisk()
    writeTable(vfs, 7, [put('a', 0, '\u0001a'), put('b', 0, '\u0001b')])
    writeManifest(vfs, { nextFileNumber: 5, lastSequence: 0 })
    writeStoreFile(vfs, 'MANIFEST-000002', Buffer.alloc(100))
    writeStoreFile(vfs, 'CURRENT', encodeCurrent(2))
    const report = await Store.repair(vfs)
    expect(report.isRebuilt).toBe(true)
    expect(report.problems.map(({ message }) => message).join()).toContain('MANIFEST-000001 is older than the tables')
    expect(await entries(vfs)).toEqual([
      ['a', 'a'],
      ['b', 'b'],
    ])
  })

  test('serves when the newest one is damaged', async () => {
    const vfs = emptyDisk()
    // Only the manifest tells that the second table is above the first one: no sequence does.
    const tables = [writeTable(vfs, 7, [put('k', 5, '\u0001k')]), writeTable(vfs, 8, [put('z', 9, '\u0001z')])]
    writeManifest(vfs, { added: tables.map((table) => ({ level: 4, table })) })
    writeStoreFile(vfs, 'MANIFEST-000002', Buffer.alloc(100))
    vfs.unlinkSync(`${DIR}/CURRENT`)
    const report = await Store.repair(vfs)
    expect(report.isRebuilt).toBe(false)
    expect(report.files.find(({ name }) => name === 'MANIFEST-000001')).toMatchObject({ fate: 'kept' })
    expect((await Store.verify(vfs)).levels.map(({ level }) => level)).toEqual([4])
  })
})

/** A log with one write of `sequence`, nothing of it synced. */
function logOf(logNumber: number, sequence: number): Buffer {
  return new LogBytes(logNumber, sequence).record([{ key: 'z', value: '\u0001z' }]).bytes
}

describe('a store after a power loss', () => {
  test.each(['none', 'os', 'interval'] as const)('is left as it is where it verifies: %s', async (walSync) => {
    const options = { ...TINY, walSync, memtableSize: 4096 }
    const vfs = memory({ seed: 5 })
    const store = await Store.open(vfs, options)
    const wrecks: MemoryVfs[] = []
    vfs.onMutation = (index) => wrecks.push(vfs.crashClone({ seed: index, unsyncedPercent: [0, 50, 80][index % 3]! }))
    for (let i = 0; i < 100; i++) {
      await store.put(`key ${i % 23}`, `${i} `.repeat(30))
      if (i % 3 === 0) await store.delete(`key ${(i * 5) % 23}`)
    }
    vfs.onMutation = undefined
    await store.close()
    let kept = 0
    for (const wreck of wrecks) {
      const files = wreck.files().join()
      if (!files.includes('CURRENT')) continue
      const { ok, files: judged } = await Store.verify(wreck)
      expect(ok).toBe(true)
      if (judged.some(({ name, state }) => name.endsWith('.sst') && state === 'orphaned')) kept++
      expect((await Store.repair(wreck)).isChanged, files).toBe(false)
    }
    expect(kept).toBeGreaterThan(0)
  })

  test('gets no log back that is behind a gap, be the manifest an old one or not', async () => {
    const vfs = emptyDisk()
    // The manifest is older than table 8. Behind it, a log was lost, and the one that is there begins with write 31.
    writeTable(vfs, 8, [put('b', 20, '\u0001b')])
    writeManifest(vfs, { added: [{ level: 1, table: describedTable(7, 'a', 'b') }], nextFileNumber: 8, lastSequence: 10 })
    writeStoreFile(vfs, '000009.log', logOf(9, 31))
    const report = await Store.repair(vfs)
    expect(report.isRebuilt).toBe(true)
    expect(report.problems.map(({ message }) => message).join()).toContain('000007.sst is missing')
    expect(report.files.find(({ name }) => name === '000009.log')).toMatchObject({ fate: 'lost', entriesKept: 0 })
    expect(await entries(vfs)).toEqual([['b', 'b']])
    expect(content(vfs, 'lost/000009.log')).toEqual(logOf(9, 31))
  })
})

describe('logs without a manifest', () => {
  test('are taken behind a gap that a table fills', async () => {
    const vfs = memory()
    let store = await Store.open(vfs, LOGGING)
    await store.put('a', 1)
    const first = namesOf(vfs, '.log')[0]!
    const firstLog = content(vfs, first)
    await store.put('b', 2)
    await store.flush()
    await store.put('c', 3)
    const killed = vfs.processKillClone()
    await store.close()
    // The log before the flush is there still, but for its end; the table has all of it.
    writeStoreFile(killed, first, firstLog)
    for (const name of namesOf(killed, 'MANIFEST')) killed.unlinkSync(`${DIR}/${name}`)
    const report = await Store.repair(killed)
    expect(report.files.filter(({ kind }) => kind === 'log').map(({ entriesKept }) => entriesKept)).toEqual([1, 1])
    store = await openStore(killed, TINY)
    expect(entriesOf(store)).toEqual([
      ['a', 1],
      ['b', 2],
      ['c', 3],
    ])
  })
})

/** A closed store with a log, two logs behind each other of which the first one has lost its end, and a damaged table. */
async function storeWithDroppedLog(): Promise<{ vfs: MemoryVfs; dropped: string }> {
  const vfs = memory()
  let store = await Store.open(vfs, LOGGING)
  for (let i = 10; i < 30; i++) await store.put(`key ${i}`, i)
  await store.flush()
  await store.close()
  store = await Store.open(vfs, LOGGING)
  await store.put('a', 1)
  await store.put('b', 2)
  const first = vfs.processKillClone()
  await store.close()
  store = await Store.open(first, LOGGING)
  await store.put('c', 3)
  const killed = first.processKillClone()
  await store.close()
  return { vfs: killed, dropped: namesOf(killed, '.log').at(-1)! }
}

describe('a log that opening passes over', () => {
  test('is not called torn', async () => {
    const { vfs, dropped } = await storeWithDroppedLog()
    const [name] = namesOf(vfs, '.log')
    if (name !== dropped) vfs.unlinkSync(`${DIR}/${name}`)
    const { files, ok, logs } = await Store.verify(vfs)
    expect({ ok, logs }).toEqual({ ok: true, logs: 0 })
    expect(files.find((file) => file.name === dropped)).toMatchObject({ state: 'dropped', tornBytes: 0 })
  })

  test('is told as lost by a repair, and put aside', async () => {
    const { vfs, dropped } = await storeWithDroppedLog()
    const [name] = namesOf(vfs, '.log')
    if (name !== dropped) vfs.unlinkSync(`${DIR}/${name}`)
    const before = content(vfs, dropped)
    flip(vfs, namesOf(vfs, '.sst')[0]!, 10)
    const report = await Store.repair(vfs)
    expect(report.files.find((file) => file.name === dropped)).toMatchObject({ fate: 'lost', entriesKept: 0 })
    expect(content(vfs, `lost/${dropped}`)).toEqual(before)
  })
})

function asStoreError<T>(action: () => T, path: string): T {
  try {
    return action()
  } catch (error) {
    throw ioError(error, 'read', path)
  }
}

describe('a disk that does not read', () => {
  async function loggedStore(): Promise<{ vfs: MemoryVfs; log: string }> {
    const vfs = memory()
    const store = await Store.open(vfs, LOGGING)
    for (let i = 10; i < 30; i++) await store.put(`key ${i}`, `${i} `.repeat(150), { sync: true })
    await store.close()
    return { vfs, log: namesOf(vfs, '.log')[0]! }
  }

  test('ends a repair before anything is changed, and another try keeps everything', async () => {
    const { vfs, log } = await loggedStore()
    flip(vfs, log, 2000)
    const before = vfs.files().join()
    for (let nth = 1; nth < 40; nth++) {
      const faults = new FaultVfs(vfs.processKillClone())
      const rule = faults.addRule({ operation: 'read', path: log, error: 'EIO', nth })
      const outcome = await Store.repair(faults).then(
        () => 'repaired',
        ({ code, message }: Error & { code: string }) => `${code} ${message}`,
      )
      if (rule.hits === 0) break
      expect(outcome).toMatch(/^ERR_IO .*try again/)
    }
    expect(vfs.files().join()).toBe(before)
    expect((await Store.repair(vfs)).files.find(({ name }) => name === log)).toMatchObject({ fate: 'salvaged', entriesKept: 19 })
  })

  test('costs what cannot be read, and nothing around it, when that is asked for', async () => {
    const { vfs, log } = await loggedStore()
    const faults = new FaultVfs(vfs)
    // A page in the middle that the disk has lost.
    const lostPage = 4096
    const inner = faults.openSync.bind(faults)
    faults.openSync = (path, mode) => {
      const file = inner(path, mode)
      if (!path.endsWith(log)) return file
      const readSync = file.readSync.bind(file)
      const failing = (target: Uint8Array, offset: number, length: number, position: number): number => {
        if (position < lostPage + 4096 && position + length > lostPage) {
          throw Object.assign(new Error('EIO'), { code: 'EIO' })
        }
        return readSync(target, offset, length, position)
      }
      return Object.assign(file, {
        readSync: (...args: Parameters<typeof readSync>) => asStoreError(() => failing(...args), path),
        read: async (...args: Parameters<typeof readSync>) => asStoreError(() => failing(...args), path),
      })
    }
    expect(await rejection(Store.repair(faults))).toMatchObject({ code: 'ERR_IO' })
    const report = await Store.repair(faults, { skipUnreadable: true })
    const file = report.files.find(({ name }) => name === log)!
    expect(file).toMatchObject({ fate: 'salvaged', error: { code: 'ERR_IO' } })
    expect(file.entriesKept).toBeGreaterThan(8)
    const found = await entries(vfs)
    expect(found.map(([key]) => key)).toContain('key 10')
    expect(found.map(([key]) => key)).toContain('key 29')
    expect(vfs.statSync(`${DIR}/lost/${log}`)).toBeDefined()
  })
})

describe('a report of a repair', () => {
  test('holds what was wrong with CURRENT and what was wrong besides', async () => {
    const { vfs } = await grownStore()
    vfs.unlinkSync(`${DIR}/CURRENT`)
    flip(vfs, namesOf(vfs, '.sst')[0]!, 10)
    writeStoreFile(vfs, 'MANIFEST-000007', Buffer.alloc(50))
    const { problems } = await Store.repair(vfs)
    expect(problems.map(({ file }) => file)).toContain('CURRENT')
    expect(problems.map(({ file }) => file)).toContain(vfs.readdirSync(`${DIR}/lost`).find((name) => name.endsWith('.sst')))
  })

  test('tells what is still wrong afterwards', async () => {
    const vfs = emptyDisk()
    writeManifest(vfs, {
      added: [{ level: 3, table: tamperProperties(vfs, writeTable(vfs, 7, [put('k', 5, '\u0001k')]), { keyCount: 3 }) }],
    })
    const report = await Store.repair(vfs)
    expect(report.problems).not.toEqual([])
    expect(report.problemsLeft).toEqual([])
    expect(await entries(vfs)).toEqual([['k', 'k']])
  })
})

describe('the manifest of another store', () => {
  test('does not decide which tables are obsolete', async () => {
    const { vfs, all } = await grownStore()
    const other = memory()
    const store = await Store.open(other, TINY)
    for (let round = 0; round < 6; round++) {
      await store.put('k', round)
      await store.flush()
      await store.compact()
    }
    const foreign = content(other, namesOf(other, 'MANIFEST')[0]!)
    await store.close()
    const [own] = namesOf(vfs, 'MANIFEST')
    writeStoreFile(vfs, own!, foreign)
    const report = await Store.repair(vfs)
    expect(report.files.filter(({ kind, fate }) => kind === 'table' && fate !== 'kept' && fate !== 'merged')).toEqual([])
    expect(await entries(vfs)).toEqual(all)
  })
})

describe('the manifest of the store', () => {
  test('is not taken for that of another one because its tables are damaged', async () => {
    const vfs = emptyDisk()
    const named = writeTable(vfs, 7, [put('k', 5, '\u0001k'), put('l', 6, '\u0001l')])
    writeManifest(vfs, { added: [{ level: 4, table: named }], nextFileNumber: 8, lastSequence: 6 })
    // A compaction did not end.
    writeTable(vfs, 9, [put('k', 5, '\u0001k')])
    flip(vfs, '000007.sst', named.fileBytes - 20)
    const report = await Store.repair(vfs)
    expect(report.isRebuilt).toBe(false)
    expect(report.problems.map(({ file }) => file)).toEqual(['000007.sst'])
    expect(report.files.find(({ name }) => name === 'MANIFEST-000001')).toMatchObject({ fate: 'kept' })
    expect(await entries(vfs)).toEqual([
      ['k', 'k'],
      ['l', 'l'],
    ])
  })

  test('removes no table that is another one than it had added', async () => {
    const vfs = emptyDisk()
    const own = writeTable(vfs, 7, [put('k', 5, '\u0001k')])
    const other = describedTable(8, 'a', 'b')
    writeTable(vfs, 8, [put('z', 9, '\u0001z')])
    const removed = [{ level: 1, fileNumber: 8 }]
    const added = [own, other].map((table) => ({ level: 1, table }))
    writeManifest(vfs, { added }, { removed }, { lastSequence: 1001 }, { lastSequence: 1002 })
    flip(vfs, 'MANIFEST-000001', vfs.readFile(`${DIR}/MANIFEST-000001`).length - 55)
    expect((await Store.repair(vfs)).isRebuilt).toBe(true)
    expect(await entries(vfs)).toEqual([
      ['k', 'k'],
      ['z', 'z'],
    ])
  })
})

describe('what a crash has left of no use', () => {
  /** The disk just before the first file with this name is deleted. */
  async function wreckAtUnlink(suffix: string, work: (store: Store) => Promise<void>): Promise<MemoryVfs> {
    const vfs = memory()
    const store = await Store.open(vfs, LOGGING)
    let wreck: MemoryVfs | undefined
    vfs.onMutation = (_, kind, path) => {
      if (kind === 'unlink' && path.endsWith(suffix)) wreck ??= vfs.processKillClone()
    }
    await work(store)
    await store.close()
    return wreck!
  }

  async function expectObsoleteKept(vfs: MemoryVfs, live: string): Promise<void> {
    writeStoreFile(vfs, live, Buffer.alloc(content(vfs, live).length))
    const obsolete = (await Store.verify(vfs)).files.filter(({ state }) => state === 'orphaned').map(({ name }) => name)
    expect(obsolete.length).toBeGreaterThan(0)
    const before = obsolete.map((name) => content(vfs, name))
    const { files } = await Store.repair(vfs)
    expect(files.find(({ name }) => name === live)).toMatchObject({ fate: 'lost' })
    for (const [i, name] of obsolete.entries()) {
      expect(files.find((file) => file.name === name)).toMatchObject({ fate: 'unnamed' })
      expect(content(vfs, `lost/${name}`)).toEqual(before[i])
    }
  }

  test('is kept when the table is damaged that a flush has made of a log', async () => {
    const vfs = await wreckAtUnlink('.log', async (store) => {
      for (let i = 0; i < 20; i++) await store.put(`key ${i}`, i)
      await store.flush()
    })
    await expectObsoleteKept(vfs, namesOf(vfs, '.sst')[0]!)
  })

  test('is kept when the table is damaged that a compaction has made', async () => {
    const vfs = await wreckAtUnlink('.sst', async (store) => {
      for (let round = 0; round < 3; round++) {
        for (let i = 0; i < 20; i++) await store.put(`key ${i}`, round)
        await store.flush()
      }
      await store.compact()
    })
    const { files } = await Store.verify(vfs)
    await expectObsoleteKept(vfs, files.find(({ kind, state }) => kind === 'table' && state === 'ok')!.name)
  })
})

describe('what was put aside', () => {
  test('stays when a copy of the store is repaired in its place, and goes with the store', async () => {
    const vfs = memory()
    const store = await Store.open(vfs, TINY)
    await store.put('a', 1)
    await store.flush()
    await store.close()
    const [table] = namesOf(vfs, '.sst')
    const backup = vfs.readdirSync(DIR).map((name) => [name, content(vfs, name)] as const)
    const damaged: Buffer[] = []
    for (const offset of [3, 9, 9]) {
      for (const [name, bytes] of backup) writeStoreFile(vfs, name, bytes)
      flip(vfs, table!, offset)
      damaged.push(content(vfs, table!))
      await Store.repair(vfs)
    }
    // The third one is as the second one.
    expect(vfs.readdirSync(`${DIR}/lost`).filter((name) => name.includes('.sst'))).toEqual([table, `${table}.1`])
    expect(content(vfs, `lost/${table}`)).toEqual(damaged[0])
    expect(content(vfs, `lost/${table}.1`)).toEqual(damaged[1])
    await Store.destroy(vfs)
    expect(vfs.files()).toEqual([])
  })
})

describe('a destruction', () => {
  test('does not follow a link in place of lost', async () => {
    const root = temporaryDirectory()
    const dir = join(root, 'store')
    const elsewhere = join(root, 'elsewhere')
    const store = await Store.open(dir, TINY)
    await store.put('a', 1)
    await store.close()
    mkdirSync(elsewhere)
    writeFileSync(join(elsewhere, '000003.sst'), 'mine')
    symlinkSync(elsewhere, join(dir, 'lost'))
    await Store.destroy(dir)
    expect(existsSync(dir)).toBe(false)
    expect(readFileSync(join(elsewhere, '000003.sst'), 'utf8')).toBe('mine')
  })

  test('deletes links with names of a store, not what they lead to', async () => {
    const root = temporaryDirectory()
    const dir = join(root, 'store')
    const store = await Store.open(dir, TINY)
    await store.close()
    writeFileSync(join(root, 'mine'), 'mine')
    symlinkSync(join(root, 'mine'), join(dir, '000077.sst'))
    symlinkSync(join(root, 'nothing'), join(dir, 'lost'))
    await Store.destroy(dir)
    expect(readdirSync(root)).toEqual(['mine'])
  })

  test('leaves files that only have names like those of a store', async () => {
    const dir = temporaryDirectory()
    writeFileSync(join(dir, '20260101.log'), 'what my server said')
    writeFileSync(join(dir, '20260102.log'), '')
    expect(await rejection(Store.destroy(dir))).toMatchObject({ code: 'ERR_NOT_A_STORE' })
    expect(readdirSync(dir)).toEqual(['20260101.log', '20260102.log'])
  })
})
