/**
 * A file system that fails on purpose. It passes everything to another one, and lets rules make chosen operations fail, come short, come
 * late or come back damaged:
 *
 * ```ts
 * const vfs = new FaultVfs(memory())
 * const rule = vfs.addRule({ operation: 'sync', path: /\.log$/, nth: 3, error: 'EIO' })
 * …
 * expect(rule.hits).toBe(1)
 * ```
 *
 * Rules look at an operation in the order in which they were added, at the time of the call, for synchronous and asynchronous forms alike.
 * Every rule that matches counts it; the first whose turn it is decides what happens.
 *
 * Method: Pebble's `vfs/errorfs` and RocksDB's `fault_injection_fs`.
 */
import type { Clock } from '../util/clock.js'
import { systemClock } from '../util/clock.js'
import { ioError } from '../util/errors.js'
import type { ProcessIdentity } from './process_identity.js'
import { systemError } from './system_error.js'
import type { OpenMode, Vfs, VfsFile, VfsStat } from './vfs.js'

/**
 * Kinds of operations. `create` is the opening of a new file, `open` that of an existing one; `stat` includes the size of an open file.
 * Where a `close` fails the file is closed all the same, as on Linux.
 */
export type FaultOperation =
  | 'open'
  | 'create'
  | 'read'
  | 'write'
  | 'sync'
  | 'truncate'
  | 'stat'
  | 'readdir'
  | 'mkdir'
  | 'rmdir'
  | 'rename'
  | 'link'
  | 'unlink'
  | 'syncDir'
  | 'close'

/** Which operations a rule concerns, and what becomes of them. */
export interface FaultRule {
  /** Kinds concerned; all by default. */
  readonly operation?: FaultOperation | readonly FaultOperation[]
  /** Paths concerned: an expression, or the end of the path; all by default. Of a rename or link, either path may match. */
  readonly path?: RegExp | string
  /** The first matching operation concerned, counted from 1; 1 by default. */
  readonly nth?: number
  /** How many matching operations from there on are concerned; 1 by default, `Infinity` for all. */
  readonly times?: number
  /** The system's error code they fail with. `EIO` by default, if the rule says nothing else. */
  readonly error?: string
  /** Reads and writes move at most so many bytes. Together with `error`, they move them and then fail. */
  readonly short?: number
  /** Asynchronous reads end so many milliseconds later. */
  readonly delayMs?: number
  /** Changes the bytes that a read returns. */
  readonly corrupt?: (bytes: Uint8Array, position: number) => void
}

/** A rule in force. */
export interface FaultHandle {
  /** Operations that it has changed so far. */
  readonly hits: number
  /** Ends the rule. */
  remove(): void
}

class ActiveRule implements FaultHandle {
  readonly rule: FaultRule
  /** The error it raises, if it raises one. */
  readonly error: string | undefined
  hits = 0
  private matches = 0
  private readonly onRemove: (rule: ActiveRule) => void

  constructor(rule: FaultRule, onRemove: (rule: ActiveRule) => void) {
    this.rule = rule
    this.onRemove = onRemove
    const isOther = rule.short !== undefined || rule.delayMs !== undefined || rule.corrupt !== undefined
    this.error = rule.error ?? (isOther ? undefined : 'EIO')
  }

  /** Counts the operation if it is concerned, and tells whether it is the rule's turn. */
  isDue(operation: FaultOperation, path: string, other: string | undefined): boolean {
    if (!this.concerns(operation, path, other)) return false
    const { nth = 1, times = 1 } = this.rule
    this.matches++
    return this.matches >= nth && this.matches < nth + times
  }

  remove(): void {
    this.onRemove(this)
  }

  private concerns(operation: FaultOperation, path: string, other: string | undefined): boolean {
    const wanted = this.rule.operation
    if (typeof wanted === 'string' ? wanted !== operation : wanted?.includes(operation) === false) return false
    return this.concernsPath(path) || (other !== undefined && this.concernsPath(other))
  }

  private concernsPath(path: string): boolean {
    const wanted = this.rule.path
    if (wanted === undefined) return true
    return typeof wanted === 'string' ? path.endsWith(wanted) : path.search(wanted) >= 0
  }
}

/** A file system with faults, over another one. */
export class FaultVfs implements Vfs {
  /** The file system underneath. */
  readonly inner: Vfs
  /** Called before each operation with its number (from 1), kind and path. It must not throw. */
  onOperation: ((index: number, operation: FaultOperation, path: string) => void) | undefined
  #operations = 0
  readonly #clock: Clock
  #rules: ActiveRule[] = []
  readonly #counts = new Map<FaultOperation, number>()

  /** @param clock times the delays of reads. */
  constructor(inner: Vfs, clock: Clock = systemClock) {
    this.inner = inner
    this.#clock = clock
  }

  /** Puts a rule in force. */
  addRule(rule: FaultRule): FaultHandle {
    const active = new ActiveRule(rule, (removed) => {
      this.#rules = this.#rules.filter((other) => other !== removed)
    })
    this.#rules.push(active)
    return active
  }

  /** Ends all rules. */
  clearRules(): void {
    this.#rules = []
  }

  /** Operations of a kind so far, failed ones included. */
  count(operation: FaultOperation): number {
    return this.#counts.get(operation) ?? 0
  }

  openSync(path: string, mode: OpenMode): VfsFile {
    this.#check(mode === 'create' ? 'create' : 'open', path)
    return new FaultFile(this.inner.openSync(path, mode), this.#clock, (operation) => this.#consult(operation, path))
  }

  mkdirSync(path: string): void {
    this.#check('mkdir', path)
    this.inner.mkdirSync(path)
  }

  readdirSync(path: string): string[] {
    this.#check('readdir', path)
    return this.inner.readdirSync(path)
  }

  statSync(path: string): VfsStat | undefined {
    this.#check('stat', path)
    return this.inner.statSync(path)
  }

  renameSync(from: string, to: string): void {
    this.#check('rename', from, to)
    this.inner.renameSync(from, to)
  }

  linkSync(existing: string, added: string): void {
    this.#check('link', added, existing)
    this.inner.linkSync(existing, added)
  }

  unlinkSync(path: string): void {
    this.#check('unlink', path)
    this.inner.unlinkSync(path)
  }

  async unlink(path: string): Promise<void> {
    this.#check('unlink', path)
    await this.inner.unlink(path)
  }

  rmdirSync(path: string): void {
    this.#check('rmdir', path)
    this.inner.rmdirSync(path)
  }

  syncDirSync(path: string): void {
    this.#check('syncDir', path)
    this.inner.syncDirSync(path)
  }

  async syncDir(path: string): Promise<void> {
    this.#check('syncDir', path)
    await this.inner.syncDir(path)
  }

  realpathSync(path: string): string {
    return this.inner.realpathSync(path)
  }

  randomBytes(count: number): Buffer {
    return this.inner.randomBytes(count)
  }

  processIdentity(): ProcessIdentity {
    return this.inner.processIdentity()
  }

  isProcessAlive(identity: ProcessIdentity): boolean {
    return this.inner.isProcessAlive(identity)
  }

  /** None: a worker thread would not see the rules. */
  workerSpec(): undefined {
    return undefined
  }

  #check(operation: FaultOperation, path: string, other?: string): void {
    failIfDue(this.#consult(operation, path, other), operation, path)
  }

  /** Counts an operation, and finds the rule that decides it. */
  #consult(operation: FaultOperation, path: string, other?: string): ActiveRule | undefined {
    this.#counts.set(operation, this.count(operation) + 1)
    this.onOperation?.(++this.#operations, operation, path)
    let first: ActiveRule | undefined
    for (const rule of this.#rules) if (rule.isDue(operation, path, other)) first ??= rule
    if (first !== undefined) first.hits++
    return first
  }
}

class FaultFile implements VfsFile {
  readonly path: string
  private readonly inner: VfsFile
  private readonly clock: Clock
  private readonly consult: (operation: FaultOperation) => ActiveRule | undefined
  private isClosed = false

  constructor(inner: VfsFile, clock: Clock, consult: (operation: FaultOperation) => ActiveRule | undefined) {
    this.path = inner.path
    this.inner = inner
    this.clock = clock
    this.consult = consult
  }

  readSync(target: Uint8Array, targetOffset: number, length: number, position: number): number {
    const active = this.consult('read')
    const wanted = shortened(active, length, 'read', this.path)
    return this.afterRead(active, target, targetOffset, this.inner.readSync(target, targetOffset, wanted, position), position)
  }

  async read(target: Uint8Array, targetOffset: number, length: number, position: number): Promise<number> {
    const active = this.consult('read')
    const delayMs = active?.rule.delayMs
    const wanted = shortened(active, length, 'read', this.path)
    const reading = this.inner.read(target, targetOffset, wanted, position)
    const moved = this.afterRead(active, target, targetOffset, await reading, position)
    if (delayMs !== undefined) await new Promise<void>((resolve) => this.clock.after(delayMs, resolve))
    return moved
  }

  writeSync(source: Uint8Array, sourceOffset: number, length: number, position: number): number {
    const active = this.consult('write')
    const wanted = shortened(active, length, 'write', this.path)
    const moved = wanted === 0 && length > 0 ? 0 : this.inner.writeSync(source, sourceOffset, wanted, position)
    failIfDue(active, 'write', this.path)
    return moved
  }

  async write(source: Uint8Array, sourceOffset: number, length: number, position: number): Promise<number> {
    const active = this.consult('write')
    const wanted = shortened(active, length, 'write', this.path)
    const moved = wanted === 0 && length > 0 ? 0 : await this.inner.write(source, sourceOffset, wanted, position)
    failIfDue(active, 'write', this.path)
    return moved
  }

  syncSync(): void {
    failIfDue(this.consult('sync'), 'sync', this.path)
    this.inner.syncSync()
  }

  async sync(): Promise<void> {
    failIfDue(this.consult('sync'), 'sync', this.path)
    await this.inner.sync()
  }

  sizeSync(): number {
    failIfDue(this.consult('stat'), 'stat', this.path)
    return this.inner.sizeSync()
  }

  truncateSync(length: number): void {
    failIfDue(this.consult('truncate'), 'truncate', this.path)
    this.inner.truncateSync(length)
  }

  closeSync(): void {
    if (this.isClosed) return
    this.isClosed = true
    const active = this.consult('close')
    this.inner.closeSync()
    failIfDue(active, 'close', this.path)
  }

  private afterRead(active: ActiveRule | undefined, target: Uint8Array, targetOffset: number, moved: number, position: number): number {
    failIfDue(active, 'read', this.path)
    active?.rule.corrupt?.(target.subarray(targetOffset, targetOffset + moved), position)
    return moved
  }
}

/** How many bytes may move; fails at once where the rule is an error without `short`. */
function shortened(active: ActiveRule | undefined, length: number, operation: FaultOperation, path: string): number {
  const short = active?.rule.short
  if (short === undefined) failIfDue(active, operation, path)
  return short === undefined ? length : Math.min(length, short)
}

function failIfDue(active: ActiveRule | undefined, operation: FaultOperation, path: string): void {
  const code = active?.error
  if (code !== undefined) throw ioError(systemError(code, operation, path), operation, path)
}
