/**
 * Where the versions of a specimen lie, block by block and record by record, and which of them damage leaves within reach of a repair.
 *
 * - An entry of a table is within reach when its block has all of its bytes, and either everything behind the blocks has, too, or no block
 *   before it is damaged: without an index, blocks are found from the front.
 * - A write in a log is within reach when salvage keeps it, by the rule of `log_oracle.ts`.
 *
 * So a flip costs at most one block or record, and one in a filter, an index, properties or a footer costs nothing. Blocks are found as
 * they were written, in tables that nothing has damaged.
 */
import { BlockCursor } from '../../../src/sstable/block_cursor.js'
import { entryCountOf } from '../../../src/sstable/data_block.js'
import { openBlock, RAW_BLOCK_BYTES_MAX } from '../../../src/sstable/format.js'
import { allocateTail, parseTail, readTableMetaSync } from '../../../src/sstable/table_tail.js'
import { differences, judgeLogs, recordsOf } from './log_oracle.js'
import type { Specimen, SpecimenFile } from './specimen.js'

/** A block of a table: where it lies, and its keys. */
interface TableBlock {
  readonly start: number
  readonly end: number
  readonly keys: readonly string[]
}

/** What damage leaves within reach. */
export interface Reach {
  /** Whether a version is there to be kept, by its key and sequence number. */
  readonly has: (key: string, sequence: number) => boolean
  /** Entries of a table or writes of a log that are, by its path. */
  readonly counts: ReadonlyMap<string, number>
  /** Whether the end of a log goes without being called damage, as when it is opened. */
  readonly isLogCut: boolean
}

const known = new WeakMap<Specimen, ReadonlyMap<string, readonly TableBlock[]>>()

/** What is within reach in files with these contents. */
export function reachOf(specimen: Specimen, contents: ReadonlyMap<string, Buffer>): Reach {
  const ranges = specimen.files.flatMap((file) => differences(file, contents.get(file.path) ?? Buffer.alloc(0)))
  const logs = judgeLogs(specimen, ranges)
  const counts = new Map<string, number>()
  const keys: Set<string>[] = []
  for (const file of specimen.files) {
    if (file.kind === 'table') {
      const left = blocksWithinReach(blocksOf(specimen).get(file.path)!, file, contents.get(file.path)).flatMap((block) => block.keys)
      counts.set(file.path, left.length)
      keys.push(new Set(left))
    } else if (file.kind === 'log') {
      const sequences = recordsOf(file.content).flatMap(({ firstSequence, operations }) =>
        Array.from({ length: operations }, (_, i) => firstSequence + i),
      )
      counts.set(file.path, sequences.filter((sequence) => logs.isKept(sequence)).length)
    }
  }
  const has = (key: string, sequence: number): boolean => {
    const flush = specimen.flushes.findIndex((last) => sequence <= last)
    return flush < 0 ? logs.isKept(sequence) : keys[flush]!.has(key)
  }
  return { has, counts, isLogCut: logs.lostCount > 0 && !logs.isDamage }
}

/** How many entries a table has, by its path. */
export function entryCountsOf(specimen: Specimen): ReadonlyMap<string, number> {
  return new Map([...blocksOf(specimen)].map(([path, blocks]) => [path, blocks.reduce((sum, { keys }) => sum + keys.length, 0)]))
}

function blocksWithinReach(blocks: readonly TableBlock[], { content }: SpecimenFile, found: Buffer = Buffer.alloc(0)): TableBlock[] {
  const isWhole = (start: number, end: number): boolean => found.subarray(start, end).equals(content.subarray(start, end))
  const tailOffset = blocks.at(-1)!.end
  const hasTail = found.length === content.length && isWhole(tailOffset, content.length)
  const firstDamaged = blocks.findIndex(({ start, end }) => !isWhole(start, end))
  return blocks.filter(({ start, end }, i) => isWhole(start, end) && (hasTail || firstDamaged < 0 || i < firstDamaged))
}

function blocksOf(specimen: Specimen): ReadonlyMap<string, readonly TableBlock[]> {
  let blocks = known.get(specimen)
  if (blocks === undefined) {
    const tables = specimen.files.filter(({ kind }) => kind === 'table')
    if (tables.length !== specimen.flushes.length) throw new Error(`${specimen.flushes.length} flushes have left ${tables.length} tables`)
    blocks = new Map(tables.map(({ path }) => [path, readBlocks(specimen, path)]))
    known.set(specimen, blocks)
  }
  return blocks
}

function readBlocks({ disk }: Specimen, path: string): TableBlock[] {
  const fileNumber = Number(/(\d+)\.sst$/.exec(path)![1])
  const content = disk.readFile(path)
  const file = disk.openSync(path, 'read')
  try {
    const meta = readTableMetaSync(file, fileNumber)
    const tail = allocateTail(file, meta)
    content.copy(tail, 0, meta.tailOffset)
    const { offsets, count } = parseTail(tail, tail.length, meta, path).index
    return Array.from({ length: count }, (_, i) => {
      const [start, end] = [offsets[i]!, offsets[i + 1]!]
      const frame = Buffer.from(content.subarray(start, end))
      return { start, end, keys: keysOf(openBlock({ path, fileNumber }, frame, 0, frame.length, start, RAW_BLOCK_BYTES_MAX, true)) }
    })
  } finally {
    file.closeSync()
  }
}

function keysOf(block: Buffer): string[] {
  const cursor = new BlockCursor()
  cursor.enter(block, 0)
  return Array.from({ length: entryCountOf(block) }, (_, i) => {
    cursor.moveTo(i)
    return cursor.data.toString('latin1', cursor.keyStart, cursor.keyEnd)
  })
}
