/**
 * Opening a store: from a directory to an engine.
 *
 * 1. Look at the directory; make the store if there is none and that was asked for.
 * 2. Take the lock (not for `readOnly`, which writes nothing).
 * 3. Read the manifest: version, oldest log, last sequence in tables.
 * 4. Replay the logs into memtables. A torn tail is cut, damage is an error or, with `recovery: 'salvage'`, skipped; both are reported.
 * 5. Put aside tables that hold more than was recovered. Delete what an earlier process left behind.
 *
 * Tables are not opened. All steps run synchronously (`openSync`) or with pauses (`open`) from the same code.
 *
 * Invariants
 * 1. A failure on the way leaves the directory as it was, but for files that no one refers to, and releases the lock.
 * 2. What is recovered is a prefix of what was written, and holds everything that an acknowledgement promised to keep.
 * 3. What is read beside a process that writes is the store as it was at one moment of the opening.
 * 4. Recovered operations that may exist in the page cache only become durable, as a table, before anything written later does.
 * 5. After a clean close, what is recovered holds everything that was there when the store was closed.
 */
import { BlockCache } from '../cache/block_cache.js'
import { prepareZstd } from '../codec/zstd.js'
import { CompactionScheduler } from '../compaction/compaction_scheduler.js'
import { createExecutor } from '../compaction/create_executor.js'
import { Memtable } from '../memtable/memtable.js'
import { ReadStats } from '../sstable/read_context.js'
import { TableCache } from '../sstable/table_cache.js'
import { StoreError } from '../util/errors.js'
import { slices } from '../util/slices.js'
import { PAUSE, type Task, runTask, runTaskSync, step } from '../util/task.js'
import { decodeCurrent, readCurrentSync } from '../version/current_file.js'
import { inspectDirectory } from '../version/directory.js'
import { manifestFileName } from '../version/file_names.js'
import { Manifest, type ManifestRecovery } from '../version/manifest.js'
import { putNewerTablesAside } from '../version/newer_tables.js'
import { joinPath, makeDirTask } from '../vfs/io.js'
import { type StoreLocation, placeOf } from '../vfs/location.js'
import { type StoreLock, lockTask } from '../vfs/lock.js'
import type { Vfs } from '../vfs/vfs.js'
import { OperationReader } from '../wal/operations.js'
import { PAYLOAD_PREFIX_BYTES } from '../wal/format.js'
import { type ClosedMark, type LogsRecoveryReport, recoverLogs } from '../wal/recovery.js'
import { Engine } from './engine.js'
import type { EngineParts } from './engine_parts.js'
import type { RecoveredMemtable } from './memtable_set.js'
import { type ResolvedOptions, type StoreOptions, resolveOptions } from './options.js'

/** Small logs are left as they are at a clean close; beyond so many, opening turns them into a table. */
const REPLAYED_LOGS_MAX = 4

/** How often a store that another process changes meanwhile is read. It takes milliseconds, and so does a flush. */
const READ_ONLY_ATTEMPTS_MAX = 100

/** In a process that opens its first store, code that runs for the first time takes so long, and each turn of the loop more. */
const FIRST_SLICE_MS = 15

/** What the manifest and the folder tell. */
type Found = Pick<ManifestRecovery, 'manifest' | 'logNumbers' | 'unnamedTables' | 'closedSequence' | 'hasLeftovers'>

/** Of a store that was just made. */
const NOTHING_FOUND = { logNumbers: [], unnamedTables: [], closedSequence: undefined, hasLeftovers: false }

/** What the logs held. */
interface Replayed {
  readonly report: LogsRecoveryReport
  readonly memtables: RecoveredMemtable[]
}

const NO_LOGS = { logs: [], records: 0, operations: 0, tornBytes: 0, droppedLogs: [], unsyncedLogs: [], damage: [] }
const NO_WARNINGS: readonly string[] = []

/** Opens a store. @throws StoreError see `Store.open` */
export async function openEngine(location: StoreLocation, options: StoreOptions | undefined): Promise<Engine> {
  const { path, resolved } = locate(location, options)
  return runTask(openTask(path, resolved), slices(resolved.clock, FIRST_SLICE_MS))
}

/** As `openEngine`, on the spot. */
export function openEngineSync(location: StoreLocation, options: StoreOptions | undefined): Engine {
  const { path, resolved } = locate(location, options)
  return runTaskSync(openTask(path, resolved))
}

/**
 * Has zstd's program compiled for a store that is to use it, which is most of what the first read of a young process would take otherwise:
 * threads of V8's do it while the manifest is read. The synchronous form leaves it to that read.
 */
class Preparation {
  #ready: Promise<void> | undefined;

  *begin(): Task<void> {
    const run = async (): Promise<void> => {
      this.#ready = prepareZstd()
    }
    yield* step({ run, runSync: () => undefined })
  }

  *end(): Task<void> {
    const run = async (): Promise<void> => {
      await this.#ready
    }
    yield* step({ run, runSync: () => undefined })
  }
}

function locate(location: StoreLocation, options: StoreOptions | undefined): { path: string; resolved: ResolvedOptions } {
  const resolved = resolveOptions(options)
  const { path, vfs } = placeOf(location, options?.vfs)
  return { path, resolved: vfs === resolved.vfs ? resolved : { ...resolved, vfs } }
}

function* openTask(path: string, options: ResolvedOptions): Task<Engine> {
  const { vfs } = options
  const isNew = yield* prepareDirectory(path, options)
  const preparation = !isNew && options.compression.includes('zstd') ? new Preparation() : undefined
  if (preparation !== undefined) yield* preparation.begin()
  if (options.readOnly) {
    const engine = yield* openReadOnlyTask(path, options)
    if (preparation !== undefined) yield* preparation.end()
    return engine
  }
  const lock = yield* lockTask(vfs, path, options.clock)
  let manifest: Manifest | undefined
  try {
    // Another process may have made the store between the look and the lock.
    const isStillNew = isNew && inspectDirectory(vfs, path) !== 'store'
    if (isStillNew) {
      manifest = yield* Manifest.create(vfs, path)
      return yield* assemble(path, options, lock, { ...NOTHING_FOUND, manifest })
    }
    const recovered = yield* Manifest.recover(vfs, path, { readOnly: false })
    manifest = recovered.manifest
    if (preparation !== undefined) yield* preparation.end()
    return yield* assemble(path, options, lock, recovered)
  } catch (error) {
    manifest?.closeSync()
    try {
      lock.releaseSync()
    } catch {
      // What opening failed with is what counts. A lock that could not be deleted is known to be free.
    }
    throw error
  }
}

/**
 * Another process may be writing to the store. Between the reading of its manifest and of the logs it may make a table of a log and delete
 * the log, so that what was read is neither what was there before nor what is there now: operations are missing, or files that were named.
 * Each such change goes through the manifest. If that is not as it was, everything is read anew.
 */
function* openReadOnlyTask(path: string, options: ResolvedOptions): Task<Engine> {
  for (let attempt = 1; ; attempt++) {
    const before = manifestStamp(options.vfs, path)
    let engine: Engine | undefined
    let failure: unknown
    try {
      engine = yield* recoverReadOnly(path, options)
    } catch (error) {
      failure = error
    }
    let isUnchanged: boolean
    try {
      isUnchanged = manifestStamp(options.vfs, path) === before
    } catch (error) {
      engine?.closeSync()
      throw failure ?? error
    }
    if (isUnchanged) {
      if (engine === undefined) throw failure
      return engine
    }
    engine?.closeSync()
    if (attempt === READ_ONLY_ATTEMPTS_MAX) {
      const message = `the store at ${path} was changed by another process each time it was read, ${attempt} times: try again`
      throw new StoreError('ERR_LOCKED', message, { path, cause: failure })
    }
    yield PAUSE
  }
}

function* recoverReadOnly(path: string, options: ResolvedOptions): Task<Engine> {
  const recovered = yield* Manifest.recover(options.vfs, path, { readOnly: true })
  try {
    return yield* assemble(path, options, undefined, recovered)
  } catch (error) {
    recovered.manifest.closeSync()
    throw error
  }
}

/** Differs before and after any edit: the manifest in force, and its length. */
function manifestStamp(vfs: Vfs, path: string): string {
  const content = readCurrentSync(vfs, path)
  const manifestNumber = content === undefined ? undefined : decodeCurrent(content)
  if (manifestNumber === undefined) return 'none'
  return `${manifestNumber} ${vfs.statSync(joinPath(path, manifestFileName(manifestNumber)))?.sizeBytes}`
}

/** Whether a store is to be made. */
function* prepareDirectory(path: string, options: ResolvedOptions): Task<boolean> {
  const { vfs, createIfMissing, errorIfExists, readOnly } = options
  const kind = inspectDirectory(vfs, path)
  if (kind === 'file') {
    throw new StoreError('ERR_NOT_A_STORE', `${path} is a file: a store is a directory, choose another path`, { path })
  }
  if (kind === 'foreign') {
    throw new StoreError('ERR_NOT_A_STORE', `${path} holds other files and no store: choose an empty or a new directory`, { path })
  }
  if (kind === 'destroyed') {
    const message = `the destruction of the store in ${path} was cut short: finish it with Store.destroy, or choose another directory`
    throw new StoreError('ERR_NOT_A_STORE', message, { path })
  }
  if (kind === 'store') {
    if (errorIfExists) throw new StoreError('ERR_EXISTS', `a store exists in ${path} already, and errorIfExists was given`, { path })
    return false
  }
  if (readOnly || !createIfMissing) {
    const reason = readOnly ? 'a read-only open makes none' : 'createIfMissing is false'
    throw new StoreError('ERR_NOT_A_STORE', `there does not exist a store in ${path}, and ${reason}`, { path })
  }
  yield* makeDirTask(vfs, path)
  return true
}

function* assemble(path: string, options: ResolvedOptions, lock: StoreLock | undefined, recovered: Found): Task<Engine> {
  const { vfs, clock } = options
  const { manifest } = recovered
  const { report, memtables } = needsNoLog(recovered) ? withoutLogs(manifest) : yield* replayLogs(path, options, recovered)
  const warnings = options.readOnly || isTidy(recovered, report) ? NO_WARNINGS : yield* tidyUp(path, options, recovered, report)
  // What was salvaged becomes a table, too: the damaged log would refuse the next opening.
  const isInDoubt = report.unsyncedLogs.length > 0 || report.damage.length > 0
  const mustFlush = !options.readOnly && (isInDoubt || report.logs.length > REPLAYED_LOGS_MAX)
  const blockCache = new BlockCache(options.blockCacheSize)
  const parts: EngineParts = {
    options,
    path,
    lock,
    manifest,
    blockCache,
    tables: new TableCache(vfs, path, blockCache, options.maxOpenTables, new ReadStats(clock)),
    memtables,
    mustFlush,
    lastSequence: report.lastSequence,
    nextFileNumber: manifest.state.nextFileNumber,
    makeScheduler: (engine) => {
      const executor = createExecutor({
        vfs,
        clock,
        threads: options.backgroundThreads,
        workerUrl: options.workerUrl,
        nice: options.backgroundNice,
        onWarning: (message) => engine.emit('warning', { message }),
      })
      return new CompactionScheduler(engine, executor, {
        dir: path,
        memtableSize: options.memtableSize,
        blockSize: options.blockSize,
        compression: options.compression,
        compressionLevel: options.compressionLevel,
        bloomFalsePositiveRate: options.bloomFalsePositiveRate,
        clock,
      })
    },
  }
  const engine = new Engine(parts)
  if (report.logs.length > 0 || report.damage.length > 0) reportRecovery(engine, report)
  // A turn later, so that a listener added right after opening hears of it.
  if (warnings.length > 0) clock.nextTurn(() => warnings.forEach((message) => engine.emit('warning', { message })))
  return engine
}

/** Whether everything that the manifest says was there is in tables. After a clean close it is, or a small log is there. */
function needsNoLog({ manifest, logNumbers, closedSequence }: Found): boolean {
  return logNumbers.length === 0 && (closedSequence === undefined || closedSequence <= manifest.state.lastSequence)
}

/** What `replayLogs` would give. Opening runs in young processes, where all code that need not run counts. */
function withoutLogs(manifest: Manifest): Replayed {
  const { lastSequence, logNumber } = manifest.state
  return { report: { ...NO_LOGS, lastSequence }, memtables: [{ memtable: Memtable.placeholder(), firstLog: logNumber, lastSequence: 0 }] }
}

function* replayLogs(path: string, options: ResolvedOptions, { manifest, logNumbers, closedSequence }: Found): Task<Replayed> {
  const replay = new Replay(options.memtableSize, manifest.state.logNumber)
  const report = yield* recoverLogs(
    options.vfs,
    path,
    logNumbers,
    manifest.state.lastSequence + 1,
    { salvage: options.recovery === 'salvage', closed: closedMark(path, manifest, closedSequence) },
    (buffer, start, end, sequence, count, log) => replay.take(buffer, start, end, sequence, count, log),
  )
  return { report, memtables: replay.finish() }
}

/** Whether the folder holds the store and nothing else. */
function isTidy({ hasLeftovers }: Found, report: LogsRecoveryReport): boolean {
  return !hasLeftovers && report.damage.length === 0
}

/** Saves what is not the store's, and deletes what is nobody's. Returns what to tell. */
function* tidyUp(
  path: string,
  { vfs }: ResolvedOptions,
  { manifest, unnamedTables }: Found,
  report: LogsRecoveryReport,
): Task<readonly string[]> {
  const warnings = yield* putNewerTablesAside(vfs, path, unnamedTables, report.lastSequence)
  // Where nothing could be saved there will be no table to take the place of the damaged logs, which would refuse the next opening.
  const isNothingSaved = report.damage.length > 0 && report.records === 0
  if (isNothingSaved) yield* manifest.append({ added: [], removed: [], logNumber: manifest.state.nextFileNumber })
  // Any edit tells the next file number, which leads beyond what has been put aside.
  else if (warnings.length > 0) yield* manifest.append({ added: [], removed: [] })
  manifest.sweepSync()
  return warnings
}

function closedMark(path: string, manifest: Manifest, lastSequence: number | undefined): ClosedMark | undefined {
  return lastSequence === undefined ? undefined : { lastSequence, path: joinPath(path, manifestFileName(manifest.manifestNumber)) }
}

function reportRecovery(engine: Engine, report: LogsRecoveryReport): void {
  if (report.records === 0 && report.tornBytes === 0 && report.damage.length === 0 && report.droppedLogs.length === 0) return
  let damagedBytes = 0
  let missingWrites = 0
  for (const { offset, endOffset, firstLostSequence, endLostSequence } of report.damage) {
    damagedBytes += endOffset - offset
    if (firstLostSequence !== undefined && endLostSequence !== undefined) missingWrites += endLostSequence - firstLostSequence
  }
  const event = { logs: report.logs.length, records: report.records, tornBytes: report.tornBytes, damagedBytes, missingWrites }
  engine.recovery = event
  // A turn later, so that a listener added right after opening hears of it.
  engine.options.clock.nextTurn(() => engine.emit('recovery', event))
}

/** Fills memtables from log records. */
class Replay {
  readonly #memtableSize: number
  readonly #operations = new OperationReader()
  /** Oldest first. */
  readonly #filled: RecoveredMemtable[] = []
  #memtable: Memtable
  #firstLog: number
  #lastSequence = 0

  constructor(memtableSize: number, firstLog: number) {
    this.#memtableSize = memtableSize
    this.#memtable = Memtable.create(memtableSize)
    this.#firstLog = firstLog
  }

  take(buffer: Buffer, payloadStart: number, payloadEnd: number, baseSequence: number, count: number, logNumber: number): void {
    const start = payloadStart + PAYLOAD_PREFIX_BYTES
    const operations = this.#operations
    let arenaBytes = 0
    operations.reset(buffer, start, payloadEnd)
    while (operations.next()) {
      arenaBytes += Memtable.entryBytesMax(operations.keyEnd - operations.keyStart, operations.valueEnd - operations.valueStart)
    }
    if (!this.#memtable.hasRoomFor(arenaBytes)) this.#begin(arenaBytes, logNumber)
    operations.reset(buffer, start, payloadEnd)
    for (let i = 0; operations.next(); i++) {
      const { keyStart, keyEnd, valueStart, valueEnd, kind } = operations
      this.#memtable.insert(buffer, keyStart, keyEnd, valueStart, valueEnd, baseSequence + i, kind)
    }
    this.#lastSequence = baseSequence + count - 1
  }

  /** The memtables, newest first. */
  finish(): RecoveredMemtable[] {
    this.#filled.push({ memtable: this.#memtable, firstLog: this.#firstLog, lastSequence: this.#lastSequence })
    return this.#filled.reverse()
  }

  #begin(arenaBytes: number, logNumber: number): void {
    if (this.#memtable.entryCount > 0) {
      this.#memtable.freeze()
      this.#filled.push({ memtable: this.#memtable, firstLog: this.#firstLog, lastSequence: this.#lastSequence })
      this.#firstLog = logNumber
    }
    this.#memtable = Memtable.create(Math.max(this.#memtableSize, Memtable.capacityFor(arenaBytes)))
  }
}
