/**
 * The level checker of an open store: asserts on the spot what must hold between any two operations. Tests call it often; nothing of it is
 * part of the public surface, where `Store.verify` is.
 *
 * 1. Tables and levels: `maintenance/version_check.ts`, with the memtables above them.
 * 2. Sequence numbers: none is given twice, none in tables is above the manifest's, none in memtables above the last one given.
 * 3. References: a table is named as often as the versions say that somebody refers to; what readers see is one of those.
 * 4. Files: every table of a live version and every log that is needed is there, with the length that is known of it, and there is nothing
 *    else but what waits to be deleted, or is being written by a job.
 *
 * It reads all tables, so it is for small stores.
 */
import type { Key } from '../codec/key.js'
import { MOVED } from '../codec/internal_iterator.js'
import { checkVersion, runsOf } from '../maintenance/version_check.js'
import type { Memtable } from '../memtable/memtable.js'
import { tableFileName } from '../sstable/format.js'
import { runTaskSync } from '../util/task.js'
import { CURRENT_NAME, manifestFileName, parseFileName } from '../version/file_names.js'
import { joinPath } from '../vfs/io.js'
import type { Engine } from './engine.js'
import { engineOf, type Store } from './store.js'
import { AssertionError } from 'node:assert'

/** What was looked at. */
export interface LevelCheck {
  readonly tables: number
  /** Distinct keys, tombstones included, and those whose newest version is a value. */
  readonly keys: number
  readonly liveKeys: number
  /** Versions that somebody refers to: one when nobody reads and nothing runs. */
  readonly versions: number
  /** Files that wait to be deleted. */
  readonly obsolete: readonly string[]
}

/** Checks an open store, and throws an `AssertionError` that names everything found. */
export function checkLevels(store: Store<Key>): LevelCheck {
  const engine = engineOf(store)
  const problems: string[] = []
  const { version } = engine.view
  const { files, state } = engine.manifest
  try {
    version.check()
  } catch (error) {
    problems.push(String(error))
  }
  const counts = runTaskSync(
    checkVersion(
      {
        vfs: engine.options.vfs,
        dir: engine.path,
        runs: runsOf(version),
        lastSequence: state.lastSequence,
        memtables: engine.view.memtables.map((memtable) => memtable.iterator()),
        findsSharedSequences: true,
      },
      {
        onTable: (table, level, error) => {
          if (error !== undefined) problems.push(`${tableFileName(table.fileNumber)} on level ${level}: ${String(error)}`)
        },
        onContradiction: (message) => problems.push(message),
        onBytes: () => {},
      },
    ),
  )
  checkSequences(engine, problems)
  checkReferences(engine, problems)
  checkFiles(engine, problems)
  if (problems.length > 0) throw new AssertionError({ message: `the store in ${engine.path} is inconsistent:\n${problems.join('\n')}` })
  const obsolete = files.obsoleteNames
  return { tables: version.tableCount, keys: counts.keys, liveKeys: counts.liveKeys, versions: files.liveVersions.length, obsolete }
}

function checkSequences(engine: Engine, problems: string[]): void {
  const { lastSequence } = engine.queue
  let above = lastSequence
  for (const slot of engine.view.slots) {
    const { least, greatest } = sequencesOf(slot.memtable)
    if (greatest > above) problems.push(`a memtable has the sequence ${greatest}, and what is newer begins after ${above}`)
    above = Math.min(above, least - 1)
  }
  if (engine.visibleSequence > lastSequence) {
    problems.push(`readers see up to sequence ${engine.visibleSequence}, and the last one given is ${lastSequence}`)
  }
  // A memtable that became a table stays in view until the edit that names the table is installed, and no longer.
  const inTables = engine.manifest.state.lastSequence
  if (above < inTables && engine.view.version === engine.manifest.version)
    problems.push(`the memtables begin with sequence ${above + 1}, and the manifest has up to ${inTables} in tables`)
}

function sequencesOf(memtable: Memtable): { least: number; greatest: number } {
  const iterator = memtable.iterator()
  let least = Infinity
  let greatest = 0
  for (let status = iterator.seekToFirst(); status === MOVED; status = iterator.next()) {
    if (iterator.sequence < least) least = iterator.sequence
    if (iterator.sequence > greatest) greatest = iterator.sequence
  }
  return { least, greatest }
}

function checkReferences(engine: Engine, problems: string[]): void {
  const { files } = engine.manifest
  const { liveVersions } = files
  const expected = new Map<number, number>()
  for (const version of liveVersions) {
    if (version.referenceCount < 1) problems.push('a version is kept although nobody refers to it')
    for (const { fileNumber } of version.levels.flat()) expected.set(fileNumber, (expected.get(fileNumber) ?? 0) + 1)
  }
  for (const version of [engine.view.version, engine.manifest.version]) {
    if (!liveVersions.includes(version)) problems.push('a version in use is not kept')
  }
  for (const [fileNumber, count] of expected) {
    const counted = files.countOf(fileNumber)
    if (counted !== count) problems.push(`${tableFileName(fileNumber)} is named by ${count} versions, and ${counted} are counted`)
  }
}

function checkFiles(engine: Engine, problems: string[]): void {
  const { files, manifestNumber, state } = engine.manifest
  const { vfs } = engine.options
  const names = new Set(vfs.readdirSync(engine.path))
  const tables = new Map(files.liveVersions.flatMap((version) => version.levels.flat()).map((table) => [table.fileNumber, table]))
  for (const { fileNumber, fileBytes } of tables.values()) {
    const name = tableFileName(fileNumber)
    const stat = names.has(name) ? vfs.statSync(joinPath(engine.path, name)) : undefined
    if (stat === undefined) problems.push(`${name} is missing`)
    else if (stat.sizeBytes !== fileBytes) problems.push(`${name} has ${stat.sizeBytes} bytes instead of ${fileBytes}`)
  }
  for (const name of [CURRENT_NAME, manifestFileName(manifestNumber)]) if (!names.has(name)) problems.push(`${name} is missing`)
  const jobs = engine.scheduler?.stats()
  // A read-only store takes the folder as it is; a job has files that nothing names yet; a failed store keeps what may be needed.
  if (jobs === undefined || jobs.isFlushRunning || jobs.isCompactionRunning || engine.status !== 'open') return
  const waiting = new Set(files.obsoleteNames)
  for (const name of names) {
    const parsed = parseFileName(name)
    const isNeeded =
      parsed === undefined ||
      waiting.has(name) ||
      parsed.kind === 'lock' ||
      parsed.kind === 'current' ||
      (parsed.kind === 'table' && tables.has(parsed.fileNumber)) ||
      (parsed.kind === 'log' && parsed.fileNumber >= state.logNumber) ||
      (parsed.kind === 'manifest' && parsed.fileNumber === manifestNumber)
    if (!isNeeded) problems.push(`${name} is needed by nothing, and does not wait to be deleted`)
  }
}
