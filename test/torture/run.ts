/**
 * Tries to break the store for as long as one likes.
 *
 * ```
 * npm run torture -- --minutes 10                     all disciplines, a new seed
 * npm run torture -- --minutes 10 --seed 7            the same rounds in the same order of seeds
 * npm run torture -- --only crash --seed 7 --rounds 1 one round, as a violation prints it
 * npm run torture -- --replay FILE                    a case that a metamorphic run has written
 * npm run torture -- --goals --report docs/testing.md what that page claims, and the table in it
 * ```
 *
 * Rounds run in processes of their own, as many at a time as there are cores; the discipline that has had the least time goes next, with
 * `--goals` the one that needs the most until it has reached its own. A round that says nothing for minutes, or takes its process with it,
 * is a violation like one that finds a wrong byte. The exit code is 0 only when nothing was found,
 * and with `--goals` only when all of them were reached.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { writePart } from '../support/pages.js'
import { disciplines, GOALS } from './disciplines.js'
import { Job } from './job_process.js'
import { replayCase } from './metamorphic.js'
import { Tally, type Violation } from './tally.js'

/** What the command line asks for. */
interface Settings {
  readonly endMs: number
  readonly seed: number
  readonly names: readonly string[]
  readonly rounds: number
  readonly jobs: number
  readonly hasGoals: boolean
  readonly json: string | undefined
}

const USAGE = `usage: npm run torture -- [--minutes N] [--seed N] [--only NAME]... [--rounds N] [--jobs N] [--goals]
                          [--json FILE] [--report FILE]
       npm run torture -- --replay FILE
disciplines: ${[...disciplines.keys()].join(', ')}`

const PROGRESS_MS = process.stdout.isTTY ? 1000 : 30_000

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string' },
      seed: { type: 'string' },
      only: { type: 'string', multiple: true },
      rounds: { type: 'string' },
      jobs: { type: 'string' },
      goals: { type: 'boolean', default: false },
      json: { type: 'string' },
      report: { type: 'string' },
      replay: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return console.log(USAGE)
  if (values.replay !== undefined) return replayCase(values.replay)
  const minutes = positive('minutes', values.minutes, values.rounds === undefined && !values.goals ? 5 : Infinity)
  const settings: Settings = {
    endMs: Date.now() + minutes * 60_000,
    seed: values.seed === undefined ? Math.floor(Math.random() * 0x1_0000_0000) : whole('seed', values.seed),
    names: (values.only ?? [...disciplines.keys()]).map(known),
    rounds: values.rounds === undefined ? Infinity : whole('rounds', values.rounds),
    jobs: values.jobs === undefined ? availableParallelism() : whole('jobs', values.jobs),
    hasGoals: values.goals,
    json: values.json,
  }
  const machine = `Node ${process.version}, ${cpus()[0]?.model.trim() ?? 'unknown processor'}`
  console.log(`seed ${settings.seed}, ${settings.jobs} at a time, ${machine}`)
  const tally = new Tally(settings.names, settings.hasGoals ? GOALS : undefined)
  await Promise.all(Array.from({ length: settings.jobs }, () => runRounds(settings, tally, progressLine(tally))))
  console.log(`\n${tally.text()}`)
  if (settings.json !== undefined) writeFileSync(settings.json, `${JSON.stringify({ seed: settings.seed, ...tally.summary() }, null, 2)}\n`)
  if (values.report !== undefined) {
    const facts = `Seed ${settings.seed}, ${settings.jobs} at a time, ${machine}: ${tally.line()}.`
    writePart(values.report, 'torture', `${facts}\n\n${tally.markdown()}`)
  }
  process.exitCode = tally.violations.length === 0 && tally.missed().length === 0 ? 0 : 1
}

/** One job after the other until time or rounds are used up. */
async function runRounds(settings: Settings, tally: Tally, showProgress: () => void): Promise<void> {
  let job: Job | undefined
  while (Date.now() < settings.endMs && tally.started < settings.rounds) {
    const turn = tally.next()
    if (turn === undefined) break
    const { name, index } = turn
    const seed = settings.seed + index
    const scratchDir = mkdtempSync(join(tmpdir(), `varve-torture-${name}-`))
    job ??= new Job()
    const violation = await job.run({ discipline: name, seed, scratchDir }, (progress) => {
      tally.add(name, progress)
      showProgress()
    })
    rmSync(scratchDir, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
    tally.finished(name)
    if (violation !== undefined) {
      const found: Violation = { discipline: name, seed, text: violation }
      tally.violations.push(found)
      console.log(`\nVIOLATION in ${name}: ${violation}\nagain: npm run torture -- --only ${name} --seed ${seed} --rounds 1\n`)
    }
    if (job.isDead) job = undefined
  }
  job?.end()
}

function progressLine(tally: Tally): () => void {
  let shownMs = Date.now()
  return () => {
    if (Date.now() - shownMs < PROGRESS_MS) return
    shownMs = Date.now()
    const line = tally.line()
    if (process.stdout.isTTY) process.stdout.write(`\r\u001b[K${line.slice(0, process.stdout.columns - 1)}`)
    else console.log(line)
  }
}

function known(name: string): string {
  if (!disciplines.has(name)) throw usageError(`there is no discipline '${name}'`)
  return name
}

function whole(name: string, text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 0) throw usageError(`--${name} is to be a whole number, not '${text}'`)
  return value
}

function positive(name: string, text: string | undefined, missing: number): number {
  const value = text === undefined ? missing : Number(text)
  if (!(value > 0)) throw usageError(`--${name} is to be a number above 0, not '${text}'`)
  return value
}

function usageError(message: string): Error {
  console.error(`${message}\n${USAGE}`)
  process.exit(2)
}

await main()
