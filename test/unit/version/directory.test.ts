/** What a folder is, what CURRENT says, which names are ours, and what is swept. */
import { describe, expect, test } from 'vitest'
import { runTaskSync } from '../../../src/util/task.js'
import { currentManifestSync, decodeCurrent, encodeCurrent, prepareCurrent } from '../../../src/version/current_file.js'
import { inspectDirectory, listNumberedFiles, sweepDirectorySync } from '../../../src/version/directory.js'
import { parseFileName } from '../../../src/version/file_names.js'
import { MemoryVfs } from '../../../src/vfs/memory.js'
import { hexExample } from '../wal/hex_example.js'
import { create, DIR, emptyDisk, failure } from './fixture.js'

function diskWith(...names: readonly string[]): MemoryVfs {
  const vfs = emptyDisk()
  for (const name of names) vfs.writeFile(`${DIR}/${name}`, Buffer.from('content'))
  return vfs
}

describe('file names', () => {
  test.each([
    ['000012.sst', 'table', 12],
    ['000012.log', 'log', 12],
    ['MANIFEST-000012', 'manifest', 12],
    ['1000000.sst', 'table', 1_000_000],
    ['9007199254740991.log', 'log', Number.MAX_SAFE_INTEGER],
    ['CURRENT', 'current', 0],
    ['CURRENT.tmp', 'temporary', 0],
    ['LOCK', 'lock', 0],
    ['LOCK-7f', 'lock', 0],
  ])('%s is ours', (name, kind, fileNumber) => {
    expect(parseFileName(name)).toEqual({ kind, fileNumber })
  })

  test.each([
    '12.sst',
    '0000012.sst',
    '000000.log',
    '9007199254740992.log',
    '000012.sst.bak',
    '000012',
    'MANIFEST-000012.log',
    'MANIFEST-12',
    'MANIFEST',
    'current',
    'notes.txt',
    '',
    '000012.SST',
    ' 000012.sst',
    '000012.sst\n',
  ])('%j is foreign', (name) => {
    expect(parseFileName(name)).toBeUndefined()
  })
})

describe('CURRENT', () => {
  test('has the bytes of the example in docs/manifest.md', () => {
    expect(encodeCurrent(1).toString('hex')).toBe(hexExample('manifest.md', 'current').toString('hex'))
  })

  test('reads back, and not when any bit of it changed or any byte is missing', () => {
    for (const manifestNumber of [1, 999_999, 1_234_567]) {
      const content = encodeCurrent(manifestNumber)
      expect(decodeCurrent(content)).toBe(manifestNumber)
      for (let length = 0; length < content.length; length++) expect(decodeCurrent(content.subarray(0, length))).toBeUndefined()
      expect(decodeCurrent(Buffer.concat([content, Buffer.from('\n')]))).toBeUndefined()
      for (let bit = 0; bit < content.length * 8; bit++) {
        const changed = Buffer.from(content)
        changed[bit >> 3]! ^= 1 << (bit & 7)
        expect(decodeCurrent(changed)).toBeUndefined()
      }
    }
  })

  test('that is damaged is an error, that is missing is none yet', () => {
    expect(currentManifestSync(emptyDisk(), DIR)).toBeUndefined()
    expect(failure(() => currentManifestSync(diskWith('CURRENT'), DIR))).toMatchObject({
      code: 'ERR_CORRUPTION',
      path: `${DIR}/CURRENT`,
      offset: 0,
    })
  })

  test('is prepared over what an earlier attempt left', () => {
    const vfs = diskWith('CURRENT.tmp')
    runTaskSync(prepareCurrent(vfs, DIR, 4))
    expect(vfs.readFile(`${DIR}/CURRENT.tmp`)).toEqual(encodeCurrent(4))
    expect(vfs.openHandleCount).toBe(0)
  })
})

describe('a folder', () => {
  test('may be absent, a file, or empty but for what does not count', () => {
    expect(inspectDirectory(new MemoryVfs(), DIR)).toBe('absent')
    const vfs = emptyDisk()
    expect(inspectDirectory(vfs, DIR)).toBe('empty')
    vfs.writeFile(`${DIR}/.gitkeep`, Buffer.alloc(0))
    vfs.writeFile(`${DIR}/LOCK`, Buffer.alloc(0))
    vfs.mkdirSync(`${DIR}/lost+found`)
    expect(inspectDirectory(vfs, DIR)).toBe('empty')
    vfs.writeFile('/file', Buffer.alloc(0))
    expect(inspectDirectory(vfs, '/file')).toBe('file')
  })

  test.each([
    [['MANIFEST-000001'], 'unfinished'],
    [['MANIFEST-000001', 'CURRENT.tmp', 'LOCK'], 'unfinished'],
    [['CURRENT.tmp'], 'unfinished'],
    [['MANIFEST-000001', 'notes.txt'], 'foreign'],
    [['notes.txt'], 'foreign'],
    [['000012.txt'], 'foreign'],
    [['CURRENT'], 'store'],
    [['000012.log'], 'store'],
    [['000012.sst', 'notes.txt'], 'store'],
  ])('with %j is %s', (names, kind) => {
    expect(inspectDirectory(diskWith(...names), DIR)).toBe(kind)
  })

  test('with a store in it is a store, even a damaged one', () => {
    const vfs = emptyDisk()
    create(vfs).closeSync()
    expect(inspectDirectory(vfs, DIR)).toBe('store')
    vfs.writeFile(`${DIR}/CURRENT`, encodeCurrent(1).subarray(0, 16))
    expect(inspectDirectory(vfs, DIR)).toBe('store')
  })

  test('that is being destroyed is none, whatever else is in it', () => {
    const vfs = emptyDisk()
    create(vfs).closeSync()
    vfs.writeFile(`${DIR}/DESTROYED`, Buffer.from(''))
    expect(inspectDirectory(vfs, DIR)).toBe('destroyed')
  })

  test('of LevelDB is foreign', () => {
    const vfs = diskWith('000003.log', 'LOG', 'LOCK', 'MANIFEST-000002')
    vfs.writeFile(`${DIR}/CURRENT`, Buffer.from('MANIFEST-000002\n'))
    expect(inspectDirectory(vfs, DIR)).toBe('foreign')
  })

  test('gives its numbered files in order', () => {
    const vfs = diskWith('000012.log', '1000000.log', '000002.log', '000003.sst', 'MANIFEST-000009', 'MANIFEST-000010', 'x')
    const numbered = { tables: new Set([3]), logs: [2, 12, 1_000_000], manifests: [9, 10] }
    expect(listNumberedFiles(vfs, DIR)).toEqual({ ...numbered, hasTemporary: false })
    vfs.writeFile(`${DIR}/CURRENT.tmp`, Buffer.from(''))
    expect(listNumberedFiles(vfs, DIR)).toEqual({ ...numbered, hasTemporary: true })
  })
})

describe('the sweep', () => {
  const live = { isTableLive: (fileNumber: number) => fileNumber === 3, logNumber: 10, manifestNumber: 9 }
  const names = [
    '000003.sst',
    '000004.sst',
    '000009.log',
    '000010.log',
    'CURRENT',
    'CURRENT.tmp',
    'LOCK',
    'MANIFEST-000008',
    'MANIFEST-000009',
    'MANIFEST-000010',
    'notes.txt',
    '12.sst',
  ]

  test('deletes what nothing refers to and leaves foreign files alone', () => {
    const vfs = diskWith(...names)
    const deleted = sweepDirectorySync(vfs, DIR, live, () => {})
    expect(deleted).toEqual(['000004.sst', '000009.log', 'CURRENT.tmp', 'MANIFEST-000008', 'MANIFEST-000010'])
    expect(vfs.readdirSync(DIR)).toEqual(names.filter((name) => !deleted.includes(name)).toSorted())
  })

  test('reports what it cannot delete and goes on', () => {
    const vfs = diskWith(...names)
    vfs.onMutation = (_, kind, path) => {
      if (kind === 'unlink' && path.endsWith('.log')) throw new Error('busy')
    }
    const failed: string[] = []
    expect(sweepDirectorySync(vfs, DIR, live, (path) => failed.push(path))).toHaveLength(4)
    expect(failed).toEqual([`${DIR}/000009.log`])
  })
})
