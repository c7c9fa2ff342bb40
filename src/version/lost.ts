/**
 * The folder `lost`, into which `Store.repair` puts damaged files, and an opening tables that hold more than the store
 * (`newer_tables.ts`): nothing of what could not be used is deleted.
 *
 * What is there already stays: a name that is taken by another content gets a number at its end (`000003.sst.1`). Numbers of files are
 * never used twice by a store, but its folder may have been brought back from a copy in between.
 *
 * A file gets a second name there, durably, and loses its first one afterwards: in a repair only when the repaired store is in force. So a
 * crash never leaves it without a name, and an opening, which deletes files that nothing refers to, finds it put aside already.
 */
import { isShortage, StoreError, systemCode } from '../util/errors.js'
import { step, type Task } from '../util/task.js'
import { closeQuietly, joinPath, readFully, readFullySync, syncDirStep, syncStep, writeFullySync } from '../vfs/io.js'
import type { Vfs, VfsFile } from '../vfs/vfs.js'

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

/** The name of the file of a store that was put aside under this name. */
export function nameBeforeLost(name: string): string {
  return name.replace(/\.[1-9]\d*$/, '')
}

function* giveSecondName(vfs: Vfs, from: string, first: string, onUnreadable: OnUnreadable): Task<void> {
  if (vfs.statSync(from) === undefined) return
  let to = first
  for (let i = 1; vfs.statSync(to) !== undefined; i++) {
    if (yield* isSameContent(vfs, from, to)) {
      // From a repair that a crash cut short: perhaps a copy that is not durable.
      vfs.unlinkSync(to)
      break
    }
    to = `${first}.${i}`
  }
  try {
    vfs.linkSync(from, to)
  } catch (error) {
    if (systemCode(error) === undefined || isShortage(error)) throw error
    yield* copy(vfs, from, to, onUnreadable)
  }
}

/** Whether two files are equal, byte by byte. What cannot be read is equal to nothing. */
function* isSameContent(vfs: Vfs, a: string, b: string): Task<boolean> {
  const [statOfA, statOfB] = [vfs.statSync(a), vfs.statSync(b)]
  if (statOfA?.isFile !== true || statOfB?.isFile !== true || statOfA.sizeBytes !== statOfB.sizeBytes) return false
  const files: VfsFile[] = []
  try {
    for (const path of [a, b]) files.push(vfs.openSync(path, 'read'))
    const [ofA, ofB] = [Buffer.allocUnsafeSlow(COPY_BYTES), Buffer.allocUnsafeSlow(COPY_BYTES)]
    for (let position = 0; position < statOfA.sizeBytes; position += COPY_BYTES) {
      const length = Math.min(COPY_BYTES, statOfA.sizeBytes - position)
      const fromA = yield* read(files[0]!, ofA, length, position)
      const fromB = yield* read(files[1]!, ofB, length, position)
      if (fromA !== length || fromB !== length || ofA.compare(ofB, 0, length, 0, length) !== 0) return false
    }
    return true
  } catch (error) {
    if (error instanceof StoreError) return false
    throw error
  } finally {
    for (const file of files) closeQuietly(file)
  }
}

function read(file: VfsFile, buffer: Buffer, length: number, position: number): Task<number> {
  return step({
    runSync: () => readFullySync(file, buffer, 0, length, position),
    run: () => readFully(file, buffer, 0, length, position),
  })
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
          yield* read(source, buffer, length, position)
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
