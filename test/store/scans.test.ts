/** Scans: ranges, directions, steps, and how they end. */
import { describe, expect, test } from 'vitest'
import type { Store } from '../../src/index.js'
import { memory, type ScanOptions, type StoreOptions } from '../../src/index.js'
import { failure, nextTurn, openStore, rejection, TINY } from '../support/stores.js'

const KEYS = ['', 'a', 'a\0', 'aa', 'ab', 'b', 'ba', 'bb', 'c', 'é', '日本', '😀']

/** The keys over all parts of a store: some in tables of several levels, some overwritten, some deleted between, some in memory. */
async function filled(options: StoreOptions = TINY): Promise<Store> {
  const store = await openStore(memory(), options)
  for (const [i, key] of KEYS.entries()) if (i % 3 === 0) await store.put(key, 'old')
  for (let i = 0; i < 50; i++) await store.put(`deleted ${i}`, 'x'.repeat(50))
  await store.compact()
  for (const [i, key] of KEYS.entries()) if (i % 3 !== 2) await store.put(key, i)
  await store.flush()
  await store.deletePrefix('deleted')
  for (const [i, key] of KEYS.entries()) if (i % 3 === 2) await store.put(key, i)
  return store
}

const RANGES: [ScanOptions, string[]][] = [
  [{}, KEYS],
  [{ gt: 'a' }, KEYS.slice(2)],
  [{ gte: 'a' }, KEYS.slice(1)],
  [{ lt: 'b' }, KEYS.slice(0, 5)],
  [{ lte: 'b' }, KEYS.slice(0, 6)],
  [{ gt: 'a', lt: 'b' }, ['a\0', 'aa', 'ab']],
  [{ gte: 'a', lte: 'a' }, ['a']],
  [{ gt: 'a', lt: 'a\0' }, []],
  [{ gt: '' }, KEYS.slice(1)],
  [{ lt: '' }, []],
  [{ lte: '' }, ['']],
  [{ gte: 'b', lt: 'a' }, []],
  [{ prefix: 'a' }, ['a', 'a\0', 'aa', 'ab']],
  [{ prefix: '' }, KEYS],
  [{ prefix: 'b', gt: 'b' }, ['ba', 'bb']],
  [{ prefix: 'a', gte: 'b' }, []],
  [{ prefix: Buffer.from([0xf0]) }, ['😀']],
  [{ gte: 'aab', gt: 'a', lt: 'z', lte: 'bb' }, ['ab', 'b', 'ba', 'bb']],
  [{ gt: 'zz', lt: 'zzz' }, []],
]

describe.each(RANGES)('scan %o', (range, expected) => {
  test('gives these keys, forward and backward, whatever the form', async () => {
    const store = await filled()
    const entries = expected.map((key) => [key, KEYS.indexOf(key)])
    expect([...store.scan(range)]).toEqual(entries)
    expect(await store.scan(range).toArray()).toEqual(entries)
    expect([...store.scan({ ...range, reverse: true })]).toEqual(entries.toReversed())
    expect(await store.keys(range).toArray()).toEqual(expected)
    expect([...store.values({ ...range, reverse: true })]).toEqual(entries.map(([, value]) => value).toReversed())
    for (const limit of [0, 1, 2, expected.length, expected.length + 1, Infinity]) {
      expect([...store.keys({ ...range, limit })]).toEqual(expected.slice(0, limit))
      expect(await store.keys({ ...range, limit, reverse: true }).toArray()).toEqual(expected.toReversed().slice(0, limit))
    }
  })
})

test('scanPrefix is scan with a prefix, and takes its options', async () => {
  const store = await filled()
  expect([...store.scanPrefix('a')].map(([key]) => key)).toEqual(['a', 'a\0', 'aa', 'ab'])
  expect([...store.scanPrefix('a', { reverse: true, limit: 2 })].map(([key]) => key)).toEqual(['ab', 'aa'])
})

describe('keys as bytes', () => {
  test('a scan gives bytes with keys: bytes, and a store can make that its default', async () => {
    const vfs = memory()
    const store = await openStore(vfs, { ...TINY, keys: 'bytes' })
    const binary = Uint8Array.from([0xff, 0, 0x80])
    await store.put(binary, 1)
    await store.put('a', 2)
    const keys: Uint8Array[] = store.keys().toArraySync()
    expect(keys).toEqual([Buffer.from('a'), Buffer.from(binary)])
    expect(store.scan({ gt: 'a' }).toArraySync()).toEqual([[Buffer.from(binary), 1]])
    expect([...store.keys({ keys: 'string', lte: 'a' })]).toEqual(['a'])
    await store.close()
    const asStrings = await openStore(vfs)
    expect([...asStrings.keys({ keys: 'bytes' })]).toEqual([Buffer.from('a'), Buffer.from(binary)])
    expect(asStrings.keys({ lte: 'a' }).toArraySync()).toEqual(['a'])
  })

  test('keys that a scan gave are the caller’s own', async () => {
    const store = await filled()
    const keys = [...store.keys({ keys: 'bytes' })] as unknown as Uint8Array[]
    for (const key of keys) key.fill(0)
    expect([...store.keys()]).toEqual(KEYS)
  })
})

describe('steps', () => {
  test('next, nextSync and nextv go on from each other', async () => {
    const store = await filled()
    const scan = store.keys()
    expect(await scan.next()).toBe('')
    expect(scan.nextSync()).toBe('a')
    expect(await scan.nextv(3)).toEqual(['a\0', 'aa', 'ab'])
    expect(scan.count).toBe(5)
    expect(await scan.nextv(100)).toEqual(KEYS.slice(5))
    expect(await scan.nextv(1)).toEqual([])
    expect(await scan.next()).toBeUndefined()
    expect(scan.nextSync()).toBeUndefined()
    expect(await scan.toArray()).toEqual([])
  })

  test('steps that are called together queue up in order', async () => {
    const store = await filled({ ...TINY, readMode: 'async', blockCacheSize: 0 })
    const scan = store.keys()
    const steps = [scan.next(), scan.nextv(2), scan.next(), scan.toArray(), scan.next()]
    expect(await Promise.all(steps)).toEqual(['', ['a', 'a\0'], 'aa', KEYS.slice(4), undefined])
  })

  test.each([0, -1, 1.5, NaN, '2'])('nextv(%s) is refused', async (size) => {
    const store = await filled()
    expect(await rejection(store.scan().nextv(size as number))).toMatchObject({ code: 'ERR_INVALID_OPTION' })
  })

  test('seek goes to the first key at or after the target, forth and back', async () => {
    const store = await filled()
    const scan = store.keys({ gte: 'a', lt: 'c' })
    const from = (target: string): string | undefined => {
      scan.seek(target)
      return scan.nextSync()
    }
    expect([from('b'), scan.nextSync(), from('aab'), from(''), from('a\0'), scan.nextSync()]).toEqual(['b', 'ba', 'ab', 'a', 'a\0', 'aa'])
    expect(from('bc')).toBeUndefined()
    expect(failure(() => scan.seek('a')).code).toBe('ERR_NOT_OPEN')
  })

  test('seek in a reverse scan goes to the last key at or before the target', async () => {
    const store = await filled()
    const scan = store.keys({ gt: 'a', lte: 'c', reverse: true })
    const from = (target: string): string | undefined => {
      scan.seek(target)
      return scan.nextSync()
    }
    expect([from('b'), scan.nextSync(), from('aab'), from('zz'), from('a\0')]).toEqual(['b', 'ab', 'aa', 'c', 'a\0'])
    expect(from('a')).toBeUndefined()
  })

  test.each([false, true])('a value that comes again after a seek is a copy of its own (reverse: %s)', async (reverse) => {
    const store = await openStore(memory(), { backgroundThreads: 0 })
    const key = (number: number): string => String(number).padStart(4, '0')
    for (let i = 0; i < 200; i++) await store.put(key(i), Buffer.alloc(80, i))
    await store.compact()
    for (let count = 1; count < 140; count++) {
      const scan = store.values({ reverse })
      let value: Buffer | undefined
      for (let i = 0; i < count; i++) value = scan.nextSync() as Buffer
      value!.fill(0xee)
      const number = reverse ? 200 - count : count - 1
      scan.seek(key(number))
      expect(scan.nextSync()).toEqual(Buffer.alloc(80, number))
      scan.closeSync()
    }
  })

  test('the limit counts across seeks', async () => {
    const store = await filled()
    const scan = store.keys({ limit: 3 })
    expect(scan.nextSync()).toBe('')
    scan.seek('c')
    expect([...scan]).toEqual(['c', 'é'])
  })
})

describe('the end of a scan', () => {
  test('its end, its limit, break, an error in the loop and close let go of it', async () => {
    const store = await filled()
    const open = () => store.stats().scans.open
    void [...store.scan()]
    void [...store.scan({ limit: 2 })]
    for (const _ of store.scan()) break
    for await (const _ of store.scan()) break
    expect(() => {
      for (const _ of store.scan()) throw new Error('mine')
    }).toThrow('mine')
    await expect(async () => {
      for await (const _ of store.scan()) throw new Error('mine')
    }).rejects.toThrow('mine')
    await store.scan().close()
    store.scan().closeSync()
    expect(open()).toBe(0)
    const scan = store.scan()
    expect(open()).toBe(1)
    await scan.close()
    await scan.close()
    scan.closeSync()
    expect(open()).toBe(0)
    expect(failure(() => scan.nextSync()).code).toBe('ERR_NOT_OPEN')
    expect((await rejection(scan.next())).code).toBe('ERR_NOT_OPEN')
  })

  test('close waits for the step that is under way', async () => {
    const store = await filled({ ...TINY, readMode: 'async', blockCacheSize: 0 })
    const scan = store.keys()
    const step = scan.next()
    await scan.close()
    expect(await step).toBe('')
  })

  test('the store may be closed in the middle of a scan: the next step says so', async () => {
    const store = await filled()
    const scan = store.scan()
    await scan.next()
    const loop = (async () => {
      let count = 0
      for await (const _ of store.scan()) if (count++ === 2) await store.close()
    })()
    expect((await rejection(loop)).code).toBe('ERR_NOT_OPEN')
    expect((await rejection(scan.next())).code).toBe('ERR_NOT_OPEN')
    expect(failure(() => scan.nextSync()).code).toBe('ERR_NOT_OPEN')
  })

  test('an AbortSignal ends it with ERR_ABORTED and the reason as the cause', async () => {
    const store = await filled()
    const controller = new AbortController()
    const scan = store.scan({ signal: controller.signal })
    await scan.next()
    const reason = new Error('enough')
    controller.abort(reason)
    const error = await rejection(scan.next())
    expect(error.code).toBe('ERR_ABORTED')
    expect(error.cause).toBe(reason)
    expect(failure(() => scan.nextSync()).code).toBe('ERR_ABORTED')
    expect(store.stats().scans.open).toBe(0)
    const late = store.scan({ signal: controller.signal })
    expect((await rejection(late.toArray())).code).toBe('ERR_ABORTED')
    expect(store.stats().scans.open).toBe(0)
  })

  test('a signal that is aborted in the middle of for await ends the loop', async () => {
    const store = await filled()
    const controller = new AbortController()
    let count = 0
    const loop = (async () => {
      for await (const _ of store.scan({ signal: controller.signal })) if (++count === 3) controller.abort()
    })()
    expect((await rejection(loop)).code).toBe('ERR_ABORTED')
    expect(count).toBe(3)
  })

  test('a scan that has ended no longer listens to its signal', async () => {
    const store = await filled()
    const controller = new AbortController()
    const scan = store.scan({ signal: controller.signal })
    await scan.toArray()
    controller.abort()
    expect(await scan.next()).toBeUndefined()
  })
})

describe('what a scan sees', () => {
  test('the store as of the call, whatever is written, flushed and compacted afterwards', async () => {
    const store = await filled()
    const forward = store.scan()
    const reverse = store.scan({ reverse: true })
    const begun = store.keys()
    begun.nextSync()
    for (const key of KEYS) await store.put(key, 'overwritten')
    await store.put('aaa', 'new')
    await store.deleteRange('b', 'c')
    await store.compact()
    const expected = KEYS.map((key, i) => [key, i])
    expect([...forward]).toEqual(expected)
    expect(await reverse.toArray()).toEqual(expected.toReversed())
    expect([...begun]).toEqual(KEYS.slice(1))
    expect([...store.keys({ gte: 'aa', lt: 'c' })]).toEqual(['aa', 'aaa', 'ab'])
  })

  test('no write that is not acknowledged yet', async () => {
    const store = await openStore()
    const write = store.put('k', 1)
    const scan = store.scan()
    await write
    expect([...scan]).toEqual([])
    expect([...store.scan()]).toEqual([['k', 1]])
  })

  test('a long await-loop lets timers fire', async () => {
    const store = await openStore(memory(), { ...TINY, memtableSize: 1024 * 1024 })
    for (let i = 0; i < 20_000; i++) void store.put(`k${i}`, i)
    await store.put('last', 1)
    let turns = 0
    const count = (): void => {
      turns++
      timer = setImmediate(count)
    }
    let timer = setImmediate(count)
    let entries = 0
    for await (const _ of store.scan()) entries++
    clearImmediate(timer)
    expect(entries).toBe(20_001)
    expect(turns).toBeGreaterThan(3)
    await nextTurn()
  })
})

test.each([
  [{ limit: -1 }, /limit/],
  [{ limit: 1.5 }, /limit/],
  [{ limit: '3' }, /limit/],
  [{ reverse: 1 }, /reverse/],
  [{ fillCache: 'no' }, /fillCache/],
  [{ keys: 'buffer' }, /keys/],
  [{ start: 'a' }, /unknown scan option 'start': known are gt, gte/],
])('the scan option %o is refused', async (options, message) => {
  const store = await openStore()
  const error = failure(() => store.scan(options as unknown as ScanOptions))
  expect(error.code).toBe('ERR_INVALID_OPTION')
  expect(error.message).toMatch(message)
  expect(store.stats().scans.open).toBe(0)
})
