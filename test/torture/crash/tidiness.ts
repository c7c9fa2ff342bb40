/**
 * Whether the folder of a closed store holds what its manifest names, and nothing else but tables that hold more than the store: a power
 * loss took logs and left the table that was just made of them.
 */
import type { MemoryVfs } from '../../../src/index.js'
import { tableFileName } from '../../../src/sstable/format.js'
import { readTableMetaSync } from '../../../src/sstable/table_tail.js'
import { runTaskSync } from '../../../src/util/task.js'
import { manifestFileName, parseFileName } from '../../../src/version/file_names.js'
import { LOST_NAME, lostNames } from '../../../src/version/lost.js'
import { Manifest } from '../../../src/version/manifest.js'
import { logFileName } from '../../../src/wal/format.js'

/** Where a store lies on a file system that was given without a directory. */
export const DIR = '/varve'

/** Names of what an earlier opening has put aside. The store may have grown past that since. */
export function putAsideBefore(vfs: MemoryVfs): ReadonlySet<string> {
  return new Set(lostNames(vfs, DIR))
}

/**
 * Fails when a file is left over, missing or still open, or put aside although it holds nothing beyond `lastSequence`.
 *
 * @param before what was aside before the store was opened
 */
export function expectTidy(vfs: MemoryVfs, lastSequence: number, before: ReadonlySet<string>): void {
  if (vfs.openHandleCount !== 0) throw new Error(`${vfs.openHandleCount} files are open after closing`)
  const { manifest, version, logNumbers } = runTaskSync(Manifest.recover(vfs, DIR, { readOnly: true }))
  const needed = ['CURRENT', manifestFileName(manifest.manifestNumber)]
  for (const tables of version.levels) for (const { fileNumber } of tables) needed.push(tableFileName(fileNumber))
  for (const log of logNumbers) needed.push(logFileName(log))
  manifest.closeSync()
  const lost = lostNames(vfs, DIR)
  for (const name of lost) if (!before.has(name)) expectNewer(vfs, name, lastSequence)
  if (lost.length > 0) needed.push(LOST_NAME)
  const [found, expected] = [vfs.readdirSync(DIR).toSorted().join(' '), needed.toSorted().join(' ')]
  if (found !== expected) throw new Error(`after closing the folder holds ${found}, needed are ${expected}`)
}

function expectNewer(vfs: MemoryVfs, name: string, lastSequence: number): void {
  const file = vfs.openSync(`${DIR}/${LOST_NAME}/${name}`, 'read')
  const { largestSequence } = readTableMetaSync(file, parseFileName(name)!.fileNumber)
  file.closeSync()
  if (largestSequence > lastSequence) return
  throw new Error(`${name} was put aside although it ends with sequence ${largestSequence}, and ${lastSequence} was recovered`)
}
