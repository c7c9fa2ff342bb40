/**
 * What an opening must neither lose unseen nor delete: tables newer than a manifest that lost its end, and the end of a log after a clean
 * close. Each test is the smallest case.
 */
import { expect, onTestFinished, test } from 'vitest'
import { FaultVfs, memory, type MemoryVfs, Store, type StoreOptions } from '../../src/index.js'
import { DIR, entriesOf, failure, openStore, rejection, TINY } from '../support/stores.js'

function fileOf(disk: MemoryVfs, end: RegExp): string {
  return disk.files().find((path) => end.test(path))!
}

/** Starts of the records of a manifest (whose header has 48 bytes) or log (32), and the end of the last one. */
function recordStarts(content: Buffer, headerBytes: number): number[] {
  const starts = [headerBytes]
  while (starts.at(-1)! < content.length) starts.push(starts.at(-1)! + 20 + content.readUInt32LE(starts.at(-1)! + 4))
  return starts
}

function cut(disk: MemoryVfs, path: string, length: number): void {
  disk.writeFile(path, disk.readFile(path).subarray(0, length))
}

/** Warnings told about an opening. */
async function warningsOf(store: Store): Promise<string[]> {
  const warnings: string[] = []
  store.on('warning', ({ message }) => warnings.push(message))
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
  return warnings
}

/** A disk with a store of two tables, the second of which a manifest cut to `manifestBytes` does not name. */
async function twoTables(): Promise<{ disk: MemoryVfs; manifest: string; table: string; manifestBytes: number }> {
  const disk = memory()
  const store = await openStore(disk)
  await store.put('a', 1)
  await store.flush()
  const manifest = fileOf(disk, /MANIFEST/)
  const manifestBytes = disk.readFile(manifest).length
  const before = new Set(disk.files())
  await store.put('b', 2)
  await store.flush()
  const table = disk.files().find((path) => path.endsWith('.sst') && !before.has(path))!
  await store.close()
  return { disk, manifest, table, manifestBytes }
}

test.each(['at the end of a record', 'inside of a record'])('a manifest cut %s does not cost a table that only it named', async (where) => {
  const { disk, manifest, table, manifestBytes } = await twoTables()
  const content = disk.readFile(table)
  cut(disk, manifest, where === 'at the end of a record' ? manifestBytes : manifestBytes + 30)
  const store = await openStore(disk)
  expect(entriesOf(store)).toEqual([['a', 1]])
  const name = table.slice(DIR.length + 1)
  expect(await warningsOf(store)).toEqual([expect.stringMatching(new RegExp(`${name} .*Store.repair`))])
  expect(disk.files()).not.toContain(table)
  expect(disk.readFile(`${DIR}/lost/${name}`).equals(content)).toBe(true)

  // Nobody is to take the number a second time, also when the manifest is cut again.
  await store.put('c', 3)
  await store.flush()
  await store.close()
  const again = await openStore(disk)
  expect(await warningsOf(again)).toEqual([])
  await again.close()

  // As the warning says. The table alone becomes a store.
  const alone = memory()
  alone.writeFile(table, content)
  await Store.repair(alone)
  expect(entriesOf(await openStore(alone))).toEqual([['b', 2]])
})

/**
 * A disk with a store that has lost the end of its manifest, and a table with 40 writes that only it named. With `isLogKept` the log of the
 * writes before is still needed.
 */
async function unnamedTable(isLogKept: boolean): Promise<{ disk: MemoryVfs; table: string }> {
  const disk = memory()
  const store = await openStore(disk)
  for (let i = 0; i < 20; i++) await store.put(`k${i}`, 'old')
  if (!isLogKept) await store.flush()
  await store.close()
  const left = disk.processKillClone()
  const before = new Set(disk.files())
  const later = await openStore(disk)
  for (let i = 0; i < 40; i++) await later.put(`k${i % 20}`, 'unnamed')
  await later.flush()
  const table = disk.files().find((path) => path.endsWith('.sst') && !before.has(path))!
  left.writeFile(table, disk.readFile(table))
  await later.close()
  return { disk: left, table }
}

test.each([true, false])('a table whose end cannot be read now is put aside unread (with logs: %s)', async (isLogKept) => {
  const { disk, table } = await unnamedTable(isLogKept)
  const content = disk.readFile(table)
  const vfs = new FaultVfs(disk)
  vfs.addRule({ operation: 'read', path: table, error: 'EIO', times: Infinity })
  const store = await openStore(vfs)
  expect(await warningsOf(store)).toEqual([expect.stringMatching(/could not be read.*moved to lost/)])
  await store.put('k0', 'new')
  await store.close()
  expect(disk.files()).not.toContain(table)
  expect(disk.readFile(table.replace(DIR, `${DIR}/lost`)).equals(content)).toBe(true)
  // Nothing that a repair could take up by itself, and hide the new one.
  expect(await Store.repair(disk)).toMatchObject({ isChanged: false })
})

test.each([
  { operation: 'mkdir', error: 'EMFILE', code: 'ERR_IO' },
  { operation: 'mkdir', error: 'ENOSPC', code: 'ERR_DISK_FULL' },
  { operation: 'mkdir', error: 'EIO', code: 'ERR_IO' },
  { operation: 'link', error: 'EMFILE', code: 'ERR_IO' },
  { operation: 'link', error: 'ENOSPC', code: 'ERR_DISK_FULL' },
  { operation: 'open', error: 'EMFILE', code: 'ERR_IO' },
  { operation: 'syncDir', error: 'EIO', code: 'ERR_IO' },
] as const)('a table that cannot be put aside now keeps the store closed: %o', async ({ operation, error, code }) => {
  const { disk, table } = await unnamedTable(true)
  const vfs = new FaultVfs(disk)
  vfs.addRule({ operation, path: operation === 'mkdir' || operation === 'syncDir' ? /lost$/ : table, error, times: 2 })
  expect(await rejection(Store.open(vfs, TINY))).toMatchObject({ code })
  expect(failure(() => Store.openSync(vfs, TINY))).toMatchObject({ code })
  expect(disk.files()).toContain(table)
  const store = await openStore(disk)
  expect(await warningsOf(store)).toEqual([expect.stringContaining('moved to lost')])
  await store.close()
  expect(disk.files()).toContain(table.replace(DIR, `${DIR}/lost`))
})

test('lost/ is not looked at, and its numbers are not taken again', async () => {
  const { disk, table } = await unnamedTable(true)
  const vfs = new FaultVfs(disk)
  await (await openStore(vfs)).close()
  vfs.addRule({ operation: 'readdir', path: /lost$/, error: 'EACCES', times: Infinity })
  vfs.addRule({ operation: 'stat', path: /lost/, error: 'EACCES', times: Infinity })
  Store.openSync(vfs, { ...TINY, readOnly: true }).closeSync()
  const used = new Set<string | undefined>()
  disk.onMutation = (_, _kind, path) => used.add(/(\d+)\.(log|sst)$/.exec(path)?.[1])
  const store = await openStore(vfs)
  for (let i = 0; i < 3; i++) {
    await store.put('c', i)
    await store.flush()
  }
  await store.close()
  expect(used.size).toBeGreaterThan(3)
  expect(used).not.toContain(/(\d+)\.sst$/.exec(table)![1])
})

test('a table in lost/ makes room for no other one', async () => {
  const { disk, table } = await unnamedTable(true)
  const older = disk.processKillClone()
  const lost = table.replace(DIR, `${DIR}/lost`)
  const earlier = disk.readFile(table).fill(1, 0, 30)
  older.mkdirSync(`${DIR}/lost`)
  older.writeFile(lost, earlier)
  await (await openStore(older)).close()
  expect(older.readFile(lost).equals(earlier)).toBe(true)
  expect(older.readFile(`${lost}.1`).equals(disk.readFile(table))).toBe(true)
  await Store.destroy(older)
  expect(older.files()).toEqual([])
})

test('a crash between a table and the edit that names it leaves nothing in lost/', async () => {
  const disk = memory()
  const store = await openStore(disk)
  await store.put('a', 1)
  let crashed: MemoryVfs | undefined
  disk.onMutation = (_, kind, path) => {
    const isTableThere = disk.files().some((each) => each.endsWith('.sst') && disk.readFile(each).length > 0)
    if (isTableThere && kind === 'write' && path.includes('MANIFEST')) crashed ??= disk.processKillClone()
  }
  await store.flush()
  expect(crashed!.files().filter((path) => path.endsWith('.sst'))).toHaveLength(1)
  const [orphan] = crashed!.files().filter((path) => path.endsWith('.sst')) as [string]
  const opened = Store.openSync(crashed!, TINY)
  expect(entriesOf(opened)).toEqual([['a', 1]])
  expect(crashed!.files()).not.toContain(orphan)
  expect(crashed!.files().filter((path) => path.includes('lost'))).toEqual([])
  opened.closeSync()
  await store.close()
})

/** A disk with a store that was closed with three writes in its log, and how. */
async function closedStore(options: StoreOptions, isSync: boolean): Promise<{ disk: MemoryVfs; log: string; starts: number[] }> {
  const disk = memory()
  const store = await openStore(disk, { ...TINY, ...options })
  for (const key of ['a', 'b', 'c']) {
    await store.put(key, 1)
    if (options.walSync === 'none') await store.sync()
  }
  if (isSync) store.closeSync()
  else await store.close()
  const log = fileOf(disk, /\.log$/)
  return { disk, log, starts: recordStarts(disk.readFile(log), 32) }
}

const WAYS = (['none', 'os', 'interval', 'always'] as const).flatMap((walSync) => [true, false].map((isSync) => ({ walSync, isSync })))

test.each(WAYS)('a log that is cut where a record ends, after a clean close, is damage: %o', async ({ walSync, isSync }) => {
  const { disk, log, starts } = await closedStore({ walSync }, isSync)
  const end = starts[2]!
  cut(disk, log, end)
  for (const readOnly of [false, true]) {
    const error = failure(() => Store.openSync(disk, { ...TINY, readOnly }))
    expect(error).toMatchObject({ code: 'ERR_CORRUPTION', path: log, offset: end })
    expect(error.message).toMatch(/ends with write 2, and the store was closed after write 3/)
  }
  expect((await Store.verify(disk)).problems).toMatchObject([{ file: log.slice(DIR.length + 1), code: 'ERR_CORRUPTION', offset: end }])
  const salvaged = await openStore(disk, { ...TINY, recovery: 'salvage' })
  expect(entriesOf(salvaged).map(([key]) => key)).toEqual(['a', 'b'])
  expect(salvaged.stats().recovery).toMatchObject({ damagedBytes: 0, missingWrites: 1 })
  await salvaged.close()
  const again = await openStore(disk)
  expect(entriesOf(again).map(([key]) => key)).toEqual(['a', 'b'])
  await again.close()
})

test('a log that is gone after a clean close is damage, which salvage and repair get over', async () => {
  const { disk, log } = await closedStore({}, false)
  disk.unlinkSync(log)
  const manifest = fileOf(disk, /MANIFEST/)
  expect(await rejection(Store.open(disk, TINY))).toMatchObject({ code: 'ERR_CORRUPTION', path: manifest })
  expect((await Store.verify(disk)).problems).toMatchObject([{ file: manifest.slice(DIR.length + 1), code: 'ERR_CORRUPTION' }])
  const copy = disk.processKillClone()
  const salvaged = await openStore(copy, { ...TINY, recovery: 'salvage' })
  expect(salvaged.stats().recovery).toMatchObject({ missingWrites: 3 })
  await salvaged.close()
  await (await openStore(copy)).close()
  expect(await Store.repair(disk)).toMatchObject({ isChanged: true, isRebuilt: false })
  expect(await Store.verify(disk)).toMatchObject({ ok: true })
  await (await openStore(disk)).close()
})

test('repair keeps what a cut log still holds', async () => {
  const { disk, log, starts } = await closedStore({}, false)
  cut(disk, log, starts[2]!)
  const { files } = await Store.repair(disk)
  expect(files.find(({ name }) => log.endsWith(name))).toMatchObject({ fate: 'salvaged', entriesKept: 2 })
  expect(disk.files()).toContain(log.replace(DIR, `${DIR}/lost`))
  const store = await openStore(disk)
  expect(entriesOf(store).map(([key]) => key)).toEqual(['a', 'b'])
  await store.close()
})

test('a seal that is lost after a clean close is no loss', async () => {
  const { disk, log, starts } = await closedStore({}, false)
  cut(disk, log, starts[3]!)
  const store = await openStore(disk)
  expect(entriesOf(store)).toHaveLength(3)
  await store.close()
})

test('a crash after opening again, with writes or without, is no damage', async () => {
  const { disk } = await closedStore({}, false)
  const second = await openStore(disk)
  const idle = await openStore(disk.processKillClone())
  expect(entriesOf(idle)).toHaveLength(3)
  await second.put('d', 2)
  for (const left of [disk.processKillClone(), disk.crashClone({ unsyncedPercent: 0, seed: 1 })]) {
    const store = await openStore(left)
    expect(entriesOf(store).length).toBeGreaterThanOrEqual(3)
    await store.close()
    await (await openStore(left)).close()
  }
  // With tables made of the logs, of which a later cut cannot know.
  await second.flush()
  await second.close()
  await (await openStore(disk)).close()
})

test('a close takes no more syncs than the log needs, and says nothing twice', async () => {
  const { disk } = await closedStore({}, false)
  const vfs = new FaultVfs(disk)
  const store = await openStore(vfs)
  await store.put('d', 1)
  const before = { file: vfs.count('sync'), folder: vfs.count('syncDir') }
  await store.close()
  expect({ file: vfs.count('sync') - before.file, folder: vfs.count('syncDir') - before.folder }).toEqual({ file: 1, folder: 1 })

  const manifest = disk.readFile(fileOf(disk, /MANIFEST/))
  const files = disk.files()
  for (let i = 0; i < 200; i++) {
    if (i % 2 === 0) Store.openSync(disk, TINY).closeSync()
    else await (await openStore(disk)).close()
  }
  expect(disk.files()).toEqual(files)
  expect(disk.readFile(fileOf(disk, /MANIFEST/)).equals(manifest)).toBe(true)
})

test('a mark that cannot be written at a close is left out', async () => {
  const disk = memory()
  const vfs = new FaultVfs(disk)
  const store = await openStore(vfs)
  await store.put('a', 1)
  vfs.addRule({ operation: 'write', path: 'MANIFEST', error: 'ENOSPC', times: Infinity })
  await store.close()
  const again = await openStore(disk)
  expect(entriesOf(again)).toEqual([['a', 1]])
  await again.close()
})

test('a mark that finds room for half of it does not keep the store from being opened', async () => {
  const { disk } = await closedStore({}, false)
  const store = await openStore(disk)
  await store.put('d', 1, { sync: true })
  const manifest = fileOf(disk, /MANIFEST/)
  const before = disk.readFile(manifest)
  disk.capacityBytes = disk.usedBytes + 45
  await store.close()
  expect(disk.readFile(manifest).equals(before)).toBe(true)
})

test('a torn end of the manifest does not hide that a log is gone', async () => {
  const { disk, log } = await closedStore({}, false)
  disk.unlinkSync(log)
  const manifest = fileOf(disk, /MANIFEST/)
  disk.writeFile(manifest, Buffer.concat([disk.readFile(manifest), Buffer.alloc(20, 7)]))
  for (let i = 0; i < 3; i++) {
    expect(await rejection(Store.open(disk, TINY))).toMatchObject({ code: 'ERR_CORRUPTION' })
    expect((await Store.verify(disk)).ok).toBe(false)
  }
  // The new manifest was synced with the mark in it.
  expect(await rejection(Store.open(disk.crashClone({ unsyncedPercent: 0, seed: 1 }), TINY))).toMatchObject({ code: 'ERR_CORRUPTION' })
  const salvaged = await openStore(disk, { ...TINY, recovery: 'salvage' })
  expect(salvaged.stats().recovery).toMatchObject({ missingWrites: 3 })
  await salvaged.close()
  await (await openStore(disk)).close()
})

test('a close that fails on the spot leaves no rejection unhandled', async () => {
  const vfs = new FaultVfs(memory())
  const store = await Store.open(vfs, TINY)
  await store.put('a', 1)
  vfs.addRule({ operation: 'sync', path: /\.log$/, times: Infinity })
  const unhandled: unknown[] = []
  const onUnhandled = (error: unknown): unknown => unhandled.push(error)
  process.on('unhandledRejection', onUnhandled)
  onTestFinished(() => void process.off('unhandledRejection', onUnhandled))
  void store.close()
  expect(failure(() => store.closeSync())).toMatchObject({ code: expect.stringMatching(/ERR_(IO|BACKGROUND)/) })
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
  expect(unhandled).toEqual([])
})
