/** `deleteRange` and `deletePrefix`: one step, whatever the range holds. */
import { describe, expect, test } from 'vitest'
import { type Key, memory } from '../../src/index.js'
import { entriesOf, failure, nextTurn, openStore, rejection, TINY } from '../support/stores.js'

async function filled() {
  const vfs = memory()
  const store = await openStore(vfs)
  for (const key of ['', 'a', 'a\0', 'ab', 'b', 'ba', 'c', 'é']) await store.put(key, 1)
  await store.put(Buffer.from([0xff, 0xff]), 1)
  await store.flush()
  await store.put('aa', 1)
  await store.delete('ba')
  return { store, vfs }
}

const REST = ['', 'a', 'a\0', 'aa', 'ab', 'b', 'c', 'é', '\ufffd\ufffd']

describe.each(['promise', 'on the spot'])('as a %s', (form) => {
  const RANGES: [Key, Key, string[]][] = [
    ['a', 'b', ['a', 'a\0', 'aa', 'ab']],
    ['', 'a', ['']],
    ['a\0', 'ab', ['a\0', 'aa']],
    ['b', 'b', []],
    ['c', 'a', []],
    ['x', 'z', []],
    ['', Buffer.from([0xff, 0xff, 0xff]), REST],
  ]

  test.each(RANGES)('deleteRange(%o, %o)', async (start, end, gone) => {
    const { store } = await filled()
    if (form === 'promise') await store.deleteRange(start, end)
    else store.deleteRangeSync(start, end)
    expect([...store.keys()]).toEqual(REST.filter((key) => !gone.includes(key)))
  })

  const PREFIXES: [Key, string[]][] = [
    ['a', ['a', 'a\0', 'aa', 'ab']],
    ['b', ['b']],
    ['', REST],
    [Buffer.from([0xff]), ['\ufffd\ufffd']],
    [Buffer.from([0xff, 0xff]), ['\ufffd\ufffd']],
    ['absent', []],
  ]

  test.each(PREFIXES)('deletePrefix(%o)', async (prefix, gone) => {
    const { store } = await filled()
    if (form === 'promise') await store.deletePrefix(prefix)
    else store.deletePrefixSync(prefix)
    expect([...store.keys()]).toEqual(REST.filter((key) => !gone.includes(key)))
  })
})

test('what was deleted stays deleted: after a flush, a compaction and an opening', async () => {
  const { store, vfs } = await filled()
  await store.deletePrefix('a')
  const left = entriesOf(store)
  await store.flush()
  expect(entriesOf(store)).toEqual(left)
  await store.compact()
  expect(entriesOf(store)).toEqual(left)
  await store.close()
  expect(entriesOf(await openStore(vfs))).toEqual(left)
})

test('no reader sees a part of it, and a snapshot from before sees all', async () => {
  const store = await openStore(memory(), { ...TINY, memtableSize: 1024 * 1024, walSync: 'always' })
  const count = 5000
  for (let i = 0; i < count; i++) void store.put(`k${i}`, i)
  await store.put('other', 1)
  using snapshot = store.snapshot()
  let isDone = false
  const deleting = store.deletePrefix('k').then(() => (isDone = true))
  const seen = new Set<number>()
  while (!isDone) {
    seen.add([...store.keys()].length)
    await nextTurn()
  }
  await deleting
  seen.add([...store.keys()].length)
  expect([...seen].toSorted((a, b) => a - b)).toEqual([1, count + 1])
  expect([...snapshot.keys()]).toHaveLength(count + 1)
})

test('it takes writes that were issued before with it, and none that come after', async () => {
  const { store } = await filled()
  const before = store.put('a before', 1)
  const deleting = store.deletePrefix('a')
  await Promise.all([before, deleting])
  await store.put('a after', 1)
  expect([...store.keys({ prefix: 'a' })]).toEqual(['a after'])
})

test('it makes way for the event loop', async () => {
  const store = await openStore(memory(), { ...TINY, memtableSize: 8 * 1024 * 1024 })
  for (let i = 0; i < 20_000; i++) void store.put(`k${i}`, i)
  await store.put('other', 1)
  let turns = 0
  let isDone = false
  const deleting = store.deletePrefix('k').then(() => (isDone = true))
  while (!isDone) {
    turns++
    await nextTurn()
  }
  await deleting
  expect(turns).toBeGreaterThan(2)
  expect([...store.keys()]).toEqual(['other'])
})

test('bounds that are no keys are refused, and nothing is deleted', async () => {
  const { store } = await filled()
  const bad = 7 as unknown as Key
  const errors = [
    await rejection(store.deleteRange(bad, 'b')),
    await rejection(store.deleteRange('a', undefined as unknown as Key)),
    await rejection(store.deletePrefix(bad)),
    await rejection(store.deletePrefix(undefined as unknown as Key)),
    failure(() => store.deleteRangeSync('a', bad)),
    failure(() => store.deletePrefixSync(bad)),
    failure(() => store.deletePrefixSync(undefined as unknown as Key)),
  ]
  for (const error of errors) expect(error.code).toBe('ERR_INVALID_KEY')
  expect([...store.keys()]).toEqual(REST)
  await store.put('d', 1)
  expect(store.getSync('d')).toBe(1)
})
