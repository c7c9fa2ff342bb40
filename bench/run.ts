/**
 * Runs workloads on engines side by side.
 *
 * ```
 * npm run bench                                       the short form: 200,000 records, three rounds
 * npm run bench -- --records 1000000 --rounds 5       more of it
 * npm run bench -- --workload getsync --engine varve  one cell; both may be given several times
 * npm run bench -- --workload load --records 10000000 memory and disk of ten million records
 * npm run bench -- --report BENCHMARKS.md             the page of that name
 * npm run bench:smoke                                 does everything run at all
 * ```
 *
 * Every run is a process of its own, and engines take turns (A B C A B C), so that a machine which slows down for a while slows all of
 * them. Reads use a store that a first process filled and compacted. Tables show medians, and half the spread where there is more than one
 * round.
 */
import { execFile, execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import type { ChildResult, ChildTask } from './child.js'
import { ENGINE_NAMES, findEngines, repositoryRoot } from './engines/engine.js'
import { detailTable, mainTable, page, record, type RunResult, thisMachine } from './results.js'
import { type Limits, workloads } from './workloads.js'

const execute = promisify(execFile)
const CHILD = fileURLToPath(new URL('./child.js', import.meta.url))
/** The short form. */
const SHORT = ['fillrandom', 'fillbatch', 'get', 'getsync', 'getmissing', 'scan', 'open']
/** Enough to see that every engine works. */
const SMOKE = ['fillrandom', 'get', 'getsync', 'scan', 'open']

interface Settings {
  readonly workloads: readonly string[]
  readonly engines: readonly string[]
  readonly rounds: number
  readonly records: number
  readonly seed: number
  readonly limits: Limits
  readonly output: string
  /** A Markdown page to write, `BENCHMARKS.md` for example. */
  readonly report: string | undefined
}

const USAGE = `usage: npm run bench -- [--workload NAME]... [--engine NAME]... [--rounds N] [--records N] [--seconds S] [--seed N]
                        [--output FILE] [--report FILE]
workloads: ${[...workloads.keys()].join(', ')}
engines:   ${ENGINE_NAMES.join(', ')}`

function readSettings(): Settings {
  const { values } = parseArgs({
    options: {
      workload: { type: 'string', multiple: true },
      engine: { type: 'string', multiple: true },
      rounds: { type: 'string' },
      records: { type: 'string' },
      seconds: { type: 'string' },
      seed: { type: 'string' },
      output: { type: 'string' },
      report: { type: 'string' },
      smoke: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(USAGE)
    process.exit(0)
  }
  const seconds = positive('seconds', values.seconds, values.smoke ? 0.2 : 2)
  return {
    workloads: known('workload', values.workload ?? (values.smoke ? SMOKE : SHORT), [...workloads.keys()]),
    engines: known('engine', values.engine ?? ENGINE_NAMES, ENGINE_NAMES),
    rounds: positive('rounds', values.rounds, values.smoke ? 1 : 3),
    records: positive('records', values.records, values.smoke ? 20_000 : 200_000),
    seed: positive('seed', values.seed, 1),
    limits: { warmUpMs: seconds * 500, measureMs: seconds * 1000, fillMs: 15_000 },
    output: values.output ?? join(repositoryRoot, 'bench/results', `${new Date().toISOString().replaceAll(':', '-')}.jsonl`),
    report: values.report,
  }
}

function positive(name: string, text: string | undefined, fallback: number): number {
  const number = text === undefined ? fallback : Number(text)
  if (!(number > 0)) throw new Error(`--${name} is a number above 0, not '${text}'\n${USAGE}`)
  return number
}

function known(what: string, given: readonly string[], all: readonly string[]): readonly string[] {
  for (const name of given) if (!all.includes(name)) throw new Error(`unknown ${what} '${name}'\n${USAGE}`)
  return given
}

async function runChild(task: ChildTask): Promise<ChildResult> {
  mkdirSync(task.dir, { recursive: true })
  // What an earlier run left to be written is not this run's burden.
  execFileSync('sync')
  const { stdout } = await execute(process.execPath, [CHILD, JSON.stringify(task)], { maxBuffer: 1 << 20 })
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as ChildResult
}

/** Runs everything and returns the results; a run that fails is told and counted. */
async function runAll(settings: Settings, engines: readonly string[], folder: string): Promise<{ results: RunResult[]; failures: number }> {
  const results: RunResult[] = []
  let failures = 0
  const machine = thisMachine()
  const once = async (workload: string, engine: string, round: number): Promise<void> => {
    const { readsPrepared } = workloads.get(workload)!
    const isPrepare = workload === 'prepare'
    const dir = join(folder, engine, readsPrepared || isPrepare ? 'prepared' : `${workload}-${round}`)
    const { records, seed, limits } = settings
    try {
      const result = await runChild({ engine, workload, records, seed, dir, limits })
      const line = { time: new Date().toISOString(), workload, engine, round, records, seed, node: process.version, machine, ...result }
      results.push(line)
      record(settings.output, line)
    } catch (error) {
      failures++
      console.error(`FAILED: ${workload} on ${engine}: ${error instanceof Error ? error.message : String(error)}`)
    }
    if (!readsPrepared && !isPrepare) rmSync(dir, { recursive: true, force: true })
  }
  if (settings.workloads.some((name) => workloads.get(name)!.readsPrepared)) {
    for (const engine of engines) await once('prepare', engine, 0)
  }
  for (let round = 0; round < settings.rounds; round++) {
    for (const workload of settings.workloads.filter((name) => name !== 'prepare')) {
      // A map has nothing to open.
      for (const engine of engines) if (workload !== 'open' || engine !== 'map') await once(workload, engine, round)
    }
  }
  return { results, failures }
}

async function main(): Promise<void> {
  const settings = readSettings()
  const { available, missing } = findEngines(settings.engines)
  for (const [name, reason] of missing) console.log(`SKIPPED: ${name} is not installed (npm run bench:peers): ${reason}`)
  const folder = mkdtempSync(join(tmpdir(), 'varve-bench-'))
  const start = performance.now()
  try {
    const { results, failures } = await runAll(settings, available, folder)
    const { cpu, cores, memoryBytes, system } = thisMachine()
    console.log(`\n${cpu}, ${cores} cores, ${Math.round(memoryBytes / 2 ** 30)} GiB, ${system}, Node ${process.version}`)
    console.log(`${settings.records.toLocaleString('en')} records, ${settings.rounds} rounds`)
    console.log('Acknowledged writes survive the death of the process, not that of the machine.\n')
    console.log(mainTable(results, available))
    console.log(`\n${detailTable(results, available)}`)
    console.log(
      `\n${results.length} runs in ${Math.round((performance.now() - start) / 1000)} s, ${failures} failed; lines in ${settings.output}`,
    )
    if (settings.report !== undefined && results.length > 0) {
      const command = `npm run bench -- ${process.argv.slice(2).join(' ')}`
      writeFileSync(settings.report, page(results, available, command))
    }
    process.exitCode = failures === 0 ? 0 : 1
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

await main()
