/**
 * A store in steady use: a constant set of live entries that are overwritten, deleted and inserted at a steady rate for as long as a day,
 * in accelerated time. What it costs stays what `docs/compaction.md` says, from the beginning to the end.
 */
import { levelTargets } from '../../../src/compaction/level_targets.js'
import { type MemoryVfs, memory, Store, type StoreStats } from '../../../src/index.js'
import { ManualClock } from '../../../src/util/clock.js'
import { Random } from '../../../src/util/random.js'
import type { Round } from '../discipline.js'
import { expectKeyCount, expectThat, turn } from './process.js'

const MEMTABLE_BYTES = 32 * 1024
const LIVE_ENTRIES = 12_000
const KEY_BYTES = 11
const VALUE_BYTES = 100
const WRITES_PER_SECOND = 50
/** Looks at the store on the way. */
const LOOKS = 6

/**
 * Bounds for a live set of about forty memtables, which has one level between level 0 and the last. `write`: bytes written to log and
 * tables per byte of the user. `space`: bytes on disk per byte of live entries, logs and manifest included.
 */
export const CHURN_BOUNDS = { write: 11, space: 1.5 } as const

/** What a store has cost by some moment. */
interface Look {
  readonly writtenBytes: number
  readonly userBytes: number
  readonly diskBytes: number
  readonly liveBytes: number
  readonly files: number
  readonly stats: StoreStats
}

/** A store and the writes to it. */
class Churn {
  readonly #random: Random
  readonly #vfs: MemoryVfs = memory()
  readonly #clock = new ManualClock()
  readonly #isLive = new Uint8Array(2 * LIVE_ENTRIES)
  #store!: Store
  #live = 0
  #userBytes = 0

  constructor(seed: number) {
    this.#random = new Random(seed)
  }

  async run(seconds: number): Promise<Look[]> {
    const tables = { memtableSize: MEMTABLE_BYTES, blockSize: 4096, compression: 'none' } as const
    this.#store = await Store.open(this.#vfs, { ...tables, backgroundThreads: 0, blockCacheSize: 1 << 20, clock: this.#clock })
    for (let key = 0; key < 2 * LIVE_ENTRIES; key += 2) this.#put(key)
    await this.#store.compact()
    const looks = [await this.#look()]
    for (let second = 1; second <= seconds; second++) {
      for (let n = 0; n < WRITES_PER_SECOND; n++) this.#write()
      this.#clock.advance(1000)
      for (let turns = 0; turns < 3; turns++) await turn()
      if (second % Math.ceil(seconds / LOOKS) === 0) looks.push(await this.#look())
    }
    expectKeyCount(this.#store, this.#live)
    await this.#store.close()
    return looks
  }

  #write(): void {
    const key = this.#random.below(2 * LIVE_ENTRIES)
    // A quarter of what comes to be was not there, and as much goes.
    if (this.#isLive[key] === 0) {
      if (this.#live < LIVE_ENTRIES) this.#put(key)
      else this.#put(this.#liveKey(key))
    } else if (this.#live >= LIVE_ENTRIES && this.#random.chance(0.25)) this.#delete(key)
    else this.#put(key)
  }

  #liveKey(from: number): number {
    let key = from
    while (this.#isLive[key] === 0) key = (key + 1) % (2 * LIVE_ENTRIES)
    return key
  }

  #put(key: number): void {
    this.#live += 1 - this.#isLive[key]!
    this.#isLive[key] = 1
    this.#userBytes += KEY_BYTES + VALUE_BYTES
    this.#store.putSync(nameOf(key), String(key).padEnd(VALUE_BYTES, 'x'))
  }

  #delete(key: number): void {
    this.#live--
    this.#isLive[key] = 0
    this.#userBytes += KEY_BYTES
    this.#store.deleteSync(nameOf(key))
  }

  /** When what is due has been done. */
  async #look(): Promise<Look> {
    for (let turns = 0; turns < 200; turns++) await turn()
    const stats = this.#store.stats()
    const paths = this.#vfs.files()
    return {
      writtenBytes: stats.wal.bytes + stats.flushes.bytes + stats.compactions.writtenBytes,
      userBytes: this.#userBytes,
      diskBytes: paths.reduce((sum, path) => sum + this.#vfs.statSync(path)!.sizeBytes, 0),
      liveBytes: this.#live * (KEY_BYTES + VALUE_BYTES),
      files: paths.length,
      stats,
    }
  }
}

/** So many seconds of it; a day has 86,400. */
export async function churn(round: Round, seconds: number): Promise<void> {
  const looks = await new Churn(round.seed).run(seconds)
  round.counts.add('operations', seconds * WRITES_PER_SECOND)
  const [first, last] = [looks[0]!, looks.at(-1)!]
  const write = (last.writtenBytes - first.writtenBytes) / (last.userBytes - first.userBytes)
  expectThat(write <= CHURN_BOUNDS.write, `write amplification is ${write.toFixed(2)}`)
  for (const [i, each] of looks.entries()) expectSteady(each, `at look ${i}`)
  // No part of the time stalls more than the first one, but for chance.
  const stalls = looks.slice(1).map(({ stats }, i) => stats.stalls.count - looks[i]!.stats.stalls.count)
  expectThat(
    stalls.every((count) => count <= 2 * stalls[0]! + 10),
    `stalls grow: ${stalls.join(' ')}`,
  )
  const space = Math.max(...looks.map(({ diskBytes, liveBytes }) => diskBytes / liveBytes))
  round.note('churn: rounds', 1)
  round.note('churn: sum of write amplification, hundredths', Math.round(100 * write))
  round.note('churn: sum of worst space amplification, hundredths', Math.round(100 * space))
}

function expectSteady({ diskBytes, liveBytes, files, stats }: Look, what: string): void {
  const space = diskBytes / liveBytes
  expectThat(space <= CHURN_BOUNDS.space, `${what}, space amplification is ${space.toFixed(2)}`)
  const bytes = stats.levels.map((level) => level.bytes)
  const { targetBytes } = levelTargets(bytes, MEMTABLE_BYTES)
  for (let level = 1; level < 6; level++) {
    const isBalanced = bytes[level]! <= targetBytes[level]!
    expectThat(isBalanced, `${what}, level ${level} holds ${bytes[level]} bytes instead of ${targetBytes[level]}`)
  }
  const tables = Math.ceil(diskBytes / MEMTABLE_BYTES) + 4
  expectThat(stats.levels[0]!.tables <= 4 && files <= tables + 8, `${what}, ${stats.levels[0]!.tables} tables in level 0, ${files} files`)
}

function nameOf(key: number): string {
  return `key ${String(key).padStart(KEY_BYTES - 4, '0')}`
}
