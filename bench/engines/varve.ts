/** varve, with default options unless a workload asks for less memory or a larger cache. */
import { type BatchOperation, lowMemoryOptions, Store, type StoreOptions } from 'varve'
import { type Engine, type Found, type OpenEngine, type OpenOptions, versionIn, type Visit } from './engine.js'

async function open({ dir, cacheBytes, durability = 'os', lowMemory = false, compression }: OpenOptions): Promise<OpenEngine> {
  const options: StoreOptions = {
    ...(lowMemory ? lowMemoryOptions : {}),
    ...(cacheBytes === undefined ? {} : { blockCacheSize: cacheBytes }),
    ...(compression === undefined ? {} : { compression }),
    walSync: durability,
  }
  const store = await Store.open(dir, options)
  return {
    put: (key, value) => store.put(key, value),
    putBatch: (entries) => store.batch(entries.map(([key, value]): BatchOperation => ({ type: 'put', key, value }))),
    deleteBatch: (keys) => store.batch(keys.map((key): BatchOperation => ({ type: 'delete', key }))),
    get: (key) => store.get(key) as Promise<Found>,
    getSync: (key) => store.getSync(key) as Found,
    getMany: (keys) => store.getMany(keys) as Promise<Found[]>,
    scan: (visit, isReverse) => {
      for (const [key, value] of store.scan({ reverse: isReverse })) visit(key, value as Uint8Array)
    },
    iterate: async (visit) => {
      for await (const [key, value] of store.scan()) visit(key, value as Uint8Array)
    },
    scanPrefix: (prefix: string, visit: Visit) => {
      for (const [key, value] of store.scanPrefix(prefix)) visit(key, value as Uint8Array)
    },
    compact: () => store.compact(),
    close: () => store.close(),
  }
}

export const engine: Engine = {
  version: versionIn('.'),
  settings: 'defaults: snappy, 4 MiB memtable, Bloom filters; string keys',
  durability: { none: "walSync: 'none'", os: "walSync: 'os'", always: "walSync: 'always'" },
  isPersistent: true,
  hasSyncGet: true,
  hasZstd: true,
  open,
}
