/**
 * Errors as the Level family knows them: a `LEVEL_…` code where there is one for what happened, with the `StoreError` as cause.
 */
import { StoreError, type StoreErrorCode } from '../../index.js'

/** Codes of this package and the ones of `abstract-level` that say the same. */
const CODES: Partial<Record<StoreErrorCode, string>> = {
  ERR_LOCKED: 'LEVEL_LOCKED',
  ERR_CORRUPTION: 'LEVEL_CORRUPTION',
  ERR_IO: 'LEVEL_IO_ERROR',
  ERR_DISK_FULL: 'LEVEL_IO_ERROR',
  ERR_BACKGROUND: 'LEVEL_IO_ERROR',
  ERR_READ_ONLY: 'LEVEL_READONLY',
  ERR_NOT_OPEN: 'LEVEL_DATABASE_NOT_OPEN',
  ERR_INVALID_KEY: 'LEVEL_INVALID_KEY',
  ERR_INVALID_VALUE: 'LEVEL_INVALID_VALUE',
  ERR_ABORTED: 'LEVEL_ABORTED',
}

/** An error with a code of the Level family. */
export class VarveLevelError extends Error {
  /** `'VarveLevelError'`, or `'AbortError'` for what a signal ended, as the web has it. */
  override readonly name: string
  /** What went wrong, for programs: a `LEVEL_…` code. */
  readonly code: string

  constructor(code: string, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = code === 'LEVEL_ABORTED' ? 'AbortError' : 'VarveLevelError'
    this.code = code
  }
}

/** The error in the terms of the Level family. What has no code there stays as it is. */
export function toLevelError(error: unknown): unknown {
  if (!(error instanceof StoreError)) return error
  const code = CODES[error.code]
  return code === undefined ? error : new VarveLevelError(code, error.message, error)
}

/** Throws the error in the terms of the Level family. */
export function rethrow(error: unknown): never {
  throw toLevelError(error) as Error
}

/** What a signal has ended. */
export function aborted(signal: AbortSignal): VarveLevelError {
  return new VarveLevelError('LEVEL_ABORTED', 'Operation has been aborted', signal.reason)
}

/** A method was called while the database was not open. */
export function notOpen(method: string): VarveLevelError {
  return new VarveLevelError('LEVEL_DATABASE_NOT_OPEN', `Database is not open: cannot call ${method}()`)
}
