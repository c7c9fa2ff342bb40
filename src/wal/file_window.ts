/**
 * A stretch of a file in memory, for reading it from front to back in pieces of bounded size.
 *
 * The buffer holds `length` bytes of the file from offset `start`. It is 1 MiB, or as long as the longest piece asked for while that piece
 * is needed.
 */
import { step, type Task } from '../util/task.js'
import { readFully, readFullySync } from '../vfs/io.js'
import type { VfsFile } from '../vfs/vfs.js'

const WINDOW_BYTES: number = 1024 * 1024

/**
 * A piece of at most this length is read on the spot: opening a store reads a few of them, and a trip through the thread pool costs more.
 */
const READ_ON_THE_SPOT_BYTES_MAX: number = 64 * 1024

const NOTHING = Buffer.alloc(0)

/** The part of a file that is in memory. */
export class FileWindow {
  buffer: Buffer = NOTHING
  /** Offset in the file of the first byte in `buffer`. */
  start = 0
  /** Bytes in `buffer` that are of the file. */
  length = 0
  readonly #file: VfsFile

  constructor(file: VfsFile) {
    this.#file = file
  }

  /** Whether `bytes` of the file from `position` are in the buffer. */
  holds(position: number, bytes: number): boolean {
    return position >= this.start && position + bytes <= this.start + this.length
  }

  /** Where offset `position` of the file lies in the buffer. */
  at(position: number): number {
    return position - this.start
  }

  /** Reads from `position` on at least `bytes`, more when they fit; `false` when the file ends before. The caller has checked `bytes`. */
  *load(position: number, bytes: number): Task<boolean> {
    const wanted = Math.max(bytes, Math.min(WINDOW_BYTES, this.#file.sizeSync() - position))
    if (this.buffer.length < wanted || (this.buffer.length > WINDOW_BYTES && wanted <= WINDOW_BYTES)) {
      this.buffer = Buffer.allocUnsafeSlow(wanted)
    }
    this.length = 0
    const { buffer } = this
    const runSync = (): number => readFullySync(this.#file, buffer, 0, wanted, position)
    if (wanted <= READ_ON_THE_SPOT_BYTES_MAX) this.length = runSync()
    else this.length = yield* step({ runSync, run: () => readFully(this.#file, buffer, 0, wanted, position) })
    this.start = position
    return this.length >= bytes
  }

  /** Bytes up to the last one that is not zero. */
  contentLength(): number {
    let length = this.length
    while (length > 0 && this.buffer[length - 1] === 0) length--
    return length
  }
}
