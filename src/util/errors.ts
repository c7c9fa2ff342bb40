/**
 * Errors of operation: everything that can go wrong without the program being wrong.
 *
 * Every failure that a caller can meet is a {@link StoreError} with a stable `code`; broken invariants are assertions
 * instead (`assert.ts`). A missing key is no error: it is `undefined`.
 */

/**
 * Stable identifiers of {@link StoreError}s.
 *
 * | code | meaning |
 * |---|---|
 * | `ERR_LOCKED` | another store, in this process or another, holds the directory; the message names the holder |
 * | `ERR_CORRUPTION` | stored bytes failed a check; `path` and `offset` say where |
 * | `ERR_IO` | the operating system refused an operation; `cause` is its error |
 * | `ERR_DISK_FULL` | no space left; the write was not made, reads go on, writes resume when space returns |
 * | `ERR_READ_ONLY` | a write on a store that was opened `readOnly` |
 * | `ERR_NOT_OPEN` | the store, snapshot, scan or batch was closed |
 * | `ERR_NOT_A_STORE` | the directory holds no store, and was not to be made into one |
 * | `ERR_EXISTS` | a store is there although `errorIfExists` was given |
 * | `ERR_FORMAT_VERSION` | the files were written by a newer version |
 * | `ERR_CODEC_UNAVAILABLE` | a table needs an optional package that is not installed, or memory that is not there; the message says which |
 * | `ERR_TYPE_MISMATCH` | a typed getter met a value of another type |
 * | `ERR_INVALID_KEY` | the key is no key: wrong type, or over 65,535 bytes |
 * | `ERR_INVALID_VALUE` | the value cannot be stored: wrong type, out of range, or too large |
 * | `ERR_INVALID_OPTION` | an option is unknown, of the wrong type or out of range |
 * | `ERR_BACKGROUND` | an earlier write or background job failed; the store accepts no writes until reopened |
 * | `ERR_CONFLICT` | a transaction lost against another write |
 * | `ERR_ABORTED` | an `AbortSignal` ended the operation |
 */
export type StoreErrorCode =
  | 'ERR_LOCKED'
  | 'ERR_CORRUPTION'
  | 'ERR_IO'
  | 'ERR_DISK_FULL'
  | 'ERR_READ_ONLY'
  | 'ERR_NOT_OPEN'
  | 'ERR_NOT_A_STORE'
  | 'ERR_EXISTS'
  | 'ERR_FORMAT_VERSION'
  | 'ERR_CODEC_UNAVAILABLE'
  | 'ERR_TYPE_MISMATCH'
  | 'ERR_INVALID_KEY'
  | 'ERR_INVALID_VALUE'
  | 'ERR_INVALID_OPTION'
  | 'ERR_BACKGROUND'
  | 'ERR_CONFLICT'
  | 'ERR_ABORTED'

/** Where an error happened and what caused it. */
export interface StoreErrorDetails {
  /** File or directory concerned. */
  readonly path?: string | undefined
  /** Byte offset in that file. */
  readonly offset?: number | undefined
  /** The error underneath. */
  readonly cause?: unknown
}

/** An error of operation, told apart by its {@link StoreErrorCode}. */
export class StoreError extends Error {
  /** `'StoreError'`. */
  override readonly name: string = 'StoreError'
  /** What went wrong, for programs; the message says it for people. */
  readonly code: StoreErrorCode
  /** File or directory concerned, where there is one. */
  readonly path: string | undefined
  /** Byte offset in `path`, where there is one. */
  readonly offset: number | undefined

  constructor(code: StoreErrorCode, message: string, details: StoreErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.path = details.path
    this.offset = details.offset
  }
}

/** Damage found at `offset` of `path`. */
export function corruption(message: string, path: string, offset?: number, cause?: unknown): StoreError {
  const place = offset === undefined ? path : `${path} at byte ${offset}`
  return new StoreError('ERR_CORRUPTION', `${message} (${place})`, { path, offset, cause })
}

/** The operating system's error code (`'ENOENT'`, `'ENOSPC'` …) of an error or of its cause; `undefined` where there is none. */
export function systemCode(error: unknown): string | undefined {
  const source = error instanceof StoreError ? error.cause : error
  const code = (source as { code?: unknown } | null | undefined)?.code
  return typeof code === 'string' ? code : undefined
}

/** Whether there was no file descriptor left, in the process or in the system: nothing was done, and it passes. */
export function isOutOfFiles(error: unknown): boolean {
  const code = systemCode(error)
  return code === 'EMFILE' || code === 'ENFILE'
}

/** Whether something was not done for want of disk space or file descriptors: it is in no doubt, and may be tried again. */
export function isShortage(error: unknown): boolean {
  return (error instanceof StoreError && error.code === 'ERR_DISK_FULL') || isOutOfFiles(error)
}

/** An operating system error as the `ERR_IO` or `ERR_DISK_FULL` it means. `StoreError`s pass unchanged. */
export function ioError(cause: unknown, operation: string, path: string): StoreError {
  if (cause instanceof StoreError) return cause
  const code = systemCode(cause)
  const full = code === 'ENOSPC' || code === 'EDQUOT'
  const reason = cause instanceof Error ? cause.message : String(cause)
  const message = full
    ? `no space left to ${operation} ${path}: free some space; reads go on and writes resume by themselves`
    : `could not ${operation} ${path}: ${reason}`
  return new StoreError(full ? 'ERR_DISK_FULL' : 'ERR_IO', message, { path, cause })
}
