/**
 * What was written to a store whose disk fails, and what each write has been promised.
 *
 * A write is *acknowledged*, *refused* (it was certainly not made), or *in doubt*. What was not refused was given its place in the order of
 * writes, so a store that was opened again shows the state after some of these, none left out.
 */
import { type Key, type Store, StoreError, type WalSync } from '../../../src/index.js'
import { systemCode } from '../../../src/util/errors.js'
import { type Change, expectState, History, type State } from '../../support/history.js'

/** A write and its fate. */
interface Write {
  readonly changes: readonly Change[]
  fate: 'pending' | 'acknowledged' | 'refused' | 'in doubt'
  /** Which opening of the store has shown that it is not there; 0 = none. */
  lostAt: number
}

/** How far the promises of some moment reach: numbers of writes, refused ones included. */
export interface Promised {
  /** How often the store had been opened again. */
  readonly openings: number
  readonly issued: number
  readonly afterKill: number
  readonly afterPowerLoss: number
}

/** Keeps account of writes. */
export class Ledger {
  readonly #walSync: WalSync
  readonly #writes: Write[] = []
  #openings = 0
  #acknowledged = 0
  #durable = 0

  constructor(walSync: WalSync, base: readonly (readonly Change[])[] = []) {
    this.#walSync = walSync
    for (const changes of base) this.#writes.push({ changes, fate: 'acknowledged', lostAt: 0 })
    this.#acknowledged = base.length
    this.#durable = base.length
  }

  get promised(): Promised {
    const afterKill = this.#walSync === 'none' ? this.#durable : this.#acknowledged
    return { openings: this.#openings, issued: this.#writes.length, afterKill, afterPowerLoss: this.#durable }
  }

  /** Acknowledged writes so far. */
  get acknowledged(): number {
    return this.#acknowledged
  }

  /** A write is about to be made. Returns its number. */
  issue(changes: readonly Change[]): number {
    return this.#writes.push({ changes, fate: 'pending', lostAt: 0 })
  }

  acknowledge(number: number, sync = false): void {
    this.#writes[number - 1]!.fate = 'acknowledged'
    this.#acknowledged = Math.max(this.#acknowledged, number)
    if (sync || this.#walSync === 'always') this.#durable = Math.max(this.#durable, number)
  }

  /** Everything acknowledged so far is on the disk. */
  synced(number: number): void {
    this.#durable = Math.max(this.#durable, number)
  }

  reject(number: number, error: unknown): void {
    if (!(error instanceof StoreError)) throw error
    // `docs/durability.md` says which errors mean that a write was not made.
    const wasRefused = error.code === 'ERR_DISK_FULL' || (error.code === 'ERR_IO' && /^E[MN]FILE$/.test(systemCode(error) ?? ''))
    this.#writes[number - 1]!.fate = wasRefused ? 'refused' : 'in doubt'
  }

  /** What readers of the store see: everything acknowledged, and nothing else. */
  get visible(): State {
    return this.#history((write) => write.fate === 'acknowledged' && write.lostAt === 0).state
  }

  /** Checks that a store that was opened on what is left keeps the promises. */
  recover(store: Store<Key>, promised: Promised, wasKilled: boolean): void {
    const mayBeThere = ({ fate, lostAt }: Write): boolean => fate !== 'refused' && (lostAt === 0 || lostAt > promised.openings)
    const history = this.#history(mayBeThere)
    const count = (limit: number): number => this.#writes.slice(0, limit).filter(mayBeThere).length
    const least = count(wasKilled ? promised.afterKill : promised.afterPowerLoss)
    const most = count(promised.issued)
    const { sequence } = store.stats()
    const found = history.writeAt(sequence)
    if (found === undefined) throw new Error(`sequence ${sequence} is inside of a batch, or is none`)
    if (found < least || found > most)
      throw new Error(`the store is after write ${found}, and should be after one from ${least} to ${most}`)
    expectState(store, history.stateAt(found), history.keys)
  }

  /** The store was opened again by the same process: what is not there now will never be, and what is there counts. */
  reopened(store: Store): void {
    const { promised } = this
    this.#openings++
    const candidates = this.#writes.filter(({ fate, lostAt }) => fate !== 'refused' && lostAt === 0)
    const found = this.#history((write) => candidates.includes(write)).writeAt(store.stats().sequence)
    if (found === undefined) throw new Error('the store was opened again inside of a batch')
    for (const [i, write] of candidates.entries()) {
      const number = this.#writes.indexOf(write) + 1
      if (i < found) write.fate = 'acknowledged'
      else if (number <= promised.afterKill) throw new Error(`write ${number} is lost when the store is opened again`)
      else write.lostAt = this.#openings
    }
  }

  #history(isIn: (write: Write) => boolean): History {
    const history = new History()
    for (const write of this.#writes) if (isIn(write)) history.push(write.changes)
    return history
  }
}
