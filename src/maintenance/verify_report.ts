/**
 * What `Store.verify` answers.
 */
import type { StoreErrorCode } from '../util/errors.js'

/** What a file is, by its name. `foreign` ones are not the store's. */
export type VerifiedFileKind = 'table' | 'log' | 'manifest' | 'current' | 'lock' | 'foreign'

/**
 * What a file was found to be.
 *
 * | state | meaning | harm |
 * |---|---|---|
 * | `ok` | whole | none |
 * | `torn` | its end was being written when the process died, and was not acknowledged as durable; opening cuts it off | none |
 * | `dropped` | a log behind records that a crash took, none of it acknowledged as durable; opening passes over it | none |
 * | `orphaned` | nothing refers to it; opening deletes it, or puts it into `lost/` when it holds more than the store | none |
 * | `replaced` | another process replaced it meanwhile, so it was not judged | none |
 * | `foreign` | not the store's; never touched | none |
 * | `damaged` | stored bytes changed | yes |
 * | `missing` | the store names it, and it is not there | yes |
 * | `unchecked` | it could not be judged: the system refused to read it, a codec is not installed, or a newer version wrote it | unknown |
 */
export type VerifiedFileState = 'ok' | 'torn' | 'dropped' | 'orphaned' | 'replaced' | 'foreign' | 'damaged' | 'missing' | 'unchecked'

/** Something that is wrong. */
export interface VerifyProblem {
  /** The file concerned, as it stands in `files`. */
  readonly file: string
  /** `ERR_CORRUPTION`; or why the file could not be judged. */
  readonly code: StoreErrorCode
  /** What is wrong, in words. */
  readonly message: string
  /** Byte in the file, where it is known. */
  readonly offset: number | undefined
}

/** A file in the directory of the store, or one that should be there. */
export interface VerifiedFile {
  /** Its name in the directory. */
  readonly name: string
  /** What it is. */
  readonly kind: VerifiedFileKind
  /** Its length; 0 when it is missing. */
  readonly bytes: number
  /** What it was found to be. */
  readonly state: VerifiedFileState
  /** Bytes at its end that opening cuts off, when its state is `torn`. */
  readonly tornBytes: number
  /** The first thing that is wrong with it, where something is. */
  readonly error: VerifyProblem | undefined
}

/** Whole tables of one level. */
export interface VerifiedLevel {
  /** 0 to 6. */
  readonly level: number
  /** Their number. */
  readonly tables: number
  /** Entries in them, tombstones and older versions included. */
  readonly entries: number
  /** Bytes of their files. */
  readonly bytes: number
}

/** The answer of `Store.verify`. */
export interface VerifyReport {
  /** Whether everything was found to be as it must be. */
  readonly ok: boolean
  /** Whether a living process has the store open for writing: then this is what it was at some moment of the check. */
  readonly isInUse: boolean
  /** Tables that are whole. */
  readonly tables: number
  /** Logs that are needed and whole, but for a torn end. */
  readonly logs: number
  /** Per level with tables: what of it is whole. Empty when the manifest could not be read. */
  readonly levels: readonly VerifiedLevel[]
  /** Entries in whole tables, tombstones and older versions included. */
  readonly entries: number
  /** Distinct keys in tables whose newest version there is a value; 0 when the manifest could not be read. */
  readonly keys: number
  /** Writes in logs that are not in tables yet. */
  readonly operations: number
  /** Bytes of the store's files. */
  readonly bytes: number
  /** Every file in the directory, and every one that is missing, by name. */
  readonly files: readonly VerifiedFile[]
  /** Everything that is wrong: what is wrong with single files first, then what is wrong between them. */
  readonly problems: readonly VerifyProblem[]
  /** How long it took. */
  readonly durationMs: number
}

/** How far `Store.verify` is. */
export interface VerifyProgress {
  /** Bytes of tables and logs dealt with. */
  readonly bytesDone: number
  /** Bytes of tables and logs altogether, as far as is known. */
  readonly bytesTotal: number
}
