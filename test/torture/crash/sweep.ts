/**
 * Cuts a workload off before each change that it makes to the disk, and looks at what is left.
 *
 * At a crash point the disk is cloned as the death of the process would leave it; everything that a power loss could take is still marked
 * as unsynced in that clone, so all wrecks of one point are made from it, and only when they are looked at: between the steps of the
 * workload, as a second store inside of the first one's calls would be an impossible guest.
 *
 * Many crashes leave the very files that another one has left: with nothing unsynced kept, all points between two syncs; when the process
 * dies, the points before and after a sync. A store cannot see which of its bytes are synced, so such files are opened once. For the other
 * crashes, which may come after more promises, the state that was found is compared with what must be there.
 */
import type { CrashOptions, MemoryVfs } from '../../../src/index.js'
import type { StoreOptions } from '../../../src/index.js'
import { Random } from '../../../src/util/random.js'
import type { Counts } from '../discipline.js'
import { fingerprint } from './fingerprint.js'
import { type Branch, expectWrite, inspect, losesPowerLater } from './inspect.js'
import { type Promised, Subject } from './subject.js'

/** Changes of one round beyond which only some of them are looked at. */
const POINTS_MAX = 20_000

/** How closely to look. */
export interface Closeness {
  /** One change of the disk in so many is a crash point. */
  readonly stride: number
  /** Power losses for each crash point, beside the death of the process and the loss of all that was not synced. */
  readonly powerLosses: number
  /** One recovery in so many is itself cut off before each change that it makes. */
  readonly secondEvery: number
}

/** Everything, as the long runs look. */
export const CLOSE: Closeness = { stride: 1, powerLosses: 1, secondEvery: 80 }

interface CrashPoint {
  readonly what: string
  readonly subject: Subject
  readonly disk: MemoryVfs
  readonly promised: Promised
}

/** Fates of unsynced things that chance would seldom bring together. */
const CORNERS: readonly Omit<CrashOptions, 'seed'>[] = [
  { unsyncedPercent: 100 },
  { unsyncedPercent: 50, pages: 'zeroed', lengths: 'kept', names: 'kept' },
  { unsyncedPercent: 50, pages: 'torn', lengths: 'kept', names: 'kept' },
  { unsyncedPercent: 50, pages: 'kept', lengths: 'lost', names: 'kept' },
  { unsyncedPercent: 50, pages: 'garbage', lengths: 'kept', names: 'kept' },
  { unsyncedPercent: 50, pages: 'kept', lengths: 'kept', names: 'lost' },
  { unsyncedPercent: 50, pages: 'torn', lengths: 'kept' },
  { unsyncedPercent: 50, pages: 'kept', lengths: 'kept' },
]

/** Finds the crash points of one workload, and looks at them. */
export class Sweep {
  readonly random: Random
  /** Changes of the disk that were watched. */
  changes = 0
  readonly #seed: number
  readonly #closeness: Closeness
  readonly #counts: Counts
  readonly #points: CrashPoint[] = []
  /** States found in the files that crashes have left. */
  readonly #found = new Map<string, number>()
  #recoveries = 0
  #isWatching = true

  constructor(seed: number, closeness: Closeness, counts: Counts) {
    this.#seed = seed
    this.#closeness = closeness
    this.#counts = counts
    this.random = new Random(seed)
  }

  /** A store whose every change of the disk is a crash point. */
  subject(options: StoreOptions): Subject {
    const subject: Subject = new Subject(
      options,
      (vfs) => {
        vfs.onMutation = (_, kind, path) => this.#changes(subject, vfs, `${kind} ${path}`)
      },
      this.random.uint32(),
    )
    return subject
  }

  /** Does what brings the store to where the crash points begin. */
  async unwatched(work: () => Promise<void>): Promise<void> {
    this.#isWatching = false
    await work()
    this.#isWatching = true
  }

  /** Looks at all crash points since the last time. */
  async inspectAll(): Promise<void> {
    const { stackTraceLimit } = Error
    // Opening a store makes errors that nobody sees, and their stacks cost more than all the rest of it.
    Error.stackTraceLimit = 0
    try {
      let subject: Subject | undefined
      for (const point of this.#points.splice(0)) {
        if (point.subject !== subject) this.#found.clear()
        subject = point.subject
        this.#counts.add('crash points')
        for (const branch of this.#branches(point)) await this.#inspect(branch)
      }
    } finally {
      // Another crash may take back writes, and others come to have their numbers.
      this.#found.clear()
      Error.stackTraceLimit = stackTraceLimit
    }
  }

  async #inspect(branch: Branch): Promise<void> {
    const { secondEvery } = this.#closeness
    const number = this.#recoveries++
    try {
      const isCutOff = number % secondEvery === secondEvery - 1
      const files = `${branch.isDurable} ${fingerprint(branch.vfs)}`
      const known = this.#found.get(files)
      const isSame = !isCutOff && (branch.isDurable || !losesPowerLater(number))
      if (known !== undefined && isSame) {
        expectWrite(known, branch)
        this.#counts.add('crashes')
        return
      }
      const { write, crashes, openings } = await inspect(branch, number, isCutOff)
      this.#found.set(files, write)
      this.#counts.add('crashes', crashes)
      this.#counts.add('recoveries', openings)
    } catch (error) {
      throw new Error(`${branch.what}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
    }
  }

  #changes(subject: Subject, vfs: MemoryVfs, change: string): void {
    if (!this.#isWatching) return
    const index = this.changes++
    const { stride } = this.#closeness
    if (stride === Infinity) return
    if (index % (index < POINTS_MAX ? stride : 10 * stride) !== this.#seed % stride) return
    const { promised } = subject
    this.#points.push({ what: `before change ${index} (${change})`, subject, disk: vfs.processKillClone(), promised })
  }

  /** The wrecks of a crash point: the death of the process, and power losses from none of the unsynced things left to all of them. */
  *#branches({ what, subject, disk, promised }: CrashPoint): Generator<Branch> {
    const { issued, afterKill, afterPowerLoss } = promised
    const shared = { subject, origin: disk, most: issued, afterPowerLoss }
    yield { ...shared, what: `the process dies ${what}`, vfs: disk.processKillClone(), least: afterKill, isDurable: false }
    const losses: Omit<CrashOptions, 'seed'>[] = [{ unsyncedPercent: 0 }]
    for (let i = 0; i < this.#closeness.powerLosses; i++) {
      losses.push(this.random.chance(0.6) ? this.random.pick(CORNERS) : { unsyncedPercent: this.random.between(20, 90) })
    }
    for (const loss of losses) {
      const options = { ...loss, seed: this.random.uint32() }
      const vfs = disk.crashClone(options)
      yield { ...shared, what: `the power fails ${what}, ${JSON.stringify(options)}`, vfs, least: afterPowerLoss, isDurable: true }
    }
  }
}
