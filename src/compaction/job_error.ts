/**
 * Errors of jobs: what they are made into, and how they cross between threads, which keeps neither classes nor all properties.
 */
import { StoreError, type StoreErrorCode, systemCode } from '../util/errors.js'

/** What a job failed with, as an error of operation. */
export function asStoreError(error: unknown): StoreError {
  if (error instanceof StoreError) return error
  const message = error instanceof Error ? error.message : String(error)
  return new StoreError('ERR_BACKGROUND', `a background job failed: ${message}`, { cause: error })
}

/** An error as plain data. */
export interface ErrorImage {
  readonly code: StoreErrorCode
  readonly message: string
  readonly path: string | undefined
  readonly offset: number | undefined
  readonly cause: { readonly message: string; readonly code: string | undefined; readonly stack: string | undefined } | undefined
}

/** Takes an error apart. */
export function imageOf(error: unknown): ErrorImage {
  const { code, message, path, offset, cause } = asStoreError(error)
  return { code, message, path, offset, cause: cause === undefined ? undefined : causeImage(cause) }
}

function causeImage(cause: unknown): NonNullable<ErrorImage['cause']> {
  const code = systemCode(cause)
  return cause instanceof Error ? { message: cause.message, code, stack: cause.stack } : { message: String(cause), code, stack: undefined }
}

/** Puts an error together again. */
export function errorOf(image: ErrorImage): StoreError {
  const { code, message, path, offset } = image
  return new StoreError(code, message, { path, offset, cause: image.cause === undefined ? undefined : restoredCause(image.cause) })
}

function restoredCause(image: NonNullable<ErrorImage['cause']>): Error {
  const cause = new Error(image.message)
  if (image.code !== undefined) Object.assign(cause, { code: image.code })
  if (image.stack !== undefined) cause.stack = image.stack
  return cause
}
