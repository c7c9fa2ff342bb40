/** RocksDB 9 through @nxtedition/rocksdb, with its defaults: zstd, 64 MB write buffer, bloom filter. It knows no compaction by hand. */
import { type Engine, type Found, loadPeer, type OpenEngine, type OpenOptions, peerVersion } from './engine.js'
import { deletes, type EntryIterator, type Operation, puts, visitAll } from './level_batches.js'

interface Rocks {
  open(): Promise<void>
  close(): Promise<void>
  put(key: string, value: Buffer): Promise<void>
  get(key: string): Promise<Found>
  getMany(keys: readonly string[]): Promise<Found[]>
  batch(operations: readonly Operation[], options: { readonly sync: boolean }): Promise<void>
  iterator(options: { highWaterMarkBytes?: number; reverse?: boolean; gte?: string; lt?: string }): EntryIterator
}

interface RocksModule {
  readonly RocksLevel: new (dir: string, options: Record<string, unknown>) => Rocks
}

async function open({ dir, cacheBytes, durability = 'os', lowMemory = false }: OpenOptions): Promise<OpenEngine> {
  const { RocksLevel } = loadPeer('@nxtedition/rocksdb') as RocksModule
  const cacheSize = lowMemory ? 1024 * 1024 : cacheBytes
  const database = new RocksLevel(dir, { keyEncoding: 'utf8', valueEncoding: 'buffer', ...(cacheSize === undefined ? {} : { cacheSize }) })
  await database.open()
  const options = { sync: durability === 'always' }
  return {
    // Its put drops the option; a batch of one honours it.
    put: options.sync ? (key, value) => database.batch([{ type: 'put', key, value }], options) : (key, value) => database.put(key, value),
    putBatch: (entries) => database.batch(puts(entries), options),
    deleteBatch: (keys) => database.batch(deletes(keys), options),
    get: (key) => database.get(key).catch(undefinedWhenAbsent),
    getSync: () => {
      throw new Error('it has no synchronous read')
    },
    getMany: (keys) => database.getMany(keys),
    scan: (visit, isReverse) => visitAll(database.iterator({ highWaterMarkBytes: 256 * 1024, reverse: isReverse }), visit),
    iterate: async (visit) => {
      for await (const [key, value] of database.iterator({})) visit(key, value)
    },
    scanPrefix: (prefix, visit) => visitAll(database.iterator({ gte: prefix, lt: `${prefix}\u{10ffff}` }), visit),
    compact: () => undefined,
    close: () => database.close(),
  }
}

function undefinedWhenAbsent(error: unknown): undefined {
  if ((error as { code?: unknown }).code !== 'LEVEL_NOT_FOUND') throw error
}

export const engine: Engine = {
  version: peerVersion('@nxtedition/rocksdb'),
  settings: '@nxtedition/rocksdb, RocksDB 9.7, defaults: zstd for tables and log, 64 MB write buffer; no compaction by hand',
  durability: { os: 'sync: false', always: 'sync: true' },
  isPersistent: true,
  hasSyncGet: false,
  open,
}
