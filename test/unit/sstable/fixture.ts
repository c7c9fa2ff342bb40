/**
 * Tables for tests: entries in plain form, the sorted-array model that tables are checked against, and tables built on a disk in memory.
 */
import type { BlockCache } from '../../../src/cache/block_cache.js'
import { hashKey } from '../../../src/codec/hash.js'
import { type InternalIterator, MOVED, type MoveStatus, NEEDS_IO } from '../../../src/codec/internal_iterator.js'
import { KIND_DELETE, KIND_PUT } from '../../../src/codec/internal_key.js'
import { TableBuilder, type TableBuilderOptions } from '../../../src/sstable/table_builder.js'
import type { TableMeta } from '../../../src/sstable/table_meta.js'
import { FOUND, TableReader } from '../../../src/sstable/table_reader.js'
import { ReadContext } from '../../../src/sstable/read_context.js'
import { tableFileName } from '../../../src/sstable/format.js'
import type { Random } from '../../../src/util/random.js'
import { runTaskSync } from '../../../src/util/task.js'
import { MemoryVfs } from '../../../src/vfs/memory.js'

/** An internal entry in plain form; key and value are latin1. */
export interface Entry {
  readonly key: string
  readonly sequence: number
  readonly kind: number
  readonly value: string
}

/** A put. */
export function put(key: string, sequence: number, value = `${key}@${sequence}`): Entry {
  return { key, sequence, kind: KIND_PUT, value }
}

/** A deletion. */
export function deletion(key: string, sequence: number): Entry {
  return { key, sequence, kind: KIND_DELETE, value: '' }
}

/** The order of internal entries. */
export function compareEntries(a: Entry, b: Entry): number {
  return Buffer.compare(bytes(a.key), bytes(b.key)) || b.sequence - a.sequence
}

/** The bytes of a key or value. */
export function bytes(text: string): Buffer {
  return Buffer.from(text, 'latin1')
}

/** How the tables of tests are written unless they say otherwise. */
export const OPTIONS: TableBuilderOptions = { blockSize: 256, codec: 'none', compressionLevel: 1, bloomFalsePositiveRate: 0.01 }

/** A disk with one table on it. */
export interface BuiltTable {
  readonly vfs: MemoryVfs
  readonly path: string
  readonly meta: TableMeta
}

/** Adds an entry to a table. */
export function addEntry(builder: TableBuilder, entry: Entry): void {
  const data = Buffer.concat([bytes(entry.key), bytes(entry.value)])
  const keyEnd = entry.key.length
  builder.add(data, 0, keyEnd, entry.sequence, entry.kind, keyEnd, data.length)
}

/** Writes a table of sorted entries. */
export function buildTable(
  entries: readonly Entry[],
  options: Partial<TableBuilderOptions> = {},
  fileNumber = 12,
  vfs: MemoryVfs = new MemoryVfs(),
): BuiltTable {
  const path = tableFileName(fileNumber)
  const builder = new TableBuilder(vfs, path, fileNumber, { ...OPTIONS, ...options })
  for (const entry of entries) addEntry(builder, entry)
  return { vfs, path, meta: runTaskSync(builder.finish()) }
}

/** Opens a table. */
export function openTable({ vfs, path, meta }: BuiltTable, cache?: BlockCache): TableReader {
  return TableReader.openSync(vfs, path, meta, cache)
}

/** The entry that an iterator stands on. */
export function entryAt(iterator: InternalIterator): Entry {
  const { data, keyStart, keyEnd, valueStart, valueEnd, sequence, kind } = iterator
  return { key: data.toString('latin1', keyStart, keyEnd), sequence, kind, value: data.toString('latin1', valueStart, valueEnd) }
}

/** All entries from the first on. */
export function allForward(iterator: InternalIterator): Entry[] {
  const entries: Entry[] = []
  for (let status = iterator.seekToFirst(); status === MOVED; status = iterator.next()) entries.push(entryAt(iterator))
  return entries
}

/** All entries from the last on. */
export function allBackward(iterator: InternalIterator): Entry[] {
  const entries: Entry[] = []
  for (let status = iterator.seekToLast(); status === MOVED; status = iterator.prev()) entries.push(entryAt(iterator))
  return entries
}

/** A context for reads on the spot. */
export const BLOCKING = new ReadContext()

/** The newest version of `key` at `sequence` in a table, or `undefined`. */
export function getFrom(
  reader: TableReader,
  key: string,
  sequence: number,
  context: ReadContext = BLOCKING,
): Entry | undefined | 'needs io' {
  const keyBytes = bytes(key)
  const status = reader.get(keyBytes, 0, keyBytes.length, hashKey(keyBytes, 0, keyBytes.length), sequence, context)
  if (status === NEEDS_IO) return 'needs io'
  if (status !== FOUND) return undefined
  const { resultData, resultValueStart, resultValueEnd, resultKind, resultSequence } = reader
  return { key, sequence: resultSequence, kind: resultKind, value: resultData.toString('latin1', resultValueStart, resultValueEnd) }
}

/** Seeks by a key in plain form. */
export function seek(iterator: InternalIterator, key: string, sequence: number): MoveStatus {
  return iterator.seek(bytes(key), 0, key.length, sequence)
}

/** Seeks backward by a key in plain form. */
export function seekBefore(iterator: InternalIterator, key: string, sequence: number): MoveStatus {
  return iterator.seekBefore(bytes(key), 0, key.length, sequence)
}

/** What a lookup must find in sorted entries. */
export function modelGet(entries: readonly Entry[], key: string, sequence: number): Entry | undefined {
  return entries.find((entry) => entry.key === key && entry.sequence <= sequence)
}

/** Index of the first entry at or after (key, sequence). */
export function modelLowerBound(entries: readonly Entry[], key: string, sequence: number): number {
  const at = entries.findIndex((entry) => compareEntries(entry, { key, sequence, kind: 0, value: '' }) >= 0)
  return at < 0 ? entries.length : at
}

const KEY_SHAPES: readonly ((random: Random) => string)[] = [
  (random) => `user:${String(random.below(2000)).padStart(11, '0')}`,
  (random) => `${random.pick(['city', 'town'])}:${random.pick(['de', 'fr', 'us'])}:${random.below(300)}`,
  (random) => String.fromCharCode(...Array.from({ length: random.below(6) }, () => random.pick([0, 1, 97, 98, 254, 255]))),
  (random) => 'p'.repeat(random.below(200)) + String.fromCharCode(random.below(256)),
]

/** Sorted entries with keys of one shape; some keys have many versions. */
export function randomEntries(random: Random, count: number): Entry[] {
  const shape = random.pick(KEY_SHAPES)
  const hot = Array.from({ length: 3 }, () => shape(random))
  const entries = Array.from({ length: count }, (_, i) => {
    const key = random.chance(0.2) ? random.pick(hot) : shape(random)
    if (random.chance(0.1)) return deletion(key, i + 1)
    return put(key, i + 1, `${i}-`.repeat(random.chance(0.05) ? random.below(300) : random.below(12)))
  })
  return entries.toSorted(compareEntries)
}

/** The seed of a random test: `VARVE_SEED` replays one. */
export function testSeed(): number {
  const given = process.env['VARVE_SEED']
  return given === undefined ? Math.floor(Math.random() * 0x1_0000_0000) : Number(given)
}
