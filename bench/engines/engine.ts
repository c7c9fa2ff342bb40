/**
 * What a benchmark asks of an engine. An adapter is one file of this folder that exports `engine`; it is loaded only in the process that
 * measures it, so that a peer which is not installed is no error anywhere else.
 */
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** How to open an engine. */
export interface OpenOptions {
  readonly dir: string
  /** Memory for cached data; absent means the engine's own default. */
  readonly cacheBytes?: number
  /** As little memory as the engine can do with. */
  readonly lowMemory?: boolean
}

/** An open engine. Methods may answer at once or with a promise; the workloads await both. */
export interface OpenEngine {
  put(key: string, value: Buffer): unknown
  /** All or nothing. */
  putBatch(entries: readonly (readonly [key: string, value: Buffer])[]): unknown
  /** The engine's promise read, or its only one. */
  get(key: string): unknown
  /** The engine's synchronous read. */
  getSync(key: string): unknown
  /** Reads every entry in order, the engine's fastest way, and returns how many there were. */
  scan(): number | Promise<number>
  /** Brings the files into their final shape, where the engine knows such a thing. */
  compact(): unknown
  close(): unknown
}

/** An adapter. */
export interface Engine {
  /** Version of the engine itself. */
  readonly version: string
  /** What an acknowledged write survives, in the engine's own words. */
  readonly durability: string
  /** Whether data is there again after a close. */
  readonly isPersistent: boolean
  open(options: OpenOptions): Promise<OpenEngine>
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
  return manifestOf(join(repositoryRoot, folder, 'package.json')).version ?? 'unknown'
}

/** Loads a peer from `bench/peers`. */
export function loadPeer(name: string): unknown {
  return createRequire(join(repositoryRoot, 'bench/peers/package.json'))(name)
}

/** Names of the engines that can run here, and why the others cannot. */
export function findEngines(names: readonly string[]): { available: string[]; missing: Map<string, string> } {
  const available: string[] = []
  const missing = new Map<string, string>()
  for (const name of names) {
    const peer = PEER_PACKAGES.get(name)
    try {
      if (peer !== undefined) loadPeer(peer)
      available.push(name)
    } catch (error) {
      missing.set(name, String(error instanceof Error ? error.message : error).split('\n')[0]!)
    }
  }
  return { available, missing }
}

/** Every engine, in the order of the tables. */
export const ENGINE_NAMES = ['varve', 'classic_level', 'lmdb', 'better_sqlite3', 'map'] as const

const PEER_PACKAGES: ReadonlyMap<string, string> = new Map([
  ['classic_level', 'classic-level'],
  ['lmdb', 'lmdb'],
  ['better_sqlite3', 'better-sqlite3'],
])
