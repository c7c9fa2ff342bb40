/**
 * How one read may go about the file system, and what it has got from there so far.
 *
 * A read is a plain synchronous function over bytes. With `mayBlock` it reads files on the spot. Without, it returns `NEEDS_IO` at the
 * first thing that is not in memory and names it in `wanted`; `await context.load()` brings it through the thread pool, and the same
 * call is made again:
 *
 *   let status = reader.get(…, context)
 *   while (status === NEEDS_IO) { await context.load(); status = reader.get(…, context) }
 *
 * What was loaded stays in the context, so each round gets at least one step further, even with the cache off.
 *
 * Invariants
 * 1. A context with `mayBlock` and endless patience has no state of its own and may be shared by all reads. Any other belongs to one read
 *    at a time.
 * 2. Blocks that were loaded for a context stay what they are. One that a lookup found on the spot with `borrowsBlocks` does so only until
 *    the next call into any table.
 * 3. Iterators take their blocks and readers out of the context, so it does not grow with the length of a scan. Point reads leave theirs
 *    in it: `reset` before the context is used for another one.
 */
import { type Clock, systemClock } from '../util/clock.js'
import { readFully, readFullySync } from '../vfs/io.js'
import type { VfsFile } from '../vfs/vfs.js'
import type { TableReader } from './table_reader.js'

/** Something a read is waiting for. */
export interface Wanted {
  /** Brings it through the thread pool and hands it to `context`. */
  load(context: ReadContext): Promise<void>
}

/** Gives `undefined` when there is time for a short piece of work, otherwise something to wait for. */
export type Pace = () => Promise<void> | undefined

interface HeldBlock {
  readonly fileNumber: number
  readonly index: number
  readonly block: Buffer
}

/** Options and state of reads. */
export class ReadContext {
  /** Whether files may be read on the spot. */
  mayBlock: boolean
  /** Whether blocks are checked against their checksums when they are read from a file. */
  verifyChecksums: boolean
  /** Whether blocks read from a file are put into the block cache. */
  fillCache: boolean
  /**
   * Whether a point lookup's result is copied before anything else is asked of any table: then the memory of its block may go to the next
   * block that is read. Set by who is sure of it.
   */
  borrowsBlocks = false
  /** A read on the spot that takes longer than this takes `mayBlock` away. */
  patienceMs = Infinity
  /** Asked before something that came through the thread pool is worked on. */
  pace: Pace | undefined = undefined
  /** What the last call that returned `NEEDS_IO` is waiting for. */
  wanted: Wanted | undefined = undefined
  /** How many blocks and readers are held. */
  heldCount = 0
  private readonly blocks: HeldBlock[] = []
  private readonly readers: TableReader[] = []

  constructor(mayBlock = true, verifyChecksums = true, fillCache = true) {
    this.mayBlock = mayBlock
    this.verifyChecksums = verifyChecksums
    this.fillCache = fillCache
  }

  /** Brings what `wanted` names; then the call that wanted it can be made again. Nothing happens when nothing is wanted. */
  async load(): Promise<void> {
    const { wanted } = this
    this.wanted = undefined
    if (wanted !== undefined) await wanted.load(this)
  }

  /** Tells how long a read on the spot took. @internal */
  blocked(ms: number): void {
    if (ms > this.patienceMs) this.mayBlock = false
  }

  /** Forgets what is wanted and held, for use by another read. */
  reset(): void {
    this.wanted = undefined
    this.heldCount = 0
    this.blocks.length = 0
    this.readers.length = 0
  }

  /** Keeps a block that was loaded for this context. @internal */
  holdBlock(fileNumber: number, index: number, block: Buffer): void {
    this.blocks.push({ fileNumber, index, block })
    this.heldCount++
  }

  /** Keeps a reader that was opened for this context. @internal */
  holdReader(reader: TableReader): void {
    this.readers.push(reader)
    this.heldCount++
  }

  /** A held block. @internal */
  heldBlock(fileNumber: number, index: number): Buffer | undefined {
    return this.blocks.find((held) => held.fileNumber === fileNumber && held.index === index)?.block
  }

  /** A held block, which is then held no longer. @internal */
  takeBlock(fileNumber: number, index: number): Buffer | undefined {
    const at = this.blocks.findIndex((held) => held.fileNumber === fileNumber && held.index === index)
    if (at < 0) return undefined
    this.heldCount--
    return this.blocks.splice(at, 1)[0]?.block
  }

  /** Lets go of a reader that holds itself from now on. @internal */
  dropReader(reader: TableReader): void {
    const at = this.readers.indexOf(reader)
    if (at < 0) return
    this.readers.splice(at, 1)
    this.heldCount--
  }

  /** A held reader. @internal */
  heldReader(fileNumber: number): TableReader | undefined {
    return this.readers.find((reader) => reader.meta.fileNumber === fileNumber)
  }
}

/**
 * Reads of table files so far, by all readers that share this object. `readMode: 'adaptive'` decides by how long reads on the spot have
 * taken.
 */
export class ReadStats {
  /** Times the reads. */
  readonly clock: Clock
  /** Reads on the spot, and the milliseconds that they held the thread; the read alone, not checking or decompression. */
  blockingReads = 0
  blockingReadMs = 0
  /** Milliseconds that all of it has held the thread: reads on the spot, and what they brought being checked and decompressed. */
  heldMs = 0
  /** Reads through the thread pool, and the milliseconds until each was there. */
  pooledReads = 0
  pooledReadMs = 0
  /** Bytes read either way. */
  readBytes = 0
  /** How long the last read on the spot took, and when it ended. */
  lastReadMs = 0
  lastReadEndMs = 0

  constructor(clock: Clock = systemClock) {
    this.clock = clock
  }

  /** A read on the spot, timed and counted; see `readFullySync`. */
  readSync(file: VfsFile, target: Buffer, targetOffset: number, length: number, position: number): number {
    const startMs = this.clock.nowMs()
    const bytesRead = readFullySync(file, target, targetOffset, length, position)
    this.lastReadEndMs = this.clock.nowMs()
    this.lastReadMs = this.lastReadEndMs - startMs
    this.blockingReads++
    this.blockingReadMs += this.lastReadMs
    this.heldMs += this.lastReadMs
    this.readBytes += bytesRead
    return bytesRead
  }

  /** A read through the thread pool, timed and counted; see `readFully`. */
  async read(file: VfsFile, target: Buffer, length: number, position: number): Promise<number> {
    const startMs = this.clock.nowMs()
    const bytesRead = await readFully(file, target, 0, length, position)
    this.pooledReadMs += this.clock.nowMs() - startMs
    this.pooledReads++
    this.readBytes += bytesRead
    return bytesRead
  }
}
