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

/** The value that a write gave to a key. */
interface Version {
  readonly write: number
  readonly value: Value | undefined
}

/** All writes to a store, in order: a sorted map that remembers every version of every key. */
export class History {
  /** The state after all writes. */
  readonly state = new Map<string, Value>()
  /** Every key that was ever written. */
  readonly keys = new Set<string>()
  readonly #sorted: string[] = []
  /** Oldest first. */
  readonly #versions = new Map<string, Version[]>()
  /** Operations up to and with each write. */
  readonly #operations: number[] = [0]

  /** Number of writes. */
  get length(): number {
    return this.#operations.length - 1
  }

  /** Number of operations: each takes one sequence number. */
  get operationCount(): number {
    return this.#operations[this.length]!
  }

  /** Every key that was ever written, in the order of the store. */
  get sortedKeys(): readonly string[] {
    return this.#sorted
  }

  /** Adds a write and returns its number. A write without changes is none. */
  push(changes: readonly Change[]): number {
    if (changes.length === 0) return this.length
    this.#operations.push(this.operationCount + changes.length)
    for (const [key, value] of changes) this.#set(key, value)
    return this.length
  }

  /** The number of the write that so many operations end with; `undefined` when they end inside of one. */
  writeAt(operationCount: number): number | undefined {
    const write = lowerBound(this.#operations, operationCount)
    return this.#operations[write] === operationCount ? write : undefined
  }

  /** Operations up to and with write `n`. */
  operationsAt(n: number): number {
    return this.#operations[n]!
  }

  /** The value of a key after write `n`. */
  valueAt(key: string, n: number): Value | undefined {
    if (n >= this.length) return this.state.get(key)
    const versions = this.#versions.get(key)
    if (versions === undefined) return undefined
    for (let i = versions.length - 1; i >= 0; i--) if (versions[i]!.write <= n) return versions[i]!.value
    return undefined
  }

  /** The state after write `n`. */
  stateAt(n: number): State {
    if (n >= this.length) return this.state
    return new Map(this.entriesAt(n))
  }

  /** The state after write `n`, in the order of the store. */
  entriesAt(n: number): [string, Value][] {
    const entries: [string, Value][] = []
    for (const key of this.#sorted) {
      const value = this.valueAt(key, n)
      if (value !== undefined) entries.push([key, value])
    }
    return entries
  }

  /** Forgets the writes after `n`: they were lost. */
  cut(n: number): void {
    if (n >= this.length) return
    this.#operations.length = n + 1
    for (const [key, versions] of this.#versions) {
      while (versions.length > 0 && versions[versions.length - 1]!.write > n) versions.pop()
      apply(this.state, [key, versions[versions.length - 1]?.value])
    }
  }

  #set(key: string, value: Value | undefined): void {
    apply(this.state, [key, value])
    let versions = this.#versions.get(key)
    if (versions === undefined) {
      versions = []
      this.#versions.set(key, versions)
      this.keys.add(key)
      this.#sorted.splice(lowerBound(this.#sorted, key), 0, key)
    }
    // Of several changes to a key in one write only the last is ever seen.
    if (versions[versions.length - 1]?.write === this.length) versions.pop()
    versions.push({ write: this.length, value })
  }
}

function apply(state: Map<string, Value>, [key, value]: Change): void {
  if (value === undefined) state.delete(key)
  else state.set(key, value)
}

/** Index of the first element that is not less than `wanted`. */
function lowerBound<T extends string | number>(list: readonly T[], wanted: T): number {
  let low = 0
  let high = list.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (list[middle]! < wanted) low = middle + 1
    else high = middle
  }
  return low
}

/** A range of a scan, keys as the model has them. */
export interface ModelRange {
  readonly gt?: string
  readonly gte?: string
  readonly lt?: string
  readonly lte?: string
  readonly prefix?: string
  readonly reverse?: boolean
  readonly limit?: number
}

/** What a scan should give that was made after write `n`. */
export class ModelScan {
  readonly isReverse: boolean
  /** A step found nothing more. */
  isEnded = false
  /** Entries given so far. */
  count = 0
  readonly #history: History
  readonly #write: number
  /** Keys from here on, and before there. */
  readonly #lower: string
  readonly #upper: string | undefined
  #remaining: number
  /** Keys that are still to come, in the direction of the scan: from here on, or before there. */
  #next: string | undefined

  constructor(history: History, n: number, { gt, gte, lt, lte, prefix, reverse = false, limit = Infinity }: ModelRange) {
    this.#history = history
    this.#write = n
    const lowers = [gt === undefined ? '' : `${gt}\0`, gte ?? '', prefix ?? '']
    this.#lower = lowers.reduce((a, b) => (a > b ? a : b))
    const uppers = [lt, lte === undefined ? undefined : `${lte}\0`, prefix === undefined ? undefined : prefixEnd(prefix)]
    this.#upper = uppers.reduce((a, b) => (a === undefined || (b !== undefined && b < a) ? b : a))
    this.isReverse = reverse
    this.#remaining = limit
    this.#next = reverse ? this.#upper : this.#lower
  }

  /** The next so many entries; fewer at the end, which ends the scan. */
  take(count: number): [string, Value][] {
    const taken: [string, Value][] = []
    if (this.isEnded) return taken
    const most = Math.min(count, this.#remaining)
    const keys = this.#history.sortedKeys
    const step = this.isReverse ? -1 : 1
    let index = this.#next === undefined ? keys.length : lowerBound(keys, this.#next)
    if (this.isReverse) index--
    for (; taken.length < most && index >= 0 && index < keys.length; index += step) {
      const key = keys[index]!
      if (this.isReverse ? key < this.#lower : this.#upper !== undefined && key >= this.#upper) break
      const value = this.#history.valueAt(key, this.#write)
      if (value !== undefined) taken.push([key, value])
      this.#next = this.isReverse ? key : `${key}\0`
    }
    this.#remaining -= taken.length
    this.count += taken.length
    if (taken.length < count) this.isEnded = true
    return taken
  }

  seek(target: string): void {
    const after = `${target}\0`
    if (this.isReverse) this.#next = this.#upper !== undefined && this.#upper < after ? this.#upper : after
    else this.#next = target < this.#lower ? this.#lower : target
  }
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

/** As `expectState`, for the state after write `n`, without making it. */
export function expectHistory(reader: Reader<Key>, history: History, n: number, keys: Iterable<string>): void {
  const expected = new ModelScan(history, n, {}).take(Infinity)
  expectEntries('scan', reader.scan({ keys: 'bytes' }).toArraySync(), expected)
  expectEntries('reverse scan', reader.scan({ keys: 'bytes', reverse: true }).toArraySync(), expected.toReversed())
  for (const key of keys) expectValue(`get ${JSON.stringify(key)}`, reader.getSync(storeKey(key)), history.valueAt(key, n))
}

/** A value for a message. */
export function brief(value: unknown): string {
  if (typeof value === 'symbol') return value.description ?? ''
  const text = JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? `${part}n` : part)) ?? String(value)
  return text.length > 80 ? `${text.slice(0, 80)}… (${text.length})` : text
}
