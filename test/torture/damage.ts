/**
 * Damage: small stores with a file of every kind, and everything that can happen to files, one thing at a time. Each time the store gives
 * right data or an error that names the place; see `damage/examination.ts` for what counts as what, and `damage/verdict.ts` for what must
 * come of which damage.
 *
 * The work is cut into slices. A round does the slice that its seed names, modulo their number, so rounds with seeds that follow each other
 * do everything once. On top of that each round damages files at random, by its seed.
 *
 * | section | what |
 * |---|---|
 * | `flips` | every bit of every byte of every file, opened on the spot; one bit of each byte with the whole life of a store |
 * | `truncations` | every length of every file |
 * | `files` | whole files: missing, empty, swapped, copied, of another store, folders, odd names |
 * | `reads` | each read of the opening and reading of a store brings the bytes of another place |
 * | `random` | pairs of bits, bytes, sectors, appended garbage, in one file or two |
 * | `salvage` | each flip in a log that is damage, with `recovery: 'salvage'` |
 *
 * Some of the damaged stores are repaired, too: see `damage/repairing.ts`.
 */
import { Random } from '../../src/util/random.js'
import { type DamageCase, examineByVerifying, examineFully, examineSalvage, examineSync, type Outcome } from './damage/examination.js'
import { fileCases, misdirectedReads, readsOf } from './damage/files.js'
import { bitCount, byteCount, flipCase, randomCase, truncationCase } from './damage/flips.js'
import { makeSpecimens, type FileKind, type Specimen, type SpecimenFile } from './damage/specimen.js'
import { examineByRepairing } from './damage/repairing.js'
import type { Discipline, Round } from './discipline.js'

/** Rounds with so many seeds that follow each other do everything once. */
export const SLICE_COUNT = 300

const RANDOM_CASES_PER_SLICE = 12

/** A repair reads everything some times over. One in so many cases that go through the whole life of a store is repaired, too. */
const REPAIRED_EVERY = 4

/** Kinds of damage. */
export type Section = 'flips' | 'truncations' | 'files' | 'reads' | 'random' | 'salvage'

/** What came of the damage of one section to files of one kind. */
export interface Tally {
  tried: number
  detected: number
  harmless: number
  /** Losses at the end of a log of what nothing had called synced. */
  harmlessTail: number
  /** Losses at the end of a log of what had been synced, with the claim that told of it. */
  unseenTail: number
}

/** A specimen and those of its files that are damaged byte by byte. */
interface Target {
  readonly specimen: Specimen
  readonly files: readonly SpecimenFile[]
}

let made: Promise<readonly Target[]> | undefined

/** The stores; made once, and never changed. */
function targets(): Promise<readonly Target[]> {
  made ??= makeSpecimens().then(({ killed, closed, unsynced }) => {
    const without = (specimen: Specimen, ...kinds: FileKind[]): Target => ({
      specimen,
      files: specimen.files.filter(({ kind }) => !kinds.includes(kind)),
    })
    return [without(killed), without(closed, 'table'), without(unsynced, 'table', 'CURRENT', 'manifest', 'lock')]
  })
  return made
}

/** Damages one store after the other, and counts. */
class Sweep {
  readonly sections: Record<string, Record<string, Tally>> = {}
  readonly repairs = new Map<string, number>()
  cases = 0
  /** Counts the cases that may be repaired. */
  #repairable: number

  /** @param turn of every so many cases, the one to begin with */
  constructor(turn: number) {
    this.#repairable = turn
  }

  /** A slice of everything that can be listed: each `SLICE_COUNT`-th case from the `slice`-th on. */
  async run(slice: number): Promise<void> {
    for (const { specimen, files } of await targets()) {
      for (let i = slice; i < bitCount(files); i += SLICE_COUNT) await this.#flip(flipCase(specimen, files, i), i)
      for (let i = slice; i < byteCount(files); i += SLICE_COUNT) await this.#both('truncations', truncationCase(specimen, files, i))
      const whole = fileCases(specimen)
      for (let i = slice; i < whole.length; i += SLICE_COUNT) await this.#both('files', whole[i]!)
      const reads = misdirectedReads(specimen, readsOf(specimen))
      for (let i = slice; i < reads.length; i += SLICE_COUNT) await this.#both('reads', reads[i]!)
    }
  }

  async runRandom(seed: number): Promise<void> {
    const random = new Random(seed)
    const [{ specimen: killed }, { specimen: closed }] = (await targets()) as [Target, Target]
    for (let i = 0; i < RANDOM_CASES_PER_SLICE; i++) {
      await this.#both('random', randomCase(i % 2 === 0 ? killed : closed, random))
    }
  }

  async #flip(damage: DamageCase, index: number): Promise<void> {
    // What a flip in a table does shows in reading. One flip of each byte goes through the whole life of a store.
    const outcome = await this.#examine('flips', damage, () => examineSync(damage, { readOnly: damage.kind === 'table' }))
    await this.#verify(damage, () => examineByVerifying(damage, outcome))
    if ((index & 7) === (index >>> 3) % 8) {
      await this.#verify(damage, () => examineFully(damage))
      await this.#repair(damage)
    }
    if (damage.salvaged === undefined) return
    await this.#examine('salvage', damage, () => {
      examineSalvage(damage, damage.salvaged!)
      return 'harmless'
    })
  }

  async #both(section: Section, damage: DamageCase): Promise<void> {
    const outcome = await this.#examine(section, damage, () => examineFully(damage))
    if (section !== 'reads') {
      await this.#verify(damage, () => examineByVerifying(damage, outcome))
      await this.#repair(damage)
    }
    await this.#verify(damage, () => examineSync(damage, { readOnly: true }))
    if (damage.salvaged === undefined) return
    await this.#verify(damage, () => examineSalvage(damage, damage.salvaged!))
  }

  async #repair(damage: DamageCase): Promise<void> {
    if (this.#repairable++ % REPAIRED_EVERY !== 0) return
    await this.#verify(damage, async () => {
      const end = await examineByRepairing(damage)
      this.repairs.set(end, (this.repairs.get(end) ?? 0) + 1)
    })
  }

  async #examine(section: Section, damage: DamageCase, examine: () => Outcome | Promise<Outcome>): Promise<Outcome> {
    let outcome: Outcome | undefined
    await this.#verify(damage, async () => {
      outcome = await examine()
    })
    const kinds = (this.sections[section] ??= {})
    const tally = (kinds[damage.kind] ??= { tried: 0, detected: 0, harmless: 0, harmlessTail: 0, unseenTail: 0 })
    tally.tried++
    tally[FIELDS[outcome!]]++
    return outcome!
  }

  async #verify(damage: DamageCase, examine: () => unknown): Promise<void> {
    this.cases++
    try {
      await examine()
    } catch (error) {
      throw new Error(`${damage.label}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
    }
  }
}

const FIELDS = {
  detected: 'detected',
  harmless: 'harmless',
  'harmless tail': 'harmlessTail',
  'unseen tail': 'unseenTail',
} as const satisfies Record<Outcome, keyof Tally>

function flipsTried({ sections }: Sweep): number {
  return Object.values(sections['flips'] ?? {}).reduce((sum, { tried }) => sum + tried, 0)
}

/** The discipline. */
export const damage: Discipline = {
  name: 'damage',
  title: 'every bit flipped, every length cut, files swapped, missing, foreign',
  async run(round: Round) {
    // Each time that a slice comes again, other cases of it are repaired.
    const sweep = new Sweep(Math.floor(Math.abs(round.seed) / SLICE_COUNT) % REPAIRED_EVERY)
    try {
      await sweep.run(((round.seed % SLICE_COUNT) + SLICE_COUNT) % SLICE_COUNT)
      await sweep.runRandom(round.seed)
    } finally {
      round.counts.add('bit flips', flipsTried(sweep))
      round.counts.add('damaged files', sweep.cases)
      for (const [end, count] of sweep.repairs) round.note(`repair: ${end}`, count)
      for (const [section, kinds] of Object.entries(sweep.sections)) {
        for (const [kind, tally] of Object.entries(kinds)) {
          for (const [field, count] of Object.entries(tally)) if (count > 0) round.note(`${section} of ${kind}: ${field}`, count as number)
        }
      }
    }
  },
}
