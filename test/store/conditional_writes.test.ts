/** `putIfAbsent`, `putIfEquals`, `increment`: decided and written in one step, however many are under way. */
import { describe, expect, test } from 'vitest'
import { memory, type Value } from '../../src/index.js'
import { entriesOf, failure, openStore, rejection, TINY } from '../support/stores.js'

test('putIfAbsent writes where nothing is, and tells whether it did', async () => {
  const store = await openStore()
  expect(await store.putIfAbsent('k', 1)).toBe(true)
  expect(await store.putIfAbsent('k', 2)).toBe(false)
  expect(store.putIfAbsentSync('k', 3)).toBe(false)
  await store.flush()
  expect(await store.putIfAbsent('k', 4)).toBe(false)
  await store.delete('k')
  expect(store.putIfAbsentSync('k', 5)).toBe(true)
  expect(store.getSync('k')).toBe(5)
  // What wrote nothing has taken no sequence number.
  expect(store.stats().sequence).toBe(3)
})

const EQUAL: [string, Value, Value][] = [
  ['strings', 'text', 'text'],
  ['a bigint and the number that it comes back as', 7n, 7],
  ['bytes of different classes', Buffer.from('b'), Uint8Array.from(Buffer.from('b'))],
  ['records, deeply', { a: [1, { b: null }], c: undefined }, { a: [1, { b: null }] }],
  ['NaN', NaN, NaN],
  ['null', null, null],
]
const UNEQUAL: [string, Value, Value][] = [
  ['strings', 'text', 'Text'],
  ['types', 1, '1'],
  ['0 and -0', 0, -0],
  ['records', { a: [1, 2] }, { a: [2, 1] }],
  ['null and an empty record', null, {}],
]

describe('putIfEquals', () => {
  test.each(EQUAL)('takes as equal: %s', async (_, stored, expected) => {
    const store = await openStore()
    await store.put('k', stored)
    expect(await store.putIfEquals('k', 'new', expected)).toBe(true)
    expect(store.getSync('k')).toBe('new')
  })

  test.each(UNEQUAL)('takes as different: %s', async (_, stored, expected) => {
    const store = await openStore()
    await store.put('k', stored)
    expect(await store.putIfEquals('k', 'new', expected)).toBe(false)
    expect(store.putIfEqualsSync('k', 'new', expected)).toBe(false)
    expect(store.getSync('k')).toEqual(stored)
  })

  test('undefined means absent', async () => {
    const store = await openStore()
    expect(await store.putIfEquals('k', 1, undefined)).toBe(true)
    expect(await store.putIfEquals('k', 2, undefined)).toBe(false)
    expect(await store.putIfEquals('other', 1, 1)).toBe(false)
  })

  test('of many at once exactly one wins', async () => {
    const store = await openStore()
    await store.put('k', 'free')
    const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => store.putIfEquals('k', `taken by ${i}`, 'free')))
    expect(answers.filter(Boolean)).toHaveLength(1)
    expect(store.getSync('k')).toBe(`taken by ${answers.indexOf(true)}`)
    const firsts = await Promise.all(Array.from({ length: 50 }, (_, i) => store.putIfAbsent('n', i)))
    expect(firsts.filter(Boolean)).toHaveLength(1)
  })

  test('a value that cannot be stored is an error, whether or not it would have been stored', async () => {
    const store = await openStore()
    const bad = (() => 1) as unknown as Value
    expect((await rejection(store.putIfAbsent('k', bad))).code).toBe('ERR_INVALID_VALUE')
    await store.put('k', 1)
    expect((await rejection(store.putIfAbsent('k', bad))).code).toBe('ERR_INVALID_VALUE')
    expect((await rejection(store.putIfEquals('k', bad, 2))).code).toBe('ERR_INVALID_VALUE')
    expect((await rejection(store.putIfEquals('k', 2, bad))).code).toBe('ERR_INVALID_VALUE')
    expect(entriesOf(store)).toEqual([['k', 1]])
  })
})

describe('increment', () => {
  test('counts from 0, by 1 or by what is given, and answers the new value', async () => {
    const store = await openStore()
    expect(await store.increment('k')).toBe(1n)
    expect(await store.increment('k', 5)).toBe(6n)
    expect(store.incrementSync('k', -10n)).toBe(-4n)
    expect(await store.increment('k', 0)).toBe(-4n)
    await store.flush()
    expect(await store.increment('k', 2n ** 62n)).toBe(2n ** 62n - 4n)
    expect(await store.getInt64('k')).toBe(2n ** 62n - 4n)
  })

  describe.each(['none', 'os', 'interval', 'always'] as const)("with walSync '%s'", (walSync) => {
    test('64 at once, mixed with on-the-spot ones, count each once', async () => {
      const vfs = memory()
      const store = await openStore(vfs, { ...TINY, walSync })
      const answers: bigint[] = []
      for (let round = 0; round < 4; round++) {
        const under = Array.from({ length: 64 }, () => store.increment('k'))
        answers.push(store.incrementSync('k'), ...(await Promise.all(under)))
        await store.flush()
      }
      expect(answers.toSorted((a, b) => Number(a - b))).toEqual(Array.from({ length: 260 }, (_, i) => BigInt(i + 1)))
      expect(store.getSync('k')).toBe(260)
      await store.close()
      expect((await openStore(vfs)).getSync('k')).toBe(260)
    })
  })

  test.each([
    ['up', 2n ** 63n - 1n, 1n],
    ['down', -(2n ** 63n), -1n],
    ['far', 1, 2n ** 64n],
  ])('a sum beyond 64 bits is refused: %s', async (_, start, by) => {
    const store = await openStore()
    await store.putInt64('k', start)
    for (const error of [await rejection(store.increment('k', by)), failure(() => store.incrementSync('k', by))]) {
      expect(error.code).toBe('ERR_INVALID_VALUE')
      expect(error.message).toMatch(/outside the 64-bit range; the stored value is unchanged/)
    }
    expect(await store.getInt64('k')).toBe(BigInt(start))
    expect(store.stats().sequence).toBe(1)
  })

  test.each([1.5, NaN, Infinity, 2 ** 53, '1', null, {}])('by %o is refused', async (by) => {
    const store = await openStore()
    await store.put('k', 1)
    for (const error of [await rejection(store.increment('k', by as number)), failure(() => store.incrementSync('k', by as number))]) {
      expect(error.code).toBe('ERR_INVALID_VALUE')
      expect(error.message).toContain('increment takes a bigint or a safe integer')
    }
    expect(entriesOf(store)).toEqual([['k', 1]])
  })

  test.each(['text', 1.5, -0, true, Buffer.from([1]), { n: 1 }])('a value that is no integer stays as it is: %o', async (value) => {
    const store = await openStore()
    await store.put('k', value)
    expect((await rejection(store.increment('k'))).code).toBe('ERR_TYPE_MISMATCH')
    expect(failure(() => store.incrementSync('k')).code).toBe('ERR_TYPE_MISMATCH')
    expect(store.getSync('k')).toEqual(value)
  })
})

test('a failed condition among good ones fails alone', async () => {
  const store = await openStore()
  await store.put('text', 'no number')
  const outcomes = await Promise.allSettled([store.increment('n'), store.increment('text'), store.increment('n'), store.put('k', 1)])
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled'])
  expect(entriesOf(store)).toEqual([
    ['k', 1],
    ['n', 2],
    ['text', 'no number'],
  ])
})
