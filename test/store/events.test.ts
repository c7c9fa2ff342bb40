/** What a store tells while it works. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { type CompactionEvent, FaultVfs, type FlushEvent, memory, type StallEndEvent, type StallEvent, Store } from '../../src/index.js'
import { nextTurn, openStore, rejection, temporaryDirectory, TINY, WORKER_URL } from '../support/stores.js'

test('flush: entries, bytes, tables and time of each', async () => {
  const store = await openStore()
  const events: FlushEvent[] = []
  store.on('flush', (event) => events.push(event))
  for (let i = 0; i < 10; i++) await store.put(`k${i}`, i)
  await store.flush()
  await store.delete('k1')
  await store.flush()
  await store.flush()
  await nextTurn()
  expect(events).toHaveLength(2)
  expect(events[0]).toMatchObject({ entries: 10, tables: 1 })
  expect(events[0]!.outputBytes).toBeGreaterThan(100)
  expect(events[0]!.durationMs).toBeGreaterThan(0)
  expect(events[1]).toMatchObject({ entries: 1 })
})

test('compaction: levels, tables and bytes of each', async () => {
  const store = await openStore()
  const events: CompactionEvent[] = []
  store.on('compaction', (event) => events.push(event))
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 100; i++) store.putSync(`k${i}`, `${round} ${'x'.repeat(40)}`)
    await store.flush()
  }
  await store.compact()
  await nextTurn()
  expect(events.length).toBeGreaterThan(0)
  for (const event of events) {
    expect(event.fromLevel).toBeLessThanOrEqual(event.toLevel)
    expect(event.toLevel).toBeLessThanOrEqual(6)
    expect(event.inputTables).toBeGreaterThan(0)
    expect(event.inputBytes).toBeGreaterThan(0)
    expect(event.outputBytes).toBeLessThanOrEqual(event.inputBytes * 1.1)
    expect(event.durationMs).toBeGreaterThanOrEqual(0)
    expect(event.reason).toMatch(/^[a-z0-9]+$/)
  }
  const last = events.at(-1)!
  expect(last.toLevel).toBe(6)
  const { tables, bytes } = store.stats().levels[6]!
  expect(tables).toBeGreaterThan(0)
  expect(bytes).toBeGreaterThan(0)
})

test('stall and stallEnd: writes that outrun a memtable of 4 KiB wait, and go on', async () => {
  const store = await openStore()
  const stalls: StallEvent[] = []
  const ends: StallEndEvent[] = []
  store.on('stall', (event) => stalls.push(event))
  store.on('stallEnd', (event) => ends.push(event))
  const writes: Promise<void>[] = []
  for (let i = 0; i < 100; i++) {
    writes.push(store.put(`k${i}`, 'x'.repeat(1000)))
    await Promise.resolve()
  }
  await Promise.all(writes)
  await store.flush()
  await nextTurn()
  expect(stalls.length).toBeGreaterThan(0)
  expect(stalls[0]!.kind).toBe('wait')
  expect(stalls[0]!.debtBytes).toBeGreaterThan(4096)
  expect(ends.length).toBeGreaterThan(0)
  expect(ends[0]!.durationMs).toBeGreaterThan(0)
  const { count, waitedMs, budgetBytes } = store.stats().stalls
  expect(count).toBe(ends.length)
  expect(waitedMs).toBeGreaterThan(0)
  expect(budgetBytes).toBeGreaterThan(4096)
  expect([...store.keys()]).toHaveLength(100)
})

test('leak: a snapshot and a scan that were forgotten are told of, and let go', async () => {
  setFlagsFromString('--expose-gc')
  const collectGarbage = runInNewContext('gc') as () => void
  const store = await openStore()
  await store.put('k', 1)
  const leaks: string[] = []
  store.on('leak', ({ kind, ageMs }) => leaks.push(`${kind} ${ageMs > 0}`))
  const forget = (): void => {
    store.snapshot()
    store.scan().nextSync()
    void [...store.scan()]
    store.snapshot().close()
  }
  forget()
  expect(store.stats()).toMatchObject({ snapshots: { open: 1 }, scans: { open: 1 } })
  for (let i = 0; i < 100 && leaks.length < 2; i++) {
    collectGarbage()
    await nextTurn()
  }
  expect(leaks.toSorted()).toEqual(['scan true', 'snapshot true'])
  expect(store.stats()).toMatchObject({ snapshots: { open: 0 }, scans: { open: 0 } })
})

test('backgroundError and diskFull', async () => {
  const vfs = new FaultVfs(memory())
  const store = await openStore(vfs)
  const told: unknown[] = []
  store.on('backgroundError', ({ error }) => told.push(error.message))
  store.on('diskFull', ({ full }) => told.push(full))
  const full = vfs.addRule({ operation: 'write', path: /\.log$/, error: 'ENOSPC', times: Infinity })
  expect((await rejection(store.put('k', 1))).code).toBe('ERR_DISK_FULL')
  expect((await rejection(store.put('k', 1))).code).toBe('ERR_DISK_FULL')
  full.remove()
  await store.put('k', 1)
  vfs.addRule({ operation: 'write', path: /\.log$/ })
  expect((await rejection(store.put('k', 2))).code).toBe('ERR_BACKGROUND')
  await nextTurn()
  expect(told).toEqual([true, false, expect.stringMatching(/EIO/)])
})

test('warning: background work goes on inline where no worker can be started', async () => {
  const dir = temporaryDirectory()
  const store = await openStore(dir, { memtableSize: 4096, workerUrl: new URL('file:///there/is/no/such/worker.js') })
  const warned = new Promise<string>((resolve) => store.once('warning', ({ message }) => resolve(message)))
  for (let i = 0; i < 200; i++) await store.put(`k${i}`, 'x'.repeat(100))
  await store.flush()
  expect(await warned).toMatch(/worker/)
  expect([...store.keys()]).toHaveLength(200)
})

test('there is no warning where the worker can be started', async () => {
  const dir = temporaryDirectory()
  const store = await openStore(dir, { memtableSize: 4096, workerUrl: WORKER_URL })
  const warnings: string[] = []
  store.on('warning', ({ message }) => warnings.push(message))
  for (let i = 0; i < 200; i++) await store.put(`k${i}`, 'x'.repeat(100))
  await store.compact()
  await nextTurn()
  expect(warnings).toEqual([])
})

test('off ends listening, once listens once', async () => {
  const store = await openStore()
  const told: string[] = []
  const always = (): number => told.push('always')
  store.on('flush', always).once('flush', () => told.push('once'))
  for (let i = 0; i < 3; i++) {
    await store.put('k', i)
    await store.flush()
    await nextTurn()
    if (i === 1) store.off('flush', always)
  }
  expect(told).toEqual(['always', 'once', 'always'])
})

test('a store without listeners works the same', async () => {
  const vfs = new FaultVfs(memory())
  const store = await Store.open(vfs, TINY)
  vfs.addRule({ operation: 'sync' })
  expect((await rejection(store.put('k', 1, { sync: true }))).code).toBe('ERR_BACKGROUND')
  expect((await rejection(store.close()).catch(() => undefined))?.code ?? 'closed').toMatch(/ERR_BACKGROUND|closed/)
})
