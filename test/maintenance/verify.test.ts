/** `Store.verify`: finds each kind of violation, names the file, goes on with the others, and finds nothing in what the engine wrote. */
import { describe, expect, test } from 'vitest'
import { FaultVfs, memory, type MemoryVfs, Store, type StoreOptions, type VerifyProgress, type VerifyReport } from '../../src/index.js'
import { hashKey } from '../../src/codec/hash.js'
import { writeTrailer } from '../../src/codec/internal_key.js'
import { tableFileName } from '../../src/sstable/format.js'
import type { TableMeta } from '../../src/sstable/table_meta.js'
import { contentOf, DIR, nextTurn, openStore, rejection, temporaryDirectory, TINY, WORKER_URL } from '../support/stores.js'
import { bytes, deletion, type Entry, put } from '../unit/sstable/fixture.js'
import { emptyDisk, tamper, tamperProperties, writeManifest, writeStoreFile, writeTable } from './crafted.js'

/** A closed store with tables on several levels, and a log. */
async function closedStore(options: StoreOptions = TINY): Promise<MemoryVfs> {
  const vfs = memory()
  const store = await Store.open(vfs, options)
  for (let round = 0; round < 4; round++) {
    for (let i = 0; i < 120; i++) await store.put(`key ${(i * 7 + round) % 150}`, `${round} `.repeat(i % 20))
    for (let i = 0; i < 20; i++) await store.delete(`key ${i * 5 + round}`)
    await store.flush()
    if (round === 1) await store.compact()
  }
  await store.put('in the log', 1)
  await store.close()
  return vfs
}

/** The store after another process has written to it and was killed. */
async function killedLater(before: MemoryVfs): Promise<MemoryVfs> {
  const store = await Store.open(before, TINY)
  await store.put('in the log', 2)
  await store.flush()
  await store.put('in the log', 3, { sync: true })
  await store.put('in the log', 'not synced: '.repeat(9))
  const vfs = before.processKillClone()
  await store.close()
  return vfs
}

/** Verifies, and expects that nothing was changed, opened for good or left behind. */
async function verify(vfs: MemoryVfs): Promise<VerifyReport> {
  const before = contentOf(vfs)
  vfs.onMutation = (_, kind, path) => {
    throw new Error(`verify made a change: ${kind} ${path}`)
  }
  const report = await Store.verify(vfs)
  vfs.onMutation = undefined
  expect(contentOf(vfs)).toEqual(before)
  expect(vfs.openHandleCount).toBe(0)
  return report
}

function stateOf(report: VerifyReport, name: string): string | undefined {
  return report.files.find((file) => file.name === name)?.state
}

const OPTION_SETS: Record<string, StoreOptions> = {
  tiny: TINY,
  'blocks of 64 bytes': { ...TINY, blockSize: 64 },
  'no filter': { ...TINY, bloomFalsePositiveRate: 0 },
  zstd: { ...TINY, compression: 'zstd', blockSize: 2048 },
  snappy: { ...TINY, compression: 'snappy' },
  defaults: { backgroundThreads: 0 },
  "walSync 'none'": { ...TINY, walSync: 'none' },
}

describe('a store that the engine wrote', () => {
  test.each(Object.entries(OPTION_SETS))('is found whole: %s', async (_, options) => {
    const vfs = await closedStore(options)
    const report = await verify(vfs)
    expect(report.problems).toEqual([])
    expect(report).toMatchObject({ ok: true, isInUse: false, logs: 1, operations: 1 })
    const store = await openStore(vfs, { ...options, readOnly: true })
    const { levels, tables } = store.stats()
    expect(report.tables).toBe(tables.count)
    expect(report.levels.map(({ level, tables: count, bytes: size }) => [level, count, size])).toEqual(
      levels.map(({ tables: count, bytes: size }, level) => [level, count, size]).filter(([, count]) => count! > 0),
    )
    expect(report.keys).toBe(store.keys().toArraySync().length - 1)
    expect(new Set(report.files.map(({ state }) => state))).toEqual(new Set(['ok']))
  })

  test('is found whole in a directory of the operating system', async () => {
    const dir = temporaryDirectory()
    const store = await Store.open(dir, { ...TINY, backgroundThreads: 1, workerUrl: WORKER_URL, walSync: 'always' })
    for (let i = 0; i < 200; i++) await store.put(`key ${i}`, 'x'.repeat(100))
    await store.close()
    const report = await Store.verify(dir)
    expect(report).toMatchObject({ ok: true, isInUse: false, problems: [] })
    expect(report.entries + report.operations).toBe(200)
  })

  test('is found whole when it has just been made', async () => {
    const vfs = memory()
    await (await Store.open(vfs)).close()
    expect(await verify(vfs)).toMatchObject({ ok: true, tables: 0, logs: 0, levels: [], entries: 0, keys: 0, operations: 0 })
  })

  test('is found whole while it is open, and said to be in use', async () => {
    const vfs = memory()
    const store = await openStore(vfs)
    for (let i = 0; i < 300; i++) await store.put(`key ${i}`, 'x'.repeat(50))
    expect(await Store.verify(vfs)).toMatchObject({ ok: true, isInUse: true, problems: [] })
  })

  test('is judged soundly while it is being written and compacted', async () => {
    const vfs = memory()
    const store = await openStore(vfs)
    let isDone = false
    const reports: VerifyReport[] = []
    const verifying = (async () => {
      for (; !isDone; await nextTurn()) reports.push(await Store.verify(vfs))
    })()
    for (let i = 0; i < 3000; i++) {
      await store.put(`key ${i % 300}`, 'x'.repeat(i % 90))
      if (i % 500 === 0) await store.compact()
    }
    isDone = true
    await verifying
    expect(reports.length).toBeGreaterThan(3)
    for (const report of reports) expect(report.problems).toEqual([])
  })
})

describe('the file of', () => {
  test('a damaged table is named, with the place, and the others are checked', async () => {
    const vfs = await closedStore()
    const names = vfs.readdirSync(DIR).filter((name) => name.endsWith('.sst'))
    for (const name of names) vfs.openSync(`${DIR}/${name}`, 'update').writeSync(Buffer.from('x'), 0, 1, 100)
    const report = await Store.verify(vfs)
    expect(report.ok).toBe(false)
    expect(report.problems).toHaveLength(names.length)
    for (const { code, offset, file } of report.problems) {
      expect(code).toBe('ERR_CORRUPTION')
      expect(offset).toBeLessThanOrEqual(100)
      expect(stateOf(report, file)).toBe('damaged')
    }
    expect(report.tables).toBe(0)
    expect(report.operations).toBe(1)
  })

  test('a missing table is named', async () => {
    const vfs = await closedStore()
    const name = vfs.readdirSync(DIR).find((each) => each.endsWith('.sst'))!
    vfs.unlinkSync(`${DIR}/${name}`)
    const report = await verify(vfs)
    expect(report.problems).toEqual([{ file: name, code: 'ERR_CORRUPTION', message: `${name} is missing`, offset: undefined }])
    expect(stateOf(report, name)).toBe('missing')
  })

  test('a table, a log and a manifest that nothing needs are orphans, and others are foreign', async () => {
    const vfs = await closedStore()
    for (const name of ['000999.sst', '000001.log', 'MANIFEST-000099', 'CURRENT.tmp', 'notes.txt']) {
      writeStoreFile(vfs, name, Buffer.from('whatever'))
    }
    vfs.mkdirSync(`${DIR}/000777.sst`)
    const report = await verify(vfs)
    expect(report.ok).toBe(true)
    const strange = report.files.filter(({ state }) => state !== 'ok').map(({ name, kind, state }) => [name, kind, state])
    expect(strange).toEqual([
      ['000001.log', 'log', 'orphaned'],
      ['000777.sst', 'foreign', 'foreign'],
      ['000999.sst', 'table', 'orphaned'],
      ['CURRENT.tmp', 'current', 'orphaned'],
      ['MANIFEST-000099', 'manifest', 'orphaned'],
      ['notes.txt', 'foreign', 'foreign'],
    ])
  })

  test('a table that cannot be read is not judged', async () => {
    const vfs = await closedStore()
    const faults = new FaultVfs(vfs)
    faults.addRule({ operation: 'read', path: '.sst', error: 'EIO', times: Infinity })
    const report = await Store.verify(DIR, { vfs: faults })
    expect(report.ok).toBe(false)
    const tables = report.files.filter(({ kind }) => kind === 'table')
    expect(new Set(tables.map(({ state }) => state))).toEqual(new Set(['unchecked']))
    expect(tables[0]!.error).toMatchObject({ code: 'ERR_IO' })
  })

  test('a torn log is told from a damaged one', async () => {
    // After a clean close a cut would be damage.
    const torn = await killedLater(await closedStore())
    const name = torn.readdirSync(DIR).findLast((each) => each.endsWith('.log'))!
    const content = Buffer.from(torn.readFile(`${DIR}/${name}`))
    writeStoreFile(torn, name, content.subarray(0, content.length - 40))
    const report = await verify(torn)
    expect(report).toMatchObject({ ok: true, problems: [] })
    expect(report.files.find((file) => file.name === name)).toMatchObject({ state: 'torn', error: undefined })
    expect(report.files.find((file) => file.name === name)!.tornBytes).toBeGreaterThan(0)

    content[60]! ^= 1
    writeStoreFile(torn, name, content)
    const damaged = await verify(torn)
    expect(damaged.problems).toMatchObject([{ file: name, code: 'ERR_CORRUPTION', offset: 32 }])
    expect(stateOf(damaged, name)).toBe('damaged')
  })

  test.each(['CURRENT', 'MANIFEST-000001'])('a damaged %s is named, and tables and logs are checked one by one', async (name) => {
    const vfs = await closedStore()
    const present = vfs.readdirSync(DIR).find((each) => each.startsWith(name.slice(0, 7)))!
    const whole = await verify(vfs)
    const content = Buffer.from(vfs.readFile(`${DIR}/${present}`))
    content[11]! ^= 1
    writeStoreFile(vfs, present, content)
    const report = await verify(vfs)
    expect(report.problems).toMatchObject([{ file: present, code: 'ERR_CORRUPTION' }])
    expect(report).toMatchObject({ ok: false, tables: whole.tables, entries: whole.entries, operations: whole.operations, levels: [] })
  })

  test.each(['CURRENT', 'MANIFEST-'])('a missing %s is named', async (name) => {
    const vfs = await closedStore()
    const present = vfs.readdirSync(DIR).find((each) => each.startsWith(name))!
    vfs.unlinkSync(`${DIR}/${present}`)
    const report = await verify(vfs)
    expect(report.problems).toMatchObject([{ file: present, message: `${present} is missing` }])
  })
})

/** Verifies a store made of tables on levels. */
async function verifyTables(vfs: MemoryVfs, ...tables: readonly (readonly [level: number, table: TableMeta])[]): Promise<string[]> {
  writeManifest(vfs, { added: tables.map(([level, table]) => ({ level, table })) })
  const report = await verify(vfs)
  expect(report.ok).toBe(report.problems.length === 0)
  return report.problems.map(({ file, message }) => `${file}: ${message}`)
}

const ENTRIES: readonly Entry[] = Array.from({ length: 40 }, (_, i) => put(`key ${10 + i}`, 100 + i))

describe('a table whose checksums hold', () => {
  test('is found whole when it is', async () => {
    const vfs = emptyDisk()
    expect(await verifyTables(vfs, [0, writeTable(vfs, 7, ENTRIES)])).toEqual([])
  })

  test('is refused when two entries are swapped', async () => {
    const vfs = emptyDisk()
    const meta = writeTable(vfs, 7, ENTRIES, { bloomFalsePositiveRate: 0, blockSize: 64 * 1024 })
    tamper(vfs, meta, ({ bytes: content, seal }) => {
      content.write('key 13', content.indexOf('key 12'), 'latin1')
      content.write('key 12', content.indexOf('key 13', content.indexOf('key 13') + 1), 'latin1')
      seal(0, meta.tailOffset)
    })
    expect(await verifyTables(vfs, [1, meta])).toEqual([
      expect.stringMatching(/^000007.sst: the keys of the table are not in order .*byte 0/),
    ])
  })

  test('is refused when the versions of a key are swapped, or equal', async () => {
    for (const [first, second] of [
      [5, 6],
      [6, 6],
    ] as const) {
      const vfs = emptyDisk()
      const meta = writeTable(vfs, 7, [put('k', 6, 'v'), put('k', 5, 'v')])
      tamper(vfs, meta, ({ bytes: content, seal }) => {
        const at = content.indexOf('k')
        writeTrailer(content, at + 1, first, 1)
        writeTrailer(content, content.indexOf('k', at + 9) + 1, second, 1)
        seal(0, meta.tailOffset)
      })
      expect(await verifyTables(vfs, [1, meta])).toEqual([expect.stringContaining('the versions of a key are not in order')])
    }
  })

  test('is refused when its filter lacks a key', async () => {
    const vfs = emptyDisk()
    const meta = writeTable(vfs, 7, ENTRIES)
    tamper(vfs, meta, ({ bytes: content, footer, seal }) => {
      const { offset, length } = footer.filter
      const lineCount = content.readUInt32LE(offset + length - 14)
      const key = bytes('key 33')
      const line = Math.floor((hashKey(key, 0, key.length) * lineCount) / 0x1_0000_0000) * 64
      content.fill(0, offset + line, offset + line + 64)
      seal(offset, length)
    })
    expect(await verifyTables(vfs, [1, meta])).toEqual([expect.stringMatching(/^000007.sst: the filter lacks the key 'key \d\d'/)])
  })

  test('is refused when its index leads to the wrong block', async () => {
    const vfs = emptyDisk()
    const meta = writeTable(vfs, 7, ENTRIES, { blockSize: 128 })
    tamper(vfs, meta, ({ bytes: content, footer, seal }) => {
      const { offset, length } = footer.index
      // The first separator: two digits behind the shared prefix. One key less is still in order.
      const digits = /\d\d/.exec(content.toString('latin1', offset + 10, offset + length))!
      content[offset + 10 + digits.index + 1]! -= 1
      seal(offset, length)
    })
    expect(await verifyTables(vfs, [1, meta])).toEqual([expect.stringMatching(/^000007.sst: the index does not lead to/)])
  })

  test.each([
    ['entryCount', 41],
    ['deletionCount', 1],
    ['keyCount', 39],
    ['rawKeyBytes', 1],
    ['rawValueBytes', 1],
    ['smallestSequence', 99],
    ['largestSequence', 140],
    ['smallestKey', bytes('key 09')],
    ['largestKey', bytes('key 48')],
  ] as const)('is refused when it states another %s, even if the manifest agrees', async (name, value) => {
    const vfs = emptyDisk()
    const meta = tamperProperties(vfs, writeTable(vfs, 7, ENTRIES), { [name]: value })
    const problems = await verifyTables(vfs, [1, meta])
    expect(problems).toHaveLength(1)
    expect(problems[0]).toMatch(new RegExp(`^000007.sst: (the table states a ${name}|the index and the properties disagree)`))
  })

  test.each([
    ['entryCount', 41],
    ['fileBytes', 1],
    ['largestKey', bytes('key 50')],
  ] as const)('is refused when the manifest states another %s', async (name, value) => {
    const vfs = emptyDisk()
    const meta = writeTable(vfs, 7, ENTRIES)
    const stated = name === 'fileBytes' ? { ...meta, fileBytes: meta.fileBytes + 1 } : { ...meta, [name]: value }
    expect(await verifyTables(vfs, [1, stated])).toHaveLength(1)
  })

  test('is refused under the name of another', async () => {
    const vfs = emptyDisk()
    const meta = writeTable(vfs, 7, ENTRIES)
    vfs.renameSync(`${DIR}/${tableFileName(7)}`, `${DIR}/${tableFileName(8)}`)
    expect(await verifyTables(vfs, [1, { ...meta, fileNumber: 8 }])).toEqual([
      expect.stringContaining('is table 7 under the name of table 8'),
    ])
  })
})

describe('tables that contradict each other', () => {
  test('overlap on a level: the manifest is refused', async () => {
    const vfs = emptyDisk()
    const left = writeTable(vfs, 7, [put('a', 1), put('c', 2)])
    const right = writeTable(vfs, 8, [put('b', 3), put('d', 4)])
    expect(await verifyTables(vfs, [0, left], [0, right])).toEqual([])
    expect(await verifyTables(vfs, [1, left], [1, right])).toEqual([
      expect.stringMatching(/^MANIFEST-000001: the tables of the manifest contradict each other/),
    ])
  })

  test('have an older version above a newer one', async () => {
    const vfs = emptyDisk()
    const newer = writeTable(vfs, 7, [put('a', 30), put('k', 20), put('k', 10)])
    const older = writeTable(vfs, 8, [deletion('k', 15), put('z', 40)])
    expect(await verifyTables(vfs, [1, older], [2, newer])).toEqual([
      "000008.sst: of the key 'k', 000008.sst on level 1 has the sequence 15, which is older than 20 in 000007.sst on level 2",
    ])
    expect(await verifyTables(vfs, [0, older], [0, newer])).toHaveLength(1)
  })

  test('have one version twice', async () => {
    const vfs = emptyDisk()
    const one = writeTable(vfs, 7, [put('k', 20)])
    const two = writeTable(vfs, 8, [put('k', 20)])
    expect(await verifyTables(vfs, [1, one], [2, two])).toEqual([
      "000008.sst: of the key 'k', 000007.sst on level 1 and 000008.sst on level 2 both have the sequence 20",
    ])
  })

  test('have a sequence that the manifest does not know of', async () => {
    const vfs = emptyDisk()
    expect(await verifyTables(vfs, [3, writeTable(vfs, 7, [put('k', 1001)])])).toEqual([
      '000007.sst: 000007.sst on level 3 has the sequence 1001, and the last one in tables is 1000',
    ])
  })

  test('are compared across the end of a table and past a damaged one', async () => {
    const vfs = emptyDisk()
    const upper = [writeTable(vfs, 7, [put('a', 1)]), writeTable(vfs, 8, [put('b', 2)]), writeTable(vfs, 9, [put('c', 3)])]
    const lower = writeTable(vfs, 10, [put('a', 0), put('b', 0), put('c', 4)])
    writeStoreFile(vfs, tableFileName(8), Buffer.from('no table'))
    const problems = await verifyTables(vfs, ...upper.map((table) => [1, table] as const), [2, lower])
    expect(problems).toEqual([
      expect.stringMatching(/^000008.sst: the table has 8 bytes/),
      expect.stringMatching(/^000009.sst: of the key 'c', 000009.sst on level 1 has the sequence 3, which is older than 4/),
    ])
  })
})

describe('what is no store, or no argument', () => {
  test('is refused', async () => {
    const dir = temporaryDirectory()
    expect(await rejection(Store.verify(dir))).toMatchObject({ code: 'ERR_NOT_A_STORE' })
    expect(await rejection(Store.verify(`${dir}/nothing`))).toMatchObject({ code: 'ERR_NOT_A_STORE' })
    expect(await rejection(Store.verify(''))).toMatchObject({ code: 'ERR_INVALID_OPTION' })
    expect(await rejection(Store.verify(dir, { deep: true } as never))).toMatchObject({ code: 'ERR_INVALID_OPTION' })
    expect(await rejection(Store.verify(dir, { onProgress: 1 } as never))).toMatchObject({ code: 'ERR_INVALID_OPTION' })
  })

  test('is a directory that cannot be listed', async () => {
    const faults = new FaultVfs(await closedStore())
    faults.addRule({ operation: 'readdir', error: 'EIO', times: Infinity })
    expect(await rejection(Store.verify(DIR, { vfs: faults }))).toMatchObject({ code: 'ERR_IO' })
  })
})

describe('a long check', () => {
  test('tells how far it is', async () => {
    const vfs = await closedStore()
    const progress: VerifyProgress[] = []
    const report = await Store.verify(vfs, { onProgress: (each) => progress.push(each) })
    expect(progress.length).toBeGreaterThan(1)
    const last = progress.at(-1)!
    expect(progress.every(({ bytesDone }, i) => i === 0 || bytesDone > progress[i - 1]!.bytesDone)).toBe(true)
    expect(last.bytesDone).toBe(last.bytesTotal)
    expect(last.bytesTotal).toBeLessThan(report.bytes)
  })

  test('ends with its signal and leaves no file open', async () => {
    const vfs = await closedStore()
    const controller = new AbortController()
    const verifying = Store.verify(vfs, { signal: controller.signal, onProgress: () => controller.abort() })
    expect(await rejection(verifying)).toMatchObject({ code: 'ERR_ABORTED' })
    expect(vfs.openHandleCount).toBe(0)
    expect(await rejection(Store.verify(vfs, { signal: AbortSignal.abort() }))).toMatchObject({ code: 'ERR_ABORTED' })
  })

  test('passes on what its listener throws', async () => {
    const vfs = await closedStore()
    const broken = (): void => {
      throw new TypeError('mine')
    }
    await expect(Store.verify(vfs, { onProgress: broken })).rejects.toThrow('mine')
    expect(vfs.openHandleCount).toBe(0)
  })
})
