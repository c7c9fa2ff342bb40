/**
 * Writes `BENCHMARKS.md`, its charts and the table of the README from what benchmarks have measured.
 *
 * ```
 * npm run bench:report                          from the last session in bench/results, and the last run of bench:micro there
 * npm run bench:report -- FILE...               from these: lines of several sessions of one machine count as one
 * npm run bench:report -- --output FOLDER       writes into another folder
 * ```
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { repositoryRoot } from '../engines/engine.js'
import { type MicroResult, readLines, type RunResult } from '../results.js'
import { drawCharts } from './charts.js'
import { judgeAll } from './evaluate.js'
import { Measurements } from './measurements.js'
import { benchmarksPage, CHART_FOLDER, withReadmeTable } from './page.js'

const RESULTS = join(repositoryRoot, 'bench/results')

/** The last session and the last run of components. */
function latest(): string[] {
  const files = existsSync(RESULTS)
    ? readdirSync(RESULTS)
        .filter((name) => name.endsWith('.jsonl'))
        .toSorted()
    : []
  const bench = files.filter((name) => /^(short|full)-/.test(name)).toSorted((a, b) => (timeIn(a) < timeIn(b) ? -1 : 1))
  const last = [bench.at(-1), files.findLast((name) => name.startsWith('micro-'))]
  return last.filter((name) => name !== undefined).map((name) => join(RESULTS, name))
}

/** The time in the name of a file, which orders sessions of different forms. */
function timeIn(name: string): string {
  return name.slice(name.indexOf('-'))
}

function main(): void {
  const { values, positionals } = parseArgs({ options: { output: { type: 'string' } }, allowPositionals: true })
  const lines = (positionals.length > 0 ? positionals : latest()).flatMap(readLines)
  const results = lines.filter((line): line is RunResult => 'workload' in (line as object))
  const micro = lines.filter((line): line is MicroResult => 'component' in (line as object))
  if (results.length === 0) throw new Error('no runs to report: npm run bench makes some')
  const machines = new Set(results.map(({ machine }) => JSON.stringify(machine)))
  if (machines.size > 1) throw new Error(`these runs are of ${machines.size} machines or versions of Node, which nothing can compare`)
  const folder = values.output ?? repositoryRoot
  const measured = new Measurements(results)
  const charts = drawCharts(measured)
  mkdirSync(join(folder, CHART_FOLDER), { recursive: true })
  for (const { file, svg } of charts) writeFileSync(join(folder, CHART_FOLDER, file), svg)
  writeFileSync(join(folder, 'BENCHMARKS.md'), benchmarksPage({ measured, micro, charts }))
  writeFileSync(join(folder, 'README.md'), withReadmeTable(readFileSync(join(repositoryRoot, 'README.md'), 'utf8'), measured))
  const verdicts = judgeAll(measured)
  const count = (isMet: boolean | undefined): number => verdicts.filter((each) => each.isMet === isMet).length
  console.log(`${results.length} runs; targets: ${count(true)} met, ${count(false)} missed, ${count(undefined)} not measured`)
  for (const { row, demand, measured: text, isMet } of verdicts) if (isMet === false) console.log(`missed: ${row}: ${text}, not ${demand}`)
}

main()
