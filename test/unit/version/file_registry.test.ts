/** Which files are deleted, and when. */
import { describe, expect, test } from 'vitest'
import { FileRegistry } from '../../../src/version/file_registry.js'
import { Version } from '../../../src/version/version.js'
import type { MemoryVfs } from '../../../src/vfs/memory.js'
import { create, DIR, edit, emptyDisk, install, table } from './fixture.js'

function files(vfs: MemoryVfs): string[] {
  return vfs.readdirSync(DIR).filter((name) => /^\d/.test(name))
}

function diskWith(...names: readonly string[]): MemoryVfs {
  const vfs = emptyDisk()
  for (const name of names) vfs.writeFile(`${DIR}/${name}`, Buffer.alloc(1))
  return vfs
}

/** What is on the disk is obsolete: tables 1 and 2, and all logs. */
function registryWithObsolete(vfs: MemoryVfs): FileRegistry {
  const registry = new FileRegistry(vfs, DIR, false)
  for (const fileNumber of [1, 2]) {
    registry.protect(fileNumber)
    registry.release(fileNumber)
  }
  registry.dropLogsBelow(9)
  return registry
}

describe('a table', () => {
  test('goes when the edit that removed it is durable and no version names it', () => {
    const vfs = emptyDisk()
    const manifest = create(vfs)
    const first = install(vfs, manifest, edit([{ level: 0, table: table(1, 'a', 'b') }]))
    manifest.files.installed(first)
    first.ref() // a reader
    const second = install(vfs, manifest, edit([{ level: 1, table: table(2, 'a', 'b') }], [{ level: 0, fileNumber: 1 }]))
    manifest.files.installed(second)
    expect(files(vfs)).toEqual(['000001.sst', '000002.sst'])
    first.unref()
    expect(manifest.files.obsoleteCount).toBe(1)
    expect(manifest.files.deleteObsoleteSync()).toBe(1)
    expect(files(vfs)).toEqual(['000002.sst'])
  })

  test('that only changed its level stays', () => {
    const vfs = emptyDisk()
    const manifest = create(vfs)
    const moved = table(1, 'a', 'b')
    manifest.files.installed(install(vfs, manifest, edit([{ level: 0, table: moved }])))
    manifest.files.installed(install(vfs, manifest, edit([{ level: 1, table: moved }], [{ level: 0, fileNumber: 1 }])))
    expect(files(vfs)).toEqual(['000001.sst'])
  })

  test('that no version ever named is none of its business: a job may be writing it', () => {
    const vfs = diskWith('000007.sst')
    const manifest = create(emptyDisk())
    manifest.files.deleteObsoleteSync()
    expect(files(vfs)).toEqual(['000007.sst'])
  })

  test('is kept while it is protected', () => {
    const vfs = diskWith('000001.sst')
    const registry = new FileRegistry(vfs, DIR, false)
    registry.protect(1)
    registry.protect(1)
    registry.release(1)
    expect([registry.isTableLive(1), registry.deleteObsoleteSync()]).toEqual([true, 0])
    registry.release(1)
    expect([registry.isTableLive(1), registry.deleteObsoleteSync()]).toEqual([false, 1])
    expect(() => registry.release(1)).toThrow('as often as')
  })

  test('that is named again before it was deleted stays', () => {
    const vfs = diskWith('000001.sst')
    const registry = new FileRegistry(vfs, DIR, false)
    registry.protect(1)
    registry.release(1)
    registry.protect(1)
    expect(registry.deleteObsoleteSync()).toBe(0)
    expect(files(vfs)).toEqual(['000001.sst'])
  })

  test('is announced before it is deleted, so that its reader can be closed', () => {
    const vfs = diskWith('000001.sst')
    const registry = new FileRegistry(vfs, DIR, false)
    const events: string[] = []
    registry.listener = {
      onObsolete: () => events.push('obsolete'),
      onDeleteTable: (fileNumber) => events.push(`delete ${fileNumber} of ${files(vfs).length}`),
    }
    registry.protect(1)
    registry.release(1)
    registry.deleteObsoleteSync()
    expect(events).toEqual(['obsolete', 'delete 1 of 1'])
  })

  test('counts once for each version, however often that is tracked', () => {
    const vfs = diskWith('000001.sst')
    const registry = new FileRegistry(vfs, DIR, false)
    const version = Version.of([[table(1, 'a', 'b')]])
    registry.track(version)
    registry.track(version)
    version.ref()
    version.unref()
    expect(registry.deleteObsoleteSync()).toBe(1)
  })
})

describe('a log', () => {
  test('goes when the manifest does not need it any more', () => {
    const vfs = diskWith('000003.log', '000005.log', '000008.log')
    const registry = new FileRegistry(vfs, DIR, false)
    registry.dropLogsBelow(8)
    expect(registry.obsoleteCount).toBe(2)
    registry.dropLogsBelow(8)
    expect(registry.obsoleteCount).toBe(2)
    registry.deleteObsoleteSync()
    expect(files(vfs)).toEqual(['000008.log'])
  })
})

describe('a deletion', () => {
  test('that fails is reported and tried again', () => {
    const vfs = diskWith('000001.sst', '000002.log')
    const registry = new FileRegistry(vfs, DIR, false)
    const failed: string[] = []
    registry.listener = { onDeleteError: (path) => failed.push(path) }
    registry.protect(1)
    registry.release(1)
    registry.dropLogsBelow(3)
    vfs.onMutation = (_, kind) => {
      if (kind === 'unlink') throw new Error('busy')
    }
    expect(registry.deleteObsoleteSync()).toBe(0)
    expect(failed).toEqual([`${DIR}/000001.sst`, `${DIR}/000002.log`])
    expect(registry.obsoleteCount).toBe(2)
    vfs.onMutation = undefined
    expect(registry.deleteObsoleteSync()).toBe(2)
    expect([files(vfs), registry.obsoleteCount]).toEqual([[], 0])
  })

  test('of a file that is gone already is none', () => {
    const registry = new FileRegistry(emptyDisk(), DIR, false)
    registry.protect(1)
    registry.release(1)
    expect(registry.deleteObsoleteSync()).toBe(1)
  })

  test('can be made in the thread pool, one after the other', async () => {
    const vfs = diskWith('000001.sst', '000002.sst', '000003.log', '000004.log')
    const registry = registryWithObsolete(vfs)
    const left: string[][] = []
    while (await registry.deleteNext()) left.push(files(vfs))
    expect(left).toEqual([['000002.sst', '000003.log', '000004.log'], ['000003.log', '000004.log'], ['000004.log'], []])
  })

  test('in the thread pool passes over a table that was named again, and is made once', async () => {
    const vfs = diskWith('000001.sst', '000002.sst', '000003.log')
    const registry = registryWithObsolete(vfs)
    registry.protect(1)
    const deletion = registry.deleteNext()
    expect(registry.obsoleteNames).toEqual(['000002.sst', '000003.log'])
    expect(registry.obsoleteCount).toBe(1)
    expect(await deletion).toBe(true)
    const next = registry.deleteNext()
    // The log is there still, and already on its way.
    registry.dropLogsBelow(9)
    expect(registry.obsoleteCount).toBe(0)
    expect(await next).toBe(true)
    expect(files(vfs)).toEqual(['000001.sst'])
  })

  test('in the thread pool that fails is reported, and keeps no other file on the disk', async () => {
    const vfs = diskWith('000001.sst', '000002.sst')
    const registry = registryWithObsolete(vfs)
    const failed: string[] = []
    registry.listener = { onDeleteError: (path) => failed.push(path) }
    vfs.onMutation = (_, kind, path) => {
      if (kind === 'unlink' && path.endsWith('000001.sst')) throw new Error('busy')
    }
    expect([await registry.deleteNext(), await registry.deleteNext(), await registry.deleteNext()]).toEqual([false, true, false])
    expect(failed).toEqual([`${DIR}/000001.sst`, `${DIR}/000001.sst`])
    vfs.onMutation = undefined
    expect(await registry.deleteNext()).toBe(true)
    expect([await registry.deleteNext(), files(vfs)]).toEqual([false, []])
  })

  test('in the thread pool may be overtaken by one on the spot', async () => {
    const vfs = diskWith('000001.sst', '000002.sst')
    const registry = registryWithObsolete(vfs)
    const failed: string[] = []
    registry.listener = { onDeleteError: (path) => failed.push(path) }
    const deletion = registry.deleteNext()
    expect(files(vfs)).toEqual(['000002.sst'])
    expect(registry.deleteObsoleteSync()).toBe(2)
    expect(files(vfs)).toEqual([])
    expect([await deletion, registry.obsoleteCount, failed]).toEqual([true, 0, []])
  })

  test('never happens in a store that is read only, nor while the manifest is in doubt', async () => {
    for (const isReadOnly of [true, false]) {
      const vfs = diskWith('000001.sst', '000003.log')
      const registry = new FileRegistry(vfs, DIR, isReadOnly)
      registry.protect(1)
      registry.release(1)
      registry.dropLogsBelow(9)
      registry.suspendDeletion()
      expect([registry.deleteObsoleteSync(), await registry.deleteNext()]).toEqual([0, false])
      registry.resumeDeletion()
      expect(registry.deleteObsoleteSync()).toBe(isReadOnly ? 0 : 2)
    }
  })

  test('leaves the files of a store that is closed', () => {
    const vfs = emptyDisk()
    const manifest = create(vfs)
    manifest.files.installed(install(vfs, manifest, edit([{ level: 0, table: table(1, 'a', 'b') }])))
    manifest.closeSync()
    manifest.files.deleteObsoleteSync()
    expect(files(vfs)).toEqual(['000001.sst'])
  })
})
