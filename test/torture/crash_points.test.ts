/**
 * The quick form of the discipline `crash`: each workload once, with some of its crash points. `npm run test:long` looks at all of them,
 * and `npm run torture -- --only crash` at those of ever new seeds.
 */
import { describe, expect, test } from 'vitest'
import { IS_LONG, testSeed } from '../support/seed.js'
import { CLOSE, sweepWorkload, WORKLOADS } from './crash_points.js'
import { Counts } from './discipline.js'

const CLOSENESS = IS_LONG ? CLOSE : { stride: 13, powerLosses: 1, secondEvery: 50 }

describe('a crash before any change to the disk leaves a state that keeps every promise', () => {
  test.each(WORKLOADS)('$name', async (workload) => {
    const seed = testSeed()
    const counts = new Counts()
    try {
      await sweepWorkload(workload, seed, counts, CLOSENESS)
    } catch (error) {
      throw new Error(`VARVE_SEED=${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
    }
    expect(counts.get('crash points')).toBeGreaterThan(10)
  })
})
