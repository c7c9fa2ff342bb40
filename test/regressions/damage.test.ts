/**
 * What damaged files have shown. Each test is the smallest case.
 */
import { expect, test } from 'vitest'
import { FaultVfs, memory, type MemoryVfs, Store } from '../../src/index.js'
import { DIR, entriesOf, failure, openStore, TINY } from '../support/stores.js'

test('salvage keeps a log whole that lies behind a damaged one', async () => {
  const disk = memory()
  const first = await openStore(disk)
  await first.put('a', 1)
  await first.put('b', 2)
  await first.close()
  const second = await openStore(disk)
  await second.put('c', 3)

  const killed = disk.processKillClone()
  const [log] = killed.files().filter((path) => path.endsWith('.log')) as [string]
  const bytes = killed.readFile(log)
  // The last put of the first log. Nothing in the second one says that it was synced, so the gap looked like one that a power loss leaves.
  bytes[bytes.lastIndexOf('b')]! ^= 1
  killed.writeFile(log, bytes)
  const salvaged = await openStore(killed, { ...TINY, recovery: 'salvage' })
  expect(entriesOf(salvaged)).toEqual([
    ['a', 1],
    ['c', 3],
  ])
})

/** A disk with a store whose log holds a write. */
async function closedStore(): Promise<MemoryVfs> {
  const disk = memory()
  const store = await openStore(disk)
  await store.put('a', 1)
  await store.close()
  return disk
}

test('verify reports a folder that has the name of a log, which opening trips over', async () => {
  const disk = await closedStore()
  disk.mkdirSync(`${DIR}/000700.log`)
  expect(failure(() => Store.openSync(disk, TINY)).code).toBe('ERR_IO')
  const { ok, problems } = await Store.verify(disk)
  expect(ok).toBe(false)
  expect(problems[0]).toMatchObject({ file: '000700.log', code: 'ERR_IO' })
})

test.each(['CURRENT', 'LOCK'])('verify reports that %s cannot be read, instead of failing', async (name) => {
  const disk = await closedStore()
  disk.writeFile(`${DIR}/LOCK`, Buffer.from('{}'))
  const vfs = new FaultVfs(disk)
  vfs.addRule({ operation: 'open', path: name, error: 'EACCES', times: Infinity })
  const { ok, problems } = await Store.verify(vfs)
  expect(ok).toBe(false)
  expect(problems[0]).toMatchObject({ file: name, code: 'ERR_IO' })
})

test('a log of which nothing could be salvaged does not refuse the next opening', async () => {
  const disk = await closedStore()
  const [log] = disk.files().filter((path) => path.endsWith('.log')) as [string]
  const bytes = disk.readFile(log)
  bytes[bytes.lastIndexOf('a')]! ^= 1
  disk.writeFile(log, bytes)
  expect(failure(() => Store.openSync(disk, TINY)).code).toBe('ERR_CORRUPTION')
  const salvaged = await openStore(disk, { ...TINY, recovery: 'salvage' })
  expect(entriesOf(salvaged)).toEqual([])
  await salvaged.put('b', 2, { sync: true })
  const lost = await openStore(disk.crashClone({ unsyncedPercent: 0, seed: 1 }))
  expect(entriesOf(lost)).toEqual([['b', 2]])
  await salvaged.close()
  expect(entriesOf(await openStore(disk))).toEqual([['b', 2]])
})

test('a block that is read from where another one of the same length lies is refused', async () => {
  const disk = memory()
  const options = { ...TINY, memtableSize: 64 * 1024, blockCacheSize: 0 }
  const store = await openStore(disk, options)
  for (let i = 0; i < 200; i++) await store.put(`key${1000 + i}`, 'v'.repeat(40))
  await store.flush()
  await store.close()
  const [table] = disk.files().filter((path) => path.endsWith('.sst')) as [string]
  const content = disk.readFile(table)
  const vfs = new FaultVfs(disk)
  const positions: number[] = []
  const misdirect = (bytes: Uint8Array, position: number): void => {
    // The first read goes where it should, and tells where a block lies; those that follow get that block.
    positions.push(position)
    content.copy(bytes, 0, positions[0], positions[0]! + bytes.length)
  }
  const readable = await openStore(vfs, options)
  expect(readable.getSync('key1000')).toBe('v'.repeat(40))
  vfs.addRule({ operation: 'read', path: table, times: Infinity, corrupt: misdirect })
  expect(readable.getSync('key1000')).toBe('v'.repeat(40))
  expect(failure(() => readable.getSync('key1050'))).toMatchObject({ code: 'ERR_CORRUPTION', path: table, offset: positions[1] })
  expect(failure(() => [...readable.keys()]).code).toBe('ERR_CORRUPTION')
})
