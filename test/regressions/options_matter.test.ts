/** S14 of `seed_defects.test.ts`: every option changes something that can be seen. The table has a row for each, or it does not compile. */
import { readdirSync, readFileSync } from 'node:fs'
import { getPriority } from 'node:os'
import { describe, expect, test } from 'vitest'
import { FaultVfs, ManualClock, memory, type MemoryVfs, Store, type StoreOptions } from '../../src/index.js'
import { systemClock } from '../../src/util/clock.js'
import { entriesOf, nextTurn, openStore, temporaryDirectory, TINY, WORKER_URL } from '../support/stores.js'

/** What two settings of an option lead to; the two must differ. */
type Effect = () => Promise<[unknown, unknown]>

const TEXT = 'some text that repeats itself, some text that repeats itself, '

/** Opens with each setting, does the same, and looks. */
function compare<N extends keyof StoreOptions>(
  name: N,
  settings: readonly [StoreOptions[N], StoreOptions[N]],
  look: (store: Store, vfs: MemoryVfs) => Promise<unknown>,
  others: StoreOptions = {},
): Effect {
  return async () => {
    const seen: unknown[] = []
    for (const setting of settings) {
      const vfs = memory()
      const store = await openStore(vfs, { ...TINY, ...others, [name]: setting })
      seen.push(await look(store, vfs))
    }
    return seen as [unknown, unknown]
  }
}

async function fill(store: Store, count = 400): Promise<void> {
  for (let i = 0; i < count; i++) await store.put(`key ${i}`, `${TEXT}${i * 7919}`)
}

/** Nice values of the threads of this process (field 19 of `stat`; the name, field 2, may hold blanks). */
function threadNices(): number[] {
  return readdirSync('/proc/self/task').map((thread) => {
    const stat = readFileSync(`/proc/self/task/${thread}/stat`, 'latin1')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16])
  })
}

async function tableBytes(store: Store): Promise<number> {
  await fill(store)
  await store.compact()
  return store.stats().tables.bytes
}

async function cacheAfterOneRead(store: Store): Promise<unknown> {
  await fill(store)
  await store.compact()
  await store.get('key 7')
  const { blocks, usedBytes, capacityBytes } = store.stats().cache
  return { blocks, usedBytes, capacityBytes }
}

async function outcome(opening: Promise<Store>): Promise<string> {
  try {
    await (await opening).close()
    return 'opened'
  } catch (error) {
    return (error as { code: string }).code
  }
}

async function closedStore(): Promise<MemoryVfs> {
  const vfs = memory()
  const store = await Store.open(vfs, TINY)
  await store.put('k', 'value of k')
  await store.put('l', 1)
  await store.close()
  return vfs
}

/** A closed store with one byte changed in its log, or in its table. */
async function damaged(place: '.log' | '.sst'): Promise<MemoryVfs> {
  const vfs = await closedStore()
  if (place === '.sst') {
    const store = await Store.open(vfs, TINY)
    await store.flush()
    await store.close()
  }
  const path = vfs.files().find((each) => each.endsWith(place))!
  const content = vfs.readFile(path)
  content[content.indexOf('value of k')]! ^= 1
  vfs.writeFile(path, content)
  return vfs
}

const EFFECTS: Record<keyof StoreOptions, Effect> = {
  createIfMissing: async () => [
    await outcome(Store.open(memory(), { createIfMissing: true })),
    await outcome(Store.open(memory(), { createIfMissing: false })),
  ],
  errorIfExists: async () => {
    const vfs = await closedStore()
    return [await outcome(Store.open(vfs, { errorIfExists: true })), await outcome(Store.open(vfs, { errorIfExists: false }))]
  },
  readOnly: async () => {
    const vfs = await closedStore()
    const status = async (readOnly: boolean): Promise<string> => {
      await using store = await Store.open(vfs, { ...TINY, readOnly })
      return store.status
    }
    return [await status(true), await status(false)]
  },
  keys: compare('keys', ['string', 'bytes'], async (store) => {
    await store.put('k', 1)
    return typeof store.keys().nextSync()
  }),
  memtableSize: compare('memtableSize', [4096, 65_536], async (store) => {
    await fill(store)
    await store.flush()
    return [store.stats().memtable.capacityBytes, store.stats().flushes.count]
  }),
  blockCacheSize: compare('blockCacheSize', [0, 1024 * 1024], cacheAfterOneRead),
  blockSize: compare('blockSize', [64, 4096], cacheAfterOneRead),
  compression: compare('compression', ['none', 'zstd'], tableBytes),
  compressionLevel: compare('compressionLevel', [1, 19], tableBytes, { compression: 'zstd', blockSize: 16_384 }),
  bloomFalsePositiveRate: compare('bloomFalsePositiveRate', [0, 0.01], tableBytes),
  walSync: compare('walSync', ['os', 'always'], async (store) => {
    await store.put('k', 1)
    return store.stats().wal.syncs
  }),
  walSyncInterval: async () => {
    const syncs = async (walSyncInterval: number): Promise<number> => {
      const clock = new ManualClock()
      const store = await openStore(memory(), { ...TINY, walSync: 'interval', walSyncInterval, clock })
      await store.put('k', 1)
      clock.advance(50)
      for (let i = 0; i < 5; i++) await nextTurn()
      return store.stats().wal.syncs
    }
    return [await syncs(40), await syncs(60)]
  },
  verifyChecksums: async () => {
    const read = async (verifyChecksums: boolean): Promise<string> => {
      const store = await openStore(await damaged('.sst'), { ...TINY, verifyChecksums })
      return store.get('k').then(String, (error: { code: string }) => error.code)
    }
    return [await read(true), await read(false)]
  },
  readMode: async () => {
    const microtasks = async (readMode: 'sync' | 'async'): Promise<number> => {
      const store = await openStore(memory(), { ...TINY, readMode, blockCacheSize: 0 })
      await fill(store)
      await store.compact()
      let isDone = false
      const reading = store.get('key 7').then(() => (isDone = true))
      let count = 0
      // A read through the pool may need a turn of the event loop, which microtasks alone never grant.
      for (; !isDone && count < 3; count++) await Promise.resolve()
      await reading
      return count
    }
    return [await microtasks('sync'), await microtasks('async')]
  },
  backgroundThreads: async () => {
    const warnings = async (backgroundThreads: 0 | 1): Promise<number> => {
      const workerUrl = new URL('file:///no/such/worker.js')
      const store = await openStore(temporaryDirectory(), { memtableSize: 4096, backgroundThreads, workerUrl })
      let count = 0
      store.on('warning', () => count++)
      await fill(store, 100)
      await store.flush()
      return count
    }
    return [await warnings(0), await warnings(1)]
  },
  backgroundNice: async () => {
    // Threads have a priority of their own on Linux only.
    if (process.platform !== 'linux') return [0, 7]
    const own = getPriority()
    const mostNice = async (backgroundNice: number): Promise<number> => {
      const store = await openStore(temporaryDirectory(), { memtableSize: 4096, workerUrl: WORKER_URL, backgroundNice })
      await fill(store, 100)
      await store.flush()
      const nice = Math.max(...threadNices())
      await store.close()
      return nice - own
    }
    const seen: [number, number] = [await mostNice(0), await mostNice(7)]
    expect(seen).toEqual([0, 7])
    expect(getPriority()).toBe(own)
    return seen
  },
  workerUrl: async () => {
    const warnings = async (workerUrl: URL): Promise<number> => {
      const store = await openStore(temporaryDirectory(), { memtableSize: 4096, workerUrl })
      let count = 0
      store.on('warning', () => count++)
      await fill(store, 100)
      await store.flush()
      return count
    }
    return [await warnings(WORKER_URL), await warnings(new URL('file:///no/such/worker.js'))]
  },
  maxOpenTables: compare('maxOpenTables', [8, 100], async (store) => {
    await fill(store, 1500)
    await store.compact()
    entriesOf(store)
    expect(store.stats().tables.count).toBeGreaterThan(8)
    return store.stats().tables.open
  }),
  recovery: async () => [
    await outcome(Store.open(await damaged('.log'), { ...TINY, recovery: 'strict' })),
    await outcome(Store.open(await damaged('.log'), { ...TINY, recovery: 'salvage' })),
  ],
  vfs: async () => {
    const files = async (vfs: FaultVfs): Promise<number> => {
      await (await Store.open('/somewhere', { ...TINY, vfs })).close()
      return vfs.count('create')
    }
    const used = new FaultVfs(memory())
    const unused = new FaultVfs(memory())
    await files(used)
    return [used.count('create'), unused.count('create')]
  },
  clock: async () => {
    const age = async (clock: typeof systemClock): Promise<boolean> => {
      const store = await openStore(memory(), { ...TINY, clock })
      store.snapshot()
      return store.stats().snapshots.oldestAgeMs > 0
    }
    return [await age(new ManualClock()), await age(systemClock)]
  },
}

describe('S14: every option changes something that can be seen', () => {
  test.each(Object.entries(EFFECTS))('%s', async (_, effect) => {
    const [one, other] = await effect()
    expect(one).not.toEqual(other)
  })

  test('compression by level: the last level has its own codec', async () => {
    const sizes: number[] = []
    for (const compression of [['none'], ['none', 'none', 'none', 'none', 'none', 'none', 'zstd'], ['zstd']] as const) {
      const store = await openStore(memory(), { ...TINY, blockSize: 4096, compression })
      await fill(store)
      await store.flush()
      await store.compact()
      sizes.push(store.stats().levels[6]!.bytes)
    }
    expect(sizes[1]).toBeLessThan(sizes[0]! / 2)
    expect(sizes[1]).toBe(sizes[2])
  })
})
