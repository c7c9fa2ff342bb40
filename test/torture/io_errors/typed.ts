/** What must be true of every error that a failing disk leads to, and waiting without sleeping. */
import { type ManualClock, StoreError } from '../../../src/index.js'
import { systemCode } from '../../../src/util/errors.js'

const CODES: ReadonlySet<string> = new Set(['ERR_IO', 'ERR_DISK_FULL', 'ERR_BACKGROUND'])

/** Fails unless an error is typed, names a path, and comes from the system error `code`. */
export function expectTyped(error: unknown, code: string | undefined): void {
  if (code === undefined) throw new Error(`nothing failed, and still there is: ${String(error)}`, { cause: error })
  if (!(error instanceof StoreError) || !CODES.has(error.code))
    throw new Error(`not an error of the disk: ${String(error)}`, { cause: error })
  if (typeof error.path !== 'string' || error.path === '') throw new Error(`an error without a path: ${error.message}`, { cause: error })
  const isFull = code === 'ENOSPC' || code === 'EDQUOT'
  if (isFull !== (error.code === 'ERR_DISK_FULL') && error.code !== 'ERR_BACKGROUND' && !isFull) {
    throw new Error(`${code} shows as ${error.code}`, { cause: error })
  }
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) if (systemCode(cause) === code) return
  throw new Error(`an error that does not tell of ${code}: ${error.message}`, { cause: error })
}

/** Lets the event loop go round. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Whether a promise settles within so many turns of the event loop, while time goes by. Its failure is left to the caller. */
export async function isWithin(promise: Promise<unknown>, turns: number, clock: ManualClock): Promise<boolean> {
  let isSettled = false
  const settle = (): void => {
    isSettled = true
  }
  promise.then(settle, settle)
  for (let i = 0; i < 10 && !isSettled; i++) await Promise.resolve()
  for (let i = 1; i <= turns && !isSettled; i++) {
    await nextTurn()
    if (i % 10 === 0) clock.advance(100)
  }
  return isSettled
}
