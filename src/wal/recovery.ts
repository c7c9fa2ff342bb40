/**
 * Recovers the logs of a store, in order, as one sequence of operations without gaps.
 *
 * Numbers of logs have holes, since tables take numbers from the same counter, so only sequences tell whether something is missing. The
 * writer syncs logs oldest first: a log with a synced record has only durable logs before it. Let `e` be the sequence that has to come next
 * and `b` the first one of the next log:
 *
 * - `b = e`: it goes on.
 * - `b > e`: records before this log are lost. If nothing in it claims to be synced, a power loss took the unsynced end of an earlier log
 *   (or the whole of it, name included) but left this one: the log is dropped whole, because what is recovered must be a prefix. If
 *   something in it does, synced records are lost: damage.
 * - `b < e`: damage; no writer does that. Except for records that are in tables already: see `inTables`.
 *
 * A dropped log changes nothing about the logs behind it: they may have been written after an earlier recovery that dropped it too.
 *
 * After a clean close the manifest says up to where everything was durable (`ClosedMark`). When the logs end before that, what they have
 * lost may have been cut off where a record ends, together with every claim of it: damage.
 */
import { corruption } from '../util/errors.js'
import type { Task } from '../util/task.js'
import { joinPath } from '../vfs/io.js'
import type { Vfs } from '../vfs/vfs.js'
import { LOG_HEADER_BYTES, logFileName } from './format.js'
import { type DamagedRegion, type LogRecoveryReport, type OnRecord, recoverLog } from './reader.js'

/** How to recover the logs of a store. */
export interface LogsRecoveryOptions {
  /** Skips damage and reports it, instead of throwing. */
  readonly salvage?: boolean
  /** Given when the store was closed cleanly and the manifest not changed since. */
  readonly closed?: ClosedMark | undefined
}

/** What a clean close has left. */
export interface ClosedMark {
  /** Everything up to this sequence was durable in tables and logs. */
  readonly lastSequence: number
  /** The file that says so. */
  readonly path: string
}

/** What was found in the logs of a store. */
export interface LogsRecoveryReport {
  /** Reports of the single logs, oldest first, dropped ones included. */
  readonly logs: readonly LogRecoveryReport[]
  /** The last sequence recovered; `firstSequence - 1` when there was none. */
  readonly lastSequence: number
  /** Records and operations handed over. */
  readonly records: number
  readonly operations: number
  /** Bytes cut off as torn tails. */
  readonly tornBytes: number
  /** Numbers of logs that were dropped because records before them were lost. */
  readonly droppedLogs: readonly number[]
  /**
   * Logs with records that were handed over but are not known to be durable: they may exist in the page cache only, and a sync of the file
   * that failed in an earlier process may have been forgotten. Before the store calls anything written later durable, it must make these
   * records durable in another way: by flushing them to a table.
   */
  readonly unsyncedLogs: readonly number[]
  /** What was skipped in salvage mode. */
  readonly damage: readonly DamagedRegion[]
}

/**
 * Recovers the logs with these numbers in `dir`.
 *
 * @param firstSequence the sequence that the first operation must have: one more than the last one that is in tables.
 * @throws StoreError `ERR_CORRUPTION` on damage, unless `options.salvage`; `ERR_FORMAT_VERSION` for a log of a newer version.
 */
export function* recoverLogs(
  vfs: Vfs,
  dir: string,
  logNumbers: readonly number[],
  firstSequence: number,
  options: LogsRecoveryOptions,
  onRecord: OnRecord,
): Task<LogsRecoveryReport> {
  const logs: LogRecoveryReport[] = []
  let expected = firstSequence
  const salvage = options.salvage === true
  for (const logNumber of logNumbers.toSorted((a, b) => a - b)) {
    // What salvage skipped explains a gap: then nothing says that this log is what a power loss left.
    const dropOnGap = logs.every((log) => log.damage.length === 0)
    const place = { expected, inTables: firstSequence - 1, dropOnGap }
    const report = yield* recoverNextLog(vfs, dir, logNumber, place, salvage, onRecord)
    if (report.records > 0) expected = report.lastSequence + 1
    logs.push(report)
  }
  const missing = endBeforeClose(
    logs.findLast((log) => !log.isDropped),
    expected - 1,
    options.closed,
  )
  if (missing !== undefined && !salvage) throw corruption(missing.reason, missing.path, missing.offset)
  return {
    logs,
    lastSequence: expected - 1,
    records: logs.reduce((sum, log) => sum + log.records, 0),
    operations: logs.reduce((sum, log) => sum + log.operations, 0),
    tornBytes: logs.reduce((sum, log) => sum + log.tornBytes, 0),
    droppedLogs: logs.filter((log) => log.isDropped).map((log) => log.logNumber),
    unsyncedLogs: logs.filter((log) => !log.isDropped && !log.isDurable).map((log) => log.logNumber),
    damage: [...logs.flatMap((log) => log.damage), ...(missing === undefined ? [] : [missing])],
  }
}

/**
 * What is missing when logs that end at `lastSequence` are those of a store that was closed later; `undefined` when nothing is.
 *
 * @param newest the newest of these logs that was not dropped
 */
export function endBeforeClose(
  newest: LogRecoveryReport | undefined,
  lastSequence: number,
  closed: ClosedMark | undefined,
): DamagedRegion | undefined {
  if (closed === undefined || lastSequence >= closed.lastSequence) return undefined
  const end = newest === undefined ? 'there is no log' : 'the end of the log, or a later log, is missing'
  const offset = newest?.validBytes ?? 0
  return {
    path: newest?.path ?? closed.path,
    offset,
    endOffset: offset,
    reason: `${end}: what is there ends with write ${lastSequence}, and the store was closed after write ${closed.lastSequence}`,
    firstLostSequence: lastSequence + 1,
    endLostSequence: closed.lastSequence + 1,
  }
}

/** What is known of the logs before one. */
export interface LogPlace {
  /** The sequence that has to come next; `undefined` when any may. */
  readonly expected: number | undefined
  /** Records up to this sequence are in tables. */
  readonly inTables: number
  /** Whether a gap before a log that claims nothing means that a power loss took what was before: see above. */
  readonly dropOnGap: boolean
}

/** Recovers one log of several. @throws StoreError as `recoverLogs` */
export function* recoverNextLog(
  vfs: Pick<Vfs, 'openSync'>,
  dir: string,
  logNumber: number,
  place: LogPlace,
  salvage: boolean,
  onRecord: OnRecord,
): Task<LogRecoveryReport> {
  const { expected, inTables, dropOnGap } = place
  const path = joinPath(dir, logFileName(logNumber))
  const settings = { salvage, firstSequence: expected, inTables }
  const report = yield* recoverLog(vfs, path, logNumber, { ...settings, dropOnGap }, onRecord)
  if (!report.isDropped || report.syncedOffset === 0) return report
  if (!salvage) {
    const gap = `goes on after sequence ${(expected ?? 1) - 1} with a gap`
    throw corruption(`a log that was synced ${gap}: records are missing`, path, LOG_HEADER_BYTES)
  }
  return yield* recoverLog(vfs, path, logNumber, settings, onRecord)
}
