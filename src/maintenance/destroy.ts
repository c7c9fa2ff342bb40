/**
 * `Store.destroy`: deletes the files of a store, and nothing else.
 *
 * 1. Take the lock.
 * 2. Rename `CURRENT` to `DESTROYED` (make that file where there is no `CURRENT`), and sync the folder. *From here on there is no store.*
 * 3. Delete tables, logs, manifests, and what was put aside in `lost/`; sync the folder.
 * 4. Delete `DESTROYED`, release the lock, remove the folder if it is empty.
 *
 * Why in this order. `CURRENT` last would leave, after a crash, a store that names tables which are gone: an accident, as far as anybody
 * could tell. `CURRENT` first without a trace would look like a store that lost its `CURRENT`, and a repair would bring back what happens
 * to be left. With the marker every crash leaves the whole store, or something that says what it is: opening and repairing refuse it, and
 * destroying it again comes to the end. The marker goes only when the folder without the other files is durable.
 *
 * What is a file of the store. A folder that is a store owns the names of stores (`file_names.ts`), as in LevelDB: there a file with such a
 * name goes, whatever it holds, because it may be a damaged one. A folder is a store when its `CURRENT` (or `DESTROYED`) says so; without,
 * the names alone prove nothing (`20260101.log` may be anybody's), so one file at least has to bear the mark of this library. Only files
 * go, and names of files: links are deleted, never what they lead to; folders stay, but for an empty `lost`.
 */
import { StoreError, systemCode } from '../util/errors.js'
import { step, type Task } from '../util/task.js'
import { inspectDirectory } from '../version/directory.js'
import { CURRENT_NAME, DESTROYED_NAME, parseFileName } from '../version/file_names.js'
import { LOST_NAME, nameBeforeLost } from '../version/lost.js'
import { closeQuietly, joinPath, parentPath, readFullySync, syncDirStep } from '../vfs/io.js'
import { placeOf, type StoreLocation } from '../vfs/location.js'
import { lockTask } from '../vfs/lock.js'
import type { Vfs } from '../vfs/vfs.js'
import { namedManifest } from './diagnosis.js'
import { checkOptions, type MaintenanceOptions } from './options.js'
import { runSupervised } from './supervised.js'

/** Destroys a store. @throws StoreError see `Store.destroy` */
export async function destroyStore(location: StoreLocation, options: MaintenanceOptions = {}): Promise<void> {
  checkOptions(options, { vfs: 'object' })
  const { vfs, path } = placeOf(location, options.vfs)
  const kind = inspectDirectory(vfs, path)
  if (kind === 'absent') return
  if (kind === 'file' || kind === 'foreign') {
    const what = kind === 'file' ? 'is a file' : 'holds other files and no store'
    throw new StoreError('ERR_NOT_A_STORE', `${path} ${what}: nothing was deleted`, { path })
  }
  if (kind === 'store' && !bearsMark(vfs, path)) {
    const message = `${path} holds files with names of a store, and none that a store wrote: nothing was deleted`
    throw new StoreError('ERR_NOT_A_STORE', message, { path })
  }
  await runSupervised(destroyTask(vfs, path), () => {})
}

/** How many bytes the marks of files have, at their beginning or their end. */
const MARK_BYTES = 8
const MARKS: ReadonlySet<string> = new Set(['VARVELOG', 'VARVEMAN', 'VARVESST'])

/** Whether anything proves that this library wrote what is in a folder. */
function bearsMark(vfs: Vfs, dir: string): boolean {
  if (namedManifest(vfs, dir) !== undefined) return true
  return vfs.readdirSync(dir).some((name) => {
    const kind = parseFileName(name)?.kind
    if (kind !== 'table' && kind !== 'log' && kind !== 'manifest') return false
    return vfs.statSync(joinPath(dir, name))?.isFile === true && MARKS.has(markOf(vfs, joinPath(dir, name), kind === 'table'))
  })
}

function markOf(vfs: Vfs, path: string, isAtEnd: boolean): string {
  const file = vfs.openSync(path, 'read')
  try {
    const mark = Buffer.alloc(MARK_BYTES)
    readFullySync(file, mark, 0, MARK_BYTES, isAtEnd ? Math.max(0, file.sizeSync() - MARK_BYTES) : 0)
    return mark.toString('latin1')
  } finally {
    closeQuietly(file)
  }
}

function* destroyTask(vfs: Vfs, dir: string): Task<void> {
  const lock = yield* lockTask(vfs, dir)
  try {
    markDestroyed(vfs, dir)
    yield* step(syncDirStep(vfs, dir))
    deleteLost(vfs, joinPath(dir, LOST_NAME))
    for (const name of vfs.readdirSync(dir)) {
      const kind = parseFileName(name)?.kind
      const isOurs = kind === 'table' || kind === 'log' || kind === 'manifest' || kind === 'temporary'
      if (isOurs && vfs.statSync(joinPath(dir, name))?.isFile === true) vfs.unlinkSync(joinPath(dir, name))
    }
    yield* step(syncDirStep(vfs, dir))
    vfs.unlinkSync(joinPath(dir, DESTROYED_NAME))
  } finally {
    lock.releaseSync()
  }
  if (!removeIfEmpty(vfs, dir)) yield* step(syncDirStep(vfs, dir))
  else yield* step(syncDirStep(vfs, parentPath(dir)))
}

function markDestroyed(vfs: Vfs, dir: string): void {
  const marker = joinPath(dir, DESTROYED_NAME)
  if (vfs.statSync(joinPath(dir, CURRENT_NAME)) !== undefined) vfs.renameSync(joinPath(dir, CURRENT_NAME), marker)
  else if (vfs.statSync(marker) === undefined) vfs.openSync(marker, 'create').closeSync()
}

/** Kinds of files that are put aside. */
const PUT_ASIDE: ReadonlySet<string | undefined> = new Set(['table', 'log', 'manifest', 'current'])

/** Deletes what was put aside. */
function deleteLost(vfs: Vfs, dir: string): void {
  if (isLink(vfs, dir)) {
    // Somebody keeps it elsewhere. What is there is not in this folder.
    vfs.unlinkSync(dir)
    return
  }
  if (vfs.statSync(dir)?.isDirectory !== true) return
  for (const name of vfs.readdirSync(dir)) {
    const path = joinPath(dir, name)
    if (PUT_ASIDE.has(parseFileName(nameBeforeLost(name))?.kind) && vfs.statSync(path)?.isFile === true) vfs.unlinkSync(path)
  }
  removeIfEmpty(vfs, dir)
}

/** Whether a name leads elsewhere. */
function isLink(vfs: Vfs, path: string): boolean {
  const parent = parentPath(path)
  if (vfs.statSync(path) === undefined) return vfs.readdirSync(parent).includes(LOST_NAME)
  return vfs.realpathSync(path) !== joinPath(vfs.realpathSync(parent), LOST_NAME)
}

/** Whether the folder is gone. */
function removeIfEmpty(vfs: Vfs, dir: string): boolean {
  if (vfs.readdirSync(dir).length > 0) return false
  try {
    vfs.rmdirSync(dir)
    return true
  } catch (error) {
    // Somebody has just put something into it, or works in it.
    if (['ENOTEMPTY', 'EEXIST', 'EBUSY', 'EPERM', 'EACCES', 'EINVAL', 'ENOTDIR'].includes(systemCode(error) ?? '')) return false
    throw error
  }
}
