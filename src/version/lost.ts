/**
 * The folder `lost`, into which `Store.repair` puts damaged files, and an opening tables that hold more than the store
 * (`newer_tables.ts`): nothing of what could not be used is deleted.
 *
 * A file gets a second name there, durably, and loses its first one afterwards: in a repair only when the repaired store is in force. So a
 * crash never leaves it without a name, and an opening, which deletes files that nothing refers to, finds it put aside already.
 */
import { systemCode } from '../util/errors.js'
import { step, type Task } from '../util/task.js'
import { joinPath, readFully, readFullySync, syncDirStep, syncStep, writeFullySync } from '../vfs/io.js'
import type { Vfs } from '../vfs/vfs.js'

/** The name of the folder. */
export const LOST_NAME = 'lost'

const COPY_BYTES = 256 * 1024

/** Throws an error of reading that makes a copy useless; otherwise there are zeros in the copy. */
export type OnUnreadable = (error: unknown) => void

/** Gives files of the folder `dir` a second name in `lost`, durably. */
export function* putAside(vfs: Vfs, dir: string, names: readonly string[], onUnreadable: OnUnreadable): Task<void> {
  if (names.length === 0) return
  const lost = joinPath(dir, LOST_NAME)
  vfs.mkdirSync(lost)
  for (const name of names) yield* giveSecondName(vfs, joinPath(dir, name), joinPath(lost, name), onUnreadable)
  yield* step(syncDirStep(vfs, lost))
  yield* step(syncDirStep(vfs, dir))
}

/** Names in the folder `lost` of `dir`. */
export function lostNames(vfs: Vfs, dir: string): string[] {
  const lost = joinPath(dir, LOST_NAME)
  return vfs.statSync(lost)?.isDirectory === true ? vfs.readdirSync(lost) : []
}

function* giveSecondName(vfs: Vfs, from: string, to: string, onUnreadable: OnUnreadable): Task<void> {
  if (vfs.statSync(from) === undefined) return
  // Numbers are never used twice: what is there is the same file, from a repair that a crash cut short.
  if (vfs.statSync(to) !== undefined) vfs.unlinkSync(to)
  try {
    vfs.linkSync(from, to)
  } catch (error) {
    if (systemCode(error) === undefined || systemCode(error) === 'ENOSPC') throw error
    yield* copy(vfs, from, to, onUnreadable)
  }
}

/** For file systems without hard links. */
function* copy(vfs: Vfs, from: string, to: string, onUnreadable: OnUnreadable): Task<void> {
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
          onUnreadable(error)
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
