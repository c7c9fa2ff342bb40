import { defineConfig } from 'vitest/config'

/** Sweeps over everything take minutes; see `npm run test:long`. */
const timeoutMs = process.env['VARVE_TEST_LONG'] === undefined ? 60_000 : 600_000

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    testTimeout: timeoutMs,
    hookTimeout: timeoutMs,
  },
})
