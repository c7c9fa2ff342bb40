/**
 * A store without the store: tables on a simulated disk, and jobs over them.
 */
import { MOVED } from '../../../src/codec/internal_iterator.js'
import { KIND_PUT, SEQUENCE_MAX } from '../../../src/codec/internal_key.js'
import type { CompactionJob, FlushJob, JobResult, TableSettings } from '../../../src/compaction/executor.js'
import { jobTask } from '../../../src/compaction/job.js'
import { fileNumbersFor } from '../../../src/compaction/job_making.js'
import { QUIET_STATE } from '../../../src/compaction/picker.js'
import { boundsOf, level0Cluster, overlapping, Picking } from '../../../src/compaction/picking.js'
import type { CompactionPlan } from '../../../src/compaction/plan.js'
import { Memtable } from '../../../src/memtable/memtable.js'
import { tableFileName } from '../../../src/sstable/format.js'
import { ReadContext } from '../../../src/sstable/read_context.js'
import type { TableMeta } from '../../../src/sstable/table_meta.js'
import { TableReader } from '../../../src/sstable/table_reader.js'
import { runTaskSync } from '../../../src/util/task.js'
import { Version } from '../../../src/version/version.js'
import { MemoryVfs } from '../../../src/vfs/memory.js'
import type { Vfs } from '../../../src/vfs/vfs.js'
import { type Entry, entryAt } from '../iterator/array_iterator.js'
import { cutAtKeys, writeTable } from '../iterator/tables.js'

/** How jobs of tests write tables. */
export const settings: TableSettings = {
  dir: '/db',
  blockSize: 128,
  compression: ['none', 'none', 'none', 'none', 'none', 'none', 'none'],
  compressionLevel: 1,
  bloomFalsePositiveRate: 0.01,
}

/** Memtable size that goes with it: tables are cut at 1,000 bytes. */
export const SMALL_MEMTABLE = 500

/** Tables of a store, and jobs on them. */
export class JobStore {
  readonly vfs: Vfs
  version: Version = Version.empty()
  nextFileNumber = 1
  #jobId = 0

  constructor(vfs: Vfs = new MemoryVfs()) {
    this.vfs = vfs
    vfs.mkdirSync('/db')
  }

  /** Adds entries to a level, as one table on level 0, as several of about `size` entries elsewhere. */
  add(level: number, entries: readonly Entry[], size = 20): TableMeta[] {
    const groups = level === 0 ? [[...entries]] : cutAtKeys(entries, size)
    const tables = groups.filter((group) => group.length > 0).map((group) => writeTable(this.vfs, '/db', this.nextFileNumber++, group))
    this.version = this.version.applyEdit({ added: tables.map((table) => ({ level, table })), removed: [] })
    return tables
  }

  /** A plan for these tables of a level and all they bring along. */
  plan(level: number, tables: readonly TableMeta[], toLevel: number): CompactionPlan {
    const picking = new Picking(this.version, QUIET_STATE, SMALL_MEMTABLE)
    const inputs = level === 0 ? level0Cluster(this.version.levels[0]!, 1e9, (table) => tables.includes(table)) : tables
    const below = toLevel === level ? [] : overlapping(this.version.levels[toLevel]!, boundsOf(inputs))
    return picking.plan('manual', toLevel, [
      { level, tables: inputs },
      { level: toLevel, tables: below },
    ])!
  }

  job(plan: CompactionPlan, snapshots: readonly number[] = []): CompactionJob {
    const fileNumberCount = fileNumbersFor(plan)
    const firstFileNumber = this.nextFileNumber
    this.nextFileNumber += fileNumberCount
    return { kind: 'compaction', id: ++this.#jobId, settings, snapshots, plan, firstFileNumber, fileNumberCount }
  }

  flushJob(entries: readonly Entry[], snapshots: readonly number[] = [], deeper: FlushJob['deeper'] = []): FlushJob {
    const memtables = [memtableOf(entries)]
    const arenas = memtables.map(({ arena }) => arena)
    return {
      kind: 'flush',
      id: ++this.#jobId,
      settings,
      snapshots,
      firstFileNumber: this.nextFileNumber++,
      fileNumberCount: 1,
      arenas,
      deeper,
    }
  }

  run(job: CompactionJob | FlushJob): JobResult {
    return runTaskSync(jobTask(job, { vfs: this.vfs, isCancelled: () => false }))
  }

  /** Runs the plan and installs its result. */
  compact(plan: CompactionPlan, snapshots: readonly number[] = []): JobResult {
    const result = this.run(this.job(plan, snapshots))
    const removed = plan.inputs.flatMap(({ level, tables }) => tables.map(({ fileNumber }) => ({ level, fileNumber })))
    this.version = this.version.applyEdit({ added: result.outputs.map(({ level, table }) => ({ level, table })), removed })
    this.version.check()
    return result
  }

  entries(table: TableMeta): Entry[] {
    return readTable(this.vfs, table)
  }

  all(): Entry[] {
    return this.version.levels.flatMap((tables) => tables.flatMap((table) => this.entries(table)))
  }

  files(): string[] {
    return this.vfs.readdirSync('/db')
  }
}

/** A frozen memtable with these entries. */
export function memtableOf(entries: readonly Entry[]): Memtable {
  const memtable = Memtable.create(1024 * 1024)
  for (const { key, value, sequence, kind } of entries) {
    const data = Buffer.from(key + value)
    const keyEnd = Buffer.byteLength(key)
    memtable.insert(data, 0, keyEnd, keyEnd, data.length, sequence, kind)
  }
  memtable.freeze()
  return memtable
}

/** All entries of a table. */
export function readTable(vfs: Vfs, table: TableMeta): Entry[] {
  const reader = TableReader.openSync(vfs, `/db/${tableFileName(table.fileNumber)}`, table)
  const iterator = reader.iterator(new ReadContext())
  const entries: Entry[] = []
  for (let status = iterator.seekToFirst(); status === MOVED; status = iterator.next()) entries.push(entryAt(iterator))
  iterator.close()
  reader.release()
  return entries
}

/** What a reader at `sequence` sees, as key=value. */
export function visibleAt(entries: readonly Entry[], sequence: number): string[] {
  const newest = new Map<string, Entry>()
  for (const entry of entries) {
    const known = newest.get(entry.key)
    if (entry.sequence <= sequence && (known === undefined || known.sequence < entry.sequence)) newest.set(entry.key, entry)
  }
  return [...newest.values()]
    .filter(({ kind }) => kind === KIND_PUT)
    .map(({ key, value }) => `${key}=${value}`)
    .toSorted()
}

/** What all of these snapshots, and a reader of the latest state, see. */
export function viewsOf(entries: readonly Entry[], snapshots: readonly number[]): string[][] {
  return [...snapshots, SEQUENCE_MAX].map((sequence) => visibleAt(entries, sequence))
}
