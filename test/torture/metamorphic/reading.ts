/** Reads of a metamorphic run: point reads, whole scans, and snapshots and scans that stay open. */
import type { Key, Reader, ReadOptions, Scan, ScanOptions, Value } from '../../../src/index.js'
import { brief, expectValue, modelKey, type ModelRange, ModelScan } from '../../support/history.js'
import { isSame } from '../../unit/codec/same.js'
import {
  type KeySpec,
  prepareKey,
  type PreparedKey,
  type RangeSpec,
  type ReaderOperation,
  type ReadFrom,
  type ReadOperation,
  type Typed,
} from './operations.js'
import { codeOf, type SlotScan, type Subject } from './subject.js'

/** What is read, and as of which write. */
interface Source {
  readonly reader: Reader<Key>
  readonly options: ReadOptions | undefined
  readonly moment: number
}

const MISMATCH = Symbol('of another type')

/** Makes a read, and waits for it if that is its form. */
export function read(subject: Subject, operation: ReadOperation): Promise<void> | undefined {
  const source = sourceOf(subject, operation)
  if (source === undefined) return undefined
  if (operation.op === 'scan') return wholeScan(subject, operation, source)
  const expected = expectedOf(subject, operation, source.moment)
  if (operation.form === 'sync') {
    let got: unknown
    try {
      got = callRead(subject, operation, source)
    } catch (error) {
      if (codeOf(error) !== 'ERR_TYPE_MISMATCH') throw error
      got = MISMATCH
    }
    subject.returned()
    expectRead(operation, got, expected)
    return undefined
  }
  const promise = callRead(subject, operation, source) as Promise<unknown>
  subject.returned()
  const end = readEnded(subject, operation, promise, expected)
  if (operation.form !== 'later') return end
  subject.later(end)
  return undefined
}

/** `undefined` when the snapshot's slot is empty. */
function sourceOf(subject: Subject, { snapshot: slot, asOption }: ReadFrom): Source | undefined {
  const { store } = subject
  if (slot === undefined) return { reader: store, options: undefined, moment: subject.moment() }
  const snapshot = subject.snapshots[slot]
  if (snapshot === undefined) return undefined
  const { handle, write: moment } = snapshot
  return asOption === true ? { reader: store, options: { snapshot: handle }, moment } : { reader: handle, options: undefined, moment }
}

async function readEnded(subject: Subject, operation: ReadOperation, promise: Promise<unknown>, expected: unknown): Promise<void> {
  const { closings } = subject
  let got: unknown
  try {
    got = await promise
  } catch (error) {
    const code = codeOf(error)
    if (code === 'ERR_NOT_OPEN' && subject.closings > closings) return
    if (code !== 'ERR_TYPE_MISMATCH') throw error
    got = MISMATCH
  }
  expectRead(operation, got, expected)
}

function expectRead(operation: ReadOperation, got: unknown, expected: unknown): void {
  if (!isSame(got, expected)) throw new Error(`${operation.op} gave ${brief(got)}, expected ${brief(expected)}`)
}

function expectedOf({ history }: Subject, operation: Exclude<ReadOperation, { op: 'scan' }>, moment: number): unknown {
  if (operation.op === 'getMany') return operation.keys.map((key) => history.valueAt(prepareKey(key).model, moment))
  const value = history.valueAt(prepareKey(operation.key).model, moment)
  if (operation.op === 'has') return value !== undefined
  if (operation.typed === undefined || value === undefined) return value
  if (typeOf(value) !== operation.typed) return MISMATCH
  return operation.typed === 'Int64' ? BigInt(value as number | bigint) : value
}

function typeOf(value: Value): Typed {
  if (typeof value === 'string') return 'String'
  if (typeof value === 'boolean') return 'Bool'
  if (typeof value === 'bigint') return 'Int64'
  if (typeof value === 'number') return Number.isSafeInteger(value) && !Object.is(value, -0) ? 'Int64' : 'Float64'
  return value instanceof Uint8Array ? 'Bytes' : 'Record'
}

function callRead(subject: Subject, operation: Exclude<ReadOperation, { op: 'scan' }>, { reader, options }: Source): unknown {
  const isSync = operation.form === 'sync'
  if (operation.op === 'getMany') {
    const keys = operation.keys.map((key) => subject.key(prepareKey(key)))
    return isSync ? reader.getManySync(keys, options) : reader.getMany(keys, options)
  }
  const key = subject.key(prepareKey(operation.key))
  if (operation.op === 'has') return isSync ? reader.hasSync(key, options) : reader.has(key, options)
  if (operation.typed !== undefined)
    return isSync ? reader[`get${operation.typed}Sync`](key, options) : reader[`get${operation.typed}`](key, options)
  // Borrowed memory holds only until the store is called again.
  const isShared = operation.shared === true && (isSync || (operation.form === undefined && subject.isSettled))
  const how = isShared ? { ...options, copy: false } : options
  return isSync ? reader.getSync(key, how) : reader.get(key, how)
}

function rangeOf(range: RangeSpec): ModelRange {
  const model: Record<string, unknown> = {}
  for (const [name, bound] of Object.entries(range)) {
    model[name] = name === 'reverse' || name === 'limit' ? bound : prepareKey(bound as KeySpec).model
  }
  return model
}

function scanOptions(subject: Subject, range: RangeSpec, options: ReadOptions | undefined): ScanOptions {
  const given: Record<string, unknown> = { ...options }
  for (const [name, bound] of Object.entries(range)) {
    given[name] = name === 'reverse' || name === 'limit' ? bound : subject.key(prepareKey(bound as KeySpec))
  }
  if (subject.set.given !== 'text') Object.assign(given, { keys: 'bytes', fillCache: false })
  return given
}

function makeScan(
  subject: Subject,
  shape: 'entries' | 'keys' | 'values',
  range: RangeSpec,
  { reader, options }: Source,
  signal?: AbortSignal,
): Scan<unknown, Key> {
  const how = { ...scanOptions(subject, range, options), ...(signal === undefined ? {} : { signal }) }
  let scan: Scan<unknown, Key>
  if (shape === 'values') scan = reader.values(how)
  else if (shape === 'keys') scan = reader.keys(how)
  else if (how.prefix !== undefined) {
    const { prefix, ...others } = how
    scan = reader.scanPrefix(prefix, others)
  } else scan = reader.scan(how)
  subject.returned()
  return scan
}

/** The making is at the call; the rest may take a while. */
async function wholeScan(subject: Subject, operation: ReadOperation & { op: 'scan' }, source: Source): Promise<void> {
  const { range, shape, how, breakAfter = Infinity } = operation
  const expected = new ModelScan(subject.history, source.moment, rangeOf(range)).take(Infinity)
  const scan = makeScan(subject, shape, range, source)
  const got: unknown[] = []
  if (how === 'toArraySync') got.push(...scan.toArraySync())
  else if (how === 'toArray') got.push(...(await scan.toArray()))
  else if (how === 'nextv') {
    for (let items = await scan.nextv(7); items.length > 0; items = await scan.nextv(7)) got.push(...items)
  } else if (how === 'for') {
    for (const item of scan) if (got.push(item) > breakAfter) break
  } else {
    for await (const item of scan) if (got.push(item) > breakAfter) break
  }
  const isBroken = how.startsWith('for') && got.length > breakAfter
  expectItems('scan', shape, got, isBroken ? expected.slice(0, breakAfter + 1) : expected)
}

/** Fails unless the items of a scan are these entries, as far as its shape shows them. */
function expectItems(
  what: string,
  shape: 'entries' | 'keys' | 'values',
  items: readonly unknown[],
  expected: readonly (readonly [string, Value])[],
): void {
  if (items.length !== expected.length) {
    throw new Error(`${what} gave ${items.length} items, expected ${expected.length}: ${differing(items, expected)}`)
  }
  for (let i = 0; i < items.length; i++) {
    const [key, value] = expected[i]!
    const item = items[i]
    if (shape !== 'values') {
      const got = (shape === 'keys' ? item : (item as [Key, Value])[0]) as Key
      if (!isKey(got, key)) throw new Error(`${what}: item ${i} has key ${JSON.stringify(modelKey(got))}, expected ${JSON.stringify(key)}`)
    }
    if (shape !== 'keys') expectValue(`${what}: item ${i}`, (shape === 'values' ? item : (item as [Key, Value])[1]) as Value, value)
  }
}

function differing(items: readonly unknown[], expected: readonly (readonly [string, Value])[]): string {
  const got = items.map((item) => (Array.isArray(item) ? modelKey(item[0] as Key) : brief(item)))
  return `${brief(got)} and not ${brief(expected.map(([key]) => key))}`
}

/** A key that is no text does not come back as a string. */
function isKey(got: Key, model: string): boolean {
  if (typeof got !== 'string') return modelKey(got) === model
  const { text }: PreparedKey = prepareKey(model)
  return text === undefined || text === got
}

/** An operation on a slot. */
export async function useSlot(subject: Subject, operation: ReaderOperation): Promise<void> {
  const { slot } = operation
  switch (operation.op) {
    case 'openSnapshot':
      closeSnapshot(subject, slot)
      subject.snapshots[slot] = openSnapshot(subject)
      return
    case 'closeSnapshot':
      return closeSnapshot(subject, slot)
    case 'openScan':
      return openScan(subject, operation)
    default: {
      const scan = subject.scans[slot]
      if (scan === undefined) return
      if (operation.op === 'step') return step(subject, scan, operation)
      // What they do to steps that are under way is open.
      if (scan.stepsUnderWay > 0 && !(operation.op === 'closeScan' && operation.how === 'close')) await subject.settle()
      if (operation.op === 'seek') seek(subject, scan, prepareKey(operation.key))
      else await endScan(subject, scan, operation.how)
    }
  }
}

function openSnapshot(subject: Subject): { handle: ReturnType<Subject['store']['snapshot']>; write: number } {
  const handle = subject.store.snapshot()
  const write = subject.writeAt(handle.sequence, subject.acknowledged, 'a snapshot sees')
  if (subject.writesUnderWay === 0 && write !== subject.history.length) throw new Error(`a snapshot sees write ${write} and not the last`)
  return { handle, write }
}

function closeSnapshot(subject: Subject, slot: number): void {
  const snapshot = subject.snapshots[slot]
  if (snapshot === undefined) return
  snapshot.handle.close()
  subject.snapshots[slot] = undefined
  if (snapshot.handle.isOpen) throw new Error('a snapshot that was closed is open')
}

async function openScan(subject: Subject, operation: ReaderOperation & { op: 'openScan' }): Promise<void> {
  const { slot, range, shape } = operation
  const before = subject.scans[slot]
  if (before !== undefined) await endScan(subject, before, 'close')
  const source = sourceOf(subject, operation)
  if (source === undefined) return
  const model = new ModelScan(subject.history, source.moment, rangeOf(range))
  const abort = new AbortController()
  const handle = makeScan(subject, shape, range, source, abort.signal)
  subject.scans[slot] = { handle, model, shape, abort, refusal: undefined, stepsUnderWay: 0 }
}

async function step(subject: Subject, scan: SlotScan, { how, count, form }: ReaderOperation & { op: 'step' }): Promise<void> {
  if (how === 'nextSync' && scan.stepsUnderWay > 0) await subject.settle()
  const refusal = scan.model.isEnded ? undefined : scan.refusal
  const expected = refusal === undefined ? scan.model.take(count) : []
  scan.stepsUnderWay++
  const end = take(subject, scan, how, count, refusal, expected)
  if (form !== 'later' || how === 'nextSync') return end
  subject.later(end)
}

async function take(
  subject: Subject,
  scan: SlotScan,
  how: 'next' | 'nextSync' | 'nextv',
  count: number,
  refusal: string | undefined,
  expected: readonly (readonly [string, Value])[],
): Promise<void> {
  const { handle } = scan
  const { closings } = subject
  let items: unknown[] = []
  try {
    if (how === 'nextv') items = await handle.nextv(count)
    else if (how === 'nextSync') items = stepsSync(handle, count)
    // Steps queue: none waits for the one before it.
    else items = (await Promise.all(Array.from({ length: count }, () => handle.next()))).filter((item) => item !== undefined)
  } catch (error) {
    const code = codeOf(error)
    if (code === refusal || (code === 'ERR_NOT_OPEN' && subject.closings > closings)) return
    throw error
  } finally {
    scan.stepsUnderWay--
  }
  if (refusal !== undefined) throw new Error(`a scan that was ended gave ${items.length} items, expected ${refusal}`)
  expectItems('open scan', scan.shape, items, expected)
  if (scan.stepsUnderWay === 0 && handle.count !== scan.model.count) {
    throw new Error(`a scan counts ${handle.count} items, expected ${scan.model.count}`)
  }
}

function stepsSync(handle: Scan<unknown, Key>, count: number): unknown[] {
  const items: unknown[] = []
  for (let i = 0; i < count; i++) {
    const item = handle.nextSync()
    if (item === undefined) break
    items.push(item)
  }
  return items
}

function seek(subject: Subject, { handle, model, refusal }: SlotScan, key: PreparedKey): void {
  const code = model.isEnded ? 'ERR_NOT_OPEN' : refusal
  try {
    handle.seek(subject.key(key))
  } catch (error) {
    if (codeOf(error) === code) return
    throw error
  } finally {
    subject.returned()
  }
  if (code !== undefined) throw new Error(`a scan that was ended can be moved, expected ${code}`)
  model.seek(key.model)
}

async function endScan(subject: Subject, scan: SlotScan, how: 'close' | 'closeSync' | 'abort'): Promise<void> {
  if (how === 'close') await scan.handle.close()
  else if (how === 'closeSync') scan.handle.closeSync()
  else scan.abort.abort(new Error('enough'))
  scan.refusal ??= how === 'abort' ? 'ERR_ABORTED' : 'ERR_NOT_OPEN'
  subject.throwFailure()
}
