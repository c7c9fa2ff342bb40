/**
 * The load under which processes are killed: writes of every kind over a few hundred keys, which follow from a seed, and what they make of
 * the keys. The process that writes and the one that judges what is left of it both know them.
 */
import type { Batch, Store, Value } from '../../../src/index.js'
import { Random } from '../../../src/util/random.js'
import type { State } from '../../support/history.js'

/** One write. `how`: by promise, or on the spot. */
export interface Write {
  readonly kind: 'put' | 'delete' | 'batch' | 'increment' | 'putIfAbsent' | 'putIfEquals' | 'deletePrefix' | 'deleteRange'
  readonly key: string
  /** Behind the last key of `deleteRange`. */
  readonly end: string
  readonly value: Value
  /** Of a batch. */
  readonly changes: readonly (readonly [string, Value | undefined])[]
  /** Whether the expectation of `putIfEquals` is right. */
  readonly isExpected: boolean
  readonly isSync: boolean
  readonly isDurable: boolean
}

/** What a write does to a state: keys with new values, or `undefined` for those that go. */
export type Changes = readonly (readonly [string, Value | undefined])[]

/** Keys of each kind. */
const PLAIN_KEYS = 120
const GROUPS = 4
const PAIRS = 8

/** Batches write these with equal values. */
export const PAIR_PREFIXES = ['b:', 'y:'] as const

/** An endless list of writes. */
export class Load {
  readonly #random: Random
  readonly #label: string
  readonly #hasLongKeys: boolean
  readonly #durablePercent: number
  #number = 0

  /** @param hasLongKeys makes bounds of tables long, and so edits of the manifest, which then rolls over soon */
  constructor(seed: number, hasLongKeys: boolean) {
    this.#random = new Random(seed)
    this.#label = seed.toString(36)
    this.#hasLongKeys = hasLongKeys
    this.#durablePercent = this.#random.pick([0, 1, 5])
  }

  /** The next write. */
  next(): Write {
    const random = this.#random
    this.#number++
    const kind = this.#kind()
    const group = `${random.pick(['g', 'r'])}${random.below(GROUPS)}:`
    const start = random.below(30)
    return {
      kind,
      key: kind === 'increment' ? `n${random.below(4)}` : kind === 'deletePrefix' ? group : this.#key(),
      end: `k${String(start + random.below(20)).padStart(3, '0')}`,
      value: this.#value(),
      changes: kind === 'batch' ? this.#batch() : [],
      isExpected: random.chance(0.6),
      isSync: random.chance(0.2),
      isDurable: random.below(100) < this.#durablePercent,
    }
  }

  #kind(): Write['kind'] {
    const n = this.#random.below(100)
    if (n < 45) return 'put'
    if (n < 60) return 'batch'
    if (n < 75) return 'delete'
    if (n < 83) return 'increment'
    if (n < 89) return 'putIfAbsent'
    if (n < 96) return 'putIfEquals'
    return n < 98 ? 'deletePrefix' : 'deleteRange'
  }

  #key(): string {
    const random = this.#random
    const n = random.below(100)
    if (this.#hasLongKeys && n < 6) return (n < 3 ? '!' : '~').repeat(1500 + random.below(3))
    if (n < 30) return `${random.pick(['g', 'r'])}${random.below(GROUPS)}:${random.below(20)}`
    return `k${String(random.below(PLAIN_KEYS)).padStart(3, '0')}`
  }

  /** A pair, and others around it. */
  #batch(): Changes {
    const pair = this.#random.below(PAIRS)
    const value = this.#random.chance(0.8) ? this.#value() : undefined
    const changes: [string, Value | undefined][] = PAIR_PREFIXES.map((prefix) => [`${prefix}${pair}`, value])
    for (let i = this.#random.below(6); i > 0; i--) changes.push([this.#key(), this.#random.chance(0.7) ? this.#value() : undefined])
    return changes
  }

  #value(): Value {
    const random = this.#random
    const text = `${this.#label}.${this.#number}`
    const n = random.below(100)
    if (n < 60) return text + 'x'.repeat(random.below(300))
    if (n < 70) return this.#number
    if (n < 80) return Buffer.from(text)
    if (n < 85) return this.#number + 0.5
    if (n < 97) return { text, n: this.#number, list: [true, null, random.below(10)] }
    return text.repeat(random.below(300))
  }
}

/** What a write changes in a state. */
export function changesOf(write: Write, state: State): Changes {
  const { kind, key, value } = write
  if (kind === 'put') return [[key, value]]
  if (kind === 'delete') return [[key, undefined]]
  if (kind === 'batch') return write.changes
  if (kind === 'increment') return [[key, ((state.get(key) as number | undefined) ?? 0) + 1]]
  if (kind === 'putIfAbsent') return state.has(key) ? [] : [[key, value]]
  if (kind === 'putIfEquals') return write.isExpected ? [[key, value]] : []
  const isGone =
    kind === 'deletePrefix' ? (each: string) => each.startsWith(key) : (each: string) => each >= startOf(write) && each < write.end
  return [...state.keys()].filter(isGone).map((each) => [each, undefined])
}

/** Makes the changes. */
export function applyChanges(state: Map<string, Value>, changes: Changes): void {
  for (const [key, value] of changes) {
    if (value === undefined) state.delete(key)
    else state.set(key, value)
  }
}

function startOf({ end }: Write): string {
  return `k${String(Math.max(0, Number(end.slice(1)) - 8)).padStart(3, '0')}`
}

/** Makes a write by promise. Fails when the answer is not the one that follows from `state`, the state before it. */
export async function issue(store: Store, write: Write, state: State): Promise<void> {
  const { kind, key, value } = write
  const options = { sync: write.isDurable }
  if (kind === 'put') return store.put(key, value, options)
  if (kind === 'delete') return store.delete(key, options)
  if (kind === 'batch') return batchOf(store, write).write(options)
  if (kind === 'deletePrefix') return store.deletePrefix(key, options)
  if (kind === 'deleteRange') return store.deleteRange(startOf(write), write.end, options)
  // What is expected is found out now: other writes follow before the answer.
  const answer = answerTo(write, state)
  if (kind === 'increment') return checkAnswer(write, await store.increment(key, 1, options), answer)
  if (kind === 'putIfAbsent') return checkAnswer(write, await store.putIfAbsent(key, value, options), answer)
  return checkAnswer(write, await store.putIfEquals(key, value, expectationOf(write, state), options), answer)
}

/** As `issue`, on the spot. */
export function issueSync(store: Store, write: Write, state: State): void {
  const { kind, key, value } = write
  const options = { sync: write.isDurable }
  if (kind === 'put') return store.putSync(key, value, options)
  if (kind === 'delete') return store.deleteSync(key, options)
  if (kind === 'batch') return batchOf(store, write).writeSync(options)
  if (kind === 'deletePrefix') return store.deletePrefixSync(key, options)
  if (kind === 'deleteRange') return store.deleteRangeSync(startOf(write), write.end, options)
  const answer = answerTo(write, state)
  if (kind === 'increment') return checkAnswer(write, store.incrementSync(key, 1, options), answer)
  if (kind === 'putIfAbsent') return checkAnswer(write, store.putIfAbsentSync(key, value, options), answer)
  return checkAnswer(write, store.putIfEqualsSync(key, value, expectationOf(write, state), options), answer)
}

function batchOf(store: Store, { changes }: Write): Batch {
  const batch = store.batch()
  for (const [key, value] of changes) {
    if (value === undefined) batch.delete(key)
    else batch.put(key, value)
  }
  return batch
}

function expectationOf(write: Write, state: State): Value | undefined {
  return write.isExpected ? state.get(write.key) : 'nothing that is ever put'
}

function answerTo(write: Write, state: State): unknown {
  if (write.kind === 'increment') return BigInt(((state.get(write.key) as number | undefined) ?? 0) + 1)
  return write.kind === 'putIfAbsent' ? !state.has(write.key) : write.isExpected
}

function checkAnswer({ kind, key }: Write, answer: unknown, expected: unknown): void {
  if (answer !== expected) throw new Error(`${kind} of ${JSON.stringify(key)} answered ${String(answer)}, not ${String(expected)}`)
}
