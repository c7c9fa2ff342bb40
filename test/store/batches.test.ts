/** Batches: all or nothing. */
import { describe, expect, test } from 'vitest'
import { type BatchOperation, memory } from '../../src/index.js'
import { entriesOf, failure, nextTurn, openStore, rejection, TINY } from '../support/stores.js'

test('an array batch does its operations in order', async () => {
  const store = await openStore()
  await store.put('b', 0)
  await store.batch([
    { type: 'put', key: 'a', value: 1 },
    { type: 'put', key: Buffer.from('c'), value: { r: 1 } },
    { type: 'delete', key: 'b' },
    { type: 'put', key: 'a', value: 2 },
    { type: 'delete', key: 'absent' },
  ])
  expect(entriesOf(store)).toEqual([
    ['a', 2],
    ['c', { r: 1 }],
  ])
  store.batchSync([
    { type: 'put', key: 'b', value: 1 },
    { type: 'delete', key: 'a' },
  ])
  expect(entriesOf(store)).toEqual([
    ['b', 1],
    ['c', { r: 1 }],
  ])
})

test('an empty batch is a write of nothing', async () => {
  const store = await openStore()
  await store.batch([])
  store.batchSync([])
  await store.batch().write()
  store.batch().writeSync()
  expect(store.stats().sequence).toBe(0)
})

const MALFORMED: [string, unknown, string][] = [
  ['an unknown type', { type: 'merge', key: 'x', value: 1 }, 'ERR_INVALID_VALUE'],
  ['no type', { key: 'x', value: 1 }, 'ERR_INVALID_VALUE'],
  ['null', null, 'ERR_INVALID_VALUE'],
  ['a string', 'put', 'ERR_INVALID_VALUE'],
  ['no key', { type: 'put', value: 1 }, 'ERR_INVALID_KEY'],
  ['a delete without a key', { type: 'delete' }, 'ERR_INVALID_KEY'],
  ['no value', { type: 'put', key: 'x' }, 'ERR_INVALID_VALUE'],
  ['a function', { type: 'put', key: 'x', value: () => 1 }, 'ERR_INVALID_VALUE'],
]

describe.each(MALFORMED)('a batch with %s', (_, operation, code) => {
  test('writes nothing, whatever stands before and after', async () => {
    const store = await openStore()
    await store.put('a', 'before')
    const operations = [{ type: 'put', key: 'a', value: 1 }, operation, { type: 'put', key: 'z', value: 2 }] as BatchOperation[]
    const pending = store.put('b', 1)
    expect((await rejection(store.batch(operations))).code).toBe(code)
    expect(failure(() => store.batchSync(operations)).code).toBe(code)
    await pending
    await store.put('c', 1)
    expect(entriesOf(store)).toEqual([
      ['a', 'before'],
      ['b', 1],
      ['c', 1],
    ])
    expect(store.stats().sequence).toBe(3)
  })
})

test.each([undefined, {}, 'text', 7, new Map()])('batch(%o) is refused', async (operations) => {
  const store = await openStore()
  const error = await rejection(store.batch(operations as unknown as BatchOperation[]))
  expect(error.code).toBe('ERR_INVALID_VALUE')
  expect(error.message).toContain('a batch is an array of { type, key, value } operations')
})

describe('a chained batch', () => {
  test('collects operations and writes them together', async () => {
    const store = await openStore()
    const batch = store.batch().put('a', 1).putString('s', 'text').putInt64('i', 2n).putFloat64('f', 3).putBool('t', true)
    batch.putBytes('y', Buffer.from('b')).putRecord('r', { x: 1 }).put('gone', 1).delete('gone').delete('a')
    expect(batch.length).toBe(10)
    expect(entriesOf(store)).toEqual([])
    await batch.write()
    expect(await store.getFloat64('f')).toBe(3)
    expect([...store.keys()]).toEqual(['f', 'i', 'r', 's', 't', 'y'])
  })

  test('takes keys and values as they are when they are given', async () => {
    const store = await openStore()
    const [key, value] = [Buffer.from('key'), { list: [1] }]
    const batch = store.batch().put(key, value)
    key.write('yek')
    value.list.push(2)
    await batch.write()
    expect(entriesOf(store)).toEqual([['key', { list: [1] }]])
  })

  test('goes on after an operation that was refused, without it', async () => {
    const store = await openStore()
    const batch = store.batch().put('a', 1)
    expect(failure(() => batch.put('b', undefined as unknown as string)).code).toBe('ERR_INVALID_VALUE')
    expect(failure(() => batch.putInt64('b', 1.5)).code).toBe('ERR_INVALID_VALUE')
    expect(failure(() => batch.delete(7 as unknown as string)).code).toBe('ERR_INVALID_KEY')
    expect(batch.length).toBe(1)
    await batch.put('c', 3).write()
    expect(entriesOf(store)).toEqual([
      ['a', 1],
      ['c', 3],
    ])
  })

  test('clear forgets, close drops, and what was written or closed refuses everything', async () => {
    const store = await openStore()
    const batch = store.batch().put('a', 1).clear().put('b', 1)
    await batch.write()
    for (const method of [() => batch.put('c', 1), () => batch.delete('c'), () => batch.clear(), () => batch.writeSync()]) {
      expect(failure(method)).toMatchObject({ code: 'ERR_NOT_OPEN' })
    }
    expect((await rejection(batch.write())).code).toBe('ERR_NOT_OPEN')
    const dropped = store.batch().put('d', 1)
    dropped.close()
    dropped.close()
    expect(failure(() => dropped.put('e', 1)).message).toContain('begin a new one with store.batch()')
    expect(entriesOf(store)).toEqual([['b', 1]])
    expect(dropped.length).toBe(0)
  })
})

test('no reader ever sees a part of a batch', async () => {
  const store = await openStore(memory(), { ...TINY, walSync: 'always' })
  let isDone = false
  const writing = (async () => {
    for (let i = 1; i <= 200; i++) {
      await store.batch(
        Array.from({ length: 10 }, (_, j): BatchOperation => ({ type: 'put', key: `k${j}`, value: `${i} ${'x'.repeat(60)}` })),
      )
      if (i % 20 === 0) await nextTurn()
    }
    isDone = true
  })()
  while (!isDone) {
    const seen = new Set([...store.values()])
    expect(seen.size).toBeLessThan(2)
    expect(new Set(await store.getMany(['k0', 'k9'])).size).toBe(1)
    await nextTurn()
  }
  await writing
})

test('a batch that is larger than a memtable is one write', async () => {
  const vfs = memory()
  const store = await openStore(vfs)
  const batch = store.batch()
  for (let i = 0; i < 1000; i++) batch.put(`k${i}`, 'x'.repeat(100))
  await batch.write()
  const entries = entriesOf(store)
  expect(entries).toHaveLength(1000)
  expect(entriesOf(await openStore(vfs.processKillClone()))).toEqual(entries)
  await store.flush()
  expect(entriesOf(store)).toEqual(entries)
})

test('a batch beyond 256 MiB is refused before anything is written', async () => {
  const store = await openStore(memory(), { ...TINY, memtableSize: 64 * 1024 })
  const large = Buffer.alloc(60 * 1024 * 1024)
  const batch = store.batch()
  for (let i = 0; i < 4; i++) batch.put(`k${i}`, large)
  const error = failure(() => batch.put('k4', large))
  expect(error.code).toBe('ERR_INVALID_VALUE')
  expect(error.message).toMatch(/write it in several batches/)
  expect(batch.length).toBe(4)
  batch.close()
  expect(store.stats().sequence).toBe(0)
})

test('a batch that fits takes a long string by what it takes, not by what it could take at most', async () => {
  const store = await openStore()
  const batch = store.batch()
  const bytes = Buffer.alloc(60 * 1024 * 1024)
  for (const key of ['a', 'b', 'c', 'd']) batch.putBytes(key, bytes)
  batch.put('long', 'x'.repeat(10 * 1024 * 1024))
  expect(batch.length).toBe(5)
  expect(failure(() => batch.put('too much', 'é'.repeat(4 * 1024 * 1024))).code).toBe('ERR_INVALID_VALUE')
  batch.close()
})
