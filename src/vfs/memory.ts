/**
 * A simulated disk, in memory. It holds what was written, knows what of that was synced, and can be cloned as a power loss ({@link
 * MemoryVfs.crashClone}) or the death of the process ({@link MemoryVfs.processKillClone}) would leave it. The engine's crash tests run on
 * it, and so does a store that needs no disk.
 *
 * Invariants
 * - Equal operations and equal seeds give equal disks, byte for byte, and equal random bytes. Asynchronous forms take effect in a later
 *   microtask, in the order of their calls.
 * - A clone shares nothing with its origin: files open on the one never change the other.
 * - `onMutation` is called before a change is made and after all reasons to refuse it were looked at; if it throws, the change is not made.
 *
 * File contents: `memory_inode.ts`. Names: `memory_tree.ts`.
 */
import { randomBytes } from 'node:crypto'
import { assert } from '../util/assert.js'
import { ioError, StoreError } from '../util/errors.js'
import { Random } from '../util/random.js'
import { INODE_BYTES_MAX, MemoryInode } from './memory_inode.js'
import type { MemoryNode } from './memory_tree.js'
import { MemoryFolder, MemoryTree } from './memory_tree.js'
import type { ProcessIdentity } from './process_identity.js'
import { type CrashOptions, Survival } from './survival.js'
import { systemError } from './system_error.js'
import type { OpenMode, Vfs, VfsFile, VfsStat } from './vfs.js'

/** The operations that change a simulated disk. */
export type MutationKind = 'create' | 'write' | 'truncate' | 'sync' | 'rename' | 'link' | 'unlink' | 'mkdir' | 'rmdir' | 'syncDir'

/** The disk and the machine it is in; several processes may share it. */
class Machine {
  readonly tree: MemoryTree
  readonly bootNumber: number
  /** Where random bytes come from; the system's when there is none. */
  readonly seed: number | undefined
  /** Start times of the running processes, by pid. */
  readonly running = new Map<number, string>()
  capacityBytes = Infinity
  usedBytes = 0
  private startCount: number

  constructor(tree: MemoryTree, bootNumber: number, startCount: number, seed: number | undefined) {
    this.tree = tree
    this.bootNumber = bootNumber
    this.seed = seed
    this.startCount = startCount
  }

  /** Starts a process. Pids grow from 1; a new boot begins again. */
  start(): ProcessIdentity {
    const pid = ++this.startCount
    const startTime = String(pid * 100)
    this.running.set(pid, startTime)
    return { pid, startTime, bootId: `boot-${this.bootNumber}`, hostname: 'memory', pidNamespace: 'pid:[1]' }
  }

  get lastPid(): number {
    return this.startCount
  }

  /** Forgets a file that has neither names nor handles. */
  reclaim(inode: MemoryInode): void {
    if (inode.linkCount === 0 && inode.handleCount === 0) this.usedBytes -= inode.size
  }
}

class MemoryFile implements VfsFile {
  readonly path: string
  private readonly vfs: MemoryVfs
  private readonly machine: Machine
  private readonly inode: MemoryInode
  private readonly isWritable: boolean
  private readonly mutate: (kind: MutationKind, path: string) => void
  private isClosed = false

  constructor(
    vfs: MemoryVfs,
    machine: Machine,
    inode: MemoryInode,
    path: string,
    mode: OpenMode,
    mutate: (kind: MutationKind, path: string) => void,
  ) {
    this.vfs = vfs
    this.machine = machine
    this.inode = inode
    this.path = path
    this.isWritable = mode !== 'read'
    this.mutate = mutate
    inode.handleCount++
    vfs.openHandleCount++
  }

  readSync(target: Uint8Array, targetOffset: number, length: number, position: number): number {
    this.checkOpen('read')
    return this.inode.read(target, targetOffset, length, position)
  }

  async read(target: Uint8Array, targetOffset: number, length: number, position: number): Promise<number> {
    this.checkOpen('read')
    await undefined
    return this.inode.read(target, targetOffset, length, position)
  }

  writeSync(source: Uint8Array, sourceOffset: number, length: number, position: number): number {
    this.checkOpen('write')
    return this.writeNow(source, sourceOffset, length, position)
  }

  async write(source: Uint8Array, sourceOffset: number, length: number, position: number): Promise<number> {
    this.checkOpen('write')
    await undefined
    return this.writeNow(source, sourceOffset, length, position)
  }

  syncSync(): void {
    this.checkOpen('sync')
    this.mutate('sync', this.path)
    this.inode.sync()
  }

  async sync(): Promise<void> {
    this.checkOpen('sync')
    await undefined
    this.mutate('sync', this.path)
    this.inode.sync()
  }

  sizeSync(): number {
    this.checkOpen('stat')
    return this.inode.size
  }

  truncateSync(length: number): void {
    this.checkOpen('truncate')
    const grown = length - this.inode.size
    if (!this.isWritable) throw refusal('EINVAL', 'truncate', this.path)
    if (length > INODE_BYTES_MAX) throw refusal('EFBIG', 'truncate', this.path)
    if (grown > 0 && this.machine.usedBytes + grown > this.machine.capacityBytes) throw refusal('ENOSPC', 'truncate', this.path)
    this.mutate('truncate', this.path)
    this.inode.truncate(length)
    this.machine.usedBytes += grown
  }

  closeSync(): void {
    if (this.isClosed) return
    this.isClosed = true
    this.vfs.openHandleCount--
    this.inode.handleCount--
    if (this.inode.handleCount === 0) this.inode.trim()
    this.machine.reclaim(this.inode)
  }

  /** As on a real disk, the write that fills it is short, and the next one fails. */
  private writeNow(source: Uint8Array, sourceOffset: number, length: number, position: number): number {
    const { inode, machine } = this
    if (!this.isWritable) throw refusal('EBADF', 'write', this.path)
    if (length === 0) return 0
    if (position + length > INODE_BYTES_MAX) throw refusal('EFBIG', 'write', this.path)
    const room = inode.size + Math.max(0, machine.capacityBytes - machine.usedBytes) - position
    const count = Math.min(length, room)
    if (count <= 0) throw refusal('ENOSPC', 'write', this.path)
    this.mutate('write', this.path)
    const sizeBefore = inode.size
    inode.write(source, sourceOffset, count, position)
    machine.usedBytes += inode.size - sizeBefore
    return count
  }

  private checkOpen(operation: string): void {
    if (this.isClosed) throw new StoreError('ERR_IO', `could not ${operation} ${this.path}: the file was closed`, { path: this.path })
  }
}

/** A file system on a simulated disk, as one process sees it. */
export class MemoryVfs implements Vfs {
  /** Called before each change with its number (from 0), kind and path. It may clone the disk, or throw to prevent the change. */
  onMutation: ((index: number, kind: MutationKind, path: string) => void) | undefined
  /** Files open through this object. */
  openHandleCount = 0
  #mutationCount = 0
  readonly #machine: Machine
  readonly #identity: ProcessIdentity
  readonly #random: Random | undefined
  readonly #mutate = (kind: MutationKind, path: string): void => {
    this.onMutation?.(this.#mutationCount, kind, path)
    this.#mutationCount++
  }

  /** @param machine an existing disk, known to this module only; by default a new, empty one. */
  constructor(machine: object = new Machine(new MemoryTree(), 1, 0, undefined)) {
    assert(machine instanceof Machine, 'only a simulated disk gives out its machine')
    this.#machine = machine
    this.#identity = machine.start()
    const { seed, bootNumber } = machine
    // Another process, and another boot, draws other ones.
    if (seed !== undefined) this.#random = new Random(seed + 0x1_0000_0000 * (1000 * bootNumber + this.#identity.pid))
  }

  /** Changes made through this object so far. */
  get mutationCount(): number {
    return this.#mutationCount
  }

  /** Most bytes that all files together may hold; a write beyond fails with `ENOSPC`. Infinity by default. */
  get capacityBytes(): number {
    return this.#machine.capacityBytes
  }

  /** As above; what is stored stays, even above the limit. */
  set capacityBytes(bytes: number) {
    this.#machine.capacityBytes = bytes
  }

  /** Bytes that all files together hold, unlinked ones that are still open included. */
  get usedBytes(): number {
    return this.#machine.usedBytes
  }

  /** An independent disk as it is after a power loss now, in the next boot of the machine. */
  crashClone(options: CrashOptions): MemoryVfs {
    assert(options.unsyncedPercent >= 0 && options.unsyncedPercent <= 100, 'a percentage lies between 0 and 100')
    const tree = this.#machine.tree.afterCrash(new Survival(options))
    return this.#onMachine(new Machine(tree, this.#machine.bootNumber + 1, 0, this.#machine.seed))
  }

  /**
   * An independent disk as it is after the death of all processes now: nothing is lost, what was not synced still is not, and a new process
   * looks at it.
   */
  processKillClone(): MemoryVfs {
    return this.#onMachine(new Machine(this.#machine.tree.clone(), this.#machine.bootNumber, this.#machine.lastPid, this.#machine.seed))
  }

  /** The same disk as another running process sees it. */
  otherProcess(): MemoryVfs {
    return new MemoryVfs(this.#machine)
  }

  /** The process of this object dies: others of the machine see it as dead from now on. */
  endProcess(): void {
    this.#machine.running.delete(this.#identity.pid)
  }

  /** Paths of all files, sorted. */
  files(): string[] {
    return [...walk(this.#machine.tree.root, '')].map(([path]) => path).toSorted()
  }

  /** A copy of a file's content. */
  readFile(path: string): Buffer {
    return this.#inode(path, 'open').copyContent()
  }

  /** Sets a file's content, durably and outside the count of mutations: for damage. Files that are open on it see it. */
  writeFile(path: string, content: Uint8Array): void {
    const { tree } = this.#machine
    let folder = tree.root
    const names = split(path)
    const last = names.pop()
    if (last === undefined) throw refusal('EISDIR', 'open', path)
    for (const name of names) {
      const node = folder.entries.get(name) ?? new MemoryFolder()
      if (!(node instanceof MemoryFolder)) throw refusal('ENOTDIR', 'open', path)
      if (!folder.entries.has(name)) tree.change({ folder, name, node })
      tree.sync(folder, name)
      folder = node
    }
    const inode = folder.entries.get(last) ?? new MemoryInode()
    if (!(inode instanceof MemoryInode)) throw refusal('EISDIR', 'open', path)
    if (inode.linkCount === 0) tree.change({ folder, name: last, node: inode })
    tree.sync(folder, last)
    this.#machine.usedBytes += content.length - inode.size
    inode.setContent(content)
  }

  openSync(path: string, mode: OpenMode): VfsFile {
    if (mode !== 'create') return this.#open(this.#inode(path, 'open'), path, mode)
    const { folder, name } = this.#checked('create', path, () => this.#freePlace(path, 'open'))
    const inode = new MemoryInode()
    this.#machine.tree.change({ folder, name, node: inode })
    return this.#open(inode, path, mode)
  }

  mkdirSync(path: string): void {
    let folder = this.#machine.tree.root
    let at = ''
    for (const name of split(path)) {
      at += `/${name}`
      const known = folder.entries.get(name)
      const node = known ?? new MemoryFolder()
      if (!(node instanceof MemoryFolder)) throw refusal(at === this.#absolute(path) ? 'EEXIST' : 'ENOTDIR', 'mkdir', path)
      if (known === undefined) {
        this.#mutate('mkdir', at)
        this.#machine.tree.change({ folder, name, node })
      }
      folder = node
    }
  }

  readdirSync(path: string): string[] {
    return [...this.#folder(path, 'scandir').entries.keys()].toSorted()
  }

  statSync(path: string): VfsStat | undefined {
    const node = this.#find(path)
    if (node === undefined) return undefined
    const isFile = node instanceof MemoryInode
    return { isFile, isDirectory: !isFile, sizeBytes: isFile ? node.size : 0 }
  }

  renameSync(from: string, to: string): void {
    const { source, target, moved, replaced } = this.#checked('rename', from, () => this.#renaming(from, to))
    if (moved === replaced) return // two names of one file: POSIX does nothing
    this.#machine.tree.change({ ...target, node: moved }, { ...source, node: undefined })
    if (replaced instanceof MemoryInode) this.#machine.reclaim(replaced)
  }

  linkSync(existing: string, added: string): void {
    const { place, inode } = this.#checked('link', added, () => {
      const found = this.#find(existing)
      if (found === undefined) throw refusal('ENOENT', 'link', existing)
      if (!(found instanceof MemoryInode)) throw refusal('EPERM', 'link', existing)
      return { place: this.#freePlace(added, 'link'), inode: found }
    })
    this.#machine.tree.change({ ...place, node: inode })
  }

  unlinkSync(path: string): void {
    const inode = this.#checked('unlink', path, () => this.#inode(path, 'unlink'))
    this.#machine.tree.change({ ...this.#place(path, 'unlink'), node: undefined })
    this.#machine.reclaim(inode)
  }

  async unlink(path: string): Promise<void> {
    this.unlinkSync(path)
  }

  rmdirSync(path: string): void {
    const place = this.#checked('rmdir', path, () => {
      const { name, folder } = this.#place(path, 'rmdir')
      if (name === '') throw refusal('EBUSY', 'rmdir', path)
      if (this.#folder(path, 'rmdir').entries.size > 0) throw refusal('ENOTEMPTY', 'rmdir', path)
      return { name, folder }
    })
    this.#machine.tree.change({ ...place, node: undefined })
  }

  syncDirSync(path: string): void {
    this.#machine.tree.sync(this.#checked('syncDir', path, () => this.#folder(path, 'fsync')))
  }

  async syncDir(path: string): Promise<void> {
    await undefined
    this.syncDirSync(path)
  }

  realpathSync(path: string): string {
    if (this.#find(path) === undefined) throw refusal('ENOENT', 'realpath', path)
    return this.#absolute(path)
  }

  randomBytes(count: number): Buffer {
    if (this.#random === undefined) return randomBytes(count)
    const bytes = Buffer.alloc(count)
    this.#random.fill(bytes)
    return bytes
  }

  processIdentity(): ProcessIdentity {
    return this.#identity
  }

  isProcessAlive(identity: ProcessIdentity): boolean {
    const self = this.#identity
    if (identity.hostname !== self.hostname || identity.bootId === '') return true
    return identity.bootId === self.bootId && this.#machine.running.get(identity.pid) === identity.startTime
  }

  workerSpec(): undefined {
    return undefined
  }

  /** Looks for reasons to refuse a change, announces it, and looks again: what is called in between may act on the same disk. */
  #checked<T>(kind: MutationKind, path: string, check: () => T): T {
    check()
    this.#mutate(kind, path)
    return check()
  }

  #onMachine(machine: Machine): MemoryVfs {
    machine.capacityBytes = this.#machine.capacityBytes
    const counted = new Set<MemoryInode>()
    for (const [, inode] of walk(machine.tree.root, '')) {
      if (!counted.has(inode)) machine.usedBytes += inode.size
      counted.add(inode)
    }
    return new MemoryVfs(machine)
  }

  #open(inode: MemoryInode, path: string, mode: OpenMode): VfsFile {
    return new MemoryFile(this, this.#machine, inode, path, mode, this.#mutate)
  }

  #absolute(path: string): string {
    return `/${split(path).join('/')}`
  }

  #find(path: string): MemoryNode | undefined {
    let node: MemoryNode | undefined = this.#machine.tree.root
    for (const name of split(path)) {
      if (!(node instanceof MemoryFolder)) return undefined
      node = node.entries.get(name)
    }
    return node
  }

  /** The folder of `path` and the name in it; the name of the root is empty. */
  #place(path: string, syscall: string): { folder: MemoryFolder; name: string } {
    const names = split(path)
    const name = names.pop() ?? ''
    let node: MemoryNode | undefined = this.#machine.tree.root
    for (const above of names) {
      node = node.entries.get(above)
      if (node === undefined) throw refusal('ENOENT', syscall, path)
      if (!(node instanceof MemoryFolder)) throw refusal('ENOTDIR', syscall, path)
    }
    return { folder: node, name }
  }

  #freePlace(path: string, syscall: string): { folder: MemoryFolder; name: string } {
    const place = this.#place(path, syscall)
    if (place.name === '' || place.folder.entries.has(place.name)) throw refusal('EEXIST', syscall, path)
    return place
  }

  #renaming(from: string, to: string) {
    const source = this.#place(from, 'rename')
    const target = this.#place(to, 'rename')
    const moved = source.folder.entries.get(source.name)
    const replaced = target.folder.entries.get(target.name)
    if (moved === undefined) throw refusal('ENOENT', 'rename', from)
    if (target.name === '') throw refusal('EBUSY', 'rename', to)
    if (moved instanceof MemoryInode && replaced instanceof MemoryFolder) throw refusal('EISDIR', 'rename', to)
    if (moved instanceof MemoryFolder && replaced instanceof MemoryInode) throw refusal('ENOTDIR', 'rename', to)
    if (replaced instanceof MemoryFolder && replaced !== moved && replaced.entries.size > 0) throw refusal('ENOTEMPTY', 'rename', to)
    const [above, below] = [this.#absolute(from), this.#absolute(to)]
    if (moved !== replaced && below.startsWith(`${above}/`)) throw refusal('EINVAL', 'rename', to)
    return { source, target, moved, replaced }
  }

  #inode(path: string, syscall: string): MemoryInode {
    const { folder, name } = this.#place(path, syscall)
    const node = name === '' ? folder : folder.entries.get(name)
    if (node === undefined) throw refusal('ENOENT', syscall, path)
    if (!(node instanceof MemoryInode)) throw refusal('EISDIR', syscall, path)
    return node
  }

  #folder(path: string, syscall: string): MemoryFolder {
    const { folder, name } = this.#place(path, syscall)
    const node = name === '' ? folder : folder.entries.get(name)
    if (node === undefined) throw refusal('ENOENT', syscall, path)
    if (!(node instanceof MemoryFolder)) throw refusal('ENOTDIR', syscall, path)
    return node
  }
}

/**
 * A new, empty file system in memory.
 *
 * @param options.seed makes it repeat itself: stores on it that do the same, inline and at the same time, have the same bytes. Without it
 * every store has an id that no other one has.
 */
export function memory(options: { readonly seed?: number } = {}): MemoryVfs {
  return new MemoryVfs(new Machine(new MemoryTree(), 1, 0, options.seed))
}

function refusal(code: string, syscall: string, path: string): StoreError {
  return ioError(systemError(code, syscall, path), syscall, path)
}

/** The names along a path; relative paths start at the root. */
function split(path: string): string[] {
  const names: string[] = []
  for (const name of path.split('/')) {
    if (name === '..') names.pop()
    else if (name !== '' && name !== '.') names.push(name)
  }
  return names
}

function* walk(folder: MemoryFolder, path: string): Generator<[string, MemoryInode]> {
  for (const [name, node] of folder.entries) {
    if (node instanceof MemoryInode) yield [`${path}/${name}`, node]
    else yield* walk(node, `${path}/${name}`)
  }
}
