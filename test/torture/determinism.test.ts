/**
 * Equal calls on equal disks give equal bytes: without a worker, with a clock moved by hand and `memory({ seed })`, two runs have the same
 * files and statistics after every step, in one process and in two.
 */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { REPOSITORY_URL } from '../support/options.js'
import { testSeed } from '../support/seed.js'
import { replay } from './crash/replay.js'

const PROGRAM = fileURLToPath(new URL('build/test/torture/crash/replay.js', REPOSITORY_URL))
const CODECS = ['none', 'snappy', 'zstd'] as const
const MODES = ['none', 'os', 'interval', 'always'] as const

describe.each(CODECS)("compression '%s'", (compression) => {
  test.each(MODES)("two runs with walSync '%s' are the same to the byte", async (walSync) => {
    const seed = testSeed()
    const first = await replay(seed, compression, walSync)
    expect(await replay(seed, compression, walSync), `VARVE_SEED=${seed}`).toEqual(first)
    expect(new Set(first).size).toBeGreaterThan(30)
  })

  test('so are the runs of two processes', async () => {
    const seed = testSeed()
    const run = promisify(execFile)
    const [here, there] = await Promise.all([
      replay(seed, compression, 'interval'),
      run(process.execPath, [PROGRAM, String(seed), compression, 'interval'], { timeout: 60_000 }),
    ])
    expect(there.stdout.split('\n'), `VARVE_SEED=${seed}`).toEqual(here)
  })
})

test('another seed gives another store', async () => {
  const [a, b] = [await replay(1, 'none', 'os'), await replay(2, 'none', 'os')]
  expect(a.at(-1)).not.toBe(b.at(-1))
})
