/**
 * What a repair may take for damage, and what it must leave to another try.
 *
 * A repair decides for good, so it decides only on what was read and found wrong. A file that the system does not let it read now may be
 * read later: by default such an error ends the repair before anything is changed. Only who knows that the disk has lost a place for good
 * can say so, and then what cannot be read counts as damaged.
 */
import { StoreError, systemCode } from '../util/errors.js'
import { readFullySync } from '../vfs/io.js'
import type { OpenMode, Vfs, VfsFile } from '../vfs/vfs.js'

/** Places are passed over in pieces of this size: that of a page, which disks lose as a whole. */
const HOLE_BYTES = 4096

/** Whether the disk said that it cannot read this place. */
export function isUnreadablePlace(error: unknown): boolean {
  return error instanceof StoreError && error.code === 'ERR_IO' && systemCode(error) === 'EIO'
}

/** Throws what is no damage: see above. */
export function expectDamage(error: unknown, skipUnreadable: boolean): void {
  if (error instanceof StoreError && error.code === 'ERR_CORRUPTION') return
  if (skipUnreadable && isUnreadablePlace(error)) return
  throw error
}

/** The part of a file system that gives files for reading. */
export type Opening = Pick<Vfs, 'openSync'>

/** A file system whose files show zeros where the disk cannot read, and that knows whether it came to that. */
export class HoleyFiles implements Opening {
  /** Bytes that could not be read. */
  holeBytes = 0
  readonly #vfs: Opening

  constructor(vfs: Opening) {
    this.#vfs = vfs
  }

  openSync(path: string, mode: OpenMode): VfsFile {
    const file = this.#vfs.openSync(path, mode)
    const readSync = (target: Uint8Array, targetOffset: number, length: number, position: number): number => {
      try {
        return file.readSync(target, targetOffset, length, position)
      } catch (error) {
        if (!isUnreadablePlace(error)) throw error
        return this.#readAround(file, target, targetOffset, length, position)
      }
    }
    return {
      path: file.path,
      readSync,
      // On the spot: what cannot be read is rare.
      read: async (target, targetOffset, length, position) => readSync(target, targetOffset, length, position),
      writeSync: (source, sourceOffset, length, position) => file.writeSync(source, sourceOffset, length, position),
      write: (source, sourceOffset, length, position) => file.write(source, sourceOffset, length, position),
      syncSync: () => file.syncSync(),
      sync: () => file.sync(),
      sizeSync: () => file.sizeSync(),
      truncateSync: (length) => file.truncateSync(length),
      closeSync: () => file.closeSync(),
    }
  }

  /** Reads page by page, so that only pages that cannot be read are missing. */
  #readAround(file: VfsFile, target: Uint8Array, targetOffset: number, length: number, position: number): number {
    const bytes = Math.min(length, Math.max(0, file.sizeSync() - position))
    for (let done = 0; done < bytes;) {
      const piece = Math.min(bytes - done, HOLE_BYTES - ((position + done) % HOLE_BYTES))
      try {
        readFullySync(file, target, targetOffset + done, piece, position + done)
      } catch (error) {
        if (!isUnreadablePlace(error)) throw error
        target.fill(0, targetOffset + done, targetOffset + done + piece)
        this.holeBytes += piece
      }
      done += piece
    }
    return bytes
  }
}
