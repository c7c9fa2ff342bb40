/** SQLite as Node 22.5 and later bring it along. */
import { join } from 'node:path'
import { type Engine, type Found, loadPeer, type OpenEngine, type OpenOptions } from './engine.js'
import { DURABILITY, openTable, type Statement } from './sqlite.js'

interface NodeStatement extends Statement {
  /** From Node 24 on; before, rows are objects. */
  setReturnArrays?(isEnabled: boolean): void
}

interface NodeSqlite {
  readonly DatabaseSync: new (path: string) => { exec(source: string): void; prepare(source: string): NodeStatement; close(): void }
}

async function open(options: OpenOptions): Promise<OpenEngine> {
  const { DatabaseSync } = loadPeer('node:sqlite') as NodeSqlite
  const database = new DatabaseSync(join(options.dir, 'data.sqlite'))
  return openTable(
    {
      exec: (source) => database.exec(source),
      prepareRows: (source) => {
        const statement = database.prepare(source)
        if (statement.setReturnArrays === undefined) return withArrays(statement)
        statement.setReturnArrays(true)
        return statement
      },
      prepareValue: (source) => {
        const statement = database.prepare(source)
        return (key) => (statement.get(key) as { value: Uint8Array } | undefined)?.value as Found
      },
      close: () => database.close(),
    },
    options,
  )
}

/** Rows as arrays where the binding gives objects. */
function withArrays(statement: Statement): Statement {
  return {
    run: (...values) => statement.run(...values),
    get: (...values) => statement.get(...values),
    *iterate(...values) {
      for (const { key, value } of statement.iterate(...values) as Iterable<{ key: string; value: Uint8Array }>) yield [key, value]
    },
  }
}

export const engine: Engine = {
  version: process.versions['sqlite'] ?? 'unknown',
  settings: 'as better-sqlite3; the version is that of SQLite',
  durability: DURABILITY,
  isPersistent: true,
  hasSyncGet: true,
  open,
}
