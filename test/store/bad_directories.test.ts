/** Places where no store can be opened: a typed error with a sentence that helps, and everything there stays as it was. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { FaultVfs, memory, type MemoryVfs, Store } from '../../src/index.js'
import { writeUint32 } from '../../src/codec/bytes.js'
import { checksum32 } from '../../src/codec/checksum.js'
import { FOOTER_BYTES } from '../../src/sstable/footer.js'
import { TABLE_FORMAT_VERSION } from '../../src/sstable/format.js'
import { MANIFEST_FORMAT_VERSION, MANIFEST_HEADER_BYTES } from '../../src/version/manifest_format.js'
import { LOG_FORMAT_VERSION, LOG_HEADER_BYTES } from '../../src/wal/format.js'
import { contentOf, DIR, entriesOf, failure, openStore, rejection, temporaryDirectory, TINY } from '../support/stores.js'

/** A disk with a closed store that has tables and a log. */
async function disk(): Promise<MemoryVfs> {
  const vfs = memory()
  const store = await Store.open(vfs, TINY)
  for (let i = 0; i < 200; i++) await store.put(`k${i}`, `value of k${i}`)
  await store.flush()
  await store.put('in the log', 1)
  await store.close()
  return vfs
}

function fileOf(vfs: MemoryVfs, name: string): string {
  const path = vfs.files().find((each) => each.includes(name))
  if (path === undefined) throw new Error(`there is no ${name} in ${vfs.files().join(', ')}`)
  return path
}

/** Opens a store, in every form, and expects the same refusal and an untouched disk each time. */
async function expectRefusal(vfs: MemoryVfs, code: string, message: RegExp): Promise<void> {
  const before = contentOf(vfs)
  for (const options of [TINY, { ...TINY, readOnly: true }, { ...TINY, createIfMissing: false }]) {
    for (const error of [await rejection(Store.open(vfs, options)), failure(() => Store.openSync(vfs, options))]) {
      expect(error.code).toBe(code)
      expect(error.message).toMatch(message)
      expect(error.path).toMatch(/^\/varve/)
    }
  }
  expect(contentOf(vfs)).toEqual(before)
  expect(vfs.openHandleCount).toBe(0)
}

test('a file where the directory should be', async () => {
  const vfs = memory()
  vfs.writeFile(DIR, Buffer.from('a file'))
  await expectRefusal(vfs, 'ERR_NOT_A_STORE', /is a file.*choose another path/)
  const path = join(temporaryDirectory(), 'file')
  writeFileSync(path, 'a file')
  expect(await rejection(Store.open(path))).toMatchObject({ code: 'ERR_NOT_A_STORE', path })
})

test('a path through a file', async () => {
  const path = join(temporaryDirectory(), 'file')
  writeFileSync(path, 'a file')
  const error = await rejection(Store.open(join(path, 'store')))
  expect(['ERR_IO', 'ERR_NOT_A_STORE']).toContain(error.code)
  expect(error.message).toContain(path)
})

test('a folder of other files', async () => {
  const vfs = memory()
  vfs.writeFile(`${DIR}/letter.txt`, Buffer.from('Dear Ada'))
  await expectRefusal(vfs, 'ERR_NOT_A_STORE', /other files and no store.*choose an empty or a new directory/)
})

test('other files beside a store stay as they are', async () => {
  const vfs = await disk()
  vfs.writeFile(`${DIR}/notes.txt`, Buffer.from('notes'))
  vfs.writeFile(`${DIR}/12.sst`, Buffer.from('no table of ours'))
  const store = await openStore(vfs)
  await store.compact()
  await store.close()
  expect(vfs.readFile(`${DIR}/notes.txt`).toString()).toBe('notes')
  expect(vfs.readFile(`${DIR}/12.sst`).toString()).toBe('no table of ours')
})

describe('a folder that cannot be written', () => {
  test.each(['EACCES', 'EROFS', 'EPERM'])('%s is ERR_IO with the system’s error as the cause', async (code) => {
    const inner = await disk()
    const before = contentOf(inner)
    const vfs = new FaultVfs(inner)
    vfs.addRule({ operation: ['create', 'write', 'rename', 'link', 'unlink', 'truncate', 'mkdir'], error: code, times: Infinity })
    const error = await rejection(Store.open(vfs, TINY))
    expect(error).toMatchObject({ code: 'ERR_IO', cause: { code } })
    expect(error.path).toMatch(/^\/varve/)
    expect(contentOf(inner)).toEqual(before)
    // It can still be read.
    const reader = await openStore(vfs, { ...TINY, readOnly: true })
    expect(entriesOf(reader)).toHaveLength(201)
  })

  test('a new store in it', async () => {
    const vfs = new FaultVfs(memory())
    vfs.addRule({ operation: 'mkdir', error: 'EACCES' })
    expect(await rejection(Store.open(vfs, TINY))).toMatchObject({ code: 'ERR_IO', cause: { code: 'EACCES' } })
  })

  test('a failure on the way of making a store leaves a place where one can be made', async () => {
    for (let nth = 1; nth < 20; nth++) {
      const inner = memory()
      const vfs = new FaultVfs(inner)
      const operation = ['create', 'write', 'rename', 'link', 'sync', 'syncDir'] as const
      const rule = vfs.addRule({ operation, nth })
      const outcome = await Store.open(vfs, TINY).catch((error: unknown) => error)
      if (outcome instanceof Store) await outcome.close().catch(() => {})
      else expect(outcome).toMatchObject({ code: 'ERR_IO' })
      rule.remove()
      const store = await Store.open(inner, TINY)
      await store.put('k', 1)
      await store.close()
    }
  })
})

/** Changes 4 bytes of a header and puts its checksum right, as a newer version would have written it. */
function patchHeader(vfs: MemoryVfs, name: string, headerBytes: number, version: number): void {
  const path = fileOf(vfs, name)
  const content = vfs.readFile(path)
  writeUint32(content, 8, version)
  writeUint32(content, headerBytes - 4, checksum32(content, 0, headerBytes - 4, 0))
  vfs.writeFile(path, content)
}

describe('a newer format', () => {
  test('of the manifest', async () => {
    const vfs = await disk()
    patchHeader(vfs, 'MANIFEST-', MANIFEST_HEADER_BYTES, MANIFEST_FORMAT_VERSION + 1)
    await expectRefusal(vfs, 'ERR_FORMAT_VERSION', /format 2.*newer/)
  })

  test('of a log', async () => {
    const vfs = await disk()
    patchHeader(vfs, '.log', LOG_HEADER_BYTES, LOG_FORMAT_VERSION + 1)
    await expectRefusal(vfs, 'ERR_FORMAT_VERSION', /format 2.*newer/)
  })

  test('of a table is told by the reads that need it', async () => {
    const vfs = await disk()
    const path = fileOf(vfs, '.sst')
    const content = vfs.readFile(path)
    const footer = content.length - FOOTER_BYTES
    writeUint32(content, footer + 48, TABLE_FORMAT_VERSION + 1)
    writeUint32(content, footer + 52, checksum32(content, footer, footer + 52, 0))
    vfs.writeFile(path, content)
    const store = await openStore(vfs)
    expect(await rejection(store.get('k1'))).toMatchObject({ code: 'ERR_FORMAT_VERSION', path })
    expect(failure(() => entriesOf(store)).message).toMatch(/format 2.*newer version/)
    expect(await store.get('in the log')).toBe(1)
  })
})

describe('damage', () => {
  const DAMAGE: [string, string, (content: Buffer) => Buffer][] = [
    ['CURRENT that names nothing', 'CURRENT', () => Buffer.from('nonsense\n')],
    ['an empty CURRENT', 'CURRENT', () => Buffer.alloc(0)],
    ['an empty manifest', 'MANIFEST-', () => Buffer.alloc(0)],
    ['a manifest with another magic', 'MANIFEST-', (content) => flipped(content, 0)],
    ['a manifest with a damaged header', 'MANIFEST-', (content) => flipped(content, 20)],
    ['a manifest with a damaged first record', 'MANIFEST-', (content) => flipped(content, MANIFEST_HEADER_BYTES + 30)],
    ['a log with a damaged header', '.log', (content) => flipped(content, 3)],
    ['a log with a damaged record that was synced', '.log', (content) => flipped(content, LOG_HEADER_BYTES + 25)],
  ]

  test.each(DAMAGE)('%s', async (_, name, damage) => {
    const vfs = await disk()
    const path = fileOf(vfs, name)
    vfs.writeFile(path, damage(vfs.readFile(path)))
    await expectRefusal(vfs, 'ERR_CORRUPTION', /./)
    expect((await rejection(Store.open(vfs, TINY))).path).toBe(path)
  })

  test('a table that is missing', async () => {
    const vfs = await disk()
    const path = fileOf(vfs, '.sst')
    vfs.unlinkSync(path)
    await expectRefusal(vfs, 'ERR_CORRUPTION', /a table is missing/)
    expect((await rejection(Store.open(vfs, TINY))).path).toBe(path)
  })

  test('CURRENT that is missing', async () => {
    const vfs = await disk()
    vfs.unlinkSync(`${DIR}/CURRENT`)
    await expectRefusal(vfs, 'ERR_CORRUPTION', /CURRENT is missing/)
  })

  test('recovery: salvage skips damage in a log, keeps the rest and reports it', async () => {
    const vfs = memory()
    const written = await Store.open(vfs, TINY)
    for (let i = 0; i < 20; i++) await written.put(`k${String(i).padStart(2, '0')}`, 'x'.repeat(20))
    await written.close()
    const path = fileOf(vfs, '.log')
    const content = vfs.readFile(path)
    content[content.indexOf('k10')]! ^= 1
    vfs.writeFile(path, content)
    expect((await rejection(Store.open(vfs, TINY))).code).toBe('ERR_CORRUPTION')
    const salvaged = await openStore(vfs, { ...TINY, recovery: 'salvage' })
    const keys = [...salvaged.keys()]
    expect(keys).toHaveLength(19)
    expect(keys).not.toContain('k10')
    expect(salvaged.stats().recovery.damagedBytes).toBeGreaterThan(20)
    await salvaged.put('k10', 'again')
    await salvaged.close()
    // What was saved is in order from now on.
    const store = await openStore(vfs)
    expect(entriesOf(store)).toHaveLength(20)
    expect(store.stats().recovery.damagedBytes).toBe(0)
  })

  test('damage in a table is told with file and offset by every read that meets it, and by no other', async () => {
    const vfs = await disk()
    const path = vfs.files().find((each) => each.endsWith('.sst') && vfs.readFile(each).includes('value of k100'))!
    const content = vfs.readFile(path)
    const at = content.indexOf('value of k100')
    content[at]! ^= 0xff
    vfs.writeFile(path, content)
    const store = await openStore(vfs)
    for (const error of [await rejection(store.get('k100')), failure(() => store.getSync('k100')), failure(() => entriesOf(store))]) {
      expect(error).toMatchObject({ code: 'ERR_CORRUPTION', path })
      expect(error.offset).toBeLessThanOrEqual(at)
      expect(error.message).toContain(path)
    }
    expect(await store.get('in the log')).toBe(1)
    expect(await store.get('k9')).toBe('value of k9')
    expect(store.stats().scans.open).toBe(0)
  })
})

function flipped(content: Buffer, offset: number): Buffer {
  content[offset]! ^= 0xff
  return content
}

describe('a store that is open already', () => {
  test('is locked in the same process, on every file system, until it is closed', async () => {
    for (const location of [memory(), temporaryDirectory()]) {
      const store = await Store.open(location, TINY)
      await store.put('k', 1)
      for (const error of [await rejection(Store.open(location, TINY)), failure(() => Store.openSync(location, TINY))]) {
        expect(error.code).toBe('ERR_LOCKED')
        expect(error.message).toMatch(/held by this process.*since.*close it first, or share the open one/)
      }
      expect(await store.get('k')).toBe(1)
      await store.close()
      const again = await openStore(location)
      expect(await again.get('k')).toBe(1)
    }
  })

  test('is locked by the other path to it, too', async () => {
    const dir = temporaryDirectory()
    await openStore(dir)
    expect((await rejection(Store.open(join(dir, '..', dir.split('/').at(-1)!, '.')))).code).toBe('ERR_LOCKED')
  })

  test('is locked for another process of the same machine, and free when that one was killed', async () => {
    const vfs = memory()
    const other = vfs.otherProcess()
    const store = await Store.open(other, TINY)
    await store.put('k', 1)
    const error = await rejection(Store.open(vfs, TINY))
    expect(error.code).toBe('ERR_LOCKED')
    expect(error.message).toMatch(/held by process \d+ on host memory since .*LOCK/)
    other.endProcess()
    const again = await openStore(vfs)
    expect(await again.get('k')).toBe(1)
  })
})
