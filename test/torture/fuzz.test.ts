import { expect, test } from 'vitest'
import { fuzz, fuzzTargets, keptInputs, tryInput } from './fuzz.js'
import { runRounds } from './rounds.js'

test('decoders end in a value or an error of operation, whatever they are given', async () => {
  const { counts, notes } = await runRounds(fuzz, 2)
  expect(counts.get('decoder inputs')).toBeGreaterThan(2000)
  for (const name of [
    'value',
    'data block',
    'filter',
    'properties',
    'index',
    'footer',
    'version edit',
    'zstd block',
    'manifest',
    'table',
  ]) {
    expect(notes.get(`${name}: refused`), name).toBeGreaterThan(10)
  }
  expect(notes.get('forged store: opened')).toBeGreaterThan(10)
})

test('inputs that once brought out something still end in a value or an error of operation', async () => {
  const { targets } = await fuzzTargets()
  for (const { target, hex, why } of keptInputs()) {
    const decoder = targets.find(({ name }) => name === target)
    expect(decoder, why).toBeDefined()
    tryInput(decoder!, Buffer.from(hex, 'hex'))
  }
})
