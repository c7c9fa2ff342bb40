/** What a metamorphic run does with the store as a whole: closing, crashing, opening, looking. */
import { type Key, Store, type StoreOptions } from '../../../src/index.js'
import { checkLevels } from '../../../src/store/check_levels.js'
import { expectHistory, type ModelRange } from '../../support/history.js'
import type { KeySpec, Operation, RangeSpec } from './operations.js'
import { prepareKey } from './operations.js'
import { codeOf, expectRefusal, expectRejection, type Subject } from './subject.js'
import { turn } from './simulated_clock.js'

type OperationOf<Name extends Operation['op']> = Operation & { op: Name }

/** Closes the store, with whatever is under way, and opens it with the next options. */
export async function reopen(subject: Subject, { close, open }: Pick<OperationOf<'reopen'>, 'close' | 'open'>): Promise<void> {
  const { store, history, scans } = subject
  subject.closings++
  if (close === 'closeSync') store.closeSync()
  else await store.close()
  await subject.settle()
  subject.acknowledge(history.length, true)
  await expectClosed(store)
  for (const scan of scans) {
    if (scan === undefined || scan.model.isEnded) continue
    expectRefusal('a scan of a closed store', scan.refusal ?? 'ERR_NOT_OPEN', () => scan.handle.nextSync())
  }
  subject.forgetReaders()
  await subject.open(open)
  expectAll(subject)
}

async function expectClosed(store: Store<Key>): Promise<void> {
  if (store.status !== 'closed') throw new Error(`the store is ${store.status}, expected closed`)
  expectRefusal('getSync of a closed store', 'ERR_NOT_OPEN', () => store.getSync('a'))
  expectRefusal('putSync of a closed store', 'ERR_NOT_OPEN', () => store.putSync('a', 1))
  expectRefusal('scan of a closed store', 'ERR_NOT_OPEN', () => store.scan())
  await expectRejection('put of a closed store', 'ERR_NOT_OPEN', () => store.put('a', 1))
  await expectRejection('flush of a closed store', 'ERR_NOT_OPEN', () => store.flush())
}

/** Cuts the store off, with whatever is under way, and opens what is left. */
export async function crash(subject: Subject, { kind, synced, percent, seed }: OperationOf<'crash'>): Promise<void> {
  const { disk, store, history } = subject
  if (disk === undefined) return reopen(subject, { close: 'close', open: 'open' })
  if (synced) {
    await subject.settle()
    await store.sync()
    subject.acknowledge(history.length, true)
  }
  const wreck = kind === 'kill' ? disk.processKillClone() : disk.crashClone({ unsyncedPercent: percent, seed })
  const least = kind === 'kill' ? subject.safe : subject.durable
  const { durable } = subject
  subject.closings++
  await store.close()
  await subject.settle()
  disk.endProcess()
  subject.disk = wreck
  if (kind === 'power') subject.hasLostPower = true
  subject.forgetReaders()
  await subject.open('open')
  const found = subject.writeAt(subject.store.stats().sequence, least, `after a ${kind} crash there is`)
  history.cut(found)
  subject.acknowledged = found
  subject.safe = found
  // What came back after a power loss was on the disk.
  subject.durable = kind === 'power' ? found : Math.min(durable, found)
  expectAll(subject)
}

/** Another process looks, without a lock, at whatever the disk holds now. */
export function visit(subject: Subject): void {
  const { disk, history, options } = subject
  const other = disk?.otherProcess()
  const how: StoreOptions = { ...subject.storeOptions(options), readOnly: true }
  const visitor: Store<Key> = Store.openSync(other ?? subject.location, how)
  try {
    const found = subject.writeAt(visitor.stats().sequence, subject.safe, 'a visitor sees')
    expectHistory(visitor, history, found, history.sortedKeys.slice(0, 20))
    expectRefusal('putSync of a visitor', 'ERR_READ_ONLY', () => visitor.putSync('a', 1))
  } finally {
    visitor.closeSync()
    other?.endProcess()
  }
}

/** Reads all files from outside, beside the store if it is open. */
export async function verify(subject: Subject): Promise<void> {
  const other = subject.disk?.otherProcess()
  const report = await Store.verify(other ?? subject.location)
  other?.endProcess()
  if (!report.ok) throw new Error(`Store.verify finds ${JSON.stringify(report.problems)}`)
}

/** Deletes a store that was closed. */
export async function destroy(subject: Subject): Promise<void> {
  const { location } = subject
  await Store.destroy(location)
  await Store.destroy(location)
  const options = { ...subject.storeOptions(subject.options), createIfMissing: false }
  expectRefusal('opening what was destroyed', 'ERR_NOT_A_STORE', () => Store.openSync(location, options))
}

/** About how much a range takes. */
export async function expectSize(subject: Subject, { range }: OperationOf<'size'>): Promise<void> {
  const size = subject.store.approximateSize(rangeOf(subject, range))
  subject.returned()
  const most = subject.store.stats().tables.bytes
  const bytes = await size
  if (!(bytes >= 0 && bytes <= most)) throw new Error(`a range of ${most} bytes of tables takes ${bytes} bytes`)
}

/** Walks all tables, now and then: every operation of a run asks, and the more there is to walk, the rarer it is done. */
export function expectLevels(subject: Subject): void {
  if (--subject.untilLevels > 0) return
  const { keys } = checkLevels(subject.store)
  subject.untilLevels = 20 + Math.ceil(keys / 4)
}

/** Fails unless the store holds what the model does, and has counted as many operations. Nothing may be under way. */
export function expectAll(subject: Subject): void {
  const { store, history } = subject
  const { sequence } = store.stats()
  if (sequence !== history.operationCount) throw new Error(`the store counts ${sequence} operations, expected ${history.operationCount}`)
  expectHistory(store, history, history.length, history.keys)
}

/** Looks at everything, once nothing is under way. */
export async function check(subject: Subject): Promise<void> {
  await subject.settle()
  expectAll(subject)
  checkLevels(subject.store)
  for (const snapshot of subject.snapshots) {
    if (snapshot !== undefined) expectHistory(snapshot.handle, subject.history, snapshot.write, subject.history.sortedKeys.slice(0, 50))
  }
}

/** Compares what the store tells of itself with the model and with itself. */
export function expectStats(subject: Subject): void {
  const { store, history, snapshots, scans } = subject
  const stats = store.stats()
  const least = subject.writesUnderWay === 0 ? history.length : subject.acknowledged
  subject.writeAt(stats.sequence, least, 'the statistics tell of')
  if (stats.status !== 'open') throw new Error(`the store is ${stats.status}`)
  const openSnapshots = snapshots.filter((snapshot) => snapshot !== undefined).length
  if (stats.snapshots.open !== openSnapshots) throw new Error(`${stats.snapshots.open} snapshots are open, expected ${openSnapshots}`)
  if (subject.isSettled) {
    const openScans = scans.filter((scan) => scan !== undefined && !scan.model.isEnded && scan.refusal === undefined).length
    if (stats.scans.open !== openScans) throw new Error(`${stats.scans.open} scans are open, expected ${openScans}`)
  }
  const tables = stats.levels.reduce((sum, level) => sum + level.tables, 0)
  if (tables !== stats.tables.count) throw new Error(`${stats.tables.count} tables, and ${tables} on the levels`)
  const { capacityBytes, usedBytes } = stats.cache
  if (capacityBytes !== (subject.options.blockCacheSize ?? capacityBytes)) throw new Error(`the cache takes ${capacityBytes} bytes`)
  if (usedBytes < 0) throw new Error(`the cache uses ${usedBytes} bytes`)
  // A safeguard for the others: after an hour of all timers there would be no time to find anything.
  if (stats.recovery.damagedBytes > 0) throw new Error(`opening found ${stats.recovery.damagedBytes} damaged bytes`)
}

/** Flush, sync, compact. */
export function maintain(subject: Subject, operation: OperationOf<'flush' | 'sync' | 'compact'>): Promise<void> | undefined {
  const { store, history } = subject
  const issued = history.length
  if (operation.op === 'sync' && operation.form === 'sync') {
    store.syncSync()
    subject.acknowledge(issued, true)
    return undefined
  }
  let promise: Promise<void>
  if (operation.op === 'flush') promise = store.flush()
  else if (operation.op === 'sync') promise = store.sync()
  else promise = store.compact(operation.range === undefined ? undefined : rangeOf(subject, operation.range))
  subject.returned()
  const { closings } = subject
  const end = promise.then(
    () => subject.acknowledge(issued, true),
    (error: unknown) => {
      if (codeOf(error) !== 'ERR_NOT_OPEN' || subject.closings === closings) throw error
    },
  )
  if (operation.form === undefined) return end
  subject.later(end)
  return undefined
}

function rangeOf(subject: Subject, range: RangeSpec): ModelRange {
  const bounds = Object.entries(range).filter(([name]) => name !== 'reverse' && name !== 'limit')
  return Object.fromEntries(bounds.map(([name, key]) => [name, subject.key(prepareKey(key as KeySpec))])) as ModelRange
}

/** Time goes by, and with it come timers. */
export async function idle(subject: Subject, ms: number): Promise<void> {
  if (subject.clock === undefined) await turn()
  else await subject.clock.pass(ms)
}
