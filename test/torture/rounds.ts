/** Rounds of a discipline inside of the test suite. A failure names the seed; `VARVE_SEED=<seed>` runs it again with that one. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { testSeed } from '../support/seed.js'
import { Counts, type Discipline } from './discipline.js'

/** What the rounds have done. */
export interface RoundsDone {
  readonly counts: Counts
  readonly notes: ReadonlyMap<string, number>
}

/** Runs so many rounds with seeds that follow each other. */
export async function runRounds(discipline: Discipline, rounds: number): Promise<RoundsDone> {
  const counts = new Counts()
  const notes = new Map<string, number>()
  const first = testSeed()
  for (let seed = first; seed < first + rounds; seed++) {
    const scratchDir = mkdtempSync(join(tmpdir(), `varve-${discipline.name}-`))
    try {
      await discipline.run({ seed, counts, scratchDir, note: (name, count) => void notes.set(name, (notes.get(name) ?? 0) + count) })
    } catch (error) {
      throw new Error(`VARVE_SEED=${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
    } finally {
      rmSync(scratchDir, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
    }
  }
  return { counts, notes }
}
