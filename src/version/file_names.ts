/**
 * Names of the files in a store's folder.
 *
 * | name | file |
 * |---|---|
 * | `CURRENT` | names the manifest in force |
 * | `CURRENT.tmp` | the next `CURRENT` while it is written |
 * | `MANIFEST-000001` | a manifest |
 * | `000002.log` | a write-ahead log |
 * | `000003.sst` | a table |
 * | `DESTROYED` | tells of a store that is being destroyed: what is left of it is no store any more |
 * | `LOCK…` | the lock (`vfs/lock.ts`) |
 *
 * Numbers have at least six digits and no needless zeroes. Logs and tables take theirs from one counter, manifests from another. Every
 * other name is foreign: it is never read, changed or deleted.
 */
import { tableFileName } from '../sstable/format.js'
import { logFileName } from '../wal/format.js'

/** The file that names the manifest in force. */
export const CURRENT_NAME = 'CURRENT'

/** The next `CURRENT` while it is written. */
export const CURRENT_TEMPORARY_NAME = 'CURRENT.tmp'

/** What `CURRENT` becomes when a store is destroyed. */
export const DESTROYED_NAME = 'DESTROYED'

/** What a file name says. */
export interface ParsedFileName {
  readonly kind: 'table' | 'log' | 'manifest' | 'current' | 'temporary' | 'destroyed' | 'lock'
  /** 0 for files without a number. */
  readonly fileNumber: number
}

/** The name of a manifest: `MANIFEST-000001`. */
export function manifestFileName(manifestNumber: number): string {
  return `MANIFEST-${String(manifestNumber).padStart(6, '0')}`
}

/** What `name` says; `undefined` for a foreign one. */
export function parseFileName(name: string): ParsedFileName | undefined {
  if (name === CURRENT_NAME) return { kind: 'current', fileNumber: 0 }
  if (name === CURRENT_TEMPORARY_NAME) return { kind: 'temporary', fileNumber: 0 }
  if (name === DESTROYED_NAME) return { kind: 'destroyed', fileNumber: 0 }
  if (name.startsWith('LOCK')) return { kind: 'lock', fileNumber: 0 }
  const digits = /^(?:MANIFEST-)?(\d{6,16})(?:\.log|\.sst)?$/.exec(name)?.[1]
  if (digits === undefined) return undefined
  const fileNumber = Number(digits)
  if (!Number.isSafeInteger(fileNumber) || fileNumber === 0) return undefined
  if (name === tableFileName(fileNumber)) return { kind: 'table', fileNumber }
  if (name === logFileName(fileNumber)) return { kind: 'log', fileNumber }
  if (name === manifestFileName(fileNumber)) return { kind: 'manifest', fileNumber }
  return undefined
}
