/**
 * What the two bindings of SQLite share: one `WITHOUT ROWID` table, text key and blob value, write-ahead log. Text, because a string binds
 * faster than a buffer and comes back as the string that the other engines give.
 */
import type { Durability, Found, OpenEngine, OpenOptions } from './engine.js'

/** A statement of either binding. */
export interface Statement {
  run(...values: unknown[]): unknown
  get(...values: unknown[]): unknown
  iterate(...values: unknown[]): Iterable<unknown>
}

/** A database of either binding. */
export interface Database {
  exec(source: string): unknown
  /** A statement whose rows are arrays. */
  prepareRows(source: string): Statement
  /** A statement of one row with one column, which is given without a row around it. */
  prepareValue(source: string): (key: string) => Found
  close(): void
}

type Row = [key: string, value: Uint8Array]

/** What is said about durability in the tables. */
export const DURABILITY: Readonly<Partial<Record<Durability, string>>> = {
  os: 'WAL, synchronous = NORMAL',
  always: 'WAL, synchronous = FULL',
}

/** Readies the table and gives the engine. */
export function openTable(database: Database, { cacheBytes, durability = 'os', lowMemory = false }: OpenOptions): OpenEngine {
  database.exec('PRAGMA journal_mode = WAL')
  database.exec(`PRAGMA synchronous = ${durability === 'always' ? 'FULL' : 'NORMAL'}`)
  const cache = lowMemory ? 1024 * 1024 : cacheBytes
  if (cache !== undefined) database.exec(`PRAGMA cache_size = -${Math.ceil(cache / 1024)}`)
  database.exec('CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID')
  const insert = database.prepareRows('INSERT OR REPLACE INTO entries VALUES (?, ?)')
  const remove = database.prepareRows('DELETE FROM entries WHERE key = ?')
  const get = database.prepareValue('SELECT value FROM entries WHERE key = ?')
  const all = database.prepareRows('SELECT key, value FROM entries ORDER BY key')
  const backward = database.prepareRows('SELECT key, value FROM entries ORDER BY key DESC')
  const range = database.prepareRows('SELECT key, value FROM entries WHERE key >= ? AND key < ? ORDER BY key')
  const together = (action: () => void): void => {
    database.exec('BEGIN')
    action()
    database.exec('COMMIT')
  }
  return {
    put: (key, value) => insert.run(key, value),
    putBatch: (entries) =>
      together(() => {
        for (const [key, value] of entries) insert.run(key, value)
      }),
    deleteBatch: (keys) =>
      together(() => {
        for (const key of keys) remove.run(key)
      }),
    get,
    getSync: get,
    getMany: (keys) => keys.map(get),
    scan: (visit, isReverse) => {
      for (const [key, value] of (isReverse ? backward : all).iterate() as Iterable<Row>) visit(key, value)
    },
    iterate: async (visit) => {
      for await (const [key, value] of all.iterate() as Iterable<Row>) visit(key, value)
    },
    scanPrefix: (prefix, visit) => {
      for (const [key, value] of range.iterate(prefix, `${prefix}\u{10ffff}`) as Iterable<Row>) visit(key, value)
    },
    compact: () => database.exec('PRAGMA wal_checkpoint(TRUNCATE); VACUUM; PRAGMA wal_checkpoint(TRUNCATE)'),
    close: () => database.close(),
  }
}
