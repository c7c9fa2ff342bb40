/**
 * What the proving ground is made of: disciplines, each a way of trying to break the store, that run in rounds.
 *
 * A round is some seconds of work at most and does the same for equal seeds, but for what real processes and disks add. It counts what it
 * does as it goes, and throws what it finds. `npm test` runs a few rounds of each, `npm run torture` as many as there is time for.
 */

/** What is counted. */
export type CountName =
  | 'operations'
  | 'option sets'
  | 'crash points'
  | 'crashes'
  | 'recoveries'
  | 'I/O faults'
  | 'bit flips'
  | 'damaged files'
  | 'decoder inputs'
  | 'kills'
  | 'openings'
  | 'scans'

/** What was done so far. */
export class Counts {
  readonly #counts = new Map<CountName, number>()

  add(name: CountName, count = 1): void {
    this.#counts.set(name, this.get(name) + count)
  }

  get(name: CountName): number {
    return this.#counts.get(name) ?? 0
  }

  entries(): [CountName, number][] {
    return [...this.#counts]
  }
}

/** What a round is given. */
export interface Round {
  /** Decides everything that the round does. */
  readonly seed: number
  readonly counts: Counts
  /** An empty directory of the operating system for this round; what is left in it is removed. */
  readonly scratchDir: string
  /** For what a round finds that is no failure, such as how many flips were harmless: shown at the end, summed up by name. */
  note(name: string, count: number): void
}

/** A way of trying to break the store. */
export interface Discipline {
  /** Short, for the command line: `crash`, `metamorphic`. */
  readonly name: string
  /** One line for the summary. */
  readonly title: string
  /** One round. Throws what it finds, with all that is needed to see it again. */
  run(round: Round): Promise<void>
}
