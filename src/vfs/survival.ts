/**
 * What a power loss takes from a simulated disk, and what it leaves.
 *
 * Three kinds of things may be lost, each by itself, as file systems order them differently or not at all:
 * - *pages*: 4 KiB of a file's content that were written since its last sync. One may have arrived; or hold what it held before; or zeroes,
 *   where its place was allotted and nothing written (ext4, xfs); or what lay on the disk there; or a mixture of these by sectors of 512
 *   bytes, which alone are written as one piece.
 * - *lengths* of files: the old one, the new one or one in between. A length may arrive without the pages it makes room for, and pages
 *   without the length that shows them.
 * - *names*: creations, links, renames and unlinks that no sync of their folder has followed, each whole or not at all, in any selection
 *   but one: a change of a name arrives only with the earlier ones of that name (see `memory_tree.ts`).
 *
 * What is not modelled: pages of one file that arrive in another, synced sectors that are harmed by writes next to them, and disks that
 * lie about syncs.
 */
import { Random } from '../util/random.js'

/** What becomes of an unsynced page: it arrives, shows what it held before, a mixture by sectors, zeroes, or anything. */
export type PageFate = 'kept' | 'lost' | 'torn' | 'zeroed' | 'garbage'

/** What a power loss takes. */
export interface CrashOptions {
  /** Chance of each unsynced page, length and name to survive, in percent: 0 keeps only what was synced, 100 keeps all. */
  readonly unsyncedPercent: number
  /** Equal seeds lose equal things. */
  readonly seed: number
  /** What becomes of all unsynced pages; by default each one's fate is drawn. */
  readonly pages?: PageFate
  /** Whether files have the lengths they had last, or those they had when they were synced; drawn by default. */
  readonly lengths?: 'kept' | 'lost'
  /** Whether unsynced changes of names survive; drawn by default. */
  readonly names?: 'kept' | 'lost'
}

const LOSSES: readonly PageFate[] = ['lost', 'lost', 'zeroed', 'torn', 'torn', 'garbage']
const SECTOR_FATES: readonly PageFate[] = ['lost', 'kept', 'zeroed', 'garbage']

/** Draws fates. */
export class Survival {
  /** Where the fates come from; also fills garbage. */
  readonly random: Random
  readonly #options: CrashOptions

  constructor(options: CrashOptions) {
    this.random = new Random(options.seed)
    this.#options = options
  }

  /** Whether an unsynced change of names is there. */
  keepsName(): boolean {
    const { names } = this.#options
    return names === undefined ? this.#survives() : names === 'kept'
  }

  /** The length of a file that was `before` long when it was synced. */
  length(before: number, now: number): number {
    if (before === now) return now
    const { lengths, unsyncedPercent } = this.#options
    if (lengths !== undefined) return lengths === 'kept' ? now : before
    if (this.#survives()) return now
    if (unsyncedPercent === 0 || this.random.chance(0.5)) return before
    return this.random.between(Math.min(before, now), Math.max(before, now))
  }

  /** What becomes of an unsynced page. */
  page(): PageFate {
    const { pages, unsyncedPercent } = this.#options
    if (pages !== undefined) return pages
    if (this.#survives()) return 'kept'
    return unsyncedPercent === 0 ? 'lost' : this.random.pick(LOSSES)
  }

  /** What becomes of a sector of a torn page. */
  sector(): PageFate {
    return this.random.pick(SECTOR_FATES)
  }

  #survives(): boolean {
    return this.random.below(100) < this.#options.unsyncedPercent
  }
}
