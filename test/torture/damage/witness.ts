/**
 * Reads a store in every way and judges what it says: each answer must fit one and the same of the states that are allowed, or be an error
 * that names the place. An answer that fits none, and an error of another kind, is a violation and thrown.
 */
import { type Key, type Store, StoreError, type Value } from '../../../src/index.js'
import { modelKey, sorted, type State, storeKey } from '../../support/history.js'
import { isSame } from '../../unit/codec/same.js'
import { ABSENT_KEYS, DIR } from './specimen.js'

/** A state that is allowed, with what is asked of it. */
interface Candidate {
  /** Which of the allowed states it was before writes of the examination itself. */
  readonly origin: number
  readonly state: State
  readonly entries: readonly (readonly [string, Value])[]
}

/** A violation: what the whole discipline looks for. */
export class Violation extends Error {}

/** Codes that damage may end in, besides `ERR_BACKGROUND`, which carries one of them. */
const CODES_OF_DAMAGE: ReadonlySet<string> = new Set(['ERR_CORRUPTION', 'ERR_FORMAT_VERSION', 'ERR_IO', 'ERR_NOT_A_STORE', 'ERR_LOCKED'])

/** Judges one damaged store, over any number of openings. */
export class Witness {
  /** Errors met, all of allowed kinds. */
  readonly errors: StoreError[] = []
  readonly #keys: readonly string[]
  #candidates: readonly Candidate[]

  /** @param states states that may be shown; at least one. */
  constructor(states: readonly State[]) {
    this.#candidates = states.map((state, origin) => ({ origin, state, entries: sorted(state) }))
    const keys = new Set(ABSENT_KEYS)
    for (const state of states) for (const key of state.keys()) keys.add(key)
    this.#keys = [...keys]
  }

  /** The first of the allowed states that everything so far fits. */
  get shown(): number {
    return Math.min(...this.#candidates.map(({ origin }) => origin))
  }

  /** Runs something that may fail as damage does; `undefined` when it did. */
  try<T>(what: string, action: () => T): T | undefined {
    try {
      return action()
    } catch (error) {
      this.#take(what, error)
      return undefined
    }
  }

  /** As `try`, for promises. */
  async tryAsync<T>(what: string, action: () => Promise<T>): Promise<T | undefined> {
    try {
      return await action()
    } catch (error) {
      this.#take(what, error)
      return undefined
    }
  }

  /** Scans, and looks every key up, those that must not be there included. */
  readAll(store: Store<Key>): void {
    this.#scan(store, false)
    for (const key of this.#keys) {
      this.try(`get ${key}`, () => this.#value(`get ${JSON.stringify(key)}`, key, store.getSync(storeKey(key))))
    }
  }

  /** As `readAll`, backward, by promises, and with everything else that reads. */
  async readAllOtherwise(store: Store<Key>): Promise<void> {
    this.#scan(store, true)
    const values = await this.tryAsync('getMany', () => store.getMany(this.#keys.map(storeKey)))
    values?.forEach((value, i) => this.#value(`getMany ${this.#keys[i]!}`, this.#keys[i]!, value))
    for (const key of this.#keys.slice(0, 4)) {
      const isThere = await this.tryAsync(`has ${key}`, () => store.has(storeKey(key)))
      if (isThere !== undefined)
        this.#narrow(
          () => `has ${key} is ${isThere}`,
          ({ state }) => state.has(key) === isThere,
        )
    }
    await this.tryAsync('scan', async () => {
      const read: [string, Value][] = []
      for await (const [key, value] of store.scan({ keys: 'bytes', limit: 20 })) read.push([modelKey(key), value])
      this.#entries('asynchronous scan', read, false, 20)
    })
    store.stats()
  }

  /** Takes note of a write that may or may not have been made. */
  maybeWritten(key: string, value: Value, isAcknowledged: boolean): void {
    const before = this.#candidates
    this.#candidates = before.map(({ origin, state }) => {
      const written = new Map(state).set(key, value)
      return { origin, state: written, entries: sorted(written) }
    })
    if (!isAcknowledged) this.#candidates = [...this.#candidates, ...before]
  }

  #scan(store: Store<Key>, reverse: boolean): void {
    const read: [string, Value][] = []
    const isWhole = this.try(reverse ? 'reverse scan' : 'scan', () => {
      for (const [key, value] of store.scan({ keys: 'bytes', reverse })) read.push([modelKey(key), value])
      return true
    })
    this.#entries(reverse ? 'reverse scan' : 'scan', read, reverse, isWhole === true ? Infinity : read.length)
  }

  /** What was read must be the first `limit` entries. */
  #entries(what: string, read: readonly (readonly [string, Value])[], reverse: boolean, limit: number): void {
    this.#narrow(
      () => `${what} of ${read.length} entries: ${brief(read)}`,
      ({ entries }) => {
        if (read.length !== Math.min(entries.length, limit)) return false
        return read.every(([key, value], i) => {
          const [wantedKey, wanted] = entries[reverse ? entries.length - 1 - i : i]!
          return key === wantedKey && isSame(value, wanted)
        })
      },
    )
  }

  #value(what: string, key: string, value: Value | undefined): void {
    this.#narrow(
      () => `${what} gives ${brief(value)}`,
      ({ state }) => isSame(value, state.get(key)),
    )
  }

  #narrow(what: () => string, fits: (candidate: Candidate) => boolean): void {
    const left = this.#candidates.filter(fits)
    if (left.length === 0) throw new Violation(`${what()}: no allowed state has that`)
    if (left.length < this.#candidates.length) this.#candidates = left
  }

  #take(what: string, error: unknown): void {
    if (error instanceof Violation) throw error
    if (!(error instanceof StoreError)) throw new Violation(`${what}: ${String(error)} is no StoreError`, { cause: error })
    const source = error.code === 'ERR_BACKGROUND' ? error.cause : error
    if (!(source instanceof StoreError) || !CODES_OF_DAMAGE.has(source.code)) {
      throw new Violation(`${what}: unexpected ${error.code}: ${error.message}`, { cause: error })
    }
    if (source.path === undefined || !source.path.startsWith(DIR)) {
      throw new Violation(`${what}: ${source.code} without a path: ${source.message}`, { cause: error })
    }
    this.errors.push(source)
  }
}

function brief(value: unknown): string {
  const text = JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? `${part}n` : part)) ?? 'undefined'
  return text.length > 300 ? `${text.slice(0, 300)}…` : text
}
