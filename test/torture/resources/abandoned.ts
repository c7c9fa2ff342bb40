/**
 * Scans and snapshots that are opened and forgotten: what they hold is let go when they are collected as garbage, each is reported, memory
 * stays bounded, and tables that only they kept are deleted.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { Store } from '../../../src/index.js'
import { Random } from '../../../src/util/random.js'
import { TINY } from '../../support/options.js'
import type { Round } from '../discipline.js'
import { collectGarbage, eventually, expectThat, turn, usedMemory } from './process.js'

/** Bytes that may be in use after the scans and were not before. */
const GROWTH_BYTES_MAX = 24 << 20

/** Opens scans in all ways, closes some, and forgets the others. */
export async function abandonScans(round: Round, count: number): Promise<void> {
  const random = new Random(round.seed)
  const dir = join(round.scratchDir, 'scanned')
  const store = await Store.open(dir, TINY)
  let leaks = 0
  store.on('leak', () => leaks++)
  for (let i = 0; i < 300; i++) store.putSync(`key ${i}`, 'x'.repeat(100))
  await store.compact()
  await openScans(store, 1000, random)
  const before = await usedMemory()
  leaks = 0
  const forgotten = await openScans(store, count, random)
  round.counts.add('scans', count)
  const grown = (await usedMemory()) - before
  round.note('scans forgotten', forgotten)
  await eventually('all scans are let go', () => store.stats().scans.open === 0 && store.stats().snapshots.open === 0)
  await turn()
  expectThat(leaks >= forgotten, `${forgotten} scans and snapshots were forgotten, and ${leaks} reported`)
  expectThat(grown < GROWTH_BYTES_MAX, `after ${count} scans ${grown} more bytes are in use`)
  await store.compact()
  await collectGarbage()
  const isClean = (): boolean => readdirSync(dir).filter((name) => name.endsWith('.sst')).length === store.stats().tables.count
  await eventually('tables that nobody reads are deleted', isClean)
  await store.close()
}

/** Returns how many were forgotten. Tables come and go meanwhile. */
async function openScans(store: Store, count: number, random: Random): Promise<number> {
  let forgotten = 0
  for (let i = 0; i < count; i++) {
    const kind = random.below(8)
    if (kind === 0) store.snapshot().scan().nextSync()
    else if (kind < 4) store.scan({ gte: `key ${random.below(300)}`, reverse: random.chance(0.5) }).nextSync()
    else if (kind < 6) store.keys()
    // These close themselves, or are closed.
    else if (kind === 6) store.scan({ limit: 2 }).toArraySync()
    else store.values().closeSync()
    forgotten += kind === 0 ? 2 : kind < 6 ? 1 : 0
    if (i % 50 === 0) store.putSync(`key ${random.below(300)}`, 'y'.repeat(100))
    // Finalizers run between turns of the event loop.
    if (i % 100 === 0) await turn()
  }
  return forgotten
}
