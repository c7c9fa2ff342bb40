/**
 * One run of a workload on a disk that fails at a chosen operation, with everything that must hold meanwhile and afterwards.
 *
 * 1. The workload runs. Each call either succeeds or fails with a typed error that names the path and the injected cause. When a fault
 *    strikes that comes once, the disk is cloned as the death of the process and as a power loss would leave it.
 * 2. The fault ends. All promises settle, reads show exactly what was acknowledged. After a shortage writes go on by themselves; a store
 *    that failed refuses all writes and says why.
 * 3. The store is closed: no file stays open.
 * 4. The disk and the clones are opened again: nothing acknowledged is missing as far as it was promised to survive, batches are whole, no
 *    file is left over.
 */
import { FaultVfs, type Key, ManualClock, type MemoryVfs, Store, StoreError, type StoreOptions, type WalSync } from '../../../src/index.js'
import { checkLevels } from '../../../src/store/check_levels.js'
import type { FaultOperation } from '../../../src/vfs/fault.js'
import { type Change, expectState, modelKey } from '../../support/history.js'
import { TINY } from '../../support/options.js'
import { compilePrograms } from '../../support/programs.js'
import type { Counts } from '../discipline.js'
import { type Fault, hits, isShortage } from './faults.js'
import { Ledger, type Promised } from './ledger.js'
import { expectTyped, isWithin, nextTurn } from './typed.js'

/** Turns of the event loop that a call is waited for while the disk fails: it may be one that waits for space. */
const TURNS_MAX = 60
/** Turns that calls may take when nothing fails any more. */
const TURNS_AFTER_MAX = 3000

/** A disk that a workload begins with, and what was written to it, durably. */
export interface Base {
  readonly disk: MemoryVfs
  readonly writes: readonly (readonly Change[])[]
}

/** Where and how the disk fails. */
export interface Strike {
  readonly index: number
  readonly fault: Fault
}

interface Wreck {
  readonly what: string
  readonly disk: MemoryVfs
  readonly wasKilled: boolean
  readonly promised: Promised
}

/** A store on a disk that fails. */
export class Trial {
  /** Operations that the workload has made, in order. */
  readonly operations: FaultOperation[] = []
  readonly clock = new ManualClock()
  readonly #counts: Counts
  readonly #disk: MemoryVfs
  readonly #vfs: FaultVfs
  readonly #options: StoreOptions
  readonly #strike: Strike | undefined
  readonly #ledger: Ledger
  readonly #wrecks: Wreck[] = []
  readonly #pending: Promise<unknown>[] = []
  #store: Store | undefined
  #isLogSyncLost = false
  #isOver = false

  /** @param strike none: operations are counted */
  constructor(base: Base, walSync: WalSync, options: StoreOptions, strike: Strike | undefined, counts: Counts) {
    this.#counts = counts
    this.#disk = base.disk
    this.#vfs = new FaultVfs(base.disk)
    this.#options = { ...TINY, walSync, walSyncInterval: 50, clock: this.clock, ...options }
    this.#strike = strike
    this.#ledger = new Ledger(walSync, base.writes)
    this.#vfs.onOperation = (index, operation, path) => this.#observe(index, operation, path)
  }

  // What workloads do. Of these nothing throws because the disk fails, and nothing happens while no store is open.

  async open(options: StoreOptions = {}): Promise<void> {
    if (this.#store !== undefined) return
    await compilePrograms()
    const opening = Store.open(this.#vfs, { ...this.#options, ...options })
    if (!(await isWithin(opening, TURNS_AFTER_MAX, this.clock))) throw new Error('opening hangs')
    try {
      this.#store = await opening
      this.#ledger.reopened(this.#store)
      // Opening reads what the disk has kept, and makes it durable before it calls anything durable.
      this.#isLogSyncLost = false
      this.#store.on('backgroundError', ({ error }) => this.#fail(error))
    } catch (error) {
      this.#fail(error)
    }
    if (this.#store === undefined && this.#disk.openHandleCount > 0) throw new Error('files stay open after opening failed')
  }

  put(key: string, value: string, options?: { sync: true }): Promise<void> {
    return this.#settle((store) => this.#write(store, [[modelKey(key), value]], options, () => store.put(key, value, options)))
  }

  delete(key: string): Promise<void> {
    return this.#settle((store) => this.#write(store, [[modelKey(key), undefined]], undefined, () => store.delete(key)))
  }

  batch(entries: readonly (readonly [string, string])[], options?: { sync: true }): Promise<void> {
    const operations = entries.map(([key, value]) => ({ type: 'put', key, value }) as const)
    const changes = entries.map(([key, value]) => [modelKey(key), value] as const)
    return this.#settle((store) => this.#write(store, changes, options, () => store.batch(operations, options)))
  }

  /** Writes that are under way together. */
  together(entries: readonly (readonly [string, string])[]): Promise<void> {
    return this.#settle(async (store) => {
      const write = ([key, value]: readonly [string, string]): Promise<void> =>
        this.#write(store, [[modelKey(key), value]], undefined, () => store.put(key, value))
      await Promise.all(entries.map(write))
    })
  }

  putSync(key: string, value: string, options?: { sync: true }): void {
    this.#writeSync([[modelKey(key), value]], options, (store) => store.putSync(key, value, options))
  }

  deleteSync(key: string): void {
    this.#writeSync([[modelKey(key), undefined]], undefined, (store) => store.deleteSync(key))
  }

  batchSync(entries: readonly (readonly [string, string])[]): void {
    const operations = entries.map(([key, value]) => ({ type: 'put', key, value }) as const)
    const changes = entries.map(([key, value]) => [modelKey(key), value] as const)
    this.#writeSync(changes, undefined, (store) => store.batchSync(operations))
  }

  sync(): Promise<void> {
    return this.#settle(async (store) => {
      const { acknowledged } = this.#ledger
      await store.sync().then(
        () => this.#ledger.synced(acknowledged),
        (error: unknown) => this.#fail(error),
      )
    })
  }

  flush(): Promise<void> {
    return this.#settle((store) => store.flush().catch((error: unknown) => this.#fail(error)))
  }

  compact(): Promise<void> {
    return this.#settle((store) => store.compact().catch((error: unknown) => this.#fail(error)))
  }

  /** Lets time pass, and background work go on. */
  async rest(ms: number, turns = 8): Promise<void> {
    this.clock.advance(ms)
    for (let i = 0; i < turns; i++) await nextTurn()
  }

  /** Reads everything in several ways. */
  async read(): Promise<void> {
    const state = this.#ledger.visible
    const keys = [...state.keys()]
    await this.#readTwice((store) => expectState(store, state))
    await this.#readTwice(async (store) => {
      const values = await store.getMany(keys)
      for (const [i, key] of keys.entries()) if (values[i] !== state.get(key)) throw new Error(`getMany: a wrong value of ${key}`)
    })
    await this.#readTwice(async (store) => {
      let count = 0
      for await (const [key, value] of store.scan()) {
        if (state.get(modelKey(key)) !== value) throw new Error(`for await: a wrong value of ${key}`)
        count++
      }
      if (count !== state.size) throw new Error(`for await: ${count} entries, expected ${state.size}`)
    })
  }

  async close(): Promise<void> {
    const store = this.#store
    if (store === undefined) return
    this.#store = undefined
    const wasWell = store.status === 'open' || store.status === 'full'
    const { acknowledged } = this.#ledger
    const closing = store.close()
    if (!(await isWithin(closing, TURNS_AFTER_MAX, this.clock))) throw new Error('closing hangs')
    try {
      await closing
      if (wasWell) this.#ledger.synced(acknowledged)
    } catch (error) {
      this.#fail(error)
    }
    if (this.#disk.openHandleCount > 0) throw new Error(`${this.#disk.openHandleCount} files stay open after a close`)
  }

  /** Ends the fault, and checks the store and what is left on the disk. */
  async finish(): Promise<void> {
    this.#isOver = true
    if (this.#strike !== undefined) this.#wreck('at the end', 1)
    this.#vfs.clearRules()
    if (!(await isWithin(Promise.all(this.#pending), TURNS_AFTER_MAX, this.clock))) throw new Error('a call has not ended after the fault')
    if (this.#store !== undefined) await this.#checkOpen(this.#store)
    await this.close()
    // What waited for space sees that there is nothing left to wait for: nobody else moves this clock.
    await this.rest(2000)
    this.#wrecks.push({ what: 'the disk itself', disk: this.#disk, wasKilled: true, promised: this.#ledger.promised })
    for (const wreck of this.#wrecks) await this.#inspect(wreck)
  }

  async #checkOpen(store: Store): Promise<void> {
    await this.rest(500)
    await this.read()
    if (store.status === 'failed') {
      if (this.#strike === undefined || this.#isShortage) throw new Error('the store has failed without need')
      const refused = await store.put('late', 'x').catch((error: unknown) => error)
      if (!(refused instanceof StoreError) || refused.code !== 'ERR_BACKGROUND') throw new Error(`a failed store says ${String(refused)}`)
      return this.#fail(refused)
    }
    await this.#afterwards('a write', store, (number) => store.put('late', 'x').then(() => this.#ledger.acknowledge(number)))
    await this.#afterwards('a durable write', store, (number) =>
      store.put('late', 'x', { sync: true }).then(() => this.#ledger.acknowledge(number, true)),
    )
    if (!(await isWithin(store.flush(), TURNS_AFTER_MAX, this.clock))) throw new Error('a flush hangs after the fault')
    await store.flush()
    if (store.status !== 'open') throw new Error(`the store is '${store.status}' after the fault`)
    await this.read()
    await this.rest(0, 20)
    checkLevels(store)
  }

  async #afterwards(what: string, store: Store, write: (number: number) => Promise<unknown>): Promise<void> {
    const writing = write(this.#ledger.issue([['late', 'x']]))
    if (!(await isWithin(writing, TURNS_AFTER_MAX, this.clock))) throw new Error(`${what} hangs after the fault (${store.status})`)
    await writing
  }

  get #isShortage(): boolean {
    const { fault, index } = this.#strike!
    const operation = this.operations[index - 1]
    return operation !== undefined && isShortage(fault, operation)
  }

  async #inspect({ what, disk, wasKilled, promised }: Wreck): Promise<void> {
    try {
      const store: Store<Key> = await Store.open(disk, { ...TINY, keys: 'bytes' })
      this.#ledger.recover(store, promised, wasKilled)
      checkLevels(store)
      await store.put('again', 'x')
      if (disk === this.#disk) {
        await store.compact()
        checkLevels(store)
      }
      await store.close()
      if (disk.openHandleCount > 0) throw new Error(`${disk.openHandleCount} files stay open`)
    } catch (error) {
      throw new Error(`${what}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
    }
    this.#counts.add('recoveries')
  }

  #observe(index: number, operation: FaultOperation, path: string): void {
    if (this.#isOver) return
    this.operations.push(operation)
    const strike = this.#strike
    if (strike === undefined || index < strike.index) return
    const { rule, code } = strike.fault
    if (index === strike.index) {
      // What lasts finds the same disk as what comes once: that one is looked at.
      if (strike.fault.duration === 'once') this.#wreck(`at operation ${index}`, 0)
      this.#vfs.addRule(rule)
    } else if (!hits(rule, operation)) return
    this.#counts.add('I/O faults')
    if (code !== undefined && operation === 'sync' && path.endsWith('.log')) this.#isLogSyncLost = true
  }

  #wreck(when: string, order: number): void {
    const { promised } = this.#ledger
    const seed = this.operations.length
    const unsyncedPercent = [0, 50][(seed + order) % 2]!
    const powerLoss = this.#disk.crashClone({ unsyncedPercent, seed })
    this.#wrecks.push({ what: `power loss ${when}, ${unsyncedPercent} % survives`, disk: powerLoss, wasKilled: false, promised })
    if (order === 0) this.#wrecks.push({ what: `killed ${when}`, disk: this.#disk.processKillClone(), wasKilled: true, promised })
    this.#counts.add('crashes', 2 - order)
  }

  /** Waits for a call, for a while: it may be one that waits for space. */
  async #settle(call: (store: Store) => Promise<void>): Promise<void> {
    const store = this.#store
    if (store === undefined) return
    this.#counts.add('operations')
    const called = call(store)
    if (await isWithin(called, TURNS_MAX, this.clock)) await called
    else this.#pending.push(called)
  }

  async #write(store: Store, changes: readonly Change[], options: { sync: true } | undefined, write: () => Promise<void>): Promise<void> {
    const number = this.#ledger.issue(changes)
    const mayBeKept = !this.#isLogSyncLost || store.status === 'closed'
    try {
      await write()
    } catch (error) {
      return this.#refused(number, error)
    }
    this.#acknowledged(number, options, mayBeKept)
  }

  #writeSync(changes: readonly Change[], options: { sync: true } | undefined, write: (store: Store) => unknown): void {
    const store = this.#store
    if (store === undefined) return
    this.#counts.add('operations')
    const number = this.#ledger.issue(changes)
    const mayBeKept = !this.#isLogSyncLost
    try {
      write(store)
    } catch (error) {
      return this.#refused(number, error)
    }
    this.#acknowledged(number, options, mayBeKept)
  }

  #acknowledged(number: number, options: { sync: true } | undefined, mayBeKept: boolean): void {
    if (!mayBeKept) throw new Error('a write was acknowledged after the sync of a log had failed')
    this.#ledger.acknowledge(number, options?.sync === true)
  }

  #refused(number: number, error: unknown): void {
    this.#fail(error)
    this.#ledger.reject(number, error)
  }

  /** What comes from the store must come from the fault. */
  #fail(error: unknown): void {
    expectTyped(error, this.#strike?.fault.code)
  }

  async #readTwice(read: (store: Store) => unknown): Promise<void> {
    const store = this.#store
    if (store === undefined) return
    for (let attempt = 1; ; attempt++) {
      try {
        await read(store)
        return
      } catch (error) {
        if (!(error instanceof StoreError)) throw error
        this.#fail(error)
        if (error.code !== 'ERR_IO') throw new Error(`a read fails with ${error.code}`, { cause: error })
        const lasts = this.#strike?.fault.duration !== 'once' && !this.#isOver
        if (lasts) return
        if (attempt > 1) throw new Error('a read fails again after the fault is over', { cause: error })
      }
    }
  }
}
