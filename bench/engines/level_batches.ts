/** What the bindings of LevelDB and RocksDB have in common: the shape of their batches, and iterators that give many entries at a time. */
import type { Visit } from './engine.js'

/** One operation of a batch. */
export type Operation = { type: 'put'; key: string; value: Buffer } | { type: 'del'; key: string }

/** An entry as iterators give it. */
export type Entry = [key: string, value: Buffer]

/** An iterator that gives many entries a promise. */
export interface EntryIterator extends AsyncIterable<Entry> {
  nextv(size: number): Promise<Entry[]>
  close(): Promise<void>
}

/** The batch that puts these entries. */
export function puts(entries: readonly (readonly [string, Buffer])[]): Operation[] {
  return entries.map(([key, value]) => ({ type: 'put', key, value }))
}

/** The batch that deletes these keys. */
export function deletes(keys: readonly string[]): Operation[] {
  return keys.map((key) => ({ type: 'del', key }))
}

/** Visits all entries of the iterator, a thousand at a time, and closes it. */
export async function visitAll(iterator: EntryIterator, visit: Visit): Promise<void> {
  for (;;) {
    const entries = await iterator.nextv(1000)
    if (entries.length === 0) break
    for (const [key, value] of entries) visit(key, value)
  }
  await iterator.close()
}
