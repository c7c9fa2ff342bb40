/** Single writes of the model-based test. Each can be awaited by itself, or be under way together with others. */
import * as fc from 'fast-check'
import { type BatchOperation, type Key, type Store, StoreError, type StoreErrorCode, type Value } from '../../src/index.js'
import { type Change, prefixEnd, storeKey } from '../support/history.js'
import { isSame } from '../unit/codec/same.js'
import { anyKey, anyValue } from './arbitraries.js'
import type { Model } from './subject.js'

const INT64_MAX = 2n ** 63n - 1n
const INT64_MIN = -(2n ** 63n)

/** What a write does to the model, and what it should answer. */
interface Expected {
  readonly changes: readonly Change[]
  readonly answer?: unknown
  readonly error?: StoreErrorCode
}

/** One write. */
export interface Write {
  readonly name: string
  /** What it should do to a state. */
  expect(state: ReadonlyMap<string, Value>): Expected
  /** Issues it. */
  issue(store: Store<Key>, options: { sync: boolean } | undefined): Promise<unknown>
  /** Does it on the spot. */
  issueSync(store: Store<Key>, options: { sync: boolean } | undefined): unknown
}

/** How a write is made. */
export interface Manner {
  readonly onTheSpot: boolean
  readonly sync: boolean
}

/** Mostly promises, mostly without `sync`. */
export const anyManner: fc.Arbitrary<Manner> = fc.record({
  onTheSpot: fc.constantFrom(false, false, false, true),
  sync: fc.constantFrom(false, false, false, false, true),
})

/** A write that has been issued. */
export interface Issued {
  readonly number: number
  readonly sync: boolean
  /** Resolves when it has answered as it should. */
  readonly settled: Promise<void>
}

/** Issues a write, first to the model, then to the store. Does not wait for it. */
export function issue(model: Model, store: Store<Key>, write: Write, manner: Manner): Issued {
  const { changes, answer, error } = write.expect(model.state)
  // What writes nothing promises nothing.
  const number = changes.length === 0 ? 0 : model.history.push(changes)
  const options = manner.sync ? { sync: true } : undefined
  const sync = manner.sync && changes.length > 0
  let pending: Promise<unknown>
  if (manner.onTheSpot) {
    try {
      pending = Promise.resolve(write.issueSync(store, options))
      // It came back: everything up to it is acknowledged.
      if (error === undefined && changes.length > 0) model.acknowledge(number, sync)
    } catch (thrown) {
      pending = Promise.reject(thrown)
    }
  } else pending = write.issue(store, options)
  return { number, sync, settled: expectAnswer(pending, write, answer, error) }
}

/** Waits for a write, and notes what its acknowledgement promises. */
export async function acknowledged(model: Model, { settled, number, sync }: Issued): Promise<void> {
  await settled
  model.acknowledge(number, sync)
}

async function expectAnswer(pending: Promise<unknown>, write: Write, answer: unknown, error: StoreErrorCode | undefined): Promise<void> {
  let got: unknown
  try {
    got = await pending
  } catch (thrown) {
    if (error !== undefined && thrown instanceof StoreError && thrown.code === error) return
    throw new Error(`${write.name} failed: ${String(thrown)}`, { cause: thrown })
  }
  if (error !== undefined) throw new Error(`${write.name} should have failed with ${error}`)
  if (!isSame(got, answer)) throw new Error(`${write.name} answered ${String(got)}, expected ${String(answer)}`)
}

const put = fc.tuple(anyKey, anyValue).map(([key, value]): Write => ({
  name: `put ${fc.stringify(key)} ${brief(value)}`,
  expect: () => ({ changes: [[key, value]] }),
  issue: (store, options) => store.put(storeKey(key), value, options),
  issueSync: (store, options) => store.putSync(storeKey(key), value, options),
}))

const remove = anyKey.map((key): Write => ({
  name: `delete ${fc.stringify(key)}`,
  expect: () => ({ changes: [[key, undefined]] }),
  issue: (store, options) => store.delete(storeKey(key), options),
  issueSync: (store, options) => store.deleteSync(storeKey(key), options),
}))

const anyChanges: fc.Arbitrary<Change[]> = fc.array(fc.tuple(anyKey, fc.option(anyValue, { nil: undefined, freq: 3 })), { maxLength: 6 })

const batch = fc.tuple(anyChanges, fc.boolean()).map(([changes, isChained]): Write => {
  const operations = changes.map(([key, value]): BatchOperation =>
    value === undefined ? { type: 'delete', key: storeKey(key) } : { type: 'put', key: storeKey(key), value },
  )
  const chained = (store: Store<Key>) => {
    const chain = store.batch()
    for (const [key, value] of changes) {
      if (value === undefined) chain.delete(storeKey(key))
      else chain.put(storeKey(key), value)
    }
    return chain
  }
  return {
    name: `${isChained ? 'chained ' : ''}batch ${changes.map(([key, value]) => `${fc.stringify(key)} ${brief(value)}`).join(', ')}`,
    expect: () => ({ changes }),
    issue: (store, options) => (isChained ? chained(store).write(options) : store.batch(operations, options)),
    issueSync: (store, options) => (isChained ? chained(store).writeSync(options) : store.batchSync(operations, options)),
  }
})

const putIfAbsent = fc.tuple(anyKey, anyValue).map(([key, value]): Write => ({
  name: `putIfAbsent ${fc.stringify(key)} ${brief(value)}`,
  expect: (state) => (state.has(key) ? { changes: [], answer: false } : { changes: [[key, value]], answer: true }),
  issue: (store, options) => store.putIfAbsent(storeKey(key), value, options),
  issueSync: (store, options) => store.putIfAbsentSync(storeKey(key), value, options),
}))

/** With what the key holds as the expected value, or with something else. What it holds is known only when the write is issued. */
const putIfEquals = fc
  .tuple(anyKey, anyValue, fc.option(anyValue, { nil: undefined }), fc.boolean())
  .map(([key, value, other, isRight]): Write => {
    let expected: Value | undefined
    return {
      name: `putIfEquals ${fc.stringify(key)} ${brief(value)} ${isRight ? 'as it is' : brief(other)}`,
      expect(state) {
        expected = isRight ? state.get(key) : other
        return isSame(state.get(key), expected) ? { changes: [[key, value]], answer: true } : { changes: [], answer: false }
      },
      issue: (store, options) => store.putIfEquals(storeKey(key), value, expected, options),
      issueSync: (store, options) => store.putIfEqualsSync(storeKey(key), value, expected, options),
    }
  })

const increment = fc.tuple(anyKey, fc.oneof(fc.integer(), fc.constantFrom(INT64_MAX, INT64_MIN, 1n))).map(([key, by]): Write => ({
  name: `increment ${fc.stringify(key)} ${by}`,
  expect(state) {
    const found = state.get(key)
    const before = found === undefined ? 0n : found
    const isInteger = typeof before === 'bigint' || (typeof before === 'number' && Number.isSafeInteger(before) && !Object.is(before, -0))
    if (!isInteger) return { changes: [], error: 'ERR_TYPE_MISMATCH' }
    const sum = BigInt(before) + BigInt(by)
    if (sum < INT64_MIN || sum > INT64_MAX) return { changes: [], error: 'ERR_INVALID_VALUE' }
    return { changes: [[key, Number.isSafeInteger(Number(sum)) ? Number(sum) : sum]], answer: sum }
  },
  issue: (store, options) => store.increment(storeKey(key), by, options),
  issueSync: (store, options) => store.incrementSync(storeKey(key), by, options),
}))

const deleteRange = fc.tuple(anyKey, anyKey).map(([start, end]): Write => ({
  name: `deleteRange ${fc.stringify(start)} ${fc.stringify(end)}`,
  expect: (state) => ({ changes: gone(state, start, end) }),
  issue: (store, options) => store.deleteRange(storeKey(start), storeKey(end), options),
  issueSync: (store, options) => store.deleteRangeSync(storeKey(start), storeKey(end), options),
}))

const deletePrefix = fc.oneof(anyKey, fc.constantFrom('key:', 'a', '\xff')).map((prefix): Write => ({
  name: `deletePrefix ${fc.stringify(prefix)}`,
  expect: (state) => ({ changes: gone(state, prefix, prefixEnd(prefix)) }),
  issue: (store, options) => store.deletePrefix(storeKey(prefix), options),
  issueSync: (store, options) => store.deletePrefixSync(storeKey(prefix), options),
}))

function gone(state: ReadonlyMap<string, Value>, start: string, end: string | undefined): Change[] {
  const keys = [...state.keys()].filter((key) => key >= start && (end === undefined || key < end))
  return keys.toSorted().map((key) => [key, undefined])
}

/** Any write; most are puts, so that there is something to read. */
export const anyWrite: fc.Arbitrary<Write> = fc.oneof(
  { weight: 10, arbitrary: put },
  { weight: 3, arbitrary: remove },
  { weight: 4, arbitrary: batch },
  { weight: 1, arbitrary: putIfAbsent },
  { weight: 2, arbitrary: putIfEquals },
  { weight: 2, arbitrary: increment },
  { weight: 1, arbitrary: deleteRange },
  { weight: 1, arbitrary: deletePrefix },
)

function brief(value: unknown): string {
  const text = fc.stringify(value)
  return text.length > 60 ? `${text.slice(0, 50)}…(${text.length})` : text
}
