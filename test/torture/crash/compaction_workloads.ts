/**
 * One workload for each kind of compaction. The data on which it works is brought in unwatched, so that the crash points are those of the
 * compaction. A workload fails when what it is about did not happen.
 */
import type { CompactionEvent, StoreOptions } from '../../../src/index.js'
import type { Subject } from './subject.js'
import type { Sweep } from './sweep.js'
import type { Workload } from './workloads.js'

/** A compaction that must be among those that a workload has made. */
type Wanted = Pick<Partial<CompactionEvent>, 'reason' | 'fromLevel' | 'toLevel'>

interface CompactionWorkload {
  readonly name: string
  readonly options?: StoreOptions
  readonly wanted: readonly Wanted[]
  /** Brings data in, unwatched. */
  prepare?(subject: Subject): Promise<void>
  run(subject: Subject, sweep: Sweep): Promise<void>
}

function compaction({ name, options = {}, wanted, prepare, run }: CompactionWorkload): Workload {
  return {
    name,
    run: async (sweep) => {
      const subject = sweep.subject(options)
      const seen: CompactionEvent[] = []
      await sweep.unwatched(async () => {
        await subject.open()
        await prepare?.(subject)
      })
      subject.store.on('compaction', (event) => seen.push(event))
      await run(subject, sweep)
      await subject.pass(10)
      await subject.close()
      await sweep.inspectAll()
      for (const one of wanted) if (!seen.some((event) => isSuch(event, one))) throw new Error(missing(one, seen))
    },
  }
}

function isSuch(event: CompactionEvent, wanted: Wanted): boolean {
  return Object.entries(wanted).every(([name, value]) => event[name as keyof CompactionEvent] === value)
}

function missing(wanted: Wanted, seen: readonly CompactionEvent[]): string {
  const kinds = new Set(seen.map(({ reason, fromLevel, toLevel }) => `${reason} ${fromLevel} to ${toLevel}`))
  return `the workload has not led to a compaction ${JSON.stringify(wanted)}, only to: ${[...kinds].join(', ')}`
}

/** 40 values of so many bytes in the last level. */
async function fillLastLevel(subject: Subject, valueBytes: number): Promise<void> {
  const value = 'p'.repeat(valueBytes)
  await subject.batch(Array.from({ length: 40 }, (_, i) => ({ type: 'put', key: key(i), value }) as const))
  await subject.compact()
}

function key(i: number): string {
  return `k${String(i).padStart(3, '0')}`
}

const level0 = compaction({
  name: 'compaction from level 0 into the base level',
  wanted: [{ reason: 'level0', fromLevel: 0, toLevel: 6 }],
  run: async (subject, sweep) => {
    for (let i = 0; i < 28; i++) {
      await subject.put(key(0), i)
      for (let j = 0; j < 6; j++) await subject.put(key(sweep.random.below(20)), `${i} ${'x'.repeat(60)}`)
      await subject.put(key(20), i)
      await subject.flush()
      await sweep.inspectAll()
    }
  },
})

const levelByLevel = compaction({
  name: 'compaction from level to level',
  wanted: [
    { reason: 'size', fromLevel: 5, toLevel: 6 },
    { reason: 'level0', fromLevel: 0, toLevel: 5 },
  ],
  prepare: (subject) => fillLastLevel(subject, 6000),
  run: async (subject, sweep) => {
    for (let i = 0; i < 26; i++) {
      const spread = Array.from({ length: 3 }, () => key(sweep.random.below(40)))
      await subject.batch(spread.map((name) => ({ type: 'put', key: name, value: `${i} ${'x'.repeat(900)}` })))
      await subject.flush()
      await sweep.inspectAll()
    }
  },
})

const moves = compaction({
  name: 'trivial moves',
  wanted: [{ reason: 'move', fromLevel: 0, toLevel: 6 }],
  run: async (subject, sweep) => {
    for (let i = 0; i < 130; i++) {
      await subject.put(key(i), `${i} ${'x'.repeat(200)}`)
      if (i % 10 === 9) await sweep.inspectAll()
    }
  },
})

const tombstones = compaction({
  name: 'compaction of dense tombstones',
  wanted: [{ reason: 'tombstones' }],
  prepare: (subject) => fillLastLevel(subject, 200),
  run: async (subject, sweep) => {
    for (let i = 0; i < 8; i++) {
      // What a snapshot can see is kept, and so are the tombstones above it: they come into the last level, and go when it is closed.
      const snapshot = subject.store.snapshot()
      await subject.batch(Array.from({ length: 30 }, (_, n) => ({ type: 'delete', key: key((i * 3 + n) % 40) }) as const))
      await subject.compact()
      snapshot.close()
      await sweep.inspectAll()
      for (let n = 0; n < 8; n++) await subject.put(key(sweep.random.below(40)), `${i} ${'q'.repeat(200)}`)
      await subject.flush()
      await subject.pass(1)
      await sweep.inspectAll()
    }
  },
})

const idle = compaction({
  name: 'compaction while idle',
  wanted: [{ reason: 'idle' }],
  prepare: (subject) => fillLastLevel(subject, 200),
  run: async (subject, sweep) => {
    for (let i = 0; i < 14; i++) {
      await subject.deleteRange(key(i * 2), key(i * 2 + 3))
      await subject.put(key(sweep.random.below(40)), i)
      await subject.pass(2500)
      await sweep.inspectAll()
    }
  },
})

const manual = compaction({
  name: 'compaction of ranges on request',
  wanted: [{ reason: 'manual' }],
  prepare: (subject) => fillLastLevel(subject, 500),
  run: async (subject, sweep) => {
    const { random } = sweep
    for (let i = 0; i < 14; i++) {
      for (let j = 0; j < 4; j++) await subject.put(key(random.below(40)), `${i} ${'x'.repeat(300)}`)
      const from = random.below(40)
      const compacting = subject.compact({ gte: key(from), lt: key(from + 8) })
      if (i % 2 === 0) await subject.put(key(random.below(40)), i)
      await compacting
      await sweep.inspectAll()
    }
    await subject.compact()
    await sweep.inspectAll()
  },
})

const readers = compaction({
  name: 'compaction under open readers',
  wanted: [{ reason: 'level0' }],
  prepare: (subject) => fillLastLevel(subject, 200),
  run: async (subject, sweep) => {
    for (let i = 0; i < 12; i++) {
      const snapshot = subject.store.snapshot()
      const scan = subject.store.scan()
      scan.nextSync()
      for (let j = 0; j < 24; j++) await subject.put(key(sweep.random.below(40)), `${i} ${'x'.repeat(150)}`)
      await sweep.inspectAll()
      snapshot.close()
      await subject.flush()
      scan.closeSync()
      await subject.pass(1)
      await sweep.inspectAll()
    }
  },
})

/** Bounds of tables stand in the manifest, so long keys make it long. */
const manifest = compaction({
  name: 'manifest roll-over',
  wanted: [],
  run: async (subject, sweep) => {
    const { random } = sweep
    const { vfs } = subject
    const before = vfs.files().find((path) => path.includes('MANIFEST'))
    for (let i = 0; i < 14; i++) {
      await subject.put(`${random.below(3)}${'l'.repeat(12_000)}`, i)
      await subject.flush()
      if (random.chance(0.3)) await subject.deletePrefix('1')
      await sweep.inspectAll()
    }
    if (vfs.files().find((path) => path.includes('MANIFEST')) === before) throw new Error('the manifest was never rolled over')
  },
})

/** One for each kind of compaction. */
export const COMPACTIONS: readonly Workload[] = [manifest, level0, levelByLevel, moves, tombstones, idle, manual, readers]
