/**
 * What reads of a slow disk do to the event loop: `npm run build:tools && node build/bench/slow_disk.js [readMode] [milliseconds]`.
 *
 * A layer over the file system adds 5 ms to each read of a table: on the spot it blocks the thread, in the pool it takes them elsewhere. A
 * thousand gets of cold blocks are under way at once, ten times over; then the disk is as fast as it is, and the same is done with a cold
 * cache and with a warm one. `monitorEventLoopDelay` tells for how long the loop was held.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { FaultVfs, type OpenMode, type ReadMode, Store, type VfsFile } from 'varve'
import { nodeVfs } from '../src/vfs/node.js'
import { watchEventLoop } from './loop_delay.js'
import { Records } from './records.js'

const RECORDS = 500_000
const AT_ONCE = 1000
const ROUNDS = 10

const readMode = (process.argv[2] ?? 'adaptive') as ReadMode
let delayMs = Number(process.argv[3] ?? 5)
let onTheSpot = 0
let inPool = 0
const nobody = new Int32Array(new SharedArrayBuffer(4))

/** The file system, with slow reads of tables. */
class SlowVfs extends FaultVfs {
  override openSync(path: string, mode: OpenMode): VfsFile {
    const file = super.openSync(path, mode)
    if (!path.endsWith('.sst')) return file
    const read = file.read.bind(file)
    const readSync = file.readSync.bind(file)
    file.read = async (...range) => {
      inPool++
      if (delayMs > 0) await sleep(delayMs)
      return read(...range)
    }
    file.readSync = (...range) => {
      onTheSpot++
      if (delayMs > 0) Atomics.wait(nobody, 0, 0, delayMs)
      return readSync(...range)
    }
    return file
  }
}

async function measure(store: Store, records: Records, first: number): Promise<Record<string, number>> {
  onTheSpot = 0
  inPool = 0
  const stopWatching = await watchEventLoop()
  const start = performance.now()
  for (let round = 0; round < ROUNDS; round++) {
    const number = (i: number): number => ((round * AT_ONCE + i) * 47 + first) % RECORDS
    const values = await Promise.all(Array.from({ length: AT_ONCE }, (_, i) => store.get(records.key(number(i)))))
    if (!records.isValue(values[7] as Uint8Array, number(7))) throw new Error('a get has a wrong value')
  }
  const ms = performance.now() - start
  const delays = await stopWatching()
  return { ...delays, 'reads on the spot': onTheSpot, 'reads in the pool': inPool, ms }
}

const dir = mkdtempSync(join(tmpdir(), 'varve-slow-disk-'))
try {
  const records = new Records(RECORDS, 1)
  const filled = await Store.open(dir)
  for (let i = 0; i < RECORDS; i++) await filled.put(records.key(i), records.value(i))
  await filled.compact()
  await filled.close()
  const table: Record<string, Record<string, number>> = {}
  for (const [name, ms] of Object.entries({ [`${delayMs} ms a read`]: delayMs, 'page cache': 0 })) {
    delayMs = ms
    const store = await Store.open(dir, { vfs: new SlowVfs(nodeVfs), readMode })
    table[`${name}, cold`] = await measure(store, records, 0)
    table[`${name}, again`] = await measure(store, records, 0)
    await store.close()
  }
  console.table(table)
} finally {
  rmSync(dir, { recursive: true, force: true })
}
