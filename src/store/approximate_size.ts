/**
 * How much of the store's files a range takes, roughly.
 *
 * A table that lies within the range counts whole; one that reaches beyond it counts from block to block, by its index. Versions that
 * compaction has yet to drop count, too: they take space. Nothing but indexes is read.
 */
import { compareBytes } from '../codec/bytes.js'
import { ReadContext } from '../sstable/read_context.js'
import type { TableMeta } from '../sstable/table_meta.js'
import { checkRange } from './call_options.js'
import type { Engine } from './engine.js'
import { type EncodedRange, type KeyRange, encodeRange } from './scan.js'

/** Bytes of the tables that hold keys of the range. */
export async function approximateSize(engine: Engine, range: KeyRange): Promise<number> {
  engine.checkReadable()
  checkRange(range)
  const bounds = encodeRange(range)
  const { lower, upper } = bounds
  if (lower !== undefined && upper !== undefined && Buffer.compare(lower, upper) >= 0) return 0
  const { view } = engine
  view.reference()
  try {
    let bytes = 0
    for (let level = 0; level < view.version.levels.length; level++) {
      for (const table of view.version.overlapping(level, lower, upper)) bytes += await bytesOf(engine, table, bounds)
    }
    return bytes
  } finally {
    view.release()
  }
}

async function bytesOf(engine: Engine, table: TableMeta, { lower, upper }: EncodedRange): Promise<number> {
  const { smallestKey, largestKey } = table
  const startsInside = lower === undefined || compare(lower, smallestKey) <= 0
  const endsInside = upper === undefined || compare(largestKey, upper) < 0
  if (startsInside && endsInside) return table.fileBytes
  // The store may have been closed since the table before: nothing is to be opened then.
  engine.checkReadable()
  const context = new ReadContext(false, engine.options.verifyChecksums)
  let reader = engine.tables.reader(table, context)
  while (reader === undefined) {
    await context.load()
    engine.checkReadable()
    reader = engine.tables.reader(table, context)
  }
  const start = startsInside ? 0 : reader.approximateOffsetOf(lower!)
  const end = endsInside ? table.fileBytes : reader.approximateOffsetOf(upper!)
  return Math.max(0, end - start)
}

function compare(a: Uint8Array, b: Uint8Array): number {
  return compareBytes(a, 0, a.length, b, 0, b.length)
}
