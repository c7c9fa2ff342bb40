/** Opening a prepared store that was closed well, files in the page cache, and reading one record of it. */
import type { Metrics } from '../measure.js'
import { peakMemoryBytes } from '../process_facts.js'
import { openStore, type Run, type Workload } from './workload.js'

/** Times a process opens the store again. */
const REOPENINGS = 15

async function openOnce(run: Run, number: number): Promise<{ openMs: number; openAndReadMs: number }> {
  const key = run.records.key(number)
  const start = performance.now()
  const store = await openStore(run, true)
  const opened = performance.now()
  const found = await store.get(key)
  const end = performance.now()
  if (!run.records.isValue(found, number)) throw new Error(`record ${number} reads wrong after opening`)
  await store.close()
  return { openMs: opened - start, openAndReadMs: end - start }
}

async function openCold(run: Run): Promise<Metrics> {
  const times = await openOnce(run, run.records.count >>> 1)
  return { ...times, peakMemoryBytes: peakMemoryBytes() }
}

async function openWarm(run: Run): Promise<Metrics> {
  await openOnce(run, 0)
  const all = []
  for (let i = 1; i <= REOPENINGS; i++) all.push(await openOnce(run, Math.floor((run.records.count * i) / (REOPENINGS + 1))))
  const middle = (numbers: readonly number[]): number => numbers.toSorted((a, b) => a - b)[numbers.length >>> 1]!
  return {
    openMs: middle(all.map(({ openMs }) => openMs)),
    openAndReadMs: middle(all.map(({ openAndReadMs }) => openAndReadMs)),
    peakMemoryBytes: peakMemoryBytes(),
  }
}

const OPENING = {
  metric: 'openAndReadMs',
  unit: 'ms',
  isHigherBetter: false,
  group: 'opening',
  store: 'prepared',
  durability: 'os',
  needs: 'persistence',
} as const

export const opens: readonly (readonly [string, Workload])[] = [
  [
    'open',
    { ...OPENING, about: 'open and read one record, the first thing that a process does with the engine once it is loaded', run: openCold },
  ],
  ['openwarm', { ...OPENING, about: `the same in a process that has done it before; the median of ${REOPENINGS}`, run: openWarm }],
]
