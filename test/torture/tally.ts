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

  /**
   * The discipline whose turn it is, and the number of its next round; `undefined` when all goals are reached. It is the one that has had
   * the least time; with goals, the one that needs the most until it has reached its own, so that all end at about the same time.
   */
  next(): { name: string; index: number } | undefined {
    const now = Date.now()
    const open = [...this.#shares].filter(([name, share]) => this.#reached(name, share) < 1)
    if (open.length === 0) return undefined
    const urgency = ([name, share]: [string, Share]): number => {
      const spentMs = share.begunMs.reduce((sum, begun) => sum + now - begun + 1, share.spentMs)
      return this.#goals === undefined ? -spentMs : remainingMs(spentMs, this.#reached(name, share))
    }
    const [name, share] = open.reduce((best, each) => (urgency(each) > urgency(best) ? each : best))
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

  /** What part of its goals a discipline has reached: 1 when all of them are, 0 when there are none. */
  #reached(name: string, share: Share): number {
    if (this.#goals === undefined) return 0
    const goals = Object.entries(this.#goals[name] ?? {}) as [CountName | 'rounds', number][]
    return Math.min(1, ...goals.map(([what, least]) => (what === 'rounds' ? share.started : share.counts.get(what)) / least))
  }

  /** The goals that were not reached, in words. */
  missed(): string[] {
    if (this.#goals === undefined) return []
    return [...this.#shares].flatMap(([name, { rounds, counts }]) =>
      (Object.entries(this.#goals![name] ?? {}) as [CountName | 'rounds', number][]).flatMap(([what, least]) => {
        const count = what === 'rounds' ? rounds : counts.get(what)
        return count >= least ? [] : [`${name} ${format(count)} of ${format(least)} ${what}`]
      }),
    )
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

  /** The tables at the end. */
  text(): string {
    const tables = [this.#summaryRows(), ...this.#detailRows()].map(aligned)
    return [...tables, ...this.#missedLine(), this.line()].join('\n\n')
  }

  /** The same in Markdown. */
  markdown(): string {
    const tables = [this.#summaryRows(), ...this.#detailRows()].map(markdownTable)
    return [...this.#missedLine().map((line) => `**${line}**`), ...tables].join('\n\n')
  }

  #missedLine(): string[] {
    const missed = this.missed()
    return missed.length === 0 ? [] : [`goals not reached: ${missed.join(', ')}`]
  }

  #summaryRows(): string[][] {
    const rows: string[][] = [['discipline', 'rounds', 'seconds', 'what was done']]
    for (const [name, { rounds, spentMs, counts, notes }] of this.#shares) {
      const plain = [...notes].filter(([note]) => !note.includes(': '))
      const done = [...counts.entries(), ...plain].map(([what, count]) => `${format(count)} ${what}`)
      rows.push([name, format(rounds), (spentMs / 1000).toFixed(0), done.join(', ')])
    }
    return rows
  }

  /** For each discipline with notes named `row: column`, a table of them. */
  #detailRows(): string[][][] {
    const tables: string[][][] = []
    for (const [name, { notes }] of this.#shares) {
      const cells = [...notes].filter(([note]) => note.includes(': ')).map(([note, count]) => [...note.split(': '), format(count)] as const)
      if (cells.length === 0) continue
      const columns = [...new Set(cells.map(([, column]) => column!))]
      const rows = [...new Set(cells.map(([row]) => row!))].sort()
      const cell = (row: string, column: string): string => cells.find((each) => each[0] === row && each[1] === column)?.[2] ?? '0'
      tables.push([[name, ...columns], ...rows.map((row) => [row, ...columns.map((column) => cell(row, column))])])
    }
    return tables
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
      goalsMissed: this.missed(),
      violations: this.violations,
    }
  }
}

/** What has not begun comes first, since nothing is known of it; what has reached nothing yet is only beginning. */
function remainingMs(spentMs: number, reached: number): number {
  if (spentMs === 0) return Infinity
  return reached === 0 ? 0 : (spentMs / reached) * (1 - reached)
}

function aligned(rows: readonly string[][]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  const last = widths.length - 1
  return rows.map((row) => row.map((cell, column) => (column === last ? cell : cell.padEnd(widths[column]!))).join('  ')).join('\n')
}

function markdownTable(rows: readonly string[][]): string {
  const [head, ...body] = rows.map((cells) => `| ${cells.join(' | ')} |`)
  return [head, `|${'---|'.repeat(rows[0]!.length)}`, ...body].join('\n')
}

function format(count: number): string {
  return count.toLocaleString('en-US')
}

function clock(ms: number): string {
  const seconds = Math.floor(ms / 1000)
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}
