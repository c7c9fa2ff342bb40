/** Point reads of a prepared, compacted store. */
import { Random } from '../../src/util/random.js'
import type { Found, OpenEngine } from '../engines/engine.js'
import { type Accept, type Limit, type Metrics, type Operation, timeAwaited, timeInFlight, timeSync } from '../measure.js'
import { VALUE_BYTES } from '../records.js'
import { CACHE_EVERYTHING_BYTES, check, observed, openStore, RATE, type Run, type Workload } from './workload.js'

/** Touching every so many-th key touches every block. */
const BLOCK_STRIDE = 32
/** Keys of a `getMany`. */
const MANY = 100
const IN_FLIGHT = 64

type Timed = (limit: Limit, operation: Operation<Found>, accept: Accept<Found>) => Promise<Metrics>

interface Read {
  readonly time: Timed
  readonly isSync?: boolean
  readonly isAbsent?: boolean
  /** The cache as a share of the data; absent means that everything fits. */
  readonly cacheShare?: number
}

/** Reads every block once and checks what is found. */
export async function touchEverything(run: Run, store: OpenEngine): Promise<void> {
  const { records } = run
  for (let number = 0; number < records.count; number += BLOCK_STRIDE) {
    if (!records.isValue(await store.get(records.key(number)), number)) throw new Error(`record ${number} of ${records.count} is wrong`)
  }
}

const acceptPresent: Accept<Found> = (found) => {
  if (found?.length !== VALUE_BYTES) throw new Error(`a stored record reads as ${found === undefined ? 'absent' : `${found.length} bytes`}`)
}

const acceptAbsent: Accept<Found> = (found) => {
  if (found !== undefined) throw new Error('a key that was never written has a value')
}

async function read(run: Run, { time, isSync = false, isAbsent = false, cacheShare }: Read): Promise<Metrics> {
  const { records, limits } = run
  const cacheBytes = cacheShare === undefined ? CACHE_EVERYTHING_BYTES : Math.ceil(records.rawBytes * cacheShare)
  const store = await openStore(run, true, { cacheBytes })
  await touchEverything(run, store)
  const random = new Random(run.seed + 1)
  const keyAt = isAbsent
    ? (): string => records.absentKey(random.below(records.count))
    : (): string => records.key(random.below(records.count))
  const next = isSync ? (): Found => store.getSync(keyAt()) : (): Found | Promise<Found> => store.get(keyAt())
  const accept = isAbsent ? acceptAbsent : acceptPresent
  await time({ operations: Infinity, milliseconds: limits.warmUpMs }, next, accept)
  const metrics = await observed(() => time({ operations: Infinity, milliseconds: limits.measureMs }, next, accept))
  await check(run, store, (draw) => draw.below(records.count))
  await store.close()
  return metrics
}

async function getMany(run: Run): Promise<Metrics> {
  const { records, limits } = run
  const store = await openStore(run, true)
  await touchEverything(run, store)
  const random = new Random(run.seed + 1)
  const next = (): Found[] | Promise<Found[]> => store.getMany(Array.from({ length: MANY }, () => records.key(random.below(records.count))))
  const accept: Accept<Found[]> = (found) => {
    if (found.length !== MANY) throw new Error(`getMany of ${MANY} keys gave ${found.length} values`)
    for (const value of found) acceptPresent(value)
  }
  await timeAwaited({ operations: Infinity, milliseconds: limits.warmUpMs, sampled: 1 }, next, accept)
  const metrics = await observed(() => timeAwaited({ operations: Infinity, milliseconds: limits.measureMs, sampled: 1 }, next, accept))
  const numbers = Array.from({ length: MANY }, () => random.below(records.count))
  for (const [i, value] of (await store.getMany(numbers.map((number) => records.key(number)))).entries()) {
    if (!records.isValue(value, numbers[i]!)) throw new Error(`getMany gives a wrong value for record ${numbers[i]!}`)
  }
  await store.close()
  return { ...metrics, operations: metrics['operations']! * MANY, opsPerSecond: metrics['opsPerSecond']! * MANY }
}

function reading(about: string, how: Read): Workload {
  const needs = how.isSync === true ? { needs: 'getSync' as const } : {}
  return { ...RATE, group: 'reading', about, store: 'prepared', durability: 'os', ...needs, run: (run) => read(run, how) }
}

const inFlight: Timed = (limit, operation, accept) => timeInFlight(IN_FLIGHT, limit, operation, accept)

export const reads: readonly (readonly [string, Workload])[] = [
  ['get', reading('awaited random reads, everything cached', { time: timeAwaited })],
  ['getsync', reading('synchronous random reads, everything cached', { time: timeSync, isSync: true })],
  ['get64', reading('random reads, 64 in flight, everything cached', { time: inFlight })],
  ['getsmall', reading('awaited random reads with a cache of a tenth of the data', { time: timeAwaited, cacheShare: 0.1 })],
  ['getmissing', reading('awaited reads of absent keys that lie between the stored ones', { time: timeAwaited, isAbsent: true })],
  ['getmissingsync', reading('the same, synchronously', { time: timeSync, isSync: true, isAbsent: true })],
  [
    'getmany',
    {
      ...RATE,
      unit: 'keys/s',
      group: 'reading',
      about: `random keys, ${MANY} a call, everything cached; latency is of a call`,
      store: 'prepared',
      durability: 'os',
      run: getMany,
    },
  ],
]
