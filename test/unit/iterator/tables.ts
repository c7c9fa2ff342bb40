/**
 * Real tables on the simulated disk, for tests of what reads them.
 */
import { TableBuilder, type TableBuilderOptions } from '../../../src/sstable/table_builder.js'
import { tableFileName } from '../../../src/sstable/format.js'
import type { TableMeta } from '../../../src/sstable/table_meta.js'
import { runTaskSync } from '../../../src/util/task.js'
import { joinPath } from '../../../src/vfs/io.js'
import type { Vfs } from '../../../src/vfs/vfs.js'
import { compareEntries, type Entry } from './array_iterator.js'

/** Small blocks, so that few entries make many of them. */
export const smallBlocks: TableBuilderOptions = { blockSize: 64, codec: 'none', compressionLevel: 1, bloomFalsePositiveRate: 0.01 }

/** Writes a table of the entries, in their order. */
export function writeTable(vfs: Vfs, dir: string, fileNumber: number, entries: readonly Entry[], options = smallBlocks): TableMeta {
  const builder = new TableBuilder(vfs, joinPath(dir, tableFileName(fileNumber)), fileNumber, options)
  for (const entry of entries.toSorted(compareEntries)) {
    const data = Buffer.from(entry.key + entry.value)
    const keyEnd = Buffer.byteLength(entry.key)
    builder.add(data, 0, keyEnd, entry.sequence, entry.kind, keyEnd, data.length)
  }
  return runTaskSync(builder.finish())
}

/** Cuts entries at user keys into groups of about `size`. */
export function cutAtKeys(entries: readonly Entry[], size: number): Entry[][] {
  const groups: Entry[][] = []
  for (const entry of entries.toSorted(compareEntries)) {
    const group = groups.at(-1)
    if (group === undefined || (group.length >= size && group.at(-1)!.key !== entry.key)) groups.push([entry])
    else group.push(entry)
  }
  return groups
}
