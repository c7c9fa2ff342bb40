/**
 * `Store.destroy`: deletes the files of a store, and nothing else.
 *
 * 1. Take the lock.
 * 2. Rename `CURRENT` to `DESTROYED` (make that file where there is no `CURRENT`), and sync the folder. *From here on there is no store.*
 * 3. Delete tables, logs, manifests, and what `Store.repair` has put aside; sync the folder.
 * 4. Delete `DESTROYED`, release the lock, remove the folder if it is empty.
 *
 * Why in this order. `CURRENT` last would leave, after a crash, a store that names tables which are gone: an accident, as far as anybody
 * could tell. `CURRENT` first without a trace would look like a store that lost its `CURRENT`, and a repair would bring back what happens
 * to be left. With the marker every crash leaves the whole store, or something that says what it is: opening and repairing refuse it, and
 * destroying it again comes to the end. The marker goes only when the folder without the other files is durable.
 */
import { StoreError, systemCode } from '../util/errors.js'
import { step, type Task } from '../util/task.js'
import { inspectDirectory } from '../version/directory.js'
import { CURRENT_NAME, DESTROYED_NAME, parseFileName } from '../version/file_names.js'
import { joinPath, parentPath, syncDirStep } from '../vfs/io.js'
import { placeOf, type StoreLocation } from '../vfs/location.js'
import { lockTask } from '../vfs/lock.js'
import type { Vfs } from '../vfs/vfs.js'
import { LOST_NAME } from './lost.js'
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
  await runSupervised(destroyTask(vfs, path), () => {})
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

/** Kinds of files that a repair puts aside. */
const PUT_ASIDE: ReadonlySet<string | undefined> = new Set(['table', 'log', 'manifest', 'current'])

/** Deletes what a repair has put aside. */
function deleteLost(vfs: Vfs, dir: string): void {
  if (vfs.statSync(dir)?.isDirectory !== true) return
  for (const name of vfs.readdirSync(dir)) {
    const path = joinPath(dir, name)
    if (PUT_ASIDE.has(parseFileName(name)?.kind) && vfs.statSync(path)?.isFile === true) vfs.unlinkSync(path)
  }
  removeIfEmpty(vfs, dir)
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
