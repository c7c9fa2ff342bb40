/** RocksDB 6 through `rocksdb`, which has callbacks and no longer changes: snappy, 4 MB write buffer. */
import { type Engine, type Found, loadPeer, type OpenEngine, type OpenOptions, peerVersion, type Visit } from './engine.js'
import { deletes, type Operation, puts } from './level_batches.js'

type Callback<T = void> = (error: Error | null, result: T) => void
interface IteratorOptions {
  readonly keyAsBuffer: false
  readonly reverse?: boolean
  readonly gte?: string
  readonly lt?: string
  readonly highWaterMark?: number
}

interface RocksIterator {
  next(callback: (error: Error | null, key?: string, value?: Buffer) => void): void
  end(callback: Callback): void
}

interface Rocks {
  open(options: Record<string, unknown>, callback: Callback): void
  close(callback: Callback): void
  put(key: string, value: Buffer, options: { sync: boolean }, callback: Callback): void
  get(key: string, callback: Callback<Buffer>): void
  getMany(keys: readonly string[], callback: Callback<Found[]>): void
  batch(operations: readonly Operation[], options: { sync: boolean }, callback: Callback): void
  iterator(options: IteratorOptions): RocksIterator
  compactRange(start: string, end: string, callback: Callback): void
}

/** A promise of what a callback is given. */
function promised<T>(call: (callback: Callback<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    call((error, result) => (error === null || error === undefined ? resolve(result) : reject(error)))
  })
}

/** Visits by callback, which is how this binding is used best: a promise an entry would halve it. */
async function visitAll(iterator: RocksIterator, visit: Visit): Promise<void> {
  await promised<void>((done) => {
    const step = (error: Error | null, key?: string, value?: Buffer): void => {
      if (error !== null && error !== undefined) return done(error)
      if (key === undefined) return done(null)
      visit(key, value!)
      iterator.next(step)
    }
    iterator.next(step)
  })
  await promised<void>((done) => iterator.end(done))
}

/** An entry a promise, as `for await` over a stream of it would ask. */
async function* entriesOf(iterator: RocksIterator): AsyncGenerator<[string, Buffer]> {
  for (;;) {
    const entry = await promised<[string, Buffer] | undefined>((done) =>
      iterator.next((error, key, value) => done(error, key === undefined ? undefined : [key, value!])),
    )
    if (entry === undefined) break
    yield entry
  }
  await promised<void>((done) => iterator.end(done))
}

async function open({ dir, cacheBytes, durability = 'os', lowMemory = false }: OpenOptions): Promise<OpenEngine> {
  const rocksdb = loadPeer('rocksdb') as (dir: string) => Rocks
  const database = rocksdb(dir)
  const cacheSize = lowMemory ? 1024 * 1024 : cacheBytes
  await promised<void>((done) => database.open(cacheSize === undefined ? {} : { cacheSize }, done))
  const options = { sync: durability === 'always' }
  const absent = (error: Error): undefined => {
    if (!error.message.includes('NotFound')) throw error
  }
  return {
    put: (key, value) => promised<void>((done) => database.put(key, value, options, done)),
    putBatch: (entries) => promised<void>((done) => database.batch(puts(entries), options, done)),
    deleteBatch: (keys) => promised<void>((done) => database.batch(deletes(keys), options, done)),
    get: (key) => promised<Buffer>((done) => database.get(key, done)).catch(absent),
    getSync: () => {
      throw new Error('it has no synchronous read')
    },
    getMany: (keys) => promised<Found[]>((done) => database.getMany(keys, done)),
    scan: (visit, isReverse) => visitAll(database.iterator({ keyAsBuffer: false, reverse: isReverse, highWaterMark: 256 * 1024 }), visit),
    iterate: async (visit) => {
      for await (const [key, value] of entriesOf(database.iterator({ keyAsBuffer: false }))) visit(key, value)
    },
    scanPrefix: (prefix, visit) => visitAll(database.iterator({ keyAsBuffer: false, gte: prefix, lt: `${prefix}\u{10ffff}` }), visit),
    compact: () => promised<void>((done) => database.compactRange('\0', '\u{10ffff}', done)),
    close: () => promised<void>((done) => database.close(done)),
  }
}

export const engine: Engine = {
  version: peerVersion('rocksdb'),
  settings: 'rocksdb, RocksDB 6.17, defaults: snappy, 4 MB write buffer',
  durability: { os: 'sync: false', always: 'sync: true' },
  isPersistent: true,
  hasSyncGet: false,
  open,
}
