/** A store that is filled and emptied gives the disk back by itself, and the memory, when it is left alone. */
import { join } from 'node:path'
import { memory, Store, type StoreOptions } from '../../../src/index.js'
import { ManualClock } from '../../../src/util/clock.js'
import { Random } from '../../../src/util/random.js'
import { WORKER_URL } from '../../support/options.js'
import type { Round } from '../discipline.js'
import { eventually, expectKeyCount, expectThat, folderBytes, turn } from './process.js'

/** Bytes that may stay of those that there were, in percent. */
const LEFT_PERCENT_MAX = 2

const WAYS = ['singly', 'by range', 'by prefix'] as const

const OPTIONS = { memtableSize: 64 * 1024, compression: 'none' } as const satisfies StoreOptions

/** Fills a store with `entries` of about 200 bytes, deletes them in one of three ways, and waits. */
export async function emptyAndRest(round: Round, entries: number): Promise<void> {
  const random = new Random(round.seed)
  const way = random.pick(WAYS)
  const isReopened = random.chance(0.3)
  await restInline(entries, way, isReopened)
  await restWithWorker(join(round.scratchDir, 'emptied'), entries, random.pick(WAYS), isReopened)
  round.counts.add('operations', 4 * entries)
}

async function fill(store: Store, entries: number): Promise<void> {
  for (let i = 0; i < entries; i++) store.putSync(keyOf((i * 7919) % entries), `${i}`.padEnd(190, 'x'))
  await store.flush()
}

async function empty(store: Store, entries: number, way: (typeof WAYS)[number]): Promise<void> {
  if (way === 'by prefix') await store.deletePrefix('key ')
  else if (way === 'by range') await store.deleteRange('key ', 'key ~')
  else for (let i = 0; i < entries; i++) store.deleteSync(keyOf(i))
  expectKeyCount(store, 0)
}

async function restInline(entries: number, way: (typeof WAYS)[number], isReopened: boolean): Promise<void> {
  const vfs = memory()
  const clock = new ManualClock()
  const options = { ...OPTIONS, backgroundThreads: 0, clock } as const
  let store = await Store.open(vfs, options)
  await fill(store, entries)
  const bytes = (): number => vfs.files().reduce((sum, path) => sum + vfs.readFile(path).length, 0)
  const peak = bytes()
  await empty(store, entries, way)
  if (isReopened) {
    await store.close()
    store = await Store.open(vfs, options)
  }
  for (let second = 0; second < 5; second++) {
    clock.advance(1000)
    for (let turns = 0; turns < 300; turns++) await turn()
  }
  expectEmptied(store, `inline, ${way}${isReopened ? ', opened again' : ''}`, bytes(), peak)
  await store.close()
}

async function restWithWorker(dir: string, entries: number, way: (typeof WAYS)[number], isReopened: boolean): Promise<void> {
  const options = { ...OPTIONS, workerUrl: WORKER_URL } as const
  let store = await Store.open(dir, options)
  await fill(store, entries)
  const peak = folderBytes(dir)
  await empty(store, entries, way)
  if (isReopened) {
    await store.close()
    store = await Store.open(dir, options)
  }
  const what = `with a worker, ${way}${isReopened ? ', opened again' : ''}`
  // Files go one by one, so the last ones may be there for a while when hardly anything of them is left.
  const isEmptied = (): boolean => {
    const { tables } = store.stats()
    return tables.count === 0 && tables.open === 0 && folderBytes(dir) * 100 < LEFT_PERCENT_MAX * peak
  }
  await eventually(`${what}, the disk is given back`, isEmptied)
  expectEmptied(store, what, folderBytes(dir), peak)
  await store.close()
}

function expectEmptied(store: Store, what: string, left: number, peak: number): void {
  expectThat(left * 100 < LEFT_PERCENT_MAX * peak, `${what}: ${left} bytes are left of ${peak}`)
  const { cache, memory: used, tables } = store.stats()
  // What stays in memory is an active memtable and two spare ones.
  expectThat(tables.count === 0 && tables.open === 0, `${what}: ${tables.count} tables, ${tables.open} of them open`)
  expectThat(cache.usedBytes === 0, `${what}: ${cache.usedBytes} bytes of deleted tables are in the cache`)
  expectThat(used.memtables <= 3 * OPTIONS.memtableSize, `${what}: memtables take ${used.memtables} bytes`)
}

function keyOf(i: number): string {
  return `key ${String(i).padStart(8, '0')}`
}
