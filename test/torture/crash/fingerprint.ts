/** Tells whether two disks hold the same. */
import { createHash } from 'node:crypto'
import type { MemoryVfs } from '../../../src/index.js'
import { DIR } from './tidiness.js'

/** Equal for disks with the same files of the same content, whatever of that is synced. */
export function fingerprint(vfs: MemoryVfs): string {
  const hash = createHash('md5')
  for (const path of vfs.files()) {
    const content = vfs.readFile(path)
    hash.update(`${path} ${content.length}\n`).update(content)
  }
  return hash.update(vfs.statSync(DIR) === undefined ? 'no folder' : 'a folder').digest('base64')
}
