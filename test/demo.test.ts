/** The tour that `npm run demo` gives, in its short form: it must say what it promises to a newcomer, and lose nothing. */
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { repositoryRoot } from './tidy/tree.js'

describe('the tour through the cities', () => {
  const dir = mkdtempSync(join(tmpdir(), 'varve-demo-'))
  let output: string

  beforeAll(async () => {
    const script = join(repositoryRoot, 'build/examples/cities.js')
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [script, '--short', '--dir', dir], { cwd: dir })
    expect(stderr).toBe('')
    output = stdout
  })

  afterAll(() => rmSync(dir, { recursive: true, force: true }))

  test('loads and counts', () => {
    expect(output).toContain('counted 4000 cities')
  })

  test('reads one city, and misses another without an error', () => {
    expect(output).toContain('Bern has 121,631 inhabitants')
    expect(output).toContain('Atlantis is not there.')
  })

  test('lists the cities of a country as its counter counted them', () => {
    const [, listed, counted] = /DE has (\d+) cities \(its counter says (\d+)\)/.exec(output) ?? []
    expect(Number(listed)).toBeGreaterThan(50)
    expect(counted).toBe(listed)
  })

  test('finds the most populous cities in order', () => {
    expect(output.replaceAll(/ +/g, ' ')).toMatch(/ 1 Shanghai CN 22,315,474\n 2 Istanbul TR 14,804,116\n[^]* 10 Delhi IN 10,927,986\n/)
  })

  test('a snapshot keeps saying what was', () => {
    expect(output).toContain('121,632 inhabitants; the snapshot still says 121,631')
  })

  test('shows two errors that a program will meet', () => {
    expect(output).toMatch(/^ERR_LOCKED: .+\nERR_TYPE_MISMATCH: .+$/m)
  })

  test('kill -9 in the middle of a load loses nothing that was acknowledged', () => {
    const [, acknowledged, found, lost] = /([\d,]+) writes were acknowledged, ([\d,]+) are there, ([\d,]+) were lost/.exec(output) ?? []
    const number = (text: string | undefined): number => Number(text?.replaceAll(',', ''))
    expect(number(acknowledged)).toBeGreaterThanOrEqual(2000)
    expect(number(found)).toBeGreaterThanOrEqual(number(acknowledged))
    expect(lost).toBe('0')
  })

  test('shows the levels, and keeps the store where it was told to', () => {
    expect(output).toMatch(/level +tables +entries/)
    expect(existsSync(join(dir, 'store'))).toBe(true)
  })
})
