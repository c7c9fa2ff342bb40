import { describe, expect, test } from 'vitest'
import type { ProcessFacts, ProcessIdentity } from '../../../src/vfs/process_identity.js'
import { isProcessAlive, readProcessIdentity, systemFacts } from '../../../src/vfs/process_identity.js'

const INITIAL = 'pid:[4026531836]'
const CONTAINER = 'pid:[4026532222]'

/** A line of `/proc/<pid>/stat`, with a name that tries to confuse its reader. */
const statLine = (pid: number, state: string, startTime: string): string =>
  `${pid} (a) b) ${state} 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 ${startTime} 20 21 22\n`

interface Simulated {
  pid: number
  state?: string
  startTime: string
  /** Pids from the outermost namespace to its own. */
  nsPids?: number[]
}

function facts(running: Simulated[], change: Partial<ProcessFacts> = {}): ProcessFacts {
  const files = new Map<string, string>([['/proc/sys/kernel/random/boot_id', 'boot-a\n']])
  for (const { pid, state = 'S', startTime, nsPids = [pid] } of running) {
    files.set(`/proc/${pid}/stat`, statLine(pid, state, startTime))
    files.set(`/proc/${pid}/status`, `Name:\ta\nNStgid:\t${nsPids.join('\t')}\nNSpid:\t${nsPids.join('\t')}\nNSpgid:\t1\n`)
  }
  files.set('/proc/self/stat', statLine(10, 'R', '500'))
  return {
    pid: 10,
    hostname: () => 'mill',
    text: (path) => files.get(path),
    link: (path) => (path === '/proc/self/ns/pid' ? INITIAL : undefined),
    pids: () => running.map(({ pid }) => pid),
    exists: (pid) => running.some((other) => other.pid === pid),
    ...change,
  }
}

const self = readProcessIdentity(facts([]))
const other: ProcessIdentity = { ...self, pid: 20, startTime: '900' }

test('an identity is read from /proc, and is empty where there is none', () => {
  expect(self).toEqual({ pid: 10, startTime: '500', bootId: 'boot-a', hostname: 'mill', pidNamespace: INITIAL })
  const nothing = { text: () => undefined, link: () => undefined }
  expect(readProcessIdentity(facts([], nothing))).toEqual({ pid: 10, startTime: '', bootId: '', hostname: 'mill', pidNamespace: '' })
  expect(readProcessIdentity(facts([], { text: () => 'nonsense' })).startTime).toBe('')
})

describe('in the same namespace', () => {
  test.each([
    ['runs', [{ pid: 20, startTime: '900' }], true],
    ['is stopped', [{ pid: 20, startTime: '900', state: 'T' }], true],
    ['is gone', [], false],
    ['is a zombie', [{ pid: 20, startTime: '900', state: 'Z' }], false],
    ['is being removed', [{ pid: 20, startTime: '900', state: 'X' }], false],
    ['has given its pid to another', [{ pid: 20, startTime: '901' }], false],
  ])('a process that %s', (_, running, isAlive) => {
    expect(isProcessAlive(other, self, facts(running))).toBe(isAlive)
  })

  test('doubt is life: no start time in the lock, or none to compare with', () => {
    expect(isProcessAlive({ ...other, startTime: '' }, self, facts([{ pid: 20, startTime: '901' }]))).toBe(true)
    expect(isProcessAlive(other, self, facts([{ pid: 20, startTime: '901' }], { text: () => undefined }))).toBe(true)
  })

  test('without /proc the pid decides', () => {
    const bare = { bootId: '', pidNamespace: '', startTime: '' }
    const running = facts([{ pid: 20, startTime: '1' }], { text: () => undefined })
    expect(isProcessAlive({ ...other, ...bare }, { ...self, ...bare }, running)).toBe(true)
    expect(isProcessAlive({ ...other, ...bare }, { ...self, ...bare }, facts([]))).toBe(false)
  })
})

describe('elsewhere', () => {
  test('another host is doubt, whatever else differs', () => {
    expect(isProcessAlive({ ...other, hostname: 'elsewhere', bootId: 'boot-b' }, self, facts([]))).toBe(true)
  })

  test('an earlier boot is proof, an unknown one is not', () => {
    const running = facts([{ pid: 20, startTime: '900' }])
    expect(isProcessAlive({ ...other, bootId: 'boot-b' }, self, running)).toBe(false)
    expect(isProcessAlive({ ...other, bootId: '' }, self, facts([]))).toBe(true)
    expect(isProcessAlive(other, { ...self, bootId: '' }, facts([]))).toBe(true)
  })

  test('a container that was restarted has lost its processes', () => {
    const inside = { ...self, pidNamespace: CONTAINER }
    expect(isProcessAlive({ ...other, pidNamespace: 'pid:[4026539999]' }, inside, facts([]))).toBe(false)
  })

  test('a process outside of all containers cannot be seen from inside', () => {
    expect(isProcessAlive(other, { ...self, pidNamespace: CONTAINER }, facts([]))).toBe(true)
  })

  test('a process in a container is seen from outside by its inner pid and start', () => {
    const inside = { ...other, pid: 7, pidNamespace: CONTAINER }
    const seen = (running: Simulated[], change?: Partial<ProcessFacts>): boolean => isProcessAlive(inside, self, facts(running, change))
    expect(seen([{ pid: 3007, startTime: '900', nsPids: [3007, 7] }])).toBe(true)
    expect(seen([{ pid: 3007, startTime: '900', nsPids: [3007, 8] }])).toBe(false)
    expect(seen([{ pid: 3007, startTime: '901', nsPids: [3007, 7] }])).toBe(false)
    expect(seen([{ pid: 3007, startTime: '900', nsPids: [3007, 7], state: 'Z' }])).toBe(false)
    expect(seen([])).toBe(false)
    expect(seen([], { pids: () => undefined })).toBe(true)
    const withoutStatus = facts([{ pid: 3007, startTime: '900' }])
    const text = (path: string): string | undefined => (path.endsWith('/status') ? undefined : withoutStatus.text(path))
    expect(seen([{ pid: 3007, startTime: '900' }], { text })).toBe(true)
    const whole = facts([{ pid: 3007, startTime: '900', nsPids: [3007, 70] }])
    const cut = (path: string): string | undefined => whole.text(path)?.replace(/^(NSpid:.*)0\nNSpgid[^]*/m, '$1')
    expect(cut('/proc/3007/status')).toMatch(/NSpid:\t3007\t7$/)
    expect(isProcessAlive({ ...inside, pid: 70 }, self, facts([{ pid: 3007, startTime: '900' }], { text: cut }))).toBe(true)
  })

  test('an unknown namespace or boot proves nothing', () => {
    const inside = { ...self, pidNamespace: CONTAINER }
    expect(isProcessAlive({ ...other, pidNamespace: '' }, inside, facts([]))).toBe(true)
    const unknown = { bootId: '', pidNamespace: CONTAINER }
    expect(isProcessAlive({ ...other, ...unknown }, { ...self, bootId: '', pidNamespace: 'pid:[1]' }, facts([]))).toBe(true)
  })
})

test.runIf(process.platform === 'linux')('the facts of this system are there', () => {
  expect(systemFacts.pids()).toContain(process.pid)
  expect(systemFacts.exists(process.pid)).toBe(true)
  expect(systemFacts.exists(0x7fff_fffe)).toBe(false)
  expect(systemFacts.text('/proc/none')).toBeUndefined()
  expect(systemFacts.link('/proc/none')).toBeUndefined()
})
