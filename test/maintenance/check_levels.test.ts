/** The level checker of an open store: silent on every store that the engine makes, and loud when something is wrong. */
import { describe, expect, test } from 'vitest'
import { memory, type Store, type StoreOptions } from '../../src/index.js'
import { tableFileName } from '../../src/sstable/format.js'
import { checkLevels } from '../../src/store/check_levels.js'
import { engineOf } from '../../src/store/store.js'
import { Random } from '../../src/util/random.js'
import { testSeed } from '../support/seed.js'
import { openStore, temporaryDirectory, TINY, WORKER_URL } from '../support/stores.js'

/** Random writes with flushes, compactions and snapshots; `check` is called after each. */
async function churn(store: Store, seed: number, steps: number, check: () => void): Promise<void> {
  const random = new Random(seed)
  for (let i = 0; i < steps; i++) {
    const key = `key ${random.below(60)}`
    const dice = random.below(100)
    if (dice < 60) await store.put(key, 'x'.repeat(random.below(120)))
    else if (dice < 80) await store.delete(key)
    else if (dice < 88) await store.batch().put(key, i).delete('key 1').put('key 2', i).write()
    else if (dice < 92) await store.flush()
    else if (dice < 94) await store.compact()
    else {
      using snapshot = store.snapshot()
      await store.put(key, i)
      check()
      snapshot.getSync(key)
    }
    check()
  }
}

const OPTION_SETS: Record<string, StoreOptions> = {
  'tiny blocks': TINY,
  'blocks of 64 bytes, no filter': { ...TINY, blockSize: 64, bloomFalsePositiveRate: 0 },
  'zstd, no cache': { ...TINY, compression: 'zstd', blockCacheSize: 0, blockSize: 1024 },
  'snappy, a coarse filter': { ...TINY, compression: 'snappy', bloomFalsePositiveRate: 0.5 },
}

describe('a store under churn', () => {
  test.each(Object.entries(OPTION_SETS))('is consistent after every step: %s', async (_, options) => {
    const seed = testSeed()
    const store = await openStore(memory(), options)
    await churn(store, seed, 700, () => {
      try {
        checkLevels(store)
      } catch (error) {
        throw new Error(`VARVE_SEED=${seed}`, { cause: error })
      }
    })
    await store.flush()
    await store.compact()
    expect(checkLevels(store)).toMatchObject({ versions: 1, liveKeys: store.keys().toArraySync().length })
  })

  test('is consistent with a worker at work', async () => {
    const store = await openStore(temporaryDirectory(), { ...TINY, backgroundThreads: 1, workerUrl: WORKER_URL })
    await churn(store, testSeed(), 300, () => checkLevels(store))
  })
})

describe('the checker', () => {
  async function filled(): Promise<Store> {
    const store = await openStore()
    for (let i = 0; i < 100; i++) await store.put(`key ${i}`, i)
    await store.flush()
    return store
  }

  test('counts keys and live keys, those in memory included', async () => {
    const store = await filled()
    await store.delete('key 1')
    await store.put('new', 1)
    expect(checkLevels(store)).toMatchObject({ keys: 101, liveKeys: 100, versions: 1 })
  })

  test('counts the versions that readers hold', async () => {
    const store = await filled()
    const snapshot = store.snapshot()
    const scan = store.scan()
    scan.next()
    await store.put('more', 1)
    await store.flush()
    expect(checkLevels(store).versions).toBe(2)
    await scan.close()
    snapshot.close()
    expect(checkLevels(store).versions).toBe(1)
  })

  test('misses a table', async () => {
    const store = await filled()
    const { fileNumber } = engineOf(store).view.version.levels.flat()[0]!
    const { vfs } = engineOf(store).options
    vfs.unlinkSync(`${store.path}/${tableFileName(fileNumber)}`)
    expect(() => checkLevels(store)).toThrow(new RegExp(`${tableFileName(fileNumber)} is missing`))
  })

  test('sees a file that nothing needs', async () => {
    const store = await filled()
    engineOf(store)
      .options.vfs.openSync(`${store.path}/${tableFileName(77)}`, 'create')
      .closeSync()
    expect(() => checkLevels(store)).toThrow(/000077.sst is needed by nothing/)
  })

  test('sees a reference that was counted twice, or not at all', async () => {
    const store = await filled()
    const { fileNumber } = engineOf(store).view.version.levels.flat()[0]!
    engineOf(store).manifest.files.protect(fileNumber)
    expect(() => checkLevels(store)).toThrow(/is named by 1 versions, and 2 are counted/)
    engineOf(store).manifest.files.release(fileNumber)
    checkLevels(store)
  })

  test('sees a memtable that is older than the tables below it', async () => {
    const store = await filled()
    const key = Buffer.from('key 5')
    engineOf(store).memtables.active.memtable.insert(key, 0, key.length, 0, 0, 3, 0)
    expect(() => checkLevels(store)).toThrow(/of the key 'key 5', a memtable has the sequence 3, which is older than 6 in/s)
  })

  test('sees an operation with a sequence that was never given', async () => {
    const store = await filled()
    const key = Buffer.from('key 5')
    engineOf(store).memtables.active.memtable.insert(key, 0, key.length, 0, 0, 1000, 0)
    expect(() => checkLevels(store)).toThrow(/a memtable has the sequence 1000, and what is newer begins after 100/)
  })
})
