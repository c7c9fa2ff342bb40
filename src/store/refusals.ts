/**
 * Why the store refuses a call, and what to do about it.
 */
import { StoreError } from '../util/errors.js'

/** The store was closed. */
export function notOpen(): StoreError {
  return new StoreError('ERR_NOT_OPEN', 'this store is closed: open it again with Store.open()')
}

/** The store only reads. */
export function readOnly(): StoreError {
  return new StoreError('ERR_READ_ONLY', 'this store was opened with readOnly: open it without to write')
}

/** Background work has no room on the disk. */
export function diskFull(path: string, cause: StoreError): StoreError {
  return new StoreError('ERR_DISK_FULL', `no space left in ${path}: free some space; reads go on and writes resume by themselves`, {
    path,
    cause,
  })
}

/** What has stopped the store: a refusal of the log may be told before the failure that it is for, which is what counts. */
export function rootOf(error: unknown): unknown {
  return error instanceof StoreError && error.code === 'ERR_BACKGROUND' && error.cause instanceof StoreError ? error.cause : error
}

/** An earlier failure has stopped the store. */
export function stopped(cause: StoreError): StoreError {
  return new StoreError(
    'ERR_BACKGROUND',
    `the store takes no more writes because an earlier one failed (${cause.message}): close it, mend the cause, open it again`,
    { path: cause.path, cause },
  )
}
