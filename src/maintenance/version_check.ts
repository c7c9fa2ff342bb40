/**
 * The level checker: walks through all tables of a version at once, in the order of keys, and asserts what lookups rest on.
 *
 * Every table is checked in itself (`table_walk.ts`). Merged, the runs show what no table shows alone:
 *
 * 1. Of two versions of a key the one on the shallower run is newer. Runs are, from top to bottom: memtables, the tables of level 0 by age,
 *    then each level.
 * 2. No (key, sequence) stands in two tables.
 * 3. Every sequence is at most the last one that is said to be in tables.
 *
 * That tables of a level are disjoint is the version's own check: their bounds are compared with their content here.
 *
 * A table that cannot be read is told to the listener, and left out from there on. Memory: index, filter and some blocks of one table of
 * each run.
 */
import { compareBytes } from '../codec/bytes.js'
import { type InternalIterator, MOVED, type MoveStatus, NEEDS_IO } from '../codec/internal_iterator.js'
import { KIND_PUT } from '../codec/internal_key.js'
import { tableFileName } from '../sstable/format.js'
import type { TableMeta } from '../sstable/table_meta.js'
import { PAUSE, type Task } from '../util/task.js'
import { joinPath } from '../vfs/io.js'
import type { Vfs } from '../vfs/vfs.js'
import type { Version } from '../version/version.js'
import { printableKey, TableWalk } from './table_walk.js'

/** Entries between two pauses: about a millisecond's worth. */
const ENTRIES_PER_PAUSE = 2048

/** Hears what the checker finds, while it goes on. */
export interface CheckListener {
  /** A table was walked through, or could not be: then with the error. */
  onTable(table: TableMeta, level: number, error: unknown): void
  /** Entries of several tables contradict each other. */
  onContradiction(message: string, fileName: string): void
  /** So many bytes of tables were read since the last call. */
  onBytes(bytes: number): void
}

/** Takes all entries, in order; of equal ones only the first. */
export interface EntrySink {
  /** Asked before the first entry of a key: whether `pause` is to be run. */
  isDue(): boolean
  pause(): Task<void>
  add(entry: EntryFields): void
}

/** Tables that are disjoint and in order. */
export interface TableRun {
  readonly level: number
  readonly tables: readonly TableMeta[]
}

/** What is checked. */
export interface CheckSubject {
  readonly vfs: Vfs
  readonly dir: string
  /** From top to bottom: see `runsOf`. */
  readonly runs: readonly TableRun[]
  /** The greatest sequence that may be in tables. */
  readonly lastSequence: number
  /** Memtables above the version, newest first. */
  readonly memtables?: readonly InternalIterator[]
  /** Finds operations that share a sequence; takes memory for each entry, so only for small stores. */
  readonly findsSharedSequences?: boolean
  readonly sink?: EntrySink
}

/** The runs of a version: each table of level 0 is one, and each level below. */
export function runsOf(version: Version): TableRun[] {
  return version.levels.flatMap((tables, level) => {
    if (level === 0) return tables.map((table) => ({ level, tables: [table] }))
    return tables.length === 0 ? [] : [{ level, tables }]
  })
}

/** What was counted. */
export interface CheckCounts {
  /** Distinct keys. */
  keys: number
  /** Those whose newest version is a value. */
  liveKeys: number
}

/** Checks a version. */
export function* checkVersion(subject: CheckSubject, listener: CheckListener): Task<CheckCounts> {
  const check = new VersionCheck(subject, listener)
  try {
    return yield* check.run()
  } finally {
    check.close()
  }
}

/** An entry, as the fields of an iterator that stands on it. */
export type EntryFields = Pick<InternalIterator, 'data' | 'keyStart' | 'keyEnd' | 'valueStart' | 'valueEnd' | 'sequence' | 'kind'>

/** What the entries of a run come from. */
type Source = EntryFields & { next(): MoveStatus }

/** A sorted run: a memtable, a table of level 0, or a level. */
class Run {
  readonly rank: number
  readonly level: number
  source: Source
  table: TableMeta | undefined = undefined
  private readonly tables: readonly TableMeta[]
  private readonly subject: CheckSubject
  private readonly listener: CheckListener
  private status: MoveStatus = NEEDS_IO
  private failure: unknown = undefined
  private opened = 0
  private walk: TableWalk | undefined = undefined
  private bytesTold = 0

  constructor(rank: number, level: number, tables: readonly TableMeta[], source: Source, subject: CheckSubject, listener: CheckListener) {
    this.rank = rank
    this.level = level
    this.tables = tables
    this.source = source
    this.subject = subject
    this.listener = listener
  }

  /** To the next entry, if it is in memory; otherwise `settle` brings it. Hot: once for each entry. */
  next(): boolean {
    try {
      this.status = this.source.next()
    } catch (error) {
      if (this.table === undefined) throw error
      this.failure = error
      return false
    }
    return this.status === MOVED
  }

  /** Does what `next` could not; `false` after the last entry of the last table. Tables that turn out damaged are passed over. */
  *settle(): Task<boolean> {
    do {
      try {
        if (this.failure !== undefined) throw this.failure
        if (this.walk !== undefined && this.status === NEEDS_IO) {
          yield* this.walk.load()
          this.tellBytes()
        } else {
          if (this.walk !== undefined) this.end(undefined)
          if (!(yield* this.open())) return false
        }
      } catch (error) {
        if (this.table === undefined) throw error
        this.failure = undefined
        this.end(error)
      }
    } while (!this.next())
    return true
  }

  close(): void {
    this.walk?.close()
    this.walk = undefined
  }

  /** Opens the next table; `false` when there is none. */
  private *open(): Task<boolean> {
    const table = this.tables[this.opened]
    if (table === undefined) return false
    this.opened++
    this.table = table
    this.bytesTold = 0
    const { vfs, dir } = this.subject
    this.walk = yield* TableWalk.open(vfs, joinPath(dir, tableFileName(table.fileNumber)), table)
    this.source = this.walk
    this.tellBytes()
    return true
  }

  private end(error: unknown): void {
    const { table, walk } = this
    this.close()
    this.source = NO_SOURCE
    // What was not read of a damaged table counts as dealt with.
    this.listener.onBytes(table!.fileBytes - this.bytesTold)
    if (walk !== undefined && error === undefined) this.checkSequences(walk.meta)
    this.listener.onTable(table!, this.level, error)
  }

  private checkSequences(table: TableMeta): void {
    const { lastSequence } = this.subject
    if (table.largestSequence <= lastSequence) return
    const message = `${nameOf(table, this.level)} has the sequence ${table.largestSequence}, and the last one in tables is ${lastSequence}`
    this.listener.onContradiction(message, tableFileName(table.fileNumber))
  }

  private tellBytes(): void {
    const { bytesRead } = this.walk!
    this.listener.onBytes(bytesRead - this.bytesTold)
    this.bytesTold = bytesRead
  }
}

class VersionCheck {
  private readonly listener: CheckListener
  private readonly runs: Run[] = []
  /** Runs that stand on an entry, as a binary heap. */
  private readonly heap: Run[] = []
  private readonly counts: CheckCounts = { keys: 0, liveKeys: 0 }
  private readonly sequences: Set<number> | undefined
  private readonly sink: EntrySink | undefined
  /** The entry before. */
  private data: Buffer = Buffer.alloc(0)
  private keyStart = 0
  private keyEnd = 0
  private sequence = 0
  private rank = -1
  private table: TableMeta | undefined = undefined
  private level = -1

  constructor(subject: CheckSubject, listener: CheckListener) {
    this.listener = listener
    this.sequences = subject.findsSharedSequences === true ? new Set() : undefined
    const add = (level: number, tables: readonly TableMeta[], source: Source): void => {
      this.runs.push(new Run(this.runs.length, level, tables, source, subject, listener))
    }
    for (const memtable of subject.memtables ?? []) add(-1, [], new MemtableSource(memtable))
    for (const { level, tables } of subject.runs) add(level, tables, NO_SOURCE)
    this.sink = subject.sink
  }

  *run(): Task<CheckCounts> {
    const { heap } = this
    for (const run of this.runs) {
      if (run.next() || (yield* run.settle())) heap.push(run)
    }
    for (let i = (heap.length >>> 1) - 1; i >= 0; i--) this.siftDown(i)
    let untilPause = ENTRIES_PER_PAUSE
    while (heap.length > 0) {
      const run = heap[0]!
      const isSameKey = this.isSameKey(run)
      if (this.sink !== undefined) {
        if (!isSameKey && this.sink.isDue()) yield* this.sink.pause()
        if (!isSameKey || run.source.sequence !== this.sequence) this.sink.add(run.source)
      }
      this.take(run, isSameKey)
      if (!run.next() && !(yield* run.settle())) {
        const last = heap.pop()!
        if (heap.length === 0) break
        if (last !== run) heap[0] = last
      }
      this.siftDown(0)
      if (--untilPause > 0) continue
      untilPause = ENTRIES_PER_PAUSE
      yield PAUSE
    }
    return this.counts
  }

  close(): void {
    for (const run of this.runs) run.close()
  }

  private isSameKey(run: Run): boolean {
    const { data, keyStart, keyEnd } = run.source
    return this.rank >= 0 && compareBytes(this.data, this.keyStart, this.keyEnd, data, keyStart, keyEnd) === 0
  }

  /** Compares the smallest entry of all runs with the one before it. */
  private take(run: Run, isSameKey: boolean): void {
    const { data, keyStart, keyEnd, sequence, kind } = run.source
    if (isSameKey) {
      if (sequence === this.sequence) this.contradict(run, (above, here) => `${above} and ${here} both have the sequence ${sequence}`)
      else if (run.rank < this.rank) {
        this.contradict(run, (below, here) => `${here} has the sequence ${sequence}, which is older than ${this.sequence} in ${below}`)
      }
    } else {
      this.counts.keys++
      if (kind === KIND_PUT) this.counts.liveKeys++
    }
    if (this.sequences !== undefined && sequence > 0) {
      if (this.sequences.has(sequence)) this.contradict(run, () => `the sequence ${sequence} was given to another operation, too`)
      this.sequences.add(sequence)
    }
    this.data = data
    this.keyStart = keyStart
    this.keyEnd = keyEnd
    this.sequence = sequence
    this.rank = run.rank
    this.table = run.table
    this.level = run.level
  }

  private contradict(run: Run, problem: (before: string, here: string) => string): void {
    const { data, keyStart, keyEnd } = run.source
    const text = problem(nameOf(this.table, this.level), nameOf(run.table, run.level))
    const fileName = run.table === undefined ? '' : tableFileName(run.table.fileNumber)
    this.listener.onContradiction(`of the key ${printableKey(data, keyStart, keyEnd)}, ${text}`, fileName)
  }

  private siftDown(start: number): void {
    const { heap } = this
    let at = start
    for (;;) {
      let least = at
      for (let child = 2 * at + 1; child <= 2 * at + 2; child++) {
        if (child < heap.length && isBefore(heap[child]!, heap[least]!)) least = child
      }
      if (least === at) return
      const moved = heap[at]!
      heap[at] = heap[least]!
      heap[least] = moved
      at = least
    }
  }
}

function nameOf(table: TableMeta | undefined, level: number): string {
  return table === undefined ? 'a memtable' : `${tableFileName(table.fileNumber)} on level ${level}`
}

/** The order of internal entries; of equal ones, the one of the shallower run comes first. */
function isBefore(left: Run, right: Run): boolean {
  const a = left.source
  const b = right.source
  const order = compareBytes(a.data, a.keyStart, a.keyEnd, b.data, b.keyStart, b.keyEnd)
  if (order !== 0) return order < 0
  return a.sequence === b.sequence ? left.rank < right.rank : a.sequence > b.sequence
}

/** A memtable, whose iterator has to be placed by its first move. */
class MemtableSource implements Source {
  data: Buffer = Buffer.alloc(0)
  keyStart = 0
  keyEnd = 0
  valueStart = 0
  valueEnd = 0
  sequence = 0
  kind = 0
  private readonly iterator: InternalIterator
  private isBegun = false

  constructor(iterator: InternalIterator) {
    this.iterator = iterator
  }

  next(): MoveStatus {
    const { iterator } = this
    const status = this.isBegun ? iterator.next() : iterator.seekToFirst()
    this.isBegun = true
    this.data = iterator.data
    this.keyStart = iterator.keyStart
    this.keyEnd = iterator.keyEnd
    this.valueStart = iterator.valueStart
    this.valueEnd = iterator.valueEnd
    this.sequence = iterator.sequence
    this.kind = iterator.kind
    return status
  }
}

/** Before the first table of a run is open. */
const NO_SOURCE: Source = {
  data: Buffer.alloc(0),
  keyStart: 0,
  keyEnd: 0,
  valueStart: 0,
  valueEnd: 0,
  sequence: 0,
  kind: 0,
  next: () => NEEDS_IO,
}
