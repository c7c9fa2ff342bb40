import { defineConfig } from 'vitest/config'

/** Sweeps over everything take minutes; see `npm run test:long`. */
const timeoutMs = process.env['VARVE_TEST_LONG'] === undefined ? 60_000 : 600_000

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    // By default one core is left free, which on two cores means one worker.
    maxWorkers: 2,
    testTimeout: timeoutMs,
    hookTimeout: timeoutMs,
  },
})
