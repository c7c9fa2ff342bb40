/** Scans of a prepared, compacted store: all of it forward, backward and with `for await`, and a hundred records at a time. */
import { Random } from '../../src/util/random.js'
import type { OpenEngine, Visit } from '../engines/engine.js'
import { type Metrics, nextTurn, timeAwaited } from '../measure.js'
import { check, observed, openStore, RATE, type Run, type Workload } from './workload.js'

/** Entries whose values are compared in the last scan: one in this many. */
const COMPARED = 16
/** Records that begin alike. */
const PREFIX_RECORDS = 100
/** Scans of a prefix in a turn, before measuring. */
const GROUPS_PER_TURN = 16

type Scan = (store: OpenEngine, visit: Visit) => void | Promise<void>

async function scanAll(run: Run, scan: Scan, isReverse: boolean): Promise<Metrics> {
  const { count } = run.records
  const store = await openStore(run, true)
  let seen = 0
  let bytes = 0
  const visit: Visit = (key, value) => {
    seen++
    bytes += key.length + value.length
  }
  // The first scan warms the code and the page cache.
  await scan(store, visit)
  let scans = 0
  let totalMs = 0
  const metrics = await observed(async () => {
    while (scans === 0 || totalMs < run.limits.measureMs) {
      seen = 0
      bytes = 0
      const start = performance.now()
      await scan(store, visit)
      totalMs += performance.now() - start
      scans++
      if (seen !== count || bytes !== run.records.rawBytes) throw new Error(`a scan saw ${seen} of ${count} entries, ${bytes} bytes`)
      await nextTurn()
    }
    return { operations: count * scans, entriesPerSecond: ((count * scans) / totalMs) * 1000, scans, scanMs: totalMs / scans }
  })
  await checkOrder(run, store, scan, isReverse)
  await store.close()
  return metrics
}

/** Scans once more, and compares each key and some of the values. */
async function checkOrder(run: Run, store: OpenEngine, scan: Scan, isReverse: boolean): Promise<void> {
  // A Map keeps the order of insertion, which is that of the keys here; it has no way back.
  const isBackward = isReverse && run.engine.isPersistent
  const { records } = run
  let position = 0
  await scan(store, (key, value) => {
    const number = isBackward ? records.count - 1 - position : position
    if (key !== records.key(number)) throw new Error(`entry ${position} of a scan has the key '${key}', not '${records.key(number)}'`)
    if (position % COMPARED === 0 && !records.isValue(value, number)) throw new Error(`entry ${position} of a scan has a wrong value`)
    position++
  })
}

async function scanPrefix(run: Run): Promise<Metrics> {
  const { records, limits } = run
  const store = await openStore(run, true)
  const random = new Random(run.seed + 1)
  const groups = Math.max(1, Math.floor(records.count / PREFIX_RECORDS))
  const expected = Math.min(PREFIX_RECORDS, records.count)
  let seen = 0
  const visit: Visit = (key, value) => {
    if (key.length > 0 && value.length > 0) seen++
  }
  const scanGroup = async (group: number): Promise<void> => {
    seen = 0
    await store.scanPrefix(records.prefix(group * PREFIX_RECORDS), visit)
  }
  const next = (): Promise<void> => scanGroup(random.below(groups))
  const accept = (): void => {
    if (seen !== expected) throw new Error(`a scan of a prefix saw ${seen} entries, not ${expected}`)
  }
  // As with point reads, everything is in the cache of whoever has one.
  for (let group = 0; group < groups; group++) {
    await scanGroup(group)
    accept()
    if (group % GROUPS_PER_TURN === 0) await nextTurn()
  }
  await timeAwaited({ operations: Infinity, milliseconds: limits.warmUpMs, sampled: 1 }, next, accept)
  const metrics = await observed(() => timeAwaited({ operations: Infinity, milliseconds: limits.measureMs, sampled: 1 }, next, accept))
  await check(run, store, (draw) => draw.below(records.count))
  await store.close()
  return metrics
}

function scanning(about: string, scan: Scan, isReverse = false): Workload {
  return {
    metric: 'entriesPerSecond',
    unit: 'entries/s',
    isHigherBetter: true,
    group: 'scanning',
    about,
    store: 'prepared',
    durability: 'os',
    ...(isReverse ? { needs: 'order' as const } : {}),
    run: (run) => scanAll(run, scan, isReverse),
  }
}

export const scans: readonly (readonly [string, Workload])[] = [
  ['scan', scanning("every entry in order, the engine's fastest way", (store, visit) => store.scan(visit, false))],
  ['scanreverse', scanning('the same backward', (store, visit) => store.scan(visit, true), true)],
  ['iterate', scanning('every entry in order with `for await`', (store, visit) => store.iterate(visit))],
  [
    'scanprefix',
    {
      ...RATE,
      unit: 'scans/s',
      group: 'scanning',
      about: `the ${PREFIX_RECORDS} entries of a random prefix, everything in the cache`,
      store: 'prepared',
      durability: 'os',
      needs: 'order',
      run: scanPrefix,
    },
  ],
]
