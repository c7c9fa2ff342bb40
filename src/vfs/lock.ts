/**
 * The lock that lets one store at a time use a folder, among processes and threads, and that frees itself when its holder was killed.
 *
 * Node has no `flock`. The lock is a file `LOCK` that describes its holder:
 *
 * ```json
 * {"nonce":"9f86d081884c7d659a2feaa0c55ad015","pid":4711,"startTime":"812345","bootId":"0b0e…","hostname":"mill",
 *  "pidNamespace":"pid:[4026531836]","since":"2026-01-31T12:00:00.000Z"}
 * ```
 *
 * Such a record is written to a file of its own, `LOCK.<nonce>.tmp`, and published by a hard link, which the system makes only if the name
 * is free. So a name, once there, holds a whole record. Every attempt to take the lock has a new random nonce.
 *
 * A lock whose holder died is not overwritten but succeeded: the successor of nonce `n` is the file `LOCK.<n>`, published in the same way,
 * hence there is one at most. `LOCK`, `LOCK.<its nonce>`, `LOCK.<that one's nonce>` … is the chain, and its last record the only one that
 * counts.
 *
 *     LOCK → a (dead)      LOCK.a → b (dead)      LOCK.b → c          c holds
 *
 * Taking the lock
 *  1. Write the own record, and link it to `LOCK`. If that succeeds, the lock is held.
 *  2. Otherwise walk the chain to its end, `e`. If the process of `e` is alive: `ERR_LOCKED`.
 *  3. Link the own record to `LOCK.<e>`. If the name is taken, another one was faster: begin again.
 *  4. Walk the chain again. If it does not end with the own record, the chain walked in 2 was out of date: remove `LOCK.<e>`, begin again.
 *     Otherwise the lock is held.
 *  5. Shorten the chain: rename the own record over `LOCK`, and remove all `LOCK.*`.
 * Releasing it: unlink `LOCK`, if it is still the own one.
 *
 * Why two never hold it. The dead do nothing; a nonce never comes again; a process is judged by a record that it published, so after it
 * began and before it released. Call a process settled from when it passed step 1 or 4 until its release.
 *  - The path to a record is the links from `LOCK` to it. A link is made after the record that it succeeds was published, so the links of
 *    a path are as old as their order. Their owners, all but the last, were judged dead before the next one linked itself.
 *  - So the path to a living process `a` stays as it is from the moment `a` linked itself, provided that `a` settles, until `a` renames:
 *    only the owner of a link removes it, or one that settled and renamed over `LOCK`, and that one would be `a`. It does not go on
 *    behind `a`, as `a` is alive. From the rename of `a` to its release, `LOCK` is `a`.
 *  - Suppose `a` and `b` live and are settled at once, for the first time, and `b` linked itself later. `b` did not do so in step 1,
 *    since `LOCK` is never missing while `a` is settled. It walked (step 4) after both had linked themselves. If it read `a` in `LOCK`,
 *    its walk ended there. Otherwise `a` had not renamed when it read `LOCK`, and it followed the path to `a`. Either it came to `a`, and
 *    ended there; or `a` renamed meanwhile and had removed the next link, and it ended; or another link was at that name by then, one
 *    made after `b` linked itself, and `b` cannot have linked itself behind a record that was not there yet. In no case did it end with
 *    `b`.
 * The second walk is what makes it true; checking only that `LOCK` is the same as before is not enough: one that lost in step 4 may have
 * removed its link from the middle of the chain and ended, and its successor would hold on to a chain that nobody else sees any more.
 * `lock.test.ts` plays that case; `lock_schedules.test.ts` runs random schedules of several processes that die at any point.
 *
 * Power loss. Records are not synced. A record that cannot be read is one that a power loss tore, as links publish whole records only: its
 * process is dead, and the hash of its name and bytes stands for its nonce. All other records name an earlier boot. A lock file therefore
 * never blocks a machine that was restarted (where boots have no name, outside Linux, it can, if its pid was given to another process).
 *
 * What is weaker
 *  - File systems without hard links (FAT, some network ones): records are published by creating the name exclusively and writing into it.
 *    One that cannot be read may then be one that is being written, so it counts as alive, and after a power loss or kill within that
 *    moment the file must be deleted by hand.
 *  - Whether a process is alive is as certain as `process_identity.ts` says. What is in doubt is alive.
 *  - A worker thread that is terminated without closing its store leaves the lock to its process, until that ends.
 *  - Who deletes `LOCK` by hand while a store is open, lets a second one in.
 */
import { createHash } from 'node:crypto'
import { type Clock, systemClock } from '../util/clock.js'
import { StoreError, systemCode } from '../util/errors.js'
import type { Task } from '../util/task.js'
import { PAUSE, runTaskSync } from '../util/task.js'
import { closeQuietly, joinPath, readFileSync, writeFullySync } from './io.js'
import type { ProcessIdentity } from './process_identity.js'
import type { Vfs } from './vfs.js'

/** The name of the lock file in a store's folder. All other files of the lock begin with it and a dot. */
export const LOCK_FILE_NAME = 'LOCK'

/** Attempts before giving up. One fails only when another process took a step at the same moment. */
const ATTEMPTS_MAX = 32
/** Records in a chain; more than one only where processes died while they took the lock. */
const CHAIN_RECORDS_MAX = 100
/** A record has about 250 bytes; longer files are none. */
const RECORD_BYTES_MAX = 4096
/** What `link` fails with where there are no hard links. `EISDIR` is how libuv reports it on Windows, `EACCES` is what Android says. */
const NO_LINKS_CODES: ReadonlySet<string | undefined> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EACCES', 'EISDIR'])

/**
 * Records that this process has given up without being able to delete them, by nonce. They would hold the lock until the process ends,
 * though the store is closed.
 */
const abandoned = new Set<string>()

/** A lock that is held. */
export interface StoreLock {
  /** Gives the lock back. Doing it twice does nothing. */
  releaseSync(): void
}

/** Who holds, or held, a lock. */
export interface LockRecord extends ProcessIdentity {
  readonly nonce: string
  /** When it was taken, in ISO 8601. */
  readonly since: string
  /** Whether the file could be understood. If not, all but `nonce` is empty. */
  readonly isReadable: boolean
}

/** The folders that this thread holds, or is about to, and since when, by file system. It tells apart what the pid cannot. */
const heldFolders = new WeakMap<Vfs, Map<string, string>>()

/**
 * Takes the lock of folder `dir`, which must exist.
 *
 * @throws StoreError `ERR_LOCKED`, naming the holder, when another store has it.
 */
export function acquireLockSync(vfs: Vfs, dir: string): StoreLock {
  return runTaskSync(lockTask(vfs, dir))
}

/**
 * As {@link acquireLockSync}, pausing before each operation on files, so that tests can put other processes in between.
 *
 * @param clock tells since when the lock is held.
 */
export function* lockTask(vfs: Vfs, dir: string, clock: Clock = systemClock): Task<StoreLock> {
  const folder = vfs.realpathSync(dir)
  const held = heldFolders.get(vfs) ?? new Map<string, string>()
  heldFolders.set(vfs, held)
  const heldSince = held.get(folder)
  if (heldSince !== undefined) throw heldHereError(vfs, folder, heldSince)
  const since = new Date(clock.wallMs()).toISOString()
  held.set(folder, since)
  let own: LockRecord | undefined
  try {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      own = newRecord(vfs, since)
      if (yield* take(vfs, folder, own)) return new HeldLock(vfs, folder, own.nonce, held)
    }
  } catch (error) {
    held.delete(folder)
    // What was published of the attempt may not have been deleted again.
    const isLocked = error instanceof StoreError && error.code === 'ERR_LOCKED'
    if (own !== undefined && !isLocked) abandoned.add(own.nonce)
    throw error
  }
  held.delete(folder)
  throw new StoreError('ERR_LOCKED', `the store at ${dir} is being opened by several processes at once: try again`, { path: dir })
}

/** The living holder of the lock of folder `dir`, if there is one. Changes nothing. */
export function lockHolderSync(vfs: Vfs, dir: string): LockRecord | undefined {
  const holder = runTaskSync(walk(vfs, dir))
  return holder !== undefined && holder.isReadable && vfs.isProcessAlive(holder) ? holder : undefined
}

class HeldLock implements StoreLock {
  private readonly vfs: Vfs
  private readonly folder: string
  private readonly nonce: string
  private readonly held: Map<string, string>
  private isReleased = false

  constructor(vfs: Vfs, folder: string, nonce: string, held: Map<string, string>) {
    this.vfs = vfs
    this.folder = folder
    this.nonce = nonce
    this.held = held
  }

  releaseSync(): void {
    if (this.isReleased) return
    this.isReleased = true
    this.held.delete(this.folder)
    const path = joinPath(this.folder, LOCK_FILE_NAME)
    try {
      if (readRecord(this.vfs, path, LOCK_FILE_NAME)?.nonce === this.nonce) this.vfs.unlinkSync(path)
    } catch (error) {
      // Not earlier: who takes the lock of an abandoned record must not find its own deleted here.
      abandoned.add(this.nonce)
      throw error
    }
  }
}

/** One attempt, steps 1 to 5. False: someone else took a step in between. */
function* take(vfs: Vfs, folder: string, own: LockRecord): Task<boolean> {
  const first = joinPath(folder, LOCK_FILE_NAME)
  const temporary = `${first}.${own.nonce}.tmp`
  try {
    yield PAUSE
    yield* writeRecord(vfs, temporary, own)
    if (yield* publish(vfs, temporary, first, own)) {
      yield* sweep(vfs, folder, own)
      return true
    }
    const end = yield* walk(vfs, folder)
    if (end === undefined) return false
    yield PAUSE
    if (yield* canLive(vfs, end, temporary)) throw lockedError(vfs, folder, end)
    const successor = `${first}.${end.nonce}`
    if (!(yield* publish(vfs, temporary, successor, own))) return false
    return yield* settle(vfs, folder, own, temporary, successor)
  } finally {
    removeQuietly(vfs, temporary)
  }
}

/** Steps 4 and 5, after the own record was published as `successor`. */
function* settle(vfs: Vfs, folder: string, own: LockRecord, temporary: string, successor: string): Task<boolean> {
  try {
    const end = yield* walk(vfs, folder)
    yield PAUSE
    if (end?.nonce !== own.nonce) {
      vfs.unlinkSync(successor)
      return false
    }
    vfs.renameSync(temporary, joinPath(folder, LOCK_FILE_NAME))
  } catch (error) {
    // ENOENT: the holder, or who took the temporary file for a dead one's, has cleared up
    removeQuietly(vfs, successor)
    if (systemCode(error) !== 'ENOENT') throw error
    return false
  }
  yield* sweep(vfs, folder, own)
  return true
}

/** The last record of the chain; `undefined` when there is no lock. */
function* walk(vfs: Vfs, folder: string): Task<LockRecord | undefined> {
  let end: LockRecord | undefined
  let name = LOCK_FILE_NAME
  for (let count = 0; count < CHAIN_RECORDS_MAX; count++) {
    yield PAUSE
    const next = readRecord(vfs, joinPath(folder, name), name)
    if (next === undefined) return end
    end = next
    name = `${LOCK_FILE_NAME}.${next.nonce}`
  }
  const path = joinPath(folder, LOCK_FILE_NAME)
  throw new StoreError('ERR_LOCKED', `the lock files ${path}* lead to no holder: delete them if no process uses the store`, { path })
}

/** Publishes the record in `temporary` under `path`, unless the name is taken. */
function* publish(vfs: Vfs, temporary: string, path: string, own: LockRecord): Task<boolean> {
  yield PAUSE
  try {
    vfs.linkSync(temporary, path)
    return true
  } catch (error) {
    const code = systemCode(error)
    if (code === 'EEXIST' || code === 'ENOENT') return false // ENOENT: the temporary file was swept away
    if (!NO_LINKS_CODES.has(code)) throw error
  }
  yield PAUSE
  try {
    yield* writeRecord(vfs, path, own)
    return true
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false
    throw error
  }
}

/** Whether the process of a record has to be taken for alive. */
function* canLive(vfs: Vfs, record: LockRecord, temporary: string): Task<boolean> {
  if (record.isReadable) return !abandoned.has(record.nonce) && vfs.isProcessAlive(record)
  // Torn by a power loss, if records are published by links: try whether they are.
  const probe = `${temporary.slice(0, -'.tmp'.length)}.link.tmp`
  try {
    vfs.linkSync(temporary, probe)
  } catch (error) {
    if (NO_LINKS_CODES.has(systemCode(error))) return true
    throw error
  }
  yield PAUSE
  removeQuietly(vfs, probe)
  return false
}

/**
 * Removes what the dead have left, once `LOCK` is the own record. Every `LOCK.<nonce>` belongs to a chain that nobody can reach any more.
 * The temporary file of a living process stays, unless it was not written yet: that one finds it missing, and begins again.
 */
function* sweep(vfs: Vfs, folder: string, own: LockRecord): Task<void> {
  try {
    yield PAUSE
    for (const name of vfs.readdirSync(folder)) {
      const [, nonce, suffix] = /^LOCK\.([0-9a-f]{32})((?:\.link)?\.tmp)?$/.exec(name) ?? []
      if (nonce === undefined || nonce === own.nonce) continue
      yield PAUSE
      if (suffix !== undefined) {
        const record = readRecord(vfs, joinPath(folder, name), name)
        yield PAUSE
        if (record === undefined || (record.isReadable && vfs.isProcessAlive(record))) continue
      }
      removeQuietly(vfs, joinPath(folder, name))
    }
  } catch (error) {
    if (!(error instanceof StoreError)) throw error // the lock is held; what is left over is for the next sweep
  }
}

function removeQuietly(vfs: Vfs, path: string): void {
  try {
    vfs.unlinkSync(path)
  } catch (error) {
    if (!(error instanceof StoreError)) throw error // what cannot be removed now is garbage, and swept by the next holder
  }
}

function newRecord(vfs: Vfs, since: string): LockRecord {
  const { pid, startTime, bootId, hostname, pidNamespace } = vfs.processIdentity()
  return { nonce: vfs.randomBytes(16).toString('hex'), pid, startTime, bootId, hostname, pidNamespace, since, isReadable: true }
}

function* writeRecord(vfs: Vfs, path: string, record: LockRecord): Task<void> {
  const file = vfs.openSync(path, 'create')
  try {
    yield PAUSE
    const { isReadable: _, ...written } = record
    const content = Buffer.from(`${JSON.stringify(written)}\n`)
    writeFullySync(file, content, 0, content.length, 0)
  } catch (error) {
    removeQuietly(vfs, path)
    throw error
  } finally {
    closeQuietly(file)
  }
}

/** The record in a file; `undefined` when there is no such file. */
function readRecord(vfs: Vfs, path: string, name: string): LockRecord | undefined {
  let content: Buffer
  try {
    content = readFileSync(vfs, path, RECORD_BYTES_MAX)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  }
  return parseRecord(content) ?? unreadable(name, content)
}

function parseRecord(content: Buffer): LockRecord | undefined {
  let parsed: unknown
  try {
    parsed = JSON.parse(content.toString('utf8'))
  } catch {
    return undefined
  }
  if (typeof parsed !== 'object' || parsed === null) return undefined
  const { nonce, pid, startTime, bootId, hostname, pidNamespace, since } = parsed as Record<string, unknown>
  if (typeof nonce !== 'string' || !/^[0-9a-f]{32}$/.test(nonce)) return undefined // it becomes part of a path
  if (typeof pid !== 'number' || !Number.isInteger(pid) || pid <= 0 || pid > 0x7fff_ffff) return undefined
  if (typeof startTime !== 'string' || typeof bootId !== 'string' || typeof hostname !== 'string') return undefined
  if (typeof pidNamespace !== 'string' || typeof since !== 'string') return undefined
  return { nonce, pid, startTime, bootId, hostname, pidNamespace, since, isReadable: true }
}

function unreadable(name: string, content: Buffer): LockRecord {
  const nonce = createHash('sha256').update(name).update('\0').update(content).digest('hex').slice(0, 32)
  return { nonce, pid: 0, startTime: '', bootId: '', hostname: '', pidNamespace: '', since: '', isReadable: false }
}

function heldHereError(vfs: Vfs, folder: string, since: string): StoreError {
  const path = joinPath(folder, LOCK_FILE_NAME)
  const { pid, hostname } = vfs.processIdentity()
  const who = `this process (pid ${pid} on host ${hostname})`
  return new StoreError('ERR_LOCKED', `the store at ${folder} is held by ${who} since ${since}: close it first, or share the open one`, {
    path,
  })
}

function lockedError(vfs: Vfs, folder: string, holder: LockRecord): StoreError {
  const path = joinPath(folder, LOCK_FILE_NAME)
  if (!holder.isReadable) {
    const remedy = `try again, and delete ${path}* if no process uses the store`
    return new StoreError('ERR_LOCKED', `the lock file of the store at ${folder} is being written, or was damaged: ${remedy}`, { path })
  }
  const self = vfs.processIdentity()
  const isSelf = holder.pid === self.pid && holder.startTime === self.startTime && holder.hostname === self.hostname
  const who = isSelf
    ? `this process (pid ${holder.pid}), in another thread or by another copy of this library,`
    : `process ${holder.pid} on host ${holder.hostname}`
  const remedy = isSelf
    ? 'close it there first'
    : `close it there, or end that process; delete ${path} only if you know that it no longer runs`
  return new StoreError('ERR_LOCKED', `the store at ${folder} is held by ${who} since ${holder.since}: ${remedy}`, { path })
}
