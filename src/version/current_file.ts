/**
 * `CURRENT`: names the manifest in force. Two lines of text, the second one the XXH32 checksum of the first with its line end:
 *
 * ```
 * MANIFEST-000001
 * ba7528b7
 * ```
 *
 * It is replaced as a whole: the new text is written to `CURRENT.tmp`, synced, and renamed; then the folder is synced. A crash leaves
 * either the old one or the new one, so any other content is damage.
 */
import { checksum32 } from '../codec/checksum.js'
import { corruption, systemCode } from '../util/errors.js'
import { step, type Task } from '../util/task.js'
import { closeQuietly, joinPath, readFileSync, syncStep, writeFullySync } from '../vfs/io.js'
import type { Vfs } from '../vfs/vfs.js'
import { CURRENT_NAME, CURRENT_TEMPORARY_NAME, manifestFileName, parseFileName } from './file_names.js'

const CURRENT_BYTES_MAX = 64

/** The content of `CURRENT` for a manifest. */
export function encodeCurrent(manifestNumber: number): Buffer {
  return Buffer.from(currentText(manifestNumber), 'latin1')
}

function currentText(manifestNumber: number): string {
  const name = `${manifestFileName(manifestNumber)}\n`
  const bytes = Buffer.from(name, 'latin1')
  return `${name}${checksum32(bytes, 0, bytes.length, 0).toString(16).padStart(8, '0')}\n`
}

/** The number of the manifest that a content of `CURRENT` names; `undefined` when it names none. */
export function decodeCurrent(content: Buffer): number | undefined {
  const text = content.toString('latin1')
  const parsed = parseFileName(text.slice(0, Math.max(text.indexOf('\n'), 0)))
  return parsed?.kind === 'manifest' && currentText(parsed.fileNumber) === text ? parsed.fileNumber : undefined
}

/** The content of `CURRENT`, cut to a length above any valid one; `undefined` when there is no such file. */
export function readCurrentSync(vfs: Vfs, dir: string): Buffer | undefined {
  try {
    return readFileSync(vfs, joinPath(dir, CURRENT_NAME), CURRENT_BYTES_MAX)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  }
}

/** The number of the manifest in force; `undefined` when there is no `CURRENT`. Damage is an error. */
export function currentManifestSync(vfs: Vfs, dir: string): number | undefined {
  const content = readCurrentSync(vfs, dir)
  if (content === undefined) return undefined
  const manifestNumber = decodeCurrent(content)
  if (manifestNumber === undefined) throw corruption('this file names no manifest', joinPath(dir, CURRENT_NAME), 0)
  return manifestNumber
}

/** Writes and syncs `CURRENT.tmp`. */
export function* prepareCurrent(vfs: Vfs, dir: string, manifestNumber: number): Task<void> {
  const path = joinPath(dir, CURRENT_TEMPORARY_NAME)
  if (vfs.statSync(path) !== undefined) vfs.unlinkSync(path)
  const content = encodeCurrent(manifestNumber)
  const file = vfs.openSync(path, 'create')
  try {
    writeFullySync(file, content, 0, content.length, 0)
    yield* step(syncStep(file))
  } finally {
    closeQuietly(file)
  }
}

/** Puts the prepared `CURRENT` in force; the folder is to be synced next. */
export function switchCurrentSync(vfs: Vfs, dir: string): void {
  vfs.renameSync(joinPath(dir, CURRENT_TEMPORARY_NAME), joinPath(dir, CURRENT_NAME))
}
