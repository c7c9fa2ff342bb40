/**
 * All that reads: point reads, scans and snapshots over the engine's present view.
 *
 * A promise read runs the synchronous lookup at once. Only when that would have to wait for a slow disk does it pin the view, load what is
 * missing through the thread pool, and look again.
 */
import { type Key, encodeKey, KeyScratch, decodeKeyString } from '../codec/key.js'
import { TAG_BYTES, type Value, decodeValue, decodeValueShared } from '../codec/value.js'
import { mergeIterators } from '../iterator/merging.js'
import { LevelIterator } from '../iterator/level.js'
import { VisibleIterator } from '../iterator/visible_iterator.js'
import { type InternalIterator, NEEDS_IO } from '../codec/internal_iterator.js'
import { ReadContext } from '../sstable/read_context.js'
import type { TableCache } from '../sstable/table_cache.js'
import type { TableMeta } from '../sstable/table_meta.js'
import { FOUND } from '../sstable/table_reader.js'
import { StoreError } from '../util/errors.js'
import { type CountedBytes, Cursor } from './cursor.js'
import { Lookup } from './lookup.js'
import type { LoopTurn } from './loop_turn.js'
import type { OpenReader, OpenReaders } from './open_readers.js'
import type { ResolvedOptions } from './options.js'
import { PATIENCE_MS, ReadGate } from './read_gate.js'
import type { ReadView } from './read_view.js'
import type { Decode, ReadEngine } from './reader.js'
import { type EncodedRange, type KeyRange, type Project, Scan, type ScanOptions, ScanState, encodeRange } from './scan.js'
import { Snapshot, type SnapshotState } from './snapshot.js'
import { CopyHabit, type ValueCopies } from './value_copies.js'

/** What reads need of the engine. */
export interface ReadSource {
  readonly options: ResolvedOptions
  readonly tables: TableCache
  readonly openReaders: OpenReaders
  readonly view: ReadView
  readonly visibleSequence: number
  checkReadable(): void
}

/** The reading half of the engine. */
export class Reads implements ReadEngine {
  private readonly source: ReadSource
  private readonly turn: LoopTurn
  private readonly gate: ReadGate
  private readonly lookup: Lookup
  private readonly scratch = new KeyScratch()
  /** For reads that may wait for the disk, and for promise reads, which may do so while the gate lets them. */
  private readonly blocking: ReadContext
  private readonly gated: ReadContext
  private readonly habit = new CopyHabit()
  private readonly pace: () => Promise<void> | undefined

  constructor(source: ReadSource, turn: LoopTurn) {
    const { verifyChecksums, readMode } = source.options
    this.source = source
    this.turn = turn
    this.gate = new ReadGate(readMode, source.tables.readStats, turn)
    this.lookup = new Lookup(source.tables)
    this.blocking = new ReadContext(true, verifyChecksums)
    this.gated = new ReadContext(false, verifyChecksums)
    if (readMode === 'adaptive') this.gated.patienceMs = PATIENCE_MS
    this.pace = () => turn.pass()
  }

  /** Hot: guarded by `bench/micro/store.ts`. */
  getSync<T>(key: Key, snapshot: Snapshot<Key> | undefined, decode: Decode<T>): T | undefined {
    this.source.checkReadable()
    const { lookup, scratch } = this
    const keyBytes = scratch.set(key)
    this.blocking.borrowsBlocks = givesOwn(decode)
    const status = lookup.find(this.source.view, scratch.buffer, keyBytes, this.sequenceOf(snapshot), this.blocking)
    return status === FOUND ? decode(lookup.data, lookup.start, lookup.end) : undefined
  }

  /** Hot: as `getSync`, and a promise. */
  get<T>(key: Key, snapshot: Snapshot<Key> | undefined, decode: Decode<T>): Promise<T | undefined> {
    try {
      const value = this.getSoon(key, snapshot, decode)
      return value instanceof Promise ? value : Promise.resolve(value)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** As `get`, but a promise only where something has to be waited for: the caller has one of its own. Throws on the spot. */
  getSoon<T>(key: Key, snapshot: Snapshot<Key> | undefined, decode: Decode<T>): T | undefined | Promise<T | undefined> {
    this.source.checkReadable()
    const { lookup, scratch } = this
    const sequence = this.sequenceOf(snapshot)
    const mayBlock = this.gate.mayBlock()
    // While the disk is slow, and when a caller has asked for many at once: not even the looking is done in this turn.
    if (!mayBlock && this.turn.spend()) return this.getLater(typeof key === 'string' ? key : encodeKey(key), sequence, owned(decode))
    this.gated.mayBlock = mayBlock
    const keyBytes = scratch.set(key)
    this.gated.borrowsBlocks = givesOwn(decode)
    const status = lookup.find(this.source.view, scratch.buffer, keyBytes, sequence, this.gated)
    if (status === NEEDS_IO) return this.getLater(Buffer.from(scratch.buffer.subarray(0, keyBytes)), sequence, owned(decode))
    if (this.turn.spend()) return this.turn.later(status === FOUND ? owned(decode)(lookup.data, lookup.start, lookup.end) : undefined)
    return status === FOUND ? decode(lookup.data, lookup.start, lookup.end) : undefined
  }

  getManySync<T>(keys: readonly Key[], snapshot: Snapshot<Key> | undefined, decode: Decode<T>): (T | undefined)[] {
    checkKeyList(keys)
    const values: (T | undefined)[] = []
    for (const key of keys) values.push(this.getSync(key, snapshot, decode))
    return values
  }

  async getMany<T>(keys: readonly Key[], snapshot: Snapshot<Key> | undefined, shared: Decode<T>): Promise<(T | undefined)[]> {
    this.source.checkReadable()
    checkKeyList(keys)
    // The first values may be decoded turns before the caller gets them.
    const decode = owned(shared)
    const { lookup, scratch, turn } = this
    const { view } = this.source
    const sequence = this.sequenceOf(snapshot)
    const values: (T | undefined)[] = []
    // Keys are encoded before the first wait: the caller may change byte keys once the call has returned.
    let encoded: Buffer[] | undefined
    view.reference()
    try {
      for (let i = 0; i < keys.length; i++) {
        if (encoded === undefined && turn.spend()) {
          encoded = keys.slice(i).map(encodeKey)
          return await this.getManyLater(view, encoded, sequence, decode, values)
        }
        const keyBytes = scratch.set(keys[i]!)
        this.gated.mayBlock = this.gate.mayBlock()
        this.gated.borrowsBlocks = true
        const status = lookup.find(view, scratch.buffer, keyBytes, sequence, this.gated)
        if (status === NEEDS_IO) {
          encoded = keys.slice(i).map(encodeKey)
          return await this.getManyLater(view, encoded, sequence, decode, values)
        }
        values.push(status === FOUND ? decode(lookup.data, lookup.start, lookup.end) : undefined)
      }
      return values
    } finally {
      view.release()
    }
  }

  scan<K extends Key, T>(shape: 'entries' | 'keys' | 'values', options: ScanOptions, snapshot: Snapshot<Key> | undefined): Scan<T, K> {
    this.source.checkReadable()
    const project = this.projection(shape, options) as Project<T>
    return this.openScan(options, this.sequenceOf(snapshot), project)
  }

  /** A position that the caller moves, for adapters. It does not end by itself: close it. */
  cursor(options: ScanOptions, snapshot: Snapshot<Key> | undefined, counts: CountedBytes): Cursor {
    this.source.checkReadable()
    const state = this.scanState(options, this.sequenceOf(snapshot))
    const cursor = new Cursor(state, counts)
    this.source.openReaders.open(cursor, state)
    return cursor
  }

  /**
   * Keys of a range as they are after the write with this sequence, acknowledged or not. Not listed among the open readers: it is closed.
   */
  scanLatest(range: KeyRange, sequence: number): Scan<Uint8Array, Uint8Array> {
    return new Scan(this.scanState({ ...range, fillCache: false }, sequence), projectKeyBytes)
  }

  /** The value of `key` after the write with this sequence, acknowledged or not. */
  latest<T>(key: Key, sequence: number, decode: Decode<T>): T | undefined {
    const { lookup, scratch } = this
    const keyBytes = scratch.set(key)
    this.blocking.borrowsBlocks = givesOwn(decode)
    const status = lookup.find(this.source.view, scratch.buffer, keyBytes, sequence, this.blocking)
    return status === FOUND ? decode(lookup.data, lookup.start, lookup.end) : undefined
  }

  /** Brings what `latest` would have to read into memory; `undefined` when it may as well read it on the spot. */
  load(key: Key, sequence: number): Promise<unknown> | undefined {
    if (this.gate.mayBlock()) return undefined
    const { lookup, scratch, gated } = this
    const keyBytes = scratch.set(key)
    gated.mayBlock = false
    gated.borrowsBlocks = true
    if (lookup.find(this.source.view, scratch.buffer, keyBytes, sequence, gated) !== NEEDS_IO) return undefined
    return this.getLater(Buffer.from(scratch.buffer.subarray(0, keyBytes)), sequence, decodeValue)
  }

  snapshot(): Snapshot {
    this.source.checkReadable()
    const { openReaders, options } = this.source
    const sequence = this.source.visibleSequence
    const state: SnapshotState & OpenReader = {
      kind: 'snapshot',
      sinceMs: options.clock.nowMs(),
      sequence,
      isOpen: true,
      release() {
        if (!this.isOpen) return
        this.isOpen = false
        openReaders.unpin(sequence)
        openReaders.close(this)
      },
    }
    const snapshot = new Snapshot(this, state)
    openReaders.pin(sequence)
    openReaders.open(snapshot, state)
    return snapshot
  }

  private sequenceOf(snapshot: Snapshot<Key> | undefined): number {
    if (snapshot === undefined) return this.source.visibleSequence
    // The sequence number of another store would silently read some other moment of this one.
    if (snapshot instanceof Snapshot && snapshot.isOf(this)) return snapshot.sequence
    throw new StoreError('ERR_INVALID_OPTION', "option 'snapshot' must be a snapshot of this store")
  }

  private async getLater<T>(key: string | Buffer, sequence: number, decode: Decode<T>): Promise<T | undefined> {
    const { view } = this.source
    view.reference()
    try {
      // A thousand reads that are asked for at once are begun over several turns.
      const pause = this.turn.pass()
      if (pause !== undefined) await pause
      return await this.findLater(view, typeof key === 'string' ? encodeKey(key) : key, sequence, decode)
    } finally {
      view.release()
    }
  }

  private async getManyLater<T>(
    view: ReadView,
    keys: readonly Buffer[],
    sequence: number,
    decode: Decode<T>,
    values: (T | undefined)[],
  ): Promise<(T | undefined)[]> {
    for (const key of keys) {
      if (this.turn.spend()) await this.turn.later(undefined)
      this.source.checkReadable()
      values.push(await this.findLater(view, key, sequence, decode, this.gate.mayBlock()))
    }
    return values
  }

  private async findLater<T>(view: ReadView, key: Buffer, sequence: number, decode: Decode<T>, mayBlock = false): Promise<T | undefined> {
    const context = new ReadContext(mayBlock, this.source.options.verifyChecksums)
    context.patienceMs = this.gated.patienceMs
    context.pace = this.pace
    const { lookup } = this
    for (;;) {
      const status = lookup.find(view, key, key.length, sequence, context)
      if (status !== NEEDS_IO) return status === FOUND ? decode(lookup.data, lookup.start, lookup.end) : undefined
      context.mayBlock = false
      // After a close nobody would close what is opened from here on. What is in memory is found all the same.
      this.source.checkReadable()
      await context.load()
      this.source.checkReadable()
    }
  }

  private openScan<K extends Key, T>(options: ScanOptions, sequence: number, project: Project<T>): Scan<T, K> {
    const state = this.scanState(options, sequence)
    const scan = new Scan<T, K>(state, project)
    this.source.openReaders.open(scan, state)
    return scan
  }

  private scanState(options: ScanOptions, sequence: number): ScanState {
    const { openReaders, view, options: settings } = this.source
    const range = encodeRange(options)
    const context = new ReadContext(true, settings.verifyChecksums, options.fillCache !== false)
    view.reference()
    return new ScanState({
      sinceMs: settings.clock.nowMs(),
      range,
      isReverse: options.reverse === true,
      limit: options.limit ?? Infinity,
      context,
      turn: this.turn,
      gate: this.gate,
      view,
      readers: openReaders,
      habit: this.habit,
      signal: options.signal,
      makeIterator: () => new VisibleIterator(this.merge(view, range, context), sequence, range.lower, range.upper),
    })
  }

  /** The runs that may hold keys of the range, as one. */
  private merge(view: ReadView, range: EncodedRange, context: ReadContext): InternalIterator {
    const { tables } = this.source
    const { lower, upper } = range
    const children: InternalIterator[] = []
    for (const memtable of view.memtables) if (memtable.entryCount > 0) children.push(memtable.iterator())
    const { levels } = view.version
    for (const table of levels[0]!) if (overlaps(table, range)) children.push(new LevelIterator([table], tables, context))
    for (let level = 1; level < levels.length; level++) {
      if (levels[level]!.length > 0) children.push(new LevelIterator(levels[level]!, tables, context, lower, upper))
    }
    return mergeIterators(children)
  }

  private projection(shape: 'entries' | 'keys' | 'values', options: ScanOptions): Project<Value | Key | [Key, Value]> {
    if (shape === 'values') return projectValue
    const asBytes = (options.keys ?? this.source.options.keys) === 'bytes'
    if (shape === 'keys') return asBytes ? projectKeyBytes : projectKeyString
    return asBytes ? projectByteEntry : projectEntry
  }
}

/** Decodes into values that outlive the view: by the time they reach the caller a memtable's memory may hold something else. */
function owned<T>(decode: Decode<T>): Decode<T> {
  return decode === (decodeValueShared as Decode<unknown>) ? (decodeValue as Decode<unknown> as Decode<T>) : decode
}

/** Whether what `decode` gives is no view of the block: then the block's memory may be used again once it has been called. */
function givesOwn<T>(decode: Decode<T>): boolean {
  return decode !== (decodeValueShared as Decode<unknown>)
}

function overlaps(table: TableMeta, { lower, upper }: EncodedRange): boolean {
  if (lower !== undefined && Buffer.compare(table.largestKey, lower) < 0) return false
  return upper === undefined || Buffer.compare(table.smallestKey, upper) < 0
}

function projectKeyString(entry: VisibleIterator): string {
  return decodeKeyString(entry.data, entry.keyStart, entry.keyEnd)
}

function projectKeyBytes(entry: VisibleIterator): Uint8Array {
  return Buffer.from(entry.data.subarray(entry.keyStart, entry.keyEnd))
}

function projectValue(entry: VisibleIterator, copies: ValueCopies): Value {
  const { data, valueStart, valueEnd } = entry
  if (valueStart < valueEnd && data[valueStart] === TAG_BYTES) return copies.copy(data, valueStart + 1, valueEnd)
  return decodeValue(data, valueStart, valueEnd)
}

function projectEntry(entry: VisibleIterator, copies: ValueCopies): [string, Value] {
  return [decodeKeyString(entry.data, entry.keyStart, entry.keyEnd), projectValue(entry, copies)]
}

function projectByteEntry(entry: VisibleIterator, copies: ValueCopies): [Uint8Array, Value] {
  return [projectKeyBytes(entry), projectValue(entry, copies)]
}

function checkKeyList(keys: readonly Key[]): void {
  if (!Array.isArray(keys)) throw new StoreError('ERR_INVALID_KEY', 'getMany takes an array of keys')
}
