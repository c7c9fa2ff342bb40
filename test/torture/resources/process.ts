/** What this process holds: descriptors, threads, timers, memory. */
import { existsSync, readdirSync, readlinkSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Reader } from '../../../src/index.js'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** How long what ends by itself may take. */
const SETTLE_MS = 20_000

/** Lets the event loop go round. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Collects garbage, and lets what waits for that run. */
export async function collectGarbage(): Promise<void> {
  for (let i = 0; i < 3; i++) {
    collect()
    for (let turns = 0; turns < 5; turns++) await turn()
  }
}

/** Bytes of memory in use after a collection, arenas included. */
export async function usedMemory(): Promise<number> {
  await collectGarbage()
  const { heapUsed, arrayBuffers, external } = process.memoryUsage()
  return heapUsed + Math.max(arrayBuffers, external)
}

/** Descriptors of files and folders that are open below `dir`; none where the system does not tell. */
export function openFiles(dir: string): string[] {
  if (!existsSync('/proc/self/fd')) return []
  const paths = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`)
    } catch {
      return ''
    }
  })
  return paths.filter((path) => path.startsWith(dir))
}

/** Number of threads of the process; 0 where the system does not tell. */
export function threadCount(): number {
  return existsSync('/proc/self/task') ? readdirSync('/proc/self/task').length : 0
}

/** What keeps the process alive, counted by kind. */
export function activeResources(): string {
  return process.getActiveResourcesInfo().toSorted().join(' ')
}

/** Bytes of all files in a folder. */
export function folderBytes(dir: string): number {
  let bytes = 0
  for (const name of readdirSync(dir)) bytes += statSync(join(dir, name), { throwIfNoEntry: false })?.size ?? 0
  return bytes
}

/** Waits for something that comes to be by itself. Fails when it does not. */
export async function eventually(what: string, holds: () => boolean): Promise<void> {
  for (const endMs = Date.now() + SETTLE_MS; !holds();) {
    if (Date.now() > endMs) throw new Error(`after ${SETTLE_MS} ms it is still not so that ${what}`)
    await turn()
  }
}

/** Fails unless it is so. */
export function expectThat(holds: boolean, what: string): void {
  if (!holds) throw new Error(what)
}

/** Fails when a reader shows more, or less, than so many keys. */
export function expectKeyCount(reader: Reader, count: number): void {
  let found = 0
  for (const key of reader.keys()) if (key !== undefined) found++
  expectThat(found === count, `${found} keys, expected ${count}`)
}
