/**
 * What `Store.repair` answers.
 */
import type { VerifiedFileKind, VerifyProblem } from './verify_report.js'

/**
 * What became of a file.
 *
 * | fate | meaning |
 * |---|---|
 * | `kept` | part of the repaired store as it is |
 * | `merged` | whole; what it held is in new tables |
 * | `salvaged` | damaged: what could be read of it is in a new table, the file itself in `lost/` |
 * | `lost` | nothing of it is in the repaired store: it is damaged or missing, or a log behind records that a crash took; if it is there, it is in `lost/` |
 * | `unnamed` | a table or log that is no part of the store as its manifest has it, in `lost/` |
 */
export type RepairedFileFate = 'kept' | 'merged' | 'salvaged' | 'lost' | 'unnamed'

/** A file of the store that was repaired. */
export interface RepairedFile {
  /** Its name. */
  readonly name: string
  /** What it is. */
  readonly kind: VerifiedFileKind
  /** What became of it. */
  readonly fate: RepairedFileFate
  /** Entries of a table, or writes of a log, that are in the repaired store; `undefined` where none were counted. */
  readonly entriesKept: number | undefined
  /** How many are not; `undefined` when nobody knows. */
  readonly entriesLost: number | undefined
  /** What was wrong with it, where something was. */
  readonly error: VerifyProblem | undefined
}

/** The answer of `Store.repair`. */
export interface RepairReport {
  /** Whether anything was changed: `false` for a store that was whole. */
  readonly isChanged: boolean
  /** Every table, log and manifest that made up the store. */
  readonly files: readonly RepairedFile[]
  /** Everything that was wrong, as `Store.verify` puts it. */
  readonly problems: readonly VerifyProblem[]
  /** What is wrong with the repaired store, as `Store.verify` puts it: nothing, unless somebody has made up files on purpose. */
  readonly problemsLeft: readonly VerifyProblem[]
  /** Whether the levels of tables had to be found out anew, because no manifest could be read or it was wrong. */
  readonly isRebuilt: boolean
  /** Tables of the repaired store, and entries in them. */
  readonly tables: number
  /** Entries in those tables, tombstones and older versions included. */
  readonly entries: number
  /** Where damaged files were put; `undefined` when there were none. */
  readonly lostDirectory: string | undefined
  /** How long it took. */
  readonly durationMs: number
}
