/** The lock among real processes. The other processes run `test/processes/lock_contender.ts`. */
import type { ChildProcess } from 'node:child_process'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { acquireLockSync, lockHolderSync } from '../../../src/vfs/lock.js'
import { nodeVfs } from '../../../src/vfs/node.js'

const program = fileURLToPath(new URL('../../../build/test/processes/lock_contender.js', import.meta.url))
const lockModule = new URL('../../../build/src/vfs/lock.js', import.meta.url).href
const nodeModule = new URL('../../../build/src/vfs/node.js', import.meta.url).href

let dir: string
let children: ChildProcess[]
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'varve-lock-'))
  children = []
})
afterEach(() => {
  for (const child of children) child.kill('SIGKILL')
  rmSync(dir, { recursive: true })
})

async function contender(): Promise<ChildProcess> {
  const child = fork(program, [dir], { execArgv: [] })
  children.push(child)
  expect(await once(child, 'message')).toEqual(['ready', undefined])
  return child
}

async function ask(child: ChildProcess, message: string): Promise<string> {
  child.send(message)
  const [answer] = (await once(child, 'message')) as [string]
  return answer
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}

test('another process is refused with the name of the holder until the lock is released', async () => {
  const child = await contender()
  expect(await ask(child, 'acquire')).toBe('held')
  const { since } = JSON.parse(readFileSync(join(dir, 'LOCK'), 'utf8')) as { since: string }
  const named = new RegExp(`process ${child.pid} on host .* since ${since.replaceAll('.', '\\.')}.*LOCK`)
  expect(() => acquireLockSync(nodeVfs, dir)).toThrow(named)
  expect(lockHolderSync(nodeVfs, dir)?.pid).toBe(child.pid)
  expect(await ask(child, 'release')).toBe('released')
  acquireLockSync(nodeVfs, dir).releaseSync()
  expect(readdirSync(dir)).toEqual([])
})

test.skipIf(process.platform === 'win32')('a stopped holder is not robbed, a killed one is succeeded', async () => {
  const child = await contender()
  expect(await ask(child, 'acquire')).toBe('held')
  child.kill('SIGSTOP')
  expect(() => acquireLockSync(nodeVfs, dir)).toThrow(`process ${child.pid}`)
  child.kill('SIGCONT')
  expect(() => acquireLockSync(nodeVfs, dir)).toThrow(`process ${child.pid}`)
  await kill(child)
  expect(lockHolderSync(nodeVfs, dir)).toBeUndefined()
  const lock = acquireLockSync(nodeVfs, dir)
  expect(readdirSync(dir)).toEqual(['LOCK'])
  lock.releaseSync()
})

test('processes that race for the lock of a killed holder have it one at a time', async () => {
  const first = await contender()
  expect(await ask(first, 'acquire')).toBe('held')
  const racers = await Promise.all([1, 2, 3].map(contender))
  await kill(first)
  const rounds = 40
  expect(await Promise.all(racers.map((racer) => ask(racer, `race:${rounds}`)))).toEqual(racers.map(() => `raced:${rounds}`))
  expect(readdirSync(dir)).toEqual([])
})

test('another thread of the same process is refused', async () => {
  const lock = acquireLockSync(nodeVfs, dir)
  const source = `
    import { parentPort } from 'node:worker_threads'
    import { acquireLockSync } from ${JSON.stringify(lockModule)}
    import { nodeVfs } from ${JSON.stringify(nodeModule)}
    try {
      acquireLockSync(nodeVfs, ${JSON.stringify(dir)})
      parentPort.postMessage('held')
    } catch (error) {
      parentPort.postMessage(error.code + ' ' + error.message)
    }`
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`))
  const [answer] = (await once(worker, 'message')) as [string]
  expect(answer).toMatch(new RegExp(`^ERR_LOCKED .*this process \\(pid ${process.pid}\\), in another thread`))
  await worker.terminate()
  lock.releaseSync()
})
