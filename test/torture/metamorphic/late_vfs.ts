/** A file system whose asynchronous operations tell of their end late now and then. */
import type { OpenMode, ProcessIdentity, Vfs, VfsFile, VfsStat, WorkerVfsSpec } from '../../../src/index.js'
import { turn } from './simulated_clock.js'

/** Whether an operation is late. */
export type IsLate = () => boolean

class LateFile implements VfsFile {
  readonly path: string
  readonly #inner: VfsFile
  readonly #isLate: IsLate
  readonly #onSync: () => void

  constructor(inner: VfsFile, isLate: IsLate, onSync: () => void) {
    this.path = inner.path
    this.#inner = inner
    this.#isLate = isLate
    this.#onSync = onSync
  }

  readSync(target: Uint8Array, targetOffset: number, length: number, position: number): number {
    return this.#inner.readSync(target, targetOffset, length, position)
  }

  read(target: Uint8Array, targetOffset: number, length: number, position: number): Promise<number> {
    return late(this.#isLate, () => this.#inner.read(target, targetOffset, length, position))
  }

  writeSync(source: Uint8Array, sourceOffset: number, length: number, position: number): number {
    return this.#inner.writeSync(source, sourceOffset, length, position)
  }

  write(source: Uint8Array, sourceOffset: number, length: number, position: number): Promise<number> {
    return late(this.#isLate, () => this.#inner.write(source, sourceOffset, length, position))
  }

  syncSync(): void {
    this.#onSync()
    this.#inner.syncSync()
  }

  sync(): Promise<void> {
    this.#onSync()
    return late(this.#isLate, () => this.#inner.sync())
  }

  sizeSync(): number {
    return this.#inner.sizeSync()
  }

  truncateSync(length: number): void {
    this.#inner.truncateSync(length)
  }

  closeSync(): void {
    this.#inner.closeSync()
  }
}

/** The file system. */
export class LateVfs implements Vfs {
  readonly #inner: Vfs
  readonly #isLate: IsLate
  readonly #onSync: () => void

  /** @param onSync called when a file is synced, by either form. */
  constructor(inner: Vfs, isLate: IsLate, onSync: () => void = () => {}) {
    this.#inner = inner
    this.#isLate = isLate
    this.#onSync = onSync
  }

  openSync(path: string, mode: OpenMode): VfsFile {
    return new LateFile(this.#inner.openSync(path, mode), this.#isLate, this.#onSync)
  }

  mkdirSync(path: string): void {
    this.#inner.mkdirSync(path)
  }

  readdirSync(path: string): string[] {
    return this.#inner.readdirSync(path)
  }

  statSync(path: string): VfsStat | undefined {
    return this.#inner.statSync(path)
  }

  renameSync(from: string, to: string): void {
    this.#inner.renameSync(from, to)
  }

  linkSync(existing: string, added: string): void {
    this.#inner.linkSync(existing, added)
  }

  unlinkSync(path: string): void {
    this.#inner.unlinkSync(path)
  }

  unlink(path: string): Promise<void> {
    return late(this.#isLate, () => this.#inner.unlink(path))
  }

  rmdirSync(path: string): void {
    this.#inner.rmdirSync(path)
  }

  syncDirSync(path: string): void {
    this.#inner.syncDirSync(path)
  }

  syncDir(path: string): Promise<void> {
    return late(this.#isLate, () => this.#inner.syncDir(path))
  }

  realpathSync(path: string): string {
    return this.#inner.realpathSync(path)
  }

  randomBytes(count: number): Buffer {
    return this.#inner.randomBytes(count)
  }

  processIdentity(): ProcessIdentity {
    return this.#inner.processIdentity()
  }

  isProcessAlive(identity: ProcessIdentity): boolean {
    return this.#inner.isProcessAlive(identity)
  }

  workerSpec(): WorkerVfsSpec | undefined {
    return this.#inner.workerSpec()
  }
}

async function late<T>(isLate: IsLate, operation: () => Promise<T>): Promise<T> {
  const result = await operation()
  if (isLate()) await turn()
  return result
}
