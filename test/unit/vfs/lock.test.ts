import { describe, expect, test } from 'vitest'
import { StoreError } from '../../../src/util/errors.js'
import { runTaskSync } from '../../../src/util/task.js'
import { FaultVfs } from '../../../src/vfs/fault.js'
import type { StoreLock } from '../../../src/vfs/lock.js'
import { acquireLockSync, lockHolderSync, lockTask } from '../../../src/vfs/lock.js'
import type { MemoryVfs } from '../../../src/vfs/memory.js'
import { memory } from '../../../src/vfs/memory.js'
import type { Vfs } from '../../../src/vfs/vfs.js'

const DIR = '/store'

function disk(): MemoryVfs {
  const vfs = memory()
  vfs.mkdirSync(DIR)
  return vfs
}

/** A disk whose lock was held by a process that died. */
function diskOfDeadHolder(): MemoryVfs {
  const vfs = disk()
  const dead = vfs.otherProcess()
  acquireLockSync(dead, DIR)
  dead.endProcess()
  return vfs
}

function tryAcquire(vfs: Vfs): StoreLock | undefined {
  try {
    return acquireLockSync(vfs, DIR)
  } catch (error) {
    if (error instanceof StoreError && error.code === 'ERR_LOCKED') return undefined
    throw error
  }
}

function lockedMessage(vfs: Vfs): string {
  try {
    acquireLockSync(vfs, DIR)
  } catch (error) {
    expect(error).toMatchObject({ code: 'ERR_LOCKED', path: '/store/LOCK' })
    return (error as Error).message
  }
  throw new Error('the lock was given away')
}

type Record_ = Record<string, unknown>
const recordOf = (vfs: MemoryVfs, name = 'LOCK'): Record_ => JSON.parse(vfs.readFile(`${DIR}/${name}`).toString()) as Record_
const write = (vfs: MemoryVfs, record: Record_, name = 'LOCK'): void => vfs.writeFile(`${DIR}/${name}`, Buffer.from(JSON.stringify(record)))

describe('one process', () => {
  test('holds the lock until it releases it, and leaves nothing behind', () => {
    const vfs = disk()
    const lock = acquireLockSync(vfs, DIR)
    expect(vfs.files()).toEqual(['/store/LOCK'])
    const { pid, startTime, bootId, hostname, pidNamespace } = vfs.processIdentity()
    expect(recordOf(vfs)).toEqual({
      nonce: expect.stringMatching(/^[0-9a-f]{32}$/) as unknown,
      pid,
      startTime,
      bootId,
      hostname,
      pidNamespace,
      since: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/) as unknown,
    })
    lock.releaseSync()
    lock.releaseSync()
    expect(vfs.files()).toEqual([])
    expect(vfs.openHandleCount).toBe(0)
    acquireLockSync(vfs, DIR).releaseSync()
  })

  test('a second open in the same process is refused, however the folder is spelt, also in the middle of the first', () => {
    const vfs = disk()
    const first = lockTask(vfs, DIR)
    first.next()
    expect(lockedMessage(vfs)).toMatch(/this process \(pid 1 on host memory\) since \d{4}-.*close it first/)
    const lock = runTaskSync(first)
    expect(() => acquireLockSync(vfs, '/x/.././store/')).toThrow(/this process/)
    vfs.mkdirSync('/other')
    acquireLockSync(vfs, '/other').releaseSync()
    lock.releaseSync()
    acquireLockSync(vfs, DIR)
  })

  test('a thread or a second copy of the library, which shares the pid, is refused by the file', () => {
    const vfs = disk()
    acquireLockSync(vfs, DIR)
    expect(lockedMessage(new FaultVfs(vfs))).toMatch(/this process \(pid 1\), in another thread/)
  })

  test('a folder that is missing gives an error, and no half-held lock', () => {
    const vfs = memory()
    expect(() => acquireLockSync(vfs, DIR)).toThrow(/ENOENT/)
    vfs.mkdirSync(DIR)
    acquireLockSync(vfs, DIR)
  })

  test('a release leaves a lock that is no longer its own', () => {
    const vfs = disk()
    const lock = acquireLockSync(vfs, DIR)
    vfs.unlinkSync('/store/LOCK') // what nobody should do
    const second = acquireLockSync(vfs.otherProcess(), DIR)
    lock.releaseSync()
    expect(vfs.files()).toEqual(['/store/LOCK'])
    second.releaseSync()
    expect(vfs.files()).toEqual([])
  })
})

describe('another process', () => {
  test('is refused by name while the holder lives, and succeeds it when it died', () => {
    const vfs = disk()
    const holder = vfs.otherProcess()
    acquireLockSync(holder, DIR)
    const { since, nonce } = recordOf(vfs) as { since: string; nonce: string }
    expect(lockedMessage(vfs)).toBe(
      `the store at /store is held by process 2 on host memory since ${since}: close it there, or end that process; ` +
        'delete /store/LOCK only if you know that it no longer runs',
    )
    expect(lockHolderSync(vfs, DIR)).toMatchObject({ pid: 2, since })
    expect(vfs.files()).toEqual(['/store/LOCK'])
    holder.endProcess()
    expect(lockHolderSync(vfs, DIR)).toBeUndefined()
    acquireLockSync(vfs, DIR)
    expect(recordOf(vfs)['nonce']).not.toBe(nonce)
    expect(vfs.files()).toEqual(['/store/LOCK'])
  })

  test('looks to the end of a chain of successors for the holder', () => {
    const vfs = diskOfDeadHolder()
    const live = vfs.otherProcess()
    const dead = recordOf(vfs)
    const next = { ...dead, nonce: 'b'.repeat(32) }
    write(vfs, next, `LOCK.${String(dead['nonce'])}`)
    write(vfs, { ...next, nonce: 'c'.repeat(32), ...live.processIdentity() }, `LOCK.${next.nonce}`)
    expect(lockedMessage(vfs)).toContain(`process ${live.processIdentity().pid}`)
    live.endProcess()
    acquireLockSync(vfs, DIR)
    expect(vfs.files()).toEqual(['/store/LOCK'])
  })

  test('records that form a circle are reported, not followed for ever', () => {
    const vfs = diskOfDeadHolder()
    const record = recordOf(vfs)
    write(vfs, record, `LOCK.${String(record['nonce'])}`)
    expect(lockedMessage(vfs)).toMatch(/lead to no holder: delete them/)
  })

  test.each([
    ['a reused pid', { startTime: '7' }, true],
    ['an earlier boot', { bootId: 'boot-0' }, true],
    ['another host', { hostname: 'elsewhere' }, false],
    ['an unknown boot', { bootId: '' }, false],
  ])('%s in the lock: succeeded %s', (_, change, isDead) => {
    const vfs = disk()
    acquireLockSync(vfs.otherProcess(), DIR)
    write(vfs, { ...recordOf(vfs), ...change })
    expect(tryAcquire(vfs) !== undefined).toBe(isDead)
  })

  test.each([
    ['empty', ''],
    ['zeroes', '\0'.repeat(250)],
    ['cut off', '{"nonce":"0123456789abcdef0123456789abcdef","pid":'],
    ['no object', 'null'],
    ['a nonce that leads elsewhere', '{"nonce":"../../etc/passwd","pid":1}'],
    [
      'an impossible pid',
      JSON.stringify({ nonce: '0'.repeat(32), pid: -1, startTime: '', bootId: '', hostname: '', pidNamespace: '', since: '' }),
    ],
    ['huge', 'x'.repeat(100_000)],
  ])('a lock file that is %s was torn by a power loss, and is succeeded', (_, content) => {
    const vfs = disk()
    vfs.writeFile('/store/LOCK', Buffer.from(content))
    expect(lockHolderSync(vfs, DIR)).toBeUndefined()
    acquireLockSync(vfs, DIR).releaseSync()
    expect(vfs.files()).toEqual([])
  })

  test('sweeps what the dead have left, and nothing else', () => {
    const vfs = diskOfDeadHolder()
    const dead = recordOf(vfs)
    const live = vfs.otherProcess().processIdentity()
    write(vfs, dead, `LOCK.${'1'.repeat(32)}`)
    write(vfs, dead, `LOCK.${'2'.repeat(32)}.tmp`)
    write(vfs, dead, `LOCK.${'3'.repeat(32)}.link.tmp`)
    vfs.writeFile(`/store/LOCK.${'4'.repeat(32)}.tmp`, Buffer.alloc(0))
    write(vfs, { ...dead, ...live }, `LOCK.${'5'.repeat(32)}.tmp`)
    vfs.writeFile('/store/LOCK.notes', Buffer.from('mine'))
    vfs.writeFile('/store/000001.log', Buffer.from('data'))
    acquireLockSync(vfs, DIR)
    expect(vfs.files()).toEqual(['/store/000001.log', '/store/LOCK', `/store/LOCK.${'5'.repeat(32)}.tmp`, '/store/LOCK.notes'])
  })
})

describe('interrupted', () => {
  const situations: [string, () => MemoryVfs][] = [
    ['a free lock', disk],
    ['the lock of a dead holder', diskOfDeadHolder],
  ]

  function mutationsOf(make: () => MemoryVfs): number {
    const vfs = make()
    const before = vfs.mutationCount
    acquireLockSync(vfs, DIR).releaseSync()
    return vfs.mutationCount - before
  }

  test.each(situations)('a competitor that comes at any moment of taking and releasing %s never holds it as well', (_, make) => {
    for (let k = 0; k < mutationsOf(make); k++) {
      for (const isShortLived of [false, true]) {
        const vfs = make()
        const start = vfs.mutationCount
        let isHeld = false
        let other: StoreLock | undefined
        vfs.onMutation = (index) => {
          if (index !== start + k) return
          const competitor = vfs.otherProcess()
          other = tryAcquire(competitor)
          expect(isHeld && other !== undefined).toBe(false)
          if (isShortLived) {
            other?.releaseSync()
            other = undefined
          }
        }
        const lock = tryAcquire(vfs)
        isHeld = lock !== undefined
        expect(isHeld && other !== undefined, `two holders at operation ${k}`).toBe(false)
        expect(isHeld || other !== undefined || !isShortLived, `no holder at operation ${k}`).toBe(true)
        lock?.releaseSync()
        isHeld = false
        other?.releaseSync()
        acquireLockSync(vfs.otherProcess(), DIR).releaseSync()
        expect(vfs.files()).toEqual([])
      }
    }
  })

  test.each(situations)('a death at any moment of taking and releasing %s leaves it to the next', (_, make) => {
    for (let k = 0; k < mutationsOf(make); k++) {
      for (const clone of ['kill', 0, 30, 60, 100] as const) {
        const vfs = make()
        const start = vfs.mutationCount
        let after: MemoryVfs | undefined
        vfs.onMutation = (index) => {
          if (index !== start + k) return
          after = clone === 'kill' ? vfs.processKillClone() : vfs.crashClone({ unsyncedPercent: clone, seed: k })
        }
        vfs.syncDirSync('/')
        acquireLockSync(vfs, DIR).releaseSync()
        if (after === undefined || after.statSync(DIR) === undefined) continue
        acquireLockSync(after, DIR).releaseSync()
        expect(after.files(), `after operation ${k}, ${clone}`).toEqual([])
      }
    }
  })

  test.each(situations)('an error of the disk at any operation on %s is thrown, and does not keep the lock', (_, make) => {
    for (const operation of ['create', 'write', 'link', 'unlink', 'rename', 'open', 'read', 'readdir'] as const) {
      for (let nth = 1; nth < 8; nth++) {
        const vfs = make()
        const faulty = new FaultVfs(vfs)
        faulty.addRule({ operation, nth, error: 'EIO' })
        try {
          acquireLockSync(faulty, DIR).releaseSync()
        } catch (error) {
          expect(error).toMatchObject({ code: 'ERR_IO' })
        }
        faulty.clearRules()
        expect(vfs.openHandleCount).toBe(0)
        // only where the lock file itself could not be removed does it stay, until its process ends
        const lock = tryAcquire(faulty)
        if (lock === undefined) expect(operation === 'unlink' || operation === 'open' || operation === 'read').toBe(true)
        vfs.endProcess()
        acquireLockSync(vfs.otherProcess(), DIR)
      }
    }
  })
})

/** A file system that notes what is done with it. */
function traced(vfs: Vfs): { vfs: Vfs; trace: string[] } {
  const trace: string[] = []
  const proxy = new Proxy(vfs, {
    get(target, name: keyof Vfs) {
      const method = target[name] as (...args: unknown[]) => unknown
      return (...args: unknown[]) => {
        trace.push(`${name} ${String(args[name === 'linkSync' || name === 'renameSync' ? 1 : 0])}`)
        return method.apply(target, args)
      }
    },
  })
  return { vfs: proxy, trace }
}

interface Actor {
  machine: MemoryVfs
  trace: string[]
  task: ReturnType<typeof lockTask>
  lock: StoreLock | undefined
  isRefused: boolean
}

/** Runs an actor until it has the lock, is refused, or `until` holds. */
function runUntil(actor: Actor, until: () => boolean): void {
  while (actor.lock === undefined && !actor.isRefused && !until()) {
    try {
      const turn = actor.task.next()
      if (turn.done === true) actor.lock = turn.value
    } catch (error) {
      expect(error).toMatchObject({ code: 'ERR_LOCKED' })
      actor.isRefused = true
    }
  }
}

test('nobody holds on to a chain that was cut off behind it', () => {
  // The case that makes the second walk necessary: checking only that LOCK is unchanged gives the lock to both W and V here.
  for (let stepsOfW = 0; stepsOfW < 30; stepsOfW++) {
    const vfs = diskOfDeadHolder()
    const [p, l, w, v] = [1, 2, 3, 4].map(() => {
      const machine = vfs.otherProcess()
      const { vfs: seen, trace } = traced(machine)
      return { machine, trace, task: lockTask(seen, DIR), lock: undefined, isRefused: false }
    }) as [Actor, Actor, Actor, Actor]
    const first = String(recordOf(vfs)['nonce'])

    // P succeeds the dead holder, and is about to shorten the chain. L walks to its end, which is P.
    runUntil(p, () => p.trace.at(-1) === `linkSync /store/LOCK.${first}`)
    const second = String(recordOf(vfs, `LOCK.${first}`)['nonce'])
    runUntil(l, () => l.trace.at(-1) === `openSync /store/LOCK.${second}`)
    // P holds the lock, and dies. L links itself behind P, but the chain that it walked began elsewhere.
    runUntil(p, () => false)
    expect(p.lock).toBeDefined()
    p.machine.endProcess()
    runUntil(l, () => l.trace.at(-1) === `linkSync /store/LOCK.${second}`)
    const third = String(recordOf(vfs, `LOCK.${second}`)['nonce'])
    // W walks to the end, which is L.
    runUntil(w, () => w.trace.at(-1) === `openSync /store/LOCK.${third}`)
    // L holds the lock, or removes its link and dies. Then W goes on for some steps, V comes, and W ends.
    runUntil(l, () => vfs.files().every((path) => path !== `/store/LOCK.${second}` && !path.includes(third)))
    if (l.lock === undefined) l.machine.endProcess()
    let steps = 0
    runUntil(w, () => steps++ === stepsOfW)
    runUntil(v, () => false)
    runUntil(w, () => false)
    expect([l, w, v].filter((actor) => actor.lock !== undefined)).toHaveLength(1)
  }
})

describe('without hard links', () => {
  function linkless(vfs: MemoryVfs, code = 'ENOTSUP'): FaultVfs {
    const faulty = new FaultVfs(vfs)
    faulty.addRule({ operation: 'link', times: Infinity, error: code })
    return faulty
  }

  test.each(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EISDIR'])('the lock works by exclusive creation (link says %s)', (code) => {
    const vfs = disk()
    const holder = vfs.otherProcess()
    const lock = acquireLockSync(linkless(holder, code), DIR)
    expect(vfs.files()).toEqual(['/store/LOCK'])
    expect(lockedMessage(linkless(vfs, code))).toContain('process 2')
    lock.releaseSync()
    acquireLockSync(linkless(holder, code), DIR)
    holder.endProcess()
    acquireLockSync(linkless(vfs, code), DIR).releaseSync()
    expect(vfs.files()).toEqual([])
  })

  test('a lock file that cannot be read may be in the making, and is respected', () => {
    const vfs = disk()
    vfs.writeFile('/store/LOCK', Buffer.alloc(0))
    expect(lockedMessage(linkless(vfs))).toMatch(/being written, or was damaged: try again, and delete \/store\/LOCK\*/)
  })
})
