/**
 * What a store should hold: a map with its whole history, and the comparison of a store with one of its states.
 *
 * Keys are Latin-1 strings of their bytes, so they sort as the store sorts. A write is a list of changes that happen together; writes are
 * numbered from 1, and state `n` is the one after write `n`.
 */
import type { Key, Reader, Value } from '../../src/index.js'
import { isSame } from '../unit/codec/same.js'

/** One key set to a value, or deleted. */
export type Change = readonly [key: string, value: Value | undefined]

/** Keys and values of one moment. */
export type State = ReadonlyMap<string, Value>

/** A key of the model. */
export function modelKey(key: Key): string {
  return (typeof key === 'string' ? Buffer.from(key) : Buffer.from(key.buffer, key.byteOffset, key.length)).toString('latin1')
}

/** A key of the model as the store takes it. */
export function storeKey(key: string): Buffer {
  return Buffer.from(key, 'latin1')
}

/** The smallest key beyond all that begin with `prefix`; `undefined` when there is none. */
export function prefixEnd(prefix: string): string | undefined {
  const kept = prefix.replace(/\u00ff+$/, '')
  return kept === '' ? undefined : kept.slice(0, -1) + String.fromCharCode(kept.charCodeAt(kept.length - 1) + 1)
}

/** All writes to a store, in order. */
export class History {
  /** The state after all writes. */
  readonly state = new Map<string, Value>()
  /** Every key that was ever written. */
  readonly keys = new Set<string>()
  readonly #writes: (readonly Change[])[] = []
  /** Operations up to and with each write. */
  readonly #operations: number[] = [0]

  /** Number of writes. */
  get length(): number {
    return this.#writes.length
  }

  /** Number of operations: each takes one sequence number. */
  get operationCount(): number {
    return this.#operations[this.#writes.length]!
  }

  /** Adds a write and returns its number. A write without changes is none. */
  push(changes: readonly Change[]): number {
    if (changes.length === 0) return this.length
    this.#operations.push(this.operationCount + changes.length)
    this.#writes.push(changes)
    for (const change of changes) {
      apply(this.state, change)
      this.keys.add(change[0])
    }
    return this.length
  }

  /** The number of the write that so many operations end with; `undefined` when they end inside of one. */
  writeAt(operationCount: number): number | undefined {
    const write = this.#operations.indexOf(operationCount)
    return write < 0 ? undefined : write
  }

  /** The state after write `n`. */
  stateAt(n: number): State {
    if (n === this.length) return this.state
    const state = new Map<string, Value>()
    for (let i = 0; i < n; i++) for (const change of this.#writes[i]!) apply(state, change)
    return state
  }

  /** Forgets the writes after `n`: they were lost. */
  cut(n: number): void {
    const state = this.stateAt(n)
    if (n < this.length) {
      this.state.clear()
      for (const [key, value] of state) this.state.set(key, value)
    }
    this.#writes.length = n
    this.#operations.length = n + 1
  }
}

function apply(state: Map<string, Value>, [key, value]: Change): void {
  if (value === undefined) state.delete(key)
  else state.set(key, value)
}

/** Entries of a state in the order of the store. */
export function sorted(state: State): [string, Value][] {
  return [...state].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
}

/** Fails unless both lists hold the same keys and values in the same order. `items` come from a scan with `keys: 'bytes'`. */
export function expectEntries(
  what: string,
  items: readonly (readonly [Key, Value])[],
  expected: readonly (readonly [string, Value])[],
): void {
  for (let i = 0; i < Math.max(items.length, expected.length); i++) {
    const [item, wanted] = [items[i], expected[i]]
    if (item !== undefined && wanted !== undefined && modelKey(item[0]) === wanted[0] && isSame(item[1], wanted[1])) continue
    const got = item === undefined ? 'nothing' : `${JSON.stringify(modelKey(item[0]))} = ${brief(item[1])}`
    const should = wanted === undefined ? 'nothing' : `${JSON.stringify(wanted[0])} = ${brief(wanted[1])}`
    throw new Error(`${what}: entry ${i} is ${got}, expected ${should} (${items.length} entries, expected ${expected.length})`)
  }
}

/** Fails unless a value is the expected one. */
export function expectValue(what: string, got: Value | undefined, expected: Value | undefined): void {
  if (!isSame(got, expected)) throw new Error(`${what}: got ${brief(got)}, expected ${brief(expected)}`)
}

/** Fails unless point reads and scans in both directions show this state. `keys` are looked up one by one. */
export function expectState(reader: Reader<Key>, state: State, keys: Iterable<string> = state.keys()): void {
  const expected = sorted(state)
  expectEntries('scan', reader.scan({ keys: 'bytes' }).toArraySync(), expected)
  expectEntries('reverse scan', reader.scan({ keys: 'bytes', reverse: true }).toArraySync(), expected.toReversed())
  for (const key of keys) expectValue(`get ${JSON.stringify(key)}`, reader.getSync(storeKey(key)), state.get(key))
}

function brief(value: unknown): string {
  const text = JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? `${part}n` : part)) ?? String(value)
  return text.length > 80 ? `${text.slice(0, 80)}… (${text.length})` : text
}
