/**
 * A full disk: writes fail with a typed error and change nothing, reads go on, nothing acknowledged is lost, and writes go on when there
 * is space again.
 */
import { describe, expect, test } from 'vitest'
import type { MemoryVfs } from '../../src/index.js'
import { FaultVfs, ManualClock, memory, Store, StoreError, type Value } from '../../src/index.js'
import { Random } from '../../src/util/random.js'
import { expectState, modelKey } from '../support/history.js'
import { testSeed } from '../support/seed.js'
import { contentOf, entriesOf, failure, nextTurn, openStore, rejection, TINY } from '../support/stores.js'

const MODES = ['none', 'os', 'interval', 'always'] as const

/** Lets half a second pass, after which background work that met a full disk is tried again. */
async function halfASecond(clock: ManualClock): Promise<void> {
  clock.advance(500)
  for (let i = 0; i < 100; i++) await nextTurn()
}

describe.each(MODES)("walSync '%s'", (walSync) => {
  test('a disk of limited size fills up, and is given more, again and again', async () => {
    const seed = testSeed()
    const random = new Random(seed)
    const vfs = memory()
    const clock = new ManualClock()
    const options = { ...TINY, walSync, clock }
    const store = await openStore(vfs, options)
    const state = new Map<string, Value>()
    let refused = 0
    for (let round = 0; round < 6; round++) {
      vfs.capacityBytes = vfs.usedBytes + random.between(0, 30_000)
      let hasFailed = 0
      // Until writes have failed for a while: the log, flushes and compactions each find the disk full.
      for (let i = 0; i < 400 && hasFailed < 30; i++) {
        const [key, value] = [`k${random.below(200)}`, `${round} ${i} ${'x'.repeat(random.below(300))}`]
        try {
          if (random.chance(0.3)) store.putSync(key, value)
          else await store.put(key, value)
          state.set(modelKey(key), value)
        } catch (error) {
          if (!(error instanceof StoreError) || error.code !== 'ERR_DISK_FULL') throw new Error(`VARVE_SEED=${seed}`, { cause: error })
          expect(error.message).toMatch(/no space left.*free some space; reads go on and writes resume by themselves/)
          hasFailed++
        }
        if (i % 10 === 0) await nextTurn()
      }
      refused += hasFailed
      expectState(store, state)
      if (walSync === 'os' || walSync === 'always') {
        const killed = await Store.open(vfs.processKillClone(), { ...options, readOnly: true })
        expectState(killed, state)
        await killed.close()
      }
      vfs.capacityBytes = Infinity
      await halfASecond(clock)
      await store.put('space', round)
      state.set('space', round)
    }
    expect(refused).toBeGreaterThan(0)
    await store.compact()
    expectState(store, state)
    expect(store.status).toBe('open')
    await store.close()
    expectState(await openStore(vfs.crashClone({ unsyncedPercent: 0, seed }), options), state)
  })
})

test('a write that was refused has not been made, and is not there after a crash', async () => {
  const vfs = memory()
  const store = await openStore(vfs)
  await store.put('before', 1)
  vfs.capacityBytes = vfs.usedBytes + 10
  for (let i = 0; i < 5; i++) {
    expect((await rejection(store.put('refused', 'x'.repeat(100)))).code).toBe('ERR_DISK_FULL')
    expect(failure(() => store.putSync('refused', 'x'.repeat(100))).code).toBe('ERR_DISK_FULL')
    expect((await rejection(store.batch([{ type: 'put', key: 'refused', value: 'x'.repeat(100) }]))).code).toBe('ERR_DISK_FULL')
    expect((await rejection(store.increment('refused'))).code).toBe('ERR_DISK_FULL')
  }
  expect(store.status).toBe('full')
  expect(entriesOf(store)).toEqual([['before', 1]])
  expect(entriesOf(await openStore(vfs.processKillClone(), { ...TINY, readOnly: true }))).toEqual([['before', 1]])
  vfs.capacityBytes = Infinity
  await store.put('after', 2)
  expect(store.status).toBe('open')
  expect(entriesOf(await openStore(vfs.processKillClone()))).toEqual([
    ['after', 2],
    ['before', 1],
  ])
})

test('flush and compact on a full disk are refused, and leave no half-written table behind', async () => {
  const clock = new ManualClock()
  const inner = memory()
  const vfs = new FaultVfs(inner)
  const store = await openStore(vfs, { ...TINY, clock })
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 20; i++) await store.put(`k${i}`, `${round}${'x'.repeat(50)}`)
    const full = vfs.addRule({ operation: ['create', 'write'], path: /\.sst$/, error: 'ENOSPC', times: Infinity })
    expect((await rejection(round === 0 ? store.flush() : store.compact())).code).toBe('ERR_DISK_FULL')
    expect(store.status).toBe('full')
    expect(entriesOf(store)).toHaveLength(20)
    full.remove()
    await halfASecond(clock)
    expect(store.status).toBe('open')
  }
  await store.compact()
  expect(new Set([...store.values()])).toEqual(new Set([`1${'x'.repeat(50)}`]))
  await store.close()
  await (await Store.open(inner, TINY)).close()
  expect(inner.files().filter((path) => path.endsWith('.sst'))).toHaveLength(1)
})

test('a background flush that met a full disk is tried again by itself twice a second', async () => {
  const clock = new ManualClock()
  const vfs = new FaultVfs(memory())
  const store = await openStore(vfs, { ...TINY, clock })
  const full = vfs.addRule({ operation: 'create', path: /\.sst$/, error: 'ENOSPC', times: Infinity })
  const told: boolean[] = []
  store.on('diskFull', (event) => told.push(event.full))
  for (let i = 0; i < 60; i++) store.putSync(`k${i}`, 'x'.repeat(100))
  for (let i = 0; i < 50; i++) await nextTurn()
  expect(store.status).toBe('full')
  // Writes go on as long as memtables have room.
  store.putSync('room', 1)
  const hits = full.hits
  await halfASecond(clock)
  expect(full.hits).toBeGreaterThan(hits)
  full.remove()
  await halfASecond(clock)
  expect(store.status).toBe('open')
  expect(told).toEqual([true, false])
  expect(store.stats().flushes.count).toBeGreaterThan(0)
  expect(entriesOf(store)).toHaveLength(61)
})

test('flush and compact try again at once, without waiting for the half second', async () => {
  const vfs = new FaultVfs(memory())
  const store = await openStore(vfs, { ...TINY, clock: new ManualClock() })
  for (const write of [() => store.flush(), () => store.compact()]) {
    for (let i = 0; i < 20; i++) await store.put(`k${i}`, 'x'.repeat(50))
    const full = vfs.addRule({ operation: 'create', path: /\.sst$/, error: 'ENOSPC', times: Infinity })
    for (let attempt = 1; attempt <= 3; attempt++) {
      expect((await rejection(write())).code).toBe('ERR_DISK_FULL')
      expect(full.hits).toBe(attempt)
      expect(store.status).toBe('full')
    }
    full.remove()
    await write()
    expect(store.status).toBe('open')
  }
  expect(store.stats().immutableMemtables.count).toBe(0)
})

test('a program that never lets the event loop turn gets over a full disk as well', async () => {
  const clock = new ManualClock()
  const vfs = new FaultVfs(memory())
  const store = await openStore(vfs, { ...TINY, clock })
  const full = vfs.addRule({ operation: 'create', path: /\.sst$/, error: 'ENOSPC', times: Infinity })
  let count = 0
  const write = (): void => store.putSync(`k${count}`, 'x'.repeat(100))
  const refusal = failure(() => {
    for (; count < 1000; count++) write()
  })
  expect(refusal.code).toBe('ERR_DISK_FULL')
  const { hits } = full
  // Until half a second is over nothing is tried, and then once.
  for (let i = 0; i < 5; i++) expect(failure(write).code).toBe('ERR_DISK_FULL')
  expect(full.hits).toBe(hits)
  // Timers do not fire where the loop does not turn: time passes, and nothing happens.
  clock.nowMs = () => 500
  expect(failure(write).code).toBe('ERR_DISK_FULL')
  expect(failure(write).code).toBe('ERR_DISK_FULL')
  expect(full.hits).toBe(hits + 1)
  full.remove()
  clock.nowMs = () => 1000
  for (const end = count + 100; count < end; count++) write()
  expect(store.status).toBe('open')
  expect(entriesOf(store)).toHaveLength(count)
})

test('while background work is tried again the store still counts as full, and writes without room wait for the outcome', async () => {
  const clock = new ManualClock()
  const vfs = new FaultVfs(memory())
  const store = await openStore(vfs, { ...TINY, clock })
  const full = vfs.addRule({ operation: 'create', path: /\.sst$/, error: 'ENOSPC', times: Infinity })
  const told: boolean[] = []
  store.on('diskFull', (event) => told.push(event.full))
  failure(() => {
    for (let i = 0; i < 1000; i++) store.putSync(`k${i}`, 'x'.repeat(100))
  })
  clock.advance(500)
  expect(store.status).toBe('full')
  const refused = rejection(store.put('refused', 'x'.repeat(3000)))
  for (let i = 0; i < 100; i++) await nextTurn()
  expect((await refused).code).toBe('ERR_DISK_FULL')
  full.remove()
  clock.advance(500)
  expect(store.status).toBe('full')
  await store.put('kept', 'x'.repeat(3000))
  expect(store.status).toBe('open')
  expect(told).toEqual([true, false])
  expect(store.hasSync('refused')).toBe(false)
})

test('a durable write after a crash is refused, and not made, while the disk has no space for what was recovered', async () => {
  const vfs = memory()
  const options = { ...TINY, clock: new ManualClock() }
  const before = await Store.open(vfs, options)
  for (let i = 0; i < 20; i++) await before.put(`k${i}`, 'x'.repeat(50))
  const killed = vfs.processKillClone()
  await before.close()
  const faulty = new FaultVfs(killed)
  const full = faulty.addRule({ operation: 'create', path: /\.sst$/, error: 'ENOSPC', times: Infinity })
  const store = await openStore(faulty, options)
  for (let i = 0; i < 2; i++) {
    expect(failure(() => store.putSync('durable', 1, { sync: true })).code).toBe('ERR_DISK_FULL')
    expect(failure(() => store.syncSync()).code).toBe('ERR_DISK_FULL')
    expect(store.hasSync('durable')).toBe(false)
    expect(store.status).toBe('full')
    store.putSync(`other ${i}`, 1)
  }
  full.remove()
  options.clock.advance(500)
  store.putSync('durable', 2, { sync: true })
  expect(store.status).toBe('open')
  expect(entriesOf(await openStore(killed.crashClone({ unsyncedPercent: 0, seed: 1 }), TINY))).toHaveLength(23)
})

test('writes fail rather than wait when memtables have no room and the flush cannot be made', async () => {
  const clock = new ManualClock()
  const vfs = new FaultVfs(memory())
  const store = await openStore(vfs, { ...TINY, clock })
  const full = vfs.addRule({ operation: 'create', path: /\.sst$/, error: 'ENOSPC', times: Infinity })
  const outcomes = await Promise.allSettled(
    Array.from({ length: 200 }, async (_, i) => {
      for (let turns = 0; turns < i; turns++) await nextTurn()
      await store.put(`k${i}`, 'x'.repeat(400))
    }),
  )
  const kept = outcomes.filter(({ status }) => status === 'fulfilled').length
  expect(kept).toBeGreaterThan(20)
  expect(kept).toBeLessThan(200)
  for (const outcome of outcomes) if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'ERR_DISK_FULL' })
  expect(entriesOf(store)).toHaveLength(kept)
  full.remove()
  await halfASecond(clock)
  await store.put('after', 1)
  expect(entriesOf(store)).toHaveLength(kept + 1)
})

test('ENOSPC at any one operation of a workload loses nothing', async () => {
  for (let nth = 1; nth < 100; nth += 4) {
    const inner = memory()
    const vfs = new FaultVfs(inner)
    const clock = new ManualClock()
    const store = await Store.open(vfs, { ...TINY, walSync: 'always', clock })
    const state = new Map<string, Value>()
    const rule = vfs.addRule({ operation: ['create', 'write', 'rename'], nth, times: 3, error: 'ENOSPC' })
    for (let i = 0; i < 80; i++) {
      const [key, value] = [`k${i % 30}`, `${i} ${'x'.repeat(100)}`]
      try {
        if (i === 40) await store.flush()
        if (i === 60) await store.compact()
        await store.put(key, value)
        state.set(key, value)
      } catch (error) {
        expect(error, `operation ${nth}, write ${i}`).toMatchObject({ code: 'ERR_DISK_FULL' })
      }
    }
    expect(rule.hits, `operation ${nth}`).toBeGreaterThan(0)
    rule.remove()
    expectState(store, state)
    const crashed = await Store.open(inner.crashClone({ unsyncedPercent: 0, seed: nth }), TINY)
    expectState(crashed, state)
    await crashed.close()
    await halfASecond(clock)
    await store.put('after', 1)
    expect(store.status).toBe('open')
    await store.close()
    const again = await Store.open(inner, TINY)
    expectState(again, new Map([...state, ['after', 1]]))
    await again.close()
  }
})

test('a store cannot be made on a full disk, and can when there is space', async () => {
  for (const capacityBytes of [0, 50, 150, 300]) {
    const vfs = memory()
    vfs.capacityBytes = capacityBytes
    const outcome = await Store.open(vfs, TINY).catch((error: unknown) => error)
    if (outcome instanceof Store) await outcome.close().catch(() => {})
    else expect(outcome).toMatchObject({ code: 'ERR_DISK_FULL' })
    vfs.capacityBytes = Infinity
    const store = await Store.open(vfs, TINY)
    await store.put('k', 1)
    await store.close()
  }
})

test('a store opens for reading on a full disk, and tells how it is when it cannot be opened for writing', async () => {
  const vfs = memory()
  const store = await Store.open(vfs, TINY)
  for (let i = 0; i < 100; i++) await store.put(`k${i}`, 'x'.repeat(100))
  const killed: MemoryVfs = vfs.processKillClone()
  await store.close()
  killed.capacityBytes = killed.usedBytes
  const before = contentOf(killed)
  const reader = await Store.open(killed, { ...TINY, readOnly: true })
  expect(entriesOf(reader)).toHaveLength(100)
  await reader.close()
  expect(contentOf(killed)).toEqual(before)
  const outcome = await Store.open(killed, TINY).catch((error: unknown) => error)
  if (outcome instanceof Store) {
    expect(entriesOf(outcome)).toHaveLength(100)
    await outcome.close().catch((error: unknown) => expect(error).toMatchObject({ code: 'ERR_DISK_FULL' }))
  } else expect(outcome).toMatchObject({ code: 'ERR_DISK_FULL' })
  killed.capacityBytes = Infinity
  expect(entriesOf(await openStore(killed))).toHaveLength(100)
})
