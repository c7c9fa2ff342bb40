/** Values of a mebibyte, half of each compressible: written one at a time, and read back at random. */
import { Random } from '../../src/util/random.js'
import type { OpenEngine } from '../engines/engine.js'
import { type Metrics, timeAwaited } from '../measure.js'
import { writtenBytes } from '../process_facts.js'
import type { Records } from '../records.js'
import { closeAndWeigh, observed, openStore, type Run, type Workload } from './workload.js'

const LARGE_BYTES = 1024 * 1024
/** Values of a run with a million records; with fewer there are fewer. */
const COUNT_MAX = 200
const COUNT_MIN = 10
/** Different values: making one takes longer than writing it. */
const DIFFERENT = 10

/** How many values there are, and what they are. */
class LargeValues {
  readonly count: number
  readonly #values: readonly Buffer[]

  constructor(records: Records) {
    this.count = Math.max(COUNT_MIN, Math.min(COUNT_MAX, Math.floor(records.count / 5000)))
    this.#values = Array.from({ length: DIFFERENT }, (_, i) => records.largeValue(i, LARGE_BYTES))
  }

  of(number: number): Buffer {
    return this.#values[number % DIFFERENT]!
  }
}

function megabytesPerSecond(metrics: Metrics): Metrics {
  return { ...metrics, megabytesPerSecond: (metrics['opsPerSecond']! * LARGE_BYTES) / 1e6 }
}

async function checkAll(run: Run, store: OpenEngine, values: LargeValues): Promise<void> {
  for (let number = 0; number < values.count; number++) {
    const found = await store.get(run.records.key(number))
    if (found === undefined || Buffer.compare(found, values.of(number)) !== 0) throw new Error(`large value ${number} reads wrong`)
  }
}

async function putLarge(run: Run): Promise<Metrics> {
  const values = new LargeValues(run.records)
  const store = await openStore(run, false)
  const startBytes = writtenBytes()
  const metrics = await observed(() =>
    timeAwaited({ operations: values.count, milliseconds: run.limits.fillMs, sampled: 1 }, (i) =>
      store.put(run.records.key(i), values.of(i)),
    ),
  )
  const written = metrics['operations']!
  if (written === values.count) await checkAll(run, store, values)
  const bytes = written * LARGE_BYTES
  return { ...megabytesPerSecond(metrics), ...(await closeAndWeigh(run, store, startBytes, bytes, bytes)) }
}

async function getLarge(run: Run): Promise<Metrics> {
  const values = new LargeValues(run.records)
  const store = await openStore(run, false)
  for (let number = 0; number < values.count; number++) await store.put(run.records.key(number), values.of(number))
  await store.compact()
  await checkAll(run, store, values)
  const random = new Random(run.seed + 1)
  const next = (): unknown => store.get(run.records.key(random.below(values.count)))
  await timeAwaited({ operations: Infinity, milliseconds: run.limits.warmUpMs, sampled: 1 }, next)
  const metrics = await observed(() => timeAwaited({ operations: Infinity, milliseconds: run.limits.measureMs, sampled: 1 }, next))
  await store.close()
  return megabytesPerSecond(metrics)
}

const LARGE = {
  metric: 'megabytesPerSecond',
  unit: 'MB/s',
  isHigherBetter: true,
  group: 'large values',
  store: 'fresh',
  durability: 'os',
} as const

export const large: readonly (readonly [string, Workload])[] = [
  ['put1m', { ...LARGE, about: `${COUNT_MAX} values of 1 MiB, one awaited put at a time`, isWriteLoad: true, run: putLarge }],
  ['get1m', { ...LARGE, about: 'awaited random reads of those values', run: getLarge }],
]
