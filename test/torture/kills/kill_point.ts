/**
 * Kill points: a process that kills itself with `kill -9` at a file operation chosen beforehand, before, in the middle of, or after it.
 *
 * Importing this module replaces the functions of `node:fs` that change files by ones that count, in the thread that imports it. It must
 * come before everything that uses them. Both the main thread and the worker thread of the store get there through the real file system.
 *
 * Method: RocksDB's `--kill_random_test`, which kills `db_stress` at file operations.
 */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { basename } from 'node:path'
import { isMainThread } from 'node:worker_threads'

/** Operations that change files. `sync` includes folders. */
export type KillOperation = 'create' | 'write' | 'sync' | 'truncate' | 'rename' | 'link' | 'unlink'

/** Where a process dies. */
export interface KillPoint {
  readonly thread: 'main' | 'worker'
  /** All of them when none is named. */
  readonly operations?: readonly KillOperation[]
  /** Names of files concerned, as the source of a regular expression; all when left out. */
  readonly names?: string
  /** The matching operation at which it happens, counted from 1. */
  readonly nth: number
  /** `torn`: when half of the bytes of a write are written; the same as `before` for all else. */
  readonly moment: 'before' | 'torn' | 'after'
}

/** In the environment of the process: how its worker thread knows its kill point. */
export const KILL_POINT_VARIABLE = 'VARVE_KILL_POINT'

/** Writes past the kill points, for the process's own notes. */
export const writeUncounted: typeof fs.writeSync = fs.writeSync

const original = { ...fs }
const pathOf = new Map<number, string>()
let armed: KillPoint | undefined
let wanted: RegExp | undefined
let matches = 0

/** From now on the process dies there. */
export function armKillPoint(point: KillPoint | undefined): void {
  armed = point !== undefined && point.thread === (isMainThread ? 'main' : 'worker') ? point : undefined
  wanted = point?.names === undefined ? undefined : new RegExp(point.names)
  matches = 0
}

function die(): never {
  process.kill(process.pid, 'SIGKILL')
  // The signal comes to the process, not to this thread, which must do nothing until it does.
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000)
}

/** Whether this operation is the one. */
function isDue(operation: KillOperation, path: string): boolean {
  if (armed === undefined || (armed.operations !== undefined && !armed.operations.includes(operation))) return false
  if (wanted !== undefined && !wanted.test(basename(path))) return false
  return ++matches === armed.nth
}

function at<T>(operation: KillOperation, path: string, action: () => T): T {
  if (!isDue(operation, path)) return action()
  if (armed!.moment === 'after') action()
  die()
}

/** As `at` for operations in the thread pool: dies in the callback when it is to die afterwards. */
function atLater(operation: KillOperation, path: string, start: (done: Callback) => void, done: Callback): void {
  if (!isDue(operation, path)) return start(done)
  if (armed!.moment !== 'after') die()
  start(() => die())
}

type Callback = (error: Error | null, result?: unknown) => void

function isCreating(flags: unknown): boolean {
  return typeof flags === 'string' && flags.startsWith('w')
}

function openSync(path: string, flags: string, mode?: number): number {
  const fd = isCreating(flags) ? at('create', path, () => original.openSync(path, flags, mode)) : original.openSync(path, flags, mode)
  pathOf.set(fd, path)
  return fd
}

function open(path: string, flags: string, done: Callback): void {
  original.open(path, flags, (error, fd) => {
    if (error === null) pathOf.set(fd, path)
    done(error, fd)
  })
}

function writeSync(fd: number, source: Uint8Array, offset: number, length: number, position: number): number {
  const path = pathOf.get(fd) ?? ''
  if (!isDue('write', path)) return original.writeSync(fd, source, offset, length, position)
  if (armed!.moment !== 'before') original.writeSync(fd, source, offset, armed!.moment === 'torn' ? length >>> 1 : length, position)
  die()
}

function write(fd: number, source: Uint8Array, offset: number, length: number, position: number, done: Callback): void {
  atLater('write', pathOf.get(fd) ?? '', (ended) => original.write(fd, source, offset, length, position, ended), done)
}

const replaced = {
  openSync,
  open,
  writeSync,
  write,
  fdatasyncSync: (fd: number) => at('sync', pathOf.get(fd) ?? '', () => original.fdatasyncSync(fd)),
  fsyncSync: (fd: number) => at('sync', pathOf.get(fd) ?? '', () => original.fsyncSync(fd)),
  fdatasync: (fd: number, done: Callback) => atLater('sync', pathOf.get(fd) ?? '', (ended) => original.fdatasync(fd, ended), done),
  fsync: (fd: number, done: Callback) => atLater('sync', pathOf.get(fd) ?? '', (ended) => original.fsync(fd, ended), done),
  ftruncateSync: (fd: number, length: number) => at('truncate', pathOf.get(fd) ?? '', () => original.ftruncateSync(fd, length)),
  renameSync: (from: string, to: string) => at('rename', to, () => original.renameSync(from, to)),
  linkSync: (existing: string, added: string) => at('link', added, () => original.linkSync(existing, added)),
  unlinkSync: (path: string) => at('unlink', path, () => original.unlinkSync(path)),
}

Object.assign(fs, replaced)
syncBuiltinESMExports()

/** The kill point that the main thread has left to the worker thread. */
export function killPointOfEnvironment(): KillPoint | undefined {
  const given = process.env[KILL_POINT_VARIABLE]
  return given === undefined ? undefined : (JSON.parse(given) as KillPoint)
}
