/**
 * One damage to one store: opened, read, written, closed and opened again, and what came of it.
 *
 * What counts as what:
 *
 * | outcome | meaning |
 * |---|---|
 * | `detected` | something failed with an error of operation that names the file; all that could be read was right |
 * | `harmless` | nothing failed, and everything was right |
 * | `harmless tail` | the end of a log was lost that nothing had called synced, and the loss was reported |
 * | `unseen tail` | the same, but what was lost had been synced: the damage took the claims along, and nothing else tells of it |
 *
 * The last one comes of stores that were not closed cleanly, and of damage that takes the mark of the clean close, too.
 *
 * Everything else is a violation: wrong data, keys missing without an error, an error of another kind, a file handle left open, more
 * memory than the bound, a good file deleted.
 */
import { type Key, type MemoryVfs, Store, StoreError, type StoreOptions, type VerifyReport, type Vfs } from '../../../src/index.js'
import type { State } from '../../support/history.js'
import { allocationOf } from './allocation.js'
import { DIR, type FileKind, type Specimen, SPECIMEN_OPTIONS } from './specimen.js'
import { Violation, Witness } from './witness.js'

/** What became of a damage. */
export type Outcome = 'detected' | 'harmless' | 'harmless tail' | 'unseen tail'

/** A damage, and what is allowed to become of it. */
export interface DamageCase {
  readonly specimen: Specimen
  readonly kind: FileKind
  readonly label: string
  /** The file that is damaged, which errors must name with a place in it; `undefined` when others may be the first to suffer. */
  readonly named?: string | undefined
  /** Damages the disk, and gives the file system to open the store on. */
  readonly apply: (disk: MemoryVfs) => Vfs
  /** What may be shown: the state of the store, or what is left of it. */
  readonly states: readonly State[]
  /** Whether something must fail, nothing may, or both will do. */
  readonly demand: 'error' | 'right' | 'either'
  /** The outcome when nothing fails; `harmless` by default. */
  readonly quiet?: Outcome
  /** Whether what is lost without an error must be reported, as torn or skipped bytes: something is left of it. */
  readonly isReported?: boolean
  /** Whether something cannot be read now that another time can: not to be repaired by throwing it away. */
  readonly isUnreadable?: boolean
  /** What salvage must bring back, where it must. */
  readonly salvaged?: State
}

/** No buffer may be longer, and all of them together may not take more. The stores have less than 10 KiB; a table builder has 256 KiB. */
const BUFFER_BYTES_MAX = 256 * 1024
const TOTAL_BYTES_MAX = 2 * 1024 * 1024

const WRITTEN_KEY = 'key03'

/** Opens on the spot, reads everything, closes; without writing when `readOnly`. */
export function examineSync(damage: DamageCase, options: StoreOptions = {}): Outcome {
  const disk = damage.specimen.disk.processKillClone()
  const vfs = damage.apply(disk)
  const before = goodFiles(damage.specimen, disk)
  const witness = new Witness(damage.states)
  const { largestBytes, totalBytes } = allocationOf(() => {
    const store = openSync(witness, vfs, options)
    if (store === undefined) return
    expectTablesKept(damage, before, disk)
    witness.readAll(store)
    checkReport(damage, store, options)
    if (options.readOnly !== true) {
      const isAcknowledged = witness.try('put', () => (store.putSync(WRITTEN_KEY, 1), true)) === true
      witness.maybeWritten(WRITTEN_KEY, 1, isAcknowledged)
    }
    witness.try('close', () => store.closeSync())
    if (options.readOnly === true) return
    const again = openSync(witness, vfs, {})
    if (again !== undefined) witness.readAll(again)
    again?.closeSync()
  })
  if (largestBytes > BUFFER_BYTES_MAX || totalBytes > TOTAL_BYTES_MAX) {
    throw new Violation(`a buffer of ${largestBytes} bytes, ${totalBytes} bytes in all`)
  }
  return conclude(damage, witness, disk)
}

/** As `examineSync` with promises and with background work: flush, compaction, closing and opening again. */
export async function examineFully(damage: DamageCase, options: StoreOptions = {}): Promise<Outcome> {
  const disk = damage.specimen.disk.processKillClone()
  const vfs = damage.apply(disk)
  const before = goodFiles(damage.specimen, disk)
  const witness = new Witness(damage.states)
  const store: Store<Key> | undefined = await witness.tryAsync('open', () => Store.open(vfs, { ...SPECIMEN_OPTIONS, ...options }))
  if (store === undefined) {
    for (const [path, content] of before) {
      if (!disk.files().includes(path) || !disk.readFile(path).equals(content)) throw new Violation(`a failed opening has changed ${path}`)
    }
  } else {
    witness.readAll(store)
    await witness.readAllOtherwise(store)
    checkReport(damage, store, options)
    const isAcknowledged = await witness.tryAsync('put', () => store.put(WRITTEN_KEY, 2, { sync: true }).then(() => true))
    witness.maybeWritten(WRITTEN_KEY, 2, isAcknowledged === true)
    await witness.tryAsync('flush', () => store.flush())
    await witness.tryAsync('compact', () => store.compact())
    witness.readAll(store)
    await witness.tryAsync('close', () => store.close())
  }
  const again = openSync(witness, vfs, {})
  if (again !== undefined) witness.readAll(again)
  again?.closeSync()
  return conclude(damage, witness, disk)
}

/** Opens with `recovery: 'salvage'` what cannot be opened otherwise: all that is not damaged is there, and stays. */
export function examineSalvage(damage: DamageCase, salvaged: State): void {
  examineSync({ ...damage, states: [salvaged], demand: 'right' }, { recovery: 'salvage' })
}

/**
 * Verifies a damaged store, and holds the report against what came of opening it: what was detected must be in the report, and what must
 * not fail is no damage. Verifying itself never fails and changes nothing.
 */
export async function examineByVerifying(damage: DamageCase, outcome: Outcome): Promise<void> {
  const disk = damage.specimen.disk.processKillClone()
  const vfs = damage.apply(disk)
  const before = contents(disk)
  const report = await reportOf(vfs)
  if (contents(disk) !== before) throw new Violation('verifying has changed a file')
  if (disk.openHandleCount !== 0) throw new Violation(`verifying has left ${disk.openHandleCount} files open`)
  if (report === undefined) {
    if (damage.demand === 'right') throw new Violation('verifying says that this is no store')
    return
  }
  const what = report.problems.map(({ file, message }) => `${file}: ${message}`).join(', ')
  if (report.ok !== (report.problems.length === 0)) throw new Violation('a report contradicts itself')
  if (outcome === 'detected' && damage.demand === 'error' && report.ok) throw new Violation('verifying has seen nothing')
  if (damage.demand === 'right' && !report.ok) throw new Violation(`verifying calls this damage: ${what}`)
  const name = damage.named?.slice(DIR.length + 1)
  if (!report.ok && name !== undefined && report.problems.every(({ file }) => file !== name))
    throw new Violation(`verifying blames ${what}`)
}

async function reportOf(vfs: Vfs): Promise<VerifyReport | undefined> {
  try {
    return await Store.verify(vfs)
  } catch (error) {
    if (error instanceof StoreError && error.code === 'ERR_NOT_A_STORE') return undefined
    throw new Violation(`verifying ended with ${String(error)}`, { cause: error })
  }
}

function contents(disk: MemoryVfs): string {
  return disk
    .files()
    .map((path) => `${path} ${disk.readFile(path).toString('latin1')}`)
    .join()
}

function openSync(witness: Witness, vfs: Vfs, options: StoreOptions): Store<Key> | undefined {
  return witness.try('open', (): Store<Key> => Store.openSync(vfs, { ...SPECIMEN_OPTIONS, blockCacheSize: 0, ...options, keys: 'bytes' }))
}

/** A loss at the end of a log is reported, and so is what salvage has skipped. */
function checkReport(damage: DamageCase, store: Store<Key>, options: StoreOptions): void {
  const { tornBytes, damagedBytes, missingWrites } = store.stats().recovery
  if (damage.isReported === true && tornBytes + damagedBytes === 0) throw new Violation('what was cut off or skipped was not reported')
  if (options.recovery !== 'salvage' && damagedBytes + missingWrites > 0) throw new Violation('damage was skipped without being asked for')
}

/** Whatever an opening makes of a damaged store, the tables of the whole one are still there. */
function expectTablesKept({ specimen }: DamageCase, before: readonly [string, Buffer][], disk: MemoryVfs): void {
  const present = new Set(disk.files())
  for (const [path, content] of before) {
    if (specimen.files.find((file) => file.path === path)?.kind !== 'table') continue
    const kept = [path, path.replace(DIR, `${DIR}/lost`)].some((name) => present.has(name) && disk.readFile(name).equals(content))
    if (!kept) throw new Violation(`opening has deleted ${path}`)
  }
}

/** Tables and logs that the damage has left alone. */
function goodFiles(specimen: Specimen, disk: MemoryVfs): [string, Buffer][] {
  const present = new Set(disk.files())
  return specimen.files
    .filter(({ path, kind, content }) => (kind === 'table' || kind === 'log') && present.has(path) && disk.readFile(path).equals(content))
    .map(({ path, content }) => [path, content])
}

function conclude(damage: DamageCase, witness: Witness, disk: MemoryVfs): Outcome {
  if (disk.openHandleCount !== 0) throw new Violation(`${disk.openHandleCount} files were left open`)
  const [first] = witness.errors
  if (first === undefined) {
    if (damage.demand === 'error') throw new Violation('nothing failed')
    return damage.states.length > 1 && witness.shown === 0 ? 'harmless' : (damage.quiet ?? 'harmless')
  }
  if (damage.demand === 'right') throw new Violation(`this must not fail: ${first.code}: ${first.message}`, { cause: first })
  if (damage.named !== undefined && first.code === 'ERR_CORRUPTION') {
    const { path, offset } = first
    const length = damage.specimen.files.find((file) => file.path === path)?.content.length ?? -1
    if (path !== damage.named || offset === undefined || offset > length) throw new Violation(`the error names ${path} at ${offset}`)
  }
  return 'detected'
}
