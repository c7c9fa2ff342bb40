/**
 * The hot functions of `src/version/`, in nanoseconds per call: `npm run build:tools && node build/bench/micro/version.js`.
 */
import type { TableMeta } from '../../src/sstable/table_meta.js'
import { Random } from '../../src/util/random.js'
import { tableHolds, Version } from '../../src/version/version.js'
import { median } from '../statistics.js'
import { publish } from './figures.js'

const CALLS = 2_000_000

function key(n: number): Buffer {
  return Buffer.from(`user:${String(n).padStart(11, '0')}`)
}

function table(fileNumber: number, low: number, high: number): TableMeta {
  return {
    fileNumber,
    fileBytes: 1,
    tailOffset: 0,
    entryCount: 1,
    deletionCount: 0,
    keyCount: 1,
    rawKeyBytes: 16,
    rawValueBytes: 100,
    smallestKey: key(low),
    largestKey: key(high),
    smallestSequence: fileNumber,
    largestSequence: fileNumber,
  }
}

for (const count of [10, 100, 1000, 10_000]) {
  const tables = Array.from({ length: count }, (_, i) => table(i + 1, i * 1000, i * 1000 + 900))
  const begin = performance.now()
  const version = Version.of([[], tables])
  const buildMs = performance.now() - begin
  const random = new Random(1)
  const keys = Array.from({ length: 4096 }, () => key(random.below(count * 1000)))
  const rates: number[] = []
  let found = 0
  for (let round = 0; round < 5; round++) {
    const start = performance.now()
    for (let i = 0; i < CALLS / 5; i++) if (version.findTable(1, keys[i & 4095]!, 0, 16) >= 0) found++
    rates.push(((performance.now() - start) * 1e6) / (CALLS / 5))
  }
  if (found === 0) throw new Error('no key lies in any table')
  publish('version', `findTable among ${count}`, Math.min(...rates), median(rates))
  publish('version', `building of ${count} tables, per table`, (buildMs * 1e6) / count)
}

const single = table(1, 0, 1000)
const start = performance.now()
let held = 0
const probe = key(500)
for (let i = 0; i < CALLS; i++) if (tableHolds(single, probe, 0, 16)) held++
if (held !== CALLS) throw new Error('a key does not lie in its table')
publish('version', 'tableHolds', ((performance.now() - start) * 1e6) / CALLS)
