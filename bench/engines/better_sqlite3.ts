/** SQLite through better-sqlite3. */
import { join } from 'node:path'
import { type Engine, type Found, loadPeer, type OpenEngine, type OpenOptions, peerVersion } from './engine.js'
import { DURABILITY, openTable, type Statement } from './sqlite.js'

interface BetterStatement extends Statement {
  raw(): BetterStatement
  pluck(): BetterStatement
  readonly reader: boolean
}

interface BetterDatabase {
  exec(source: string): unknown
  prepare(source: string): BetterStatement
  close(): void
}

async function open(options: OpenOptions): Promise<OpenEngine> {
  const Sqlite = loadPeer('better-sqlite3') as new (path: string) => BetterDatabase
  const database = new Sqlite(join(options.dir, 'data.sqlite'))
  return openTable(
    {
      exec: (source) => database.exec(source),
      prepareRows: (source) => {
        const statement = database.prepare(source)
        return statement.reader ? statement.raw() : statement
      },
      prepareValue: (source) => {
        const statement = database.prepare(source).pluck()
        return (key) => statement.get(key) as Found
      },
      close: () => database.close(),
    },
    options,
  )
}

export const engine: Engine = {
  version: peerVersion('better-sqlite3'),
  settings: 'one WITHOUT ROWID table, text key, blob value, write-ahead log; no compression',
  durability: DURABILITY,
  isPersistent: true,
  hasSyncGet: true,
  open,
}
