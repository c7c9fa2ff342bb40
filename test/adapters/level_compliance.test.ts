/**
 * The compliance suite that `abstract-level` publishes for its implementations, whole: each of its tests is a test here.
 *
 * On a simulated disk, or on a real one with `VARVE_TEST_LONG=1`.
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { type LevelOptions, VarveLevel } from '../../src/adapters/level.js'
import { memory } from '../../src/index.js'
import { tapeTest } from '../support/tape.js'

type Suite = (options: { test: typeof tapeTest; factory: (options?: LevelOptions<string, string>) => VarveLevel }) => void

const require = createRequire(import.meta.url)
const entry = require.resolve('abstract-level/test')
const suite = require(entry) as Suite

const folder = process.env['VARVE_TEST_LONG'] === undefined ? undefined : mkdtempSync(join(tmpdir(), 'varve-level-'))
afterAll(() => {
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
})

/** Tests that the suite has made. */
let count = 0

describe('the compliance suite of abstract-level', () => {
  suite({
    test: (name, run) => {
      count++
      tapeTest(name, run)
    },
    factory: (options) => new VarveLevel(folder === undefined ? memory() : mkdtempSync(join(folder, 'db-')), options),
  })
})

test('no part of the suite was left out', () => {
  const parts = readdirSync(dirname(entry), { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.endsWith('.js') && !name.startsWith('self'),
  )
  const unused = parts.filter((name) => require.cache[join(dirname(entry), name)] === undefined)
  // That one is for databases that do not read from snapshots.
  expect(unused).toEqual(['iterator-no-snapshot-test.js'])
  expect(count).toBeGreaterThan(1400)
})
