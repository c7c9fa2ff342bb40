/**
 * A process that takes and releases the lock of a folder on command, for `test/unit/vfs/lock_processes.test.ts`.
 *
 * It is forked, and answers each message with one: `acquire` → `held` or the error's code, `release` → `released`, `race:<n>` → takes the
 * lock `n` times, each time proving by an exclusively created file that nobody else has it, and answers `raced:<n>` or what went wrong.
 */
import { closeSync, openSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { StoreError } from '../../src/util/errors.js'
import type { StoreLock } from '../../src/vfs/lock.js'
import { acquireLockSync } from '../../src/vfs/lock.js'
import { nodeVfs } from '../../src/vfs/node.js'

const dir = process.argv[2]!
const witness = join(dir, 'witness')
let lock: StoreLock | undefined

function acquire(): string {
  try {
    lock = acquireLockSync(nodeVfs, dir)
    return 'held'
  } catch (error) {
    return error instanceof StoreError ? error.code : String(error)
  }
}

function race(rounds: number): string {
  let won = 0
  for (const endMs = Date.now() + 20_000; won < rounds && Date.now() < endMs;) {
    const outcome = acquire()
    if (outcome === 'ERR_LOCKED') continue
    if (outcome !== 'held') return outcome
    closeSync(openSync(witness, 'wx')) // throws when another process has the lock too
    unlinkSync(witness)
    lock?.releaseSync()
    won++
  }
  return `raced:${won}`
}

process.on('message', (message: string) => {
  let answer: string
  try {
    if (message === 'acquire') answer = acquire()
    else if (message === 'release') {
      lock?.releaseSync()
      answer = 'released'
    } else answer = race(Number(message.slice('race:'.length)))
  } catch (error) {
    answer = `failed: ${String(error)}`
  }
  process.send?.(answer)
})
process.on('disconnect', () => process.exit())
process.send?.('ready')
