import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../../src/util/clock.js'
import { systemCode } from '../../../src/util/errors.js'
import type { FaultOperation } from '../../../src/vfs/fault.js'
import { FaultVfs } from '../../../src/vfs/fault.js'
import { memory } from '../../../src/vfs/memory.js'

const BYTES = Buffer.from('0123456789')

function setUp() {
  const inner = memory()
  inner.writeFile('/d/a', BYTES)
  inner.mkdirSync('/d/empty')
  const vfs = new FaultVfs(inner)
  const file = vfs.openSync('/d/a', 'update')
  return { inner, vfs, file }
}

function codeOf(action: () => unknown): string | undefined {
  try {
    action()
  } catch (error) {
    return systemCode(error)
  }
  return undefined
}

type Fixture = ReturnType<typeof setUp>
const operations: [FaultOperation, (fixture: Fixture) => unknown][] = [
  ['open', ({ vfs }) => vfs.openSync('/d/a', 'read')],
  ['create', ({ vfs }) => vfs.openSync('/d/b', 'create')],
  ['read', ({ file }) => file.readSync(Buffer.alloc(5), 0, 5, 0)],
  ['read', ({ file }) => file.read(Buffer.alloc(5), 0, 5, 0)],
  ['write', ({ file }) => file.writeSync(BYTES, 0, 5, 0)],
  ['write', ({ file }) => file.write(BYTES, 0, 5, 0)],
  ['sync', ({ file }) => file.syncSync()],
  ['sync', ({ file }) => file.sync()],
  ['stat', ({ file }) => file.sizeSync()],
  ['stat', ({ vfs }) => vfs.statSync('/d/a')],
  ['truncate', ({ file }) => file.truncateSync(3)],
  ['readdir', ({ vfs }) => vfs.readdirSync('/d')],
  ['mkdir', ({ vfs }) => vfs.mkdirSync('/d/new')],
  ['rmdir', ({ vfs }) => vfs.rmdirSync('/d/empty')],
  ['rename', ({ vfs }) => vfs.renameSync('/d/a', '/d/b')],
  ['link', ({ vfs }) => vfs.linkSync('/d/a', '/d/b')],
  ['unlink', ({ vfs }) => vfs.unlinkSync('/d/a')],
  ['unlink', ({ vfs }) => vfs.unlink('/d/a')],
  ['syncDir', ({ vfs }) => vfs.syncDirSync('/d')],
  ['syncDir', ({ vfs }) => vfs.syncDir('/d')],
]

test('a close that fails has closed the file', () => {
  const { inner, vfs, file } = setUp()
  const rule = vfs.addRule({ operation: 'close' })
  expect(codeOf(() => file.closeSync())).toBe('EIO')
  expect(inner.openHandleCount).toBe(0)
  // Closing twice does nothing.
  file.closeSync()
  expect(rule.hits).toBe(1)
  expect(vfs.count('close')).toBe(1)
})

test('operations are told by number, kind and path, failed ones too', () => {
  const vfs = new FaultVfs(memory())
  const told: string[] = []
  vfs.onOperation = (index, operation, path) => told.push(`${index} ${operation} ${path}`)
  vfs.addRule({ operation: 'unlink' })
  codeOf(() => vfs.unlinkSync('/d/a'))
  vfs.statSync('/d/a')
  expect(told).toEqual(['1 unlink /d/a', '2 stat /d/a'])
})

test.each(operations)('%s fails when a rule says so, before anything happened, and works afterwards (%s)', async (operation, act) => {
  const fixture = setUp()
  const { inner, vfs } = fixture
  const before = inner.mutationCount
  const others = vfs.addRule({
    operation: operations.map(([other]) => other).filter((other) => other !== operation),
    times: Infinity,
  })
  const rule = vfs.addRule({ operation, error: 'EMFILE' })
  const attempt = async (): Promise<unknown> => act(fixture)
  const counted = vfs.count(operation)
  const failure = await attempt().then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(systemCode(failure)).toBe('EMFILE')
  expect(failure).toMatchObject({ code: 'ERR_IO' })
  expect(inner.mutationCount).toBe(before)
  await attempt()
  expect(rule.hits).toBe(1)
  expect(others.hits).toBe(0)
  expect(vfs.count(operation)).toBe(counted + 2)
})

describe('rules', () => {
  test('begin at the n-th matching operation and last for their times', () => {
    const { vfs } = setUp()
    const rule = vfs.addRule({ operation: 'stat', path: /a$/, nth: 2, times: 2, error: 'ENOSPC' })
    const outcomes = ['/d/a', '/d', '/d/a', '/d', '/d/a', '/d/a'].map((path) => codeOf(() => vfs.statSync(path)))
    expect(outcomes).toEqual([undefined, undefined, 'ENOSPC', undefined, 'ENOSPC', undefined])
    expect(rule.hits).toBe(2)
  })

  test('match the end of a path, an expression, and either name of a rename', () => {
    const { vfs } = setUp()
    const rules = ['/a', /^\/d\/[x-z]$/g].map((path) => vfs.addRule({ path, times: Infinity }))
    expect(codeOf(() => vfs.renameSync('/d/empty', '/d/x'))).toBe('EIO')
    expect(codeOf(() => vfs.renameSync('/d/a', '/d/b'))).toBe('EIO')
    expect(codeOf(() => vfs.statSync('/d/x'))).toBe('EIO')
    expect(codeOf(() => vfs.statSync('/d/x'))).toBe('EIO')
    expect(codeOf(() => vfs.statSync('/d/empty'))).toBeUndefined()
    expect(rules.map((rule) => rule.hits)).toEqual([1, 3])
  })

  test('end when removed, one by one or all', () => {
    const { vfs } = setUp()
    const rule = vfs.addRule({ operation: 'stat', times: Infinity })
    vfs.addRule({ operation: 'readdir', times: Infinity })
    expect(codeOf(() => vfs.statSync('/d'))).toBe('EIO')
    rule.remove()
    expect(codeOf(() => vfs.statSync('/d'))).toBeUndefined()
    expect(codeOf(() => vfs.readdirSync('/d'))).toBe('EIO')
    vfs.clearRules()
    expect(codeOf(() => vfs.readdirSync('/d'))).toBeUndefined()
  })

  test('of which several match: all count, the first whose turn it is decides', () => {
    const { vfs } = setUp()
    const first = vfs.addRule({ operation: 'stat', nth: 2, error: 'EACCES' })
    const second = vfs.addRule({ operation: 'stat', times: 2, error: 'EIO' })
    expect([1, 2, 3].map(() => codeOf(() => vfs.statSync('/d')))).toEqual(['EIO', 'EACCES', undefined])
    expect([first.hits, second.hits]).toEqual([1, 1])
  })

  test('a full disk is reported as such', () => {
    const { vfs, file } = setUp()
    vfs.addRule({ operation: 'write', error: 'ENOSPC' })
    expect(() => file.writeSync(BYTES, 0, 5, 0)).toThrow(expect.objectContaining({ code: 'ERR_DISK_FULL', path: '/d/a' }) as Error)
  })
})

describe('reads and writes', () => {
  test('come short', async () => {
    const { vfs, file, inner } = setUp()
    vfs.addRule({ operation: ['read', 'write'], short: 2, times: 3 })
    expect(file.readSync(Buffer.alloc(5), 0, 5, 0)).toBe(2)
    expect(await file.read(Buffer.alloc(5), 0, 5, 0)).toBe(2)
    expect(file.writeSync(Buffer.from('abcde'), 0, 5, 0)).toBe(2)
    expect(await file.write(Buffer.from('vwxyz'), 0, 5, 5)).toBe(5)
    expect(inner.readFile('/d/a').toString()).toBe('ab234vwxyz')
    vfs.addRule({ operation: 'write', short: 0, times: 2 })
    expect(file.writeSync(BYTES, 0, 5, 0)).toBe(0)
    expect(await file.write(BYTES, 0, 5, 0)).toBe(0)
  })

  test('fail after some bytes', async () => {
    const { vfs, file, inner } = setUp()
    vfs.addRule({ operation: 'write', short: 3, error: 'EIO', times: 2 })
    expect(codeOf(() => file.writeSync(Buffer.from('abcde'), 0, 5, 0))).toBe('EIO')
    await expect(file.write(Buffer.from('vwxyz'), 0, 5, 5)).rejects.toMatchObject({ code: 'ERR_IO' })
    expect(inner.readFile('/d/a').toString()).toBe('abc34vwx89')
  })

  test('return damaged bytes', async () => {
    const { vfs, file } = setUp()
    const seen: [string, number][] = []
    vfs.addRule({
      operation: 'read',
      times: 2,
      corrupt(bytes, position) {
        seen.push([Buffer.from(bytes).toString(), position])
        bytes[0]! ^= 1
      },
    })
    const target = Buffer.from('------')
    file.readSync(target, 1, 4, 2)
    expect(target.toString()).toBe('-3345-')
    await file.read(target, 0, 100, 8)
    expect(target.toString()).toBe('99345-')
    expect(seen).toEqual([
      ['2345', 2],
      ['89', 8],
    ])
  })

  test('come late, when the clock says so', async () => {
    const clock = new ManualClock()
    const inner = memory()
    inner.writeFile('/a', BYTES)
    const vfs = new FaultVfs(inner, clock)
    vfs.addRule({ operation: 'read', delayMs: 50 })
    const file = vfs.openSync('/a', 'read')
    let isDone = false
    const reading = file.read(Buffer.alloc(5), 0, 5, 0).then((count) => {
      isDone = true
      return count
    })
    const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
    await turn()
    clock.advance(49)
    await turn()
    expect(isDone).toBe(false)
    clock.advance(1)
    expect(await reading).toBe(5)
  })
})

test('what concerns no operation passes through', () => {
  const { inner, vfs, file } = setUp()
  expect(vfs.realpathSync('/d/../d/a')).toBe('/d/a')
  expect(vfs.processIdentity()).toEqual(inner.processIdentity())
  expect(vfs.isProcessAlive(inner.processIdentity())).toBe(true)
  expect(vfs.workerSpec()).toBeUndefined()
  expect(vfs.inner).toBe(inner)
  file.closeSync()
  expect(inner.openHandleCount).toBe(0)
})
