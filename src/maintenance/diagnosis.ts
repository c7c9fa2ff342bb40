/**
 * What a repair goes by: which manifest, which tables it does not know of, and what was found wrong on the way.
 *
 * **Which manifest.** The one in force, if it can be replayed and is of this store. Else the newest one that is: with `CURRENT` gone that
 * is the one that it named, and what an older one does not know is found out as follows.
 *
 * **Whether it is older than the tables**, as one is that was cut short where a record ends, or brought back from a copy. This is asked
 * only where something is damaged or missing: a power loss leaves tables of flushes whose edits it took, together with the end of the
 * logs, and nothing tells one from the other. Where nothing is wrong, a repair leaves all to the next opening, which puts tables into
 * `lost/` that hold more than the store.
 *
 * - It names tables that are gone while others are there that it does not name, or tables that a later edit has removed.
 * - A log or another manifest is damaged or missing, and a table that it does not name holds newer sequences than it and the logs know of,
 *   or reaches beyond the keys of all that it names and is no flush that a crash cut short: its sequences are older than those of the
 *   logs. (Compactions give sequence 0 to what is old enough, so sequences alone do not tell.)
 *
 * Then the store has gone on without it, and what it says of tables is dropped altogether: nobody else has that data.
 */
import { compareBytes } from '../codec/bytes.js'
import { tableFileName } from '../sstable/format.js'
import type { TableMeta } from '../sstable/table_meta.js'
import { PAUSE, type Task } from '../util/task.js'
import { decodeCurrent, readCurrentSync } from '../version/current_file.js'
import { listNumberedFiles } from '../version/directory.js'
import { manifestFileName, parseFileName } from '../version/file_names.js'
import type { ManifestContent } from '../version/manifest_reader.js'
import { joinPath } from '../vfs/io.js'
import type { Vfs } from '../vfs/vfs.js'
import { expectDamage } from './damage.js'
import { type ManifestRemains, NO_REMAINS, salvageManifests } from './manifest_salvage.js'
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
  if (inForce !== undefined && report.ok) return { report, problems, content: inForce, remains: NO_REMAINS, isWhole: true }
  const numbers = manifestNumbers(vfs, dir)
  const remains = yield* salvageManifests(vfs, dir, numbers, skipUnreadable)
  const isOurs = ({ storeId }: ManifestContent): boolean => remains.storeId?.equals(storeId) === true
  let content = inForce
  if (content !== undefined && !isOurs(content)) {
    const file = manifestFileName(numbers[0]!)
    problems.push({
      file,
      code: 'ERR_CORRUPTION',
      message: `${file} is not the manifest of these tables: they contradict it, and none of them is as it says`,
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
    const isInDoubt = problems.some(({ file }) => DOUBTED.has(parseFileName(file)?.kind))
    const unnamed = isInDoubt ? yield* unnamedTables(vfs, dir, report, skipUnreadable, remains.removedTables) : []
    const unknown = unnamed.find((table) => isUnknown(table, content!, verification.lastSequenceInLogs ?? 0))
    const reason =
      unknown === undefined ? whyStale(report, content, remains) : `nothing but ${tableFileName(unknown.fileNumber)} holds what is in it`
    if (reason !== undefined) {
      const file = verification.manifestName
      problems.push({ file, code: 'ERR_CORRUPTION', message: `${file} is older than the tables: ${reason}`, offset: undefined })
      content = undefined
    }
  }
  return { report, problems, content, remains, isWhole: false }
}

/** Kinds of files that say what the store has gone on with: damage to them may hide that the manifest is an old one. */
const DOUBTED: ReadonlySet<string | undefined> = new Set(['log', 'manifest'])

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

/** How compactions are known to have gone on without the manifest, if they are: see above. */
function whyStale({ files }: VerifyReport, { version }: ManifestContent, { removedTables }: ManifestRemains): string | undefined {
  const tables = files.filter(({ kind }) => kind === 'table')
  const missing = tables.find(({ state }) => state === 'missing')
  const orphaned = tables.find(({ state }) => state === 'orphaned')
  if (missing !== undefined && orphaned !== undefined) return `${missing.name} is missing, and it does not name ${orphaned.name}`
  const removed = version.levels.flat().find(({ fileNumber }) => removedTables.has(fileNumber))
  return removed === undefined ? undefined : `${tableFileName(removed.fileNumber)} was removed later`
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
