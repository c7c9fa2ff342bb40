import { describe, expect, test } from 'vitest'
import { runTask, runTaskSync } from '../../../src/util/task.js'
import { FaultVfs } from '../../../src/vfs/fault.js'
import {
  joinPath,
  makeDirTask,
  parentPath,
  readFileSync,
  readFully,
  readFullySync,
  syncDirStep,
  syncStep,
  writeFully,
  writeFullySync,
} from '../../../src/vfs/io.js'
import { memory } from '../../../src/vfs/memory.js'

const TEXT = Buffer.from('the quick brown fox')

describe('short reads and writes', () => {
  test('are continued until all is done', async () => {
    const vfs = new FaultVfs(memory())
    vfs.addRule({ operation: ['read', 'write'], times: Infinity, short: 3 })
    const file = vfs.openSync('/a', 'create')
    writeFullySync(file, TEXT, 4, 5, 0)
    await writeFully(file, TEXT, 0, TEXT.length, 5)
    expect(vfs.count('write')).toBe(2 + 7)
    const target = Buffer.alloc(30, '.')
    expect(readFullySync(file, target, 1, 9, 0)).toBe(9)
    expect(target.toString()).toBe('.quickthe '.padEnd(30, '.'))
    expect(await readFully(file, target, 0, 30, 4)).toBe(20)
    expect(target.subarray(0, 20).toString()).toBe('kthe quick brown fox')
  })

  test('a write that makes no progress is an error that says where, not a loop', async () => {
    const vfs = new FaultVfs(memory())
    const file = vfs.openSync('/a', 'create')
    const rules = [
      { nth: 1, short: 5 },
      { nth: 2, short: 0, times: Infinity },
    ].map((rule) => vfs.addRule({ operation: 'write', ...rule }))
    const failure = { code: 'ERR_IO', path: '/a', offset: 15 }
    expect(() => writeFullySync(file, TEXT, 0, TEXT.length, 10)).toThrow(expect.objectContaining(failure) as Error)
    rules[0]?.remove()
    await expect(writeFully(file, TEXT, 0, TEXT.length, 15)).rejects.toMatchObject(failure)
  })

  test('nothing to move needs no call', () => {
    const vfs = new FaultVfs(memory())
    const file = vfs.openSync('/a', 'create')
    writeFullySync(file, TEXT, 0, 0, 0)
    expect(readFullySync(file, Buffer.alloc(0), 0, 0, 0)).toBe(0)
    expect(vfs.count('write') + vfs.count('read')).toBe(0)
  })

  test('a small file is read whole, a large one to the limit, and none stays open', () => {
    const vfs = memory()
    vfs.writeFile('/a', TEXT)
    expect(readFileSync(vfs, '/a', 100).equals(TEXT)).toBe(true)
    expect(readFileSync(vfs, '/a', 3).toString()).toBe('the')
    const faulty = new FaultVfs(vfs)
    faulty.addRule({ operation: 'read' })
    expect(() => readFileSync(faulty, '/a', 3)).toThrow('EIO')
    expect(vfs.openHandleCount).toBe(0)
  })
})

describe.each(['sync', 'async'])('tasks, %s', (form) => {
  const run = <T>(task: Parameters<typeof runTaskSync<T>>[0]): T | Promise<T> =>
    form === 'sync' ? runTaskSync(task) : runTask(task, () => undefined)

  test('a sync step makes a file durable, a folder step its name', async () => {
    const vfs = memory()
    const file = vfs.openSync('/a', 'create')
    writeFullySync(file, TEXT, 0, TEXT.length, 0)
    await run(
      (function* () {
        yield syncStep(file)
        yield syncDirStep(vfs, '/')
      })(),
    )
    expect(vfs.crashClone({ unsyncedPercent: 0, seed: 1 }).readFile('/a').equals(TEXT)).toBe(true)
  })

  test('a folder is made durable with all above it that were missing', async () => {
    const vfs = memory()
    vfs.mkdirSync('/there')
    vfs.syncDirSync('/')
    await run(makeDirTask(vfs, '/there/a/b'))
    expect(vfs.crashClone({ unsyncedPercent: 0, seed: 1 }).statSync('/there/a/b')?.isDirectory).toBe(true)
    // Nobody knows who made what is there, and whether that one came to syncing it.
    vfs.mkdirSync('/made/c')
    await run(makeDirTask(vfs, '/made/c'))
    expect(vfs.crashClone({ unsyncedPercent: 0, seed: 1 }).statSync('/made/c')?.isDirectory).toBe(true)
    await run(makeDirTask(vfs, 'relative'))
    expect(vfs.crashClone({ unsyncedPercent: 0, seed: 1 }).statSync('/relative')?.isDirectory).toBe(true)
  })
})

test.each([
  ['/a/b', 'c', '/a/b/c'],
  ['/', 'c', '/c'],
  ['a/', 'c', 'a/c'],
  ['', 'c', 'c'],
  ['.', 'c', './c'],
])('%j joined with %j is %j', (dir, name, path) => expect(joinPath(dir, name)).toBe(path))

test.each([
  ['/a/b', '/a'],
  ['/a/b/', '/a'],
  ['/a//b', '/a'],
  ['/a', '/'],
  ['/', '/'],
  ['a', '.'],
  ['a/b', 'a'],
  ['./a', '.'],
  ['.', '.'],
])('the folder of %j is %j', (path, parent) => expect(parentPath(path)).toBe(parent))
