/**
 * A process that wants a store which others want too, for `test/torture/kills/races.ts`.
 *
 * It answers each message with one: `open` → `open`, or the error; `write` → the number of writes that were ever made to the store, this
 * one included; `close` → `closed`.
 */
import { Store, StoreError } from '../../src/index.js'

const dir = process.argv[2]!
let store: Store | undefined

async function open(): Promise<string> {
  try {
    store = await Store.open(dir, { memtableSize: 4096, backgroundThreads: 0 })
    return 'open'
  } catch (error) {
    return error instanceof StoreError ? `${error.code} ${error.message}` : String(error)
  }
}

async function write(): Promise<string> {
  const count = Number(await store!.increment('count'))
  await store!.batch().put(`key ${count}`, 'x'.repeat(500)).put('last', count).write()
  if (count % 3 === 0) await store!.flush()
  return String(count)
}

async function answer(message: string): Promise<string> {
  if (message === 'open') return open()
  if (message === 'write') return write()
  await store!.close()
  return 'closed'
}

process.on('message', (message: string) => {
  void answer(message).then(
    (text) => process.send?.(text),
    (error: unknown) => process.send?.(`failed: ${String(error)}`),
  )
})
process.on('disconnect', () => process.exit())
