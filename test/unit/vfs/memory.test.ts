import { describe, expect, test } from 'vitest'
import { systemCode } from '../../../src/util/errors.js'
import { Random } from '../../../src/util/random.js'
import { readFullySync, writeFullySync } from '../../../src/vfs/io.js'
import type { MutationKind } from '../../../src/vfs/memory.js'
import { memory } from '../../../src/vfs/memory.js'
import type { MemoryVfs } from '../../../src/vfs/memory.js'
import type { CrashOptions } from '../../../src/vfs/survival.js'
import type { VfsFile } from '../../../src/vfs/vfs.js'

const PAGE = 4096
const SECTOR = 512

function append(file: VfsFile, content: string | Buffer): void {
  const bytes = Buffer.from(content as string)
  writeFullySync(file, bytes, 0, bytes.length, file.sizeSync())
}

function create(vfs: MemoryVfs, path: string, content: string | Buffer = ''): VfsFile {
  const file = vfs.openSync(path, 'create')
  append(file, content)
  return file
}

/** All files with their content. */
const state = (vfs: MemoryVfs): Record<string, string> =>
  Object.fromEntries(vfs.files().map((path) => [path, vfs.readFile(path).toString('latin1')]))

const crash = (vfs: MemoryVfs, unsyncedPercent: number, seed = 1): MemoryVfs => vfs.crashClone({ unsyncedPercent, seed })

/** All states that crashes with many seeds leave, as texts. */
function outcomes(vfs: MemoryVfs, unsyncedPercent = 50, seeds = 300): Set<string> {
  const seen = new Set<string>()
  for (let seed = 1; seed <= seeds; seed++) seen.add(JSON.stringify(state(crash(vfs, unsyncedPercent, seed))))
  return seen
}

describe('a power loss', () => {
  test('with nothing surviving keeps exactly what was synced under names that were synced', () => {
    const vfs = memory()
    const a = create(vfs, '/a', 'one')
    a.syncSync()
    create(vfs, '/b', 'not synced')
    vfs.syncDirSync('/')
    append(a, ' two')
    create(vfs, '/c', 'synced, but not its name').syncSync()
    expect(state(crash(vfs, 0))).toEqual({ '/a': 'one', '/b': '' })
  })

  test('with everything surviving keeps all, as the death of the process does', () => {
    const vfs = memory()
    vfs.mkdirSync('/d/e')
    append(create(vfs, '/d/e/a', 'one'), ' two')
    vfs.renameSync('/d/e/a', '/d/b')
    vfs.linkSync('/d/b', '/c')
    expect(state(crash(vfs, 100))).toEqual({ '/c': 'one two', '/d/b': 'one two' })
    expect(state(vfs.processKillClone())).toEqual(state(vfs))
  })

  test('after the death of the process still takes what was not synced', () => {
    const vfs = memory()
    const a = create(vfs, '/a', 'kept')
    a.syncSync()
    vfs.syncDirSync('/')
    append(a, ' lost')
    create(vfs, '/b', 'lost')
    expect(state(crash(vfs.processKillClone(), 0))).toEqual({ '/a': 'kept' })
  })

  test('may keep any part of an append: its length in between, zeroes, garbage, but never harms what was synced', () => {
    const vfs = memory()
    const file = create(vfs, '/a', Buffer.alloc(PAGE + 100, 'S'))
    file.syncSync()
    vfs.syncDirSync('/')
    append(file, Buffer.alloc(2 * PAGE, 'n'))
    const seen = { old: 0, all: 0, between: 0, zero: 0, garbage: 0, torn: 0 }
    for (let seed = 1; seed <= 300; seed++) {
      const content = crash(vfs, 50, seed).readFile('/a')
      expect(content.subarray(0, PAGE + 100).equals(Buffer.alloc(PAGE + 100, 'S'))).toBe(true)
      const added = content.subarray(PAGE + 100)
      if (added.length === 0) seen.old++
      else if (added.equals(Buffer.alloc(2 * PAGE, 'n'))) seen.all++
      else if (added.length < 2 * PAGE) seen.between++
      if (added.some((byte) => byte === 0)) seen.zero++
      if (added.some((byte) => byte !== 0 && byte !== 0x6e)) seen.garbage++
      const page = content.subarray(PAGE, 2 * PAGE)
      const sectors = Array.from({ length: 7 }, (_, i) => page.subarray((i + 1) * SECTOR, (i + 2) * SECTOR))
      if (sectors.some((s) => s.includes('n')) && sectors.some((s) => s.length > 0 && !s.includes('n'))) seen.torn++
    }
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(5)
  })

  test('may leave an overwritten page old, new, or torn between sectors', () => {
    const vfs = memory()
    const file = create(vfs, '/a', Buffer.alloc(3 * PAGE, 'o'))
    file.syncSync()
    vfs.syncDirSync('/')
    writeFullySync(file, Buffer.alloc(PAGE, 'n'), 0, PAGE, PAGE)
    const seen = { old: 0, new: 0, mixed: 0 }
    for (let seed = 1; seed <= 100; seed++) {
      const content = crash(vfs, 30, seed).readFile('/a')
      expect(content.length).toBe(3 * PAGE)
      expect(content.subarray(0, PAGE).equals(Buffer.alloc(PAGE, 'o'))).toBe(true)
      expect(content.subarray(2 * PAGE).equals(Buffer.alloc(PAGE, 'o'))).toBe(true)
      const page = content.subarray(PAGE, 2 * PAGE)
      if (page.equals(Buffer.alloc(PAGE, 'o'))) seen.old++
      else if (page.equals(Buffer.alloc(PAGE, 'n'))) seen.new++
      else seen.mixed++
    }
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(10)
    expect(
      crash(vfs, 0)
        .readFile('/a')
        .equals(Buffer.alloc(3 * PAGE, 'o')),
    ).toBe(true)
  })

  test('brings bytes back that were overwritten several times, also where the page was appended to first', () => {
    const vfs = memory()
    const file = create(vfs, '/a', 'abcdef')
    file.syncSync()
    vfs.syncDirSync('/')
    append(file, 'ghi')
    writeFullySync(file, Buffer.from('XY'), 0, 2, 1)
    writeFullySync(file, Buffer.from('Z'), 0, 1, 0)
    expect(vfs.readFile('/a').toString()).toBe('ZXYdefghi')
    expect(crash(vfs, 0).readFile('/a').toString()).toBe('abcdef')
  })

  test('brings bytes back that were cut off and not synced', () => {
    const vfs = memory()
    const file = create(vfs, '/a', Buffer.alloc(2 * PAGE + 10, 's'))
    file.syncSync()
    vfs.syncDirSync('/')
    file.truncateSync(100)
    append(file, Buffer.alloc(PAGE, 'n'))
    expect(
      crash(vfs, 0)
        .readFile('/a')
        .equals(Buffer.alloc(2 * PAGE + 10, 's')),
    ).toBe(true)
    const all = Buffer.concat([Buffer.alloc(100, 's'), Buffer.alloc(PAGE, 'n')])
    expect(crash(vfs, 100).readFile('/a').equals(all)).toBe(true)
    for (let seed = 1; seed <= 50; seed++) {
      const content = crash(vfs, 50, seed).readFile('/a')
      expect(content.subarray(0, 100).equals(Buffer.alloc(100, 's'))).toBe(true)
    }
    file.syncSync()
    expect(crash(vfs, 0).readFile('/a').equals(all)).toBe(true)
  })

  test('leaves a rename in its old state or its new one', () => {
    const vfs = memory()
    for (const [path, content] of [
      ['/CURRENT', 'old'],
      ['/CURRENT.tmp', 'new'],
    ] as const) {
      create(vfs, path, content).syncSync()
    }
    vfs.syncDirSync('/')
    vfs.renameSync('/CURRENT.tmp', '/CURRENT')
    expect(outcomes(vfs)).toEqual(
      new Set([JSON.stringify({ '/CURRENT': 'old', '/CURRENT.tmp': 'new' }), JSON.stringify({ '/CURRENT': 'new' })]),
    )
  })

  test('never loses a renamed file that was durable, also when another takes its old name', () => {
    const vfs = memory()
    create(vfs, '/a', 'first').syncSync()
    vfs.syncDirSync('/')
    vfs.renameSync('/a', '/b')
    create(vfs, '/a', 'second').syncSync()
    for (const outcome of outcomes(vfs)) expect(outcome).toContain('first')
  })

  test('keeps or loses each unsynced name by itself', () => {
    const vfs = memory()
    for (const name of ['/a', '/b', '/c']) create(vfs, name).syncSync()
    expect(outcomes(vfs).size).toBe(8)
    vfs.syncDirSync('/')
    expect(outcomes(vfs).size).toBe(1)
    vfs.unlinkSync('/a')
    vfs.unlinkSync('/b')
    expect(outcomes(vfs).size).toBe(4)
  })

  test('takes a folder with all that is in it', () => {
    const vfs = memory()
    vfs.mkdirSync('/d')
    create(vfs, '/d/a', 'x').syncSync()
    vfs.syncDirSync('/d')
    expect(outcomes(vfs)).toEqual(new Set(['{}', '{"/d/a":"x"}']))
    vfs.syncDirSync('/')
    expect(state(crash(vfs, 0))).toEqual({ '/d/a': 'x' })
    vfs.unlinkSync('/d/a')
    vfs.rmdirSync('/d')
    expect(state(crash(vfs, 0))).toEqual({ '/d/a': 'x' })
  })

  test('moves a file between folders as a whole, once the folder it goes to was synced', () => {
    const vfs = memory()
    vfs.mkdirSync('/from')
    vfs.mkdirSync('/to')
    vfs.syncDirSync('/')
    create(vfs, '/from/a', 'x').syncSync()
    vfs.syncDirSync('/from')
    vfs.renameSync('/from/a', '/to/a')
    expect(outcomes(vfs)).toEqual(new Set(['{"/from/a":"x"}', '{"/to/a":"x"}']))
    vfs.syncDirSync('/from')
    expect(outcomes(vfs).size).toBe(2)
    vfs.syncDirSync('/to')
    expect(outcomes(vfs)).toEqual(new Set(['{"/to/a":"x"}']))
  })

  test('happens in the next boot; the death of a process does not', () => {
    const vfs = memory()
    const before = vfs.processIdentity()
    const other = vfs.otherProcess()
    for (const clone of [crash(vfs, 100), vfs.processKillClone()]) {
      expect(clone.isProcessAlive(before)).toBe(false)
      expect(clone.isProcessAlive(other.processIdentity())).toBe(false)
      expect(clone.isProcessAlive(clone.processIdentity())).toBe(true)
    }
    expect(crash(vfs, 100).processIdentity()).toMatchObject({ pid: before.pid, bootId: 'boot-2' })
    expect(vfs.processKillClone().processIdentity()).toMatchObject({ pid: 3, bootId: before.bootId })
    expect(vfs.isProcessAlive(other.processIdentity())).toBe(true)
    other.endProcess()
    expect(vfs.isProcessAlive(other.processIdentity())).toBe(false)
  })

  test('takes pages, lengths and names apart, where it is told what to take', () => {
    const vfs = memory()
    const file = create(vfs, '/a', Buffer.alloc(PAGE, 'o'))
    file.syncSync()
    vfs.syncDirSync('/')
    append(file, Buffer.alloc(PAGE, 'n'))
    create(vfs, '/b', 'new')
    const left = (options: Partial<CrashOptions>): Record<string, string> =>
      state(vfs.crashClone({ unsyncedPercent: 50, seed: 1, ...options }))
    const old = 'o'.repeat(PAGE)
    const all = { names: 'kept', lengths: 'kept' } as const
    expect(left({ ...all, pages: 'kept' })).toEqual({ '/a': old + 'n'.repeat(PAGE), '/b': 'new' })
    expect(left({ ...all, pages: 'zeroed' })).toEqual({ '/a': old + '\0'.repeat(PAGE), '/b': '\0\0\0' })
    expect(left({ ...all, pages: 'lost' })).toEqual(left({ ...all, pages: 'zeroed' }))
    expect(left({ names: 'kept', lengths: 'lost', pages: 'kept' })).toEqual({ '/a': old, '/b': '' })
    expect(left({ names: 'lost', lengths: 'lost' })).toEqual({ '/a': old })
    const garbage = left({ ...all, pages: 'garbage' })['/a']!
    expect(garbage.slice(0, PAGE)).toBe(old)
    expect(garbage.slice(PAGE)).not.toContain('nnnnnnnn')
    const torn = Array.from({ length: 20 }, (_, seed) => left({ ...all, pages: 'torn', seed })['/a']!.slice(PAGE))
    expect(torn.some((page) => page.includes('n'.repeat(SECTOR)) && page.includes('\0'.repeat(SECTOR)))).toBe(true)
  })

  test('repeats itself with the same seed', () => {
    const build = (): MemoryVfs => {
      const vfs = memory()
      const random = new Random(7)
      for (let i = 0; i < 20; i++) {
        const bytes = Buffer.alloc(random.between(1, 3 * PAGE))
        random.fill(bytes)
        const file = create(vfs, `/${i}`, bytes)
        if (random.chance(0.3)) file.syncSync()
        append(file, bytes)
      }
      return vfs
    }
    for (let seed = 1; seed <= 10; seed++) expect(state(crash(build(), 60, seed))).toEqual(state(crash(build(), 60, seed)))
  })
})

/** A plain model: files as of now and as of their last sync. */
test('random histories: a clone is whole, independent, and keeps what was synced', () => {
  const seed = Number(process.env['VARVE_SEED'] ?? 20)
  for (let run = seed; run < seed + 20; run++) {
    const random = new Random(run)
    const vfs = memory()
    const files = ['/0', '/1', '/2'].map((path) => ({ path, file: create(vfs, path), now: Buffer.alloc(0), synced: Buffer.alloc(0) }))
    vfs.syncDirSync('/')
    for (let i = 0; i < 60; i++) {
      const entry = random.pick(files)
      const kind = random.below(10)
      if (kind < 6) {
        const bytes = Buffer.alloc(random.between(1, 6000), 33 + random.below(90))
        const position = random.below(entry.now.length + 5000)
        writeFullySync(entry.file, bytes, 0, bytes.length, position)
        const grown = Buffer.alloc(Math.max(entry.now.length, position + bytes.length))
        entry.now.copy(grown)
        bytes.copy(grown, position)
        entry.now = grown
      } else if (kind < 8) {
        const size = random.below(entry.now.length + 3000)
        entry.file.truncateSync(size)
        const cut = Buffer.alloc(size)
        entry.now.copy(cut)
        entry.now = cut
      } else {
        entry.file.syncSync()
        entry.synced = entry.now
      }
      expect(vfs.readFile(entry.path).equals(entry.now), `run ${run}, step ${i}`).toBe(true)
      if (i % 10 !== 9) continue
      const none = crash(vfs, 0)
      const all = crash(vfs, 100)
      const some = crash(vfs, 50, i)
      for (const { path, now, synced } of files) {
        expect(none.readFile(path).equals(synced), `run ${run}, step ${i}`).toBe(true)
        expect(all.readFile(path).equals(now), `run ${run}, step ${i}`).toBe(true)
        const content = some.readFile(path)
        for (let at = 0; at < Math.min(content.length, now.length, synced.length); at++) {
          if (now[at] === synced[at] && content[at] !== now[at]) throw new Error(`run ${run}, step ${i}: byte ${at} of ${path} was certain`)
        }
        expect(content.length).toBeGreaterThanOrEqual(Math.min(now.length, synced.length))
        expect(content.length).toBeLessThanOrEqual(Math.max(now.length, synced.length))
      }
      some.writeFile('/0', Buffer.from('changed'))
      expect(vfs.readFile('/0').equals(files[0]!.now)).toBe(true)
    }
    expect(vfs.usedBytes).toBe(files.reduce((sum, { now }) => sum + now.length, 0))
  }
})

describe('mutations', () => {
  test('are announced in order before they happen, failing and reading operations are not', () => {
    const vfs = memory()
    const seen: [number, MutationKind, string][] = []
    vfs.onMutation = (...mutation) => seen.push(mutation)
    vfs.mkdirSync('/d/e')
    vfs.mkdirSync('/d/e')
    const file = create(vfs, '/d/a', 'x')
    expect(() => create(vfs, '/d/a')).toThrow('EEXIST')
    readFullySync(file, Buffer.alloc(1), 0, 1, 0)
    file.syncSync()
    file.truncateSync(0)
    vfs.linkSync('/d/a', '/d/b')
    vfs.renameSync('/d/b', '/d/c')
    vfs.unlinkSync('/d/c')
    expect(() => vfs.unlinkSync('/d/c')).toThrow('ENOENT')
    vfs.rmdirSync('/d/e')
    vfs.syncDirSync('/d')
    expect(seen.map(([, ...what]) => what.join(' '))).toEqual([
      'mkdir /d',
      'mkdir /d/e',
      'create /d/a',
      'write /d/a',
      'sync /d/a',
      'truncate /d/a',
      'link /d/b',
      'rename /d/b',
      'unlink /d/c',
      'rmdir /d/e',
      'syncDir /d',
    ])
    expect(seen.map(([index]) => index)).toEqual(seen.map((_, index) => index))
    expect(vfs.mutationCount).toBe(seen.length)
  })

  test('do not happen when the announcement throws', async () => {
    const vfs = memory()
    const file = create(vfs, '/a', 'x')
    const before = vfs.mutationCount
    vfs.onMutation = () => {
      throw new Error('stop')
    }
    expect(() => append(file, 'y')).toThrow('stop')
    expect(() => vfs.unlinkSync('/a')).toThrow('stop')
    await expect(file.sync()).rejects.toThrow('stop')
    await expect(file.write(Buffer.from('y'), 0, 1, 1)).rejects.toThrow('stop')
    vfs.onMutation = undefined
    expect(state(vfs)).toEqual({ '/a': 'x' })
    expect(vfs.mutationCount).toBe(before)
  })

  test('of asynchronous calls take effect later, in the order of the calls', async () => {
    const vfs = memory()
    const file = create(vfs, '/a')
    const seen: string[] = []
    vfs.onMutation = (_, kind) => seen.push(kind)
    const all = [file.write(Buffer.from('x'), 0, 1, 0), file.sync(), vfs.syncDir('/'), file.write(Buffer.from('y'), 0, 1, 1)]
    expect(seen).toEqual([])
    await Promise.all(all)
    expect(seen).toEqual(['write', 'sync', 'syncDir', 'write'])
    expect(state(crash(vfs, 0))).toEqual({ '/a': 'x' })
  })
})

describe('capacity', () => {
  test('a full disk takes what fits and refuses the rest, until there is space again', () => {
    const vfs = memory()
    vfs.capacityBytes = 10
    const a = create(vfs, '/a', '123456')
    const b = create(vfs, '/b')
    expect(b.writeSync(Buffer.from('abcdef'), 0, 6, 0)).toBe(4)
    expect(() => append(b, 'e')).toThrow(/no space left to write \/b/)
    try {
      append(b, 'e')
    } catch (error) {
      expect(error).toMatchObject({ code: 'ERR_DISK_FULL', path: '/b' })
      expect(systemCode(error)).toBe('ENOSPC')
    }
    expect(() => a.truncateSync(7)).toThrow(/no space/)
    writeFullySync(a, Buffer.from('654321'), 0, 6, 0) // what is allocated can be written again
    expect(vfs.usedBytes).toBe(10)
    vfs.unlinkSync('/a')
    expect(vfs.usedBytes).toBe(10) // still open
    a.closeSync()
    expect(vfs.usedBytes).toBe(4)
    append(b, 'efghij')
    expect(vfs.readFile('/b').toString()).toBe('abcdefghij')
    expect(crash(vfs, 100).usedBytes).toBe(10)
    vfs.capacityBytes = Infinity
    append(b, 'k')
    expect(crash(vfs, 100).usedBytes).toBe(11)
  })

  test('a replaced file gives its space back, a second name costs none', () => {
    const vfs = memory()
    create(vfs, '/a', '1234').closeSync()
    create(vfs, '/b', '12').closeSync()
    vfs.linkSync('/b', '/c')
    expect(vfs.usedBytes).toBe(6)
    expect(crash(vfs, 100).usedBytes).toBe(6)
    vfs.renameSync('/b', '/a')
    expect(vfs.usedBytes).toBe(2)
    vfs.unlinkSync('/a')
    expect(vfs.usedBytes).toBe(2)
    vfs.unlinkSync('/c')
    expect(vfs.usedBytes).toBe(0)
  })

  test('a file beyond what a buffer holds is refused', () => {
    const file = create(memory(), '/a')
    expect(() => file.writeSync(Buffer.from('x'), 0, 1, 2 ** 31)).toThrow('EFBIG')
    expect(() => file.truncateSync(2 ** 31)).toThrow('EFBIG')
  })
})

describe('access for tests', () => {
  test('damage is durable at once, and seen by those who have the file open', () => {
    const vfs = memory()
    const file = create(vfs, '/a', 'abc')
    vfs.writeFile('/a', Buffer.from('aXc'))
    const target = Buffer.alloc(3)
    readFullySync(file, target, 0, 3, 0)
    expect(target.toString()).toBe('aXc')
    vfs.writeFile('/new/folder/b', Buffer.from('b'))
    expect(state(crash(vfs, 0))).toEqual({ '/a': 'aXc', '/new/folder/b': 'b' })
    expect(vfs.usedBytes).toBe(4)
    const copy = vfs.readFile('/a')
    copy.fill(0)
    expect(vfs.readFile('/a').toString()).toBe('aXc')
    expect(() => vfs.readFile('/none')).toThrow('ENOENT')
  })

  test('open handles are counted', () => {
    const vfs = memory()
    const a = create(vfs, '/a')
    const again = vfs.openSync('/a', 'read')
    expect(vfs.openHandleCount).toBe(2)
    a.closeSync()
    a.closeSync()
    again.closeSync()
    expect(vfs.openHandleCount).toBe(0)
    expect(crash(vfs, 100).openHandleCount).toBe(0)
  })

  test('handles stay with the disk they were opened on', () => {
    const vfs = memory()
    const file = create(vfs, '/a', 'x')
    const clone = vfs.processKillClone()
    append(file, 'y')
    expect(state(clone)).toEqual({ '/a': 'x' })
    expect(state(vfs)).toEqual({ '/a': 'xy' })
    const other = vfs.otherProcess()
    expect(state(other)).toEqual({ '/a': 'xy' })
  })

  test.each(['kill', 'crash'])('a %s clone and its origin do not see what the other overwrites or cuts off', (kind) => {
    const vfs = memory()
    const file = create(vfs, '/a', 'abcdef')
    create(vfs, '/b', 'abcdef')
    for (const path of vfs.files()) vfs.openSync(path, 'read').syncSync()
    vfs.syncDirSync('/')
    const clone = kind === 'kill' ? vfs.processKillClone() : crash(vfs, 0)
    writeFullySync(file, Buffer.from('X'), 0, 1, 1)
    clone.openSync('/a', 'update').truncateSync(2)
    writeFullySync(clone.openSync('/b', 'update'), Buffer.from('Y'), 0, 1, 2)
    expect(state(vfs)).toEqual({ '/a': 'aXcdef', '/b': 'abcdef' })
    expect(state(clone)).toEqual({ '/a': 'ab', '/b': 'abYdef' })
    expect(state(crash(clone, 0))).toEqual({ '/a': 'abcdef', '/b': 'abcdef' })
  })

  test('spare memory of closed files is given back', () => {
    const vfs = memory()
    const file = create(vfs, '/a', Buffer.alloc(100_000, 'x'))
    file.truncateSync(10)
    file.closeSync()
    expect(vfs.readFile('/a').toString()).toBe('x'.repeat(10))
    const again = vfs.openSync('/a', 'update')
    append(again, Buffer.alloc(10_000, 'y'))
    expect(vfs.readFile('/a').length).toBe(10_010)
  })
})
