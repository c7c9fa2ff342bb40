/**
 * What classic-level tests beyond the compliance suite, for `VarveLevel`: the names in `describe` are those of its files.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type LevelOptions, VarveLevel, VarveLevelError } from '../../src/adapters/level.js'
import { memory, type StoreError, type StoreLocation } from '../../src/index.js'
import { TINY } from '../support/options.js'
import { temporaryDirectory } from '../support/stores.js'

const program = fileURLToPath(new URL('../../build/test/processes/level_child.js', import.meta.url))

async function open(options: LevelOptions<string, string> = TINY, location: StoreLocation = memory()): Promise<VarveLevel> {
  const db = new VarveLevel(location, options)
  onTestFinished(() => db.close().catch(() => {}))
  await db.open()
  return db
}

async function failure(promise: PromiseLike<unknown>): Promise<{ code: string; name: string; message: string; cause: unknown }> {
  try {
    await promise
  } catch (error) {
    return error as { code: string; name: string; message: string; cause: unknown }
  }
  throw new Error('nothing was rejected')
}

/** Runs `test/processes/level_child.ts`: what it says, and how it ends. */
async function child(args: string[], execArgv: string[] = []): Promise<{ said: unknown[]; code: unknown; signal: unknown }> {
  const process = fork(program, args, { execArgv })
  const said: unknown[] = []
  process.on('message', (message) => {
    said.push(message)
    process.disconnect()
  })
  const [code, signal] = (await once(process, 'exit')) as [unknown, unknown]
  return { said, code, signal }
}

const entries = (count: number, value = ''): { type: 'put'; key: string; value: string }[] =>
  Array.from({ length: count }, (_, i) => ({ type: 'put', key: String(i), value }))

describe('lock', () => {
  test('a second database of the same process is refused, and told who holds the lock', async () => {
    const location = temporaryDirectory()
    await open(TINY, location)
    const error = await failure(new VarveLevel(location).open())
    expect(error.code).toBe('LEVEL_DATABASE_NOT_OPEN')
    expect(error.cause).toBeInstanceOf(VarveLevelError)
    const locked = error.cause as VarveLevelError
    expect(locked.code).toBe('LEVEL_LOCKED')
    expect(locked.message).toMatch(new RegExp(`${process.pid}`))
    expect((locked.cause as StoreError).code).toBe('ERR_LOCKED')
  })

  test('a database of another process is refused, and may open when the lock is free', async () => {
    const location = temporaryDirectory()
    const db = await open(TINY, location)
    expect(await child(['lock', location])).toEqual({ said: [['LEVEL_DATABASE_NOT_OPEN', 'LEVEL_LOCKED']], code: 0, signal: null })
    await db.close()
    expect(await child(['lock', location])).toEqual({ said: ['open'], code: 0, signal: null })
  })
})

describe('location and mkdir', () => {
  test('a location that is none is refused at once', () => {
    for (const location of ['', {}, undefined, null, 1]) {
      expect(() => new VarveLevel(location as string)).toThrow(TypeError)
      expect(() => new VarveLevel(location as string)).toThrow("The first argument 'location' must be a non-empty string")
    }
  })

  test('folders are made as deep as needed, unless createIfMissing is false', async () => {
    const location = join(temporaryDirectory(), 'beep', 'boop')
    const error = await failure(new VarveLevel(location, { createIfMissing: false }).open())
    expect(error.code).toBe('LEVEL_DATABASE_NOT_OPEN')
    expect(String(error.cause)).toMatch(/does not exist/)
    expect(existsSync(location)).toBe(false)
    const db = await open(TINY, location)
    expect(existsSync(location)).toBe(true)
    expect(db.location).toBe(location)
  })
})

describe('options', () => {
  test('those of the store take effect, and a bad one says so', async () => {
    const db = await open({ ...TINY, walSync: 'none', memtableSize: 64 * 1024 })
    expect(db.store.stats().memtable.capacityBytes).toBeGreaterThanOrEqual(64 * 1024)
    const error = await failure(new VarveLevel(memory(), { memtableSize: 1 }).open())
    expect((error.cause as StoreError).code).toBe('ERR_INVALID_OPTION')
  })

  test('those of classic-level that have another name here are not passed over in silence', async () => {
    const error = await failure(new VarveLevel(memory(), { cacheSize: 1 } as object).open())
    expect(String(error.cause)).toMatch(/cacheSize.*blockCacheSize/)
  })

  test('a read-only database reads, and says that it does not write', async () => {
    const location = memory()
    const writer = await open(TINY, location)
    await writer.put('a', '1')
    await writer.close()
    const db = await open({ ...TINY, readOnly: true }, location)
    expect(await db.get('a')).toBe('1')
    expect((await failure(db.put('a', '2'))).code).toBe('LEVEL_READONLY')
    expect((await failure(db.batch([{ type: 'del', key: 'a' }]))).code).toBe('LEVEL_READONLY')
    expect((await failure(db.clear())).code).toBe('LEVEL_READONLY')
  })
})

describe('approximateSize', () => {
  test('it takes two bounds', async () => {
    const db = await open()
    for (const bounds of [[], ['foo']]) {
      const error = await failure(db.approximateSize(...(bounds as [string, string])))
      expect(error).toBeInstanceOf(TypeError)
      expect(error.message).toBe("The arguments 'start' and 'end' are required")
    }
  })

  test('it tells what tables take, of the whole and of parts', async () => {
    const db = await open()
    const keys = Array.from({ length: 1000 }, (_, i) => String(i).padStart(4, '0'))
    await db.batch(keys.map((key) => ({ type: 'put', key, value: 'v'.repeat(100) })))
    await db.compactRange('0', '9')
    const all = await db.approximateSize('0', 'a')
    expect(all).toBeGreaterThan(100_000)
    expect(await db.approximateSize('a', 'b')).toBe(0)
    expect(await db.approximateSize('b', 'a')).toBe(0)
    const half = await db.approximateSize('0000', '0500')
    expect(half).toBeGreaterThan(0.4 * all)
    expect(half).toBeLessThan(0.6 * all)
    const one = await db.approximateSize('0500', '0501')
    expect(one).toBeLessThan(0.01 * all)
  })

  test('a closed database refuses, an opening one waits, and encodings apply', async () => {
    const calls: string[] = []
    const keyEncoding = {
      name: 'test',
      format: 'utf8',
      encode: (key: string) => (calls.push(key), key),
      decode: (key: string) => key,
    } as const
    const db = new VarveLevel(memory(), TINY)
    const opening = db.open().then(() => 'opening')
    const deferred = db.approximateSize('a', 'b').then(() => 'deferred')
    expect(await Promise.race([opening, deferred])).toBe('opening')
    expect(await deferred).toBe('deferred')
    await db.approximateSize('c', 'd', { keyEncoding })
    await db.compactRange('e', 'f', { keyEncoding })
    expect(calls).toEqual(['c', 'd', 'e', 'f'])
    await db.close()
    expect((await failure(db.approximateSize('a', 'b'))).code).toBe('LEVEL_DATABASE_NOT_OPEN')
    expect((await failure(db.compactRange('a', 'b'))).code).toBe('LEVEL_DATABASE_NOT_OPEN')
  })
})

describe('compactRange', () => {
  test('it takes two bounds, waits while the database opens, and gives back the space of what was deleted', async () => {
    const db = new VarveLevel<string, Buffer>(memory(), { ...TINY, valueEncoding: 'buffer' })
    await db.compactRange('a', 'b')
    expect((await failure(db.compactRange(...(['foo'] as unknown as [string, string])))).message).toMatch(/are required/)
    const value = Buffer.alloc(64, 1)
    await db.batch().put('000000', value).put('000001', value).write()
    await db.compactRange('000000', '000001')
    const before = await db.approximateSize('0', 'z')
    await db.batch().del('000000').del('000001').write()
    await db.compactRange('000000', '000001')
    expect(await db.approximateSize('0', 'z')).toBeLessThan(before)
    await db.close()
  })
})

describe('compression', () => {
  const value = Buffer.from('aaaaaaaaaa'.repeat(20_000))

  async function bytesOnDisk(options: LevelOptions<string, Buffer>): Promise<number> {
    const location = temporaryDirectory()
    const db = new VarveLevel<string, Buffer>(location, { ...options, backgroundThreads: 0, valueEncoding: 'buffer' })
    await Promise.all(Array.from({ length: 5 }, (_, i) => db.put(String(i), value)))
    await db.close()
    return readdirSync(location).reduce((sum, name) => sum + statSync(join(location, name)).size, 0)
  }

  test('data is compressed by default and with true, and not with false', async () => {
    expect(await bytesOnDisk({})).toBeLessThan(5 * value.length)
    expect(await bytesOnDisk({ compression: true })).toBeLessThan(5 * value.length)
    expect(await bytesOnDisk({ compression: false })).toBeGreaterThan(5 * value.length)
  })
})

describe('get', () => {
  test('a key in a resizable buffer is read, and long keys follow short ones', async () => {
    const db = await open()
    const key = new Uint8Array(Reflect.construct(ArrayBuffer, [2, { maxByteLength: 16 }]) as ArrayBuffer)
    await db.put(key, 'foo', { keyEncoding: 'view' })
    expect(await db.get(key, { keyEncoding: 'view' })).toBe('foo')
    const long = '0'.repeat(5000)
    await db.put('a', 'a')
    expect(db.getSync('a')).toBe('a')
    await db.put(long, 'b')
    expect(db.getSync(long)).toBe('b')
    expect(db.getSync('a')).toBe('a')
  })

  test('keys and values that cannot be stored are refused, not changed', async () => {
    const db = await open()
    expect((await failure(db.put('\ud800', 'x'))).code).toBe('LEVEL_INVALID_KEY')
    expect((await failure(db.put('x', '\ud800'))).code).toBe('LEVEL_INVALID_VALUE')
    expect((await failure(db.put('k'.repeat(65_536), 'x'))).code).toBe('LEVEL_INVALID_KEY')
    expect((await failure(db.batch([{ type: 'put', key: 'x', value: '\ud800' }]))).code).toBe('LEVEL_INVALID_VALUE')
    expect(() => db.batch().put('\ud800', 'x')).toThrow(VarveLevelError)
    expect(await db.keys().all()).toEqual([])
  })

  test('what was put as text is read as bytes, and the other way round', async () => {
    const db = await open()
    await db.put('text', 'né €')
    await db.put('bytes', Buffer.from('né €'), { valueEncoding: 'buffer' })
    await db.put('none', Buffer.from([0xff, 0x41]), { valueEncoding: 'buffer' })
    expect(await db.get('text', { valueEncoding: 'buffer' })).toEqual(Buffer.from('né €'))
    expect(db.getSync('text', { valueEncoding: 'view' })).toEqual(Buffer.from('né €'))
    expect(await db.get('bytes')).toBe('né €')
    expect(await db.values({ gte: 'bytes', lte: 'none' }).all()).toEqual(['né €', '\ufffdA'])
    expect(await db.getMany(['text', 'bytes'], { valueEncoding: 'hex' })).toEqual(['6ec3a920e282ac', '6ec3a920e282ac'])
  })

  test('a value of another type of the store is refused', async () => {
    const db = await open()
    await db.store.put('number', 42)
    expect((await failure(db.get('number'))).code).toBe('ERR_TYPE_MISMATCH')
    expect((await failure(db.get('number', { valueEncoding: 'buffer' }))).code).toBe('ERR_TYPE_MISMATCH')
    expect(await db.has('number')).toBe(true)
  })
})

describe('corruption and a failing disk', () => {
  test('damage is LEVEL_CORRUPTION that names file and offset', async () => {
    const location = memory()
    const db = await open({ ...TINY, blockCacheSize: 0 }, location)
    await db.batch(entries(100, 'v'.repeat(50)))
    await db.compactRange('0', '9')
    await db.close()
    const path = location.files().find((name) => name.endsWith('.sst'))!
    const bytes = location.readFile(path)
    bytes[20]! ^= 1
    location.writeFile(path, bytes)
    const again = await open({ ...TINY, blockCacheSize: 0 }, location)
    for (const read of [again.get('0'), again.getMany(['0']), again.iterator().next(), again.iterator().all(), again.values().nextv(9)]) {
      const error = await failure(read)
      expect(error.code).toBe('LEVEL_CORRUPTION')
      expect((error.cause as StoreError).path).toBe(path)
      expect((error.cause as StoreError).offset).toBe(0)
    }
    expect(() => again.getSync('0')).toThrow(VarveLevelError)
  })
})

describe('destroy', () => {
  test('it takes a location', async () => {
    for (const location of [undefined, '']) {
      const error = await failure(VarveLevel.destroy(location as string))
      expect(error).toBeInstanceOf(TypeError)
      expect(error.message).toBe("The first argument 'location' must be a non-empty string")
    }
  })

  test('where there is nothing, or something else, nothing happens', async () => {
    const folder = temporaryDirectory()
    await VarveLevel.destroy(join(folder, 'none', 'of', 'these'))
    expect(existsSync(join(folder, 'none'))).toBe(false)
    writeFileSync(join(folder, 'foo'), 'FOO')
    await VarveLevel.destroy(folder)
    expect(readdirSync(folder)).toEqual(['foo'])
  })

  test('it removes the database and its directory, and leaves other files as they are', async () => {
    for (const others of [[], ['foo']]) {
      const location = join(temporaryDirectory(), 'db')
      const db = await open(TINY, location)
      await db.batch(entries(100, 'v'.repeat(100)))
      for (const name of others) writeFileSync(join(location, name), 'FOO')
      const error = await failure(VarveLevel.destroy(location))
      expect(error.code).toBe('LEVEL_LOCKED')
      await db.close()
      await VarveLevel.destroy(location)
      expect(existsSync(location) ? readdirSync(location) : []).toEqual(others)
      expect(existsSync(location)).toBe(others.length > 0)
    }
  })
})

describe('repair', () => {
  test('it takes a location', async () => {
    for (const location of [undefined, '']) {
      const error = await failure(VarveLevel.repair(location as string))
      expect(error).toBeInstanceOf(TypeError)
    }
  })

  test('where there is no database, it says so', async () => {
    const error = await failure(VarveLevel.repair(join(temporaryDirectory(), 'none')))
    expect(error.code).toBe('ERR_NOT_A_STORE')
  })

  test('a database that is open is locked', async () => {
    const location = join(temporaryDirectory(), 'db')
    await open(TINY, location)
    expect((await failure(VarveLevel.repair(location))).code).toBe('LEVEL_LOCKED')
  })

  test('it brings back a database whose manifest is gone', async () => {
    const location = join(temporaryDirectory(), 'db')
    const db = await open(TINY, location)
    const all = entries(100, 'v'.repeat(100))
    await db.batch(all)
    await db.close()
    for (const name of readdirSync(location)) if (name.startsWith('MANIFEST')) rmSync(join(location, name))
    expect((await failure(new VarveLevel(location).open())).code).toBe('LEVEL_DATABASE_NOT_OPEN')
    await VarveLevel.repair(location)
    const again = await open(TINY, location)
    expect(await again.keys().all()).toHaveLength(all.length)
  })
})
