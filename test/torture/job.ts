/**
 * A process that runs rounds for `run.ts`, one at a time: a round that hangs or takes its process with it is found from outside.
 *
 * It says every half second what was done since the last time, as far as the round lets it, and `done` at the end of a round.
 */
import { type CountName, Counts } from './discipline.js'
import { disciplines } from './disciplines.js'

/** What a job is to do. */
export interface RoundTask {
  readonly discipline: string
  readonly seed: number
  readonly scratchDir: string
}

/** What it has done since it last said so. */
export interface RoundProgress {
  readonly counts: readonly (readonly [CountName, number])[]
  readonly notes: readonly (readonly [string, number])[]
  readonly isDone: boolean
  /** What the round has found. */
  readonly violation?: string
}

const REPORT_MS = 500

async function run(task: RoundTask): Promise<void> {
  const counts = new Counts()
  const notes = new Map<string, number>()
  const said = new Map<string, number>()
  const since = <Name extends string>(kind: string, entries: Iterable<[Name, number]>): [Name, number][] => {
    const news: [Name, number][] = []
    for (const [name, count] of entries) {
      const before = said.get(kind + name) ?? 0
      if (count !== before) news.push([name, count - before])
      said.set(kind + name, count)
    }
    return news
  }
  const say = (isDone: boolean, violation?: string): void => {
    const progress: RoundProgress = {
      counts: since('count ', counts.entries()),
      notes: since('note ', notes),
      isDone,
      ...(violation === undefined ? {} : { violation }),
    }
    // What does nothing for long is to be noticed.
    if (isDone || progress.counts.length + progress.notes.length > 0) process.send!(progress)
  }
  const timer = setInterval(() => say(false), REPORT_MS)
  let violation: string | undefined
  try {
    await disciplines.get(task.discipline)!.run({
      seed: task.seed,
      counts,
      scratchDir: task.scratchDir,
      note: (name, count) => void notes.set(name, (notes.get(name) ?? 0) + count),
    })
  } catch (error) {
    violation = describe(error)
  }
  clearInterval(timer)
  say(true, violation)
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return `${error.stack ?? error.message}${error.cause === undefined ? '' : `\ncaused by ${describe(error.cause)}`}`
}

process.on('message', (task) => void run(task as RoundTask))
// Whoever asked is gone.
process.on('disconnect', () => process.exit(1))
