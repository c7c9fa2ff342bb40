/** Snapshots: the store of one moment, for as long as they are open. */
import { describe, expect, test } from 'vitest'
import { memory } from '../../src/index.js'
import { readsOf, thrownBy } from '../support/methods.js'
import { entriesOf, failure, openStore, TINY } from '../support/stores.js'

test('a snapshot shows the moment when it was taken, in every reading method', async () => {
  const store = await openStore()
  await store.put('a', 1)
  await store.put('b', 2)
  using snapshot = store.snapshot()
  await store.put('a', 'changed')
  await store.delete('b')
  await store.put('c', 3)
  for (const step of ['in memory', 'in tables', 'compacted']) {
    if (step === 'in tables') await store.flush()
    if (step === 'compacted') await store.compact()
    expect(snapshot.getSync('a'), step).toBe(1)
    expect(await snapshot.get('b'), step).toBe(2)
    expect(await snapshot.has('c'), step).toBe(false)
    expect(snapshot.hasSync('b'), step).toBe(true)
    expect(await snapshot.getMany(['a', 'b', 'c']), step).toEqual([1, 2, undefined])
    expect(await snapshot.getInt64('a'), step).toBe(1n)
    expect([...snapshot.scan()], step).toEqual([
      ['a', 1],
      ['b', 2],
    ])
    expect(await snapshot.keys({ reverse: true }).toArray(), step).toEqual(['b', 'a'])
    expect([...snapshot.values({ gt: 'a' })], step).toEqual([2])
    expect([...snapshot.scanPrefix('a')], step).toEqual([['a', 1]])
    expect(store.getSync('a', { snapshot }), step).toBe(1)
    expect([...store.scan({ snapshot, limit: 1 })], step).toEqual([['a', 1]])
    expect(entriesOf(store), step).toEqual([
      ['a', 'changed'],
      ['c', 3],
    ])
  }
})

test('many snapshots each keep their own version of one key, also through compactions', async () => {
  const store = await openStore()
  const snapshots = []
  for (let i = 0; i < 50; i++) {
    await store.put('k', i)
    await store.put(`filler ${i}`, 'x'.repeat(200))
    snapshots.push(store.snapshot())
    if (i % 10 === 9) await store.flush()
  }
  await store.compact()
  for (const [i, snapshot] of snapshots.entries()) {
    expect(snapshot.getSync('k')).toBe(i)
    expect([...snapshot.keys()]).toHaveLength(i + 2)
  }
  for (const [i, snapshot] of snapshots.entries()) if (i % 2 === 0) snapshot.close()
  await store.put('k', 'last')
  await store.compact()
  for (const [i, snapshot] of snapshots.entries()) if (i % 2 === 1) expect(snapshot.getSync('k')).toBe(i)
  expect(store.stats().snapshots.open).toBe(25)
})

test('versions that only a closed snapshot needed go with the next compaction', async () => {
  const store = await openStore()
  for (let i = 0; i < 100; i++) await store.put(`k${i}`, 'x'.repeat(100))
  const snapshot = store.snapshot()
  await store.deletePrefix('k')
  await store.compact()
  expect([...snapshot.keys()]).toHaveLength(100)
  expect(store.stats().tables.bytes).toBeGreaterThan(5000)
  snapshot.close()
  await store.compact()
  expect(store.stats().tables).toMatchObject({ count: 0, bytes: 0 })
})

test('a closed snapshot refuses, and closing it twice does nothing', async () => {
  const store = await openStore()
  await store.put('k', 1)
  const snapshot = store.snapshot()
  expect(snapshot.sequence).toBe(1)
  const scan = snapshot.scan()
  snapshot.close()
  snapshot.close()
  await snapshot[Symbol.asyncDispose]()
  expect(snapshot.isOpen).toBe(false)
  expect(failure(() => snapshot.sequence).code).toBe('ERR_NOT_OPEN')
  for (const [name, method] of Object.entries(readsOf(snapshot))) {
    const error = await thrownBy(method)
    expect([name, error.code]).toEqual([name, 'ERR_NOT_OPEN'])
    expect(error.message).toContain('this snapshot is closed: take a new one')
  }
  expect((await thrownBy(() => store.get('k', { snapshot }))).code).toBe('ERR_NOT_OPEN')
  // A scan that was begun goes on.
  expect([...scan]).toEqual([['k', 1]])
})

describe('stats', () => {
  test('tell how many snapshots are open and the age of the oldest', async () => {
    const store = await openStore(memory(), TINY)
    expect(store.stats().snapshots).toEqual({ open: 0, oldestAgeMs: 0 })
    const first = store.snapshot()
    const second = store.snapshot()
    expect(store.stats().snapshots).toMatchObject({ open: 2 })
    expect(store.stats().snapshots.oldestAgeMs).toBeGreaterThan(0)
    first.close()
    second.close()
    expect(store.stats().snapshots).toEqual({ open: 0, oldestAgeMs: 0 })
  })
})

test('a snapshot of an empty store, and of an empty moment of a full one, is empty', async () => {
  const store = await openStore()
  using empty = store.snapshot()
  for (let i = 0; i < 300; i++) await store.put(`k${i}`, 'x'.repeat(50))
  await store.compact()
  expect([...empty.scan()]).toEqual([])
  expect([...empty.scan({ reverse: true })]).toEqual([])
  expect(empty.getSync('k7')).toBeUndefined()
})
