/**
 * `Store.repair`: makes a store that opens again of what is left of one.
 *
 *  1. Take the lock. Check everything (`verify.ts`), and find out what to go by (`diagnosis.ts`). A store that is whole is left as it is.
 *  2. Damaged tables: write what can be read to new tables (`table_salvage.ts`).
 *  3. Logs, when one is damaged or the manifest is lost: write what can be read to new tables.
 *  4. When the manifest is lost, or contradicts the tables: find out the levels (`placement.ts`), merge tables where only that settles
 *     which version of a key is the newest.
 *  5. Give damaged files a second name in `lost/`.
 *  6. Write a new manifest, and put it in force. *Now the store is repaired.*
 *  7. Delete what it does not need, as an opening does.
 *  8. Check everything again.
 *
 * Until step 6 nothing of the store was changed, but for new files beside it: a crash leaves the store as damaged as it was, and repairing
 * again starts afresh. The new files may then be among what is found; they hold what other files hold, too, and merging takes equal
 * entries once.
 *
 * What LevelDB's repair does otherwise: it forgets the levels and puts every table on level 0, drops the rest of a table behind its first
 * damaged block, and takes up tables that were obsolete.
 */
import { tableFileName } from '../sstable/format.js'
import type { TableMeta } from '../sstable/table_meta.js'
import { systemClock } from '../util/clock.js'
import { StoreError, type StoreErrorCode } from '../util/errors.js'
import { step, type Task } from '../util/task.js'
import { parseFileName } from '../version/file_names.js'
import { LOST_NAME, lostNames, nameBeforeLost, putAside } from '../version/lost.js'
import { Manifest } from '../version/manifest.js'
import { STORE_ID_BYTES } from '../version/manifest_format.js'
import { INITIAL_STATE, type ManifestContent } from '../version/manifest_reader.js'
import { LEVEL_COUNT, Version } from '../version/version.js'
import { closeQuietly, joinPath, syncDirStep } from '../vfs/io.js'
import { placeOf, type StoreLocation } from '../vfs/location.js'
import { lockTask } from '../vfs/lock.js'
import type { Vfs } from '../vfs/vfs.js'
import { logFileName } from '../wal/format.js'
import type { LogRecoveryReport } from '../wal/reader.js'
import { type LogPlace, recoverNextLog } from '../wal/recovery.js'
import { expectDamage, HoleyFiles } from './damage.js'
import { type Diagnosis, diagnose, namedManifest } from './diagnosis.js'
import { logToTables } from './log_tables.js'
import { type ManifestRemains, NO_REMAINS } from './manifest_salvage.js'
import { checkOptions, type MaintenanceOptions } from './options.js'
import { disjointRuns, placeTables } from './placement.js'
import type { RepairedFile, RepairReport } from './repair_report.js'
import { checkSignal, runSupervised } from './supervised.js'
import { TableOutput } from './table_output.js'
import { salvageTable } from './table_salvage.js'
import { walkTable } from './table_walk.js'
import { describeTable, expectStore, Verification } from './verify.js'
import type { VerifiedFile, VerifiedFileState, VerifyProblem, VerifyReport } from './verify_report.js'
import { checkVersion } from './version_check.js'

/** Options of `Store.repair`. */
export interface RepairOptions extends MaintenanceOptions {
  /** Ends the repair early, with `ERR_ABORTED`, leaving the store as it was; too late, it has no effect. */
  signal?: AbortSignal
  /**
   * Takes places that the disk cannot read (`EIO`) for damage. By default they end the repair with `ERR_IO`, because what cannot be read
   * now may be read later.
   */
  skipUnreadable?: boolean
}

/** Repairs a store. @throws StoreError see `Store.repair` */
export async function repairStore(location: StoreLocation, options: RepairOptions = {}): Promise<RepairReport> {
  checkOptions(options, { vfs: 'object', signal: 'object', skipUnreadable: 'boolean' })
  const { signal } = options
  const { vfs, path } = placeOf(location, options.vfs)
  checkSignal(signal)
  expectStore(vfs, path)
  const repair = new Repair(vfs, path, options.skipUnreadable === true)
  return runSupervised(repair.run(), () => {
    if (!repair.isCommitting) checkSignal(signal)
  })
}

class Repair {
  /** From here on it cannot be taken back. */
  isCommitting = false
  readonly #vfs: Vfs
  readonly #dir: string
  readonly #skipUnreadable: boolean
  readonly #startMs = systemClock.nowMs()
  readonly #files: RepairedFile[] = []
  readonly #damaged: string[] = []
  readonly #outputs: TableOutput[] = []
  readonly #tables: { readonly level: number; readonly table: TableMeta }[] = []
  /** Whether levels have to be found out anew. */
  #mustPlace = false
  #levels: TableMeta[][] = Array.from({ length: LEVEL_COUNT }, () => [])
  #nextNumber = 1
  #content: ManifestContent | undefined
  #remains: ManifestRemains = NO_REMAINS

  constructor(vfs: Vfs, dir: string, skipUnreadable: boolean) {
    this.#vfs = vfs
    this.#dir = dir
    this.#skipUnreadable = skipUnreadable
  }

  *run(): Task<RepairReport> {
    const lock = yield* lockTask(this.#vfs, this.#dir)
    try {
      const diagnosis = yield* this.#diagnose()
      const { report, problems, content } = diagnosis
      this.#content = content
      this.#remains = diagnosis.remains
      for (const { code, message } of problems) this.#refuseUnread(code, message)
      if (diagnosis.isWhole) return this.#answer(problems, undefined)
      this.#mustPlace = content === undefined || report.problems.some(({ file }) => isWhole(report, file))
      yield* this.#repair(diagnosis)
      return this.#answer(problems, yield* new Verification(this.#vfs, this.#dir, true).run())
    } finally {
      if (!this.isCommitting) for (const output of this.#outputs) output.discard()
      lock.releaseSync()
    }
  }

  *#diagnose(): Task<Diagnosis> {
    try {
      return yield* diagnose(this.#vfs, this.#dir, this.#skipUnreadable)
    } catch (error) {
      if (error instanceof StoreError) this.#refuseUnread(error.code, error.message)
      throw error
    }
  }

  *#repair({ report, problems }: Diagnosis): Task<void> {
    this.#nextNumber = this.#firstFreeNumber()
    for (const file of report.files.filter(({ kind }) => kind === 'table')) yield* this.#takeTable(file)
    const logNumber = yield* this.#takeLogs(report)
    if (this.#mustPlace) yield* this.#place(this.#tables.map(({ table }) => table))
    else for (const { level, table } of this.#tables) this.#levels[level]!.push(table)
    const version = Version.of(this.#levels)
    const lastSequence = this.#levels.flat().reduce((greatest, table) => Math.max(greatest, table.largestSequence), this.#lastSequence())
    this.#keepObsolete(report)
    for (const { name, kind, state } of report.files) if (kind === 'manifest') this.#takeManifest(name, state, problems)
    yield* putAside(this.#vfs, this.#dir, this.#damaged, (error) => expectDamage(error, this.#skipUnreadable))
    yield* step(syncDirStep(this.#vfs, this.#dir))
    this.isCommitting = true
    const compactPointers = this.#mustPlace ? INITIAL_STATE.compactPointers : this.#content!.state.compactPointers
    const state = { logNumber, nextFileNumber: this.#nextNumber, lastSequence, compactPointers }
    const storeId = this.#content?.storeId ?? this.#remains.storeId ?? this.#vfs.randomBytes(STORE_ID_BYTES)
    const manifest = yield* Manifest.rebuild(this.#vfs, this.#dir, this.#greatestManifest(), storeId, version, state)
    try {
      manifest.sweepSync()
    } finally {
      manifest.closeSync()
    }
  }

  /** A manifest that was wrong, or did not know all, may tell somebody more than it told here. */
  #takeManifest(name: string, state: VerifiedFileState, problems: readonly VerifyProblem[]): void {
    const problem = problems.find(({ file }) => file === name)
    const isDoubted = problem !== undefined || this.#mustPlace
    if (isDoubted && state !== 'missing') this.#damaged.push(name)
    if (state === 'orphaned' && problem === undefined) return
    const isUsed = this.#content !== undefined && (state === 'ok' || state === 'torn')
    this.#tell(name, 'manifest', isDoubted ? (isUsed ? 'salvaged' : 'lost') : 'kept', undefined, undefined, problem)
  }

  /**
   * Where anything of the store could not be read, obsolete tables and logs go to `lost/`, too: one that a crash has left may be the only
   * readable copy of what was lost.
   */
  #keepObsolete(report: VerifyReport): void {
    if (!this.#files.some(({ fate }) => fate === 'salvaged' || fate === 'lost')) return
    const told = new Set(this.#files.map(({ name }) => name))
    for (const { name, kind, state, error } of report.files) {
      if ((kind !== 'table' && kind !== 'log') || state === 'missing' || told.has(name)) continue
      this.#damaged.push(name)
      this.#tell(name, kind, 'unnamed', undefined, undefined, error)
    }
  }

  /** Keeps a table, or what can be read of it. */
  *#takeTable(file: VerifiedFile): Task<void> {
    const { name, kind, state, error } = file
    const { fileNumber } = parseFileName(name)!
    const [level, stated] = this.#statedPlace(fileNumber)
    const isWanted = this.#content === undefined ? !this.#remains.removedTables.has(fileNumber) : stated !== undefined
    if (!isWanted) {
      // The manifest that does not name it may be the wrong one, so only what an edit has removed goes for good: see `#keepObsolete`.
      if (state === 'missing' || this.#remains.removedTables.has(fileNumber)) return
      this.#damaged.push(name)
      return this.#tell(name, kind, 'unnamed', undefined, undefined, error)
    }
    const whole = state === 'missing' ? undefined : yield* this.#wholeTable(name, fileNumber, state === 'ok' ? stated : undefined)
    if (whole !== undefined) {
      this.#tables.push({ level, table: whole })
      // The manifest was wrong about this one: what it says of levels is not to be trusted.
      if (state !== 'ok') this.#mustPlace = true
      this.#tell(name, kind, 'kept', whole.entryCount, 0, error)
      return
    }
    const output = this.#output()
    if (state !== 'missing') {
      this.#damaged.push(name)
      const source = this.#vfs.openSync(joinPath(this.#dir, name), 'read')
      try {
        yield* salvageTable(source, fileNumber, stated, this.#skipUnreadable, (entry) => output.add(entry))
      } finally {
        closeQuietly(source)
      }
    }
    for (const table of yield* output.finish()) this.#tables.push({ level, table })
    const lost = stated === undefined ? undefined : Math.max(0, stated.entryCount - output.entryCount)
    this.#tell(name, kind, output.entryCount > 0 ? 'salvaged' : 'lost', output.entryCount, lost, error)
  }

  /** The description of a table that is whole by its own word, be the manifest's what it may; `undefined` when it is not. */
  *#wholeTable(name: string, fileNumber: number, stated: TableMeta | undefined): Task<TableMeta | undefined> {
    if (stated !== undefined) return stated
    const path = joinPath(this.#dir, name)
    try {
      const meta = describeTable(this.#vfs, path, fileNumber)
      yield* walkTable(this.#vfs, path, meta)
      return meta
    } catch (error) {
      if (error instanceof StoreError) this.#refuseUnread(error.code, error.message)
      expectDamage(error, this.#skipUnreadable)
      return undefined
    }
  }

  #statedPlace(fileNumber: number): [level: number, table: TableMeta | undefined] {
    for (const [level, tables] of this.#content?.version.levels.entries() ?? []) {
      const table = tables.find((each) => each.fileNumber === fileNumber)
      if (table !== undefined) return [level, table]
    }
    return [0, undefined]
  }

  /** Leaves logs that are whole below a manifest that is known; makes tables of them otherwise. Returns the oldest log still needed. */
  *#takeLogs(report: VerifyReport): Task<number> {
    const oldest = this.#content?.state.logNumber ?? this.#remains.logNumber
    const logs = report.files.filter(({ kind, name }) => kind === 'log' && parseFileName(name)!.fileNumber >= oldest)
    if (!this.#mustPlace && logs.every(({ state }) => state === 'ok' || state === 'torn')) {
      for (const { name } of logs) this.#tell(name, 'log', 'kept', undefined, 0, undefined)
      return oldest
    }
    // Only a manifest that knows all tables tells where logs have to go on; otherwise a table may hold what lies between them.
    const flushed = this.#content?.state.lastSequence
    let expected = flushed === undefined ? undefined : flushed + 1
    let dropOnGap = flushed !== undefined
    let lastSequence = this.#tables.reduce((greatest, { table }) => Math.max(greatest, table.largestSequence), this.#lastSequence())
    for (const { name, state, error } of logs) {
      // What the manifest could not tell tables may: whether a power loss took what was before a log of which nothing was durable.
      if (flushed === undefined && state === 'dropped' && (yield* this.#firstSequence(name)) > lastSequence + 1) {
        this.#damaged.push(name)
        this.#tell(name, 'log', 'lost', 0, undefined, undefined)
        continue
      }
      const output = this.#output()
      const log = yield* this.#takeLog(parseFileName(name)!.fileNumber, { expected, inTables: flushed ?? 0, dropOnGap }, output)
      for (const table of yield* output.finish()) this.#tables.push({ level: 0, table })
      const kept = log?.operations ?? 0
      if (log === undefined || log.isDamaged) dropOnGap = false
      // A log that ends before a clean close is whole in itself.
      if (log === undefined || log.isDamaged || log.isDropped || error !== undefined) {
        this.#damaged.push(name)
        this.#tell(name, 'log', kept > 0 ? 'salvaged' : 'lost', kept, undefined, error)
      } else this.#tell(name, 'log', 'merged', kept, 0, error)
      if (flushed === undefined) expected = undefined
      else if (kept > 0) expected = log!.lastSequence + 1
      lastSequence = Math.max(lastSequence, log?.lastSequence ?? 0)
    }
    return this.#nextNumber++
  }

  /** What was taken of a log; `undefined` when that is nothing, because it is no log. */
  *#takeLog(
    logNumber: number,
    place: LogPlace,
    output: TableOutput,
  ): Task<(Pick<LogRecoveryReport, 'operations' | 'lastSequence' | 'isDropped'> & { isDamaged: boolean }) | undefined> {
    const files = this.#skipUnreadable ? new HoleyFiles(this.#vfs) : undefined
    try {
      const log = yield* logToTables(files ?? this.#vfs, this.#dir, logNumber, place, output)
      const { operations, lastSequence, isDropped, damage } = log
      return { operations, lastSequence, isDropped, isDamaged: damage.length > 0 || (files?.holeBytes ?? 0) > 0 }
    } catch (error) {
      if (!(error instanceof StoreError) || error.path !== joinPath(this.#dir, logFileName(logNumber))) throw error
      this.#refuseUnread(error.code, error.message)
      expectDamage(error, this.#skipUnreadable)
      return undefined
    }
  }

  /** The first sequence of a log that was read before; 0 when it is empty. */
  *#firstSequence(name: string): Task<number> {
    const place = { expected: undefined, inTables: 0, dropOnGap: false }
    return (yield* recoverNextLog(this.#vfs, this.#dir, parseFileName(name)!.fileNumber, place, true, () => {})).firstSequence
  }

  /** Finds levels for tables, merging where it must be. */
  *#place(tables: readonly TableMeta[]): Task<void> {
    const { levels, merges } = placeTables(tables)
    this.#levels = levels
    for (const group of merges) {
      const output = this.#output()
      const runs = disjointRuns(group).map((run) => ({ level: 0, tables: run }))
      const subject = { vfs: this.#vfs, dir: this.#dir, runs, lastSequence: Infinity, sink: output }
      yield* checkVersion(subject, {
        onTable: (_table, _level, error) => {
          if (error !== undefined) throw error as Error
        },
        onContradiction: () => {},
        onBytes: () => {},
      })
      this.#levels[1]!.push(...(yield* output.finish()))
      const names = new Set(group.map(({ fileNumber }) => tableFileName(fileNumber)))
      for (const [i, file] of this.#files.entries())
        if (names.has(file.name) && file.fate === 'kept') this.#files[i] = { ...file, fate: 'merged' }
    }
  }

  #output(): TableOutput {
    const output = new TableOutput(this.#vfs, this.#dir, () => this.#nextNumber++)
    this.#outputs.push(output)
    return output
  }

  #lastSequence(): number {
    return this.#content?.state.lastSequence ?? this.#remains.lastSequence
  }

  /** The greatest number of a manifest, be it one that was put aside, or one that is only named. */
  #greatestManifest(): number {
    const named = namedManifest(this.#vfs, this.#dir)
    const names = [...this.#vfs.readdirSync(this.#dir), ...lostNames(this.#vfs, this.#dir).map(nameBeforeLost)]
    const numbers = names.map((name) => parseFileName(name)).filter((parsed) => parsed?.kind === 'manifest')
    return numbers.reduce((greatest, parsed) => Math.max(greatest, parsed!.fileNumber), named ?? 0)
  }

  /** Greater than every number that any file has or had, as far as is known. */
  #firstFreeNumber(): number {
    const names = [...this.#vfs.readdirSync(this.#dir), ...lostNames(this.#vfs, this.#dir).map(nameBeforeLost)]
    const numbers = names.map((name) => parseFileName(name)).filter((parsed) => parsed?.kind === 'table' || parsed?.kind === 'log')
    const known = Math.max(this.#content?.state.nextFileNumber ?? 1, this.#remains.nextFileNumber)
    return numbers.reduce((next, parsed) => Math.max(next, parsed!.fileNumber + 1), known)
  }

  #tell(
    name: string,
    kind: VerifiedFile['kind'],
    fate: RepairedFile['fate'],
    entriesKept: number | undefined,
    entriesLost: number | undefined,
    error: RepairedFile['error'],
  ): void {
    this.#files.push({ name, kind, fate, entriesKept, entriesLost, error })
  }

  #answer(problems: readonly VerifyProblem[], after: VerifyReport | undefined): RepairReport {
    const isChanged = after !== undefined
    const tables = isChanged ? this.#levels.flat() : this.#content!.version.levels.flat()
    return {
      isChanged,
      files: this.#files.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
      problems,
      problemsLeft: after?.problems ?? [],
      isRebuilt: this.#mustPlace,
      tables: tables.length,
      entries: tables.reduce((sum, { entryCount }) => sum + entryCount, 0),
      lostDirectory: this.#damaged.length > 0 ? joinPath(this.#dir, LOST_NAME) : undefined,
      durationMs: systemClock.nowMs() - this.#startMs,
    }
  }

  /** What cannot be read here and now, another version can, or another try: such a store is not to be repaired by throwing it away. */
  #refuseUnread(code: StoreErrorCode, message: string): void {
    const path = this.#dir
    if (code === 'ERR_CODEC_UNAVAILABLE' || code === 'ERR_FORMAT_VERSION') {
      throw new StoreError(code, `the store was not repaired, because not all of it can be read here: ${message}`, { path })
    }
    if (code !== 'ERR_IO' || this.#skipUnreadable) return
    const advice = 'try again; if the disk has lost the place for good, repair with skipUnreadable: true'
    throw new StoreError(code, `the store was not repaired, because not all of it can be read now: ${message}: ${advice}`, { path })
  }
}

/** Whether a problem of a table or log is not of the file itself, but between files. */
function isWhole(report: VerifyReport, name: string): boolean {
  const kind = parseFileName(name)?.kind
  // What is said of these two is about logs, or about which manifest is in force.
  if (kind === 'manifest' || kind === 'current') return false
  return report.files.find((file) => file.name === name)?.error === undefined
}
