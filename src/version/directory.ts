/**
 * What a folder is, before and after a store is opened in it.
 */
import { StoreError, systemCode } from '../util/errors.js'
import { joinPath, readFileSync } from '../vfs/io.js'
import type { Vfs } from '../vfs/vfs.js'
import { decodeCurrent, readCurrentSync } from './current_file.js'
import { CURRENT_NAME, DESTROYED_NAME, manifestFileName, parseFileName } from './file_names.js'
import { hasManifestMagic } from './manifest_format.js'

/**
 * What a path holds.
 *
 * | kind | meaning |
 * |---|---|
 * | `absent` | nothing |
 * | `file` | something that is no folder |
 * | `empty` | an empty folder; dotfiles, `lost+found` and lock files do not count |
 * | `unfinished` | what a crash left of a store that was being created: it holds no data and may be created afresh |
 * | `destroyed` | what a crash left of a store that was being destroyed |
 * | `store` | a store, perhaps a damaged one |
 * | `foreign` | other files, and no store |
 */
export type DirectoryKind = 'absent' | 'file' | 'empty' | 'unfinished' | 'destroyed' | 'store' | 'foreign'

/** Tells what stands at `dir`. Reads at most `CURRENT` and the start of a manifest. */
export function inspectDirectory(vfs: Vfs, dir: string): DirectoryKind {
  let all: string[]
  try {
    all = vfs.readdirSync(dir)
  } catch (error) {
    return withoutList(vfs, dir, error)
  }
  if (all.includes(DESTROYED_NAME)) return 'destroyed'
  if (all.includes(CURRENT_NAME)) return isOtherEngine(vfs, dir, all) ? 'foreign' : 'store'
  const names = all.filter((name) => !name.startsWith('.') && name !== 'lost+found' && !name.startsWith('LOCK'))
  if (names.length === 0) return 'empty'
  const kinds = names.map((name) => parseFileName(name)?.kind)
  // Logs and tables are made only after CURRENT is durable, so they tell of a store that lost it.
  if (kinds.includes('log') || kinds.includes('table')) return 'store'
  return kinds.every((kind) => kind === 'manifest' || kind === 'temporary') ? 'unfinished' : 'foreign'
}

/** What a path holds that cannot be listed. */
function withoutList(vfs: Vfs, dir: string, error: unknown): DirectoryKind {
  const code = systemCode(error)
  if (code !== 'ENOENT' && code !== 'ENOTDIR') throw error
  const stat = vfs.statSync(dir)
  if (stat === undefined) return 'absent'
  if (!stat.isDirectory) return 'file'
  throw error
}

/** LevelDB and its kin have the same file names; their `CURRENT` is our first line alone, and their manifest starts otherwise. */
function isOtherEngine(vfs: Vfs, dir: string, names: readonly string[]): boolean {
  const content = readCurrentIfPossible(vfs, dir)
  if (content === undefined || decodeCurrent(content) !== undefined) return false
  const name = content.toString('latin1').trimEnd()
  if (parseFileName(name)?.kind !== 'manifest' || !names.includes(name)) return false
  return !hasManifestMagic(readFileSync(vfs, joinPath(dir, name), 8))
}

/** What cannot be read may be ours: whoever needs it meets the error. */
function readCurrentIfPossible(vfs: Vfs, dir: string): Buffer | undefined {
  try {
    return readCurrentSync(vfs, dir)
  } catch (error) {
    if (error instanceof StoreError) return undefined
    throw error
  }
}

/** The files of a folder that carry numbers. */
export interface NumberedFiles {
  readonly tables: ReadonlySet<number>
  /** Ascending. */
  readonly logs: readonly number[]
  /** Ascending. */
  readonly manifests: readonly number[]
  /** Whether there is a `CURRENT.tmp`. */
  readonly hasTemporary: boolean
}

/** Lists the numbered files of a folder. */
export function listNumberedFiles(vfs: Vfs, dir: string): NumberedFiles {
  const tables = new Set<number>()
  const logs: number[] = []
  const manifests: number[] = []
  let hasTemporary = false
  for (const name of vfs.readdirSync(dir)) {
    const parsed = parseFileName(name)
    if (parsed?.kind === 'table') tables.add(parsed.fileNumber)
    if (parsed?.kind === 'log') logs.push(parsed.fileNumber)
    if (parsed?.kind === 'manifest') manifests.push(parsed.fileNumber)
    if (parsed?.kind === 'temporary') hasTemporary = true
  }
  return { tables, logs: ascending(logs), manifests: ascending(manifests), hasTemporary }
}

function ascending(numbers: number[]): number[] {
  return numbers.length > 1 ? numbers.toSorted((a, b) => a - b) : numbers
}

/** What of a folder is in use. */
export interface LiveFiles {
  isTableLive(fileNumber: number): boolean
  /** Logs below are not needed. */
  readonly logNumber: number
  readonly manifestNumber: number
}

/**
 * Deletes what an earlier process left and nothing refers to: tables that no version names, logs that are in tables, manifests that are not
 * in force, and `CURRENT.tmp`. Files with other names stay. For opening only: afterwards, the files of running jobs are not referred to
 * either.
 *
 * @returns names of the deleted files.
 */
export function sweepDirectorySync(vfs: Vfs, dir: string, live: LiveFiles, onError: (path: string, error: unknown) => void): string[] {
  const deleted: string[] = []
  for (const name of vfs.readdirSync(dir)) {
    const parsed = parseFileName(name)
    const isLeft =
      (parsed?.kind === 'table' && !live.isTableLive(parsed.fileNumber)) ||
      (parsed?.kind === 'log' && parsed.fileNumber < live.logNumber) ||
      (parsed?.kind === 'manifest' && name !== manifestFileName(live.manifestNumber)) ||
      parsed?.kind === 'temporary'
    if (!isLeft) continue
    try {
      vfs.unlinkSync(joinPath(dir, name))
      deleted.push(name)
    } catch (error) {
      onError(joinPath(dir, name), error)
    }
  }
  return deleted
}
