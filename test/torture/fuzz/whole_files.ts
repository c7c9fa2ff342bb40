/** Readers of whole files (logs, manifests, tables, the lock, stores), given files whose checksums are right and whose content is not. */
import { hashKey } from '../../../src/codec/hash.js'
import { MOVED } from '../../../src/codec/internal_iterator.js'
import { type Key, memory, type MemoryVfs, Store, StoreError, type StoreOptions } from '../../../src/index.js'
import { ReadContext } from '../../../src/sstable/read_context.js'
import type { TableMeta } from '../../../src/sstable/table_meta.js'
import { TableReader } from '../../../src/sstable/table_reader.js'
import type { Random } from '../../../src/util/random.js'
import { runTaskSync } from '../../../src/util/task.js'
import { readManifest } from '../../../src/version/manifest_reader.js'
import { acquireLockSync } from '../../../src/vfs/lock.js'
import { OperationReader } from '../../../src/wal/operations.js'
import { recoverLog } from '../../../src/wal/reader.js'
import { DIR, type Specimen, type SpecimenFile, SPECIMEN_OPTIONS } from '../damage/specimen.js'
import { LOG, MANIFEST, resealedRecords, resealedTable } from './sealing.js'
import type { Target } from './target.js'

/** A target whose inputs are made in a way of its own. */
export interface FileTarget extends Target {
  /** Changes one of the seeds. */
  readonly mutate: (seed: Buffer, random: Random) => Buffer
}

/** Files of the store, each read by what reads it. */
export function fileTargets(specimen: Specimen): FileTarget[] {
  const contents = (kind: string): Buffer[] => specimen.files.filter((file) => file.kind === kind).map(({ content }) => content)
  return [
    { name: 'log', seeds: contents('log'), mutate: (seed, random) => resealedRecords(seed, LOG, random), decode: decodeLog },
    {
      name: 'manifest',
      seeds: contents('manifest'),
      mutate: (seed, random) => resealedRecords(seed, MANIFEST, random),
      decode: decodeManifest,
    },
    tableTarget(specimen),
  ]
}

function onDisk(name: string, source: Buffer, start: number, end: number): MemoryVfs {
  const disk = memory()
  disk.writeFile(name, source.subarray(start, end))
  return disk
}

function decodeLog(source: Buffer, start: number, end: number): unknown {
  const disk = onDisk('/000011.log', source, start, end)
  const operations = new OperationReader()
  const logNumber = Number(source.readBigUInt64LE(start + 16) % 1000n)
  return [true, false].map((salvage) => {
    const read: unknown[] = []
    try {
      const options = { salvage, ...(salvage ? { firstSequence: 41, inTables: 40 } : {}) }
      const report = runTaskSync(
        recoverLog(disk, '/000011.log', logNumber, options, (buffer, payloadStart, payloadEnd, base, count) => {
          operations.reset(buffer, payloadStart + 12, payloadEnd)
          for (let i = 0; i < count; i++) if (!operations.next()) throw new Error('a record was handed over with unreadable operations')
          read.push([base, count])
        }),
      )
      if (report.validBytes > end - start) throw new Error(`${report.validBytes} valid bytes of ${end - start}`)
      return [read, report.tornBytes, report.damage.length]
    } catch (error) {
      if (salvage && error instanceof StoreError && error.code === 'ERR_CORRUPTION') throw new Error('salvage refused', { cause: error })
      if (error instanceof StoreError) return error.code
      throw error
    }
  })
}

function decodeManifest(source: Buffer, start: number, end: number): unknown {
  const disk = onDisk('/MANIFEST-000001', source, start, end)
  const file = disk.openSync('/MANIFEST-000001', 'read')
  try {
    const { version, state, edits, closedSequence } = runTaskSync(readManifest(file, 1))
    return [version.levels.map((tables) => tables.map(({ fileNumber }) => fileNumber)), state, edits, closedSequence]
  } finally {
    file.closeSync()
  }
}

/** Tables under the metadata that the manifest has of them. */
function tableTarget(specimen: Specimen): FileTarget {
  const tables = specimen.files.filter(({ kind }) => kind === 'table')
  const metas = metasOf(specimen)
  const numberOf = (seed: Buffer): number => Number(seed.readBigUInt64LE(seed.length - 28))
  return {
    name: 'table',
    seeds: tables.map(({ content }) => content),
    mutate: (seed, random) => resealedTable(seed, numberOf(seed), random),
    decode(source, start, end) {
      const meta = metas.find(({ fileBytes }) => fileBytes === end - start) ?? metas[0]!
      const reader = TableReader.openSync(onDisk('/t.sst', source, start, end), '/t.sst', meta)
      try {
        return readTable(reader, meta)
      } finally {
        reader.release()
      }
    },
    bufferBytesMax: (inputBytes) => 256 * 1024 + 64 * inputBytes,
  }
}

function readTable(reader: TableReader, meta: TableMeta): unknown {
  const context = new ReadContext()
  const read: unknown[] = []
  const iterator = reader.iterator(context)
  try {
    for (let status = iterator.seekToFirst(); status === MOVED; status = iterator.next()) {
      const { data, keyStart, keyEnd, valueStart, valueEnd, sequence } = iterator
      if (valueEnd > data.length) throw new Error('an entry lies outside')
      const key = Buffer.from(data.subarray(keyStart, keyEnd))
      reader.get(key, 0, key.length, hashKey(key, 0, key.length), 100, context)
      read.push([key.toString('latin1'), sequence, valueEnd - valueStart])
      if (read.length > 100 * meta.entryCount) throw new Error('a table has no end')
    }
    for (let status = iterator.seekToLast(); status === MOVED; status = iterator.prev()) read.push(iterator.sequence)
  } finally {
    iterator.close()
  }
  return read
}

function metasOf({ files }: Specimen): readonly TableMeta[] {
  const disk = memory()
  disk.writeFile('/m', files.find(({ kind }) => kind === 'manifest')!.content)
  const file = disk.openSync('/m', 'read')
  try {
    return runTaskSync(readManifest(file, 1)).version.levels.flat()
  } finally {
    file.closeSync()
  }
}

/** The record of who holds the lock: it ends in a lock that is held, or `ERR_LOCKED`. */
export function lockTarget({ files }: Specimen): Target {
  return {
    name: 'lock',
    seeds: [files.find(({ kind }) => kind === 'lock')!.content, Buffer.from('{}'), Buffer.from('null')],
    decode(source, start, end) {
      const disk = memory()
      disk.writeFile(`${DIR}/LOCK`, source.subarray(start, end))
      acquireLockSync(disk, DIR).releaseSync()
      return disk.files()
    },
  }
}

/** Opens, reads, writes, compacts and closes a store one of whose files was forged. What is read may be wrong; nothing may break. */
export async function liveWithForgery(specimen: Specimen, random: Random): Promise<string> {
  const file = random.pick(specimen.files.filter(({ kind }) => kind === 'table' || kind === 'log' || kind === 'manifest'))
  const disk = specimen.disk.processKillClone()
  const content = forged(file, random)
  disk.writeFile(file.path, content)
  const options: StoreOptions = {
    ...SPECIMEN_OPTIONS,
    recovery: random.pick(['strict', 'salvage'] as const),
    blockCacheSize: random.pick([0, 1 << 20]),
  }
  try {
    const results = [await live(disk, options)]
    if (random.chance(0.3)) results.push(await live(disk, { ...options, recovery: 'salvage' }))
    if (disk.openHandleCount > 0) throw new Error('files were left open')
    return results.join(', ')
  } catch (error) {
    const hex = content.toString('hex')
    throw new Error(`${file.path} = ${hex}: ${error instanceof Error ? error.stack : String(error)}`, { cause: error })
  }
}

function forged(file: SpecimenFile, random: Random): Buffer {
  if (file.kind === 'table') return resealedTable(file.content, Number(/(\d+)\.sst$/.exec(file.path)![1]), random)
  return resealedRecords(file.content, file.kind === 'log' ? LOG : MANIFEST, random)
}

async function live(disk: MemoryVfs, options: StoreOptions): Promise<string> {
  let store: Store<Key>
  try {
    store = await Store.open(disk, options)
  } catch (error) {
    return codeOf(error)
  }
  const codes = new Set<string>()
  const steps: (() => unknown)[] = [
    () => store.scan({ keys: 'bytes' }).toArraySync(),
    () => store.scan({ keys: 'bytes', reverse: true }).toArray(),
    () => store.getMany(['key00', 'key05', 'key14', 'new', 'zz']),
    () => store.put('key03', 'new', { sync: true }),
    () => store.flush(),
    () => store.compact(),
    () => store.stats(),
    () => store.close(),
  ]
  for (const step of steps) {
    try {
      await step()
    } catch (error) {
      codes.add(codeOf(error))
    }
  }
  return `open ${[...codes].join(' ')}`
}

function codeOf(error: unknown): string {
  if (!(error instanceof StoreError)) throw error
  return error.code
}
