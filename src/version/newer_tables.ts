/**
 * Tables that hold more than the store, although no version names them.
 *
 * What a job leaves that did not end holds nothing of its own: the inputs of a compaction are still named, and the logs of a flush are
 * still there. Such tables are deleted at the next opening. But when the end of the manifest was cut off, or logs were lost, a table that
 * nothing names may be the only copy of what it holds. It tells by its greatest sequence. A table whose footer or properties cannot be read
 * was never finished, since those are written last.
 *
 * Invariants
 * 1. Opening deletes no table that holds a sequence beyond what was recovered, nor one of which that cannot be told.
 * 2. A table that was put aside loses its first name only when the manifest leads beyond its number, durably.
 */
import { tableFileName } from '../sstable/format.js'
import { readTableMetaSync } from '../sstable/table_tail.js'
import { isShortage, StoreError } from '../util/errors.js'
import type { Task } from '../util/task.js'
import { closeQuietly, joinPath } from '../vfs/io.js'
import type { Vfs } from '../vfs/vfs.js'
import { LOST_NAME, putAside } from './lost.js'

/**
 * Gives those of the tables `unnamed` a second name in `lost/` that hold a sequence above `lastSequence`, the last one recovered, or whose
 * end cannot be read.
 *
 * @returns what to tell of each of them. They still have their first names, too.
 * @throws StoreError when one of them cannot be put aside now
 */
export function* putNewerTablesAside(vfs: Vfs, dir: string, unnamed: readonly number[], lastSequence: number): Task<readonly string[]> {
  const names: string[] = []
  const warnings: string[] = []
  const back = 'To see what it holds, copy it into an empty folder, call Store.repair on that folder, and open it as a store of its own'
  for (const fileNumber of unnamed) {
    const path = joinPath(dir, tableFileName(fileNumber))
    try {
      const largest = largestSequence(vfs, path, fileNumber)
      if (largest <= lastSequence) continue
      const what = `${path} holds writes up to number ${largest}, beyond ${lastSequence}, with which the store ends`
      warnings.push(`${what}: the manifest does not name it, and logs do not hold them. So it was moved to ${LOST_NAME}/. ${back}`)
    } catch (error) {
      // What passes is waited for: then it can be read.
      if (isShortage(error)) throw error
      const what = `${path}, which the manifest does not name, may hold writes that the store lacks`
      warnings.push(`${what}: its end could not be read (${String(error)}). So it was moved to ${LOST_NAME}/. ${back}`)
    }
    names.push(tableFileName(fileNumber))
  }
  yield* putAside(vfs, dir, names, (error) => {
    throw error
  })
  return warnings
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
