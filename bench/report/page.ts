/** The pages that a report writes: `BENCHMARKS.md`, and the table between two marks of the README. */
import type { MicroResult } from '../results.js'
import { GO_ORIGINAL, PUBLISHED_MACHINE } from '../references.js'
import { KEY_BYTES, VALUE_BYTES } from '../records.js'
import { format } from '../statistics.js'
import { workloadOf } from '../workloads/all.js'
import type { Chart } from './charts.js'
import { judgeAll, targetTable } from './evaluate.js'
import { table, titleOf } from './markdown.js'
import type { Measurements } from './measurements.js'
import { detailSections, growthSection, microTable, throughputTable, workloadTable } from './tables.js'

/** Where the charts are, from the top of the repository. */
export const CHART_FOLDER = 'docs/benchmarks'

/** Rows of the README. */
const README_ROWS: readonly (readonly [workload: string, words: string])[] = [
  ['fillrandom', 'awaited puts in random order, a second'],
  ['durable64', 'puts that wait for the disk, 64 in flight, a second'],
  ['get', 'awaited gets, everything cached, a second'],
  ['getsync', 'synchronous gets, everything cached, a second'],
  ['getmissing', 'awaited gets of absent keys, a second'],
  ['scan', 'entries of a full scan, a second'],
  ['mixed', '80% gets and 20% puts, awaited, a second'],
  ['open', 'opening in a new process and reading one record, ms'],
]

/** What a report is made of. */
export interface ReportInput {
  readonly measured: Measurements
  readonly micro: readonly MicroResult[]
  readonly charts: readonly Chart[]
}

/** How many rounds there were: not every workload need have been run as often. */
function roundsOf(results: Measurements['results']): string {
  const last = new Map<string, number>()
  for (const { workload, round } of results) last.set(workload, Math.max(last.get(workload) ?? 0, round))
  const fewest = Math.min(...last.values()) + 1
  const most = Math.max(...last.values()) + 1
  return fewest === most ? `${most}` : `${fewest} to ${most}`
}

function facts({ results, records }: Measurements): string {
  const { machine, form } = results[0]!
  const limits = results[0]!.limits
  const days = results.map(({ time }) => time.slice(0, 10)).toSorted()
  const rounds = roundsOf(results)
  const command = form === 'full' ? 'npm run bench -- --full' : 'npm run bench'
  const span = days[0] === days.at(-1) ? days[0] : `${days[0]} to ${days.at(-1)}`
  return `Written by \`npm run bench:report\` from the runs of \`${command}\` on ${span}; no number here is typed by hand. Run it on your
machine: ratios carry over, times do not.

- ${machine.cpu}, ${machine.cores} cores, ${Math.round(machine.memoryBytes / 2 ** 30)} GiB, ${machine.system}, Node ${machine.node}
- ${records.toLocaleString('en')} records: keys of ${KEY_BYTES} bytes, values of ${VALUE_BYTES} bytes that compress to about half
- every run is a process of its own, and engines take turns (A B C A B C) for ${rounds} rounds; cells are medians, with half of the spread
- reads last ${limits.measureMs / 1000} s after ${limits.warmUpMs / 1000} s of warm-up that has touched every block; fills start
  cold and stop after ${limits.fillMs / 1000} s, and their rate is that of what was written by then; \`durable\` lasts as long as reads
- 256 MiB of cache for every engine that has one, a tenth of the data in \`getsmall\`
- a run reads back what it should find, and fails when a value is wrong; garbage is collected as V8 sees fit`
}

function engineTable({ engines, results }: Measurements): string {
  const setting = (engine: string, durability: string): string =>
    results.find((result) => result.engine === engine && result.durability === durability)?.durabilitySetting ?? ''
  const rows = engines.map((engine) => {
    const run = results.find((result) => result.engine === engine)!
    return [titleOf(engine), run.engineVersion, run.engineSettings, setting(engine, 'os'), setting(engine, 'always')]
  })
  return table([['engine', 'version', 'settings', 'survives the process', 'survives a power loss (`durable`)'], ...rows])
}

function goTable({ measured }: ReportInput): string {
  const rows = Object.entries(GO_ORIGINAL.rates).flatMap(([name, rate]) => {
    const { metric, unit } = workloadOf(name)
    const own = measured.median(name, 'varve', metric)
    const buffered = measured.median(`${name}_none`, 'varve', metric)
    return own === undefined ? [] : [[`${name} (${unit})`, format(own), buffered === undefined ? '' : format(buffered), format(rate)]]
  })
  return table([['workload', 'varve', "varve, walSync: 'none'", 'the Go original'], ...rows])
}

function image(charts: readonly Chart[], file: string): string {
  const chart = charts.find((each) => each.file === file)
  return chart === undefined ? '' : `![${chart.title}](${CHART_FOLDER}/${chart.file})\n`
}

/** The text of `BENCHMARKS.md`. */
export function benchmarksPage(input: ReportInput): string {
  const { measured, micro, charts } = input
  const growthCharts = [image(charts, 'growth-get.svg'), image(charts, 'growth-put.svg')].filter((each) => each !== '').join('\n')
  const components =
    micro.length === 0
      ? ''
      : `\n## Components\n
Nanoseconds per operation of single parts, from \`npm run bench:micro\`: the fastest sample, and the median where there are many.
Beside them what the Go original publishes of the same parts, on an ${PUBLISHED_MACHINE}.\n
<details><summary>All of them</summary>\n
${microTable(micro)}\n
</details>\n`
  return `# Benchmarks

${facts(measured)}

${image(charts, 'ratios.svg')}
The dark tick is the target where the target is against the best peer.

## Targets

${targetTable(judgeAll(measured))}

## Throughput

${throughputTable(measured.results)}

\`Map\` is a JavaScript \`Map\`, unordered and gone at exit: it shows what the workloads themselves cost. It is no peer. What is
empty, an engine cannot do, or not with the durability asked for.

${workloadTable()}

## Engines

${engineTable(measured)}
${detailSections(measured)}${growthSection(measured, growthCharts)}
## The Go original

${GO_ORIGINAL.name}, measured apart on ${GO_ORIGINAL.machine}, ${GO_ORIGINAL.about}.

${goTable(input)}
${components}`
}

/** Marks between which the README has its table. */
const README_START = '<!-- written by npm run bench:report -->'
const README_END = '<!-- end of what it writes -->'

/** The README with a new table, or as it is when it has no marks. */
export function withReadmeTable(readme: string, measured: Measurements): string {
  const start = readme.indexOf(README_START)
  const end = readme.indexOf(README_END)
  if (start < 0 || end < start) return readme
  const engines = measured.engines.filter((engine) => engine !== 'map')
  const rows = README_ROWS.flatMap(([name, words]) => {
    const { metric } = workloadOf(name)
    const numbers = engines.map((engine) => measured.median(name, engine, metric))
    return numbers[0] === undefined ? [] : [[words, ...numbers.map((number) => (number === undefined ? '' : format(number)))]]
  })
  const disk = engines.map((engine) => measured.median('prepare', engine, 'diskBytes'))
  if (disk[0] !== undefined)
    rows.push(['on disk by default, MB', ...disk.map((number) => (number === undefined ? '' : format(number / 1e6)))])
  const { machine, time } = measured.results[0]!
  const where = `on ${machine.cores} cores (${machine.cpu}), Node ${machine.node}, ${time.slice(0, 10)}`
  const what = `${measured.records.toLocaleString('en')} records of ${KEY_BYTES}-byte keys and ${VALUE_BYTES}-byte values`
  const about = `${what} ${where}; medians.`
  return `${readme.slice(0, start)}${README_START}\n${about}\n\n${table([['', ...engines.map(titleOf)], ...rows])}\n\n${readme.slice(end)}`
}
