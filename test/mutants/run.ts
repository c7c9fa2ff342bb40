/**
 * Shows that the tests catch bugs: puts each deliberate bug of `mutants.ts` into a copy of the repository, runs the tests of the whole
 * store on it until the first one fails, and writes down which and after how long.
 *
 * ```
 * npm run mutants                                all of them
 * npm run mutants -- --only 'lock' --only sync   those whose description holds one of the words
 * npm run mutants -- --report docs/testing.md    and writes the table into the page
 * ```
 *
 * A run that hangs counts as caught after {@link LIMIT_SECONDS}: a test run that does not end is noticed. The exit code is 0 only when
 * every bug was caught.
 */
import { execFileSync, spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { REPOSITORY_URL } from '../support/options.js'
import { writePart } from '../support/pages.js'
import { type Mutant, mutants } from './mutants.js'

const ROOT = fileURLToPath(REPOSITORY_URL)
const COPIED = [
  'src',
  'test',
  'examples',
  'bench',
  'docs',
  'tools/bundle.mjs',
  'package.json',
  'package-lock.json',
  'vitest.config.ts',
  'README.md',
]
/** The tests of the whole store: a bug in a part has to be caught by what it does to the whole. */
const TESTS = ['test/torture', 'test/crash', 'test/store', 'test/regressions', 'test/maintenance', 'test/adapters']
const LIMIT_SECONDS = 900

/** What became of a bug. */
interface Outcome {
  readonly mutant: Mutant
  readonly seconds: number
  /** The test that failed first; `undefined` when none did. */
  readonly caughtBy: string | undefined
}

interface FileReport {
  readonly name: string
  readonly status: string
  readonly message: string
  readonly assertionResults: readonly { readonly fullName: string; readonly status: string; readonly failureMessages: readonly string[] }[]
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { only: { type: 'string', multiple: true }, report: { type: 'string' } } })
  const chosen = mutants.filter(({ bug }) => values.only === undefined || values.only.some((word) => bug.includes(word)))
  const dir = mkdtempSync(join(tmpdir(), 'varve-mutants-'))
  const outcomes: Outcome[] = []
  try {
    const copied = COPIED.concat(tsconfigs())
    for (const name of copied)
      cpSync(join(ROOT, name), join(dir, name), { recursive: true, filter: (path) => basename(path) !== 'node_modules' })
    symlinkSync(join(ROOT, 'node_modules'), join(dir, 'node_modules'))
    for (const mutant of chosen) {
      const outcome = await withMutant(dir, mutant)
      outcomes.push(outcome)
      console.log(`${outcome.seconds.toFixed(1).padStart(6)} s  ${mutant.bug}: ${outcome.caughtBy ?? 'NOT CAUGHT'}`)
    }
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
  const missed = outcomes.filter(({ caughtBy }) => caughtBy === undefined)
  console.log(`${outcomes.length} bugs, ${outcomes.length - missed.length} caught`)
  if (values.report !== undefined) writeTable(values.report, outcomes)
  process.exitCode = missed.length === 0 ? 0 : 1
}

function tsconfigs(): string[] {
  return ['tsconfig.json', 'tsconfig.build.json', 'tsconfig.tools.json']
}

async function withMutant(dir: string, mutant: Mutant): Promise<Outcome> {
  const originals = new Map<string, string>()
  for (const { file, find, replace } of mutant.edits) {
    const path = join(dir, file)
    const text = readFileSync(path, 'utf8')
    if (text.split(find).length !== 2) throw new Error(`'${mutant.bug}': its place does not occur once in ${file}`)
    if (!originals.has(path)) originals.set(path, text)
    writeFileSync(
      path,
      text.replace(find, () => replace),
    )
  }
  build(dir)
  const startMs = performance.now()
  const caughtBy = await firstFailure(dir)
  const seconds = (performance.now() - startMs) / 1000
  for (const [path, text] of originals) writeFileSync(path, text)
  return { mutant, seconds, caughtBy }
}

/** Workers and child processes run what is built. Types do not matter here. */
function build(dir: string): void {
  const compiler = join(dir, 'node_modules/typescript/bin/tsc')
  for (const project of ['tsconfig.build.json', 'tsconfig.tools.json']) {
    execFileSync(process.execPath, [compiler, '-p', project, '--noCheck'], { cwd: dir, stdio: 'inherit' })
  }
  execFileSync(process.execPath, [join(dir, 'tools/bundle.mjs')], { stdio: 'inherit' })
}

function firstFailure(dir: string): Promise<string | undefined> {
  const report = join(dir, 'report.json')
  rmSync(report, { force: true })
  const vitest = join(dir, 'node_modules/vitest/vitest.mjs')
  const parameters = [vitest, 'run', '--bail=1', '--reporter=json', `--outputFile=${report}`, ...TESTS]
  return new Promise((resolve) => {
    // A group of its own, so that the processes of a hanging run can be ended with it.
    const run = spawn(process.execPath, parameters, { cwd: dir, stdio: 'ignore', detached: true })
    let isLate = false
    const limit = setTimeout(() => {
      isLate = true
      process.kill(-run.pid!, 'SIGKILL')
    }, LIMIT_SECONDS * 1000)
    run.on('close', (code) => {
      clearTimeout(limit)
      if (isLate) resolve(`(the tests hang: stopped after ${LIMIT_SECONDS} s)`)
      else resolve(code === 0 ? undefined : failureIn(dir, report))
    })
  })
}

function failureIn(dir: string, report: string): string {
  const { testResults } = JSON.parse(readFileSync(report, 'utf8')) as { testResults: readonly FileReport[] }
  for (const { name, status, message, assertionResults } of testResults) {
    const file = relative(dir, name)
    const failed = assertionResults.find((result) => result.status === 'failed')
    if (failed !== undefined) return `${file}: ${failed.fullName}`
    if (status === 'failed') return `${file}: ${message.split('\n')[0]}`
  }
  return '(an error outside of a test)'
}

function writeTable(path: string, outcomes: readonly Outcome[]): void {
  const rows = outcomes.map(({ mutant, seconds, caughtBy }, i) => {
    return `| ${i + 1} | ${mutant.bug} | ${(caughtBy ?? '**not caught**').replaceAll('|', '\\|')} | ${seconds.toFixed(0)} |`
  })
  const table = ['| # | bug | caught by | seconds |', '|---|---|---|---|', ...rows].join('\n')
  writePart(path, 'mutants', table)
}

await main()
