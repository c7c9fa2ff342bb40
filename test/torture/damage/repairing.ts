/**
 * Repairs a damaged store. It ends with a report, or, for a few kinds of damage, with the error that is meant for them and
 * nothing changed. What it leaves is held against what was
 * written:
 *
 * - It verifies clean, opens, and another repair finds nothing to do.
 * - Every value was once written for its key. It is at least as new as the newest version within reach: in a block of a table or a record
 *   of a log whose bytes are as they were; see `homes.ts`. Older versions and missing keys are for what lay in damaged blocks and records
 *   alone, and then the report says that something was lost. So damage to `CURRENT`, manifests, locks, filters, indexes and files of no use
 *   costs nothing at all.
 * - The report counts what was kept and lost of each file: no less than is within reach, and together no more than there was.
 * - Nothing is deleted that could not be used: damaged files, and what is not the store's.
 *
 * One case is different. Where opening would cut off the end of a log without an error, because nothing durable was lost, a repair does the
 * same, and the logs behind that place are dropped.
 */
import { type Key, type MemoryVfs, type RepairReport, Store, StoreError, type Value, type Vfs } from '../../../src/index.js'
import { modelKey } from '../../support/history.js'
import { isSame } from '../../unit/codec/same.js'
import type { DamageCase } from './examination.js'
import { entryCountsOf, type Reach, reachOf } from './homes.js'
import { DIR, type Specimen, SPECIMEN_OPTIONS, stateAfter } from './specimen.js'
import { Violation } from './witness.js'

/** How a repair ended. */
export type RepairEnd = 'nothing to do' | 'without a loss' | 'with losses' | `refused with ${string}`

/** A version of a key. */
interface Written {
  readonly sequence: number
  readonly value: Value | undefined
}

/** Repairs, and judges what comes of it. */
export async function examineByRepairing(damage: DamageCase): Promise<RepairEnd> {
  const { specimen } = damage
  const disk = specimen.disk.processKillClone()
  const vfs = damage.apply(disk)
  const before = contents(disk)
  let report: RepairReport
  try {
    report = await Store.repair(vfs)
  } catch (error) {
    if (!(error instanceof StoreError) || !refusalsOf(damage, before).includes(error.code))
      throw new Violation(`repairing ended with ${String(error)}`, { cause: error })
    if (damage.demand === 'right' && damage.kind !== 'lock') throw new Violation(`this must not fail: ${error.message}`, { cause: error })
    expectUnchanged(before, contents(disk))
    return `refused with ${error.code}`
  }
  if (disk.openHandleCount !== 0) throw new Violation(`repairing has left ${disk.openHandleCount} files open`)
  const left = [...report.problemsLeft, ...(await Store.verify(vfs)).problems]
  if (left.length > 0) throw new Violation(`what was repaired has problems: ${left.map(({ message }) => message).join(', ')}`)
  if (!report.isChanged) {
    expectUnchanged(before, contents(disk))
    return 'nothing to do'
  }
  if ((await Store.repair(vfs)).isChanged) throw new Violation('another repair has found something to do')
  expectKept(specimen, before, disk, report)
  const reach = reachOf(specimen, before)
  expectCounts(specimen, reach, report)
  const isLoss = expectValues(damage, before, reach, vfs, report)
  const isTold = report.files.some(({ fate }) => fate === 'lost' || fate === 'salvaged')
  if (isLoss && !isTold && !reach.isLogCut) throw new Violation('what was lost was not reported')
  return isLoss ? 'with losses' : 'without a loss'
}

/** How a repair of this may end, other than with a report. No damage here makes files of a newer version, or leaves nothing of a store. */
function refusalsOf({ specimen, isUnreadable }: DamageCase, before: ReadonlyMap<string, Buffer>): string[] {
  const lock = specimen.files.find(({ kind }) => kind === 'lock')
  const isLockHit = lock !== undefined && before.get(lock.path)?.equals(lock.content) !== true
  return [...(isLockHit ? ['ERR_LOCKED'] : []), ...(isUnreadable === true ? ['ERR_IO'] : [])]
}

/** Holds what the report says of files against what is within reach of them. */
function expectCounts(specimen: Specimen, { counts }: Reach, report: RepairReport): void {
  const totals = entryCountsOf(specimen)
  for (const { name, fate, entriesKept, entriesLost } of report.files) {
    const path = `${DIR}/${name}`
    const least = counts.get(path)
    if (least === undefined || fate === 'unnamed' || entriesKept === undefined) continue
    if (entriesKept < least) throw new Violation(`of ${name} ${entriesKept} entries were kept, and ${least} are within reach`)
    const total = totals.get(path)
    if (total === undefined) continue
    if (entriesKept > total) throw new Violation(`of ${name} ${entriesKept} entries were kept, and it had ${total}`)
    if (entriesLost !== undefined && entriesKept + entriesLost !== total)
      throw new Violation(`of ${name} ${entriesKept} entries were kept and ${entriesLost} lost, and it had ${total}`)
  }
}

/** Whether anything is not as new as it was. */
function expectValues(damage: DamageCase, before: ReadonlyMap<string, Buffer>, reach: Reach, vfs: Vfs, report: RepairReport): boolean {
  const { specimen } = damage
  const store: Store<Key> = Store.openSync(vfs, { ...SPECIMEN_OPTIONS, readOnly: true, keys: 'bytes' })
  const shown = new Map<string, Value>()
  for (const [key, value] of store.scan({ keys: 'bytes' })) shown.set(modelKey(key), value)
  store.closeSync()
  const isHealthy = healthOf(specimen, before)
  const isDropped = report.files.some(({ kind, fate, error }) => kind === 'log' && fate === 'lost' && error === undefined)
  if (isDropped && specimen.files.every(({ path, kind }) => kind !== 'log' || isHealthy(path)))
    throw new Violation('a log was dropped, and none is damaged')
  const newest = stateAfter(specimen.changes, specimen.changes.length)
  const versions = versionsOf(specimen)
  let isLoss = false
  for (const key of shown.keys()) if (!versions.has(key)) throw new Violation(`${key} was never written`)
  for (const [key, all] of versions) {
    const value = shown.get(key)
    const least = all.findLast(({ sequence }) => reach.has(key, sequence))?.sequence ?? 0
    const isAllowed =
      all.some((version) => version.sequence >= least && isSame(version.value, value)) || (least === 0 && value === undefined)
    if (!isAllowed) throw new Violation(`${key} is ${String(value)}, and its version ${least} is within reach`)
    if (!isSame(value, newest.get(key))) isLoss = true
  }
  return isLoss
}

/** Which files have all of their bytes. */
function healthOf({ files }: Specimen, before: ReadonlyMap<string, Buffer>): (path: string) => boolean {
  const healthy = new Set(files.filter(({ path, content }) => before.get(path)?.equals(content) === true).map(({ path }) => path))
  return (path) => healthy.has(path)
}

/** Every version of every key, oldest first. */
function versionsOf(specimen: Specimen): Map<string, Written[]> {
  const versions = new Map<string, Written[]>()
  for (const [i, [key, value]] of specimen.changes.entries()) {
    const all = versions.get(key) ?? []
    all.push({ sequence: i + 1, value })
    versions.set(key, all)
  }
  return versions
}

/** Fails when something is gone that the repair could not use, or that is not the store's. */
function expectKept(specimen: Specimen, before: ReadonlyMap<string, Buffer>, disk: MemoryVfs, report: RepairReport): void {
  const after = contents(disk)
  const isHealthy = healthOf(specimen, before)
  for (const [path, content] of before) {
    const name = path.slice(DIR.length + 1)
    const fate = report.files.find((file) => file.name === name)?.fate
    const isForeign = /^(?!\d+\.(?:log|sst)$|MANIFEST-\d|CURRENT|LOCK)/.test(name)
    const isLive = specimen.files.some((file) => file.path === path && (file.kind === 'table' || file.kind === 'manifest'))
    const mustStay =
      isForeign || fate === 'lost' || fate === 'salvaged' || fate === 'unnamed' || (isLive && !isHealthy(path) && fate !== 'kept')
    if (mustStay && !content.equals(after.get(path) ?? after.get(`${DIR}/lost/${name}`) ?? NOTHING)) throw new Violation(`${path} is gone`)
  }
}

const NOTHING = Buffer.from('nothing')

function expectUnchanged(before: ReadonlyMap<string, Buffer>, after: ReadonlyMap<string, Buffer>): void {
  for (const [path, content] of before) {
    if (path.startsWith(`${DIR}/LOCK`)) continue
    if (after.get(path)?.equals(content) !== true) throw new Violation(`a repair that changes nothing has changed ${path}`)
  }
  for (const path of after.keys()) {
    if (!before.has(path) && !path.startsWith(`${DIR}/LOCK`)) throw new Violation(`a repair that changes nothing has left ${path}`)
  }
}

function contents(disk: MemoryVfs): Map<string, Buffer> {
  return new Map(disk.files().map((path) => [path, Buffer.from(disk.readFile(path))]))
}
