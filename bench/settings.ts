/** What the command line of the benchmarks asks for. */
import { join } from 'node:path'
import { tmpdir } from 'node:os'
import { parseArgs } from 'node:util'
import { ENGINES, repositoryRoot } from './engines/engine.js'
import { SHORT, workloads } from './workloads/all.js'
import type { Limits } from './workloads/workload.js'

/** How much is run: a first look, everything, or just enough to see that everything works. */
export type Form = 'short' | 'full' | 'smoke'

/** What to run, and how. */
export interface Settings {
  readonly form: Form
  readonly workloads: readonly string[]
  readonly engines: readonly string[]
  readonly rounds: number
  readonly records: number
  readonly seed: number
  readonly limits: Limits
  /** Numbers of records of the workloads that show growth. */
  readonly growth: readonly number[]
  /** Processes at a time; more than one only where nothing is measured. */
  readonly jobs: number
  /** Where stores are made. */
  readonly folder: string
  readonly output: string
}

interface FormDefaults {
  readonly workloads: readonly string[]
  readonly rounds: number
  readonly records: number
  readonly seconds: number
  readonly fillSeconds: number
  /** The greatest number of records of the workloads that show growth, in those of the others. */
  readonly growthFactor: number
  readonly jobs: number
}

const EVERYTHING = [...workloads.keys()].filter((name) => name !== 'load')
const GROWTH_MIN = 10_000

const FORMS: Readonly<Record<Form, FormDefaults>> = {
  short: { workloads: SHORT, rounds: 2, records: 200_000, seconds: 0.4, fillSeconds: 1.5, growthFactor: 1, jobs: 1 },
  full: { workloads: EVERYTHING, rounds: 3, records: 1_000_000, seconds: 3, fillSeconds: 15, growthFactor: 10, jobs: 1 },
  smoke: { workloads: [...workloads.keys()], rounds: 1, records: 2000, seconds: 0.02, fillSeconds: 5, growthFactor: 1, jobs: 2 },
}

/** What `--help` prints. */
export const USAGE = `usage: npm run bench -- [--full] [--workload NAME]... [--engine NAME]... [--rounds N] [--records N]
                        [--seconds S] [--fill-seconds S] [--seed N] [--dir FOLDER] [--output FILE]

  --full          every workload, a million records, ten million for growth, three rounds
  --smoke         every workload and engine with next to nothing: does everything run?
  --workload      may be given several times, as may --engine
  --records       records of a store
  --seconds       a measurement of reads; half as long before it to warm up
  --fill-seconds  the longest time that a fill may take
  --dir           where stores are made; default: the folder for temporary files

workloads: ${[...workloads.keys()].join(', ')}
engines:   ${[...ENGINES.keys()].join(', ')}`

/** Reads the command line; `undefined` when it asks for help. */
export function readSettings(args: readonly string[]): Settings | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      full: { type: 'boolean', default: false },
      smoke: { type: 'boolean', default: false },
      workload: { type: 'string', multiple: true },
      engine: { type: 'string', multiple: true },
      rounds: { type: 'string' },
      records: { type: 'string' },
      seconds: { type: 'string' },
      'fill-seconds': { type: 'string' },
      seed: { type: 'string' },
      dir: { type: 'string' },
      output: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return undefined
  let form: Form = 'short'
  if (values.full) form = 'full'
  if (values.smoke) form = 'smoke'
  const defaults = FORMS[form]
  const seconds = positive('seconds', values.seconds, defaults.seconds)
  const records = positive('records', values.records, defaults.records)
  return {
    form,
    workloads: known('workload', values.workload ?? defaults.workloads, [...workloads.keys()]),
    engines: known('engine', values.engine ?? [...ENGINES.keys()], [...ENGINES.keys()]),
    rounds: positive('rounds', values.rounds, defaults.rounds),
    records,
    seed: positive('seed', values.seed, 1),
    limits: {
      warmUpMs: seconds * 500,
      measureMs: seconds * 1000,
      fillMs: positive('fill-seconds', values['fill-seconds'], defaults.fillSeconds) * 1000,
    },
    growth: growthSizes(records, records * defaults.growthFactor),
    jobs: defaults.jobs,
    folder: values.dir ?? tmpdir(),
    output: values.output ?? join(repositoryRoot, 'bench/results', `${form}-${new Date().toISOString().replaceAll(':', '-')}.jsonl`),
  }
}

/** Ten thousand, ten times as many, and so on. */
function growthSizes(records: number, most: number): number[] {
  const sizes: number[] = []
  for (let size = GROWTH_MIN; size <= most; size *= 10) sizes.push(size)
  return sizes.length === 0 ? [records] : sizes
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
