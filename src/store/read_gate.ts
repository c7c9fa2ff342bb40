/**
 * Whether a promise read may wait for the disk on the spot.
 *
 * A block that the operating system has cached is read in a microsecond, forty times faster than a trip through the thread pool; one that
 * comes from a slow disk would hold the event loop for milliseconds. Which it will be cannot be known beforehand, so the gate goes by
 * experience: it follows the mean time of recent reads, and limits what reads may take of one turn of the loop. While the disk is slow an
 * occasional read tries again, at most one a turn. So a turn is held up for `BLOCKED_MS_MAX` and the one read that went over it.
 */
import type { ReadStats } from '../sstable/read_context.js'
import type { LoopTurn } from './loop_turn.js'
import type { ReadMode } from './options.js'

/** Mean time of a read above which reads go through the thread pool. */
const SLOW_READ_MS = 0.2
/** Time that blocking reads may take of one turn, decompression included. */
const BLOCKED_MS_MAX = 2
/** Weight of the latest reads in the mean. */
const WEIGHT = 0.2
/** While the disk is slow one read in so many is made on the spot, to see whether it still is. */
const PROBE_EVERY = 64

/** A read on the spot that takes longer is the last one of its lookup: what else the lookup needs comes through the thread pool. */
export const PATIENCE_MS = 1

/** Decides read by read. */
export class ReadGate {
  private readonly mode: ReadMode
  private readonly stats: ReadStats
  private readonly turn: LoopTurn
  private meanMs = 0
  private seenReads = 0
  private seenMs = 0
  private turnNumber = -1
  /** The turn in which reads have taken what they may: none blocks any more. */
  private closedTurn = -1
  private turnStartMs = 0
  private sinceProbe = 0
  private hasProbed = false

  constructor(mode: ReadMode, stats: ReadStats, turn: LoopTurn) {
    this.mode = mode
    this.stats = stats
    this.turn = turn
  }

  /** Whether the next promise read may block. Hot when everything is cached: two comparisons. */
  mayBlock(): boolean {
    if (this.mode !== 'adaptive') return this.mode === 'sync'
    if (this.closedTurn === this.turn.number) return false
    const { stats } = this
    if (stats.blockingReads !== this.seenReads) this.learn()
    if (this.turnNumber !== this.turn.number) {
      this.turnNumber = this.turn.number
      this.turnStartMs = stats.heldMs
      this.hasProbed = false
      this.turn.watch()
    }
    if (stats.heldMs - this.turnStartMs >= BLOCKED_MS_MAX) {
      this.closedTurn = this.turnNumber
      return false
    }
    if (this.meanMs < SLOW_READ_MS) return true
    if (++this.sinceProbe < PROBE_EVERY || this.hasProbed) return false
    this.sinceProbe = 0
    this.hasProbed = true
    return true
  }

  private learn(): void {
    const { stats } = this
    const meanMs = (stats.blockingReadMs - this.seenMs) / (stats.blockingReads - this.seenReads)
    this.meanMs += (meanMs - this.meanMs) * WEIGHT
    this.seenReads = stats.blockingReads
    this.seenMs = stats.blockingReadMs
  }
}
