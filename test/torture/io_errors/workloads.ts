/** What stores do while their disk fails: together these workloads make every kind of file operation at every place that makes one. */
import { type MemoryVfs, memory, Store, type StoreOptions } from '../../../src/index.js'
import { type Change, modelKey } from '../../support/history.js'
import { TINY } from '../../support/options.js'
import type { Base, Trial } from './trial.js'

/** A workload, and the disk that it begins with. */
export interface Workload {
  readonly name: string
  readonly options: StoreOptions
  readonly base: () => Promise<Base>
  readonly run: (trial: Trial) => Promise<void>
}

const TEXT = 'x'.repeat(300)

/** A disk on which something was written; closed in order, or left behind by a process that was killed. */
async function written(
  isClosed: boolean,
  write: (put: (key: string, value: string) => Promise<void>, store: Store) => Promise<void>,
): Promise<Base> {
  const disk = memory()
  const store = await Store.open(disk, TINY)
  const writes: (readonly Change[])[] = []
  await write(async (key, value) => {
    writes.push([[modelKey(key), value]])
    await store.put(key, value)
  }, store)
  await store.sync()
  const killed: MemoryVfs = disk.processKillClone()
  await store.close()
  return { disk: isClosed ? disk.processKillClone() : killed, writes }
}

async function nothing(): Promise<Base> {
  return { disk: memory(), writes: [] }
}

/** Tables on several levels, some of them one upon the other. */
function tables(): Promise<Base> {
  return written(true, async (put, store) => {
    for (let i = 0; i < 16; i++) await put(`k${i}`, `old ${i} ${TEXT}`)
    await store.compact()
    for (let round = 0; round < 2; round++) {
      for (let i = round; i < 16; i += 3) await put(`k${i}`, `${round} ${i} ${TEXT}`)
      await store.flush()
    }
  })
}

/** Logs of a process that was killed, of which not everything had been synced. */
function logs(): Promise<Base> {
  return written(false, async (put, store) => {
    for (let i = 0; i < 5; i++) await put(`k${i}`, `in a table ${TEXT}`)
    await store.flush()
    for (let i = 0; i < 18; i++) await put(`k${i}`, `in a log ${i} ${TEXT}`)
  })
}

const writes: Workload = {
  name: 'writes',
  options: {},
  base: nothing,
  async run(trial) {
    await trial.open()
    for (let i = 0; i < 4; i++) await trial.put(`k${i}`, `first ${i}`)
    await trial.batch([
      ['k1', 'b'],
      ['k5', 'b'],
      ['k6', 'b'],
    ])
    await trial.delete('k2')
    trial.putSync('k7', 'sync')
    await trial.put('k8', 'durable', { sync: true })
    trial.putSync('k9', 'durable', { sync: true })
    await trial.read()
    await trial.together(Array.from({ length: 5 }, (_, i) => [`t${i}`, `together ${i}`] as const))
    await trial.rest(120)
    await trial.sync()
    // Beyond the memtable: the log rolls, and a flush follows.
    for (let i = 0; i < 9; i++) await trial.put(`k${i}`, `${i} ${TEXT}`)
    for (let i = 0; i < 9; i++) trial.putSync(`s${i}`, `${i} ${TEXT}`)
    await trial.rest(60)
    await trial.read()
    await trial.close()
  },
}

/** Writes on the spot, while groups before them wait for their sync. */
const mixedWrites: Workload = {
  name: 'writes on the spot among others',
  options: {},
  base: nothing,
  async run(trial) {
    await trial.open()
    await trial.put('k0', 'first')
    for (let i = 0; i < 3; i++) {
      const durable = trial.put('k1', `durable ${i}`, { sync: true })
      // The group is written, and its sync is under way.
      await Promise.resolve()
      trial.putSync('k2', `on the spot ${i}`)
      const other = trial.put('k3', `${i}`)
      await Promise.resolve()
      trial.putSync('k4', `on the spot, too ${i}`)
      await Promise.all([durable, other])
      await trial.read()
    }
    const durable = trial.batch(
      [
        ['k1', 'batch'],
        ['k5', 'batch'],
      ],
      { sync: true },
    )
    await Promise.resolve()
    trial.batchSync([
      ['k2', 'batch'],
      ['k6', 'batch'],
    ])
    const other = trial.delete('k3')
    await Promise.resolve()
    trial.deleteSync('k4')
    await Promise.all([durable, other])
    await trial.read()
    await trial.rest(120)
    await trial.sync()
    await trial.read()
    await trial.close()
  },
}

const recovery: Workload = {
  name: 'recovery',
  options: {},
  base: logs,
  async run(trial) {
    await trial.open()
    await trial.read()
    await trial.put('k3', 'after')
    await trial.put('k4', 'durable', { sync: true })
    trial.putSync('k5', 'durable', { sync: true })
    await trial.read()
    await trial.flush()
    await trial.close()
    await trial.open()
    await trial.read()
    await trial.close()
  },
}

const compactions: Workload = {
  name: 'compactions',
  options: { blockCacheSize: 0 },
  base: tables,
  async run(trial) {
    await trial.open()
    for (let round = 0; round < 4; round++) {
      for (let i = round; i < 14; i += 3) await trial.put(`k${i}`, `new ${round} ${TEXT}`)
      await trial.flush()
      await trial.rest(0)
    }
    await trial.read()
    for (let i = 0; i < 10; i++) await trial.delete(`k${i}`)
    await trial.flush()
    // Quiet for a while: tombstones are collected.
    await trial.rest(2000, 20)
    for (let i = 0; i < 8; i++) await trial.put(`z${i}`, `in order ${TEXT}`)
    await trial.compact()
    await trial.read()
    await trial.close()
  },
}

const manifest: Workload = {
  name: 'manifest roll-over',
  options: {},
  base: tables,
  async run(trial) {
    await trial.open()
    for (let i = 0; i < 9; i++) {
      await trial.put(`k${i}`, `edit ${i}`)
      await trial.flush()
    }
    // More edits than a clean close leaves in a manifest.
    await trial.close()
    await trial.open()
    await trial.put('k1', 'after')
    await trial.read()
    await trial.close()
  },
}

const reads: Workload = {
  name: 'reads',
  options: { blockCacheSize: 0, maxOpenTables: 8, readMode: 'async' },
  base: tables,
  async run(trial) {
    await trial.open()
    await trial.put('k1', 'in memory')
    await trial.read()
    await trial.read()
    await trial.close()
    await trial.open({ readMode: 'sync', maxOpenTables: 100 })
    await trial.read()
    await trial.close()
    await trial.open({ readOnly: true })
    await trial.read()
    await trial.close()
  },
}

/** All of them. */
export const WORKLOADS: readonly Workload[] = [writes, mixedWrites, recovery, compactions, manifest, reads]
