/**
 * Tables that hold more than the store, although no version names them.
 *
 * What a job leaves that did not end holds nothing of its own: the inputs of a compaction are still named, and the logs of a flush are
 * still there. Such tables are deleted at the next opening. But when the end of the manifest was cut off, or logs were lost, a table that
 * nothing names may be the only copy of what it holds. It tells by its greatest sequence. A table whose footer or properties cannot be read
 * was never finished, since those are written last.
 *
 * Invariant: opening deletes no table that can be read and that holds a sequence beyond what was recovered.
 */
import { tableFileName } from '../sstable/format.js'
import { readTableMetaSync } from '../sstable/table_tail.js'
import { StoreError } from '../util/errors.js'
import type { Task } from '../util/task.js'
import { closeQuietly, joinPath } from '../vfs/io.js'
import type { Vfs } from '../vfs/vfs.js'
import { LOST_NAME, putAside } from './lost.js'

/**
 * Gives those of the tables `unnamed` a second name in `lost/` that hold a sequence above `lastSequence`, the last one recovered.
 *
 * @param warn told of each of them
 * @returns those that cannot be put aside or read now: they have to stay.
 */
export function* putNewerTablesAside(
  vfs: Vfs,
  dir: string,
  unnamed: readonly number[],
  lastSequence: number,
  warn: (message: string) => void,
): Task<ReadonlySet<number>> {
  const newer = new Map<string, number>()
  const staying = new Set<number>()
  const stay = (fileNumber: number, error: unknown): void => {
    staying.add(fileNumber)
    warn(`${joinPath(dir, tableFileName(fileNumber))}, which the manifest does not name, stays where it is: ${String(error)}`)
  }
  for (const fileNumber of unnamed) {
    try {
      const largest = largestSequence(vfs, joinPath(dir, tableFileName(fileNumber)), fileNumber)
      if (largest > lastSequence) newer.set(tableFileName(fileNumber), largest)
    } catch (error) {
      stay(fileNumber, error)
    }
  }
  try {
    yield* putAside(vfs, dir, [...newer.keys()], (error) => {
      throw error
    })
  } catch (error) {
    for (const fileNumber of unnamed) if (newer.has(tableFileName(fileNumber))) stay(fileNumber, error)
    return staying
  }
  for (const [name, largest] of newer) {
    const what = `${joinPath(dir, name)} holds writes up to number ${largest}, beyond ${lastSequence}, with which the store ends`
    const why = `the manifest does not name it, and logs do not hold them. So it was moved to ${LOST_NAME}/`
    warn(`${what}: ${why}. To bring them back, close the store, move the file back, delete the MANIFEST file and call Store.repair`)
  }
  return staying
}

/** The greatest sequence in a table; 0 when it was never finished. */
function largestSequence(vfs: Vfs, path: string, fileNumber: number): number {
  if (vfs.statSync(path)?.isFile !== true) return 0
  const file = vfs.openSync(path, 'read')
  try {
    return readTableMetaSync(file, fileNumber).largestSequence
  } catch (error) {
    if (error instanceof StoreError && error.code === 'ERR_CORRUPTION') return 0
    throw error
  } finally {
    closeQuietly(file)
  }
}
