/**
 * Reading the manifest in force, and what lies in the folder beside it.
 *
 * Invariant: the next file number is greater than every number in the folder and in the manifest, so no name is used twice. For what is in
 * `lost/`, whoever put it there has seen to it that the manifest leads beyond it.
 */
import { tableFileName } from '../sstable/format.js'
import { corruption, StoreError, systemCode } from '../util/errors.js'
import type { Task } from '../util/task.js'
import { closeQuietly, joinPath } from '../vfs/io.js'
import type { Vfs, VfsFile } from '../vfs/vfs.js'
import { currentManifestSync } from './current_file.js'
import { listNumberedFiles, type NumberedFiles } from './directory.js'
import { CURRENT_NAME, manifestFileName } from './file_names.js'
import { type ManifestContent, readManifest } from './manifest_reader.js'

/** A manifest that was read. */
export interface OpenedManifest {
  /** Open; the caller closes it. */
  readonly file: VfsFile
  readonly manifestNumber: number
  readonly content: ManifestContent
  readonly present: NumberedFiles
  readonly nextFileNumber: number
}

/** Opens and reads the manifest that `CURRENT` names. @throws StoreError as `Manifest.recover` */
export function* openCurrentManifest(vfs: Vfs, dir: string, isReadOnly: boolean): Task<OpenedManifest> {
  const manifestNumber = currentManifestSync(vfs, dir)
  if (manifestNumber === undefined) {
    const present = listNumberedFiles(vfs, dir)
    if (present.logs.length > 0 || present.tables.size > 0) throw corruption('CURRENT is missing', joinPath(dir, CURRENT_NAME))
    throw new StoreError('ERR_NOT_A_STORE', `${dir} holds no store`, { path: dir })
  }
  const file = openFile(vfs, joinPath(dir, manifestFileName(manifestNumber)), isReadOnly)
  try {
    const content = yield* readManifest(file, manifestNumber)
    const present = listNumberedFiles(vfs, dir)
    for (const tables of content.version.levels) {
      for (const { fileNumber } of tables) {
        if (!present.tables.has(fileNumber)) throw corruption('a table is missing', joinPath(dir, tableFileName(fileNumber)))
      }
    }
    let greatest = present.logs.at(-1) ?? 0
    for (const table of present.tables) if (table > greatest) greatest = table
    return { file, manifestNumber, content, present, nextFileNumber: Math.max(content.state.nextFileNumber, greatest + 1) }
  } catch (error) {
    closeQuietly(file)
    throw error
  }
}

function openFile(vfs: Vfs, path: string, isReadOnly: boolean): VfsFile {
  try {
    return vfs.openSync(path, isReadOnly ? 'read' : 'update')
  } catch (error) {
    if (systemCode(error) === 'ENOENT') throw corruption('the manifest that CURRENT names is missing', path)
    throw error
  }
}
