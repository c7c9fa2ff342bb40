/** Every method of a store, given good arguments: for what must hold for all of them. */
import { type Reader, type Store, StoreError } from '../../src/index.js'

/** Methods that write, or look after what was written. */
export function writesOf(store: Store): Record<string, () => unknown> {
  return {
    put: () => store.put('k', 1),
    putSync: () => store.putSync('k', 1),
    putString: () => store.putString('k', ''),
    putStringSync: () => store.putStringSync('k', ''),
    putInt64: () => store.putInt64('k', 1),
    putInt64Sync: () => store.putInt64Sync('k', 1),
    putFloat64: () => store.putFloat64('k', 1),
    putFloat64Sync: () => store.putFloat64Sync('k', 1),
    putBool: () => store.putBool('k', true),
    putBoolSync: () => store.putBoolSync('k', true),
    putBytes: () => store.putBytes('k', Buffer.alloc(1)),
    putBytesSync: () => store.putBytesSync('k', Buffer.alloc(1)),
    putRecord: () => store.putRecord('k', {}),
    putRecordSync: () => store.putRecordSync('k', {}),
    delete: () => store.delete('k'),
    deleteSync: () => store.deleteSync('k'),
    batch: () => store.batch([{ type: 'put', key: 'k', value: 1 }]),
    batchSync: () => store.batchSync([{ type: 'put', key: 'k', value: 1 }]),
    'batch().write': () => store.batch().put('k', 1).write(),
    'batch().writeSync': () => store.batch().put('k', 1).writeSync(),
    putIfAbsent: () => store.putIfAbsent('k', 1),
    putIfAbsentSync: () => store.putIfAbsentSync('k', 1),
    putIfEquals: () => store.putIfEquals('k', 1, 2),
    putIfEqualsSync: () => store.putIfEqualsSync('k', 1, 2),
    increment: () => store.increment('k'),
    incrementSync: () => store.incrementSync('k'),
    deleteRange: () => store.deleteRange('a', 'b'),
    deleteRangeSync: () => store.deleteRangeSync('a', 'b'),
    deletePrefix: () => store.deletePrefix('a'),
    deletePrefixSync: () => store.deletePrefixSync('a'),
    flush: () => store.flush(),
    sync: () => store.sync(),
    syncSync: () => store.syncSync(),
    compact: () => store.compact(),
  }
}

/** Methods that read, of a store and of a snapshot. Scans are made and taken one step. */
export function readsOf(reader: Reader): Record<string, () => unknown> {
  return {
    get: () => reader.get('k'),
    getSync: () => reader.getSync('k'),
    getMany: () => reader.getMany(['k']),
    getManySync: () => reader.getManySync(['k']),
    has: () => reader.has('k'),
    hasSync: () => reader.hasSync('k'),
    getString: () => reader.getString('k'),
    getStringSync: () => reader.getStringSync('k'),
    getInt64: () => reader.getInt64('k'),
    getInt64Sync: () => reader.getInt64Sync('k'),
    getFloat64: () => reader.getFloat64('k'),
    getFloat64Sync: () => reader.getFloat64Sync('k'),
    getBool: () => reader.getBool('k'),
    getBoolSync: () => reader.getBoolSync('k'),
    getBytes: () => reader.getBytes('k'),
    getBytesSync: () => reader.getBytesSync('k'),
    getRecord: () => reader.getRecord('k'),
    getRecordSync: () => reader.getRecordSync('k'),
    scan: () => reader.scan().next(),
    scanPrefix: () => reader.scanPrefix('k').next(),
    keys: () => reader.keys().next(),
    values: () => reader.values().next(),
  }
}

/** Methods whose failures come as rejections, never as exceptions: those without `Sync` at the end that are no scans. */
export function isPromiseMethod(name: string): boolean {
  return !name.endsWith('Sync') && !['scan', 'scanPrefix', 'keys', 'values'].includes(name)
}

/** The error of operation that a method throws, or its promise is rejected with. */
export async function thrownBy(method: () => unknown): Promise<StoreError> {
  try {
    await method()
  } catch (error) {
    if (error instanceof StoreError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}
