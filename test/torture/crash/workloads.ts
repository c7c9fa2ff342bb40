/**
 * Workloads for cutting off, each small and with its crash points where one thing happens.
 *
 * What all have in common: memtables of 4 KiB and blocks of 256 bytes, so that little data goes a long way, and background work on the
 * calling thread. `between` looks at the crash points so far; it is called often, because each of them holds a clone of the disk.
 */
import type { StoreOptions, WalSync } from '../../../src/index.js'
import type { Random } from '../../../src/util/random.js'
import { COMPACTIONS } from './compaction_workloads.js'
import { LIVES } from './life_workloads.js'
import { nextTurn, type Subject } from './subject.js'
import type { Sweep } from './sweep.js'

/** Something to cut off anywhere. */
export interface Workload {
  readonly name: string
  run(sweep: Sweep): Promise<void>
}

/** Keys: few, so that there are overwrites and deletes, some beginning with others. */
const KEYS: readonly string[] = [
  '',
  'a',
  'a\0',
  'ab',
  ...Array.from({ length: 20 }, (_, i) => `k${i}`),
  ...Array.from({ length: 6 }, (_, i) => `group:${i}`),
]
const PREFIXES: readonly string[] = ['group:', 'k1', 'a', 'nothing']

function value(random: Random, subject: Subject): string | number {
  const id = subject.history.length
  if (random.chance(0.1)) return `${id} ${'x'.repeat(random.below(900))}`
  return random.chance(0.4) ? id : `value ${id} ${'y'.repeat(random.below(120))}`
}

/** A store that is opened, worked on, and closed. */
function on(name: string, options: StoreOptions, work: (subject: Subject, sweep: Sweep) => Promise<void>): Workload {
  return {
    name,
    run: async (sweep) => {
      const subject = sweep.subject(options)
      await subject.open()
      await work(subject, sweep)
      await subject.close()
      await sweep.inspectAll()
    },
  }
}

/** Writes in every manner, most of them under way together. */
async function writeInGroups(subject: Subject, { random }: Sweep): Promise<void> {
  const writes: Promise<void>[] = []
  for (let i = random.between(2, 7); i > 0; i--) {
    const sync = random.chance(0.15)
    const kind = random.below(10)
    if (kind < 4) writes.push(subject.put(random.pick(KEYS), value(random, subject), { sync }))
    else if (kind < 5) writes.push(subject.delete(random.pick(KEYS), { sync }))
    else if (kind < 6) writes.push(subject.batch(operations(random, subject), { sync }))
    else if (kind < 7) writes.push(subject.increment('count', { sync }))
    else if (kind < 8) subject.putSync(random.pick(KEYS), value(random, subject), { sync })
    else if (kind < 9) writes.push(subject.putIfAbsent(random.pick(KEYS), value(random, subject), { sync }))
    else subject.batchSync(operations(random, subject), { sync })
    if (random.chance(0.3)) await Promise.resolve()
    if (random.chance(0.05)) await nextTurn()
  }
  await Promise.all(writes)
}

function operations(random: Random, subject: Subject) {
  return Array.from({ length: random.between(1, 8) }, () => {
    const key = random.pick(KEYS)
    return random.chance(0.3) ? ({ type: 'delete', key } as const) : ({ type: 'put', key, value: value(random, subject) } as const)
  })
}

function groupCommit(walSync: WalSync): Workload {
  return on(`group commit, walSync '${walSync}'`, { walSync }, async (subject, sweep) => {
    for (let i = 0; i < 36; i++) {
      await writeInGroups(subject, sweep)
      const choice = sweep.random.below(12)
      if (choice === 0) await subject.sync()
      else if (choice === 1) subject.syncSync()
      else if (choice === 2) await subject.pass(100)
      else if (choice === 3) await Promise.all([subject.sync(), writeInGroups(subject, sweep)])
      await sweep.inspectAll()
    }
  })
}

const logRoll = on('log roll', {}, async (subject, sweep) => {
  for (let i = 0; i < 90; i++) {
    await subject.put(`k${i % 40}`, `${i} ${'x'.repeat(250)}`, { sync: sweep.random.chance(0.1) })
    if (i % 10 === 9) await sweep.inspectAll()
  }
})

const flush = on('flush', {}, async (subject, sweep) => {
  for (let i = 0; i < 24; i++) {
    await writeInGroups(subject, sweep)
    const flushing = subject.flush()
    if (i % 3 === 0) await writeInGroups(subject, sweep)
    await flushing
    await sweep.inspectAll()
  }
})

const writeSync = on('writes on the spot', { walSync: 'os' }, async (subject, sweep) => {
  const { random } = sweep
  for (let i = 0; i < 110; i++) {
    const sync = random.chance(0.2)
    const kind = random.below(8)
    if (kind < 3) subject.putSync(random.pick(KEYS), value(random, subject), { sync })
    else if (kind < 4) subject.deleteSync(random.pick(KEYS), { sync })
    else if (kind < 5) subject.batchSync(operations(random, subject), { sync })
    else if (kind < 6) subject.incrementSync('count')
    else if (kind < 7) subject.deleteRangeSync('k1', 'k3')
    else await Promise.all([subject.put('a', i), Promise.resolve(subject.putSync('b', i))])
    if (i % 20 === 19) subject.syncSync()
    if (i % 10 === 9) await sweep.inspectAll()
  }
})

const rangeDeletes = on('range deletes', {}, async (subject, sweep) => {
  const { random } = sweep
  for (let i = 0; i < 24; i++) {
    for (let j = 0; j < 4; j++) await writeInGroups(subject, sweep)
    if (i % 3 === 0) await subject.batch(Array.from({ length: 30 }, (_, n) => ({ type: 'put', key: `group:${n}`, value: i }) as const))
    await Promise.all([subject.deletePrefix(random.pick(PREFIXES), { sync: random.chance(0.2) }), subject.put('a', i)])
    await subject.deleteRange('k', 'k1z')
    await sweep.inspectAll()
  }
})

const largeBatches = on('batches larger than a memtable', {}, async (subject, sweep) => {
  const { random } = sweep
  for (let i = 0; i < 14; i++) {
    const count = random.between(5, 40)
    const batch = Array.from({ length: count }, (_, n) => ({ type: 'put', key: `k${n}`, value: `${i} ${'z'.repeat(400)}` }) as const)
    const sync = random.chance(0.3)
    if (i % 3 === 2) subject.batchSync(batch, { sync })
    else await Promise.all([subject.put('a', i), subject.batch(batch, { sync }), subject.put('b', i)])
    await sweep.inspectAll()
  }
})

const everything = (walSync: WalSync): Workload =>
  on(`everything, walSync '${walSync}'`, { walSync }, async (subject, sweep) => {
    const { random } = sweep
    for (let i = 0; i < 70; i++) {
      const choice = random.below(24)
      if (choice === 0) await subject.flush()
      else if (choice === 1) await subject.compact()
      else if (choice === 2) await subject.deletePrefix(random.pick(PREFIXES))
      else if (choice === 3) await subject.pass(random.pick([10, 100, 1000]))
      else if (choice === 4) await subject.sync()
      else if (choice === 5) {
        await subject.close()
        await subject.open()
      } else await writeInGroups(subject, sweep)
      await sweep.inspectAll()
    }
  })

/** All workloads: those first that reach deepest for their time. */
export const WORKLOADS: readonly Workload[] = [
  groupCommit('always'),
  groupCommit('os'),
  flush,
  logRoll,
  ...LIVES,
  ...COMPACTIONS,
  writeSync,
  largeBatches,
  rangeDeletes,
  groupCommit('none'),
  groupCommit('interval'),
  ...(['none', 'os', 'interval', 'always'] as const).map(everything),
]
