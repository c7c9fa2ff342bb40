/**
 * The manifest: the durable record of which tables make up the store. Writing and opening; the bytes stand in `manifest_format.ts` and
 * `version_edit.ts`, replaying in `manifest_reader.ts`, the story in `docs/manifest.md`.
 *
 * An edit is appended in this order:
 *
 *   1. the folder is synced, if the edit names tables that are new: their names are durable before a record names them
 *   2. the edit is written, and the manifest synced
 *   3. a seal is written, not synced: it claims that the edit is durable
 *   4. only now the edit counts; the caller is told, and files may go
 *
 * At a clean close, after the logs were synced, a mark is written as a seal is: not synced, since all that it says is durable already. A
 * roll-over keeps it: until there is an edit, it says what the logs must have.
 *
 * When the file has grown to a multiple of its snapshot, it is rolled over:
 *
 *   1. header and snapshot are written to a new file, the file synced, the folder synced
 *   2. `CURRENT.tmp` is written and synced, renamed to `CURRENT`, the folder synced
 *   3. the first seal is written, so a sealed manifest has a durable `CURRENT`
 *   4. the old manifest is deleted
 *
 * **No crash looks like damage.** Let `s` be the end of the last edit whose sync came back. When power fails, the bytes below `s` are
 * intact, and the unsynced ones are seals and marks behind that edit and the edit that was being written. All claim at most `s`. The
 * first invalid record lies at `s` or later. So no claim exceeds its offset: `record_reader.ts` calls it torn. A new manifest is not
 * named by a durable `CURRENT` before its header and snapshot are durable, and the old one is deleted only afterwards; so whichever
 * `CURRENT` a crash leaves names a whole manifest. And what is cut was never reported to be durable.
 *
 * **What is read is not yet durable.** After the death of a process alone, a record can be in the page cache and not on the disk; and if
 * the sync of the dead process had failed, syncing the file again may succeed without writing it. Recovery therefore does not act on an
 * edit without a seal: unless the store is opened read-only, it rolls over, which writes everything to a new file. A torn tail is treated
 * in the same way, so no manifest is appended to behind garbage.
 *
 * **Failures.** A failed sync, or a write that failed for another reason than a full disk, leaves it unknown whether the edit will be there
 * after a crash: the manifest refuses everything and no file is deleted until `rollOver` has put a new file in force. A full disk is no
 * such case: an incomplete record at the end of a file is never valid, so the edit is not there; the next `append` rolls over first. When
 * the folder cannot be synced after `CURRENT` was switched, nothing can be known any more, and the manifest stays broken.
 */
import { assert } from '../util/assert.js'
import { isOutOfFiles, StoreError, systemCode } from '../util/errors.js'
import { PAUSE, step, type Task } from '../util/task.js'
import { closeQuietly, joinPath, syncDirStep, syncStep, writeFullySync } from '../vfs/io.js'
import type { Vfs, VfsFile } from '../vfs/vfs.js'
import { RECORD_HEADER_BYTES, sealRecord } from '../wal/format.js'
import { currentManifestSync, prepareCurrent, switchCurrentSync } from './current_file.js'
import { sweepDirectorySync } from './directory.js'
import { CURRENT_TEMPORARY_NAME, manifestFileName, parseFileName } from './file_names.js'
import { FileRegistry } from './file_registry.js'
import { manifestSalt, STORE_ID_BYTES } from './manifest_format.js'
import { openCurrentManifest } from './manifest_opening.js'
import { INITIAL_STATE, type ManifestContent, type ManifestState, nextState } from './manifest_reader.js'
import { encodeSnapshot } from './manifest_snapshot.js'
import { Version } from './version.js'
import { encodeEdit, type VersionEdit } from './version_edit.js'

/** A manifest is rolled over when it exceeds this, and `ROLL_OVER_FACTOR` times its snapshot. */
const ROLL_OVER_BYTES_MIN: number = 64 * 1024
const ROLL_OVER_FACTOR = 4

/** How often a read-only opening is tried while what it finds makes no sense. */
const READ_ONLY_ATTEMPTS = 5

/** With more edits behind its snapshot a manifest is rolled over at a clean close: replaying them is most of what opening costs. */
const EDITS_KEPT_MAX = 8

/** What recovery found. */
export interface ManifestRecovery {
  readonly manifest: Manifest
  /** The version in force; `manifest.version` until the first edit. */
  readonly version: Version
  readonly state: ManifestState
  /** Logs in the folder that are needed, ascending. */
  readonly logNumbers: readonly number[]
  /** Tables in the folder that the version does not name. */
  readonly unnamedTables: readonly number[]
  /** Edits replayed, the snapshot included. */
  readonly edits: number
  /** Bytes of an edit that a crash cut short. */
  readonly tornBytes: number
  /** After a clean close: everything up to this sequence was durable in tables and logs. */
  readonly closedSequence: number | undefined
  /** Whether the manifest had no clean end and was written anew. */
  readonly isRolledOver: boolean
  /** Whether the folder holds anything for `sweepSync`. */
  readonly hasLeftovers: boolean
}

/** The open manifest of a store. */
export class Manifest {
  /** Random id of the store. */
  readonly storeId: Buffer
  /** Files in use. */
  readonly files: FileRegistry
  readonly #vfs: Vfs
  readonly #dir: string
  readonly #isReadOnly: boolean
  #version: Version
  #state: ManifestState
  #manifestNumber: number
  /** Greatest manifest number in the folder. */
  #greatestNumber: number
  #file: VfsFile | undefined
  /** End of the last record. */
  #offset = 0
  #syncedOffset = 0
  #rollOverBytes: number | undefined
  /** Edits in the file, the snapshot included. */
  #edits = 0
  /** Bytes of unknown content may lie at the end of the file: roll over before the next edit. */
  #isTailUnknown = false
  /** What the mark of a clean close behind the last edit says. */
  #closedSequence: number | undefined
  #failure: unknown
  #isLost = false
  #isBusy = false

  private constructor(vfs: Vfs, dir: string, isReadOnly: boolean, storeId: Buffer, version: Version, state: ManifestState, number: number) {
    this.#vfs = vfs
    this.#dir = dir
    this.#isReadOnly = isReadOnly
    this.storeId = storeId
    this.files = new FileRegistry(vfs, dir, isReadOnly)
    this.#version = version
    this.#state = state
    this.#manifestNumber = number
    this.#greatestNumber = number
    this.files.track(version)
    version.ref()
  }

  /**
   * Creates a store without tables in a folder that is there and holds none, removing what an unfinished creation left.
   *
   * @param options.storeId 16 bytes that no other store has; random by default.
   */
  static *create(vfs: Vfs, dir: string, options: { readonly storeId?: Uint8Array } = {}): Task<Manifest> {
    for (const name of vfs.readdirSync(dir)) {
      const kind = parseFileName(name)?.kind
      assert(kind !== 'current' && kind !== 'log' && kind !== 'table', 'a store is not created over another one')
      if (kind === 'manifest' || kind === 'temporary') vfs.unlinkSync(joinPath(dir, name))
    }
    const storeId = Buffer.from(options.storeId ?? vfs.randomBytes(STORE_ID_BYTES))
    const manifest = new Manifest(vfs, dir, false, storeId, Version.empty(), INITIAL_STATE, 0)
    yield* manifest.rollOver()
    return manifest
  }

  /**
   * Puts a new manifest in force in the place of one that is lost or wrong. The folder is locked. Older manifests stay.
   * @param above a number that no manifest reaches, also none that `CURRENT` names and is not there: the new one is in force by nothing but
   *   its own step.
   */
  static *rebuild(vfs: Vfs, dir: string, above: number, storeId: Uint8Array, version: Version, state: ManifestState): Task<Manifest> {
    const manifest = new Manifest(vfs, dir, false, Buffer.from(storeId), version, state, 0)
    manifest.#greatestNumber = above
    yield* manifest.rollOver()
    return manifest
  }

  /**
   * Opens the manifest in force.
   *
   * @throws StoreError `ERR_NOT_A_STORE` when there is none and never was; `ERR_CORRUPTION` when it, `CURRENT` or a table is missing or
   * damaged; `ERR_FORMAT_VERSION` when a newer version wrote it.
   */
  static *recover(vfs: Vfs, dir: string, options: { readonly readOnly?: boolean } = {}): Task<ManifestRecovery> {
    const isReadOnly = options.readOnly === true
    for (let attempt = 1; ; attempt++) {
      try {
        return yield* Manifest.#open(vfs, dir, isReadOnly)
      } catch (error) {
        // A read-only store takes no lock: a writer may have changed the files while they were looked at.
        const mayPass = isReadOnly && error instanceof StoreError && error.code === 'ERR_CORRUPTION'
        if (!mayPass || attempt === READ_ONLY_ATTEMPTS) throw error
      }
      yield PAUSE
    }
  }

  static *#open(vfs: Vfs, dir: string, isReadOnly: boolean): Task<ManifestRecovery> {
    const { file, manifestNumber, content, present, nextFileNumber } = yield* openCurrentManifest(vfs, dir, isReadOnly)
    try {
      const state = { ...content.state, nextFileNumber }
      const manifest = new Manifest(vfs, dir, isReadOnly, content.storeId, content.version, state, manifestNumber)
      manifest.#greatestNumber = present.manifests.at(-1)!
      const isRolledOver = yield* manifest.#resume(file, content)
      const logNumbers = present.logs.filter((log) => log >= state.logNumber)
      const unnamedTables = [...present.tables].filter((table) => !manifest.files.isTableLive(table))
      const areNeeded = unnamedTables.length === 0 && logNumbers.length === present.logs.length && present.manifests.length === 1
      const hasLeftovers = !areNeeded || present.hasTemporary || isRolledOver
      return { ...content, manifest, state, logNumbers, unnamedTables, isRolledOver, hasLeftovers }
    } catch (error) {
      closeQuietly(file)
      throw error
    }
  }

  /** The version in force: that of the last edit that is durable. */
  get version(): Version {
    return this.#version
  }

  /** What is known beside the tables, as of the last edit that is durable. */
  get state(): ManifestState {
    return this.#state
  }

  /** Number of the manifest file in force. */
  get manifestNumber(): number {
    return this.#manifestNumber
  }

  /** Bytes of the manifest file in force. */
  get fileBytes(): number {
    return this.#offset
  }

  /** Whether edits are refused until `rollOver` succeeds. */
  get isBroken(): boolean {
    return this.#failure !== undefined
  }

  /**
   * Makes an edit durable and gives the version after it. One at a time.
   *
   * @throws StoreError `ERR_DISK_FULL`: the edit was not made and can be tried again; the files it names must stay until then or be given
   *   up by the caller. Any other error leaves it unknown whether the edit was made: keep all files, and open the store again.
   */
  *append(edit: VersionEdit): Task<Version> {
    this.#begin()
    try {
      if (this.#failure !== undefined) throw this.#refusal()
      const version = this.#version.applyEdit(edit)
      const state = nextState(this.#state, edit)
      const known = new Set(edit.removed.map((table) => table.fileNumber))
      if (edit.added.some(({ table }) => !known.has(table.fileNumber))) yield* this.#syncDir()
      if (this.#isTailUnknown) yield* this.#rollOver()
      yield* this.#write(encodeEdit({ ...edit, nextFileNumber: state.nextFileNumber }, RECORD_HEADER_BYTES))
      this.#accept(version, state)
      this.#writeSeal()
      // Not worked out when the manifest is opened: making a snapshot there would take a young process a millisecond.
      if (this.#offset > ROLL_OVER_BYTES_MIN) this.#rollOverBytes ??= ROLL_OVER_FACTOR * this.#snapshot(this.#manifestNumber).length
      if (this.#offset > Math.max(ROLL_OVER_BYTES_MIN, this.#rollOverBytes ?? 0)) yield* this.#rollOverEarly()
      return version
    } finally {
      this.#isBusy = false
    }
  }

  /**
   * Writes a snapshot to a new manifest file and puts it in force. After a failed `append` this is the way to go on: the edit that failed
   * is then certainly not made.
   */
  *rollOver(): Task<void> {
    this.#begin()
    try {
      if (this.#isLost) throw this.#refusal()
      yield* this.#rollOver()
    } finally {
      this.#isBusy = false
    }
  }

  /**
   * For a clean close, when everything up to `lastSequence` is durable in tables and logs: shortens a manifest that has become slow to
   * read, and marks its end, unless it is marked already. If either fails, the manifest serves as it is.
   */
  *finish(lastSequence: number): Task<void> {
    if (this.#isReadOnly || this.#failure !== undefined) return
    this.#begin()
    try {
      if (this.#edits > EDITS_KEPT_MAX) yield* this.#rollOverEarly()
      if (this.#failure !== undefined || this.#isTailUnknown || this.#closedSequence === lastSequence) return
      this.#writeUnsynced(encodeEdit({ added: [], removed: [], closedSequence: lastSequence }, RECORD_HEADER_BYTES))
      if (!this.#isTailUnknown) this.#closedSequence = lastSequence
    } finally {
      this.#isBusy = false
    }
  }

  /**
   * Deletes what an earlier process left in the folder and nothing refers to; see `sweepDirectorySync`. For opening only, after the logs
   * have been read.
   *
   * @param kept tables that stay although nothing refers to them
   * @returns names of the deleted files.
   */
  sweepSync(kept: ReadonlySet<number> = new Set()): string[] {
    assert(!this.#isReadOnly, 'a read-only store deletes nothing')
    const live = {
      isTableLive: (fileNumber: number) => this.files.isTableLive(fileNumber) || kept.has(fileNumber),
      logNumber: this.#state.logNumber,
      manifestNumber: this.#manifestNumber,
    }
    return sweepDirectorySync(this.#vfs, this.#dir, live, (path, error) => this.files.listener.onDeleteError?.(path, error))
  }

  /** Closes the file. The files of the store stay referenced. */
  closeSync(): void {
    if (this.#file !== undefined) closeQuietly(this.#file)
  }

  /** Goes on with a file that was read; `true` when it had to be replaced. */
  *#resume(file: VfsFile, content: ManifestContent): Task<boolean> {
    this.#file = file
    this.#offset = content.validBytes
    this.#edits = content.edits
    this.#syncedOffset = content.syncedOffset
    this.#closedSequence = content.closedSequence
    if (this.#isReadOnly || (content.isSealed && content.tornBytes === 0)) return false
    yield* this.#rollOver()
    return true
  }

  #begin(): void {
    assert(!this.#isBusy, 'the manifest is changed by one task at a time')
    if (this.#isReadOnly) throw new StoreError('ERR_READ_ONLY', 'this store was opened with readOnly: open it without to write')
    this.#isBusy = true
  }

  #accept(version: Version, state: ManifestState): void {
    const before = this.#version
    this.files.track(version)
    version.ref()
    this.#version = version
    this.#state = state
    before.unref()
  }

  /** Writes and syncs a record whose header is left free. */
  *#write(record: Buffer): Task<void> {
    const file = this.#file!
    sealRecord(record, 0, record.length, this.#manifestNumber, this.#offset, this.#syncedOffset, manifestSalt(this.storeId))
    try {
      writeFullySync(file, record, 0, record.length, this.#offset)
    } catch (error) {
      if (isDiskFull(error)) this.#cutTail()
      else this.#fail(error)
      throw error
    }
    try {
      yield* step(syncStep(file))
    } catch (error) {
      this.#fail(error)
      // A full disk that shows only now is as bad as any other failure: the record may be on the disk.
      const message = `could not make an edit of ${file.path} durable; whether it was made shows when the store is opened again`
      throw isDiskFull(error) ? new StoreError('ERR_IO', message, { path: file.path, cause: error }) : error
    }
    this.#offset += record.length
    this.#syncedOffset = this.#offset
    this.#closedSequence = undefined
    this.#edits++
  }

  /** Claims that all edits are durable. Failing to is no failure: it costs a roll-over. */
  #writeSeal(): void {
    this.#writeUnsynced(Buffer.alloc(RECORD_HEADER_BYTES))
  }

  /** Writes a record that is no edit, and whose header is left free. */
  #writeUnsynced(record: Buffer): void {
    sealRecord(record, 0, record.length, this.#manifestNumber, this.#offset, this.#syncedOffset, manifestSalt(this.storeId))
    try {
      writeFullySync(this.#file!, record, 0, record.length, this.#offset)
      this.#offset += record.length
    } catch {
      this.#cutTail()
    }
  }

  /** After a write that failed. What it has left would make the next opening write a new manifest, for which a full disk has no room. */
  #cutTail(): void {
    this.#isTailUnknown = true
    try {
      this.#file!.truncateSync(this.#offset)
    } catch {
      // Then the next opening does.
    }
  }

  /** Rolls over because the file has become long. If that fails before `CURRENT` is touched, the file serves for a while longer. */
  *#rollOverEarly(): Task<void> {
    try {
      yield* this.#rollOver()
    } catch {
      this.#rollOverBytes = this.#offset + ROLL_OVER_BYTES_MIN
    }
  }

  *#rollOver(): Task<void> {
    const number = ++this.#greatestNumber
    const path = joinPath(this.#dir, manifestFileName(number))
    const content = this.#snapshot(number)
    const file = this.#vfs.openSync(path, 'create')
    try {
      writeFullySync(file, content, 0, content.length, 0)
      yield* step(syncStep(file))
      yield* this.#syncDir()
      yield* prepareCurrent(this.#vfs, this.#dir, number)
      this.#switchCurrent()
    } catch (error) {
      closeQuietly(file)
      // What may be in force is left alone.
      if (this.#isLost) throw error
      this.#unlink(manifestFileName(number))
      this.#unlink(CURRENT_TEMPORARY_NAME)
      throw error
    }
    try {
      yield* this.#syncDir()
    } catch (error) {
      closeQuietly(file)
      this.#lose(error)
      throw error
    }
    this.#moveTo(file, number, content.length)
  }

  /** Goes on in a new manifest that is in force. */
  #moveTo(file: VfsFile, number: number, length: number): void {
    const oldName = manifestFileName(this.#manifestNumber)
    const oldFile = this.#file
    this.#file = file
    this.#manifestNumber = number
    this.#offset = length
    this.#syncedOffset = length
    this.#rollOverBytes = ROLL_OVER_FACTOR * length
    this.#isTailUnknown = false
    this.#edits = 1
    this.#failure = undefined
    this.#writeSeal()
    this.files.resumeDeletion()
    if (oldFile === undefined) return
    closeQuietly(oldFile)
    this.#unlink(oldName)
  }

  /** Renames `CURRENT.tmp` to `CURRENT`. When that fails and has changed something all the same, the manifest is lost. */
  #switchCurrent(): void {
    try {
      switchCurrentSync(this.#vfs, this.#dir)
    } catch (error) {
      if (this.#mayHaveSwitched()) this.#lose(error)
      throw error
    }
  }

  #mayHaveSwitched(): boolean {
    try {
      return (currentManifestSync(this.#vfs, this.#dir) ?? 0) !== this.#manifestNumber
    } catch {
      return true
    }
  }

  /**
   * Makes the names in the folder durable. A folder cannot be replaced by another one, so a failure is final, unless the folder could not
   * even be opened.
   */
  *#syncDir(): Task<void> {
    try {
      yield* step(syncDirStep(this.#vfs, this.#dir))
    } catch (error) {
      if (!isOutOfFiles(error)) this.#lose(error)
      throw error
    }
  }

  /** Nothing can be known any more. */
  #lose(error: unknown): void {
    this.#isLost = true
    this.#fail(error)
  }

  #snapshot(manifestNumber: number): Buffer {
    return encodeSnapshot(manifestNumber, this.storeId, this.#version, this.#state, this.#closedSequence)
  }

  #unlink(name: string): void {
    const path = joinPath(this.#dir, name)
    try {
      this.#vfs.unlinkSync(path)
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') this.files.listener.onDeleteError?.(path, error)
    }
  }

  #fail(error: unknown): void {
    this.#failure = error
    this.files.suspendDeletion()
  }

  #refusal(): StoreError {
    const message = `the manifest of ${this.#dir} takes no more edits: an earlier one failed`
    return new StoreError('ERR_BACKGROUND', message, { path: this.#dir, cause: this.#failure })
  }
}

function isDiskFull(error: unknown): boolean {
  return error instanceof StoreError && error.code === 'ERR_DISK_FULL'
}
