/**
 * Metamorphic runs: the same history of operations under several option sets, none of which may make a difference to what is seen.
 *
 * Everything that a run sees is compared with a sorted map that remembers all versions, so equal models mean equal results. A history that
 * fails is made small and written to a file; `replayCase` runs it again.
 *
 * Method: Pebble's `metamorphic/`.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { memory, Store } from '../../src/index.js'
import { Random } from '../../src/util/random.js'
import type { Discipline, Round } from './discipline.js'
import { generateHistory } from './metamorphic/generator.js'
import type { Case, OptionSet } from './metamorphic/operations.js'
import { randomSet } from './metamorphic/option_sets.js'
import { Finding, runHistory } from './metamorphic/run.js'
import { shrink } from './metamorphic/shrink.js'

/** Option sets of a round. */
const SETS = 6
/** One round in so many runs in directories, with a shorter history and fewer sets: a real disk is slow. */
const DIRECTORY_EVERY = 6
const DIRECTORY_SETS = 2
const DIRECTORY_OPERATIONS = 250
/** Milliseconds that a case may take to become small. */
const SHRINK_MS = 60_000

/** The discipline. */
export const metamorphic: Discipline = {
  name: 'metamorphic',
  title: 'one history under many option sets',
  async run(round) {
    await warmUp()
    const found = caseOf(round.seed)
    try {
      await runCase(found, round.scratchDir, round)
    } catch (error) {
      if (!(error instanceof CaseFailure)) throw error
      throw await explained(error, round)
    }
  },
}

/** The case of a round. */
function caseOf(seed: number): Case {
  const random = new Random(seed)
  const isInDirectory = seed % DIRECTORY_EVERY === 0
  const length = isInDirectory ? DIRECTORY_OPERATIONS : random.pick([200, 400, 800, 1200, 1800])
  const { operations, isText, losesWrites } = generateHistory(random.uint32(), length)
  const allowed = { isText, canSalvage: !losesWrites }
  const sets: OptionSet[] = []
  while (sets.length < SETS) sets.push(randomSet(random, isInDirectory && sets.length < DIRECTORY_SETS ? 'directory' : 'memory', allowed))
  return { operations, sets }
}

/** Runs a kept case again. Throws what it finds. */
export async function replayCase(file: string): Promise<void> {
  await warmUp()
  const found = JSON.parse(readFileSync(file, 'utf8')) as Case
  const scratchDir = mkdtempSync(join(tmpdir(), 'varve-case-'))
  try {
    await runCase(found, scratchDir)
  } finally {
    rmSync(scratchDir, { recursive: true, force: true })
  }
}

/** A case that fails: reduced to the option sets that it takes. */
class CaseFailure extends Error {
  readonly case: Case
  readonly finding: Finding | undefined

  constructor(message: string, found: Case, finding?: Finding) {
    super(message, { cause: finding })
    this.case = found
    this.finding = finding
  }
}

async function runCase({ operations, sets }: Case, scratchDir: string, round?: Round): Promise<void> {
  const losesWrites = operations.some((operation) => operation.op === 'crash' && !operation.synced)
  let first: number | undefined
  for (const [i, set] of sets.entries()) {
    let result: number
    try {
      result = await runHistory(operations, set, join(scratchDir, `set-${i}`))
    } catch (error) {
      if (!(error instanceof Finding)) throw error
      const upToThere = operations.slice(0, error.operationIndex + 1)
      throw new CaseFailure(error.message, { operations: upToThere, sets: [set] }, error)
    }
    round?.counts.add('operations', operations.length)
    round?.counts.add('option sets')
    if (losesWrites) continue
    first ??= result
    if (result !== first) throw new CaseFailure('two option sets gave different results', { operations, sets: [sets[0]!, set] })
  }
}

/** Makes the case small and writes it to a file. */
async function explained(failure: CaseFailure, round: Round): Promise<Error> {
  let attempts = 0
  const fails = async (candidate: Case): Promise<boolean> => {
    try {
      await runCase(candidate, join(round.scratchDir, `attempt-${attempts++}`))
      return false
    } catch (error) {
      return error instanceof CaseFailure
    }
  }
  // What hangs takes half a minute each time.
  const isHang = failure.finding?.isHang === true
  const isStable = !isHang && (await fails(failure.case))
  const smallest = isStable ? await shrink(failure.case, fails, performance.now() + SHRINK_MS) : failure.case
  const folder = join(tmpdir(), 'varve-cases')
  mkdirSync(folder, { recursive: true })
  const file = join(folder, `metamorphic-${round.seed}.json`)
  writeFileSync(file, caseText(smallest))
  const about = isStable ? `made ${smallest.operations.length} operations` : isHang ? 'a hang: not made smaller' : 'not found a second time'
  return new Error(`${failure.message}\n  ${about}: ${file}\n  again: npm run torture -- --replay ${file}`, { cause: failure })
}

/** A case as a file that people can read: one line an operation. */
function caseText({ operations, sets }: Case): string {
  const lines = (list: readonly unknown[]): string => list.map((element) => `    ${JSON.stringify(element)}`).join(',\n')
  return `{\n  "sets": [\n${lines(sets)}\n  ],\n  "operations": [\n${lines(operations)}\n  ]\n}\n`
}

let isWarm = false

/** Loads what is loaded when it is first needed: a simulated clock does not wait for it. */
async function warmUp(): Promise<void> {
  if (isWarm) return
  isWarm = true
  for (const compression of ['snappy', 'zstd'] as const) {
    const store = await Store.open(memory(), { compression: [compression], backgroundThreads: 0 })
    await store.put('a', 'text '.repeat(1000))
    await store.compact()
    await store.close()
  }
}
