/** Defects that a review of `src/store` found, each by the behaviour that was wrong. */
import { spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, onTestFinished, test } from 'vitest'
import { FaultVfs, type Key, ManualClock, memory, Store, StoreError, type StoreOptions, type Value } from '../../src/index.js'

const INLINE: StoreOptions = { backgroundThreads: 0 }
const TINY: StoreOptions = { ...INLINE, memtableSize: 4096 }

const unhandled: unknown[] = []
const note = (error: unknown): void => void unhandled.push(error)

afterEach(() => {
  unhandled.length = 0
})

/** Collects rejections that nobody handles. */
function watchRejections(): void {
  process.on('unhandledRejection', note)
  onTestFinished(() => void process.off('unhandledRejection', note))
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** The code that a promise is rejected with; `'ok'` when it is not. */
async function outcome(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
    return 'ok'
  } catch (error) {
    return error instanceof StoreError ? error.code : String(error)
  }
}

/** Enough keys `b0:0` … that deleting them takes several turns. */
async function fillRange(store: Store): Promise<void> {
  for (let i = 0; i < 40; i++) {
    await store.batch(Array.from({ length: 1000 }, (_, j) => ({ type: 'put' as const, key: `b${i}:${j}`, value: 1 })))
  }
}

/** More than the memtables of a tiny store take before the first of them is a table. */
function flood(store: Store): Promise<void>[] {
  return Array.from({ length: 12 }, (_, i) => store.put(`flood${i}`, Buffer.alloc(300_000)))
}

test('a getter that calls the store does not tear the put or the batch that it is in', async () => {
  const store = await Store.open(memory(), INLINE)
  const calling = (call: () => void): Value => ({
    get x() {
      call()
      return 1
    },
  })
  await store.put(
    'a',
    calling(() => store.putSync('a inside', 1)),
  )
  store.putSync(
    'b',
    calling(() => store.deleteSync('nothing')),
  )
  await store.batch([
    { type: 'put', key: 'c1', value: 1 },
    { type: 'put', key: 'c2', value: calling(() => void store.batch([{ type: 'put', key: 'c inside', value: 1 }])) },
  ])
  store.batchSync([
    { type: 'put', key: 'd1', value: 1 },
    { type: 'put', key: 'd2', value: calling(() => store.putSync('d inside', 1)) },
  ])
  expect(store.keys().toArraySync()).toEqual(['a', 'a inside', 'b', 'c inside', 'c1', 'c2', 'd inside', 'd1', 'd2'])
  expect(store.stats().sequence).toBe(10)
})

test('a write that follows two range deletes outlives both', async () => {
  for (const write of [(store: Store) => store.put('b1:1', 'later'), async (store: Store) => store.putSync('b1:1', 'later')]) {
    const store = await Store.open(memory(), INLINE)
    await fillRange(store)
    await store.put('n', 1)
    const deletes = [store.deleteRange('a', 'm'), store.deleteRange('n', 'z')]
    await nextTurn()
    await write(store)
    await Promise.all(deletes)
    expect(store.scan().toArraySync()).toEqual([['b1:1', 'later']])
  }
})

test('conditional writes and range deletes keep their place among writes that wait for room', async () => {
  const store = await Store.open(memory(), TINY)
  const writes: Promise<unknown>[] = flood(store)
  const incremented = store.increment('x')
  writes.push(store.put('x', 5), store.deletePrefix('y'), store.put('y', 1), store.putIfAbsent('z', 1), store.put('z', 2))
  await Promise.all(writes)
  expect(await incremented).toBe(1n)
  expect(['x', 'y', 'z'].map((key) => store.getSync(key))).toEqual([5, 1, 2])
})

test('a conditional write that has to load its key keeps its place', async () => {
  const store = await Store.open(memory(), { ...INLINE, readMode: 'async', blockCacheSize: 0 })
  await store.put('x', 10)
  await store.flush()
  const incremented = store.increment('x')
  await Promise.all([incremented, store.put('x', 5)])
  expect(await incremented).toBe(11n)
  expect(store.getSync('x')).toBe(5)
})

test('arguments of a conditional write may change after the call', async () => {
  const store = await Store.open(memory(), { ...INLINE, readMode: 'async', blockCacheSize: 0 })
  const key = Buffer.from('key')
  const value = { n: 1 }
  await store.put(key, 0)
  await store.flush()
  const written = store.putIfEquals(key, value, 0)
  key.write('xyz')
  value.n = 2
  await written
  expect(store.scan().toArraySync()).toEqual([['key', { n: 1 }]])
})

test('a synchronous write does not wait for ever behind writes that wait for their sync', async () => {
  const store = await Store.open(memory(), { ...TINY, walSync: 'always' })
  const writes = flood(store)
  store.putSync('k', 1)
  expect(store.getSync('flood11')).toBeDefined()
  await Promise.all(writes)
})

test('a refused put leaves no promise behind that fails unseen', async () => {
  watchRejections()
  const vfs = new FaultVfs(memory())
  const store = await Store.open(vfs, { ...INLINE, walSync: 'always' })
  vfs.addRule({ operation: 'sync', path: /\.log$/, times: Infinity, error: 'EIO' })
  const failing = outcome(store.put('a', 1))
  await Promise.resolve()
  const refused = outcome(store.put('x'.repeat(70_000), 1))
  expect([await failing, await refused]).toEqual(['ERR_BACKGROUND', 'ERR_INVALID_KEY'])
  await nextTurn()
  expect(unhandled).toEqual([])
})

test('a range delete whose sync fails under a synchronous write fails only once', async () => {
  watchRejections()
  const vfs = new FaultVfs(memory())
  const store = await Store.open(vfs, INLINE)
  await fillRange(store)
  const deleted = outcome(store.deleteRange('a', 'z', { sync: true }))
  await nextTurn()
  vfs.addRule({ operation: 'sync', path: /\.log$/, times: Infinity, error: 'EIO' })
  expect(() => store.putSync('k', 1, { sync: true })).toThrow(StoreError)
  for (let i = 0; i < 5; i++) await nextTurn()
  expect(await deleted).toBe('ERR_BACKGROUND')
  expect(unhandled).toEqual([])
})

test("with walSync 'none' a full disk at sync and flush stops nothing for good", async () => {
  for (const act of [(store: Store) => store.sync(), async (store: Store) => store.syncSync(), (store: Store) => store.flush()]) {
    const vfs = new FaultVfs(memory())
    const store = await Store.open(vfs, { ...INLINE, walSync: 'none' })
    await store.put('a', 1)
    await store.sync()
    await store.put('a', 2)
    const full = vfs.addRule({ operation: ['write', 'create'], path: /\.log$/, times: Infinity, error: 'ENOSPC' })
    expect(await outcome(act(store))).toBe('ERR_DISK_FULL')
    expect(store.status).toBe('full')
    full.remove()
    await store.put('b', 1)
    await store.sync()
    expect(store.status).toBe('open')
    const copy = await Store.open(memoryClone(vfs), INLINE)
    expect(copy.scan().toArraySync()).toEqual([
      ['a', 2],
      ['b', 1],
    ])
    await copy.close()
  }
})

function memoryClone(vfs: FaultVfs): ReturnType<typeof memory> {
  return (vfs.inner as ReturnType<typeof memory>).crashClone({ unsyncedPercent: 0, seed: 1 })
}

test('close finishes a range delete that was accepted', async () => {
  const vfs = memory()
  const store = await Store.open(vfs, INLINE)
  await fillRange(store)
  const deleted = store.deleteRange('a', 'z')
  await nextTurn()
  await store.close()
  await deleted
  const again = await Store.open(vfs, INLINE)
  expect(again.keys().toArraySync()).toEqual([])
  await again.close()
})

test('a range or prefix that was left out is an error, not everything', async () => {
  const store = await Store.open(memory(), INLINE)
  await store.put('a', 1)
  const missing = undefined as unknown as Key
  expect(await outcome(store.deletePrefix(missing))).toBe('ERR_INVALID_KEY')
  expect(await outcome(store.deleteRange('a', missing))).toBe('ERR_INVALID_KEY')
  expect(await outcome(store.deleteRange(missing, 'b'))).toBe('ERR_INVALID_KEY')
  expect(() => store.scanPrefix(missing)).toThrow(StoreError)
  expect(store.keys().toArraySync()).toEqual(['a'])
})

test('reads that are under way when the store closes end, and leave no file open', async () => {
  const vfs = memory()
  const options: StoreOptions = { ...TINY, readMode: 'async', blockCacheSize: 0 }
  const filled = await Store.open(vfs, options)
  const keys = Array.from({ length: 100 }, (_, i) => `k${i}`)
  for (const key of keys) await filled.put(key, Buffer.alloc(200))
  await filled.flush()
  await filled.close()
  const store = await Store.open(vfs, options)
  const reads = [...keys.map((key) => outcome(store.get(key))), outcome(store.getMany(keys)), outcome(store.scan().toArray())]
  store.closeSync()
  expect(new Set(await Promise.all(reads))).toEqual(new Set(['ERR_NOT_OPEN']))
  expect(store.stats().tables.open).toBe(0)
})

test("with walSync 'none' closing a store that background work has stopped keeps what was acknowledged", async () => {
  const vfs = new FaultVfs(memory())
  const store = await Store.open(vfs, { ...INLINE, memtableSize: 65_536, walSync: 'none' })
  vfs.addRule({ operation: 'create', path: /\.sst$/, times: Infinity, error: 'EIO' })
  for (let i = 0; i < 100; i++) await store.put(`k${i}`, Buffer.alloc(1000)).catch(() => {})
  while (store.status === 'open') await nextTurn()
  expect(store.status).toBe('failed')
  const acknowledged = store.keys().toArraySync()
  await store.close()
  const again = await Store.open(memoryClone(vfs), INLINE)
  expect(again.keys().toArraySync()).toEqual(acknowledged)
  await again.close()
})

test('a full disk that only a requested compaction met is over at the next look', async () => {
  const vfs = new FaultVfs(memory())
  const clock = new ManualClock()
  const store = await Store.open(vfs, { ...INLINE, clock })
  for (const value of [1, 2]) {
    await store.put('a', value)
    await store.flush()
  }
  const full = vfs.addRule({ operation: ['create', 'write'], path: /\.sst$/, times: Infinity, error: 'ENOSPC' })
  expect(await outcome(store.compact())).toBe('ERR_DISK_FULL')
  expect(store.status).toBe('full')
  full.remove()
  clock.advance(1000)
  expect(store.status).toBe('open')
})

test('a full disk right after a crash does not stop the store when it syncs', async () => {
  const crashed = memory()
  const before = await Store.open(crashed, INLINE)
  await before.put('a', 1)
  const vfs = new FaultVfs(crashed.crashClone({ unsyncedPercent: 100, seed: 1 }))
  const clock = new ManualClock()
  const full = vfs.addRule({ operation: ['create', 'write'], path: /\.sst$/, times: Infinity, error: 'ENOSPC' })
  const store = await Store.open(vfs, { ...INLINE, clock })
  for (let i = 0; i < 20; i++) await nextTurn()
  expect(store.status).toBe('full')
  const written = outcome(store.put('b', 1, { sync: true }))
  await nextTurn()
  full.remove()
  for (let i = 0; i < 20; i++) {
    clock.advance(500)
    await nextTurn()
  }
  expect(await written).toBe('ok')
  expect(store.status).toBe('open')
})

test('a process stays alive while a write waits for what was recovered to become a table', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'varve-floor-'))
  onTestFinished(() => rm(dir, { recursive: true }))
  const library = JSON.stringify(new URL('../../dist/index.js', import.meta.url).href)
  const run = (body: string): { status: number | null; stdout: string } =>
    spawnSync(process.execPath, ['--input-type=module', '-e', `import { Store } from ${library}; ${body}`], { encoding: 'utf8' })
  run(`const s = await Store.open(${JSON.stringify(dir)}, { memtableSize: 1 << 20 })
    for (let i = 0; i < 20000; i++) s.putSync('k' + i, Buffer.alloc(100))
    process.kill(process.pid, 'SIGKILL')`)
  const again = run(`const s = await Store.open(${JSON.stringify(dir)}, { memtableSize: 1 << 20 })
    await s.put('k', 1, { sync: true })
    console.log('acknowledged')
    await s.close()`)
  expect([again.status, again.stdout]).toEqual([0, 'acknowledged\n'])
})

test('values that reach the caller turns later are no views of memory that is used again', async () => {
  const clock = new ManualClock()
  const store = await Store.open(memory(), { ...INLINE, clock })
  const keys = Array.from({ length: 200 }, (_, i) => `k${i}`)
  for (const key of keys) await store.put(key, Buffer.alloc(10))
  const reads = keys.map((key) => {
    clock.advance(1)
    return store.get(key, { copy: false })
  })
  const many = await store.getMany(keys, { copy: false })
  for (const value of [(await Promise.all(reads)).at(-1), ...many]) {
    expect((value as Uint8Array).buffer).not.toBeInstanceOf(SharedArrayBuffer)
  }
})

test('a snapshot of another store is refused', async () => {
  const store = await Store.open(memory(), INLINE)
  const other = await Store.open(memory(), INLINE)
  using snapshot = other.snapshot()
  await store.put('k', 1)
  expect(() => store.getSync('k', { snapshot })).toThrow(expect.objectContaining({ code: 'ERR_INVALID_OPTION' }))
  expect(() => store.scan({ snapshot })).toThrow(expect.objectContaining({ code: 'ERR_INVALID_OPTION' }))
  expect(await outcome(store.get('k', { snapshot: {} as typeof snapshot }))).toBe('ERR_INVALID_OPTION')
})

test('types follow the keys of a scan, and take snapshots of a store with byte keys', async () => {
  const store = await Store.open(memory(), { ...INLINE, keys: 'bytes' })
  await store.put('a', 1)
  using snapshot = store.snapshot()
  expect(await store.get('a', { snapshot })).toBe(1)
  const asStrings: [string, Value][] = store.scan({ snapshot, keys: 'string' }).toArraySync()
  expect(asStrings).toEqual([['a', 1]])
  const strings = await Store.open(memory(), INLINE)
  await strings.put('a', 1)
  const asBytes: Uint8Array[] = strings.keys({ keys: 'bytes' }).toArraySync()
  expect(asBytes).toEqual([Buffer.from('a')])
})

test('a store whose damaged log was salvaged opens again without salvage', async () => {
  const vfs = memory()
  const written = await Store.open(vfs, INLINE)
  for (let i = 10; i < 30; i++) await written.put(`k${i}`, 'x'.repeat(20))
  await written.close()
  const path = vfs.files().find((name) => name.endsWith('.log'))!
  const content = vfs.readFile(path)
  content[content.indexOf('k20')]! ^= 1
  vfs.writeFile(path, content)
  const salvaged = await Store.open(vfs, { ...INLINE, recovery: 'salvage' })
  await salvaged.close()
  const store = await Store.open(vfs, INLINE)
  expect(store.keys().toArraySync()).toHaveLength(19)
  await store.close()
})

test('a stall is over when there is room, not when the next write finds out', async () => {
  const vfs = new FaultVfs(memory())
  const clock = new ManualClock()
  const store = await Store.open(vfs, { ...TINY, clock })
  const events: string[] = []
  store.on('stall', ({ kind }) => events.push(kind)).on('stallEnd', () => events.push('end'))
  const full = vfs.addRule({ operation: ['create', 'write'], path: /\.sst$/, times: Infinity, error: 'ENOSPC' })
  await Promise.all(flood(store).map(outcome))
  full.remove()
  for (let i = 0; i < 50; i++) {
    clock.advance(100)
    await nextTurn()
  }
  expect(store.status).toBe('open')
  expect(events).toContain('wait')
  expect(events.at(-1)).toBe('end')
})
