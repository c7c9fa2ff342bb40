/**
 * A process that is to be killed, for `test/torture/kills.ts`: it waits for its orders, opens a store, writes, and checks what it reads,
 * until it dies or has written enough.
 *
 * It says `open` when it has opened the store. What it finds wrong it says as a message too, and ends.
 */
// First, so that the store goes through it.
import { armKillPoint, KILL_POINT_VARIABLE } from '../torture/kills/kill_point.js'
import { Store, type Value } from '../../src/index.js'
import { Random } from '../../src/util/random.js'
import { expectEntries, expectState, expectValue, sorted } from '../support/history.js'
import { applyChanges, changesOf, issue, issueSync, Load, PAIR_PREFIXES } from '../torture/kills/load.js'
import type { Orders } from '../torture/kills/orders.js'
import { ProgressWriter } from '../torture/kills/progress.js'

/** Looks at the store as it is or was, and at what should be seen. */
interface Look {
  readonly end: (isSync: boolean) => Promise<void>
}

class KilledProcess {
  readonly #orders: Orders
  readonly #random: Random
  readonly #progress: ProgressWriter
  readonly #store: Store
  /** What all writes issued so far make of the keys. */
  readonly #state = new Map<string, Value>()
  readonly #underWay = new Set<Promise<void>>()
  readonly #looks: Look[] = []

  constructor(orders: Orders, store: Store, progress: ProgressWriter) {
    this.#orders = orders
    this.#store = store
    this.#progress = progress
    this.#random = new Random(orders.loadSeed + 1)
    for (const [key, value] of store.scan()) this.#state.set(key, value)
  }

  async write(): Promise<void> {
    const { loadSeed, hasLongKeys, writes, window, ending } = this.#orders
    const load = new Load(loadSeed, hasLongKeys)
    for (let n = 1; n <= writes; n++) {
      const write = load.next()
      this.#progress.note('issued', n)
      const changes = changesOf(write, this.#state)
      const isDurable = write.isDurable || this.#orders.options.walSync === 'always'
      if (write.isSync) {
        issueSync(this.#store, write, this.#state)
        this.#acknowledged(n, isDurable)
      } else {
        this.#follow(issue(this.#store, write, this.#state).then(() => this.#acknowledged(n, isDurable)))
      }
      applyChanges(this.#state, changes)
      if ('issued' in ending && n === ending.issued) endNow(ending.kind)
      if (this.#underWay.size >= window) await Promise.race(this.#underWay)
      if (this.#random.chance(0.03)) await this.#aside()
    }
    await Promise.all(this.#underWay)
    for (const look of this.#looks) await look.end(false)
  }

  #acknowledged(n: number, isDurable: boolean): void {
    this.#progress.note('acknowledged', n)
    if (isDurable) this.#progress.note('synced', n)
  }

  #follow(promise: Promise<void>): void {
    const followed = promise.catch(report).finally(() => this.#underWay.delete(followed))
    this.#underWay.add(followed)
  }

  /** Something else than a write. */
  async #aside(): Promise<void> {
    const random = this.#random
    const store = this.#store
    const acknowledged = this.#progress.noted('acknowledged')
    const durable = (): void => this.#progress.note('synced', acknowledged)
    const n = random.below(100)
    if (n < 12) this.#follow(store.flush().then(durable))
    else if (n < 18) this.#follow(store.compact(random.chance(0.5) ? {} : { prefix: 'k0' }))
    else if (n < 26) this.#follow(store.sync().then(durable))
    else if (n < 30) {
      store.syncSync()
      durable()
    } else if (n < 60) await this.#beginLook()
    else if (n < 85) await this.#looks.shift()?.end(random.chance(0.5))
    else if (n < 95) this.#expectPairs()
    else await new Promise((resolve) => setImmediate(resolve))
  }

  /** Snapshots and scans see what they saw when they were made, whatever happens meanwhile. */
  async #beginLook(): Promise<void> {
    const store = this.#store
    await Promise.all(this.#underWay)
    const state = new Map(this.#state)
    if (this.#random.chance(0.5)) {
      const snapshot = store.snapshot()
      this.#looks.push({
        end: async (isSync) => {
          if (isSync) expectState(snapshot, state)
          else expectEntries('scan of a snapshot', await snapshot.scan({ keys: 'bytes' }).toArray(), sorted(state))
          for (const key of [...state.keys()].slice(0, 20)) expectValue(`get ${key}`, await snapshot.get(key), state.get(key))
          snapshot.close()
        },
      })
      return
    }
    const reverse = this.#random.chance(0.3)
    const expected = reverse ? sorted(state).toReversed() : sorted(state)
    const scan = store.scan({ keys: 'bytes', reverse })
    const seen = await scan.nextv(1 + this.#random.below(50))
    this.#looks.push({
      end: async (isSync) => expectEntries('scan', [...seen, ...(isSync ? scan.toArraySync() : await scan.toArray())], expected),
    })
  }

  /** Whatever is under way, a batch is seen whole or not at all. */
  #expectPairs(): void {
    using snapshot = this.#store.snapshot()
    const [some, others] = PAIR_PREFIXES.map((prefix) =>
      snapshot
        .scanPrefix(prefix, { keys: 'bytes' })
        .toArraySync()
        .map(([key, value]): [string, Value] => [`.:${Buffer.from(key).toString('latin1').slice(2)}`, value]),
    )
    expectEntries(
      'the second halves of batches',
      some!.map(([key, value]) => [Buffer.from(key), value]),
      others!,
    )
  }
}

function endNow(kind: string): void {
  if (kind === 'exit') process.exit(0)
  if (kind === 'uncaught') throw new Error('killed by an exception on purpose')
}

function report(error: unknown): void {
  if (error instanceof Error && error.message.includes('on purpose')) throw error
  process.send?.(`failure: ${error instanceof Error ? error.stack : String(error)}`, undefined, undefined, () => process.exit(1))
}

async function obey(orders: Orders): Promise<void> {
  const { ending, options, dir } = orders
  const point = ending.kind === 'point' ? ending : undefined
  if (point?.since === 'start') {
    process.env[KILL_POINT_VARIABLE] = JSON.stringify(point.point)
    armKillPoint(point.point)
  }
  const all = { ...options, workerUrl: new URL('killed_worker.js', import.meta.url) }
  const progress = new ProgressWriter(orders.progressPath)
  const store = orders.isOpenedSync ? Store.openSync(dir, all) : await Store.open(dir, all)
  store.on('warning', ({ message }) => report(new Error(message)))
  store.on('backgroundError', ({ error }) => report(error))
  progress.note('isOpen', 1)
  process.send?.('open')
  await new KilledProcess(orders, store, progress).write()
  if (point?.since === 'close') armKillPoint(point.point)
  if (ending.kind === 'close on the spot') store.closeSync()
  else await store.close()
  if (point?.since === 'destroy') {
    armKillPoint(point.point)
    progress.note('destroying', 1)
    await Store.destroy(dir)
  }
  // Nothing of the store keeps the process from ending by itself.
  process.removeAllListeners('disconnect')
  process.disconnect()
}

process.on('disconnect', () => process.exit(1))
process.once('message', (orders: Orders) => void obey(orders).catch(report))
