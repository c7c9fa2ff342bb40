/**
 * What every file system must do, checked on all of them: the engine is tested on the simulated disk, so that one must behave like the real
 * one.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { StoreError, systemCode } from '../../../src/util/errors.js'
import { readFileSync, readFully, readFullySync, writeFully, writeFullySync } from '../../../src/vfs/io.js'
import { memory } from '../../../src/vfs/memory.js'
import { nodeVfs } from '../../../src/vfs/node.js'
import type { Vfs } from '../../../src/vfs/vfs.js'

const kinds: Record<string, () => { vfs: Vfs; dir: string; remove: () => void }> = {
  node: () => {
    const dir = mkdtempSync(join(tmpdir(), 'varve-vfs-'))
    return { vfs: nodeVfs, dir, remove: () => rmSync(dir, { recursive: true }) }
  },
  memory: () => {
    const vfs = memory()
    vfs.mkdirSync('/work')
    return { vfs, dir: '/work', remove: () => expect(vfs.openHandleCount).toBe(0) }
  },
}

function codeOf(action: () => unknown): string | undefined {
  try {
    action()
  } catch (error) {
    expect(error).toBeInstanceOf(StoreError)
    return systemCode(error) ?? (error as StoreError).code
  }
  return undefined
}

function put(vfs: Vfs, path: string, content: string): void {
  const file = vfs.openSync(path, 'create')
  writeFullySync(file, Buffer.from(content), 0, content.length, 0)
  file.closeSync()
}

const content = (vfs: Vfs, path: string): string => readFileSync(vfs, path, 1e6).toString()

describe.each(Object.keys(kinds))('%s file system', (kind) => {
  let vfs: Vfs
  let dir: string
  let remove: () => void
  beforeEach(() => {
    ;({ vfs, dir, remove } = kinds[kind]!())
  })
  afterEach(() => remove())

  test('what was written is read back, in pieces and at any position', async () => {
    const file = vfs.openSync(`${dir}/a`, 'create')
    const source = Buffer.from('0123456789')
    writeFullySync(file, source, 2, 5, 0)
    await writeFully(file, source, 0, 10, 8)
    expect(file.sizeSync()).toBe(18)
    const target = Buffer.alloc(24, '-')
    expect(readFullySync(file, target, 1, 30 - 7, 0)).toBe(18)
    expect(target.toString('latin1')).toBe('-23456\0\0\x000123456789-----')
    expect(await readFully(file, target, 0, 4, 16)).toBe(2)
    expect(readFullySync(file, target, 0, 4, 18)).toBe(0)
    expect(readFullySync(file, target, 0, 4, 1000)).toBe(0)
    file.syncSync()
    await file.sync()
    file.closeSync()
    file.closeSync()
  })

  test('create refuses a taken name; read and update refuse a missing one', () => {
    put(vfs, `${dir}/a`, 'x')
    expect(codeOf(() => vfs.openSync(`${dir}/a`, 'create'))).toBe('EEXIST')
    expect(codeOf(() => vfs.openSync(`${dir}/b`, 'read'))).toBe('ENOENT')
    expect(codeOf(() => vfs.openSync(`${dir}/b`, 'update'))).toBe('ENOENT')
    expect(codeOf(() => vfs.openSync(`${dir}/no/b`, 'create'))).toBe('ENOENT')
    expect(codeOf(() => vfs.openSync(`${dir}/a/b`, 'create'))).toBe('ENOTDIR')
  })

  test('a file opened for reading cannot be written, one opened for update can', () => {
    put(vfs, `${dir}/a`, 'hello')
    const reading = vfs.openSync(`${dir}/a`, 'read')
    expect(codeOf(() => reading.writeSync(Buffer.from('x'), 0, 1, 0))).toBe('EBADF')
    expect(codeOf(() => reading.truncateSync(0))).toBe('EINVAL')
    reading.closeSync()
    const updating = vfs.openSync(`${dir}/a`, 'update')
    writeFullySync(updating, Buffer.from('j'), 0, 1, 0)
    updating.closeSync()
    expect(content(vfs, `${dir}/a`)).toBe('jello')
  })

  test('a closed file refuses everything with a typed error', async () => {
    const file = vfs.openSync(`${dir}/a`, 'create')
    file.closeSync()
    const byte = Buffer.alloc(1)
    expect(codeOf(() => file.readSync(byte, 0, 1, 0))).toBe('ERR_IO')
    expect(codeOf(() => file.writeSync(byte, 0, 1, 0))).toBe('ERR_IO')
    expect(codeOf(() => file.syncSync())).toBe('ERR_IO')
    expect(codeOf(() => file.sizeSync())).toBe('ERR_IO')
    expect(codeOf(() => file.truncateSync(0))).toBe('ERR_IO')
    for (const attempt of [file.read(byte, 0, 1, 0), file.write(byte, 0, 1, 0), file.sync()]) {
      await expect(attempt).rejects.toMatchObject({ code: 'ERR_IO', path: `${dir}/a` })
    }
  })

  test('an operation in flight ends well although the file is closed meanwhile', async () => {
    const file = vfs.openSync(`${dir}/a`, 'create')
    const source = Buffer.alloc(100_000, 7)
    const writing = file.write(source, 0, source.length, 0)
    const syncing = file.sync()
    file.closeSync()
    put(vfs, `${dir}/b`, 'other') // would get the descriptor's number, had it been closed
    expect(await writing).toBe(source.length)
    await syncing
    expect(content(vfs, `${dir}/b`)).toBe('other')
    expect(vfs.statSync(`${dir}/a`)?.sizeBytes).toBe(source.length)
  })

  test('truncate cuts, and extends with zeroes', () => {
    const file = vfs.openSync(`${dir}/a`, 'create')
    writeFullySync(file, Buffer.from('abcdef'), 0, 6, 0)
    file.truncateSync(2)
    file.truncateSync(4)
    expect(file.sizeSync()).toBe(4)
    file.closeSync()
    expect(content(vfs, `${dir}/a`)).toBe('ab\0\0')
  })

  test('an unlinked file lives on in open handles', () => {
    put(vfs, `${dir}/a`, 'still here')
    const file = vfs.openSync(`${dir}/a`, 'update')
    vfs.unlinkSync(`${dir}/a`)
    expect(vfs.statSync(`${dir}/a`)).toBeUndefined()
    put(vfs, `${dir}/a`, 'another')
    writeFullySync(file, Buffer.from('S'), 0, 1, 0)
    const target = Buffer.alloc(10)
    expect(readFullySync(file, target, 0, 10, 0)).toBe(10)
    expect(target.toString()).toBe('Still here')
    file.closeSync()
    expect(content(vfs, `${dir}/a`)).toBe('another')
  })

  test('rename replaces its target; two names of one file stay both', () => {
    put(vfs, `${dir}/a`, 'A')
    put(vfs, `${dir}/b`, 'B')
    vfs.renameSync(`${dir}/a`, `${dir}/b`)
    expect(vfs.readdirSync(dir)).toEqual(['b'])
    expect(content(vfs, `${dir}/b`)).toBe('A')
    vfs.linkSync(`${dir}/b`, `${dir}/c`)
    vfs.renameSync(`${dir}/b`, `${dir}/c`)
    expect(vfs.readdirSync(dir)).toEqual(['b', 'c'])
    expect(codeOf(() => vfs.renameSync(`${dir}/none`, `${dir}/c`))).toBe('ENOENT')
    expect(codeOf(() => vfs.renameSync(`${dir}/b`, `${dir}/none/c`))).toBe('ENOENT')
  })

  test('link gives a second name, and refuses a taken one', () => {
    put(vfs, `${dir}/a`, 'A')
    put(vfs, `${dir}/b`, 'B')
    expect(codeOf(() => vfs.linkSync(`${dir}/a`, `${dir}/b`))).toBe('EEXIST')
    expect(codeOf(() => vfs.linkSync(`${dir}/none`, `${dir}/c`))).toBe('ENOENT')
    vfs.linkSync(`${dir}/a`, `${dir}/c`)
    vfs.unlinkSync(`${dir}/a`)
    expect(content(vfs, `${dir}/c`)).toBe('A')
    expect(codeOf(() => vfs.unlinkSync(`${dir}/a`))).toBe('ENOENT')
  })

  test('a name is removed through the thread pool, too', async () => {
    put(vfs, `${dir}/a`, 'A')
    const isDone = vfs.unlink(`${dir}/a`)
    expect(vfs.statSync(`${dir}/a`)).toBeUndefined()
    await isDone
    expect(vfs.readdirSync(dir)).not.toContain('a')
    await expect(vfs.unlink(`${dir}/a`)).rejects.toMatchObject({ code: 'ERR_IO', cause: { code: 'ENOENT' } })
  })

  test('folders are made with those above them, listed in order, and removed when empty', async () => {
    vfs.mkdirSync(`${dir}/x/y/z`)
    vfs.mkdirSync(`${dir}/x/y/z`)
    put(vfs, `${dir}/x/2`, '')
    put(vfs, `${dir}/x/10`, '')
    expect(vfs.readdirSync(`${dir}/x`)).toEqual(['10', '2', 'y'])
    expect(vfs.statSync(`${dir}/x/y`)).toMatchObject({ isFile: false, isDirectory: true })
    expect(vfs.statSync(`${dir}/x/2`)).toEqual({ isFile: true, isDirectory: false, sizeBytes: 0 })
    expect(vfs.statSync(`${dir}/x/2/under`)).toBeUndefined()
    expect(codeOf(() => vfs.mkdirSync(`${dir}/x/2`))).toBe('EEXIST')
    expect(codeOf(() => vfs.mkdirSync(`${dir}/x/2/3`))).toBe('ENOTDIR')
    expect(codeOf(() => vfs.readdirSync(`${dir}/none`))).toBe('ENOENT')
    expect(codeOf(() => vfs.readdirSync(`${dir}/x/2`))).toBe('ENOTDIR')
    expect(codeOf(() => vfs.rmdirSync(`${dir}/x/y`))).toBe('ENOTEMPTY')
    vfs.rmdirSync(`${dir}/x/y/z`)
    expect(vfs.readdirSync(`${dir}/x/y`)).toEqual([])
    vfs.syncDirSync(`${dir}/x`)
    await vfs.syncDir(`${dir}/x`)
    expect(codeOf(() => vfs.syncDirSync(`${dir}/none`))).toBe('ENOENT')
    await expect(vfs.syncDir(`${dir}/none`)).rejects.toMatchObject({ code: 'ERR_IO' })
  })

  test('realpath gives one name to all spellings', () => {
    vfs.mkdirSync(`${dir}/x`)
    const real = vfs.realpathSync(`${dir}/x`)
    expect(vfs.realpathSync(`${dir}/../${dir.split('/').pop()}/./x/`)).toBe(real)
    expect(codeOf(() => vfs.realpathSync(`${dir}/none`))).toBe('ENOENT')
  })

  test('the running process is alive', () => {
    expect(vfs.isProcessAlive(vfs.processIdentity())).toBe(true)
  })
})
