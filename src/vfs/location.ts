/**
 * Where a store lies: which folder of which file system.
 */
import { resolve } from 'node:path'
import { StoreError } from '../util/errors.js'
import { nodeVfs } from './node.js'
import type { Vfs } from './vfs.js'

/** Where a store lives: a directory, or a file system such as `memory()`. */
export type StoreLocation = string | Vfs

/** Directory of a store in a file system that was given without one. */
const ROOT = '/varve'

/** A folder of a file system. */
export interface Place {
  readonly path: string
  readonly vfs: Vfs
}

/**
 * The place that a location means.
 *
 * @param given the file system that `location` is a path of; the operating system's by default
 * @throws StoreError `ERR_INVALID_OPTION`
 */
export function placeOf(location: StoreLocation, given: Vfs | undefined): Place {
  if (typeof location === 'string' && location !== '') {
    return given === undefined ? { path: resolve(location), vfs: nodeVfs } : { path: location, vfs: given }
  }
  if (typeof location === 'object' && location !== null && typeof location.openSync === 'function') return { path: ROOT, vfs: location }
  throw new StoreError('ERR_INVALID_OPTION', `a store is opened at a directory or a file system such as memory(), not ${String(location)}`)
}
