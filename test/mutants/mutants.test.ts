/** The deliberate bugs keep up with the sources; that they are caught is shown by `npm run mutants`. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { REPOSITORY_URL } from '../support/options.js'
import { mutants } from './mutants.js'

test.each(mutants)('the sources have one place for: $bug', ({ edits }) => {
  for (const { file, find, replace } of edits) {
    const source = readFileSync(fileURLToPath(new URL(file, REPOSITORY_URL)), 'utf8')
    expect(source.split(find)).toHaveLength(2)
    expect(replace).not.toBe(find)
  }
})

test('no bug is listed twice', () => {
  expect(new Set(mutants.map(({ bug }) => bug)).size).toBe(mutants.length)
})
