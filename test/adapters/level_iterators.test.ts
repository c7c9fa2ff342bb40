/**
 * Iterators of `VarveLevel` where the compliance suite does not look: high-water mark, starvation of the event loop, what hangs at close,
 * memory, blown stacks. Mostly after tests of classic-level.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type LevelOptions, VarveLevel } from '../../src/adapters/level.js'
import { FaultVfs, memory, type StoreLocation } from '../../src/index.js'
import { TINY } from '../support/options.js'
import { nextTurn, temporaryDirectory } from '../support/stores.js'

const program = fileURLToPath(new URL('../../build/test/processes/level_child.js', import.meta.url))

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

async function open(options: LevelOptions<string, string> = TINY, location: StoreLocation = memory()): Promise<VarveLevel> {
  const db = new VarveLevel(location, options)
  onTestFinished(() => db.close().catch(() => {}))
  await db.open()
  return db
}

async function fill(db: VarveLevel, count: number, value = ''): Promise<void> {
  await db.batch(Array.from({ length: count }, (_, i) => ({ type: 'put', key: String(i), value })))
}

async function codeOf(promise: PromiseLike<unknown>): Promise<string> {
  return Promise.resolve(promise).then(
    () => 'fulfilled',
    (error: { code: string }) => error.code,
  )
}

describe('high-water mark', () => {
  async function abcd(): Promise<VarveLevel> {
    const db = await open()
    await db.batch().put('a', '0').put('b', '1').put('c', '2').put('d', '3').write()
    return db
  }

  test('nextv gives what it has once the bytes of entries exceed it', async () => {
    const db = await abcd()
    const page = (highWaterMarkBytes: number) => db.iterator({ highWaterMarkBytes }).nextv(1000)
    expect(await page(0)).toEqual([['a', '0']])
    expect(await page(1)).toEqual([['a', '0']])
    expect((await page(2)).length).toBe(2)
    expect((await page(5)).length).toBe(3)
    expect((await page(Infinity)).length).toBe(4)
  })

  test('of keys and of values only their own bytes count', async () => {
    const db = await open()
    await db.batch().put('a', 'x'.repeat(100)).put('b', 'x'.repeat(100)).put('c', '').write()
    expect(await db.keys({ highWaterMarkBytes: 1 }).nextv(9)).toEqual(['a', 'b'])
    expect((await db.values({ highWaterMarkBytes: 100 }).nextv(9)).length).toBe(2)
    expect((await db.iterator({ values: false, highWaterMarkBytes: 1 }).nextv(9)).length).toBe(2)
    expect((await db.iterator({ keys: false, highWaterMarkBytes: 99 }).nextv(9)).length).toBe(1)
  })

  test('pages of 16 KiB by default, and all() gives all', async () => {
    const db = await open()
    await fill(db, 100, 'x'.repeat(1000))
    expect((await db.iterator().nextv(1000)).length).toBe(17)
    expect((await db.iterator().all()).length).toBe(100)
    expect((await db.iterator({ highWaterMarkBytes: 0 }).all()).length).toBe(100)
  })
})

describe('starvation', () => {
  // Each of the calls could go on in microtasks for ever.
  const ways: Record<string, (db: VarveLevel) => Promise<number>> = {
    next: async (db) => {
      const iterator = db.iterator()
      let count = 0
      while ((await iterator.next()) !== undefined) count++
      return count
    },
    'nextv(10)': async (db) => {
      const iterator = db.iterator()
      let count = 0
      for (let page = await iterator.nextv(10); page.length > 0; page = await iterator.nextv(10)) count += page.length
      return count
    },
    all: async (db) => (await db.iterator().all()).length,
    'for await': async (db) => {
      let count = 0
      for await (const _ of db.keys()) count++
      return count
    },
    'next with seeks': async (db) => {
      const iterator = db.iterator()
      let count = 0
      for (; count < 50_000; count++) {
        iterator.seek('5')
        if ((await iterator.next()) === undefined) break
      }
      return count
    },
    get: async (db) => {
      let count = 0
      for (; count < 50_000; count++) await db.get('1')
      return count
    },
  }
  test.each(Object.keys(ways))('%s lets the event loop turn', async (name) => {
    const db = await open()
    await fill(db, 50_000)
    let turns = 0
    let isRunning = true
    const turn = (): void => {
      turns++
      if (isRunning) setImmediate(turn)
    }
    setImmediate(turn)
    expect(await ways[name]!(db)).toBe(50_000)
    isRunning = false
    // 50,000 operations take more than 10 ms, and each turn takes about one.
    expect(turns).toBeGreaterThan(5)
    await db.close()
  })
})

describe('reading', () => {
  test('nothing is read ahead: a seek after each step goes where it says', async () => {
    const db = await open()
    for (const key of 'abcdefg') await db.put(key, 'value')
    const iterator = db.iterator()
    expect(await iterator.next()).toEqual(['a', 'value'])
    expect(await iterator.next()).toEqual(['b', 'value'])
    iterator.seek('d')
    expect(await iterator.next()).toEqual(['d', 'value'])
    expect(await iterator.nextv(2)).toEqual([
      ['e', 'value'],
      ['f', 'value'],
    ])
    expect(await iterator.next()).toEqual(['g', 'value'])
    expect(await iterator.next()).toBeUndefined()
    iterator.seek('b')
    expect(await iterator.nextv(1)).toEqual([['b', 'value']])
    await iterator.close()
  })

  test.each([false, true])('a seek outside the range leads to the end, and one back into it goes on (reverse: %s)', async (reverse) => {
    const db = await open()
    for (const key of 'abcdefg') await db.put(key, '')
    const keys = db.keys({ gte: 'b', lt: 'f', reverse })
    for (const outside of ['a', 'f', 'z']) {
      keys.seek(outside)
      expect(await keys.next()).toBeUndefined()
      expect(await keys.next()).toBeUndefined()
    }
    keys.seek('c')
    expect(await keys.nextv(10)).toEqual(reverse ? ['c', 'b'] : ['c', 'd', 'e'])
    expect(await keys.nextv(10)).toEqual([])
    keys.seek('bb')
    expect(await keys.all()).toEqual(reverse ? ['b'] : ['c', 'd', 'e'])
  })

  test('reads that wait for a slow disk give the same, in every way', async () => {
    const location = memory()
    const db = await open({ ...TINY, readMode: 'async', blockCacheSize: 0 }, location)
    await fill(db, 500, 'v'.repeat(20))
    await db.compactRange('0', '9')
    const sorted = Array.from({ length: 500 }, (_, i) => String(i)).toSorted()
    expect(await db.keys().all()).toEqual(sorted)
    expect(await db.keys({ reverse: true }).all()).toEqual(sorted.toReversed())
    const keys: string[] = []
    for await (const [key] of db.iterator({ highWaterMarkBytes: 100 })) keys.push(key)
    expect(keys).toEqual(sorted)
    expect(await db.get('77')).toBe('v'.repeat(20))
    expect(await db.has('77')).toBe(true)
    expect(await db.hasMany(['77', 'none', '8'])).toEqual([true, false, true])
    expect(await db.getMany(['none', '8'])).toEqual([undefined, 'v'.repeat(20)])
    const seeking = db.keys()
    seeking.seek('250')
    expect(await seeking.next()).toBe('250')
  })

  test('after a read has failed the iterator fails, and gives no wrong data', async () => {
    const disk = memory()
    const vfs = new FaultVfs(disk)
    const db = await open({ ...TINY, blockCacheSize: 0 }, vfs)
    await fill(db, 500, 'v'.repeat(20))
    await db.compactRange('0', '9')
    const iterator = db.iterator()
    expect((await iterator.nextv(3)).length).toBe(3)
    const fault = vfs.addRule({ operation: 'read' })
    expect(await codeOf(iterator.all())).toBe('LEVEL_IO_ERROR')
    fault.remove()
    expect((await db.keys().all()).length).toBe(500)
  })

  test('a signal ends reads that are under way, and the iterator', async () => {
    const db = await open({ ...TINY, readMode: 'async', blockCacheSize: 0 })
    await fill(db, 500)
    await db.compactRange('0', '9')
    const controller = new AbortController()
    const iterator = db.iterator({ signal: controller.signal })
    expect((await iterator.nextv(10)).length).toBe(10)
    const reading = iterator.nextv(400)
    await Promise.resolve()
    controller.abort(new Error('enough'))
    expect(await codeOf(reading)).toBe('LEVEL_ABORTED')
    expect(await codeOf(iterator.next())).toBe('LEVEL_ABORTED')
    await iterator.close()
    expect(db.store.stats().scans.open).toBe(0)
  })
})

describe('closing', () => {
  test.each([0, 16 * 1024])(
    'iterators that were not closed are closed with the database (high-water mark %i)',
    async (highWaterMarkBytes) => {
      const db = await open()
      await fill(db, 1000, 'x'.repeat(100))
      const reads: Promise<unknown>[] = []
      for (let i = 0; i < 200; i++) {
        db.iterator({ highWaterMarkBytes })
        reads.push(db.iterator({ highWaterMarkBytes }).next())
      }
      const { store } = db
      expect(store.stats().scans.open).toBe(400)
      collectGarbage()
      await nextTurn()
      await db.close()
      expect(store.status).toBe('closed')
      for (const read of reads) expect(await read).toEqual(['0', 'x'.repeat(100)])
    },
  )

  test('a close in the middle of closing iterators, and of reads that follow each other', async () => {
    const db = await open()
    await fill(db, 1000)
    const one = db.iterator()
    void one.next().then(() => one.close())
    const two = db.iterator()
    await two.next().then(() => two.close())
    const codes: string[] = []
    const endless = db.iterator({ highWaterMarkBytes: 0 })
    const go = (entry: unknown): void => {
      if (entry !== undefined) endless.next().then(go, (error: { code: string }) => codes.push(error.code))
    }
    endless.next().then(go, (error: { code: string }) => codes.push(error.code))
    await db.close()
    await nextTurn()
    expect(codes).toEqual(['LEVEL_ITERATOR_NOT_OPEN'])
  })

  const operations: Record<string, (db: VarveLevel) => Promise<unknown>> = {
    get: (db) => db.get('1'),
    getMany: (db) => db.getMany(['1', '2']),
    has: (db) => db.has('1'),
    put: (db) => db.put('new', 'v'),
    'put with sync': (db) => db.put('new', 'v', { sync: true }),
    del: (db) => db.del('1'),
    'batch([])': (db) => db.batch([{ type: 'del', key: '1' }], { sync: true }),
    'batch()': (db) => db.batch().del('1').write({ sync: true }),
    clear: (db) => db.clear(),
    'clear with a limit': (db) => db.clear({ limit: 300 }),
    approximateSize: (db) => db.approximateSize('0', '5'),
    compactRange: (db) => db.compactRange('0', '9'),
    all: (db) => db.iterator().nextv(300),
  }
  test.each(Object.keys(operations))('close waits for %s', async (name) => {
    const db = await open({ ...TINY, readMode: 'async', blockCacheSize: 0 })
    await fill(db, 500, 'v'.repeat(50))
    await db.compactRange('0', '9')
    let isOver = false
    const pending = operations[name]!(db).then(() => (isOver = true))
    await db.close()
    expect(isOver).toBe(true)
    await pending
  })

  test('close waits for all of them at once', async () => {
    const db = await open({ ...TINY, readMode: 'async', blockCacheSize: 0 })
    await fill(db, 500, 'v'.repeat(50))
    await db.compactRange('0', '9')
    const pending = Promise.allSettled(Object.values(operations).map((operation) => operation(db)))
    await db.close()
    expect((await pending).filter(({ status }) => status === 'rejected')).toEqual([])
  })

  test('a close that could not keep what was written says so once, and the database is closed', async () => {
    const vfs = new FaultVfs(memory())
    const db = await open({ ...TINY, walSync: 'none' }, vfs)
    await db.put('a', '1')
    vfs.addRule({ operation: 'write', times: Infinity })
    expect(await codeOf(db.close())).toBe('LEVEL_DATABASE_NOT_CLOSED')
    expect(await codeOf(db.put('b', '2'))).toBe('LEVEL_DATABASE_NOT_OPEN')
    await db.close()
    expect(db.status).toBe('closed')
  })
})

describe('memory', () => {
  test('a database that nobody holds is not collected while it iterates, clears or writes', async () => {
    let db: VarveLevel | undefined = await open()
    await fill(db, 1000)
    const iterator = db.iterator({ highWaterMarkBytes: 0 })
    let batch: ReturnType<VarveLevel['batch']> | undefined = db.batch()
    for (let i = 0; i < 1000; i++) batch.put(`b${i}`, '')
    const writing = batch.write({ sync: true })
    batch = undefined
    db = undefined
    collectGarbage()
    await writing
    collectGarbage()
    expect((await iterator.all()).length).toBe(1000)
    const clearing = iterator.db.clear()
    collectGarbage()
    await clearing
    expect(await (iterator.db as VarveLevel).keys().all()).toEqual([])
  })

  test('a large page comes whole', async () => {
    const db = await open({ backgroundThreads: 0 })
    await fill(db, 100_000)
    expect((await db.iterator({ highWaterMarkBytes: Infinity }).nextv(100_000)).length).toBe(100_000)
  })
})

describe('other processes', () => {
  async function run(args: string[], execArgv: string[]): Promise<{ said: unknown[]; code: unknown; signal: unknown }> {
    const child = fork(program, args, { execArgv })
    const said: unknown[] = []
    child.on('message', (message) => {
      said.push(message)
      child.disconnect()
    })
    const [code, signal] = (await once(child, 'exit')) as [unknown, unknown]
    return { said, code, signal }
  }

  test('a blown stack is an exception that can be caught', async () => {
    expect(await run(['stack'], ['--stack-size=256'])).toEqual({ said: [[true, true]], code: 0, signal: null })
  })

  test.each([
    [['create']],
    [['create', 'open']],
    [['create', 'open', 'create-iterator', 'nexting']],
    [['create', 'open', 'create-iterator', 'nexting', 'put', 'close']],
    [['create', 'open', 'put']],
    [['create', 'open-error']],
  ])('a process ends by itself, leaving a database that opens: %j', async (steps) => {
    const location = temporaryDirectory()
    const said = [steps.at(-1)]
    expect(await run(['leave', location, ...steps], ['--unhandled-rejections=strict'])).toEqual({ said, code: 0, signal: null })
    const db = await open({}, location)
    expect(await db.keys().all()).toEqual([...(steps.includes('open') ? ['a'] : []), ...(steps.includes('put') ? ['b'] : [])])
  })
})
