/**
 * Opens what a crash has left and compares it with what must be there.
 *
 * 1. The store is in the state after some write: no earlier than what was promised, no later than what was issued. Scans both ways, point
 *    reads, a snapshot and the statistics agree on which.
 * 2. The bytes reported as torn are those that are.
 * 3. It takes writes; a durable one is there after another power loss.
 * 4. After closing, the folder holds what the manifest names and nothing else, but for tables with more than was recovered, and no file is
 *    open.
 * 5. Opened once more, it is as it was left.
 * 6. For some: the same after a second crash, before each change that 1 to 4 make to the disk.
 * 7. For a few: a repair finds nothing to do where the store verifies, and an opening afterwards shows the same.
 */
import { type MemoryVfs, Store, StoreError, type StoreOptions, type StoreStats } from '../../../src/index.js'
import { expectEntries, expectValue, storeKey } from '../../support/history.js'
import { TINY } from '../../support/options.js'
import { fingerprint } from './fingerprint.js'
import { expectTidy, putAsideBefore } from './tidiness.js'
import type { Subject } from './subject.js'
import { tornBytesOf } from './torn_bytes.js'

/** A disk after a crash, and what must be on it. */
export interface Branch {
  readonly what: string
  readonly subject: Subject
  readonly vfs: MemoryVfs
  /** The disk at the moment of the crash. */
  readonly origin: MemoryVfs
  /** Writes that must be there, and those that may. */
  readonly least: number
  readonly most: number
  /** Whether all that is there has survived a power loss. */
  readonly isDurable: boolean
  /** Writes that a further power loss cannot take. */
  readonly afterPowerLoss: number
}

/** Written after each recovery. */
const AFTER_KEY = 'written after the crash'
const AFTER_VALUE = 'here'

/** Every so many recoveries something more is looked at. */
const ASYNC_EVERY = 9
const POWER_EVERY = 5
const LEFT_EVERY = 4
const REPAIR_EVERY = 50

/** What a store should hold: the state after a write, and perhaps what was written after the crash. */
interface Expected {
  readonly write: number
  readonly hasAfter: boolean
}

/** What was found, and what it took. */
export interface Inspected {
  /** The last write that is there. */
  readonly write: number
  readonly crashes: number
  readonly openings: number
}

/** Fails unless the store on this disk is as it must be. `number` varies how it is opened and closed. Returns which state it is in. */
export async function inspect(branch: Branch, number: number, isCutOff: boolean): Promise<Inspected> {
  const { vfs } = branch
  vfs.capacityBytes = Infinity
  const copy = number % REPAIR_EVERY === REPAIR_EVERY - 1 ? vfs.processKillClone() : undefined
  const wrecks: Wreck[] = []
  let promise: Expected | undefined
  if (isCutOff)
    vfs.onMutation = (index, kind, path) => wrecks.push({ disk: vfs.processKillClone(), what: `${index} (${kind} ${path})`, promise })
  const isSync = isWrittenDurably(number)
  const aside = putAsideBefore(vfs)
  const store = await open(vfs, number)
  const write = expectPrefix(store, branch)
  if (number % ASYNC_EVERY !== 0) expectTornBytes(store.stats(), branch)
  if (branch.isDurable) promise = { write, hasAfter: false }
  const snapshot = store.snapshot()
  store.putSync(AFTER_KEY, AFTER_VALUE, { sync: isSync })
  if (isSync) promise = { write, hasAfter: true }
  expectEntries('a snapshot', snapshot.scan({ keys: 'bytes' }).toArraySync(), branch.subject.history.entriesAt(write))
  expectValue('what was written after the crash', store.getSync(AFTER_KEY), AFTER_VALUE)
  snapshot.close()
  let crashes = 1
  let openings = 1
  // A write that is durable takes along what was recovered before it.
  if (losesPowerLater(number)) {
    expectLeft('a power loss after a durable write', vfs.crashClone({ unsyncedPercent: 0, seed: number }), branch, {
      write,
      hasAfter: true,
    })
    crashes++
    openings++
  }
  if (number % 2 === 0) store.closeSync()
  else await store.close()
  vfs.onMutation = undefined
  expectTidy(vfs, branch.subject.history.operationsAt(write), aside)
  if (number % LEFT_EVERY === 0) {
    expectLeft('the next opening', vfs, branch, { write, hasAfter: true })
    openings++
  }
  if (copy !== undefined) {
    await expectUnrepaired(copy, branch, { write, hasAfter: false })
    openings++
  }
  const found = new Map<string, Expected>()
  for (const [i, wreck] of wrecks.entries()) openings += expectSecond(wreck, branch, write, number + i, found)
  crashes += wrecks.length
  return { write, crashes, openings }
}

/** Fails when a repair changes what a crash has left whole. */
async function expectUnrepaired(vfs: MemoryVfs, branch: Branch, expected: Expected): Promise<void> {
  try {
    if (!(await Store.verify(vfs)).ok) return
  } catch (error) {
    // The making of a store was cut short: opening begins anew, and there is nothing to repair.
    if (expected.write === 0 && error instanceof StoreError && error.code === 'ERR_NOT_A_STORE') return
    throw error
  }
  const { isChanged, files } = await Store.repair(vfs)
  if (isChanged) throw new Error(`a repair has changed what verifies: ${files.map(({ name, fate }) => `${name} ${fate}`).join(', ')}`)
  expectLeft('after a repair', vfs, branch, expected)
}

function isWrittenDurably(number: number): boolean {
  return number % 3 === 0
}

/** Whether `inspect` lets the power fail after a durable write. */
export function losesPowerLater(number: number): boolean {
  return isWrittenDurably(number) && number % POWER_EVERY === 0
}

/** Where a recovery was cut off, and what had been promised by then. */
interface Wreck {
  readonly disk: MemoryVfs
  readonly what: string
  readonly promise: Expected | undefined
}

/**
 * A crash during recovery: nothing is lost that the first one left, apart from what only a second power loss could take.
 *
 * @param found states on the disks of such crashes that were opened already
 */
function expectSecond({ disk, what, promise }: Wreck, branch: Branch, write: number, number: number, found: Map<string, Expected>): number {
  const durable = branch.isDurable ? write : branch.afterPowerLoss
  const options = { seed: number, unsyncedPercent: number % 3 === 1 ? 0 : (number * 37) % 101 }
  const isKill = number % 3 === 0
  const name = `${isKill ? 'the process dies' : `the power fails, ${JSON.stringify(options)},`} again before change ${what} of the recovery`
  const vfs = isKill ? disk : disk.crashClone(options)
  const mustHaveAfter = promise?.hasAfter === true
  const least = mustHaveAfter || isKill ? write : durable
  const print = `${isKill} ${fingerprint(vfs)}`
  const known = found.get(print)
  const state = known ?? named(name, () => openedAgain(vfs, branch, write))
  const isEnough = state.write >= least && (state.hasAfter || !mustHaveAfter)
  if (!isEnough) throw new Error(`${name}: ${JSON.stringify(state)}, expected ${least} to ${write}, ${mustHaveAfter}`)
  if (known !== undefined) return 0
  found.set(print, state)
  if (number % LEFT_EVERY !== 0) return 1
  named(`${name}, third opening`, () => expectLeft('the store', vfs, branch, state))
  return 2
}

/** Opens and closes the store. Fails unless it is in a state up to `most`, in that one perhaps with what was written after. */
function openedAgain(vfs: MemoryVfs, { subject }: Branch, most: number): Expected {
  const aside = putAsideBefore(vfs)
  const store = Store.openSync(vfs, optionsOf(0))
  const { history } = subject
  const { sequence } = store.stats()
  const hasAfter = sequence === history.operationsAt(most) + 1 && store.hasSync(AFTER_KEY)
  const write = hasAfter ? most : history.writeAt(sequence)
  if (write === undefined || write > most) throw new Error(`sequence ${sequence} is state ${write}, expected at most ${most}`)
  expectState(store, subject, { write, hasAfter })
  store.closeSync()
  expectTidy(vfs, history.operationsAt(write), aside)
  return { write, hasAfter }
}

/** Fails unless the store is in exactly this state. */
function expectLeft(what: string, vfs: MemoryVfs, { subject }: Branch, expected: Expected): void {
  named(what, () => {
    const store = Store.openSync(vfs, optionsOf(1))
    expectState(store, subject, expected)
    store.closeSync()
  })
}

/** Fails unless the store is as it was after some write that it may be left at; returns which. */
function expectPrefix(store: Store, branch: Branch): number {
  const { sequence } = store.stats()
  const write = branch.subject.history.writeAt(sequence)
  if (write === undefined) throw new Error(`sequence ${sequence} lies inside of a batch`)
  expectWrite(write, branch)
  expectState(store, branch.subject, { write, hasAfter: false })
  return write
}

/** Fails unless a store may be left as it was after this write. */
export function expectWrite(write: number, { least, most }: Branch): void {
  if (write < least || write > most) throw new Error(`the store is in state ${write}, and should be in one from ${least} to ${most}`)
}

function expectState(store: Store, { history }: Subject, { write, hasAfter }: Expected): void {
  const entries = history.entriesAt(write)
  if (hasAfter) {
    const place = entries.findIndex(([key]) => key > AFTER_KEY)
    entries.splice(place < 0 ? entries.length : place, 0, [AFTER_KEY, AFTER_VALUE])
  }
  expectEntries('scan', store.scan({ keys: 'bytes' }).toArraySync(), entries)
  const keys = history.sortedKeys
  const values = store.getManySync(keys.map(keyBytes))
  for (const [i, key] of keys.entries()) expectValue(`getMany ${JSON.stringify(key)}`, values[i], history.valueAt(key, write))
  for (let i = write % 7; i < keys.length; i += 7) {
    const wanted = history.valueAt(keys[i]!, write)
    expectValue(`get ${JSON.stringify(keys[i])}`, store.getSync(keyBytes(keys[i]!)), wanted)
    expectValue(`has ${JSON.stringify(keys[i])}`, store.hasSync(keyBytes(keys[i]!)), wanted !== undefined)
  }
  expectEntries('reverse scan', store.scan({ keys: 'bytes', reverse: true }).toArraySync(), entries.reverse())
  expectStats(store.stats(), history.operationsAt(write) + (hasAfter ? 1 : 0), entries.length)
}

function expectStats(stats: StoreStats, sequence: number, entries: number): void {
  if (stats.sequence !== sequence) throw new Error(`stats: sequence ${stats.sequence}, expected ${sequence}`)
  let live = stats.memtable.keys + stats.immutableMemtables.keys
  let tables = 0
  for (const level of stats.levels) {
    live += level.keys - level.tombstones
    tables += level.tables
  }
  if (live < entries) throw new Error(`stats: ${live} entries where ${entries} are live`)
  if (tables !== stats.tables.count) throw new Error(`stats: ${stats.tables.count} tables, ${tables} in the levels`)
  if (stats.recovery.damagedBytes !== 0) throw new Error(`stats: ${stats.recovery.damagedBytes} bytes damaged where nothing was`)
}

function expectTornBytes({ recovery }: StoreStats, branch: Branch): void {
  const torn = tornBytesOf(branch.origin, branch.vfs, branch.subject.inherited)
  if (torn === undefined) return
  if (recovery.tornBytes !== torn) throw new Error(`${recovery.tornBytes} bytes are reported torn, ${torn} are`)
}

async function open(vfs: MemoryVfs, number: number): Promise<Store> {
  const options = optionsOf(number)
  return number % ASYNC_EVERY === 0 ? Store.open(vfs, options) : Store.openSync(vfs, options)
}

/** Recovery does not depend on the options of the crashed store, so they change. */
function optionsOf(number: number): StoreOptions {
  return number % 4 === 3 ? { ...TINY, walSync: 'always', blockCacheSize: 0 } : { ...TINY, walSync: number % 4 === 1 ? 'none' : 'os' }
}

const encoded = new Map<string, Buffer>()

function keyBytes(key: string): Buffer {
  const known = encoded.get(key)
  if (known !== undefined) return known
  const bytes = storeKey(key)
  if (encoded.size > 10_000) encoded.clear()
  encoded.set(key, bytes)
  return bytes
}

function named<T>(what: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw new Error(`${what}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
}
