import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { systemError } from '../../../src/vfs/system_error.js'
import { nodeVfs, openWorkerVfs, retryTransient } from '../../../src/vfs/node.js'

test('a worker thread opens the same file system from its description', () => {
  expect(openWorkerVfs(structuredClone(nodeVfs.workerSpec()!))).toBe(nodeVfs)
})

test('the identity is read once', () => {
  expect(nodeVfs.processIdentity()).toBe(nodeVfs.processIdentity())
  expect(nodeVfs.processIdentity().pid).toBe(process.pid)
})

test.runIf(process.platform === 'linux')('a process of this machine is known by its start time', () => {
  const self = nodeVfs.processIdentity()
  expect(self).toMatchObject({
    startTime: expect.stringMatching(/^\d+$/) as unknown,
    bootId: expect.stringMatching(/^[0-9a-f-]{36}$/) as unknown,
    pidNamespace: expect.stringMatching(/^pid:\[\d+\]$/) as unknown,
  })
  expect(nodeVfs.isProcessAlive({ ...self, startTime: '1' })).toBe(false)
  expect(nodeVfs.isProcessAlive({ ...self, pid: 0x7fff_fffe })).toBe(false)
})

test.runIf(process.platform === 'linux')('descriptors are not leaked, also by operations in flight at the close', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'varve-fd-'))
  const descriptors = (): number => readdirSync('/proc/self/fd').length
  writeFileSync(join(dir, 'a'), 'content')
  const before = descriptors()
  for (let i = 0; i < 20; i++) {
    const file = nodeVfs.openSync(join(dir, 'a'), 'update')
    const pending = [file.read(Buffer.alloc(7), 0, 7, 0), file.read(Buffer.alloc(7), 0, 7, 0), file.sync()]
    file.closeSync()
    await Promise.all([...pending, nodeVfs.syncDir(dir)])
    nodeVfs.syncDirSync(dir)
  }
  expect(descriptors()).toBe(before)
  rmSync(dir, { recursive: true })
})

test('an asynchronous call with impossible arguments is rejected with a typed error, and the file can be closed', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'varve-fd-'))
  const file = nodeVfs.openSync(join(dir, 'a'), 'create')
  await expect(file.read(Buffer.alloc(1), 5, 10, 0)).rejects.toMatchObject({ code: 'ERR_IO', path: join(dir, 'a') })
  expect(() => file.readSync(Buffer.alloc(1), 5, 10, 0)).toThrow(expect.objectContaining({ code: 'ERR_IO' }) as Error)
  file.closeSync()
  rmSync(dir, { recursive: true })
})

test('errors that may pass are retried with growing pauses, where the system has such', () => {
  const sleeps: number[] = []
  let failures = 3
  const action = (): string => {
    if (failures-- > 0) throw systemError('EBUSY', 'rename', '/a')
    return 'done'
  }
  expect(retryTransient(action, true, (ms) => sleeps.push(ms))).toBe('done')
  expect(sleeps).toEqual([1, 2, 5])
})

test('retries end, do not begin for other errors, and do not happen elsewhere', () => {
  const sleeps: number[] = []
  const attempt = (code: string, isTransient: boolean): number => {
    let calls = 0
    const action = (): never => {
      calls++
      throw systemError(code, 'unlink', '/a')
    }
    expect(() => retryTransient(action, isTransient, (ms) => sleeps.push(ms))).toThrow(code)
    return calls
  }
  expect(attempt('EACCES', true)).toBe(9)
  expect(sleeps.reduce((sum, ms) => sum + ms)).toBeLessThan(500)
  expect(attempt('ENOENT', true)).toBe(1)
  expect(attempt('EACCES', false)).toBe(1)
  expect(sleeps.length).toBe(8)
})
