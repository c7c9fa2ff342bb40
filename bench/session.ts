/**
 * Runs workloads on engines: each run in a process of its own, engines taking turns (A B C A B C), so that a machine which slows down for a
 * while slows all of them. Reads use a store that a first process filled and compacted; what changes that store gets a copy.
 */
import { execFile, execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { ChildResult, ChildTask, EngineProbe } from './child.js'
import { thisMachine } from './process_facts.js'
import { record, type RunResult } from './results.js'
import type { Settings } from './settings.js'
import { GROWING, workloadOf } from './workloads/all.js'
import type { Workload } from './workloads/workload.js'

const execute = promisify(execFile)
const CHILD = fileURLToPath(new URL('./child.js', import.meta.url))
/** A run that takes longer than this, beyond what it is given, hangs. */
const PATIENCE_MS = 300_000
/** A million records in a Map are enough to see what it costs; ten million do not fit. */
const MAP_RECORDS_MAX = 2_000_000
/** Workloads of which each engine runs one round: they take long. */
const ONCE: ReadonlySet<string> = new Set(['prepare', 'prepare_zstd', ...GROWING])

/** One run that is to be made. */
interface Task {
  readonly workload: string
  readonly engine: string
  readonly round: number
  readonly records: number
}

/** Which engines run here, and why the others do not. */
export async function probeEngines(
  settings: Settings,
  folder: string,
): Promise<{ probes: Map<string, EngineProbe>; missing: Map<string, string> }> {
  const probes = new Map<string, EngineProbe>()
  const missing = new Map<string, string>()
  const { seed, limits } = settings
  for (const engine of settings.engines) {
    try {
      const task = { engine, workload: undefined, records: 1, seed, limits, dir: join(folder, `probe-${engine}`) }
      probes.set(engine, (await runChild(task, PATIENCE_MS)) as EngineProbe)
    } catch (error) {
      missing.set(engine, reasonOf(error))
    }
  }
  return { probes, missing }
}

/** Runs of workloads on engines that were found to run here. */
export class Session {
  readonly results: RunResult[] = []
  readonly failures: string[] = []
  readonly #settings: Settings
  readonly #probes: ReadonlyMap<string, EngineProbe>
  readonly #folder: string
  readonly #tell: (text: string) => void
  readonly #machine = thisMachine()
  /** Engines whose store to read from is made. */
  readonly #prepared = new Set<string>()

  constructor(settings: Settings, probes: ReadonlyMap<string, EngineProbe>, folder: string, tell: (text: string) => void) {
    this.#settings = settings
    this.#probes = probes
    this.#folder = folder
    this.#tell = tell
  }

  /** Runs everything, and writes a line a run. */
  async run(): Promise<void> {
    const { workloads, records } = this.#settings
    if (workloads.some((name) => name === 'prepare' || workloadOf(name).store !== 'fresh')) {
      await this.#runAll([...this.#probes.keys()].map((engine) => ({ workload: 'prepare', engine, round: 0, records })))
    }
    await this.#runAll(this.#plan())
  }

  /** Every run but the preparing ones, in the order in which it is made. */
  #plan(): Task[] {
    const { rounds, workloads, records, growth } = this.#settings
    const tasks: Task[] = []
    const add = (workload: string, round: number, count: number): void => {
      for (const [engine, probe] of this.#probes) {
        if (canRun(workloadOf(workload), engine, probe, count)) tasks.push({ workload, engine, round, records: count })
      }
    }
    for (let round = 0; round < rounds; round++) {
      for (const workload of workloads) if (!ONCE.has(workload)) add(workload, round, records)
    }
    if (workloads.includes('prepare_zstd')) add('prepare_zstd', 0, records)
    for (const workload of workloads.filter((name) => GROWING.includes(name))) {
      for (const count of workload === 'sustained' ? growth.slice(-2) : growth) add(workload, 0, count)
    }
    return tasks
  }

  async #runAll(tasks: readonly Task[]): Promise<void> {
    const queue = [...tasks]
    const busy = new Set<string>()
    const worker = async (): Promise<void> => {
      for (;;) {
        // An engine's prepared store is for one process at a time.
        const next = queue.findIndex(({ engine }) => !busy.has(engine))
        if (next < 0) return
        const task = queue.splice(next, 1)[0]!
        this.#tell(`${tasks.length - queue.length} of ${tasks.length}: ${task.workload} on ${task.engine}, round ${task.round + 1}`)
        busy.add(task.engine)
        await this.#runOne(task)
        busy.delete(task.engine)
      }
    }
    await Promise.all(Array.from({ length: this.#settings.jobs }, worker))
  }

  async #runOne(task: Task): Promise<void> {
    const { workload, engine, records, round } = task
    const { seed, limits, form, output } = this.#settings
    const { durability, store } = workloadOf(workload)
    const preparedDir = join(this.#folder, engine, 'prepared')
    // That it could not be prepared was told when that failed.
    if (store !== 'fresh' && !this.#prepared.has(engine)) return
    const dir = store === 'prepared' || workload === 'prepare' ? preparedDir : join(this.#folder, engine, `${workload}-${round}-${records}`)
    try {
      if (store === 'copy') cpSync(preparedDir, dir, { recursive: true })
      // What an earlier run left to be written is not this run's burden.
      if (form !== 'smoke') execFileSync('sync')
      const timeoutMs = PATIENCE_MS + (limits.fillMs + limits.measureMs) * 10 + records
      const { metrics } = (await runChild({ engine, workload, records, seed, dir, limits }, timeoutMs)) as ChildResult
      const { version, settings, durability: names } = this.#probes.get(engine)!
      const facts = { engineVersion: version, engineSettings: settings, durability, durabilitySetting: names[durability]! }
      const result = { time: new Date().toISOString(), form, ...task, ...facts, seed, limits, machine: this.#machine, metrics }
      this.results.push(result)
      record(output, result)
      if (workload === 'prepare') this.#prepared.add(engine)
    } catch (error) {
      this.failures.push(`${workload} on ${engine}, ${records} records: ${reasonOf(error)}`)
    }
    if (dir !== preparedDir) rmSync(dir, { recursive: true, force: true })
  }
}

async function runChild(task: ChildTask, timeoutMs: number): Promise<unknown> {
  mkdirSync(task.dir, { recursive: true })
  const options = { maxBuffer: 1 << 20, timeout: timeoutMs, killSignal: 'SIGKILL' } as const
  const { stdout } = await execute(process.execPath, [CHILD, JSON.stringify(task)], options)
  return JSON.parse(stdout.trim().split('\n').at(-1)!)
}

/** The one line of a child's end that says why. */
function reasonOf(error: unknown): string {
  const { stderr = '', signal, message = String(error) } = error as { stderr?: string; signal?: string | null; message?: string }
  const thrown = stderr.split('\n').find((line) => /^\w*Error\b|Assertion/.test(line))
  const killed = signal === null || signal === undefined ? '' : `killed by ${signal}: `
  return `${killed}${thrown ?? message.split('\n').at(-1)}`.slice(0, 300)
}

/** Whether the engine can do what the workload asks. */
function canRun({ needs, durability }: Workload, engine: string, probe: EngineProbe, records: number): boolean {
  if (probe.durability[durability] === undefined) return false
  if (needs === 'getSync' && !probe.hasSyncGet) return false
  if (needs === 'zstd' && !probe.hasZstd) return false
  if ((needs === 'order' || needs === 'persistence') && !probe.isPersistent) return false
  return engine !== 'map' || records <= MAP_RECORDS_MAX
}
