/** Writes of a metamorphic run: what each should do to the model, and how it is called. */
import type { Batch, BatchOperation, Key, StoreErrorCode, Value, WriteOptions } from '../../../src/index.js'
import { type Change, type History, ModelScan, prefixEnd } from '../../support/history.js'
import { isSame } from '../../unit/codec/same.js'
import { asInteger, type BatchStep, makeValue, prepareKey, type WriteOperation } from './operations.js'
import { codeOf, type Subject } from './subject.js'

const INT64_MAX = 2n ** 63n - 1n
const INT64_MIN = -(2n ** 63n)

/** What a write does to the model, and what it should answer. */
interface Expected {
  readonly changes: readonly Change[]
  readonly answer?: unknown
  readonly error?: StoreErrorCode
}

/** Issues a write, first to the model, then to the store, and waits for it if that is its form. */
export function write(subject: Subject, operation: WriteOperation): Promise<void> | undefined {
  const { history } = subject
  const before = operation.op === 'putIfEquals' ? history.state.get(prepareKey(operation.key).model) : undefined
  const expected = expectation(history, operation)
  // What writes nothing promises nothing.
  const number = expected.changes.length === 0 ? 0 : history.push(expected.changes)
  if (operation.form === 'sync') {
    writeSync(subject, operation, expected, before)
    return undefined
  }
  const promise = call(subject, operation, before) as Promise<unknown>
  subject.returned()
  subject.writesUnderWay++
  if (number > 0) subject.unacknowledged.add(number)
  const end = ended(subject, promise, operation, expected, number)
  if (operation.form !== 'later') return end
  subject.later(end)
  return undefined
}

function writeSync(subject: Subject, operation: WriteOperation, expected: Expected, before: Value | undefined): void {
  let answer: unknown
  try {
    answer = call(subject, operation, before)
  } catch (error) {
    if (codeOf(error) === expected.error) return
    throw new Error(`${operation.op} failed: ${String(error)}`, { cause: error })
  } finally {
    subject.returned()
  }
  expectAnswer(operation, expected, answer)
  if (expected.changes.length > 0) subject.acknowledge(subject.history.length, operation.durable === true)
}

async function ended(
  subject: Subject,
  promise: Promise<unknown>,
  operation: WriteOperation,
  expected: Expected,
  number: number,
): Promise<void> {
  let answer: unknown
  try {
    answer = await promise
  } catch (error) {
    if (codeOf(error) === expected.error) return
    throw new Error(`${operation.op} failed: ${String(error)}`, { cause: error })
  } finally {
    subject.writesUnderWay--
  }
  expectAnswer(operation, expected, answer)
  if (number === 0) return
  subject.acknowledge(number, operation.durable === true)
  await subject.resolved(number)
}

function expectAnswer({ op }: WriteOperation, { answer, error }: Expected, got: unknown): void {
  if (error !== undefined) throw new Error(`${op} answered ${String(got)}, and should have failed with ${error}`)
  if (!isSame(got, answer)) throw new Error(`${op} answered ${String(got)}, expected ${String(answer)}`)
}

function expectation(history: History, operation: WriteOperation): Expected {
  const { state } = history
  switch (operation.op) {
    case 'put':
      return { changes: [[prepareKey(operation.key).model, makeValue(operation.value)]] }
    case 'delete':
      return { changes: [[prepareKey(operation.key).model, undefined]] }
    case 'batch':
      return { changes: changesOf(operation.steps, operation.chained === true) }
    case 'putIfAbsent': {
      const { model } = prepareKey(operation.key)
      return state.has(model) ? { changes: [], answer: false } : { changes: [[model, makeValue(operation.value)]], answer: true }
    }
    case 'putIfEquals': {
      const { model } = prepareKey(operation.key)
      const isEqual = operation.expected === undefined || isSame(state.get(model), makeValue(operation.expected))
      return isEqual ? { changes: [[model, makeValue(operation.value)]], answer: true } : { changes: [], answer: false }
    }
    case 'increment':
      return incremented(state.get(prepareKey(operation.key).model), operation)
    case 'deleteRange':
      return { changes: deleted(history, prepareKey(operation.start).model, prepareKey(operation.end).model) }
    case 'deletePrefix': {
      const { model } = prepareKey(operation.prefix)
      return { changes: deleted(history, model, prefixEnd(model)) }
    }
  }
}

function changesOf(steps: readonly BatchStep[], isChained: boolean): Change[] {
  const changes: Change[] = []
  for (const step of steps) {
    if (step === 'clear') {
      if (isChained) changes.length = 0
    } else changes.push([prepareKey(step[0]).model, step[1] === undefined ? undefined : makeValue(step[1])])
  }
  return changes
}

function incremented(found: Value | undefined, { key, by }: WriteOperation & { op: 'increment' }): Expected {
  const before = found ?? 0
  const isInteger =
    found !== null && (typeof before === 'bigint' || (typeof before === 'number' && Number.isSafeInteger(before) && !Object.is(before, -0)))
  if (!isInteger) return { changes: [], error: 'ERR_TYPE_MISMATCH' }
  const sum = BigInt(before) + BigInt(typeof by === 'number' ? by : by.bigint)
  if (sum < INT64_MIN || sum > INT64_MAX) return { changes: [], error: 'ERR_INVALID_VALUE' }
  return { changes: [[prepareKey(key).model, asInteger(sum)]], answer: sum }
}

function deleted(history: History, start: string, end: string | undefined): Change[] {
  const range = end === undefined ? { gte: start } : { gte: start, lt: end }
  return new ModelScan(history, history.length, range).take(Infinity).map(([key]) => [key, undefined])
}

/** Calls the method: what it returns is a promise unless the form is `sync`. */
function call(subject: Subject, operation: WriteOperation, before: Value | undefined): unknown {
  const { store } = subject
  const isSync = operation.form === 'sync'
  const options: WriteOptions | undefined = operation.durable === true ? { sync: true } : undefined
  switch (operation.op) {
    case 'put':
      return put(subject, operation, options)
    case 'delete': {
      const key = subject.key(prepareKey(operation.key))
      return isSync ? store.deleteSync(key, options) : store.delete(key, options)
    }
    case 'batch':
      return batch(subject, operation, options)
    case 'putIfAbsent': {
      const key = subject.key(prepareKey(operation.key))
      const value = makeValue(operation.value)
      return isSync ? store.putIfAbsentSync(key, value, options) : store.putIfAbsent(key, value, options)
    }
    case 'putIfEquals': {
      const key = subject.key(prepareKey(operation.key))
      const value = makeValue(operation.value)
      const expected = operation.expected === undefined ? before : makeValue(operation.expected)
      return isSync ? store.putIfEqualsSync(key, value, expected, options) : store.putIfEquals(key, value, expected, options)
    }
    case 'increment': {
      const key = subject.key(prepareKey(operation.key))
      const by = typeof operation.by === 'number' ? operation.by : BigInt(operation.by.bigint)
      return isSync ? store.incrementSync(key, by, options) : store.increment(key, by, options)
    }
    case 'deleteRange': {
      const start = subject.key(prepareKey(operation.start))
      const end = subject.key(prepareKey(operation.end))
      return isSync ? store.deleteRangeSync(start, end, options) : store.deleteRange(start, end, options)
    }
    case 'deletePrefix': {
      const prefix = subject.key(prepareKey(operation.prefix))
      return isSync ? store.deletePrefixSync(prefix, options) : store.deletePrefix(prefix, options)
    }
  }
}

function put(subject: Subject, operation: WriteOperation & { op: 'put' }, options: WriteOptions | undefined): unknown {
  const { store } = subject
  const key = subject.key(prepareKey(operation.key))
  const value = makeValue(operation.value)
  const isSync = operation.form === 'sync'
  if (operation.typed !== true) return isSync ? store.putSync(key, value, options) : store.put(key, value, options)
  if (typeof value === 'string') return isSync ? store.putStringSync(key, value, options) : store.putString(key, value, options)
  if (typeof value === 'boolean') return isSync ? store.putBoolSync(key, value, options) : store.putBool(key, value, options)
  if (value instanceof Uint8Array) return isSync ? store.putBytesSync(key, value, options) : store.putBytes(key, value, options)
  if (typeof value === 'object') return isSync ? store.putRecordSync(key, value, options) : store.putRecord(key, value, options)
  if (typeof value === 'bigint') return isSync ? store.putInt64Sync(key, value, options) : store.putInt64(key, value, options)
  if (Object.is(value, asStored(value)))
    return isSync ? store.putInt64Sync(key, value, options) : store.putInt64(key, BigInt(value), options)
  return isSync ? store.putFloat64Sync(key, value, options) : store.putFloat64(key, value, options)
}

/** The number if it is stored as an integer. */
function asStored(value: number): number | undefined {
  return Number.isSafeInteger(value) && !Object.is(value, -0) ? value : undefined
}

function batch(subject: Subject, operation: WriteOperation & { op: 'batch' }, options: WriteOptions | undefined): unknown {
  const { store } = subject
  const isSync = operation.form === 'sync'
  if (operation.chained === true) {
    const chain = store.batch()
    let count = 0
    for (const step of operation.steps) {
      count = step === 'clear' ? 0 : count + 1
      if (step === 'clear') chain.clear()
      else chainStep(chain, subject.key(prepareKey(step[0])), step[1] === undefined ? undefined : makeValue(step[1]))
      subject.returned()
    }
    if (chain.length !== count) throw new Error(`the chained batch counts ${chain.length} operations, expected ${count}`)
    return isSync ? chain.writeSync(options) : chain.write(options)
  }
  const operations: BatchOperation[] = []
  for (const step of operation.steps) {
    if (step === 'clear') continue
    const key = subject.key(prepareKey(step[0]))
    operations.push(step[1] === undefined ? { type: 'delete', key } : { type: 'put', key, value: makeValue(step[1]) })
  }
  return isSync ? store.batchSync(operations, options) : store.batch(operations, options)
}

/** By the typed methods where there is one. */
function chainStep(chain: Batch, key: Key, value: Value | undefined): void {
  if (value === undefined) chain.delete(key)
  else if (typeof value === 'string') chain.putString(key, value)
  else if (typeof value === 'boolean') chain.putBool(key, value)
  else if (typeof value === 'bigint') chain.putInt64(key, value)
  else if (value instanceof Uint8Array) chain.putBytes(key, value)
  else if (typeof value === 'object') chain.putRecord(key, value)
  else if (asStored(value) === undefined) chain.putFloat64(key, value)
  else chain.put(key, value)
}
