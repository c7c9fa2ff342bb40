/**
 * What a repair goes by: which manifest, which tables it does not know of, and what was found wrong on the way.
 *
 * **Which manifest.** The one in force, if it can be replayed and is of this store. Else the newest one that is: with `CURRENT` gone that
 * is the one that it named, and what an older one does not know is found out as follows.
 *
 * **Whether it is older than the tables**, as one is that was cut short where a record ends, or brought back from a copy:
 *
 * - It names tables that are gone while others are there that it does not name, or tables that a later edit has removed.
 * - A table that it does not name holds newer sequences than it and the logs know of.
 * - A table that it does not name reaches beyond the keys of all that it names, and is no flush that a crash cut short: its sequences are
 *   older than those of the logs. (Compactions give sequence 0 to what is old enough, so sequences alone do not tell.)
 *
 * Then the store has gone on without it, and what it says of tables is dropped altogether: nobody else has that data.
 */
import { compareBytes } from '../codec/bytes.js'
import type { TableMeta } from '../sstable/table_meta.js'
import { PAUSE, type Task } from '../util/task.js'
import { decodeCurrent, readCurrentSync } from '../version/current_file.js'
import { listNumberedFiles } from '../version/directory.js'
import { manifestFileName, parseFileName } from '../version/file_names.js'
import type { ManifestContent } from '../version/manifest_reader.js'
import { joinPath } from '../vfs/io.js'
import type { Vfs } from '../vfs/vfs.js'
import { expectDamage } from './damage.js'
import { type ManifestRemains, salvageManifests } from './manifest_salvage.js'
import { describeTable, readManifestFile, Verification } from './verify.js'
import type { VerifyProblem, VerifyReport } from './verify_report.js'

/** What was found. */
export interface Diagnosis {
  /** What was checked against the manifest that is gone by, or file by file when there is none. */
  readonly report: VerifyReport
  /** Everything that is wrong: with the store as `CURRENT` has it first. */
  readonly problems: readonly VerifyProblem[]
  /** The manifest to go by. */
  readonly content: ManifestContent | undefined
  readonly remains: ManifestRemains
  /** Whether there is nothing to repair. */
  readonly isWhole: boolean
}

/** Looks at a store whose lock is held. */
export function* diagnose(vfs: Vfs, dir: string, skipUnreadable: boolean): Task<Diagnosis> {
  let verification = new Verification(vfs, dir, true)
  let report = yield* verification.run()
  const problems = [...report.problems]
  const inForce = verification.content
  const numbers = manifestNumbers(vfs, dir)
  const remains = yield* salvageManifests(vfs, dir, numbers, skipUnreadable)
  const isOurs = ({ storeId }: ManifestContent): boolean => remains.storeId?.equals(storeId) === true
  let content = inForce
  if (content !== undefined && !isOurs(content)) {
    const file = manifestFileName(numbers[0]!)
    problems.push({
      file,
      code: 'ERR_CORRUPTION',
      message: `${file} is not the manifest of these tables: it names none of them`,
      offset: undefined,
    })
    content = undefined
  }
  if (content === undefined) {
    const other = yield* newestWhole(vfs, dir, numbers, isOurs, skipUnreadable)
    if (other !== undefined || inForce !== undefined) {
      verification = new Verification(vfs, dir, true, other ?? 'none')
      report = yield* verification.run()
      ;({ content } = verification)
      problems.push(...report.problems.filter((problem) => !problems.some((each) => isSame(each, problem))))
    }
  }
  if (content !== undefined) {
    const unnamed = yield* unnamedTables(vfs, dir, report, skipUnreadable, remains.removedTables)
    const isOld =
      isStale(report, content, remains) || unnamed.some((table) => isUnknown(table, content!, verification.lastSequenceInLogs ?? 0))
    if (isOld) content = undefined
  }
  return { report, problems, content, remains, isWhole: problems.length === 0 && content !== undefined && content === inForce }
}

/** Manifests that are files: that which `CURRENT` names first, then the newest. */
function manifestNumbers(vfs: Vfs, dir: string): number[] {
  const { manifests } = listNumberedFiles(vfs, dir)
  const files = manifests.filter((number) => vfs.statSync(joinPath(dir, manifestFileName(number)))?.isFile === true).toReversed()
  const named = namedManifest(vfs, dir)
  return named !== undefined && files.includes(named) ? [named, ...files.filter((number) => number !== named)] : files
}

/** The manifest that `CURRENT` names, be it there or not. */
export function namedManifest(vfs: Vfs, dir: string): number | undefined {
  if (vfs.statSync(joinPath(dir, 'CURRENT'))?.isFile !== true) return undefined
  const current = readCurrentSync(vfs, dir)
  return current === undefined ? undefined : decodeCurrent(current)
}

function* newestWhole(
  vfs: Vfs,
  dir: string,
  numbers: readonly number[],
  isOurs: (content: ManifestContent) => boolean,
  skipUnreadable: boolean,
): Task<number | undefined> {
  for (const number of numbers.toSorted((a, b) => b - a)) {
    try {
      if (isOurs(yield* readManifestFile(vfs, dir, number))) return number
    } catch (error) {
      expectDamage(error, skipUnreadable)
    }
  }
  return undefined
}

/** Whether compactions have gone on without the manifest: see above. */
function isStale({ files }: VerifyReport, { version }: ManifestContent, { removedTables }: ManifestRemains): boolean {
  const tables = files.filter(({ kind }) => kind === 'table')
  if (tables.some(({ state }) => state === 'missing') && tables.some(({ state }) => state === 'orphaned')) return true
  return version.levels.flat().some(({ fileNumber }) => removedTables.has(fileNumber))
}

/** Whether a table holds what neither the manifest's tables nor the logs do. */
function isUnknown(table: TableMeta, { version, state }: ManifestContent, lastSequenceInLogs: number): boolean {
  const { largestSequence, smallestKey, largestKey, fileNumber } = table
  if (largestSequence > Math.max(state.lastSequence, lastSequenceInLogs)) return true
  if (largestSequence > state.lastSequence || fileNumber < state.nextFileNumber) return false
  return [smallestKey, largestKey].some((key) => !version.levels.flat().some((named) => holds(named, key)))
}

function holds(table: TableMeta, key: Uint8Array): boolean {
  return compare(table.smallestKey, key) <= 0 && compare(key, table.largestKey) <= 0
}

function compare(a: Uint8Array, b: Uint8Array): number {
  return compareBytes(a, 0, a.length, b, 0, b.length)
}

/** Tables that the manifest does not name, and no edit has removed, by their own word. */
function* unnamedTables(
  vfs: Vfs,
  dir: string,
  { files }: VerifyReport,
  skipUnreadable: boolean,
  removed: ReadonlySet<number>,
): Task<TableMeta[]> {
  const tables: TableMeta[] = []
  for (const { name, kind, state } of files) {
    const { fileNumber } = parseFileName(name) ?? { fileNumber: 0 }
    if (kind !== 'table' || state !== 'orphaned' || removed.has(fileNumber)) continue
    try {
      tables.push(describeTable(vfs, joinPath(dir, name), fileNumber))
    } catch (error) {
      // A table that a crash cut short, or what is no table.
      expectDamage(error, skipUnreadable)
    }
    yield PAUSE
  }
  return tables
}

function isSame(a: VerifyProblem, b: VerifyProblem): boolean {
  return a.file === b.file && a.message === b.message
}
