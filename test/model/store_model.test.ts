/**
 * A store against a sorted map, under random commands and random options.
 *
 * A failure prints the seed, the path and the shrunk commands with their replay path: `VARVE_SEED=… VARVE_PATH=… VARVE_REPLAY=…` runs just
 * that again.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { test } from 'vitest'
import { memory, Store, type StoreLocation, type StoreOptions } from '../../src/index.js'
import { IS_LONG } from '../support/seed.js'
import { WORKER_URL } from '../support/stores.js'
import { anyOptions } from './arbitraries.js'
import { directoryCommands, simulatedCommands } from './commands.js'
import { expectAgreement, Model, Real } from './subject.js'

const { VARVE_SEED, VARVE_PATH, VARVE_REPLAY } = process.env

function parameters(timeLimitMs: number): fc.Parameters<unknown> {
  return {
    numRuns: IS_LONG ? 100_000 : 400,
    interruptAfterTimeLimit: IS_LONG ? timeLimitMs * 12 : timeLimitMs,
    markInterruptAsFailure: false,
    // A counterexample that is not quite the shortest is as good, and shrinking runs the store.
    endOnFailure: VARVE_PATH !== undefined,
    ...(VARVE_SEED === undefined ? {} : { seed: Number(VARVE_SEED) }),
    ...(VARVE_PATH === undefined ? {} : { path: VARVE_PATH }),
  }
}

const constraints = { maxCommands: 120, size: 'max', ...(VARVE_REPLAY === undefined ? {} : { replayPath: VARVE_REPLAY }) } as const

test('a store on a simulated disk that may crash behaves as a sorted map', async () => {
  await fc.assert(
    fc.asyncProperty(anyOptions([0]), fc.commands(simulatedCommands(), constraints), async (options, commands) => {
      await runCommands(memory(), options, commands)
    }),
    parameters(10_000),
  )
})

test('a store in a directory, with and without a thread for background work, behaves as a sorted map', async () => {
  const fixed: StoreOptions = { workerUrl: WORKER_URL }
  await fc.assert(
    fc.asyncProperty(anyOptions([0, 1]), fc.commands(directoryCommands(fixed), constraints), async (options, commands) => {
      const dir = mkdtempSync(join(tmpdir(), 'varve-model-'))
      try {
        await runCommands(dir, { ...options, ...fixed }, commands)
      } finally {
        rmSync(dir, { recursive: true })
      }
    }),
    parameters(6_000),
  )
})

async function runCommands(
  location: StoreLocation,
  options: StoreOptions,
  commands: Iterable<fc.AsyncCommand<Model, Real>>,
): Promise<void> {
  const model = new Model(options)
  const real = new Real(location, await Store.open(location, options))
  try {
    await fc.asyncModelRun(() => ({ model, real }), commands)
    expectAgreement(model, real)
  } finally {
    await real.store.close()
  }
}
