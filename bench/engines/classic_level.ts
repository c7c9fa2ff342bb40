/** classic-level (LevelDB), with its defaults: snappy, 4 MB write buffer, bloom filter. */
import { type Engine, type Found, loadPeer, type OpenEngine, type OpenOptions, peerVersion } from './engine.js'
import { deletes, type Entry, type EntryIterator, type Operation, puts, visitAll } from './level_batches.js'

interface LevelIterator extends EntryIterator {
  all(): Promise<Entry[]>
}

interface WriteOptions {
  readonly sync: boolean
}

interface Level {
  open(): Promise<void>
  close(): Promise<void>
  put(key: string, value: Buffer, options: WriteOptions): Promise<void>
  get(key: string): Promise<Found>
  getSync(key: string): Found
  getMany(keys: readonly string[]): Promise<Found[]>
  batch(operations: readonly Operation[], options: WriteOptions): Promise<void>
  iterator(options: { highWaterMarkBytes?: number; reverse?: boolean; gte?: string; lt?: string }): LevelIterator
  compactRange(start: string, end: string): Promise<void>
}

interface ClassicLevel {
  readonly ClassicLevel: new (dir: string, options: Record<string, unknown>) => Level
}

async function open({ dir, cacheBytes, durability = 'os', lowMemory = false }: OpenOptions): Promise<OpenEngine> {
  const { ClassicLevel } = loadPeer('classic-level') as ClassicLevel
  const cacheSize = lowMemory ? 1024 * 1024 : cacheBytes
  const level = new ClassicLevel(dir, { keyEncoding: 'utf8', valueEncoding: 'buffer', ...(cacheSize === undefined ? {} : { cacheSize }) })
  const options = { sync: durability === 'always' }
  await level.open()
  return {
    put: (key, value) => level.put(key, value, options),
    putBatch: (entries) => level.batch(puts(entries), options),
    deleteBatch: (keys) => level.batch(deletes(keys), options),
    get: (key) => level.get(key),
    getSync: (key) => level.getSync(key),
    getMany: (keys) => level.getMany(keys),
    scan: (visit, isReverse) => visitAll(level.iterator({ highWaterMarkBytes: 256 * 1024, reverse: isReverse }), visit),
    iterate: async (visit) => {
      for await (const [key, value] of level.iterator({})) visit(key, value)
    },
    scanPrefix: async (prefix, visit) => {
      for (const [key, value] of await level.iterator({ gte: prefix, lt: `${prefix}\u{10ffff}` }).all()) visit(key, value)
    },
    compact: () => level.compactRange('\0', '\u{10ffff}'),
    close: () => level.close(),
  }
}

export const engine: Engine = {
  version: peerVersion('classic-level'),
  settings: 'LevelDB 1.20, defaults: snappy, 4 MB write buffer, Bloom filters; utf8 keys, Buffer values',
  durability: { os: 'sync: false', always: 'sync: true' },
  isPersistent: true,
  hasSyncGet: true,
  open,
}
