/** The tables of a report: rates, latencies, delays of the event loop, memory, disk, growth, components. */
import { PUBLISHED_COSTS } from '../references.js'
import type { MicroResult, RunResult } from '../results.js'
import { format, spread } from '../statistics.js'
import { GROWING, workloadOf, workloads } from '../workloads/all.js'
import { GROUPS } from '../workloads/workload.js'
import { table, times, titleOf } from './markdown.js'
import { Measurements } from './measurements.js'

/** What a cell holds that was not measured. */
const NOTHING = ''

function head(first: string, { engines }: Measurements): string[] {
  return [first, ...engines.map(titleOf)]
}

function withSpread(numbers: readonly number[], middle: number | undefined): string {
  if (middle === undefined) return NOTHING
  return numbers.length === 1 ? format(middle) : `${format(middle)} ±${Math.round(spread(numbers) * 50)}%`
}

/** Workloads with one number of records, in order. */
function plain(measured: Measurements): string[] {
  return measured.workloads.filter((name) => !GROWING.includes(name))
}

/** How many times better varve is than another number. */
export function advantage(own: number, other: number, isHigherBetter: boolean): number {
  return isHigherBetter ? own / other : other / own
}

/** The first metric of every workload: a row a workload, a column an engine, and how varve compares with the best peer. */
export function throughputTable(results: readonly RunResult[]): string {
  const measured = new Measurements(results)
  const rows = [[...head('workload', measured), 'varve to best peer']]
  for (const name of plain(measured)) {
    const { metric, unit, isHigherBetter } = workloadOf(name)
    const cells = measured.engines.map((engine) => withSpread(measured.all(name, engine, metric), measured.median(name, engine, metric)))
    const own = measured.median(name, 'varve', metric)
    const best = measured.best(name, metric, isHigherBetter)
    rows.push([
      `${name} (${unit})`,
      ...cells,
      own === undefined || best === undefined ? NOTHING : times(advantage(own, best.value, isHigherBetter)),
    ])
  }
  return table(rows)
}

/** Several metrics in a cell: a row a workload, a column an engine. Rows and columns without any are left out. */
function cellTable(
  measured: Measurements,
  names: readonly string[],
  metrics: readonly (readonly [metric: string, scale: number])[],
): string | undefined {
  const rows: string[][] = []
  for (const name of names) {
    const cells = measured.engines.map((engine) => {
      const numbers = metrics.map(([metric, scale]) => {
        const number = measured.median(name, engine, metric)
        return number === undefined ? undefined : number * scale
      })
      return numbers.includes(undefined) ? NOTHING : numbers.map((number) => format(number!)).join(' / ')
    })
    if (cells.some((cell) => cell !== NOTHING)) rows.push([name, ...cells])
  }
  if (rows.length === 0) return undefined
  const columns = rows[0]!.map((_, column) => column === 0 || rows.some((row) => row[column] !== NOTHING))
  const kept = (row: readonly string[]): string[] => row.filter((_, column) => columns[column]!)
  return table([head('workload', measured), ...rows].map(kept))
}

/** One table of the report below its title and what must be known to read it. */
function section(title: string, about: string, content: string | undefined): string {
  return content === undefined ? '' : `\n## ${title}\n\n${about}\n\n${content}\n`
}

/** Latency, delay of the event loop, memory, bytes written and on disk. */
export function detailSections(measured: Measurements): string {
  const all = plain(measured)
  const writing = all.filter((name) => workloadOf(name).isWriteLoad === true)
  return [
    section(
      'Latency',
      `Microseconds: p50 / p99 / p99.9 / max. One operation in sixteen is timed; the greatest is over all.
Of batches and \`getmany\`: of a call.`,
      cellTable(measured, all, [
        ['p50Us', 1],
        ['p99Us', 1],
        ['p999Us', 1],
        ['maxUs', 1],
      ]),
    ),
    section(
      'Delay of the event loop',
      `Milliseconds: p99 / max: how late timers run meanwhile, which is what other requests of a server would feel. The workload itself lets
the loop turn every quarter of a millisecond. How it is measured is told in [bench/loop_delay.ts](bench/loop_delay.ts).`,
      cellTable(measured, all, [
        ['loopDelayP99Ms', 1],
        ['loopDelayMaxMs', 1],
      ]),
    ),
    section(
      'Processor time',
      'Microseconds of all threads per operation (of batches: per record; of scans: per entry).',
      cellTable(measured, all, [['cpuUsPerOp', 1]]),
    ),
    section(
      'Peak memory',
      'MB of resident memory of the whole process, up to the end of the measurement; Node itself takes some 45 of it.',
      cellTable(measured, all, [['peakMemoryBytes', 1e-6]]),
    ),
    section(
      'Disk',
      `MB on disk after closing; \`prepare\` and \`prepare_zstd\` have compacted before.`,
      cellTable(measured, all, [['diskBytes', 1e-6]]),
    ),
    section(
      'Write and space amplification',
      `Bytes handed to the system for writing per byte of keys and values, from before the first write until after closing;
and bytes on disk then per byte of keys and values that can be read. An engine that writes to a mapped file hides some of the first.`,
      cellTable(
        measured,
        ['prepare', 'prepare_zstd', ...writing],
        [
          ['writeAmplification', 1],
          ['spaceAmplification', 1],
        ],
      ),
    ),
    section(
      'Reads beside writes',
      'Puts a second that went on beside the reads of `readwhilewriting`; 10,000 were asked for.',
      cellTable(measured, ['readwhilewriting'], [['writesPerSecond', 1]]),
    ),
    section(
      'Deleting',
      'Deletions a second in `scandeleted`, before the scan.',
      cellTable(measured, ['scandeleted'], [['deletesPerSecond', 1]]),
    ),
  ].join('')
}

/** How cost grows with the number of records. */
export function growthSection(measured: Measurements, charts: string): string {
  const grown = (title: string, workload: string, metric: string): string | undefined => {
    const sizes = measured.sizes(workload)
    if (sizes.length === 0) return undefined
    const rows = sizes.map((records) => [
      records.toLocaleString('en'),
      ...measured.engines.map((engine) => {
        const number = measured.median(workload, engine, metric, records)
        return number === undefined ? NOTHING : format(number)
      }),
    ])
    return `${title}\n\n${table([head('records', measured), ...rows])}`
  }
  const parts = [
    grown('Nanoseconds per awaited get, everything cached:', 'growth', 'getNs'),
    grown('Nanoseconds per awaited put over random records:', 'growth', 'putNs'),
    grown('Puts a second of a fill in random order, one awaited put at a time:', 'sustained', 'opsPerSecond'),
  ].filter((part) => part !== undefined)
  return parts.length === 0 ? '' : `\n## How cost grows\n\n${charts}${charts === '' ? '' : '\n'}${parts.join('\n\n')}\n`
}

/** What each workload does. */
export function workloadTable(): string {
  const rows = [['workload', 'what it does']]
  for (const group of GROUPS)
    for (const [name, workload] of workloads) if (workload.group === group) rows.push([`\`${name}\``, workload.about])
  return table(rows)
}

/** Components beside what the Go original publishes of the same. */
export function microTable(micro: readonly MicroResult[]): string {
  const rows = [['component', 'operation', 'ns', 'ns, median', 'the Go original']]
  for (const { component, name, ns, medianNs } of micro) {
    const published = PUBLISHED_COSTS.find((each) => each.component === component && each.name === name)?.publishedNs
    const numbers = [ns, medianNs, published].map((number) => (number === undefined ? NOTHING : format(number)))
    rows.push([component, name, ...numbers])
  }
  return table(rows)
}
