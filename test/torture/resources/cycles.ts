/** A store that is opened and closed again and again: neither its folder nor the process grows, and opening does not get slower. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { Store } from '../../../src/index.js'
import { Random } from '../../../src/util/random.js'
import { TINY } from '../../support/options.js'
import type { Round } from '../discipline.js'
import { expectThat, folderBytes, openFiles, turn, usedMemory } from './process.js'

/** Bytes that may be in use after the cycles and were not before. */
const GROWTH_BYTES_MAX = 8 << 20

/** A folder never holds more: one or two manifests of up to 64 KiB, a few logs and tables of the same ten keys. */
const FOLDER_BYTES_MAX = 200 << 10
const FOLDER_FILES_MAX = 16

/** Processor time of a cycle may become longer by this factor, since the machine does other things too. */
const SLOWER_MAX = 3

/** Opens and closes a store, with a write each time or only now and then. */
export async function openAndClose(round: Round, cycles: number): Promise<void> {
  const random = new Random(round.seed)
  const dir = join(round.scratchDir, 'opened')
  const writesEach = random.chance(0.7)
  let written = 0
  const cycle = async (i: number): Promise<void> => {
    const isSync = random.chance(0.5)
    const store = isSync ? Store.openSync(dir, TINY) : await Store.open(dir, TINY)
    const before = store.getSync('count') ?? 0
    expectThat(before === written, `opening ${i} finds the count ${String(before)}, expected ${written}`)
    if (writesEach || i % 16 === 0) {
      written++
      store.putSync('count', written)
      store.putSync(`key ${i % 10}`, 'x'.repeat(100))
    }
    if (isSync) store.closeSync()
    else await store.close()
    if (i % 8 === 0) await turn()
  }
  const batch = Math.max(20, Math.floor(cycles / 10))
  const memoryBefore = await timed(cycle, 0, batch)
  const firstMs = (await timed(cycle, batch, batch)).ms
  for (let i = 2 * batch; i < cycles - batch; i++) await cycle(i)
  const last = await timed(cycle, cycles - batch, batch)
  round.counts.add('openings', cycles)
  const grown = last.bytes - memoryBefore.bytes
  expectThat(grown < GROWTH_BYTES_MAX, `after ${cycles} cycles ${grown} more bytes are in use`)
  expectThat(last.ms < SLOWER_MAX * firstMs + 50, `${batch} cycles took ${firstMs} ms of processor time, and later ${last.ms}`)
  expectThat(openFiles(dir).length === 0, `open after ${cycles} cycles: ${openFiles(dir).join(' ')}`)
  const files = readdirSync(dir)
  const bytes = folderBytes(dir)
  expectThat(files.length <= FOLDER_FILES_MAX && bytes <= FOLDER_BYTES_MAX, `after ${cycles} cycles ${bytes} bytes: ${files.join(' ')}`)
}

async function timed(cycle: (i: number) => Promise<void>, from: number, count: number): Promise<{ ms: number; bytes: number }> {
  const before = process.cpuUsage()
  for (let i = from; i < from + count; i++) await cycle(i)
  const { user, system } = process.cpuUsage(before)
  return { ms: (user + system) / 1000, bytes: await usedMemory() }
}
