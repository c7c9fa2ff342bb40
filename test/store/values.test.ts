/** What goes in comes out: the typed pairs, numbers at their edges, the largest keys and values, copies and views. */
import { describe, expect, test } from 'vitest'
import { memory, type Reader, type Value } from '../../src/index.js'
import { failure, openStore, rejection, temporaryDirectory, TINY, WORKER_URL } from '../support/stores.js'

/** Each type: a value, and what its own pair of methods gives back where that is something else. */
const TYPES = {
  String: { name: 'string', values: ['', 'text', 'Grüße 日本 😀', '\0'] },
  Int64: { name: 'int64', values: [0n, 1n, -1n, 2n ** 53n, 2n ** 63n - 1n, -(2n ** 63n)] },
  Float64: { name: 'float64', values: [0, -0, 1.5, NaN, Infinity, -Infinity, Number.MIN_VALUE, Number.MAX_VALUE] },
  Bool: { name: 'boolean', values: [true, false] },
  Bytes: { name: 'bytes', values: [Buffer.alloc(0), Buffer.from([0, 255, 1])] },
  Record: { name: 'record', values: [null, {}, [], { a: [1, 'x', null, { b: Buffer.from([1]) }], c: -0, d: 2n ** 60n }] },
} as const

type TypeName = keyof typeof TYPES
const NAMES = Object.keys(TYPES) as TypeName[]

/** Calls `putString`, `getStringSync` … by name. */
function call(target: unknown, verb: 'put' | 'get', type: TypeName, suffix: '' | 'Sync', ...args: unknown[]): unknown {
  const method = (target as Record<string, (...args: unknown[]) => unknown>)[`${verb}${type}${suffix}`]!
  return method.apply(target, args)
}

describe.each(NAMES)('%s', (type) => {
  const { values, name } = TYPES[type]

  test('comes back as it was put, by every pair of methods, from memory and from tables', async () => {
    const store = await openStore()
    for (const [i, value] of values.entries()) {
      await call(store, 'put', type, '', `a${i}`, value)
      call(store, 'put', type, 'Sync', `s${i}`, value)
      await (call(store.batch(), 'put', type, '', `b${i}`, value) as { write(): Promise<void> }).write()
    }
    for (const where of ['memory', 'tables']) {
      if (where === 'tables') await store.flush()
      for (const [i, value] of values.entries()) {
        for (const key of [`a${i}`, `s${i}`, `b${i}`]) {
          expect(await call(store, 'get', type, '', key), `${key} in ${where}`).toEqual(value)
          expect(call(store, 'get', type, 'Sync', key), `${key} in ${where}`).toEqual(value)
        }
      }
    }
    expect(await call(store, 'get', type, '', 'absent')).toBeUndefined()
    expect(call(store, 'get', type, 'Sync', 'absent')).toBeUndefined()
  })

  test.each(NAMES.filter((other) => other !== type))('read as %s is a mismatch that names both types', async (other) => {
    const store = await openStore()
    await call(store, 'put', type, '', 'k', values[0])
    const message = `the value is of type ${name}, and ${TYPES[other].name} was asked for`
    const errors = [
      await rejection(call(store, 'get', other, '', 'k') as Promise<unknown>),
      failure(() => call(store, 'get', other, 'Sync', 'k')),
      failure(() => call(store.snapshot(), 'get', other, 'Sync', 'k')),
    ]
    for (const error of errors) {
      expect(error.code).toBe('ERR_TYPE_MISMATCH')
      expect(error.message).toContain(message)
    }
  })
})

describe('numbers', () => {
  const cases: [string, Value, Value, 'Int64' | 'Float64'][] = [
    ['a safe integer is an int64 and comes back as a number', 42, 42, 'Int64'],
    ['the largest safe integer', Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, 'Int64'],
    ['a larger integer is a float64', 2 ** 53, 2 ** 53, 'Float64'],
    ['a fraction is a float64', 0.1, 0.1, 'Float64'],
    ['-0 is a float64, so that it stays what it is', -0, -0, 'Float64'],
    ['NaN is a float64', NaN, NaN, 'Float64'],
    ['a bigint that is safe comes back as a number', 7n, 7, 'Int64'],
    ['a bigint that is not comes back as a bigint', 2n ** 53n, 2n ** 53n, 'Int64'],
    ['the smallest int64', -(2n ** 63n), -(2n ** 63n), 'Int64'],
  ]

  test.each(cases)('%s', async (_, put, got, type) => {
    const store = await openStore()
    await store.put('k', put)
    for (const value of [await store.get('k'), store.getSync('k'), store.scan().toArraySync()[0]![1]])
      expect(Object.is(value, got)).toBe(true)
    expect(call(store, 'get', type, 'Sync', 'k')).toEqual(type === 'Int64' ? BigInt(put as number) : put)
  })
})

test('a value may change type; the last write counts', async () => {
  const store = await openStore()
  for (const value of ['text', 1, 1.5, true, Buffer.from('b'), { r: 1 }, null]) {
    await store.put('k', value)
    expect(await store.get('k')).toEqual(value)
  }
})

test('string keys and their UTF-8 bytes are the same key', async () => {
  const store = await openStore()
  await store.put('日本', 1)
  expect(await store.get(Buffer.from('日本'))).toBe(1)
  expect(await store.get(new Uint8Array(Buffer.from('日本')))).toBe(1)
  await store.put(Buffer.from('é'), 2)
  expect(store.getSync('é')).toBe(2)
})

describe('copies and views', () => {
  test('returned bytes are the caller’s own', async () => {
    const store = await openStore()
    const given = Buffer.from('given')
    await store.put('k', given)
    await store.put('r', { list: [given] })
    given.fill(0)
    for (const where of ['memory', 'tables']) {
      if (where === 'tables') await store.flush()
      for (const read of [() => store.getSync('k'), () => store.getBytesSync('k'), () => store.values().nextSync()]) {
        const got = read() as Buffer
        expect(got.toString()).toBe('given')
        got.fill(0xff)
      }
      const record = store.getSync('r') as { list: Buffer[] }
      expect(record.list[0]!.toString()).toBe('given')
      record.list[0]!.fill(0xff)
    }
    expect((store.getSync('k') as Buffer).toString()).toBe('given')
  })

  test.each(['get', 'getSync', 'getMany', 'getManySync'] as const)('%s with copy: false gives the same bytes', async (method) => {
    const store = await openStore()
    await store.put('k', Buffer.from('bytes'))
    await store.put('s', 'text')
    await store.flush()
    await store.put('m', Buffer.from('in memory'))
    const read = (key: string) => {
      const options = { copy: false }
      if (method === 'get' || method === 'getSync') return store[method](key, options)
      return method === 'getMany' ? store.getMany([key], options) : store.getManySync([key], options)
    }
    for (const [key, text] of [
      ['k', 'bytes'],
      ['m', 'in memory'],
      ['s', 'text'],
    ] as const) {
      const got = [await read(key)].flat()[0] as Uint8Array | string
      expect(typeof got === 'string' ? got : Buffer.from(got).toString()).toBe(text)
    }
  })

  test('a key buffer may be used again once the call has returned', async () => {
    const store = await openStore(memory(), { ...TINY, blockCacheSize: 0, readMode: 'async' })
    const key = Buffer.from('a')
    const writes = []
    for (const letter of 'abcdef') {
      key.write(letter)
      writes.push(store.put(key, letter))
    }
    await Promise.all(writes)
    await store.flush()
    const reads = []
    for (const letter of 'abcdef') {
      key.write(letter)
      reads.push(store.get(key), store.getMany([key]), store.putIfEquals(key, `${letter}!`, letter))
    }
    expect(await Promise.all(reads)).toEqual([...'abcdef'].flatMap((letter) => [letter, [letter], true]))
    expect([...store.values()]).toEqual([...'abcdef'].map((letter) => `${letter}!`))
  })
})

describe('limits', () => {
  const LONGEST = 65_535

  test('a key of 65,535 bytes works everywhere', async () => {
    const store = await openStore(memory(), { ...TINY, memtableSize: 1024 * 1024 })
    const long = 'k'.repeat(LONGEST)
    const accents = Buffer.from(`${'é'.repeat(32_767)}x`)
    await store.put(long, 1)
    await store.put(accents, 2)
    await store.put(`${long.slice(1)}j`, 3)
    await store.flush()
    await store.compact()
    expect([store.getSync(long), await store.get(accents), await store.has(`${long.slice(1)}k`)]).toEqual([1, 2, true])
    expect([...store.keys({ gt: long })]).toEqual([accents.toString()])
    expect([...store.keys({ lte: long, reverse: true })][0]).toBe(long)
    expect([...store.keys({ prefix: long })]).toEqual([long])
    await store.deleteRange(`${long.slice(1)}j`, accents)
    expect([...store.keys()]).toEqual([accents.toString()])
    await store.delete(accents)
    expect([...store.keys()]).toEqual([])
  })

  test.each([
    ['ASCII', 'k'.repeat(LONGEST + 1)],
    ['bytes', Buffer.alloc(LONGEST + 1)],
    ['a string that is too long only as UTF-8', 'é'.repeat(32_768)],
  ])('a key of one byte more is refused: %s', async (_, key) => {
    const store = await openStore()
    const error = await rejection(store.put(key, 1))
    expect(error.code).toBe('ERR_INVALID_KEY')
    expect(error.message).toMatch(/65,536.*65,535/)
    expect(failure(() => store.getSync(key)).code).toBe('ERR_INVALID_KEY')
    expect(failure(() => store.scan({ gte: key })).code).toBe('ERR_INVALID_KEY')
    expect(store.stats().sequence).toBe(0)
  })

  test('a value of 64 MiB with its tag is kept, and one byte more is refused', async () => {
    const dir = temporaryDirectory()
    const options = { workerUrl: WORKER_URL, compression: 'none' } as const
    const store = await openStore(dir, options)
    const largest = Buffer.alloc(64 * 1024 * 1024 - 1, 'varve')
    await store.put('small', 1)
    await store.put('large', largest)
    expect(largest.equals(store.getBytesSync('large')!)).toBe(true)
    const error = await rejection(store.put('large', Buffer.alloc(largest.length + 1)))
    expect(error.code).toBe('ERR_INVALID_VALUE')
    expect(error.message).toMatch(/67,108,865.*67,108,864.*split/)
    expect((await rejection(store.put('large', 'x'.repeat(largest.length + 1)))).code).toBe('ERR_INVALID_VALUE')
    await store.flush()
    expect(largest.equals((await store.getBytes('large'))!)).toBe(true)
    await store.close()
    const again = await openStore(dir, options)
    expect(largest.equals((await again.get('large')) as Buffer)).toBe(true)
    expect(again.getSync('small')).toBe(1)
  })
})

test('a typed getter is there on a snapshot, too', async () => {
  const store = await openStore()
  await store.putInt64('k', 5)
  const reader: Reader = store.snapshot()
  await store.putString('k', 'now a text')
  expect([await reader.getInt64('k'), await store.getString('k')]).toEqual([5n, 'now a text'])
})
