/**
 * A store reduced to what the scheduler sees of one: memtables, a version, installations; and a model of its content.
 */
import { CompactionScheduler } from '../../../src/compaction/compaction_scheduler.js'
import { InlineExecutor } from '../../../src/compaction/inline_executor.js'
import type {
  CompactionSummary,
  FlushRequest,
  FlushSummary,
  Installation,
  JobDescription,
  SchedulerHost,
} from '../../../src/compaction/scheduler.js'
import { KIND_DELETE, KIND_PUT } from '../../../src/codec/internal_key.js'
import { Memtable } from '../../../src/memtable/memtable.js'
import { tableFileName } from '../../../src/sstable/format.js'
import { ManualClock } from '../../../src/util/clock.js'
import type { StoreError } from '../../../src/util/errors.js'
import { type Step, step, type Task } from '../../../src/util/task.js'
import { Version } from '../../../src/version/version.js'
import { MemoryVfs } from '../../../src/vfs/memory.js'
import type { Vfs } from '../../../src/vfs/vfs.js'
import { readTable, visibleAt } from './job_store.js'
import type { Entry } from '../iterator/array_iterator.js'

const ENTRIES_PER_MEMTABLE = 40

/** Memtable size by which the scheduler of a fake store plans: tables are cut at 4,000 bytes, a base level holds 8,000. */
export const MEMTABLE_BYTES = 2000

/** A flush request with what the model knows of it. */
export interface FakeFlush extends FlushRequest {
  readonly entries: readonly Entry[]
}

/** See the head of the file. */
export class FakeStore implements SchedulerHost<FakeFlush> {
  readonly vfs: Vfs
  readonly clock = new ManualClock()
  readonly executor: InlineExecutor
  readonly scheduler: CompactionScheduler<FakeFlush>
  version = Version.empty()
  sequence = 0
  pinned: number[] = []
  isQuiet = false
  readonly flushes: FlushSummary[] = []
  readonly compactions: CompactionSummary[] = []
  readonly started: string[] = []
  readonly errors: StoreError[] = []
  readonly installations: Installation<FakeFlush>[] = []
  /** Thrown by the next installation. */
  installError: Error | undefined
  /** What the sync of an installation does, in both forms. */
  sync: Step<void> = { runSync: () => {}, run: async () => {} }
  #nextFileNumber = 1
  #entries: Entry[] = []
  /** Requested and not installed. */
  readonly frozen: FakeFlush[] = []
  readonly #versions = new Set<Version>()

  constructor(vfs: Vfs = new MemoryVfs()) {
    this.vfs = vfs
    vfs.mkdirSync('/db')
    this.executor = new InlineExecutor(vfs, this.clock)
    this.scheduler = new CompactionScheduler<FakeFlush>(this, this.executor, {
      dir: '/db',
      memtableSize: MEMTABLE_BYTES,
      blockSize: 512,
      compression: ['none', 'none', 'none', 'none', 'none', 'none', 'none'],
      compressionLevel: 1,
      bloomFalsePositiveRate: 0.01,
      clock: this.clock,
    })
    this.#adopt(this.version)
  }

  put(key: string, value = `${key}@${this.sequence + 1}`): void {
    this.#write({ key, sequence: ++this.sequence, kind: KIND_PUT, value })
  }

  delete(key: string): void {
    this.#write({ key, sequence: ++this.sequence, kind: KIND_DELETE, value: '' })
  }

  /** Freezes what was written and asks for its flush. */
  roll(): void {
    if (this.#entries.length === 0) return
    const memtable = Memtable.create(64 * 1024)
    for (const { key, value, sequence, kind } of this.#entries) {
      const data = Buffer.from(key + value)
      const keyEnd = Buffer.byteLength(key)
      memtable.insert(data, 0, keyEnd, keyEnd, data.length, sequence, kind)
    }
    memtable.freeze()
    const request = { memtable, entries: this.#entries }
    this.#entries = []
    this.frozen.push(request)
    this.scheduler.requestFlush(request)
  }

  /** What a reader at `sequence` sees in tables and memtables. */
  visible(sequence = Number.MAX_SAFE_INTEGER): string[] {
    const tables = this.version.levels.flatMap((level) => level.flatMap((table) => readTable(this.vfs, table)))
    return visibleAt([...tables, ...this.frozen.flatMap(({ entries }) => entries), ...this.#entries], sequence)
  }

  /** Numbers of tables by level. */
  shape(): number[] {
    return this.version.levels.map((tables) => tables.length)
  }

  files(): string[] {
    return this.vfs.readdirSync('/db')
  }

  /** Names of the files of the current version. */
  liveFiles(): string[] {
    return this.version.levels
      .flat()
      .map(({ fileNumber }) => tableFileName(fileNumber))
      .toSorted()
  }

  /** References on versions other than the store's own on the current one. */
  strayReferences(): number {
    return [...this.#versions].reduce((sum, version) => sum + version.referenceCount, -1)
  }

  currentVersion(): Version {
    return this.version
  }

  snapshots(): readonly number[] {
    return [...this.pinned, this.sequence]
  }

  allocateFileNumbers(count: number): number {
    const first = this.#nextFileNumber
    this.#nextFileNumber += count
    return first
  }

  *install(installation: Installation<FakeFlush>): Task<void> {
    yield* step(this.sync)
    if (this.installError !== undefined) throw this.installError
    this.installations.push(installation)
    for (const request of installation.flushed) {
      if (this.frozen.shift() !== request) throw new Error('flushes are installed in the order of their requests')
    }
    const before = this.version
    this.version = before.applyEdit(installation)
    this.#adopt(this.version)
    before.unref()
  }

  isIdle(): boolean {
    return this.isQuiet
  }

  onJobError(error: StoreError, job: JobDescription): void {
    this.errors.push(error)
    this.started.push(`${job.kind} failed`)
  }

  onJobStart(job: JobDescription): void {
    this.started.push(`${job.kind} ${job.reason} L${job.fromLevel} to L${job.toLevel}`)
  }

  onFlush(summary: FlushSummary): void {
    this.flushes.push(summary)
  }

  onCompaction(summary: CompactionSummary): void {
    this.compactions.push(summary)
  }

  #write(entry: Entry): void {
    this.#entries.push(entry)
    if (this.#entries.length === ENTRIES_PER_MEMTABLE) this.roll()
  }

  /** Takes the store's reference, and deletes the files that go with a version. */
  #adopt(version: Version): void {
    version.ref()
    this.#versions.add(version)
    version.onRelease = () => {
      this.#versions.delete(version)
      const live = new Set([...this.#versions].flatMap(({ levels }) => levels.flat().map(({ fileNumber }) => fileNumber)))
      for (const { fileNumber } of version.levels.flat()) if (!live.has(fileNumber)) this.vfs.unlinkSync(`/db/${tableFileName(fileNumber)}`)
    }
  }
}
