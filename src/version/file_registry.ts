/**
 * Which files are in use, and which may be deleted.
 *
 * A table file is named by versions, and by jobs that protect it. The registry counts. The manifest holds a reference on the version that
 * is durable, and lets go of the one before only when the edit between them is durable; so a count of zero means that neither a reader nor
 * what a crash would bring back needs the file. Logs are needed from the manifest's log number on.
 *
 * Invariants
 * 1. A file is deleted only after its count has been above zero and has come back to zero; so files that a running job writes, which
 *    nobody has named yet, are safe.
 * 2. While the manifest's state on disk is in doubt (`suspendDeletion`), nothing is deleted.
 * 3. A deletion that fails is no failure of the store: it is reported, and tried again with the next ones.
 */
import { tableFileName } from '../sstable/format.js'
import { assert } from '../util/assert.js'
import { systemCode } from '../util/errors.js'
import { joinPath } from '../vfs/io.js'
import type { Vfs } from '../vfs/vfs.js'
import { logFileName } from '../wal/format.js'
import { listNumberedFiles } from './directory.js'
import type { Version } from './version.js'

/** What the registry tells. */
export interface FileRegistryListener {
  /** Files wait for `deleteObsoleteSync`. */
  onObsolete?(): void
  /** A table is about to be deleted: close its reader and drop its blocks. */
  onDeleteTable?(fileNumber: number): void
  /** A file could not be deleted. */
  onDeleteError?(path: string, error: unknown): void
}

/** Counts references on files, and deletes those that nobody needs. */
export class FileRegistry {
  /** Set by the store. */
  listener: FileRegistryListener = {}
  readonly #vfs: Vfs
  readonly #dir: string
  readonly #isReadOnly: boolean
  readonly #tableCounts = new Map<number, number>()
  /** Versions whose tables are counted: those that somebody still refers to. */
  readonly #tracked = new Set<Version>()
  /** In the order in which they are to be deleted. */
  #obsolete: ObsoleteFile[] = []
  /** The one that is being deleted in the thread pool. */
  #deleting: ObsoleteFile | undefined
  #isSuspended = false

  constructor(vfs: Vfs, dir: string, isReadOnly: boolean) {
    this.#vfs = vfs
    this.#dir = dir
    this.#isReadOnly = isReadOnly
  }

  /** Counts the tables of a version until its last reference is dropped. Doing so again changes nothing. */
  track(version: Version): void {
    if (this.#tracked.has(version)) return
    this.#tracked.add(version)
    for (const tables of version.levels) for (const { fileNumber } of tables) this.protect(fileNumber)
    version.onRelease = (released) => {
      this.#tracked.delete(released)
      // Deepest first, oldest first: should the manifest get lost before all are deleted, a table with a tombstone is to outlive what the
      // tombstone hides.
      for (const tables of released.levels.toReversed()) for (const { fileNumber } of tables.toReversed()) this.release(fileNumber)
    }
  }

  /**
   * After an edit has become durable: `version` is what readers see from now on, and logs below `logNumber` are in tables. The version has
   * a reference by now.
   */
  installed(version: Version, logNumber?: number): void {
    this.track(version)
    if (logNumber !== undefined) this.dropLogsBelow(logNumber)
    if (this.listener.onObsolete === undefined) this.deleteObsoleteSync()
  }

  /** Keeps a table file from being deleted, until `release`. */
  protect(fileNumber: number): void {
    this.#tableCounts.set(fileNumber, (this.#tableCounts.get(fileNumber) ?? 0) + 1)
  }

  /** Undoes one `protect`. The file is obsolete when nothing else names it. */
  release(fileNumber: number): void {
    const count = this.#tableCounts.get(fileNumber)
    assert(count !== undefined, 'a file is released as often as it was named')
    if (count > 1) {
      this.#tableCounts.set(fileNumber, count - 1)
      return
    }
    this.#tableCounts.delete(fileNumber)
    this.#obsolete.push({ number: fileNumber, isLog: false })
    this.listener.onObsolete?.()
  }

  /** Whether anything names this table. */
  isTableLive(fileNumber: number): boolean {
    return this.#tableCounts.has(fileNumber)
  }

  /** Versions that somebody refers to. */
  get liveVersions(): readonly Version[] {
    return [...this.#tracked]
  }

  /** How many times a table is named; 0 when nothing names it. */
  countOf(fileNumber: number): number {
    return this.#tableCounts.get(fileNumber) ?? 0
  }

  /** Names of the files that wait to be deleted, or are being deleted. */
  get obsoleteNames(): readonly string[] {
    return this.#unwanted.map(nameOf)
  }

  /** Logs below `logNumber` are in tables, durably. */
  dropLogsBelow(logNumber: number): void {
    // The folder is asked, and no list of logs kept, because a log that were missing on the list would stay for ever.
    const waiting = new Set(this.#unwanted.filter(({ isLog }) => isLog).map(({ number }) => number))
    const before = this.#obsolete.length
    for (const log of this.#logsPresent()) {
      if (log < logNumber && !waiting.has(log)) this.#obsolete.push({ number: log, isLog: true })
    }
    if (this.#obsolete.length > before) this.listener.onObsolete?.()
  }

  get #unwanted(): readonly ObsoleteFile[] {
    return this.#deleting === undefined ? this.#obsolete : [this.#deleting, ...this.#obsolete]
  }

  /** None when the folder cannot be listed now: the next edit asks again. */
  #logsPresent(): readonly number[] {
    try {
      return listNumberedFiles(this.#vfs, this.#dir).logs
    } catch (error) {
      this.listener.onDeleteError?.(this.#dir, error)
      return []
    }
  }

  /** Files that wait to be deleted. */
  get obsoleteCount(): number {
    return this.#obsolete.length
  }

  /** Deletes nothing until `resumeDeletion`. */
  suspendDeletion(): void {
    this.#isSuspended = true
  }

  /** Undoes `suspendDeletion`. */
  resumeDeletion(): void {
    this.#isSuspended = false
  }

  /**
   * Deletes all obsolete files and returns how many are gone. What cannot be deleted goes to the end of the queue, so that it keeps no
   * other file on the disk. One that is being deleted in the thread pool is deleted here as well: whoever comes second finds it gone.
   */
  deleteObsoleteSync(): number {
    if (this.#deleting !== undefined) this.#obsolete.unshift(this.#deleting)
    this.#deleting = undefined
    const kept: ObsoleteFile[] = []
    let deleted = 0
    for (let file = this.#take(); file !== undefined; file = this.#take()) {
      const path = this.#pathOf(file)
      try {
        this.#vfs.unlinkSync(path)
        deleted++
      } catch (error) {
        if (this.#isGone(path, error)) deleted++
        else kept.push(file)
      }
    }
    this.#obsolete.push(...kept)
    return deleted
  }

  /** Deletes the next obsolete file, through the thread pool, and tells whether it is gone. One at a time. It never rejects. */
  async deleteNext(): Promise<boolean> {
    assert(this.#deleting === undefined, 'files are deleted one at a time')
    const file = this.#take()
    if (file === undefined) return false
    this.#deleting = file
    const path = this.#pathOf(file)
    let failure: unknown
    try {
      await this.#vfs.unlink(path)
    } catch (error) {
      failure = error
    }
    // Unless it has been deleted on the spot meanwhile.
    if (this.#deleting !== file) return true
    this.#deleting = undefined
    if (failure === undefined || this.#isGone(path, failure)) return true
    this.#obsolete.push(file)
    return false
  }

  /** Takes the next file that may be deleted now off the queue. */
  #take(): ObsoleteFile | undefined {
    if (this.#isSuspended || this.#isReadOnly) return undefined
    for (let file = this.#obsolete.shift(); file !== undefined; file = this.#obsolete.shift()) {
      // A table may have been named again since: by a job that moved it.
      if (!file.isLog && this.#tableCounts.has(file.number)) continue
      if (!file.isLog) this.listener.onDeleteTable?.(file.number)
      return file
    }
    return undefined
  }

  /** Whether the deletion has failed because there is no such file; else it is reported. */
  #isGone(path: string, error: unknown): boolean {
    if (systemCode(error) === 'ENOENT') return true
    this.listener.onDeleteError?.(path, error)
    return false
  }

  #pathOf(file: ObsoleteFile): string {
    return joinPath(this.#dir, nameOf(file))
  }
}

interface ObsoleteFile {
  readonly number: number
  readonly isLog: boolean
}

function nameOf({ number, isLog }: ObsoleteFile): string {
  return isLog ? logFileName(number) : tableFileName(number)
}
