/**
 * The folder `lost`, into which `Store.repair` puts damaged files: nothing of what it could not use is deleted.
 *
 * A file gets a second name there before the repaired store is put in force, and loses its first one afterwards. So a crash never leaves it
 * without a name, and an opening, which deletes files that nothing refers to, finds it put aside already.
 */
import { systemCode } from '../util/errors.js'
import { step, type Task } from '../util/task.js'
import { joinPath, readFully, readFullySync, syncDirStep, syncStep, writeFullySync } from '../vfs/io.js'
import type { Vfs } from '../vfs/vfs.js'
import { expectDamage } from './damage.js'

/** The name of the folder. */
export const LOST_NAME = 'lost'

const COPY_BYTES = 256 * 1024

/** Gives files of the folder `dir` a second name in `lost`, durably. */
export function* putAside(vfs: Vfs, dir: string, names: readonly string[], skipUnreadable: boolean): Task<void> {
  if (names.length === 0) return
  const lost = joinPath(dir, LOST_NAME)
  vfs.mkdirSync(lost)
  for (const name of names) yield* giveSecondName(vfs, joinPath(dir, name), joinPath(lost, name), skipUnreadable)
  yield* step(syncDirStep(vfs, lost))
  yield* step(syncDirStep(vfs, dir))
}

/** Names in the folder `lost` of `dir`. */
export function lostNames(vfs: Vfs, dir: string): string[] {
  const lost = joinPath(dir, LOST_NAME)
  return vfs.statSync(lost)?.isDirectory === true ? vfs.readdirSync(lost) : []
}

function* giveSecondName(vfs: Vfs, from: string, to: string, skipUnreadable: boolean): Task<void> {
  if (vfs.statSync(from) === undefined) return
  // Numbers are never used twice: what is there is the same file, from a repair that a crash cut short.
  if (vfs.statSync(to) !== undefined) vfs.unlinkSync(to)
  try {
    vfs.linkSync(from, to)
  } catch (error) {
    if (systemCode(error) === undefined || systemCode(error) === 'ENOSPC') throw error
    yield* copy(vfs, from, to, skipUnreadable)
  }
}

/** For file systems without hard links. What cannot be read is zeros in the copy. */
function* copy(vfs: Vfs, from: string, to: string, skipUnreadable: boolean): Task<void> {
  const source = vfs.openSync(from, 'read')
  try {
    const target = vfs.openSync(to, 'create')
    try {
      const buffer = Buffer.allocUnsafeSlow(COPY_BYTES)
      for (let position = 0, end = source.sizeSync(); position < end; position += COPY_BYTES) {
        const length = Math.min(COPY_BYTES, end - position)
        buffer.fill(0)
        try {
          yield* step({
            runSync: () => readFullySync(source, buffer, 0, length, position),
            run: () => readFully(source, buffer, 0, length, position),
          })
        } catch (error) {
          expectDamage(error, skipUnreadable)
        }
        writeFullySync(target, buffer, 0, length, position)
      }
      yield* step(syncStep(target))
    } finally {
      target.closeSync()
    }
  } finally {
    source.closeSync()
  }
}
