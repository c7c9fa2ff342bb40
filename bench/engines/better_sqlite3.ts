/** SQLite through better-sqlite3: one `WITHOUT ROWID` table, blob key and value, write-ahead log. */
import { join } from 'node:path'
import { type Engine, loadPeer, type OpenEngine, type OpenOptions, versionIn } from './engine.js'

interface Statement {
  run(...values: unknown[]): unknown
  get(...values: unknown[]): { value: Buffer } | undefined
  raw(): Statement
  iterate(): Iterable<[Buffer, Buffer]>
}

interface Database {
  pragma(source: string): unknown
  exec(source: string): unknown
  prepare(source: string): Statement
  transaction<T extends unknown[]>(action: (...values: T) => void): (...values: T) => void
  close(): void
}

async function open({ dir, cacheBytes, lowMemory = false }: OpenOptions): Promise<OpenEngine> {
  const Sqlite = loadPeer('better-sqlite3') as new (path: string) => Database
  const database = new Sqlite(join(dir, 'data.sqlite'))
  database.pragma('journal_mode = WAL')
  database.pragma('synchronous = NORMAL')
  const cache = lowMemory ? 1024 * 1024 : cacheBytes
  if (cache !== undefined) database.pragma(`cache_size = -${Math.ceil(cache / 1024)}`)
  database.exec('CREATE TABLE IF NOT EXISTS entries (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID')
  const insert = database.prepare('INSERT OR REPLACE INTO entries VALUES (?, ?)')
  const select = database.prepare('SELECT value FROM entries WHERE key = ?')
  const all = database.prepare('SELECT key, value FROM entries ORDER BY key').raw()
  const put = (key: string, value: Buffer): unknown => insert.run(Buffer.from(key, 'latin1'), value)
  const get = (key: string): unknown => select.get(Buffer.from(key, 'latin1'))
  const putAll = database.transaction((entries: readonly (readonly [string, Buffer])[]) => {
    for (const [key, value] of entries) put(key, value)
  })
  return {
    put,
    putBatch: putAll,
    get,
    getSync: get,
    scan: () => {
      let count = 0
      for (const [key] of all.iterate()) if (key.length > 0) count++
      return count
    },
    compact: () => database.exec('PRAGMA wal_checkpoint(TRUNCATE); VACUUM; PRAGMA wal_checkpoint(TRUNCATE)'),
    close: () => database.close(),
  }
}

export const engine: Engine = {
  version: versionIn('bench/peers/node_modules/better-sqlite3'),
  durability: 'WAL, synchronous = NORMAL',
  isPersistent: true,
  open,
}
