/**
 * Small stores that have a file of every kind, for being damaged. What they hold is known write by write.
 *
 * | file | in `killed` | in `closed` |
 * |---|---|---|
 * | `CURRENT`, manifest with several edits | yes | yes |
 * | table of level 6, several blocks, zstd, filter | yes | yes |
 * | table of level 0, snappy, no filter | yes | yes |
 * | table of level 0, not compressed, filter | yes | yes |
 * | log with a seal | yes, the first of two | yes |
 * | log without a seal: some of it known to be synced, the end of it not | yes | |
 * | lock of a dead process | yes | |
 * | table and log of no use, old manifest, `CURRENT.tmp`, lock of an attempt, a foreign file | yes | |
 */
import { type Key, memory, type MemoryVfs, Store, type StoreOptions, type Value } from '../../../src/index.js'
import { type Change, type State, storeKey } from '../../support/history.js'
import { TINY } from '../../support/options.js'

/** Where the stores lie on their disks. */
export const DIR = '/varve'

/** What a file is to the store. */
export type FileKind = 'CURRENT' | 'manifest' | 'table' | 'log' | 'lock' | 'unused'

/** A file of a specimen. */
export interface SpecimenFile {
  readonly path: string
  readonly kind: FileKind
  readonly content: Buffer
}

/** A store to be damaged. It is cloned for each damage and stays as it is. */
export interface Specimen {
  readonly name: string
  readonly disk: MemoryVfs
  readonly files: readonly SpecimenFile[]
  /** What was written: change `i` has the sequence number `i + 1`. */
  readonly changes: readonly Change[]
  /** The last sequence number that is in tables. */
  readonly flushed: number
  /** The last sequence number that is in each of the tables, by age. */
  readonly flushes: readonly number[]
}

/** How specimens are written, and opened again. */
export const SPECIMEN_OPTIONS = { ...TINY, blockSize: 128, keys: 'bytes' } as const satisfies StoreOptions

/** Keys that no specimen holds, before, between and behind those that are there. */
export const ABSENT_KEYS: readonly string[] = ['', 'a', 'key07x', 'key150', 'zz', '\u00ff\u00ff']

const VALUES: readonly ((i: number) => Value)[] = [
  (i) => `text ${'of some length, '.repeat(i % 4)}${i}`,
  (i) => i * 1000,
  (i) => i / 8,
  (i) => ({ name: `n${i}`, list: [i, true, null] }),
  (i) => Buffer.from([i, 255 - i, 0, 1]),
  (i) => i % 2 === 0,
  (i) => 2n ** 60n + BigInt(i),
]

/** What a store holds after so many of the changes, less those that `isLost`. */
export function stateAfter(changes: readonly Change[], count: number, isLost?: (sequence: number) => boolean): State {
  const state = new Map<string, Value>()
  for (let i = 0; i < count; i++) {
    if (isLost?.(i + 1) === true) continue
    const [key, value] = changes[i]!
    if (value === undefined) state.delete(key)
    else state.set(key, value)
  }
  return state
}

/** Writes to a store and keeps the books. */
class Author {
  readonly disk: MemoryVfs
  readonly changes: Change[]
  readonly flushes: number[] = []
  store: Store<Key>

  constructor(disk: MemoryVfs, options: StoreOptions, changes: readonly Change[] = []) {
    this.disk = disk
    this.changes = [...changes]
    this.store = Store.openSync(this.disk, { ...SPECIMEN_OPTIONS, ...options })
  }

  put(key: string, seed: number, sync = false): void {
    const value = VALUES[seed % VALUES.length]!(seed)
    this.store.putSync(storeKey(key), value, { sync })
    this.changes.push([key, value])
  }

  delete(key: string): void {
    this.store.deleteSync(storeKey(key))
    this.changes.push([key, undefined])
  }

  async flush(): Promise<void> {
    await this.store.flush()
    this.flushes.push(this.changes.length)
  }

  reopen(options: StoreOptions): void {
    this.store.closeSync()
    this.store = Store.openSync(this.disk, { ...SPECIMEN_OPTIONS, ...options })
  }
}

/** The specimens: see the table above. */
export interface Specimens {
  readonly killed: Specimen
  readonly closed: Specimen
  /** As `killed`, and nothing in its second log is known to be synced. For damage to the logs. */
  readonly unsynced: Specimen
}

/** Makes the specimens. */
export async function makeSpecimens(): Promise<Specimens> {
  const author = await writtenStore()
  const flushes = author.flushes
  author.put('key01', 101)
  author.delete('key02')
  author.put('new', 3)
  author.store.closeSync()
  const closed = specimen('closed', author.disk.processKillClone(), [...author.changes], flushes)
  const killed = withUnused(killedWhileWriting(closed, true))
  return { killed, closed, unsynced: killedWhileWriting(closed, false) }
}

/** A store with three tables. */
async function writtenStore(): Promise<Author> {
  const author = new Author(memory(), { compression: 'zstd' })
  for (let i = 0; i < 26; i++) author.put(`key${String(i).padStart(2, '0')}`, i)
  await author.flush()
  await author.store.compact()
  author.reopen({ compression: 'snappy', bloomFalsePositiveRate: 0 })
  for (let i = 0; i < 26; i += 3) author.put(`key${String(i).padStart(2, '0')}`, i + 7)
  author.delete('key04')
  author.delete('key25')
  await author.flush()
  author.reopen({ compression: 'none' })
  for (let i = 20; i < 30; i += 2) author.put(`key${String(i).padStart(2, '0')}`, i + 3)
  await author.flush()
  return author
}

/** The store of a specimen after another process has written to it and was killed. */
function killedWhileWriting(before: Specimen, sync: boolean): Specimen {
  const author = new Author(before.disk.processKillClone(), {}, before.changes)
  author.put('key05', 50)
  author.put('key06', 51, sync)
  author.put('key30', 52)
  author.delete('key08')
  author.put('key31', 53)
  const disk = author.disk.processKillClone()
  author.store.closeSync()
  return specimen(sync ? 'killed' : 'unsynced', disk, author.changes, before.flushes)
}

function specimen(name: string, disk: MemoryVfs, changes: readonly Change[], flushes: readonly number[]): Specimen {
  const files = disk.files().map((path) => ({ path, kind: kindOf(path), content: disk.readFile(path) }))
  return { name, disk, files, changes, flushed: flushes.at(-1)!, flushes }
}

/** The kind of a file of a store in which nothing is left over. */
function kindOf(path: string): FileKind {
  if (path.endsWith('.sst')) return 'table'
  if (path.endsWith('.log')) return 'log'
  if (path === `${DIR}/CURRENT`) return 'CURRENT'
  return path === `${DIR}/LOCK` ? 'lock' : 'manifest'
}

/** Adds what earlier processes may have left, and what is not ours. */
function withUnused(original: Specimen): Specimen {
  const { disk, files } = original
  const contentOf = (kind: FileKind): Buffer => files.find((file) => file.kind === kind)!.content
  const unused: Record<string, Buffer> = {
    '000500.sst': contentOf('table').subarray(0, 90),
    '000001.log': contentOf('log').subarray(0, 60),
    'MANIFEST-000900': contentOf('manifest').subarray(0, 60),
    'CURRENT.tmp': contentOf('CURRENT').subarray(0, 12),
    'LOCK.00112233445566778899aabbccddeeff.tmp': Buffer.from('{}'),
    'notes.txt': Buffer.from('not ours'),
  }
  const added = Object.entries(unused).map(([name, content]) => ({ path: `${DIR}/${name}`, kind: 'unused' as const, content }))
  for (const { path, content } of added) disk.writeFile(path, content)
  return { ...original, files: [...files, ...added] }
}
