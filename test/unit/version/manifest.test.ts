/** The manifest: creation, edits, opening, roll-over, damage, failures. */
import { describe, expect, test } from 'vitest'
import { checksum32 } from '../../../src/codec/checksum.js'
import { ioError } from '../../../src/util/errors.js'
import { Random } from '../../../src/util/random.js'
import { PAUSE, runTask, runTaskSync } from '../../../src/util/task.js'
import { encodeCurrent } from '../../../src/version/current_file.js'
import { inspectDirectory } from '../../../src/version/directory.js'
import { Manifest } from '../../../src/version/manifest.js'
import { MANIFEST_HEADER_BYTES } from '../../../src/version/manifest_format.js'
import type { MemoryVfs, MutationKind } from '../../../src/vfs/memory.js'
import { hexExample } from '../wal/hex_example.js'
import {
  bytes,
  create,
  DIR,
  edit,
  emptyDisk,
  failure,
  install,
  makeTableFile,
  numbers,
  randomEdit,
  recover,
  STORE_ID,
  table,
  taskFailure,
} from './fixture.js'

const FIRST = `${DIR}/MANIFEST-000001`

/** A store with three edits, closed. */
function smallStore(): MemoryVfs {
  const vfs = emptyDisk()
  const manifest = create(vfs)
  install(vfs, manifest, edit([{ level: 0, table: table(2, 'a', 'm') }], [], { logNumber: 3, lastSequence: 209 }))
  install(vfs, manifest, edit([{ level: 0, table: table(4, 'k', 'z') }], [], { logNumber: 5, lastSequence: 409 }))
  const merged = edit(
    [{ level: 1, table: table(6, 'a', 'z') }],
    [2, 4].map((fileNumber) => ({ level: 0, fileNumber })),
  )
  install(vfs, manifest, { ...merged, compactPointers: [{ level: 0, key: bytes('z') }] })
  manifest.closeSync()
  return vfs
}

function failing(vfs: MemoryVfs, kind: MutationKind, pattern: RegExp, errorCode = 'EIO'): void {
  vfs.onMutation = (_, each, path) => {
    if (each === kind && pattern.test(path)) throw ioError(Object.assign(new Error(errorCode), { code: errorCode }), kind, path)
  }
}

describe('a new store', () => {
  test('has a manifest and CURRENT, and is empty', () => {
    const vfs = emptyDisk()
    const manifest = create(vfs)
    expect(vfs.readdirSync(DIR)).toEqual(['CURRENT', 'MANIFEST-000001'])
    expect(numbers(manifest.version).flat()).toEqual([])
    expect(manifest.state).toMatchObject({ logNumber: 0, nextFileNumber: 1, lastSequence: 0 })
    manifest.closeSync()
    expect(recover(vfs.crashClone({ unsyncedPercent: 0, seed: 1 }))).toMatchObject({ edits: 1, tornBytes: 0 })
  })

  test('has an id of its own, which stays', () => {
    const ids = [1, 2].map(() => runTaskSync(Manifest.create(emptyDisk(), DIR)).storeId.toString('hex'))
    expect(ids[0]).not.toBe(ids[1])
    const vfs = emptyDisk()
    create(vfs)
    expect(recover(vfs).manifest.storeId).toEqual(STORE_ID)
  })

  test('replaces what an unfinished creation left', () => {
    const vfs = emptyDisk()
    for (const name of ['MANIFEST-000001', 'MANIFEST-000003', 'CURRENT.tmp']) vfs.writeFile(`${DIR}/${name}`, Buffer.from('left'))
    create(vfs)
    expect(vfs.readdirSync(DIR)).toEqual(['CURRENT', 'MANIFEST-000001'])
  })

  test('is not made over another one', () => {
    expect(() => create(smallStore())).toThrow('not created over')
  })

  test('has the bytes of the worked example in docs/manifest.md', () => {
    const vfs = emptyDisk()
    const manifest = create(vfs)
    const flushed = table(3, 'a', 'bc', {
      fileBytes: 4096,
      tailOffset: 3968,
      entryCount: 2,
      deletionCount: 1,
      keyCount: 2,
      rawKeyBytes: 3,
      rawValueBytes: 2,
      smallestSequence: 1,
      largestSequence: 2,
    })
    install(vfs, manifest, edit([{ level: 0, table: flushed }], [], { logNumber: 4, lastSequence: 2, nextFileNumber: 5 }))
    expect(vfs.readFile(FIRST).toString('hex')).toBe(hexExample('manifest.md', 'manifest').toString('hex'))
  })
})

describe('an edit', () => {
  test('is there after opening again, with all that was known', () => {
    const { manifest, version, state, edits, isRolledOver, tornBytes, logNumbers } = recover(smallStore())
    expect(numbers(version)).toEqual([[], [6], [], [], [], [], []])
    expect(version.levels[1]![0]).toEqual(table(6, 'a', 'z'))
    expect(state).toMatchObject({ logNumber: 5, lastSequence: 409, nextFileNumber: 7 })
    expect(state.compactPointers[0]).toEqual(bytes('z'))
    expect({ edits, isRolledOver, tornBytes, logNumbers }).toEqual({ edits: 4, isRolledOver: false, tornBytes: 0, logNumbers: [] })
    expect(manifest.version).toBe(version)
  })

  test('gives the version after it, which is in force only when it is durable', async () => {
    const vfs = emptyDisk()
    const manifest = create(vfs)
    makeTableFile(vfs, 2)
    const before = manifest.version
    const pending = runTask(manifest.append(edit([{ level: 0, table: table(2, 'a', 'b') }])), () => undefined)
    expect(manifest.version).toBe(before)
    const after = await pending
    expect(manifest.version).toBe(after)
    expect(numbers(after)[0]).toEqual([2])
  })

  test('is one write and one sync, and a seal; the folder is synced first for new tables only', () => {
    const vfs = emptyDisk()
    const manifest = create(vfs)
    makeTableFile(vfs, 2)
    const moved = table(2, 'a', 'b')
    const kinds: string[] = []
    vfs.onMutation = (_, kind) => kinds.push(kind)
    runTaskSync(manifest.append(edit([{ level: 0, table: moved }])))
    expect(kinds.splice(0)).toEqual(['syncDir', 'write', 'sync', 'write'])
    runTaskSync(manifest.append(edit([{ level: 1, table: moved }], [{ level: 0, fileNumber: 2 }])))
    expect(kinds).toEqual(['write', 'sync', 'write'])
  })

  test('is made one at a time', async () => {
    const manifest = create(emptyDisk())
    const first = runTask(manifest.append(edit([], [], { logNumber: 3 })), () => undefined)
    expect(() => runTaskSync(manifest.append(edit([])))).toThrow('one task at a time')
    await first
    runTaskSync(manifest.append(edit([])))
  })

  test('that breaks an invariant is not written', () => {
    const vfs = emptyDisk()
    const manifest = create(vfs)
    const before = vfs.readFile(FIRST)
    expect(() => runTaskSync(manifest.append(edit([], [{ level: 0, fileNumber: 9 }])))).toThrow('removes tables that are there')
    expect(vfs.readFile(FIRST)).toEqual(before)
    runTaskSync(manifest.append(edit([], [], { logNumber: 3 })))
  })

  test('raises the next file number over the tables it adds, and never lowers it', () => {
    const vfs = emptyDisk()
    const manifest = create(vfs)
    install(vfs, manifest, edit([{ level: 0, table: table(20, 'a', 'b') }]))
    expect(manifest.state.nextFileNumber).toBe(21)
    runTaskSync(manifest.append(edit([], [], { nextFileNumber: 5 })))
    expect(manifest.state.nextFileNumber).toBe(21)
  })
})

describe('opening', () => {
  test('a store that was closed cleanly writes nothing and syncs nothing', () => {
    const vfs = smallStore()
    const before = vfs.mutationCount
    recover(vfs)
    recover(vfs, true)
    expect(vfs.mutationCount).toBe(before)
  })

  test('tells of a clean close until the next edit', () => {
    const vfs = smallStore()
    const first = recover(vfs)
    expect(first.closedSequence).toBeUndefined()
    runTaskSync(first.manifest.finish(70))
    const { fileBytes } = first.manifest
    runTaskSync(first.manifest.finish(70))
    expect(first.manifest.fileBytes).toBe(fileBytes)
    first.manifest.closeSync()
    const second = recover(vfs)
    expect(second).toMatchObject({ closedSequence: 70, isRolledOver: false, edits: first.edits })
    runTaskSync(second.manifest.finish(70))
    expect(second.manifest.fileBytes).toBe(fileBytes)
    runTaskSync(second.manifest.append(edit([], [], { logNumber: 3 })))
    second.manifest.closeSync()
    expect(recover(vfs).closedSequence).toBeUndefined()
  })

  test('goes on in the same manifest', () => {
    const vfs = smallStore()
    const { manifest } = recover(vfs)
    install(vfs, manifest, edit([{ level: 0, table: table(8, 'a', 'b') }]))
    manifest.closeSync()
    expect(numbers(recover(vfs).version).slice(0, 2)).toEqual([[8], [6]])
    expect(vfs.readdirSync(DIR)).toContain('MANIFEST-000001')
  })

  test('gives a next file number above every file, and the logs that are needed', () => {
    const vfs = smallStore()
    for (const name of ['000002.log', '000005.log', '000031.log', '000009.log', '000040.sst'])
      vfs.writeFile(`${DIR}/${name}`, Buffer.alloc(1))
    const { state, logNumbers, manifest } = recover(vfs)
    expect(state.nextFileNumber).toBe(41)
    expect(logNumbers).toEqual([5, 9, 31])
    expect(manifest.sweepSync()).toEqual(['000002.log', '000002.sst', '000004.sst', '000040.sst'])
    expect(recover(vfs).state.nextFileNumber).toBe(32)
  })

  test('without CURRENT is damage when there is data, and no store otherwise', () => {
    for (const name of ['000009.log', '000009.sst']) {
      const vfs = emptyDisk()
      vfs.writeFile(`${DIR}/${name}`, Buffer.alloc(1))
      expect(failure(() => recover(vfs))).toMatchObject({ code: 'ERR_CORRUPTION', path: `${DIR}/CURRENT` })
      expect(failure(() => recover(vfs)).message).toContain('CURRENT is missing')
    }
    expect(failure(() => recover(emptyDisk())).code).toBe('ERR_NOT_A_STORE')
  })

  test('without the manifest or a table that is named is damage', () => {
    const vfs = smallStore()
    vfs.unlinkSync(`${DIR}/000006.sst`)
    expect(failure(() => recover(vfs))).toMatchObject({ code: 'ERR_CORRUPTION', path: `${DIR}/000006.sst` })
    vfs.unlinkSync(FIRST)
    expect(failure(() => recover(vfs))).toMatchObject({ code: 'ERR_CORRUPTION', path: FIRST })
    expect(vfs.openHandleCount).toBe(0)
  })

  test('a manifest that was renamed, or is of another store, is refused', () => {
    const vfs = smallStore()
    vfs.renameSync(FIRST, `${DIR}/MANIFEST-000002`)
    vfs.writeFile(`${DIR}/CURRENT`, encodeCurrent(2))
    expect(failure(() => recover(vfs))).toMatchObject({ code: 'ERR_CORRUPTION', path: `${DIR}/MANIFEST-000002`, offset: 0 })
    const other = emptyDisk()
    runTaskSync(Manifest.create(other, DIR))
    const mixed = smallStore()
    mixed.writeFile(
      FIRST,
      Buffer.concat([other.readFile(FIRST).subarray(0, MANIFEST_HEADER_BYTES), mixed.readFile(FIRST).subarray(MANIFEST_HEADER_BYTES)]),
    )
    expect(failure(() => recover(mixed)).code).toBe('ERR_CORRUPTION')
  })

  test('a manifest of a newer version is refused', () => {
    const vfs = smallStore()
    const content = vfs.readFile(FIRST)
    content.writeUInt32LE(2, 8)
    content.writeUInt32LE(checksum32(content, 0, 44, 0), 44)
    vfs.writeFile(FIRST, content)
    expect(failure(() => recover(vfs))).toMatchObject({ code: 'ERR_FORMAT_VERSION', path: FIRST })
  })

  test('read-only refuses edits and never writes, whatever the end looks like', () => {
    const vfs = smallStore()
    vfs.writeFile(FIRST, Buffer.concat([vfs.readFile(FIRST), Buffer.from('torn')]))
    const before = vfs.mutationCount
    const { manifest, tornBytes } = recover(vfs, true)
    expect(tornBytes).toBe(4)
    expect(taskFailure(manifest.append(edit([]))).code).toBe('ERR_READ_ONLY')
    expect(taskFailure(manifest.rollOver()).code).toBe('ERR_READ_ONLY')
    expect(() => manifest.sweepSync()).toThrow('read-only')
    expect(vfs.mutationCount).toBe(before)
  })
})

describe('opening read-only beside a writer', () => {
  test('finds the manifest and the tables of one moment, whatever the writer does meanwhile', () => {
    const vfs = emptyDisk()
    const writer = create(vfs)
    install(vfs, writer, edit([{ level: 0, table: table(2, 'a', 'b') }]))
    // The writer acts at each step of the opening, and each time what was looked at before is gone.
    for (let actAt = 0; actAt < 8; actAt++) {
      const opening = Manifest.recover(vfs, DIR, { readOnly: true })
      let turn = opening.next()
      for (let steps = 0; !turn.done; steps++) {
        if (steps === actAt) {
          const [old] = writer.version.levels[0]!
          const next = old!.fileNumber + 1
          const change = edit([{ level: 0, table: table(next, 'a', 'b') }], [{ level: 0, fileNumber: old!.fileNumber }])
          writer.files.installed(install(vfs, writer, change))
          runTaskSync(writer.rollOver())
        }
        turn = opening.next(turn.value === PAUSE ? undefined : turn.value.runSync())
      }
      const { version } = turn.value
      expect(numbers(version)[0]!.length).toBe(1)
    }
  })

  test('gives up after some attempts', () => {
    const vfs = smallStore()
    vfs.unlinkSync(FIRST)
    expect(failure(() => recover(vfs, true)).code).toBe('ERR_CORRUPTION')
    expect(vfs.openHandleCount).toBe(0)
  })
})

describe('damage', () => {
  test('of any bit of CURRENT is an error', () => {
    const vfs = smallStore()
    const content = vfs.readFile(`${DIR}/CURRENT`)
    for (let bit = 0; bit < content.length * 8; bit++) {
      const changed = Buffer.from(content)
      changed[bit >> 3]! ^= 1 << (bit & 7)
      vfs.writeFile(`${DIR}/CURRENT`, changed)
      expect(failure(() => recover(vfs)).code).toBe('ERR_CORRUPTION')
      expect(inspectDirectory(vfs, DIR)).toBe('store')
    }
  })

  test('of any bit of a manifest is an error; of its last seal it costs a roll-over', () => {
    const vfs = smallStore()
    const content = vfs.readFile(FIRST)
    const seal = content.length - 20
    for (let bit = 0; bit < content.length * 8; bit++) {
      const changed = Buffer.from(content)
      changed[bit >> 3]! ^= 1 << (bit & 7)
      vfs.writeFile(FIRST, changed)
      if (bit >> 3 < seal) {
        expect(failure(() => recover(vfs, true))).toMatchObject({ code: 'ERR_CORRUPTION', path: FIRST })
      } else {
        const { version, tornBytes } = recover(vfs, true)
        expect([numbers(version)[1], tornBytes > 0]).toEqual([[6], true])
      }
    }
    const rolled = recover(vfs)
    expect([rolled.isRolledOver, numbers(rolled.version)[1]]).toEqual([true, [6]])
  })

  test('by truncation gives an earlier state or an error, and never a mixture', () => {
    const vfs = smallStore()
    const content = vfs.readFile(FIRST)
    // The tables of earlier states were deleted by nobody here, so these states can be opened.
    const states = new Set<string>()
    for (let length = 0; length < content.length; length++) {
      vfs.writeFile(FIRST, content.subarray(0, length))
      try {
        states.add(JSON.stringify(numbers(recover(vfs, true).version).slice(0, 2)))
      } catch (error) {
        expect(error).toMatchObject({ code: 'ERR_CORRUPTION', path: FIRST })
      }
    }
    expect([...states]).toEqual(['[[],[]]', '[[2],[]]', '[[4,2],[]]', '[[],[6]]'])
  })

  test('by edits that contradict each other is an error', () => {
    for (const wrong of [
      edit([], [{ level: 0, fileNumber: 9 }]),
      edit([{ level: 1, table: table(6, 'a', 'b') }]),
      edit([{ level: 1, table: table(9, 'b', 'c') }]),
    ]) {
      const vfs = smallStore()
      makeTableFile(vfs, 9)
      const { manifest } = recover(vfs)
      const version = manifest.version
      // An edit that `applyEdit` would refuse, as another program could have written it.
      version.applyEdit = () => version
      runTaskSync(manifest.append(wrong))
      manifest.closeSync()
      expect(failure(() => recover(vfs)).code).toBe('ERR_CORRUPTION')
    }
  })
})

describe('a torn tail', () => {
  test('is cut, reported, and left behind by a roll-over', () => {
    for (const tail of [Buffer.alloc(3), Buffer.from('torn'), Buffer.alloc(5000), Buffer.alloc(5000, 7)]) {
      const vfs = smallStore()
      vfs.writeFile(FIRST, Buffer.concat([vfs.readFile(FIRST), tail]))
      const { isRolledOver, tornBytes, version, edits } = recover(vfs)
      expect({ isRolledOver, edits, tables: numbers(version)[1] }).toEqual({ isRolledOver: true, edits: 4, tables: [6] })
      expect(tornBytes).toBeGreaterThan(0)
      expect(vfs.readdirSync(DIR).filter((name) => name.startsWith('MANIFEST'))).toEqual(['MANIFEST-000002'])
      expect(recover(vfs)).toMatchObject({ isRolledOver: false, edits: 1, tornBytes: 0 })
    }
  })

  test('that is a later edit which was not synced goes too', () => {
    const vfs = smallStore()
    const content = vfs.readFile(FIRST)
    const { manifest } = recover(vfs)
    install(vfs, manifest, edit([{ level: 0, table: table(8, 'a', 'b') }]))
    const longer = vfs.readFile(FIRST).subarray(0, -20)
    longer.fill(0, content.length - 20, content.length)
    vfs.writeFile(FIRST, longer)
    expect(numbers(recover(vfs).version).slice(0, 2)).toEqual([[], [6]])
  })
})

describe('a roll-over', () => {
  test('keeps everything and deletes the old manifest', () => {
    const vfs = smallStore()
    const { manifest } = recover(vfs)
    runTaskSync(manifest.rollOver())
    expect(vfs.readdirSync(DIR).filter((name) => !name.endsWith('.sst'))).toEqual(['CURRENT', 'MANIFEST-000002'])
    install(vfs, manifest, edit([{ level: 0, table: table(8, 'a', 'b') }]))
    manifest.closeSync()
    const again = recover(vfs)
    expect(numbers(again.version).slice(0, 2)).toEqual([[8], [6]])
    expect(again.state).toMatchObject({ logNumber: 5, lastSequence: 409, nextFileNumber: 9 })
    expect(again.state.compactPointers[0]).toEqual(bytes('z'))
    expect(again.manifest.storeId).toEqual(STORE_ID)
  })

  test('happens by itself when the file has grown, in proportion to its snapshot', () => {
    const vfs = emptyDisk()
    const manifest = create(vfs)
    const random = new Random(3)
    let rolledAt = 1
    let limit = 64 * 1024
    for (let next = 2; next < 1500; next++) {
      manifest.files.installed(install(vfs, manifest, randomEdit(random, manifest.version, next, 40)))
      if (manifest.manifestNumber !== rolledAt) limit = Math.max(64 * 1024, 4 * manifest.fileBytes)
      rolledAt = manifest.manifestNumber
      expect(manifest.fileBytes).toBeLessThanOrEqual(limit)
    }
    expect(rolledAt).toBeGreaterThan(3)
    const before = numbers(manifest.version)
    manifest.closeSync()
    const { version, edits } = recover(vfs)
    expect(numbers(version)).toEqual(before)
    expect(edits).toBeLessThan(1000)
  })

  test('takes a number that no manifest in the folder has', () => {
    const vfs = smallStore()
    vfs.writeFile(`${DIR}/MANIFEST-000007`, Buffer.from('left by a roll-over that failed'))
    const { manifest } = recover(vfs)
    runTaskSync(manifest.rollOver())
    expect(manifest.manifestNumber).toBe(8)
  })
})

describe('a failure', () => {
  const added = edit([{ level: 0, table: table(8, 'a', 'b') }])

  test.each([
    ['write', /MANIFEST/],
    ['sync', /MANIFEST/],
  ] as const)('of the %s of an edit stops edits and deletions until the manifest is rolled over', (kind, pattern) => {
    const vfs = smallStore()
    const { manifest } = recover(vfs)
    makeTableFile(vfs, 8)
    failing(vfs, kind, pattern)
    expect(taskFailure(manifest.append(added)).code).toBe('ERR_IO')
    vfs.onMutation = undefined
    expect(manifest.isBroken).toBe(true)
    expect(taskFailure(manifest.append(added))).toMatchObject({ code: 'ERR_BACKGROUND', cause: { code: 'ERR_IO' } })
    manifest.files.protect(8)
    manifest.files.release(8)
    expect(manifest.files.deleteObsoleteSync()).toBe(0)
    runTaskSync(manifest.rollOver())
    expect(manifest.files.deleteObsoleteSync()).toBe(1)
    expect(numbers(recover(vfs).version).slice(0, 2)).toEqual([[], [6]])
    install(vfs, manifest, added)
    expect(numbers(recover(vfs).version).slice(0, 2)).toEqual([[8], [6]])
  })

  test('for lack of space can be tried again, at every number of bytes that were free', () => {
    for (let room = 0; room < 300; room++) {
      const vfs = smallStore()
      const { manifest } = recover(vfs)
      makeTableFile(vfs, 8)
      vfs.capacityBytes = vfs.usedBytes + room
      const before = numbers(manifest.version)
      let failed = false
      try {
        runTaskSync(manifest.append(added))
      } catch (error) {
        failed = true
        expect(error).toMatchObject({ code: 'ERR_DISK_FULL' })
        expect(taskFailure(manifest.append(added)).code).toBe('ERR_DISK_FULL')
        expect(numbers(manifest.version)).toEqual(before)
        for (const seed of [1, 2]) {
          const crashed = vfs.crashClone({ unsyncedPercent: 50, seed })
          crashed.capacityBytes = Infinity
          expect(numbers(recover(crashed).version)).toEqual(before)
        }
      }
      vfs.capacityBytes = Infinity
      if (failed) runTaskSync(manifest.append(added))
      expect(numbers(manifest.version)[0]).toEqual([8])
      expect(numbers(recover(vfs.crashClone({ unsyncedPercent: 0, seed: 3 })).version)[0]).toEqual([8])
    }
  })

  test('for lack of space that shows only in the sync is no such case', () => {
    const vfs = smallStore()
    const { manifest } = recover(vfs)
    makeTableFile(vfs, 8)
    failing(vfs, 'sync', /MANIFEST/, 'ENOSPC')
    expect(taskFailure(manifest.append(added))).toMatchObject({ code: 'ERR_IO', cause: { code: 'ERR_DISK_FULL' } })
    expect(manifest.isBroken).toBe(true)
  })

  test('of the seal costs a roll-over with the next edit', () => {
    const vfs = smallStore()
    const { manifest } = recover(vfs)
    makeTableFile(vfs, 8)
    let writes = 0
    vfs.onMutation = (_, kind, path) => {
      if (kind === 'write' && ++writes === 2) throw ioError(Object.assign(new Error('EIO'), { code: 'EIO' }), 'write', path)
    }
    runTaskSync(manifest.append(added))
    vfs.onMutation = undefined
    expect(manifest.manifestNumber).toBe(1)
    runTaskSync(manifest.append(edit([], [], { logNumber: 9 })))
    expect(manifest.manifestNumber).toBe(2)
    expect(recover(vfs)).toMatchObject({ state: { logNumber: 9 }, edits: 2 })
  })

  test.each([
    ['write', /MANIFEST-000002/],
    ['sync', /MANIFEST-000002/],
    ['create', /MANIFEST-000002/],
    ['write', /CURRENT/],
    ['sync', /CURRENT/],
    ['rename', /CURRENT/],
  ] as const)('of the %s of %s in a roll-over leaves the old manifest in force', (kind, pattern) => {
    const vfs = smallStore()
    const { manifest } = recover(vfs)
    failing(vfs, kind, pattern)
    expect(taskFailure(manifest.rollOver()).code).toBe('ERR_IO')
    vfs.onMutation = undefined
    expect(vfs.readdirSync(DIR).filter((name) => !name.endsWith('.sst'))).toEqual(['CURRENT', 'MANIFEST-000001'])
    install(vfs, manifest, added)
    runTaskSync(manifest.rollOver())
    expect(manifest.manifestNumber).toBe(3)
    expect(numbers(recover(vfs).version).slice(0, 2)).toEqual([[8], [6]])
    manifest.closeSync()
  })

  test('of syncing the folder is final', () => {
    const vfs = smallStore()
    const { manifest } = recover(vfs)
    failing(vfs, 'syncDir', /store/)
    expect(taskFailure(manifest.rollOver()).code).toBe('ERR_IO')
    vfs.onMutation = undefined
    expect(taskFailure(manifest.append(edit([]))).code).toBe('ERR_BACKGROUND')
    expect(taskFailure(manifest.rollOver()).code).toBe('ERR_BACKGROUND')
  })

  test('of the roll-over after an edit does not fail the edit', () => {
    const vfs = emptyDisk()
    const manifest = create(vfs)
    failing(vfs, 'create', /MANIFEST/)
    const key = 'k'.repeat(60_000)
    runTaskSync(manifest.append(edit([], [], { compactPointers: [{ level: 1, key: bytes(key) }] })))
    runTaskSync(manifest.append(edit([], [], { compactPointers: [{ level: 2, key: bytes(key) }] })))
    expect(manifest.manifestNumber).toBe(1)
    vfs.onMutation = undefined
    runTaskSync(manifest.append(edit([], [], { compactPointers: [{ level: 3, key: bytes(key) }] })))
    runTaskSync(manifest.append(edit([], [], { compactPointers: [{ level: 4, key: bytes(key) }] })))
    expect(manifest.manifestNumber).toBeGreaterThan(1)
  })
})
