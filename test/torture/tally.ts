/** What a run of the proving ground has done and found, and whose turn it is. */
import { type CountName, Counts } from './discipline.js'
import type { RoundProgress } from './job.js'

/** What a round has found. */
export interface Violation {
  readonly discipline: string
  readonly seed: number
  readonly text: string
}

/** What each discipline is to reach. */
export type Goals = Readonly<Record<string, Readonly<Partial<Record<CountName | 'rounds', number>>>>>

class Share {
  readonly counts = new Counts()
  readonly notes = new Map<string, number>()
  started = 0
  rounds = 0
  /** Time of its rounds, those under way not included. */
  spentMs = 0
  readonly begunMs: number[] = []
}

export class Tally {
  readonly violations: Violation[] = []
  /** Rounds begun. */
  started = 0
  readonly #shares: Map<string, Share>
  readonly #goals: Goals | undefined
  readonly #startMs = Date.now()

  /** @param goals a discipline that has reached its own gets no more rounds; without any, there is no end to it */
  constructor(names: readonly string[], goals?: Goals) {
    this.#shares = new Map(names.map((name) => [name, new Share()]))
    this.#goals = goals
  }

  /** The discipline that has had the least time, and the number of its next round; `undefined` when all goals are reached. */
  next(): { name: string; index: number } | undefined {
    const now = Date.now()
    const cost = ([, share]: [string, Share]): number => share.begunMs.reduce((sum, begun) => sum + now - begun + 1, share.spentMs)
    const open = [...this.#shares].filter(([name, share]) => !this.#isReached(name, share))
    if (open.length === 0) return undefined
    const [name, share] = open.reduce((best, each) => (cost(each) < cost(best) ? each : best))
    share.begunMs.push(now)
    this.started++
    return { name, index: share.started++ }
  }

  /** The oldest round of a discipline has ended. */
  finished(name: string): void {
    const share = this.#shares.get(name)!
    share.rounds++
    share.spentMs += Date.now() - share.begunMs.shift()!
  }

  #isReached(name: string, share: Share): boolean {
    if (this.#goals === undefined) return false
    const goals = Object.entries(this.#goals[name] ?? {}) as [CountName | 'rounds', number][]
    return goals.every(([what, least]) => (what === 'rounds' ? share.started : share.counts.get(what)) >= least)
  }

  add(name: string, progress: RoundProgress): void {
    const share = this.#shares.get(name)!
    for (const [count, value] of progress.counts) share.counts.add(count, value)
    for (const [note, value] of progress.notes) share.notes.set(note, (share.notes.get(note) ?? 0) + value)
  }

  /** All that was counted, over all disciplines. */
  totals(): [CountName, number][] {
    const totals = new Counts()
    for (const { counts } of this.#shares.values()) for (const [name, count] of counts.entries()) totals.add(name, count)
    return totals.entries()
  }

  /** One line for the impatient. */
  line(): string {
    const counts = this.totals().map(([name, count]) => `${format(count)} ${name}`)
    return [clock(Date.now() - this.#startMs), ...counts, `${this.violations.length} violations`].join(' · ')
  }

  /** The table at the end. */
  table(): string {
    const rows = this.#rows()
    const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
    const lines = rows.map((row) => row.map((cell, column) => (column === 3 ? cell : cell.padEnd(widths[column]!))).join('  '))
    return [...lines, '', this.line()].join('\n')
  }

  /** The same in Markdown. */
  markdown(): string {
    const [head, ...rows] = this.#rows().map((cells) => `| ${cells.join(' | ')} |`)
    return [head, '|---|---|---|---|', ...rows].join('\n')
  }

  #rows(): string[][] {
    const rows: string[][] = [['discipline', 'rounds', 'seconds', 'what was done']]
    for (const [name, { rounds, spentMs, counts, notes }] of this.#shares) {
      const done = [...counts.entries(), ...notes].map(([what, count]) => `${format(count)} ${what}`)
      rows.push([name, format(rounds), (spentMs / 1000).toFixed(0), done.join(', ')])
    }
    return rows
  }

  /** The same for programs. */
  summary(): object {
    const shares = [...this.#shares].map(([name, { rounds, spentMs, counts, notes }]) => {
      return [name, { rounds, seconds: spentMs / 1000, counts: Object.fromEntries(counts.entries()), notes: Object.fromEntries(notes) }]
    })
    return {
      seconds: (Date.now() - this.#startMs) / 1000,
      totals: Object.fromEntries(this.totals()),
      disciplines: Object.fromEntries(shares),
      violations: this.violations,
    }
  }
}

function format(count: number): string {
  return count.toLocaleString('en-US')
}

function clock(ms: number): string {
  const seconds = Math.floor(ms / 1000)
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}
