/**
 * What an opening must neither lose unseen nor delete: tables newer than a manifest that lost its end, and the end of a log after a clean
 * close. Each test is the smallest case.
 */
import { expect, test } from 'vitest'
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

  // As the warning says.
  disk.renameSync(`${DIR}/lost/${name}`, table)
  disk.unlinkSync(fileOf(disk, /MANIFEST/))
  await Store.repair(disk)
  const repaired = await openStore(disk)
  expect(entriesOf(repaired)).toEqual([
    ['a', 1],
    ['b', 2],
    ['c', 3],
  ])
  await repaired.close()
})

test('a number that a table in lost/ has is not taken again', async () => {
  const { disk, manifest, table, manifestBytes } = await twoTables()
  const content = disk.readFile(table)
  cut(disk, manifest, manifestBytes)
  const whole = disk.readFile(manifest)
  const first = await openStore(disk)
  await first.close()
  disk.writeFile(manifest, whole)
  const used = new Set<string | undefined>()
  disk.onMutation = (_, _kind, path) => used.add(/(\d+)\.(log|sst)$/.exec(path)?.[1])
  const second = await openStore(disk)
  for (let i = 0; i < 3; i++) {
    await second.put('c', i)
    await second.flush()
  }
  await second.close()
  expect(used.size).toBeGreaterThan(3)
  expect(used).not.toContain(/(\d+)\.sst$/.exec(table)![1])
  expect(disk.readFile(table.replace(DIR, `${DIR}/lost`)).equals(content)).toBe(true)
})

test('a table that cannot be put aside stays where it is', async () => {
  const { disk, manifest, table, manifestBytes } = await twoTables()
  cut(disk, manifest, manifestBytes)
  const vfs = new FaultVfs(disk)
  vfs.addRule({ operation: 'link', path: table, error: 'ENOSPC' })
  const store = await openStore(vfs)
  expect(await warningsOf(store)).toEqual([expect.stringContaining('stays where it is')])
  expect(disk.files()).toContain(table)
  await store.close()
  await (await openStore(disk)).close()
  expect(disk.files()).toContain(table.replace(DIR, `${DIR}/lost`))
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
