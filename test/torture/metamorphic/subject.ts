/**
 * The two sides of a metamorphic run: a store under one option set, and what it should hold.
 *
 * The model is the history of all writes, with how many of them an acknowledgement has promised to keep. While writes are under way it is
 * open which of them readers see: the store is asked for the sequence number, which must be that of a write, no older than what was
 * acknowledged and no newer than what was issued.
 */
import {
  type Key,
  type MemoryVfs,
  memory,
  type Scan,
  type Snapshot,
  Store,
  StoreError,
  type StoreErrorCode,
  type StoreOptions,
  type Vfs,
} from '../../../src/index.js'
import { History, type ModelScan } from '../../support/history.js'
import { WORKER_URL } from '../../support/options.js'
import { LateVfs } from './late_vfs.js'
import { type JsonOptions, type OptionSet, type PreparedKey, SCAN_SLOTS, SNAPSHOT_SLOTS } from './operations.js'
import type { SimulatedClock } from './simulated_clock.js'

/** Microtasks from the acknowledgement of a write to where this is noticed: an answer may go through some async functions. */
const MICROTASKS_MAX = 12

/** A snapshot in a slot. */
export interface OpenSnapshot {
  readonly handle: Snapshot<Key>
  /** The last write that it sees. */
  readonly write: number
}

/** A scan in a slot, open or not. */
export interface SlotScan {
  readonly handle: Scan<unknown, Key>
  readonly model: ModelScan
  readonly shape: 'entries' | 'keys' | 'values'
  readonly abort: AbortController
  /** What a step fails with, once the scan was ended from outside. */
  refusal: StoreErrorCode | undefined
  stepsUnderWay: number
}

/** A store and its model. */
export class Subject {
  readonly set: OptionSet
  readonly clock: SimulatedClock | undefined
  history = new History()
  store!: Store<Key>
  options: JsonOptions = {}
  /** The disk, if it is simulated. */
  disk: MemoryVfs | undefined
  /** Writes that were acknowledged; that survive the death of the process; that survive a power loss. */
  acknowledged = 0
  safe = 0
  durable = 0
  readonly snapshots: (OpenSnapshot | undefined)[] = Array.from({ length: SNAPSHOT_SLOTS }, () => undefined)
  readonly scans: (SlotScan | undefined)[] = Array.from({ length: SCAN_SLOTS }, () => undefined)
  writesUnderWay = 0
  /** Numbers of writes that were issued and have not been acknowledged, in order. */
  readonly unacknowledged = new Set<number>()
  /** Whether the power has failed: what was written to tables alone may then be put aside, with a warning. */
  hasLostPower = false
  /** How often the store was closed: reads that were under way then may be refused. */
  closings = 0
  /** Operations until the levels are looked at. */
  untilLevels = 20
  /** The first thing that went wrong while nobody waited for it. */
  failure: Error | undefined
  readonly #directory: string
  #openings = 0
  #underWay: Promise<void>[] = []
  #changing: Uint8Array[] = []

  constructor(set: OptionSet, clock: SimulatedClock | undefined, directory: string) {
    this.set = set
    this.clock = clock
    this.#directory = directory
    if (set.disk === 'memory') this.disk = memory()
  }

  /** Whether there is nothing to wait for. */
  get isSettled(): boolean {
    return this.#underWay.length === 0
  }

  /** Opens the store with the next options in line. */
  async open(how: 'open' | 'openSync'): Promise<void> {
    const { openings } = this.set
    this.options = openings[this.#openings++ % openings.length]!
    const location = this.location
    const options = this.storeOptions(this.options)
    this.store = how === 'open' ? await Store.open(location, options) : Store.openSync(location, options)
    for (const event of ['backgroundError', 'warning', 'leak'] as const) {
      this.store.on(event, (told: object) => {
        const what = String(Object.values(told)[0])
        if (this.hasLostPower && what.includes('moved to lost/')) return
        this.fail(new Error(`event ${event}: ${JSON.stringify(told)} ${what}`))
      })
    }
  }

  /** Where the store lies, as this process sees it. */
  get location(): Vfs | string {
    const { disk, clock } = this
    if (disk === undefined) return this.#directory
    return clock !== undefined && this.set.lateness > 0 ? new LateVfs(disk, () => clock.isLate()) : disk
  }

  storeOptions(options: JsonOptions): StoreOptions {
    return { ...options, workerUrl: WORKER_URL, ...(this.clock === undefined ? {} : { clock: this.clock }) }
  }

  /** A key as it is given to the store. What changes afterwards does so with `returned`. */
  key(key: PreparedKey): Key {
    const { given } = this.set
    if (given === 'text') return key.text ?? key.bytes
    if (given === 'bytes') return key.bytes
    const copy = Uint8Array.from(key.bytes)
    this.#changing.push(copy)
    return copy
  }

  /** A call has returned: the keys that were given to it are the caller's again. */
  returned(): void {
    if (this.#changing.length === 0) return
    for (const key of this.#changing) key.fill(0xee)
    this.#changing = []
  }

  /** Everything written up to `write` was acknowledged. */
  acknowledge(write: number, isDurable: boolean): void {
    const { walSync = 'os' } = this.options
    this.acknowledged = Math.max(this.acknowledged, write)
    if (walSync !== 'none' || isDurable) this.safe = Math.max(this.safe, write)
    if (walSync === 'always' || isDurable) this.durable = Math.max(this.durable, write)
  }

  /** The promise of a write has resolved: those of the ones before it must have, too, as soon as their microtasks are through. */
  async resolved(write: number): Promise<void> {
    this.unacknowledged.delete(write)
    if (!this.#isOvertaking(write)) return
    for (let i = 0; i < MICROTASKS_MAX; i++) await undefined
    if (this.#isOvertaking(write)) this.fail(new Error(`write ${write} was acknowledged before one that was issued earlier`))
  }

  #isOvertaking(write: number): boolean {
    for (const earlier of this.unacknowledged) return earlier < write
    return false
  }

  /** The last write that a reader made now sees. */
  moment(): number {
    const { history } = this
    if (this.writesUnderWay === 0) return history.length
    const snapshot = this.store.snapshot()
    const { sequence } = snapshot
    snapshot.close()
    return this.writeAt(sequence, this.acknowledged, 'readers see')
  }

  /** The write that a sequence number stands for, which must be at least `least`. */
  writeAt(sequence: number, least: number, who: string): number {
    const { history } = this
    const write = history.writeAt(sequence)
    if (write === undefined) throw new Error(`${who} sequence ${sequence}, in the middle of a write (of ${history.operationCount})`)
    if (write < least) throw new Error(`${who} write ${write} of ${history.length}, and not ${least}`)
    return write
  }

  /** Something is under way whose end is to be checked by `end`. */
  later(end: Promise<void>): void {
    this.#underWay.push(end.catch((error: unknown) => this.fail(error)))
  }

  /** Waits for all that is under way. */
  async settle(): Promise<void> {
    while (this.#underWay.length > 0) {
      const underWay = this.#underWay
      this.#underWay = []
      await Promise.all(underWay)
    }
    this.throwFailure()
  }

  fail(error: unknown): void {
    this.failure ??= error instanceof Error ? error : new Error(String(error))
  }

  throwFailure(): void {
    if (this.failure !== undefined) throw this.failure
  }

  /** The store was closed, or its process died. */
  forgetReaders(): void {
    this.snapshots.fill(undefined)
    this.scans.fill(undefined)
  }
}

/** Code of an error of operation; any other error is thrown on. */
export function codeOf(error: unknown): StoreErrorCode {
  if (error instanceof StoreError) return error.code
  throw error
}

/** Fails unless `call` throws an error of operation with this code. */
export function expectRefusal(what: string, code: StoreErrorCode, call: () => unknown): void {
  let answer: unknown
  try {
    answer = call()
  } catch (error) {
    if (codeOf(error) === code) return
    throw new Error(`${what} failed with ${String(error)}, expected ${code}`, { cause: error })
  }
  throw new Error(`${what} gave ${String(answer)}, expected ${code}`)
}

/** As `expectRefusal`, for a promise; the call itself must not throw. */
export async function expectRejection(what: string, code: StoreErrorCode, call: () => unknown): Promise<void> {
  let answer: unknown
  const promise = call()
  try {
    answer = await promise
  } catch (error) {
    if (codeOf(error) === code) return
    throw new Error(`${what} failed with ${String(error)}, expected ${code}`, { cause: error })
  }
  throw new Error(`${what} gave ${String(answer)}, expected ${code}`)
}
