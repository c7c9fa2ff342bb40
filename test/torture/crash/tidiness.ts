/** Whether the folder of a closed store holds what its manifest names, and nothing else. */
import type { MemoryVfs } from '../../../src/index.js'
import { tableFileName } from '../../../src/sstable/format.js'
import { runTaskSync } from '../../../src/util/task.js'
import { manifestFileName } from '../../../src/version/file_names.js'
import { Manifest } from '../../../src/version/manifest.js'
import { logFileName } from '../../../src/wal/format.js'

/** Where a store lies on a file system that was given without a directory. */
export const DIR = '/varve'

/** Fails when a file is left over, missing or still open. */
export function expectTidy(vfs: MemoryVfs): void {
  if (vfs.openHandleCount !== 0) throw new Error(`${vfs.openHandleCount} files are open after closing`)
  const { manifest, version, logNumbers } = runTaskSync(Manifest.recover(vfs, DIR, { readOnly: true }))
  const needed = ['CURRENT', manifestFileName(manifest.manifestNumber)]
  for (const tables of version.levels) for (const { fileNumber } of tables) needed.push(tableFileName(fileNumber))
  for (const log of logNumbers) needed.push(logFileName(log))
  manifest.closeSync()
  const [found, expected] = [vfs.readdirSync(DIR).toSorted().join(' '), needed.toSorted().join(' ')]
  if (found !== expected) throw new Error(`after closing the folder holds ${found}, needed are ${expected}`)
}
