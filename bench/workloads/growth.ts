/**
 * How cost grows with the number of records: what a get and a put take with ten thousand records, a hundred thousand, and so on. The runner
 * starts these once for each number.
 */
import { Random } from '../../src/util/random.js'
import { type Metrics, timeAwaited } from '../measure.js'
import { KEY_BYTES, Order, VALUE_BYTES } from '../records.js'
import { fillInBatches } from './fills.js'
import { CACHE_EVERYTHING_BYTES, check, observed, openStore, RATE, type Run, Versions, type Workload } from './workload.js'

const FILL_BATCH = 500
/** Cache per byte of keys and values, with room for indexes and filters. */
const CACHE_SHARE = 2

/** Fills, then puts over random records and reads random ones, each for as long as a measurement takes. */
async function growth(run: Run): Promise<Metrics> {
  const { records, limits } = run
  const cacheBytes = Math.max(CACHE_EVERYTHING_BYTES, records.rawBytes * CACHE_SHARE)
  const store = await openStore(run, false, { cacheBytes })
  const start = performance.now()
  await fillInBatches(run, store, FILL_BATCH)
  const fillMs = performance.now() - start
  const random = new Random(run.seed + 1)
  const versions = new Versions(records.count)
  const put = (): unknown => {
    const number = random.below(records.count)
    return store.put(records.key(number), records.value(number, versions.next(number)))
  }
  const puts = await timeAwaited({ operations: Infinity, milliseconds: limits.measureMs }, put)
  await check(run, store, (draw) => draw.below(records.count), versions)
  await store.compact()
  for (let number = 0; number < records.count; number += 32) await store.get(records.key(number))
  const get = (): unknown => store.get(records.key(random.below(records.count)))
  await timeAwaited({ operations: Infinity, milliseconds: limits.warmUpMs }, get)
  const gets = await observed(() => timeAwaited({ operations: Infinity, milliseconds: limits.measureMs }, get))
  await check(run, store, (draw) => draw.below(records.count), versions)
  await store.close()
  return { ...gets, getNs: gets['meanUs']! * 1000, putNs: puts['meanUs']! * 1000, fillOpsPerSecond: (records.count / fillMs) * 1000 }
}

/** Fills in random order, one awaited put at a time, until everything is written or the time for long fills is over. */
async function sustained(run: Run): Promise<Metrics> {
  const { records } = run
  const order = new Order(records.count, run.seed)
  const store = await openStore(run, false)
  const metrics = await observed(() =>
    timeAwaited({ operations: records.count, milliseconds: run.limits.fillMs * 10 }, (i) => {
      const number = order.at(i)
      return store.put(records.key(number), records.value(number))
    }),
  )
  const written = metrics['operations']!
  await check(run, store, (draw) => order.at(draw.below(written)))
  const start = performance.now()
  await store.close()
  return { ...metrics, closeMs: performance.now() - start, userBytes: written * (KEY_BYTES + VALUE_BYTES) }
}

const GROWTH = { group: 'growth', store: 'fresh', durability: 'os' } as const

export const growths: readonly (readonly [string, Workload])[] = [
  [
    'growth',
    {
      ...GROWTH,
      metric: 'getNs',
      unit: 'ns/get',
      isHigherBetter: false,
      about: 'fills with so many records, then awaited puts over random ones; then, compacted and cached, awaited random reads',
      run: growth,
    },
  ],
  [
    'sustained',
    {
      ...RATE,
      ...GROWTH,
      isWriteLoad: true,
      about: 'fillrandom with so many records, for up to ten times as long as other fills',
      run: sustained,
    },
  ],
]
