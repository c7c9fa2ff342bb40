/** Opening a store: when one is made, what is refused, what comes back, and what a read-only one leaves alone. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { defaultOptions, highPerformanceOptions, lowMemoryOptions, memory, Store } from '../../src/index.js'
import { thrownBy, writesOf } from '../support/methods.js'
import { contentOf, entriesOf, failure, openStore, rejection, temporaryDirectory, TINY, WORKER_URL } from '../support/stores.js'

describe('making a store', () => {
  test('a store is made where there is nothing, folders above it included', async () => {
    const dir = join(temporaryDirectory(), 'a/b/c')
    const store = await openStore(dir)
    await store.put('k', 1)
    expect(store.path).toBe(dir)
    expect(store.status).toBe('open')
    await store.close()
    const again = await openStore(dir)
    expect(entriesOf(again)).toEqual([['k', 1]])
  })

  test('a store is made in an empty folder, and in one that holds dotfiles only', async () => {
    const dir = temporaryDirectory()
    mkdirSync(join(dir, '.git'))
    const store = await openStore(dir)
    await store.put('k', 1)
    expect(await store.get('k')).toBe(1)
  })

  test('openSync makes and opens as open does', () => {
    const dir = temporaryDirectory()
    const store = Store.openSync(dir, { workerUrl: WORKER_URL })
    store.putSync('k', 1)
    store.closeSync()
    const again = Store.openSync(dir, { workerUrl: WORKER_URL })
    expect(again.getSync('k')).toBe(1)
    again.closeSync()
  })

  test('createIfMissing: false makes nothing', async () => {
    const dir = join(temporaryDirectory(), 'none')
    expect(await rejection(Store.open(dir, { createIfMissing: false }))).toMatchObject({ code: 'ERR_NOT_A_STORE', path: dir })
    const vfs = memory()
    expect(failure(() => Store.openSync(vfs, { createIfMissing: false }))).toMatchObject({ code: 'ERR_NOT_A_STORE' })
    expect(vfs.files()).toEqual([])
    expect(vfs.mutationCount).toBe(0)
  })

  test('errorIfExists refuses a store that is there, and leaves it as it was', async () => {
    const vfs = memory()
    const store = await openStore(vfs, { errorIfExists: true })
    await store.put('k', 1)
    await store.close()
    const before = contentOf(vfs)
    expect(await rejection(Store.open(vfs, { errorIfExists: true }))).toMatchObject({ code: 'ERR_EXISTS' })
    expect(contentOf(vfs)).toEqual(before)
  })

  test('one simulated disk holds several stores, told apart by directory', async () => {
    const vfs = memory()
    const a = await openStore('/a', { ...TINY, vfs })
    const b = await openStore('/b', { ...TINY, vfs })
    await a.put('k', 'a')
    await b.put('k', 'b')
    expect([a.path, await a.get('k'), b.path, await b.get('k')]).toEqual(['/a', 'a', '/b', 'b'])
  })

  test('a store without a single write opens again', async () => {
    const vfs = memory()
    await (await openStore(vfs)).close()
    await (await openStore(vfs)).close()
    const store = await openStore(vfs)
    expect(entriesOf(store)).toEqual([])
    expect(store.stats().sequence).toBe(0)
  })
})

describe('opening again', () => {
  test.each([
    ['what is in the log only', 3],
    ['what is in tables', 2000],
  ])('%s is there again, time after time', async (_, count) => {
    const vfs = memory()
    for (let round = 0; round < 4; round++) {
      const store = await openStore(vfs)
      expect(entriesOf(store)).toHaveLength(round * count)
      for (let i = 0; i < count; i++) store.putSync(`${round}:${i}`, i)
      await store.close()
    }
  })

  test('a store whose process died opens with what it had, and tells of the recovery', async () => {
    const vfs = memory()
    const store = await openStore(vfs)
    for (let i = 0; i < 10; i++) await store.put(`k${i}`, i)
    const killed = vfs.processKillClone()
    const again = await openStore(killed)
    const told = new Promise((resolve) => again.once('recovery', resolve))
    expect(entriesOf(again)).toHaveLength(10)
    expect(await told).toEqual({ logs: 1, records: 10, tornBytes: 0, damagedBytes: 0, missingWrites: 0 })
    expect(again.stats().recovery).toEqual({ logs: 1, records: 10, tornBytes: 0, damagedBytes: 0, missingWrites: 0 })
  })

  test('memory for writes is made with the first write, and writes of any size find room', async () => {
    const vfs = memory()
    const memtableSize = 1024 * 1024
    await (await openStore(vfs)).close()
    for (const bytes of [1, 2 * memtableSize]) {
      const store = await openStore(vfs, { memtableSize })
      expect(store.stats().memory.memtables).toBeLessThan(memtableSize)
      await store.put(`k${bytes}`, Buffer.alloc(bytes, 7))
      expect(store.stats().memory.memtables).toBeGreaterThanOrEqual(memtableSize)
      expect(await store.get(`k${bytes}`)).toEqual(Buffer.alloc(bytes, 7))
      await store.flush()
      await store.close()
    }
    const again = await openStore(vfs)
    expect(entriesOf(again).length).toBe(2)
  })

  test('what a crash left in the folder is deleted, and in a tidy folder nothing is', async () => {
    const vfs = memory()
    const store = await openStore(vfs)
    await store.put('k', 1)
    await store.flush()
    await store.close()
    await (await openStore(vfs)).close()
    const names = vfs.files().toSorted()
    for (const left of ['CURRENT.tmp', 'MANIFEST-000900', '000901.log', '000902.sst']) {
      const isLog = left.endsWith('.log')
      // A log above the oldest that is needed belongs to the store, and an empty one is no damage.
      const path = `${store.path}/${isLog ? '000001.log' : left}`
      if (vfs.files().includes(path)) continue
      vfs.writeFile(path, Buffer.from(''))
      await (await openStore(vfs)).close()
      expect(vfs.files().toSorted(), left).toEqual(names)
    }
  })

  test('options may change from opening to opening', async () => {
    const vfs = memory()
    const codecs = ['none', 'snappy', 'zstd'] as const
    for (const [round, compression] of codecs.entries()) {
      const store = await openStore(vfs, { ...TINY, compression, blockSize: 64 << (2 * round), bloomFalsePositiveRate: round / 10 })
      for (let i = 0; i < 300; i++) await store.put(`${round}:${i}`, `some text that can be compressed, some text ${i}`)
      await store.flush()
      await store.close()
    }
    const store = await openStore(vfs)
    expect(entriesOf(store)).toHaveLength(900)
    await store.compact()
    expect(entriesOf(store)).toHaveLength(900)
  })

  test.each([
    ['defaultOptions', defaultOptions],
    ['lowMemoryOptions', lowMemoryOptions],
    ['highPerformanceOptions', highPerformanceOptions],
  ])('the preset %s opens and works, with a thread for background work', async (_, options) => {
    const dir = temporaryDirectory()
    const store = await openStore(dir, { ...options, workerUrl: WORKER_URL })
    store.on('warning', ({ message }) => expect.fail(message))
    for (let i = 0; i < 2000; i++) void store.put(`k${i}`, { i, text: 'a record' })
    await store.flush()
    await store.compact()
    expect(await store.get('k1999')).toEqual({ i: 1999, text: 'a record' })
    expect(await store.get('k2000')).toBeUndefined()
    await store.close()
    const again = await openStore(dir, { ...options, workerUrl: WORKER_URL })
    expect(entriesOf(again)).toHaveLength(2000)
  })
})

describe('read-only', () => {
  async function disk() {
    const vfs = memory()
    const store = await openStore(vfs)
    for (let i = 0; i < 500; i++) await store.put(`k${i}`, i)
    await store.flush()
    await store.put('in the log', true)
    return { vfs, store }
  }

  test('a read-only store shows everything and changes nothing, not even after a crash', async () => {
    const { vfs } = await disk()
    const killed = vfs.processKillClone()
    const before = contentOf(killed)
    const store = await openStore(killed, { ...TINY, readOnly: true })
    expect(store.status).toBe('read-only')
    expect(entriesOf(store)).toHaveLength(501)
    expect(await store.get('in the log')).toBe(true)
    using snapshot = store.snapshot()
    expect(snapshot.getSync('k7')).toBe(7)
    await store.close()
    expect(contentOf(killed)).toEqual(before)
    expect(killed.mutationCount).toBe(0)
  })

  test('a read-only store leaves a directory of the operating system as it was', async () => {
    const dir = temporaryDirectory()
    const store = await openStore(dir, TINY)
    for (let i = 0; i < 500; i++) await store.put(`k${i}`, i)
    await store.close()
    const before = contentOf(dir)
    const reader = await openStore(dir, { readOnly: true })
    expect(entriesOf(reader)).toHaveLength(500)
    await reader.close()
    expect(contentOf(dir)).toEqual(before)
  })

  test('it takes no lock: it opens beside a writer and beside others, and sees the moment of its opening', async () => {
    const { vfs, store } = await disk()
    const first = await openStore(vfs, { ...TINY, readOnly: true })
    const second = Store.openSync(vfs, { ...TINY, readOnly: true })
    await store.put('later', 1)
    expect(entriesOf(first)).toHaveLength(501)
    expect(second.getSync('later')).toBeUndefined()
    second.closeSync()
  })

  test('where there is no store it makes none', async () => {
    const vfs = memory()
    expect(await rejection(Store.open(vfs, { readOnly: true }))).toMatchObject({ code: 'ERR_NOT_A_STORE' })
    expect(vfs.mutationCount).toBe(0)
    const dir = join(temporaryDirectory(), 'none')
    expect(await rejection(Store.open(dir, { readOnly: true }))).toMatchObject({ code: 'ERR_NOT_A_STORE' })
  })

  test('every write is refused', async () => {
    const { vfs, store: writer } = await disk()
    await writer.close()
    const before = contentOf(vfs)
    const store = await openStore(vfs, { ...TINY, readOnly: true })
    for (const [name, write] of Object.entries(writesOf(store))) {
      const error = await thrownBy(write)
      expect([name, error.code]).toEqual([name, 'ERR_READ_ONLY'])
      expect(error.message).toMatch(/readOnly.*open it without/)
    }
    await store.close()
    expect(contentOf(vfs)).toEqual(before)
  })
})
