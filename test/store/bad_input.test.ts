/** Keys, values and options that are none: a typed error with a sentence that helps, and nothing stored is changed. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Key, memory, type MemoryVfs, Store, type StoreOptions, type Value } from '../../src/index.js'
import { contentOf, entriesOf, failure, rejection, TINY } from '../support/stores.js'

let vfs: MemoryVfs
let store: Store
let entries: [string, Value][]

beforeEach(async () => {
  vfs = memory()
  store = await Store.open(vfs, TINY)
  await store.put('flushed', { a: 1 })
  await store.flush()
  await store.put('k', 1)
  entries = entriesOf(store)
})

afterEach(async () => {
  expect(entriesOf(store)).toEqual(entries)
  expect(store.stats()).toMatchObject({ status: 'open', sequence: 2 })
  await store.close()
})

const BAD_KEYS: [string, unknown, RegExp][] = [
  ['a number', 7, /a key is a string or a Uint8Array/],
  ['undefined', undefined, /a key is a string or a Uint8Array/],
  ['null', null, /a key is a string or a Uint8Array/],
  ['a bigint', 7n, /a key is a string or a Uint8Array/],
  ['an object', { a: 1 }, /a key is a string or a Uint8Array/],
  ['an array', [1, 2], /a key is a string or a Uint8Array/],
  ['an ArrayBuffer', new ArrayBuffer(2), /a key is a string or a Uint8Array/],
  ['another typed array', new Uint16Array(2), /a key is a string or a Uint8Array/],
  ['a symbol', Symbol('s'), /a key is a string or a Uint8Array/],
  ['a lone high surrogate', 'a\ud800', /lone surrogate/],
  ['a lone low surrogate', '\udc00a', /lone surrogate/],
  ['a lone surrogate in a long key', `${'é'.repeat(200)}\ud800`, /lone surrogate/],
  ['a key of 65,536 characters', 'k'.repeat(65_536), /65,535/],
  ['a key of a million bytes', Buffer.alloc(1_000_000), /65,535/],
]

describe.each(BAD_KEYS)('a key that is %s', (_, bad, message) => {
  test('is refused everywhere', async () => {
    const key = bad as Key
    const promises = {
      put: store.put(key, 1),
      'put with sync': store.put(key, 1, { sync: true }),
      putInt64: store.putInt64(key, 1),
      delete: store.delete(key),
      get: store.get(key),
      getString: store.getString(key),
      getMany: store.getMany(['k', key]),
      has: store.has(key),
      putIfAbsent: store.putIfAbsent(key, 1),
      putIfEquals: store.putIfEquals(key, 1, 1),
      increment: store.increment(key),
      batch: store.batch([
        { type: 'put', key: 'other', value: 1 },
        { type: 'put', key, value: 1 },
      ]),
    }
    for (const [name, promise] of Object.entries(promises)) {
      const error = await rejection(promise)
      expect([name, error.code]).toEqual([name, 'ERR_INVALID_KEY'])
      expect(error.message).toMatch(message)
    }
    const calls = {
      putSync: () => store.putSync(key, 1),
      deleteSync: () => store.deleteSync(key),
      getSync: () => store.getSync(key),
      getBytesSync: () => store.getBytesSync(key),
      hasSync: () => store.hasSync(key),
      getManySync: () => store.getManySync([key]),
      putIfAbsentSync: () => store.putIfAbsentSync(key, 1),
      incrementSync: () => store.incrementSync(key),
      'batch().put': () => store.batch().put(key, 1),
      'batch().delete': () => store.batch().delete(key),
    }
    for (const [name, action] of Object.entries(calls)) expect([name, failure(action).code]).toEqual([name, 'ERR_INVALID_KEY'])
  })
})

describe.each(BAD_KEYS.filter(([, key]) => key !== undefined))('a bound that is %s', (_, bad) => {
  test('is refused in every range', async () => {
    const key = bad as Key
    for (const bound of ['gt', 'gte', 'lt', 'lte', 'prefix'] as const) {
      expect(failure(() => store.scan({ [bound]: key })).code).toBe('ERR_INVALID_KEY')
      expect((await rejection(store.compact({ [bound]: key }))).code).toBe('ERR_INVALID_KEY')
    }
    expect(failure(() => store.scanPrefix(key)).code).toBe('ERR_INVALID_KEY')
    const scan = store.scan()
    expect(failure(() => scan.seek(key)).code).toBe('ERR_INVALID_KEY')
    scan.closeSync()
    expect((await rejection(store.deleteRange(key, 'z'))).code).toBe('ERR_INVALID_KEY')
    expect((await rejection(store.deleteRange('a', key))).code).toBe('ERR_INVALID_KEY')
    expect((await rejection(store.deletePrefix(key))).code).toBe('ERR_INVALID_KEY')
    expect(store.stats().scans.open).toBe(0)
  })
})

test('getMany takes an array', async () => {
  for (const keys of ['k', undefined, new Set(['k'])]) {
    expect((await rejection(store.getMany(keys as unknown as Key[]))).code).toBe('ERR_INVALID_KEY')
    expect(failure(() => store.getManySync(keys as unknown as Key[])).code).toBe('ERR_INVALID_KEY')
  }
})

class Point {
  readonly x = 1
}
const circle: Record<string, unknown> = {}
circle['self'] = circle

const BAD_VALUES: [string, unknown, RegExp][] = [
  ['undefined', undefined, /undefined cannot be stored: use null, or delete the key/],
  ['a function', () => 1, /a function cannot be stored/],
  ['a symbol', Symbol('s'), /a symbol cannot be stored/],
  ['a lone surrogate', 'a\ud800', /lone surrogate/],
  ['a bigint of 65 bits', 2n ** 63n, /does not fit int64/],
  ['a negative bigint of 65 bits', -(2n ** 63n) - 1n, /does not fit int64/],
  ['an instance of a class', new Point(), /./],
  ['a date', new Date(0), /./],
  ['a map', new Map([['a', 1]]), /./],
  ['an ArrayBuffer', new ArrayBuffer(1), /./],
  ['a record with a function inside', { a: [() => 1] }, /./],
  ['an array with undefined inside', [undefined], /./],
  ['a record with a bigint of 65 bits', { a: 2n ** 64n }, /./],
  ['a record that holds itself', circle, /./],
]

test.each(BAD_VALUES)('a value that is %s is refused everywhere', async (_, bad, message) => {
  const value = bad as Value
  const errors = [
    await rejection(store.put('k', value)),
    await rejection(store.put('k', value, { sync: true })),
    await rejection(store.putIfAbsent('new', value)),
    await rejection(store.putIfEquals('k', value, 1)),
    await rejection(store.batch([{ type: 'put', key: 'k', value }])),
    failure(() => store.putSync('k', value)),
    failure(() => store.putIfAbsentSync('new', value)),
    failure(() => store.batchSync([{ type: 'put', key: 'k', value }])),
    failure(() => store.batch().put('k', value)),
  ]
  for (const error of errors) {
    expect(error.code).toBe('ERR_INVALID_VALUE')
    expect(error.message).toMatch(message)
    expect(error.message.length).toBeGreaterThan(20)
  }
})

const BAD_TYPED: [string, (target: Store) => unknown, RegExp][] = [
  ['putInt64 of a fraction', (target) => target.putInt64('k', 1.5), /not a safe integer.*putFloat64/],
  ['putInt64 of NaN', (target) => target.putInt64('k', NaN), /not a safe integer/],
  ['putInt64 of Infinity', (target) => target.putInt64('k', Infinity), /not a safe integer/],
  ['putInt64 of a number that is no safe integer', (target) => target.putInt64('k', 2 ** 53), /pass it as a bigint/],
  ['putInt64 of a string', (target) => target.putInt64('k', '1' as unknown as number), /a bigint or a safe integer/],
  ['putInt64 of 2^63', (target) => target.putInt64('k', 2n ** 63n), /does not fit int64/],
  ['putInt64 of -2^63 - 1', (target) => target.putInt64('k', -(2n ** 63n) - 1n), /does not fit int64/],
  ['putInt64 of undefined', (target) => target.putInt64('k', undefined as unknown as number), /./],
  ['putFloat64 of a bigint', (target) => target.putFloat64('k', 1n as unknown as number), /a number/],
  ['putFloat64 of a string', (target) => target.putFloat64('k', '1' as unknown as number), /a number/],
  ['putString of a number', (target) => target.putString('k', 1 as unknown as string), /a string/],
  ['putString of a lone surrogate', (target) => target.putString('k', '\ud800'), /lone surrogate/],
  ['putBool of 1', (target) => target.putBool('k', 1 as unknown as boolean), /a boolean/],
  ['putBytes of a string', (target) => target.putBytes('k', 'b' as unknown as Uint8Array), /a Uint8Array/],
  ['putBytes of an array', (target) => target.putBytes('k', [1] as unknown as Uint8Array), /a Uint8Array/],
  ['putBytes of a Uint16Array', (target) => target.putBytes('k', new Uint16Array(1) as unknown as Uint8Array), /./],
  ['putRecord of a string', (target) => target.putRecord('k', 'r' as unknown as null), /a plain object, an array or null/],
  ['putRecord of bytes', (target) => target.putRecord('k', Buffer.alloc(1) as unknown as null), /a plain object, an array or null/],
  ['putRecord of undefined', (target) => target.putRecord('k', undefined as unknown as null), /./],
]

test.each(BAD_TYPED)('%s is refused', async (name, put, message) => {
  const method = name.split(' ')[0]!
  const error = await rejection(put(store) as Promise<unknown>)
  // The twin on the spot, and the one of a chained batch, refuse it with the same words.
  const onTheSpot = failure(() => put(aliased(store, method, `${method}Sync`)))
  const batch = store.batch()
  const chained = failure(() => put(batch as unknown as Store))
  for (const each of [error, onTheSpot, chained]) {
    expect(each.code).toBe('ERR_INVALID_VALUE')
    expect(each.message).toMatch(message)
  }
  expect(batch.length).toBe(0)
})

/** `target`, whose method `name` is really `other`. */
function aliased(target: Store, name: string, other: string): Store {
  const methods = target as unknown as Record<string, (...args: unknown[]) => unknown>
  return { [name]: (...args: unknown[]) => methods[other]!.apply(target, args) } as unknown as Store
}

describe.each([
  ['null', null],
  ['no object', 7],
  ['a misspelt name', { snyc: true, limti: 3 }],
  ['the option of another call', { createIfMissing: true }],
])('options of a call that are %s', (_, bad) => {
  test('are refused everywhere', async () => {
    const options = bad as object
    const promises = {
      put: store.put('k', 2, options),
      putInt64: store.putInt64('k', 2, options),
      delete: store.delete('k', options),
      batch: store.batch([{ type: 'put', key: 'k', value: 2 }], options),
      'batch().write': store.batch().put('k', 2).write(options),
      putIfAbsent: store.putIfAbsent('new', 1, options),
      increment: store.increment('k', 1, options),
      deleteRange: store.deleteRange('a', 'z', options),
      get: store.get('k', options),
      getInt64: store.getInt64('k', options),
      getMany: store.getMany(['k'], options),
      has: store.has('k', options),
      compact: store.compact(options),
    }
    for (const [name, promise] of Object.entries(promises)) {
      expect([name, (await rejection(promise)).code]).toEqual([name, 'ERR_INVALID_OPTION'])
    }
    const calls = {
      putSync: () => store.putSync('k', 2, options),
      deleteSync: () => store.deleteSync('k', options),
      'batch().writeSync': () => store.batch().put('k', 2).writeSync(options),
      incrementSync: () => store.incrementSync('k', 1, options),
      getSync: () => store.getSync('k', options),
      getStringSync: () => store.getStringSync('k', options),
      getManySync: () => store.getManySync(['k'], options),
      hasSync: () => store.hasSync('k', options),
      scan: () => store.scan(options),
      scanPrefix: () => store.scanPrefix('k', options),
      keys: () => store.keys(options),
      values: () => store.values(options),
    }
    for (const [name, call] of Object.entries(calls)) expect([name, failure(call).code]).toEqual([name, 'ERR_INVALID_OPTION'])
  })
})

test('options that are undefined, or whose names are, are the defaults', async () => {
  expect(await store.get('k', { snapshot: undefined, copy: undefined } as object)).toBe(1)
  expect(store.scan({ limit: undefined, reverse: undefined, snapshot: undefined } as object).toArraySync()).toEqual(entries)
  for (const snapshot of [null, 3, {}, 'now']) {
    expect((await rejection(store.get('k', { snapshot } as object))).code).toBe('ERR_INVALID_OPTION')
    expect(failure(() => store.scan({ snapshot } as object)).code).toBe('ERR_INVALID_OPTION')
  }
  expect((await rejection(store.get('k', { copy: 'no' } as object))).message).toMatch(/option 'copy' must be true or false/)
  expect(failure(() => store.scan({ signal: true } as object)).message).toMatch(/'signal' must be an AbortSignal/)
})

test.each([1, 'yes', null])('the write option sync: %o is refused', async (sync) => {
  const options = { sync } as unknown as { sync: boolean }
  const errors = [
    await rejection(store.put('k', 2, options)),
    await rejection(store.delete('k', options)),
    await rejection(store.batch([{ type: 'delete', key: 'k' }], options)),
    await rejection(store.batch().delete('k').write(options)),
    await rejection(store.increment('k', 1, options)),
    await rejection(store.putIfEquals('k', 2, 1, options)),
    await rejection(store.deletePrefix('k', options)),
    failure(() => store.putSync('k', 2, options)),
    failure(() => store.deleteSync('k', options)),
    failure(() => store.deletePrefixSync('k', options)),
  ]
  for (const error of errors) expect(error.code).toBe('ERR_INVALID_OPTION')
})

test('bad writes among good ones take only themselves away', async () => {
  const good = store.put('good', 1)
  const bad = rejection(store.put('bad', undefined as unknown as Value))
  const better = store.put('better', 2)
  await Promise.all([good, better])
  expect((await bad).code).toBe('ERR_INVALID_VALUE')
  expect(await store.getMany(['good', 'bad', 'better'])).toEqual([1, undefined, 2])
  await store.close()
  store = await Store.open(vfs, TINY)
  expect(await store.getMany(['good', 'bad', 'better'])).toEqual([1, undefined, 2])
  // Put back what is checked after each test.
  await store.close()
  vfs = memory()
  store = await Store.open(vfs, TINY)
  await store.put('flushed', { a: 1 })
  await store.put('k', 1)
})

const KIB = 1024
const MIB = 1024 * KIB
const GIB = 1024 * MIB
/** Options with a range: what is still taken at each edge, and what no longer is. */
const EDGES: [keyof StoreOptions, unknown[], unknown[]][] = [
  ['memtableSize', [4 * KIB, 256 * MIB], [4 * KIB - 1, 256 * MIB + 1, 5000.5, '4096', NaN, -1, Infinity]],
  ['blockCacheSize', [0, 1, 64 * GIB], [-1, 64 * GIB + 1, 0.5, '0', NaN]],
  ['blockSize', [64, MIB], [63, MIB + 1, 64.5, '64', null]],
  [
    'compression',
    ['zstd', 'snappy', 'none', ['none'], Array(7).fill('zstd')],
    ['lz4', '', [], Array(8).fill('zstd'), ['lz4'], 1, null, {}],
  ],
  ['compressionLevel', [1, 19], [0, 20, 1.5, '1']],
  ['bloomFalsePositiveRate', [0, 0.0001, 0.5], [0.00009, 0.51, -0.1, 1, NaN, '0.01', null]],
  ['walSync', ['none', 'os', 'interval', 'always'], ['Always', '', true, 0, null]],
  ['walSyncInterval', [1, 60_000], [0, 60_001, 1.5, '1']],
  ['verifyChecksums', [true, false], [0, 'yes', null]],
  ['readMode', ['adaptive', 'sync', 'async'], ['fast', true, null]],
  ['backgroundThreads', [0, 1], [2, -1, 0.5, '1', true, null]],
  ['backgroundNice', [0, 19], [-1, 20, 0.5, '5', null]],
  ['maxOpenTables', [8, 100_000], [7, 100_001, 8.5, '8']],
  ['recovery', ['strict', 'salvage'], ['lenient', true, null]],
  ['keys', ['string', 'bytes'], ['buffer', null]],
  ['createIfMissing', [true, false], [1, 'true', null]],
  ['errorIfExists', [false], [1, 'true', null]],
  ['readOnly', [true, false], [1, 'true', null]],
  ['workerUrl', [new URL('file:///worker.js')], ['worker.js', null, {}]],
  ['clock', [], [null, {}, 1, 'now']],
]

describe.each(EDGES)('option %s', (name, good, bad) => {
  test('is taken at its edges and refused beyond them', async () => {
    await store.close()
    for (const value of good) {
      const opened = await Store.open(vfs, { [name]: value })
      expect(opened.getSync('k'), String(value)).toBe(1)
      await opened.close()
    }
    const before = contentOf(vfs)
    for (const value of bad) {
      const options = { [name]: value } as StoreOptions
      const error = await rejection(Store.open(vfs, options))
      expect([value, error.code]).toEqual([value, 'ERR_INVALID_OPTION'])
      expect(error.message).toMatch(new RegExp(`option '${name}' must be .+, not .+`))
      expect(failure(() => Store.openSync(vfs, options)).code).toBe('ERR_INVALID_OPTION')
    }
    expect(contentOf(vfs)).toEqual(before)
    store = await Store.open(vfs, TINY)
  })
})

test.each([
  ['an unknown option', { memtablesize: 1 }, /unknown option 'memtablesize': known are .*memtableSize/],
  ['options that are no object', 'fast', /must be an object/],
  ['null for options', null, /must be an object/],
  ['a vfs that is none', { vfs: {} }, /option 'vfs'/],
  ['null for a vfs', { vfs: null }, /option 'vfs'/],
])('%s is refused', async (_, options, message) => {
  const error = await rejection(Store.open('/nowhere/at/all', options as unknown as StoreOptions))
  expect(error.code).toBe('ERR_INVALID_OPTION')
  expect(error.message).toMatch(message)
})

test.each([undefined, '', 7, {}, null])('a location that is %o is refused', async (location) => {
  const error = await rejection(Store.open(location as unknown as string))
  expect(error.code).toBe('ERR_INVALID_OPTION')
  expect(error.message).toContain('a store is opened at a directory or a file system such as memory()')
  expect(failure(() => Store.openSync(location as unknown as string)).code).toBe('ERR_INVALID_OPTION')
})
