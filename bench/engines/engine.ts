/**
 * What a benchmark asks of an engine. An adapter is one file of this folder that exports `engine`; it is loaded only in the process that
 * measures it, so that a peer which is not installed, or which crashes when it is loaded, is no error anywhere else.
 *
 * Every adapter does each thing in the way that is fastest with its engine, gives keys back as strings, and promises the same durability as
 * the others:
 *
 * | durability | an acknowledged write survives |
 * |---|---|
 * | `none` | nothing but a clean close: it may still be in a buffer of the process |
 * | `os` | the death of the process |
 * | `always` | a power loss: an fdatasync stands between it and its acknowledgement |
 */
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** What an acknowledged write survives. */
export type Durability = 'none' | 'os' | 'always'

/** How to open an engine. */
export interface OpenOptions {
  readonly dir: string
  /** `'os'` when absent. */
  readonly durability?: Durability
  /** Memory for cached data; absent means the engine's own default. */
  readonly cacheBytes?: number
  /** As little memory as the engine can do with. */
  readonly lowMemory?: boolean
  /** Zstandard for tables, where `hasZstd`; absent means the engine's default. */
  readonly compression?: 'zstd'
}

/** Is given every entry of a scan. */
export type Visit = (key: string, value: Uint8Array) => void

/** What reads a value: `undefined` when there is none. */
export type Found = Uint8Array | undefined

/** An open engine. Methods may answer at once or with a promise; the workloads await both, but for `getSync`. */
export interface OpenEngine {
  put(key: string, value: Buffer): unknown
  /** All or nothing. */
  putBatch(entries: readonly (readonly [key: string, value: Buffer])[]): unknown
  /** All or nothing. */
  deleteBatch(keys: readonly string[]): unknown
  /** The engine's promise read, or its only one. */
  get(key: string): Found | Promise<Found>
  /** The engine's synchronous read, where `hasSyncGet`. */
  getSync(key: string): Found
  getMany(keys: readonly string[]): Found[] | Promise<Found[]>
  /** Visits every entry in order, the engine's fastest way. */
  scan(visit: Visit, isReverse: boolean): void | Promise<void>
  /** Visits every entry in order with `for await`. */
  iterate(visit: Visit): Promise<void>
  scanPrefix(prefix: string, visit: Visit): void | Promise<void>
  /** Brings the files into their final shape, where the engine knows such a thing. */
  compact(): unknown
  close(): unknown
}

/** An adapter. */
export interface Engine {
  /** Version of the engine itself. */
  readonly version: string
  /** How it is set up, for the report. */
  readonly settings: string
  /** How it is told to be as durable as this; what is absent, it cannot do. */
  readonly durability: Readonly<Partial<Record<Durability, string>>>
  /** Whether data is there again after a close. */
  readonly isPersistent: boolean
  readonly hasSyncGet: boolean
  /** Whether Zstandard can be chosen, and is not the default. */
  readonly hasZstd?: boolean
  open(options: OpenOptions): Promise<OpenEngine>
}

/** What the tables need to know of an engine without loading it. */
interface EngineFacts {
  readonly title: string
  /** Its package in `bench/peers`, or a module of Node; absent means that it needs none. */
  readonly module?: string
}

/** Every engine, in the order of the tables. */
export const ENGINES: ReadonlyMap<string, EngineFacts> = new Map([
  ['varve', { title: 'varve' }],
  ['classic_level', { title: 'classic-level', module: 'classic-level' }],
  ['lmdb', { title: 'lmdb', module: 'lmdb' }],
  ['better_sqlite3', { title: 'better-sqlite3', module: 'better-sqlite3' }],
  ['node_sqlite', { title: 'node:sqlite', module: 'node:sqlite' }],
  ['rocksdb', { title: 'RocksDB 9', module: '@nxtedition/rocksdb' }],
  ['rocksdb_6', { title: 'RocksDB 6', module: 'rocksdb' }],
  ['map', { title: 'Map' }],
])

/** Loads an adapter, and with it what it measures. */
export async function loadEngine(name: string): Promise<Engine> {
  const { engine } = (await import(new URL(`./${name}.js`, import.meta.url).href)) as { engine: Engine }
  const { module } = ENGINES.get(name) ?? {}
  if (module !== undefined) loadPeer(module)
  return engine
}

/** Top of the repository, from wherever this file was compiled to. */
export const repositoryRoot = findRoot(dirname(fileURLToPath(import.meta.url)))

function findRoot(dir: string): string {
  const manifest = join(dir, 'package.json')
  if (existsSync(manifest) && manifestOf(manifest).name === 'varve') return dir
  const parent = dirname(dir)
  if (parent === dir) throw new Error('the benchmarks must run inside the repository')
  return findRoot(parent)
}

function manifestOf(path: string): { name?: string; version?: string } {
  return JSON.parse(readFileSync(path, 'utf8')) as { name?: string; version?: string }
}

/** Version in the manifest of a folder under the repository's top. */
export function versionIn(folder: string): string {
  const path = join(repositoryRoot, folder, 'package.json')
  return (existsSync(path) ? manifestOf(path).version : undefined) ?? 'unknown'
}

/** Version of a peer. */
export function peerVersion(name: string): string {
  return versionIn(`bench/peers/node_modules/${name}`)
}

/** Loads a peer from `bench/peers`, or a module of Node. */
export function loadPeer(name: string): unknown {
  return createRequire(join(repositoryRoot, 'bench/peers/package.json'))(name)
}
