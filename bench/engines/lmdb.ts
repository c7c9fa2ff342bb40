/** lmdb-js, string keys and binary values, no compression (its default). It has no cache of its own: it maps its file. */
import { join } from 'node:path'
import { type Engine, type Found, loadPeer, type OpenEngine, type OpenOptions, peerVersion } from './engine.js'

interface Range {
  readonly start?: string
  readonly end?: string
  readonly reverse?: boolean
}

interface Database {
  readonly flushed: Promise<unknown>
  put(key: string, value: Buffer): Promise<boolean>
  remove(key: string): Promise<boolean>
  get(key: string): Found
  getRange(range: Range): Iterable<{ key: string; value: Buffer }>
  transaction(action: () => void): Promise<void>
  close(): Promise<void>
}

interface Lmdb {
  open(options: { path: string; encoding: 'binary'; noSync: boolean; compression: boolean }): Database
}

async function open({ dir, durability = 'os' }: OpenOptions): Promise<OpenEngine> {
  const { open: openDatabase } = loadPeer('lmdb') as Lmdb
  const isDurable = durability === 'always'
  const database = openDatabase({ path: join(dir, 'data.mdb'), encoding: 'binary', noSync: !isDurable, compression: false })
  // A put is acknowledged before it is on the disk; `flushed` says when it is.
  const done = isDurable ? async (write: Promise<unknown>) => write.then(() => database.flushed) : (write: Promise<unknown>) => write
  return {
    put: (key, value) => done(database.put(key, value)),
    putBatch: (entries) =>
      done(
        database.transaction(() => {
          for (const [key, value] of entries) void database.put(key, value)
        }),
      ),
    deleteBatch: (keys) =>
      done(
        database.transaction(() => {
          for (const key of keys) void database.remove(key)
        }),
      ),
    get: (key) => database.get(key),
    getSync: (key) => database.get(key),
    // Its own getMany is slower than this: it reads ahead on another thread.
    getMany: (keys) => keys.map((key) => database.get(key)),
    scan: (visit, isReverse) => {
      for (const { key, value } of database.getRange({ reverse: isReverse })) visit(key, value)
    },
    iterate: async (visit) => {
      for await (const { key, value } of database.getRange({})) visit(key, value)
    },
    scanPrefix: (prefix, visit) => {
      for (const { key, value } of database.getRange({ start: prefix, end: `${prefix}\u{10ffff}` })) visit(key, value)
    },
    compact: () => undefined,
    close: () => database.close(),
  }
}

export const engine: Engine = {
  version: peerVersion('lmdb'),
  settings: 'no compression (its default), string keys, binary values; maps its file instead of caching',
  durability: { os: 'noSync: true', always: 'noSync: false, and flushed is awaited' },
  isPersistent: true,
  hasSyncGet: true,
  open,
}
