/** RocksDB 9 through @nxtedition/rocksdb, with its defaults: zstd, 64 MB write buffer, bloom filter. It knows no compaction by hand. */
import { type Engine, type Found, loadPeer, type OpenEngine, type OpenOptions, peerVersion, type Visit } from './engine.js'

type Entry = [key: string, value: Buffer]

interface RocksIterator extends AsyncIterable<Entry> {
  nextv(size: number): Promise<Entry[]>
  close(): Promise<void>
}

type Operation = { type: 'put'; key: string; value: Buffer } | { type: 'del'; key: string }

interface Rocks {
  open(): Promise<void>
  close(): Promise<void>
  put(key: string, value: Buffer): Promise<void>
  get(key: string): Promise<Found>
  getMany(keys: readonly string[]): Promise<Found[]>
  batch(operations: readonly Operation[], options: { readonly sync: boolean }): Promise<void>
  iterator(options: { highWaterMarkBytes?: number; reverse?: boolean; gte?: string; lt?: string }): RocksIterator
}

interface RocksModule {
  readonly RocksLevel: new (dir: string, options: Record<string, unknown>) => Rocks
}

async function visitAll(iterator: RocksIterator, size: number, visit: Visit): Promise<void> {
  for (;;) {
    const entries = await iterator.nextv(size)
    for (const [key, value] of entries) visit(key, value)
    if (entries.length === 0) break
  }
  await iterator.close()
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
    putBatch: (entries) =>
      database.batch(
        entries.map(([key, value]): Operation => ({ type: 'put', key, value })),
        options,
      ),
    deleteBatch: (keys) =>
      database.batch(
        keys.map((key): Operation => ({ type: 'del', key })),
        options,
      ),
    get: (key) => database.get(key).catch(undefinedWhenAbsent),
    getSync: () => {
      throw new Error('it has no synchronous read')
    },
    getMany: (keys) => database.getMany(keys),
    scan: (visit, isReverse) => visitAll(database.iterator({ highWaterMarkBytes: 256 * 1024, reverse: isReverse }), 1000, visit),
    iterate: async (visit) => {
      for await (const [key, value] of database.iterator({})) visit(key, value)
    },
    scanPrefix: (prefix, visit) => visitAll(database.iterator({ gte: prefix, lt: `${prefix}\u{10ffff}` }), 1000, visit),
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
