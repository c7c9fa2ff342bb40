/**
 * What a session of benchmarks leaves behind: one JSON line a run, in `bench/results/`, with everything needed to judge it later; and the
 * tables made from those lines.
 */
import { appendFileSync, mkdirSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { dirname } from 'node:path'
import type { ChildResult } from './child.js'
import { KEY_BYTES, VALUE_BYTES } from './records.js'
import { workloads } from './workloads.js'

/** Where the numbers come from. */
export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryBytes: number
  readonly system: string
}

/** One run. */
export interface RunResult extends ChildResult {
  readonly time: string
  readonly workload: string
  readonly engine: string
  readonly round: number
  readonly records: number
  readonly seed: number
  readonly node: string
  readonly machine: Machine
}

/** This machine. */
export function thisMachine(): Machine {
  const all = cpus()
  return {
    cpu: all[0]?.model.trim() ?? 'unknown',
    cores: all.length,
    memoryBytes: totalmem(),
    system: `${process.platform} ${process.arch} ${release()}`,
  }
}

/** Appends a run to a file of JSON lines. */
export function record(path: string, result: RunResult): void {
  mkdirSync(dirname(path), { recursive: true })
  appendFileSync(path, `${JSON.stringify(result)}\n`)
}

/** The middle of the numbers. */
export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b)
  const middle = sorted.length >>> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** How far apart the numbers are, as a share of their middle. */
export function spread(numbers: readonly number[]): number {
  return (Math.max(...numbers) - Math.min(...numbers)) / median(numbers)
}

/** A number with as many digits as it deserves. */
export function format(number: number): string {
  if (number >= 100) return Math.round(number).toLocaleString('en')
  return number.toPrecision(3)
}

/** The medians of the workloads' first metric, a row a workload and a column an engine, as Markdown. */
export function mainTable(results: readonly RunResult[], engines: readonly string[]): string {
  const rows = [['workload', ...engines]]
  for (const [name, { metric, unit }] of workloads) {
    const ofWorkload = results.filter((result) => result.workload === name)
    if (ofWorkload.length === 0) continue
    rows.push([`${name} (${unit})`, ...engines.map((engine) => cell(ofWorkload, engine, metric))])
  }
  return markdown(rows)
}

/** Everything else that a run measures, as Markdown. */
export function detailTable(results: readonly RunResult[], engines: readonly string[]): string {
  const rows = [['workload', 'engine', 'p50 µs', 'p99 µs', 'loop delay p99 ms', 'loop delay max ms', 'peak memory MB', 'disk MB']]
  for (const name of workloads.keys()) {
    for (const engine of engines) {
      const runs = results.filter((result) => result.workload === name && result.engine === engine)
      if (runs.length === 0) continue
      const of = (metric: string, scale = 1): string => {
        const numbers = runs.map(({ metrics }) => metrics[metric]).filter((number) => number !== undefined)
        return numbers.length === 0 ? '' : format(median(numbers) / scale)
      }
      const delays = [of('loopDelayP99Ms'), of('loopDelayMaxMs')]
      rows.push([name, engine, of('p50Us'), of('p99Us'), ...delays, of('peakMemoryBytes', 1e6), of('diskBytes', 1e6)])
    }
  }
  return markdown(rows)
}

/** A page with both tables, from the lines of one session. */
export function page(results: readonly RunResult[], engines: readonly string[], command: string): string {
  const { machine, node, records, time } = results[0]!
  const durability = engines.map((engine) => {
    const run = results.find((result) => result.engine === engine)
    return `| ${engine} | ${run?.engineVersion ?? ''} | ${run?.durability ?? ''} |`
  })
  return `# Benchmarks

Made by \`${command}\` on ${time.slice(0, 10)}; no number here is typed by hand. Run it on your machine: ratios carry over, times do not.

- ${machine.cpu}, ${machine.cores} cores, ${Math.round(machine.memoryBytes / 2 ** 30)} GiB, ${machine.system}, Node ${node}
- ${records.toLocaleString('en')} records: keys of ${KEY_BYTES} bytes, values of ${VALUE_BYTES} bytes that compress to about half
- every run is a process of its own, engines take turns, and cells are medians with half of the spread where there are several rounds
- point reads with 256 MiB of cache, so that everything is in memory; the rest with the engine's defaults

${mainTable(results, engines)}

What each workload does is told at the top of [bench/workloads.ts](bench/workloads.ts). \`map\` is a JavaScript \`Map\`, unordered and
gone at exit: it shows what the workloads themselves cost.

| engine | version | an acknowledged write survives the process, not a power loss |
|---|---|---|
${durability.join('\n')}

## Details

Delay is how late timers run meanwhile: what other requests of a server would feel. Peak memory is that of the whole process; Node itself
takes some 45 MB of it. Disk is measured after the run, before any compaction by hand.

${detailTable(results, engines)}
`
}

function cell(results: readonly RunResult[], engine: string, metric: string): string {
  const numbers = results.filter((result) => result.engine === engine).map(({ metrics }) => metrics[metric]!)
  if (numbers.length === 0) return ''
  return numbers.length === 1 ? format(numbers[0]!) : `${format(median(numbers))} ±${Math.round(spread(numbers) * 50)}%`
}

function markdown(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  const isText = widths.map((_, column) => rows.slice(1).some((row) => /^[a-z]/i.test(row[column]!)))
  const pad = (text: string, column: number): string => (isText[column]! ? text.padEnd(widths[column]!) : text.padStart(widths[column]!))
  const line = (row: readonly string[]): string => `| ${row.map(pad).join(' | ')} |`
  const rule = `|${widths.map((width, column) => (isText[column]! ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`
  return [line(rows[0]!), rule, ...rows.slice(1).map(line)].join('\n')
}
