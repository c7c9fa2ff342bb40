/** varve, with default options unless a workload asks for less memory or a larger cache. */
import { lowMemoryOptions, Store, type StoreOptions } from 'varve'
import { type Engine, type OpenEngine, type OpenOptions, versionIn } from './engine.js'

async function open({ dir, cacheBytes, lowMemory = false }: OpenOptions): Promise<OpenEngine> {
  const options: StoreOptions = {
    ...(lowMemory ? lowMemoryOptions : {}),
    ...(cacheBytes === undefined ? {} : { blockCacheSize: cacheBytes }),
  }
  const store = await Store.open(dir, options)
  return {
    put: (key, value) => store.put(key, value),
    putBatch: (entries) => store.batch(entries.map(([key, value]) => ({ type: 'put', key, value }))),
    get: (key) => store.get(key),
    getSync: (key) => store.getSync(key),
    scan: () => {
      let count = 0
      for (const [key] of store.scan()) if (key !== '') count++
      return count
    },
    compact: () => store.compact(),
    close: () => store.close(),
  }
}

export const engine: Engine = { version: versionIn('.'), durability: "walSync: 'os'", isPersistent: true, open }
