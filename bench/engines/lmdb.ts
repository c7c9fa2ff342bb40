/** lmdb-js, string keys and binary values, no compression (its default). It has no cache of its own: it maps its file. */
import { join } from 'node:path'
import { type Engine, loadPeer, type OpenEngine, type OpenOptions, versionIn } from './engine.js'

interface Database {
  put(key: string, value: Buffer): Promise<boolean>
  get(key: string): Buffer | undefined
  getRange(): Iterable<{ key: string; value: Buffer }>
  transaction(action: () => void): Promise<void>
  close(): Promise<void>
}

interface Lmdb {
  open(options: { path: string; encoding: 'binary'; noSync: boolean; compression: boolean }): Database
}

async function open({ dir }: OpenOptions): Promise<OpenEngine> {
  const { open: openDatabase } = loadPeer('lmdb') as Lmdb
  const database = openDatabase({ path: join(dir, 'data.mdb'), encoding: 'binary', noSync: true, compression: false })
  return {
    put: (key, value) => database.put(key, value),
    putBatch: (entries) =>
      database.transaction(() => {
        for (const [key, value] of entries) void database.put(key, value)
      }),
    get: (key) => database.get(key),
    getSync: (key) => database.get(key),
    scan: () => {
      let count = 0
      for (const { key, value } of database.getRange()) if (key !== '' && value.length > 0) count++
      return count
    },
    compact: () => undefined,
    close: () => database.close(),
  }
}

export const engine: Engine = {
  version: versionIn('bench/peers/node_modules/lmdb'),
  durability: 'noSync: true',
  isPersistent: true,
  open,
}
