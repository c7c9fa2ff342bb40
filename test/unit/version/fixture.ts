/** Tables, disks and manifests for tests of versions. Tables are files without content: nothing here reads one. */
import type { TableMeta } from '../../../src/sstable/table_meta.js'
import { StoreError } from '../../../src/util/errors.js'
import type { Random } from '../../../src/util/random.js'
import { runTaskSync, type Task } from '../../../src/util/task.js'
import { type ManifestRecovery, Manifest } from '../../../src/version/manifest.js'
import type { Version } from '../../../src/version/version.js'
import type { AddedTable, RemovedTable, VersionEdit } from '../../../src/version/version_edit.js'
import { tableFileName } from '../../../src/sstable/format.js'
import { MemoryVfs } from '../../../src/vfs/memory.js'
import type { Vfs } from '../../../src/vfs/vfs.js'

export { testSeed } from '../wal/fixture.js'

/** The folder of all test stores. */
export const DIR = '/store'

/** Sixteen bytes that are the same in every run. */
export const STORE_ID = Buffer.from('0123456789abcdef', 'latin1')

/** A disk with an empty folder, durably. */
export function emptyDisk(): MemoryVfs {
  const vfs = new MemoryVfs()
  vfs.mkdirSync(DIR)
  vfs.syncDirSync('/')
  return vfs
}

/** A table from `smallest` to `largest`. Its sequences follow its number unless given. */
export function table(fileNumber: number, smallest: string, largest: string, fields: Partial<TableMeta> = {}): TableMeta {
  return {
    fileNumber,
    fileBytes: 1000 + fileNumber,
    tailOffset: 900,
    entryCount: 10,
    deletionCount: 2,
    keyCount: 10,
    rawKeyBytes: 160,
    rawValueBytes: 640,
    smallestKey: bytes(smallest),
    largestKey: bytes(largest),
    smallestSequence: fileNumber * 100,
    largestSequence: fileNumber * 100 + 9,
    ...fields,
  }
}

/** Text as plain bytes. */
export function bytes(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text))
}

/** An edit that adds and removes. */
export function edit(added: readonly AddedTable[], removed: readonly RemovedTable[] = [], rest: Partial<VersionEdit> = {}): VersionEdit {
  return { added, removed, ...rest }
}

/** Levels as file numbers. */
export function numbers(version: Version): number[][] {
  return version.levels.map((tables) => tables.map((each) => each.fileNumber))
}

/** A new store on `vfs`. */
export function create(vfs: Vfs): Manifest {
  return runTaskSync(Manifest.create(vfs, DIR, { storeId: STORE_ID }))
}

/** Opens the store on `vfs`. */
export function recover(vfs: Vfs, readOnly = false): ManifestRecovery {
  return runTaskSync(Manifest.recover(vfs, DIR, { readOnly }))
}

/** Makes the file of a table, as a job does before its edit. */
export function makeTableFile(vfs: Vfs, fileNumber: number): void {
  const file = vfs.openSync(`${DIR}/${tableFileName(fileNumber)}`, 'create')
  file.syncSync()
  file.closeSync()
}

/** Makes the files of the tables of an edit, and appends it. */
export function install(vfs: Vfs, manifest: Manifest, change: VersionEdit): Version {
  for (const { table: added } of change.added) {
    if (vfs.statSync(`${DIR}/${tableFileName(added.fileNumber)}`) === undefined) makeTableFile(vfs, added.fileNumber)
  }
  return runTaskSync(manifest.append(change))
}

/** The error of operation that `action` throws. */
export function failure(action: () => unknown): StoreError {
  try {
    action()
  } catch (error) {
    if (error instanceof StoreError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

/** As `failure`, of a task. */
export function taskFailure(task: Task<unknown>): StoreError {
  return failure(() => runTaskSync(task))
}

/** An edit as a store makes them: a flush, or a compaction of a table of level 0 into level 1, or a move. Numbers begin at `next`. */
export function randomEdit(random: Random, version: Version, next: number, keyBytes = 4): VersionEdit {
  const key = (n: number): string => String(n).padStart(keyBytes, '0')
  const oldest = version.levels[0]!.at(-1)
  if (oldest === undefined || random.chance(0.6)) {
    const low = random.below(500)
    const flushed = table(next, key(low), key(low + random.below(500)))
    return edit([{ level: 0, table: flushed }], [], { logNumber: next + 1, lastSequence: flushed.largestSequence })
  }
  const overlapping = version.overlapping(1, oldest.smallestKey, oldest.largestKey)
  const removed = [{ level: 0, fileNumber: oldest.fileNumber }, ...overlapping.map(({ fileNumber }) => ({ level: 1, fileNumber }))]
  if (overlapping.length === 0) return edit([{ level: 1, table: oldest }], removed)
  const all = [oldest, ...overlapping]
  const smallest = all.map((each) => Buffer.from(each.smallestKey).toString()).toSorted()[0]!
  const largest = all
    .map((each) => Buffer.from(each.largestKey).toString())
    .toSorted()
    .at(-1)!
  const merged = table(next, smallest, largest, {
    smallestSequence: Math.min(...all.map((each) => each.smallestSequence)),
    largestSequence: Math.max(...all.map((each) => each.largestSequence)),
  })
  return edit([{ level: 1, table: merged }], removed, { compactPointers: [{ level: 0, key: oldest.largestKey }] })
}
