/**
 * Options that the functions of maintenance share.
 */
import { StoreError } from '../util/errors.js'
import type { Vfs } from '../vfs/vfs.js'

/** Where files are. */
export interface MaintenanceOptions {
  /** The file system of a location that is a path; the operating system's by default. */
  vfs?: Vfs
}

/**
 * Refuses what is no option.
 *
 * @throws StoreError `ERR_INVALID_OPTION`
 */
export function checkOptions(options: unknown, known: Readonly<Record<string, 'object' | 'function' | 'boolean'>>): void {
  if (typeof options !== 'object' || options === null) throw invalid('options must be an object')
  for (const [name, value] of Object.entries(options)) {
    const type = Object.hasOwn(known, name) ? known[name] : undefined
    if (type === undefined) throw invalid(`unknown option '${name}': known are ${Object.keys(known).join(', ')}`)
    if (value !== undefined && (typeof value !== type || value === null)) throw invalid(`option '${name}' must be of type ${type}`)
  }
}

function invalid(message: string): StoreError {
  return new StoreError('ERR_INVALID_OPTION', message)
}
