/** Calls that must be refused with the right error, and change nothing. Those with promises must not throw on the spot. */
import { type Key, type Store, Store as StoreClass, type StoreErrorCode, type Value } from '../../../src/index.js'
import { expectRefusal, expectRejection, type Subject } from './subject.js'

interface BadCall {
  readonly code: StoreErrorCode
  /** By its promise. */
  readonly later?: (store: Store<Key>) => unknown
  /** On the spot. */
  readonly sync?: (store: Store<Key>) => unknown
}

/** What no type checker would let through. */
const none = undefined as unknown as Key & Value
const number = 5 as unknown as string
const text = 'text' as unknown as never
const tooLong = 'k'.repeat(65_536)
const loneSurrogate = 'a\ud800b'

const BAD_CALLS: Readonly<Record<string, BadCall>> = {
  'put without a value': { code: 'ERR_INVALID_VALUE', later: (store) => store.put('a', none), sync: (store) => store.putSync('a', none) },
  'put a function': {
    code: 'ERR_INVALID_VALUE',
    later: (store) => store.put('a', (() => 1) as never),
    sync: (store) => store.putSync('a', (() => 1) as never),
  },
  'put a circle': {
    code: 'ERR_INVALID_VALUE',
    later: (store) => store.put('a', circle()),
    sync: (store) => store.putSync('a', circle()),
  },
  'put an integer that is too large': {
    code: 'ERR_INVALID_VALUE',
    later: (store) => store.put('a', 2n ** 63n),
    sync: (store) => store.putSync('a', 2n ** 63n),
  },
  'a key that is no key': { code: 'ERR_INVALID_KEY', later: (store) => store.put(number, 1), sync: (store) => store.putSync(none, 1) },
  'a key that is too long': {
    code: 'ERR_INVALID_KEY',
    later: (store) => store.put(tooLong, 1),
    sync: (store) => store.putSync(tooLong, 1),
  },
  'a key that is no text': {
    code: 'ERR_INVALID_KEY',
    later: (store) => store.delete(loneSurrogate),
    sync: (store) => store.deleteSync(loneSurrogate),
  },
  'get no key': { code: 'ERR_INVALID_KEY', later: (store) => store.get(none), sync: (store) => store.getSync(none) },
  'get what is no list': { code: 'ERR_INVALID_KEY', later: (store) => store.getMany(text), sync: (store) => store.getManySync(text) },
  'has no key': { code: 'ERR_INVALID_KEY', later: (store) => store.has(tooLong), sync: (store) => store.hasSync(tooLong) },
  'putString of a number': {
    code: 'ERR_INVALID_VALUE',
    later: (store) => store.putString('a', number),
    sync: (store) => store.putStringSync('a', number),
  },
  'putInt64 of a fraction': {
    code: 'ERR_INVALID_VALUE',
    later: (store) => store.putInt64('a', 0.5),
    sync: (store) => store.putInt64Sync('a', 0.5),
  },
  'putFloat64 of a text': {
    code: 'ERR_INVALID_VALUE',
    later: (store) => store.putFloat64('a', text),
    sync: (store) => store.putFloat64Sync('a', text),
  },
  'putBool of a text': {
    code: 'ERR_INVALID_VALUE',
    later: (store) => store.putBool('a', text),
    sync: (store) => store.putBoolSync('a', text),
  },
  'putBytes of a text': {
    code: 'ERR_INVALID_VALUE',
    later: (store) => store.putBytes('a', text),
    sync: (store) => store.putBytesSync('a', text),
  },
  'putRecord of a text': {
    code: 'ERR_INVALID_VALUE',
    later: (store) => store.putRecord('a', text),
    sync: (store) => store.putRecordSync('a', text),
  },
  'a batch with one bad key': {
    code: 'ERR_INVALID_KEY',
    later: (store) => store.batch(badBatch()),
    sync: (store) => store.batchSync(badBatch()),
  },
  'a batch of unknown type': {
    code: 'ERR_INVALID_VALUE',
    later: (store) => store.batch([{ type: 'put', key: 'a', value: 1 }, { type: 'merge', key: 'a' } as never]),
    sync: (store) => store.batchSync([{ type: 'merge', key: 'a' } as never]),
  },
  'a batch that is no list': {
    code: 'ERR_INVALID_VALUE',
    later: (store) => store.batch(none as never),
    sync: (store) => store.batchSync(text),
  },
  'a batch written twice': {
    code: 'ERR_NOT_OPEN',
    later: (store) => writtenBatch(store).write(),
    sync: (store) => writtenBatch(store).writeSync(),
  },
  'a chained put of nothing': { code: 'ERR_INVALID_VALUE', sync: (store) => store.batch().put('a', 1).put('b', none) },
  'putIfAbsent without a value': {
    code: 'ERR_INVALID_VALUE',
    later: (store) => store.putIfAbsent('a', none),
    sync: (store) => store.putIfAbsentSync('a', none),
  },
  'putIfEquals with what is no value': {
    code: 'ERR_INVALID_VALUE',
    later: (store) => store.putIfEquals('a', 1, (() => 1) as never),
    sync: (store) => store.putIfEqualsSync('a', 1, (() => 1) as never),
  },
  'increment by a fraction': {
    code: 'ERR_INVALID_VALUE',
    later: (store) => store.increment('a', 0.5),
    sync: (store) => store.incrementSync('a', 0.5),
  },
  'deleteRange without an end': {
    code: 'ERR_INVALID_KEY',
    later: (store) => store.deleteRange('a', none),
    sync: (store) => store.deleteRangeSync('a', none),
  },
  'deletePrefix without a prefix': {
    code: 'ERR_INVALID_KEY',
    later: (store) => store.deletePrefix(none),
    sync: (store) => store.deletePrefixSync(none),
  },
  'a write option of the wrong type': {
    code: 'ERR_INVALID_OPTION',
    later: (store) => store.put('a', 1, { sync: 'yes' as never }),
    sync: (store) => store.putSync('a', 1, { sync: 1 as never }),
  },
  'a scan with an unknown option': { code: 'ERR_INVALID_OPTION', sync: (store) => store.scan({ from: 'a' } as never) },
  'a scan with a negative limit': { code: 'ERR_INVALID_OPTION', sync: (store) => store.keys({ limit: -1 }) },
  'a scan with a bound that is no key': { code: 'ERR_INVALID_KEY', sync: (store) => store.scan({ gt: number }) },
  'a scan of no prefix': { code: 'ERR_INVALID_KEY', sync: (store) => store.scanPrefix(none) },
  'compact what is no range': { code: 'ERR_INVALID_KEY', later: (store) => store.compact({ gte: number }) },
  'nextv of nothing': { code: 'ERR_INVALID_OPTION', later: (store) => stepOf(store) },
  'a snapshot that was closed': {
    code: 'ERR_NOT_OPEN',
    later: (store) => closedSnapshot(store).get('a'),
    sync: (store) => closedSnapshot(store).getSync('a'),
  },
  'a scan that was aborted before': { code: 'ERR_ABORTED', sync: (store) => store.scan({ signal: AbortSignal.abort() }).nextSync() },
}

/** Names of the bad calls. */
export const BAD_CALL_NAMES: readonly string[] = [...Object.keys(BAD_CALLS), 'open a second time', 'open with bad options']

/** Makes a bad call. */
export async function callBadly(subject: Subject, which: string, isSync: boolean): Promise<void> {
  const { store } = subject
  if (which === 'open a second time') return expectLocked(subject, isSync)
  if (which === 'open with bad options') {
    return expectRefusal(which, 'ERR_INVALID_OPTION', () => StoreClass.openSync(subject.location, { blockSize: 1 }))
  }
  const bad = BAD_CALLS[which]
  if (bad === undefined) throw new Error(`there is no bad call '${which}'`)
  const { code, later, sync } = bad
  if (sync !== undefined && (isSync || later === undefined)) expectRefusal(which, code, () => sync(store))
  else await expectRejection(which, code, () => later!(store))
}

async function expectLocked(subject: Subject, isSync: boolean): Promise<void> {
  const options = subject.storeOptions(subject.options)
  const location = subject.disk?.otherProcess() ?? subject.location
  if (isSync) expectRefusal('a second opening', 'ERR_LOCKED', () => StoreClass.openSync(location, options))
  else await expectRejection('a second opening', 'ERR_LOCKED', () => StoreClass.open(location, options))
}

function circle(): Value {
  const record: Record<string, unknown> = {}
  record['self'] = record
  return record as Value
}

function badBatch() {
  return [{ type: 'put', key: 'a', value: 'never' } as const, { type: 'delete', key: number } as const]
}

/** An empty batch, so that nothing is written. */
function writtenBatch(store: Store<Key>) {
  const batch = store.batch()
  batch.writeSync()
  return batch
}

function closedSnapshot(store: Store<Key>) {
  const snapshot = store.snapshot()
  snapshot.close()
  return snapshot
}

async function stepOf(store: Store<Key>): Promise<unknown> {
  const scan = store.scan()
  try {
    return await scan.nextv(0)
  } finally {
    scan.closeSync()
  }
}
