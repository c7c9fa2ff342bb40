/** Stores for tests of the whole, and what to ask of them. What is opened here is closed, and removed, when the test ends. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { MemoryVfs } from '../../src/index.js'
import {
  type ByteKeyOptions,
  type Key,
  memory,
  Store,
  StoreError,
  type StoreLocation,
  type StoreOptions,
  type Value,
} from '../../src/index.js'
import { TINY } from './options.js'

export { TINY, WORKER_URL } from './options.js'

/** Where a store lies on a file system that was given without a directory. */
export const DIR = '/varve'

/** Opens a store, on a new simulated disk by default, and closes it when the test ends. */
export async function openStore(location: StoreLocation, options: ByteKeyOptions): Promise<Store<Uint8Array>>
export async function openStore(location?: StoreLocation, options?: StoreOptions): Promise<Store>
export async function openStore(location: StoreLocation = memory(), options: StoreOptions = TINY): Promise<Store<Key>> {
  const store: Store<Key> = await Store.open(location, options)
  onTestFinished(() => store.close().catch(() => {}))
  return store
}

/** A directory of the operating system that is removed when the test ends. Make it before what lives in it. */
export function temporaryDirectory(): string {
  const dir = mkdtempSync(join(tmpdir(), 'varve-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

/** Every file and what is in it. Equal contents are equal strings. */
export function contentOf(location: MemoryVfs | string): Record<string, string> {
  const files: Record<string, string> = {}
  if (typeof location === 'string') {
    for (const name of readdirSync(location).toSorted()) files[name] = readFileSync(join(location, name)).toString('latin1')
  } else {
    for (const path of location.files()) files[path] = location.readFile(path).toString('latin1')
  }
  return files
}

/** All entries, keys as strings. */
export function entriesOf(store: Store): [string, Value][] {
  return store.scan().toArraySync()
}

/** The error of operation that `action` throws. */
export function failure(action: () => unknown): StoreError {
  try {
    action()
  } catch (error) {
    if (error instanceof StoreError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

/** The error of operation that a promise is rejected with. */
export async function rejection(promise: PromiseLike<unknown>): Promise<StoreError> {
  try {
    await promise
  } catch (error) {
    if (error instanceof StoreError) return error
    throw error
  }
  throw new Error('nothing was rejected')
}

/** Lets the event loop go round. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
