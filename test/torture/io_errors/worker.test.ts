/** The worker thread on a file system that fails: what it meets reaches the store typed, and the store gets over what passes. */
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { Store } from '../../../src/index.js'
import { checkLevels } from '../../../src/store/check_levels.js'
import { REPOSITORY_URL } from '../../support/options.js'
import { entriesOf, rejection, temporaryDirectory, WORKER_URL } from '../../support/stores.js'

const CASES = [
  ['openSync', 'ENOSPC', 'full'],
  ['openSync', 'EMFILE', 'open'],
  ['openSync', 'EACCES', 'failed'],
  ['writeSync', 'ENOSPC', 'full'],
  ['writeSync', 'EIO', 'failed'],
  ['fdatasyncSync', 'EIO', 'failed'],
  ['fsyncSync', 'EIO', 'failed'],
] as const

test.each(CASES)('%s fails in the worker with %s: the store is %s, and nothing is lost', async (call, code, status) => {
  const root = temporaryDirectory()
  const dir = join(root, 'store')
  const fault = join(root, 'fault')
  const workerUrl = new URL('build/test/torture/io_errors/faulty_worker.js', REPOSITORY_URL)
  // A thread gets a copy of the environment when it is started, here by the first flush.
  vi.stubEnv('VARVE_TEST_FAULT', new URLSearchParams({ call, error: code, while: fault }).toString())
  onTestFinished(() => void vi.unstubAllEnvs())
  const store = await Store.open(dir, { workerUrl, compression: 'none' })
  const warnings: string[] = []
  store.on('warning', ({ message }) => warnings.push(message))
  for (let i = 0; i < 20; i++) await store.put(`k${i}`, i)
  await store.flush()
  for (let i = 10; i < 30; i++) await store.put(`k${i}`, -i)
  writeFileSync(fault, '')
  const error = await rejection(store.flush())
  expect(error.code).toBe({ full: 'ERR_DISK_FULL', open: 'ERR_IO', failed: 'ERR_IO' }[status])
  expect(error.path).toContain(dir)
  expect(String((error.cause as Error).message)).toContain(code)
  expect(store.status).toBe(status)
  expect(entriesOf(store)).toHaveLength(30)
  expect(warnings.join()).not.toMatch(/worker thread could not be started/)
  rmSync(fault)
  if (status !== 'failed') {
    await store.flush()
    await store.compact()
    expect(store.status).toBe('open')
    checkLevels(store)
  }
  await store.close()
  const again = await Store.open(dir, { workerUrl: WORKER_URL })
  expect(entriesOf(again)).toHaveLength(30)
  checkLevels(again)
  await again.close()
})
