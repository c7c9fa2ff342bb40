/**
 * Histories: what a metamorphic run does, as plain JSON, so that a case can be kept in a file.
 *
 * An operation says what is asked, never what comes of it: that follows from the model when it is run. So any operation can be left out and
 * what remains is still a history, which is what shrinking rests on. Snapshots and scans are named by slots; an operation on an empty slot
 * does nothing.
 */
import type { CompressionName, ReadMode, Value, WalSync } from '../../../src/index.js'
import { Random } from '../../../src/util/random.js'

/** A key: a Latin-1 string of its bytes, or a long one as a text that is repeated. */
export type KeySpec = string | { readonly repeat: string; readonly times: number }

/** A value: itself where JSON has it, or what to make. */
export type ValueSpec =
  | number
  | string
  | boolean
  | null
  | { readonly float: 'NaN' | 'Infinity' | '-Infinity' | '-0' }
  | { readonly bigint: string }
  /** So many characters; of `seed` 0 all alike, else hard to compress. */
  | { readonly text: number; readonly seed: number }
  | { readonly bytes: number; readonly seed: number }
  | { readonly record: number; readonly seed: number }

/** How an operation is called: by its promise, which is awaited (the default) or left under way, or on the spot. */
export type Form = 'later' | 'sync'

/** A range of a scan, with keys as they are noted. */
export interface RangeSpec {
  readonly gt?: KeySpec
  readonly gte?: KeySpec
  readonly lt?: KeySpec
  readonly lte?: KeySpec
  readonly prefix?: KeySpec
  readonly reverse?: true
  readonly limit?: number
}

interface Called {
  readonly form?: Form
}

interface Written extends Called {
  /** The write's own option `sync`. */
  readonly durable?: true
}

/** One operation of a batch: a key without a value is deleted; `'clear'` forgets what came before it in a chained batch. */
export type BatchStep = readonly [key: KeySpec, value?: ValueSpec] | 'clear'

/** Operations that write. */
export type WriteOperation =
  | ({ readonly op: 'put'; readonly key: KeySpec; readonly value: ValueSpec; readonly typed?: true } & Written)
  | ({ readonly op: 'delete'; readonly key: KeySpec } & Written)
  | ({ readonly op: 'batch'; readonly steps: readonly BatchStep[]; readonly chained?: true } & Written)
  | ({ readonly op: 'putIfAbsent'; readonly key: KeySpec; readonly value: ValueSpec } & Written)
  /** Without `expected` with what the key holds. */
  | ({ readonly op: 'putIfEquals'; readonly key: KeySpec; readonly value: ValueSpec; readonly expected?: ValueSpec } & Written)
  | ({ readonly op: 'increment'; readonly key: KeySpec; readonly by: number | { readonly bigint: string } } & Written)
  | ({ readonly op: 'deleteRange'; readonly start: KeySpec; readonly end: KeySpec } & Written)
  | ({ readonly op: 'deletePrefix'; readonly prefix: KeySpec } & Written)

/** What a read reads: the store, a snapshot's slot, or the store with the snapshot as an option. */
export interface ReadFrom {
  readonly snapshot?: number
  readonly asOption?: true
}

/** Typed getters. */
export type Typed = 'String' | 'Int64' | 'Float64' | 'Bool' | 'Bytes' | 'Record'

/** Operations that read. */
export type ReadOperation =
  | ({ readonly op: 'get'; readonly key: KeySpec; readonly typed?: Typed; readonly shared?: true } & ReadFrom & Called)
  | ({ readonly op: 'getMany'; readonly keys: readonly KeySpec[] } & ReadFrom & Called)
  | ({ readonly op: 'has'; readonly key: KeySpec } & ReadFrom & Called)
  /** A scan from its making to its end, or to where it is broken off. */
  | ({
      readonly op: 'scan'
      readonly range: RangeSpec
      readonly shape: 'entries' | 'keys' | 'values'
      readonly how: 'toArray' | 'toArraySync' | 'for' | 'forAwait' | 'nextv'
      readonly breakAfter?: number
    } & ReadFrom)

/** Operations on snapshots and scans that stay open. */
export type ReaderOperation =
  | { readonly op: 'openSnapshot'; readonly slot: number }
  | { readonly op: 'closeSnapshot'; readonly slot: number }
  | ({
      readonly op: 'openScan'
      readonly slot: number
      readonly range: RangeSpec
      readonly shape: 'entries' | 'keys' | 'values'
    } & ReadFrom)
  | {
      readonly op: 'step'
      readonly slot: number
      readonly how: 'next' | 'nextSync' | 'nextv'
      readonly count: number
      readonly form?: 'later'
    }
  | { readonly op: 'seek'; readonly slot: number; readonly key: KeySpec }
  | { readonly op: 'closeScan'; readonly slot: number; readonly how: 'close' | 'closeSync' | 'abort' }

/** Operations on the store as a whole. */
export type StoreOperation =
  | ({ readonly op: 'flush' } & Called)
  | ({ readonly op: 'sync' } & Called)
  | ({ readonly op: 'compact'; readonly range?: RangeSpec } & Called)
  /** Waits for all that is under way. */
  | { readonly op: 'settle' }
  | { readonly op: 'turns'; readonly count: number }
  /** Time goes by. */
  | { readonly op: 'idle'; readonly ms: number }
  | { readonly op: 'check' }
  | { readonly op: 'stats' }
  | { readonly op: 'bad'; readonly which: string; readonly form?: 'sync' }
  | { readonly op: 'reopen'; readonly close: 'close' | 'closeSync'; readonly open: 'open' | 'openSync' }
  /** A synced crash loses nothing. Where the disk cannot crash it is a closing and opening. */
  | { readonly op: 'crash'; readonly kind: 'kill' | 'power'; readonly synced: boolean; readonly percent: number; readonly seed: number }
  /** Another process looks, read-only. */
  | { readonly op: 'visit' }
  /** All files are looked at from outside. */
  | { readonly op: 'verify' }
  | { readonly op: 'size'; readonly range: RangeSpec }

/** One operation. */
export type Operation = WriteOperation | ReadOperation | ReaderOperation | StoreOperation

/** Slots of each kind. */
export const SNAPSHOT_SLOTS = 4
export const SCAN_SLOTS = 5

/** Options of a store that JSON can hold. */
export interface JsonOptions {
  readonly memtableSize?: number
  readonly blockCacheSize?: number
  readonly blockSize?: number
  readonly compression?: CompressionName | readonly CompressionName[]
  readonly compressionLevel?: number
  readonly bloomFalsePositiveRate?: number
  readonly walSync?: WalSync
  readonly walSyncInterval?: number
  readonly verifyChecksums?: boolean
  readonly readMode?: ReadMode
  readonly maxOpenTables?: number
  readonly backgroundThreads?: 0 | 1
  readonly keys?: 'string' | 'bytes'
  readonly recovery?: 'strict' | 'salvage'
}

/** Under what a history is run; none of it may make a difference to what is seen. */
export interface OptionSet {
  readonly disk: 'memory' | 'directory'
  /** Options of the first opening, of the second …, and of the first again after the last. */
  readonly openings: readonly JsonOptions[]
  /** How keys are given: as text where they are text, as bytes, or as bytes that change as soon as the call has returned. */
  readonly given: 'text' | 'bytes' | 'changing bytes'
  /** Milliseconds that pass each time the simulated clock is read. */
  readonly tickMs: number
  /** Chance of asynchronous file operations, and of turns, to come late: other interleavings. */
  readonly lateness: number
  /** Decides what comes late. */
  readonly seed: number
}

/** A history to run under option sets. */
export interface Case {
  readonly operations: readonly Operation[]
  readonly sets: readonly OptionSet[]
}

/** A key in the forms in which it is used. */
export interface PreparedKey {
  /** As the model has it. */
  readonly model: string
  readonly bytes: Uint8Array
  /** `undefined` when the bytes are no text. */
  readonly text: string | undefined
}

const prepared = new Map<string, PreparedKey>()

/** Makes a key. Each is made once. */
export function prepareKey(spec: KeySpec): PreparedKey {
  const model = typeof spec === 'string' ? spec : spec.repeat.repeat(spec.times)
  let key = prepared.get(model)
  if (key === undefined) {
    const bytes = Buffer.from(model, 'latin1')
    const text = bytes.toString('utf8')
    key = { model, bytes: Uint8Array.from(bytes), text: Buffer.from(text).equals(bytes) ? text : undefined }
    // Histories bring keys of their own; none needs those of the one before.
    if (prepared.size > 20_000) prepared.clear()
    prepared.set(model, key)
  }
  return key
}

const made = new WeakMap<object, Value>()

/** The value, as it comes back from a store: a bigint only where it is no safe integer. Each is made once. */
export function makeValue(spec: ValueSpec): Value {
  if (typeof spec !== 'object' || spec === null) return spec
  let value = made.get(spec)
  if (value === undefined) {
    value = newValue(spec)
    made.set(spec, value)
  }
  return value
}

function newValue(spec: ValueSpec & object): Value {
  if ('float' in spec) return spec.float === '-0' ? -0 : Number(spec.float)
  if ('bigint' in spec) return asInteger(BigInt(spec.bigint))
  if ('text' in spec) return makeText(spec.text, spec.seed)
  if ('bytes' in spec) return Uint8Array.from(Buffer.from(makeText(spec.bytes, spec.seed), 'latin1'))
  const { record: size, seed } = spec
  return { id: seed, name: makeText(size, seed), list: [1, -1, null, 'é'], deep: { on: size % 2 === 0, ratio: 0.5 + seed } }
}

/** An integer as it comes back. */
export function asInteger(value: bigint): number | bigint {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}

function makeText(length: number, seed: number): string {
  if (seed === 0) return 'x'.repeat(length)
  const random = new Random(seed)
  let text = ''
  while (text.length < length) text += random.uint32().toString(36)
  return text.slice(0, length)
}
