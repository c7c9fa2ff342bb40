/**
 * Real processes, killed with `kill -9` under mixed load at random moments and at chosen file operations: in recovery, flushes,
 * compactions, roll-overs of log and manifest, deletions, closing. The same store lives through many, with other options each time.
 *
 * After each kill, whatever the moment:
 * - the store is as it was after one of the writes that may be the last one kept, and all ways to read it agree on that;
 * - nothing that an acknowledgement promised to keep is missing;
 * - `Store.verify` finds nothing wrong;
 * - a copy of it that lost its manifests is repaired to the same state, although repairs are killed too (`repairs.ts`);
 * - a process that opens it finds it unlocked, and leaves nothing behind of what its predecessor was doing.
 *
 * Method: RocksDB's `db_crashtest.py` with `expected_state` and `--kill_random_test`.
 */
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Store, StoreError, type StoreOptions, type Value } from '../../../src/index.js'
import { Random } from '../../../src/util/random.js'
import { WORKER_URL } from '../../support/options.js'
import type { Round } from '../discipline.js'
import { Child, type End } from './child.js'
import { type Ending, type Orders, randomEnding, randomOptions } from './orders.js'
import { createProgress, type Progress, readProgress } from './progress.js'
import { killRepairs } from './repairs.js'
import { type Candidates, candidates, expectNothingLeftOver, find } from './verdict.js'

/** Stores of a round. */
const STORES = 2
/** Processes that one store lives through. */
const LIVES = 8

/** A store and its processes. */
class Lives {
  readonly #round: Round
  readonly #random: Random
  readonly #dir: string
  readonly #hasLongKeys: boolean
  /** Started ahead, since starting one takes longer than what it does. */
  #next: Child | undefined
  /** What is in the store. */
  #state: ReadonlyMap<string, Value> = new Map()
  #isMade = false

  constructor(round: Round) {
    this.#round = round
    this.#random = new Random(round.seed)
    this.#dir = join(round.scratchDir, 'store')
    this.#hasLongKeys = this.#random.chance(0.4)
  }

  async run(): Promise<void> {
    try {
      for (let life = 0; life < LIVES; life++) await this.#live(life)
    } finally {
      if (this.#next?.hasEnded === false) await this.#next.kill()
    }
  }

  async #live(life: number): Promise<void> {
    const orders = this.#orders(life)
    const what = `life ${life}, ${JSON.stringify({ ...orders.options, ...orders.ending })}`
    const child = this.#next ?? new Child('killed_store')
    this.#next = life + 1 < LIVES ? new Child('killed_store') : undefined
    createProgress(orders.progressPath)
    child.send(orders)
    try {
      const end = await endOf(child, orders)
      const progress = readProgress(orders.progressPath)
      this.#count(orders.ending, end, progress)
      const isClosed = (end.code === 0 && orders.ending.kind !== 'exit') || progress.isDestroying
      if (progress.isDestroying && !(await this.#isWhole())) return await this.#finishDestroying()
      if (!this.#isMade && !progress.isOpen) return await this.#maybeMade(orders, progress)
      this.#isMade = true
      await this.#judge(candidates(this.#state, orders, progress, isClosed))
    } catch (error) {
      throw new Error(`${what}: ${error instanceof Error ? error.message : String(error)}\n${child.errors}`, { cause: error })
    }
  }

  #orders(life: number): Orders {
    const random = this.#random
    const options = randomOptions(random)
    const writes = random.pick([60, 300, 1000])
    return {
      dir: this.#dir,
      progressPath: join(this.#round.scratchDir, `progress ${life}`),
      options,
      isOpenedSync: random.chance(0.3),
      loadSeed: random.uint32(),
      hasLongKeys: this.#hasLongKeys,
      writes,
      window: random.pick([1, 4, 64]),
      ending: randomEnding(random, options.backgroundThreads!, writes),
    }
  }

  #count(ending: Ending, { signal, code }: End, { isOpen, issued }: Progress): void {
    const { counts, note } = this.#round
    counts.add('operations', issued)
    if (isOpen) counts.add('openings')
    if (signal === 'SIGKILL') {
      counts.add('kills')
      note(ending.kind === 'point' ? `killed at ${ending.name}` : 'killed at a random moment', 1)
    } else if (signal === 'SIGTERM') note('ended by SIGTERM', 1)
    else if (ending.kind === 'exit') note('ended by exit', 1)
    else if (code !== 0) note('ended by an exception', 1)
    else note('closed', 1)
  }

  /** Killed while it made the store: there is none, or an empty one. */
  async #maybeMade(orders: Orders, progress: Progress): Promise<void> {
    const store = await Store.open(this.#dir, this.#options())
    this.#isMade = true
    find(store, candidates(this.#state, orders, progress, false))
    await store.close()
  }

  /** Whether a store that was being destroyed is still there. */
  async #isWhole(): Promise<boolean> {
    try {
      await (await Store.open(this.#dir, { readOnly: true })).close()
      return true
    } catch (error) {
      if (error instanceof StoreError && error.code === 'ERR_NOT_A_STORE') return false
      throw error
    }
  }

  /** What is left says that it is no store, and goes when it is destroyed again. */
  async #finishDestroying(): Promise<void> {
    await Store.destroy(this.#dir)
    if (existsSync(this.#dir)) throw new Error(`a destroyed store leaves ${readdirSync(this.#dir).join(' ')}`)
    this.#state = new Map()
    this.#isMade = false
  }

  /** Mostly by reading only, so that the next process has to mend what the last one left. */
  async #judge(expected: Candidates): Promise<void> {
    const options = this.#options()
    const { ok, problems } = await Store.verify(this.#dir)
    if (!ok) throw new Error(`verify finds ${problems.map(({ message }) => message).join('; ')}`)
    const isWritable = this.#random.chance(0.25)
    const store = await Store.open(this.#dir, { ...options, readOnly: !isWritable })
    try {
      this.#round.counts.add('recoveries')
      this.#state = find(store, expected)
      if (isWritable && this.#random.chance(0.5)) {
        await store.compact()
        find(store, { ...expected, before: this.#state, least: 0, most: 0 })
      }
    } finally {
      await store.close()
    }
    if (isWritable) await expectNothingLeftOver(this.#dir, options)
    if (this.#random.chance(0.1)) await killRepairs(this.#round, this.#random, this.#dir, this.#state, options)
  }

  #options(): StoreOptions {
    return { memtableSize: 16_384, workerUrl: WORKER_URL, backgroundThreads: this.#random.pick([0, 0, 1]) }
  }
}

/** Sees a process to its end, and brings it about when that is ordered. Fails when it is not an end of the kind ordered, or a clean one. */
async function endOf(child: Child, { ending, progressPath }: Orders): Promise<End> {
  if (ending.kind === 'killed' || ending.kind === 'terminated') {
    while (!child.hasEnded && readProgress(progressPath).issued < ending.issued) await delay(1)
    child.process.kill(ending.kind === 'killed' ? 'SIGKILL' : 'SIGTERM')
  }
  const end = await child.end()
  const failure = child.takeMessages().find((message) => message !== 'open')
  if (failure !== undefined) throw new Error(failure)
  const isExpected =
    end.code === 0 ||
    (end.signal === 'SIGKILL' && (ending.kind === 'killed' || ending.kind === 'point')) ||
    (end.signal === 'SIGTERM' && ending.kind === 'terminated') ||
    (end.code !== null && ending.kind === 'uncaught' && child.errors.includes('on purpose'))
  if (!isExpected) throw new Error(`the process ended with ${end.signal ?? `code ${end.code}`}`)
  return end
}

/** One round: some stores side by side, as starting processes and syncing is waiting for the most part. */
export async function live(round: Round): Promise<void> {
  const lives = Array.from({ length: STORES }, (_, i) => {
    const scratchDir = join(round.scratchDir, String(i))
    mkdirSync(scratchDir)
    return new Lives({ ...round, seed: round.seed * STORES + i, scratchDir }).run()
  })
  await Promise.allSettled(lives)
  await Promise.all(lives)
}
