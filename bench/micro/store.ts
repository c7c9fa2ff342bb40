/**
 * What one operation of a store costs, everything in memory or cached: `node build/bench/micro/store.js`.
 *
 * 25,000 records of 16-byte keys and 100-byte values; the memtable rows read an unflushed store, the table rows a compacted one.
 */
import { Bench } from 'tinybench'
import { memory, Store } from 'varve'
import { publish } from './figures.js'

const RECORDS = 25_000
const value = 'v'.repeat(100)
const keys = Array.from({ length: RECORDS }, (_, i) => `user:${String((i * 7919) % 1_000_003).padStart(11, '0')}`)
const absent = keys.map((key) => `${key.slice(0, -1)}x`)

async function filled(isCompacted: boolean): Promise<Store> {
  const store = await Store.open(memory(), { memtableSize: 32 * 1024 * 1024 })
  for (const key of keys) await store.put(key, value)
  if (isCompacted) await store.compact()
  return store
}

let next = 0
function pick(list: readonly string[]): string {
  next = next + 1 === RECORDS ? 0 : next + 1
  return list[next] as string
}

const inMemtable = await filled(false)
const inTable = await filled(true)
const written = await Store.open(memory(), { memtableSize: 32 * 1024 * 1024 })

const bench = new Bench({ time: 400, warmupTime: 100 })
bench
  .add('put, awaited', async () => {
    await written.put(pick(keys), value)
  })
  .add('putSync', () => written.putSync(pick(keys), value))
  .add('getSync, memtable', () => inMemtable.getSync(pick(keys)))
  .add('getSync, cached table', () => inTable.getSync(pick(keys)))
  .add('get, cached table', async () => {
    await inTable.get(pick(keys))
  })
  .add('getSync, absent', () => inTable.getSync(pick(absent)))
  .add('scan, 25,000 entries', () => {
    let count = 0
    for (const entry of inTable.scan()) count += entry.length
    return count
  })
  .add('for await, 25,000 entries', async () => {
    let count = 0
    for await (const entry of inTable.scan()) count += entry.length
    return count
  })
await bench.run()
for (const { name, result } of bench.tasks) {
  if (result.state === 'completed') publish('store', name, result.latency.min * 1e6, result.latency.p50 * 1e6)
}
await Promise.all([inMemtable.close(), inTable.close(), written.close()])
