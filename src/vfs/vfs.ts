/**
 * The file system as the engine sees it. Every byte of I/O goes through this interface, so that the whole engine runs on
 * a simulated disk (`memory.ts`), on one that fails on purpose (`fault.ts`), or on the real one (`node.ts`).
 *
 * Contract
 * - Failures are `StoreError`s: `ERR_IO`, or `ERR_DISK_FULL` for `ENOSPC` and `EDQUOT`, with the operating system's error as
 *   `cause` (see `systemCode`) and the `path`.
 * - Reads and writes may be short, as in POSIX: use `readFully` and `writeFully` of `io.ts`.
 * - What was written is durable only after `sync` of the file; a created, renamed, linked or unlinked name only after `syncDir` of its
 *   folder.
 * - Paths are joined with `/`.
 */
import type { ProcessIdentity } from './process_identity.js'

/**
 * How a file is opened: `read` an existing file; `create` a new one for reading and writing, failing with `EEXIST` if the name is taken;
 * `update` an existing one for reading and writing.
 */
export type OpenMode = 'read' | 'create' | 'update'

/** An open file. Positions and lengths are bytes. */
export interface VfsFile {
  /** The path it was opened by. */
  readonly path: string
  /** Reads up to `length` bytes at `position` into `target` from `targetOffset`; returns how many (0 at the end of the file). */
  readSync(target: Uint8Array, targetOffset: number, length: number, position: number): number
  /** As `readSync`, through the thread pool. */
  read(target: Uint8Array, targetOffset: number, length: number, position: number): Promise<number>
  /** Writes up to `length` bytes of `source` from `sourceOffset` at `position`; returns how many. */
  writeSync(source: Uint8Array, sourceOffset: number, length: number, position: number): number
  /** As `writeSync`, through the thread pool. `source` must not change meanwhile. */
  write(source: Uint8Array, sourceOffset: number, length: number, position: number): Promise<number>
  /** Makes the content durable (`fdatasync`). */
  syncSync(): void
  /** As `syncSync`, through the thread pool. When it fails, every other sync of this file that was under way meanwhile fails too. */
  sync(): Promise<void>
  /** Its length. */
  sizeSync(): number
  /** Cuts it off, or fills it up with zeros, to `length`. */
  truncateSync(length: number): void
  /** Closes the file, even when it fails. Closing twice does nothing. */
  closeSync(): void
}

/** What `statSync` tells. */
export interface VfsStat {
  /** Whether it is a regular file. */
  readonly isFile: boolean
  /** Whether it is a folder. */
  readonly isDirectory: boolean
  /** Length of a file. */
  readonly sizeBytes: number
}

/** A file system. */
export interface Vfs {
  /** Opens a file. */
  openSync(path: string, mode: OpenMode): VfsFile
  /** Makes a folder and those above it; nothing happens when it is there. */
  mkdirSync(path: string): void
  /** Names in a folder, sorted. */
  readdirSync(path: string): string[]
  /** `undefined` when there is nothing at `path`. */
  statSync(path: string): VfsStat | undefined
  /** Renames a file, replacing what stood at `to`, atomically. */
  renameSync(from: string, to: string): void
  /** Gives a file a second name; fails with `EEXIST` if it is taken, atomically. */
  linkSync(existing: string, added: string): void
  /** Removes a name of a file; the file goes with its last name. */
  unlinkSync(path: string): void
  /**
   * As `unlinkSync`, and the name is gone when the call returns, too; but the space of the file, which takes milliseconds for a large
   * one, is given back in the thread pool. Resolves after that.
   */
  unlink(path: string): Promise<void>
  /** Removes an empty folder. */
  rmdirSync(path: string): void
  /** Makes the names in a folder durable. */
  syncDirSync(path: string): void
  /** As `syncDirSync`, through the thread pool. */
  syncDir(path: string): Promise<void>
  /** The one absolute name of a file or folder that exists. */
  realpathSync(path: string): string
  /** Random bytes, for names that must not come twice. A simulated disk with a seed gives the same ones again. */
  randomBytes(count: number): Buffer
  /** Who the running process is, for the lock file. */
  processIdentity(): ProcessIdentity
  /** Whether the process that left `identity` in a lock file can still be running; `true` when in doubt. */
  isProcessAlive(identity: ProcessIdentity): boolean
  /** What a worker thread needs to open the same file system (a structured-clonable value); `undefined` when none can. */
  workerSpec(): WorkerVfsSpec | undefined
}

/** Tells a worker thread which file system to open. */
export interface WorkerVfsSpec {
  /** The operating system's file system: the only one that threads can share. */
  readonly kind: 'node'
}
