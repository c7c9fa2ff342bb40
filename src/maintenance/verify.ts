/**
 * `Store.verify`: reads every byte that a store rests on and holds it against every other, without changing any.
 *
 * 1. List the directory.
 * 2. Read `CURRENT` and the manifest.
 * 3. Walk through all tables of the version, level by level at once (`version_check.ts`).
 * 4. Read the logs that are needed, as an opening would.
 * 5. What nothing has referred to is an orphan; opening deletes it, or puts it into `lost/`.
 *
 * When the manifest cannot be read, tables and logs are judged one by one, each by what it says of itself.
 *
 * Damage never ends it: the file gets its line, and it goes on. A store that is open in another process changes under it. What it reads is
 * then the version that was in force when it began; a file of that version which is gone, and which the newest version does not name, was
 * replaced and is not judged. Memory: as for `version_check.ts`, and a window of 1 MiB of a log, or its longest record.
 */
import { systemClock } from '../util/clock.js'
import { corruption, StoreError, systemCode } from '../util/errors.js'
import { PAUSE, type Task } from '../util/task.js'
import { tableFileName } from '../sstable/format.js'
import type { TableMeta } from '../sstable/table_meta.js'
import { readTableMetaSync } from '../sstable/table_tail.js'
import { currentManifestSync } from '../version/current_file.js'
import { inspectDirectory } from '../version/directory.js'
import { CURRENT_NAME, manifestFileName, type ParsedFileName, parseFileName } from '../version/file_names.js'
import { type ManifestContent, readManifest } from '../version/manifest_reader.js'
import { closeQuietly, joinPath } from '../vfs/io.js'
import { placeOf, type StoreLocation } from '../vfs/location.js'
import { LOCK_FILE_NAME, lockHolderSync } from '../vfs/lock.js'
import type { Vfs } from '../vfs/vfs.js'
import { logFileName } from '../wal/format.js'
import type { LogRecoveryReport } from '../wal/reader.js'
import { endBeforeClose, recoverNextLog } from '../wal/recovery.js'
import { checkOptions, type MaintenanceOptions } from './options.js'
import { checkSignal, runSupervised } from './supervised.js'
import { walkTable } from './table_walk.js'
import type {
  VerifiedFile,
  VerifiedFileKind,
  VerifiedFileState,
  VerifiedLevel,
  VerifyProblem,
  VerifyProgress,
  VerifyReport,
} from './verify_report.js'
import { checkVersion, runsOf } from './version_check.js'

/** How often the manifest of a store in use is read while what is found makes no sense. */
const ATTEMPTS_MAX = 5

/** Options of `Store.verify`. */
export interface VerifyOptions extends MaintenanceOptions {
  /** Ends the check early, with `ERR_ABORTED`. */
  signal?: AbortSignal
  /** Called now and then. */
  onProgress?: (progress: VerifyProgress) => void
}

/** Checks a store. @throws StoreError see `Store.verify` */
export async function verifyStore(location: StoreLocation, options: VerifyOptions = {}): Promise<VerifyReport> {
  checkOptions(options, { vfs: 'object', signal: 'object', onProgress: 'function' })
  const { signal, onProgress } = options
  const { vfs, path } = placeOf(location, options.vfs)
  checkSignal(signal)
  expectStore(vfs, path)
  const verification = new Verification(vfs, path, false)
  let bytesTold = -1
  const tell = (): void => {
    const { bytesDone, bytesTotal } = verification
    if (onProgress === undefined || bytesDone === bytesTold) return
    bytesTold = bytesDone
    onProgress({ bytesDone, bytesTotal })
  }
  const report = await runSupervised(verification.run(), () => {
    checkSignal(signal)
    tell()
  })
  tell()
  return report
}

/** Whether there is a store at `path`. @throws StoreError `ERR_NOT_A_STORE` when not */
export function expectStore(vfs: Vfs, path: string): void {
  const kind = inspectDirectory(vfs, path)
  if (kind === 'store') return
  const what = {
    absent: 'does not exist',
    file: 'is a file',
    empty: 'is empty',
    unfinished: 'holds a store that was never finished',
    destroyed: 'holds a store whose destruction was cut short',
  }
  const reason = kind === 'foreign' ? 'holds other files and no store' : what[kind]
  throw new StoreError('ERR_NOT_A_STORE', `${path} ${reason}: name the directory of a store`, { path })
}

/** A check that is under way. */
export class Verification {
  bytesDone = 0
  bytesTotal = 0
  /** What the manifest holds; `undefined` when it cannot be read. */
  content: ManifestContent | undefined
  /** The last sequence that an opening finds in tables and logs; `undefined` when that is not known. */
  lastSequenceInLogs: number | undefined
  /** The manifest that was gone by; empty when there was none. */
  manifestName = ''
  readonly #vfs: Vfs
  readonly #dir: string
  readonly #startMs = systemClock.nowMs()
  readonly #isHolder: boolean
  readonly #manifestNumber: number | 'none' | undefined
  #isInUse = false
  readonly #files = new Map<string, VerifiedFile>()
  readonly #contradictions: VerifyProblem[] = []
  readonly #levels = new Map<number, VerifiedLevel>()
  #entries = 0
  #tables = 0
  #logs = 0
  #keys = 0
  #operations = 0

  /**
   * @param isHolder whether the caller holds the lock, so that nobody else changes anything
   * @param manifestNumber of the manifest to go by, instead of the one that `CURRENT` names; `'none'` to go by none
   */
  constructor(vfs: Vfs, dir: string, isHolder: boolean, manifestNumber?: number | 'none') {
    this.#vfs = vfs
    this.#dir = dir
    this.#isHolder = isHolder
    this.#manifestNumber = manifestNumber
  }

  *run(): Task<VerifyReport> {
    this.#list()
    this.#lookAtLock()
    const content = yield* this.#readManifest()
    this.content = content
    if (content === undefined) yield* this.#checkOneByOne()
    else yield* this.#checkAll(content)
    if (this.#isInUse) yield* this.#passOverReplaced()
    const files = [...this.#files.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1))
    const problems = [...files.flatMap(({ error }) => error ?? []), ...this.#contradictions]
    return {
      ok: problems.length === 0,
      isInUse: this.#isInUse,
      tables: this.#tables,
      logs: this.#logs,
      levels: [...this.#levels.values()].toSorted((a, b) => a.level - b.level),
      entries: this.#entries,
      keys: this.#keys,
      operations: this.#operations,
      bytes: files.reduce((sum, { kind, bytes }) => (kind === 'foreign' ? sum : sum + bytes), 0),
      files,
      problems,
      durationMs: systemClock.nowMs() - this.#startMs,
    }
  }

  /** Everything in the directory; orphans until something refers to them. */
  #list(): void {
    for (const name of this.#vfs.readdirSync(this.#dir)) {
      const stat = this.#vfs.statSync(joinPath(this.#dir, name))
      if (stat === undefined) continue
      const named = parseFileName(name)
      // A folder is none of ours, but opening takes whatever has the name of a log for one.
      const parsed = stat.isFile || named?.kind === 'log' ? named : undefined
      const kind = kindOf(parsed)
      const state = kind === 'foreign' ? 'foreign' : kind === 'lock' ? 'ok' : 'orphaned'
      this.#files.set(name, { name, kind, bytes: stat.isFile ? stat.sizeBytes : 0, state, tornBytes: 0, error: undefined })
    }
  }

  #lookAtLock(): void {
    if (this.#isHolder) return
    try {
      this.#isInUse = lockHolderSync(this.#vfs, this.#dir) !== undefined
    } catch (error) {
      this.#fail(LOCK_FILE_NAME, 'lock', error)
      // In doubt there is a holder.
      this.#isInUse = true
    }
  }

  *#readManifest(): Task<ManifestContent | undefined> {
    if (this.#manifestNumber === 'none') return undefined
    for (let attempt = 1; ; attempt++) {
      let name = CURRENT_NAME
      try {
        const manifestNumber = this.#manifestNumber ?? currentManifestSync(this.#vfs, this.#dir)
        if (manifestNumber === undefined) throw missing()
        name = manifestFileName(manifestNumber)
        const content = yield* readManifestFile(this.#vfs, this.#dir, manifestNumber)
        this.manifestName = name
        this.#judge(CURRENT_NAME, 'current', 'ok')
        this.#judgeEnd(name, 'manifest', content.tornBytes)
        return content
      } catch (error) {
        if (!this.#isInUse || attempt === ATTEMPTS_MAX) {
          if (name !== CURRENT_NAME) this.#judge(CURRENT_NAME, 'current', 'ok')
          this.#fail(name, name === CURRENT_NAME ? 'current' : 'manifest', error)
          return undefined
        }
      }
      yield PAUSE
    }
  }

  *#checkAll(content: ManifestContent): Task<void> {
    const { version, state } = content
    const logNumbers = this.#numbersOf('log').filter((number) => number >= state.logNumber)
    this.bytesTotal = version.totalBytes + this.#bytesOf(logNumbers.map(logFileName))
    const subject = { vfs: this.#vfs, dir: this.#dir, runs: runsOf(version), lastSequence: state.lastSequence }
    const { liveKeys } = yield* checkVersion(subject, {
      onTable: (table, level, error) => this.#tableChecked(table, level, error),
      onContradiction: (message, file) => this.#contradictions.push({ file, code: 'ERR_CORRUPTION', message, offset: undefined }),
      onBytes: (bytes) => {
        this.bytesDone += bytes
      },
    })
    this.#keys = liveKeys
    let expected: number | undefined = state.lastSequence + 1
    let isGapless = true
    let newest: LogRecoveryReport | undefined
    for (const logNumber of logNumbers) {
      const report: LogRecoveryReport | undefined = yield* this.#checkLog(logNumber, expected, state.lastSequence)
      // Behind damage any sequence may follow: the gap is explained.
      if (report === undefined || report.damage.length > 0) {
        expected = undefined
        isGapless = false
      } else if (report.records > 0) expected = report.lastSequence + 1
      if (report?.isDropped === false) newest = report
    }
    this.lastSequenceInLogs = isGapless ? expected! - 1 : undefined
    // Behind damage, or in logs that somebody writes and deletes, nobody knows where they end.
    if (this.lastSequenceInLogs !== undefined && !this.#isInUse) this.#checkEnd(content, newest, this.lastSequenceInLogs)
  }

  /** Whether the logs reach as far as a clean close says. */
  #checkEnd({ closedSequence }: ManifestContent, newest: LogRecoveryReport | undefined, lastSequence: number): void {
    if (closedSequence === undefined) return
    const missing = endBeforeClose(newest, lastSequence, { lastSequence: closedSequence, path: this.manifestName })
    if (missing === undefined) return
    const error = corruption(missing.reason, missing.path, missing.offset)
    if (newest !== undefined) this.#fail(logFileName(newest.logNumber), 'log', error)
    else this.#contradictions.push({ file: this.manifestName, code: error.code, message: error.message, offset: undefined })
  }

  *#checkOneByOne(): Task<void> {
    const tables = this.#numbersOf('table')
    const logs = this.#numbersOf('log')
    this.bytesTotal = this.#bytesOf([...tables.map(tableFileName), ...logs.map(logFileName)])
    for (const fileNumber of tables) {
      const name = tableFileName(fileNumber)
      try {
        const meta = describeTable(this.#vfs, joinPath(this.#dir, name), fileNumber)
        yield* walkTable(this.#vfs, joinPath(this.#dir, name), meta)
        this.#judge(name, 'table', 'ok')
        this.#tables++
        this.#entries += meta.entryCount
      } catch (error) {
        this.#fail(name, 'table', error)
      }
      this.bytesDone += this.#files.get(name)!.bytes
    }
    for (const logNumber of logs) yield* this.#checkLog(logNumber, undefined, 0)
  }

  #tableChecked(table: TableMeta, level: number, error: unknown): void {
    const name = tableFileName(table.fileNumber)
    if (error !== undefined) {
      this.#fail(name, 'table', error)
      return
    }
    this.#judge(name, 'table', 'ok')
    this.#tables++
    this.#entries += table.entryCount
    const { tables, entries, bytes } = this.#levels.get(level) ?? { tables: 0, entries: 0, bytes: 0 }
    this.#levels.set(level, { level, tables: tables + 1, entries: entries + table.entryCount, bytes: bytes + table.fileBytes })
  }

  *#checkLog(logNumber: number, expected: number | undefined, inTables: number): Task<LogRecoveryReport | undefined> {
    const name = logFileName(logNumber)
    try {
      const report = yield* recoverNextLog(this.#vfs, this.#dir, logNumber, { expected, inTables, dropOnGap: true }, true, () => {})
      const [damage] = report.damage
      if (damage !== undefined) {
        this.#fail(name, 'log', new StoreError('ERR_CORRUPTION', damage.reason, { offset: damage.offset }))
        return report
      }
      if (report.isDropped) {
        // A power loss took the records before this log, and none of it was known to be durable.
        this.#judge(name, 'log', 'dropped')
        return report
      }
      this.#logs++
      this.#operations += report.operations
      this.#judgeEnd(name, 'log', report.tornBytes)
      return report
    } catch (error) {
      this.#fail(name, 'log', error)
      return undefined
    } finally {
      this.bytesDone += this.#files.get(name)?.bytes ?? 0
    }
  }

  /** In a store that is in use: files that the newest version does not name were not lost, but replaced. */
  *#passOverReplaced(): Task<void> {
    const suspects = [...this.#files.values()].filter(({ kind, error }) => error !== undefined && (kind === 'table' || kind === 'log'))
    if (suspects.length === 0) return
    let content: ManifestContent
    try {
      content = yield* readManifestFile(this.#vfs, this.#dir, currentManifestSync(this.#vfs, this.#dir) ?? 0)
    } catch {
      return
    }
    const live = new Set(content.version.levels.flat().map(({ fileNumber }) => fileNumber))
    for (const { name, kind } of suspects) {
      const number = parseFileName(name)!.fileNumber
      const isNeeded = kind === 'table' ? live.has(number) : number >= content.state.logNumber
      if (!isNeeded) this.#judge(name, kind, 'replaced')
    }
  }

  #judge(name: string, kind: VerifiedFileKind, state: VerifiedFileState, error?: VerifyProblem): void {
    this.#files.set(name, { name, kind, bytes: this.#files.get(name)?.bytes ?? 0, state, tornBytes: 0, error })
  }

  #judgeEnd(name: string, kind: VerifiedFileKind, tornBytes: number): void {
    const bytes = this.#files.get(name)?.bytes ?? 0
    this.#files.set(name, { name, kind, bytes, state: tornBytes > 0 ? 'torn' : 'ok', tornBytes, error: undefined })
  }

  /** Gives a file its line when something is wrong with it. What is no error of operation is none of the file's. */
  #fail(name: string, kind: VerifiedFileKind, error: unknown): void {
    if (!(error instanceof StoreError)) throw error
    const { message, offset } = error
    if (systemCode(error) === 'ENOENT') {
      const problem: VerifyProblem = { file: name, code: 'ERR_CORRUPTION', message: `${name} is missing`, offset: undefined }
      this.#judge(name, kind, 'missing', problem)
      return
    }
    const state = error.code === 'ERR_CORRUPTION' ? 'damaged' : 'unchecked'
    this.#judge(name, kind, state, { file: name, code: error.code, message, offset })
  }

  #numbersOf(kind: VerifiedFileKind): number[] {
    const numbers: number[] = []
    for (const file of this.#files.values()) if (file.kind === kind) numbers.push(parseFileName(file.name)!.fileNumber)
    return numbers.toSorted((a, b) => a - b)
  }

  #bytesOf(names: readonly string[]): number {
    return names.reduce((sum, name) => sum + (this.#files.get(name)?.bytes ?? 0), 0)
  }
}

function kindOf(parsed: ParsedFileName | undefined): VerifiedFileKind {
  if (parsed === undefined) return 'foreign'
  return parsed.kind === 'temporary' || parsed.kind === 'destroyed' ? 'current' : parsed.kind
}

/** Replays a manifest. */
export function* readManifestFile(vfs: Vfs, dir: string, manifestNumber: number): Task<ManifestContent> {
  const file = vfs.openSync(joinPath(dir, manifestFileName(manifestNumber)), 'read')
  try {
    return yield* readManifest(file, manifestNumber)
  } finally {
    closeQuietly(file)
  }
}

/** What a table says of itself. @throws StoreError when its footer or properties cannot be read */
export function describeTable(vfs: Vfs, path: string, fileNumber: number): TableMeta {
  const file = vfs.openSync(path, 'read')
  try {
    return readTableMetaSync(file, fileNumber)
  } finally {
    closeQuietly(file)
  }
}

function missing(): StoreError {
  return new StoreError('ERR_CORRUPTION', 'the file is missing', { cause: Object.assign(new Error('no such file'), { code: 'ENOENT' }) })
}
