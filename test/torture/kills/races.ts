/**
 * Processes that want the same store: whoever opens it first has it alone, until it closes it or dies, and no longer.
 *
 * - Of several that open it at the same moment exactly one gets it; the others are told who has it.
 * - The lock of a killed process is free at once, and again exactly one of several gets it.
 * - A stopped process still has it, and goes on when it is continued.
 * - Who only reads needs no lock, and sees what the writer had acknowledged, however the writer turns its files over meanwhile.
 */
import { join } from 'node:path'
import { Store, StoreError } from '../../../src/index.js'
import { Random } from '../../../src/util/random.js'
import type { Round } from '../discipline.js'
import { Child } from './child.js'
import { type Orders, randomOptions } from './orders.js'
import { createProgress, readProgress } from './progress.js'
import { candidates, find } from './verdict.js'

const CONTENDERS = 3
const RACES = 10

/** Some processes, and how often the store was written to by any of them. */
class Contest {
  readonly #round: Round
  readonly #random: Random
  readonly #dir: string
  readonly #contenders: Child[] = []
  #writes = 0
  /** Whether a process was killed in the middle of one more. */
  #isLastInDoubt = false

  constructor(round: Round) {
    this.#round = round
    this.#random = new Random(round.seed)
    this.#dir = join(round.scratchDir, 'contested')
  }

  async run(): Promise<void> {
    try {
      for (let race = 0; race < RACES; race++) await this.#race()
    } finally {
      for (const child of this.#contenders) {
        child.process.kill('SIGCONT')
        await child.kill()
      }
    }
  }

  async #race(): Promise<void> {
    while (this.#contenders.length < CONTENDERS) this.#contenders.push(new Child('store_contender', [this.#dir]))
    const holder = await this.#oneOpens(this.#contenders, undefined)
    this.#round.counts.add('openings')
    await this.#write(holder)
    const n = this.#random.below(10)
    if (n < 5) return this.#kill(holder)
    if (n < 8) await this.#stop(holder)
    holder.send('close')
    const answer = await holder.message()
    if (answer !== 'closed') throw new Error(`process ${holder.pid} answered close with ${answer}`)
  }

  /** All of them open the store at once. Who has got it; nobody may if there is a holder. */
  async #oneOpens(contenders: readonly Child[], holder: Child | undefined): Promise<Child> {
    for (const child of contenders) child.send('open')
    const answers = await Promise.all(contenders.map((child) => child.message()))
    const opened = contenders.filter((_, i) => answers[i] === 'open')
    const winner = holder ?? opened[0]
    const isRight = opened.length === (holder === undefined ? 1 : 0)
    const refusals = answers.filter((text) => text !== 'open')
    const areTold = refusals.every((text) => text?.startsWith('ERR_LOCKED') === true && isNamed(text, winner))
    if (winner === undefined || !isRight || !areTold) {
      throw new Error(
        `the store was opened by ${opened.length} of ${contenders.length} processes, holder ${winner?.pid}: ${answers.join('; ')}`,
      )
    }
    return winner
  }

  /** What is read is what all holders before have written. */
  async #write(holder: Child): Promise<void> {
    for (let i = this.#random.below(4); i >= 0; i--) {
      holder.send('write')
      const answer = await holder.message()
      const isRight = answer === String(this.#writes + 1) || (this.#isLastInDoubt && answer === String(this.#writes + 2))
      if (!isRight) throw new Error(`process ${holder.pid} answered write ${this.#writes + 1} with ${answer}`)
      this.#writes = Number(answer)
      this.#isLastInDoubt = false
      this.#round.counts.add('operations')
    }
  }

  async #kill(holder: Child): Promise<void> {
    if (this.#random.chance(0.5)) {
      holder.send('write')
      this.#isLastInDoubt = true
    }
    await holder.kill()
    this.#round.counts.add('kills')
    this.#contenders.splice(this.#contenders.indexOf(holder), 1)
  }

  async #stop(holder: Child): Promise<void> {
    holder.process.kill('SIGSTOP')
    const others = this.#contenders.filter((child) => child !== holder)
    await this.#oneOpens(others, holder)
    holder.process.kill('SIGCONT')
    this.#round.note('holders stopped', 1)
    await this.#write(holder)
  }
}

/** While several take their chances a moment passes in which nobody has the lock yet. */
function isNamed(refusal: string, holder: Child | undefined): boolean {
  return refusal.includes(`process ${holder?.pid} `) || refusal.includes('by several processes at once')
}

/** Reads beside a process that writes. */
async function readBeside(round: Round): Promise<void> {
  const random = new Random(round.seed)
  const progressPath = join(round.scratchDir, 'writer')
  const orders: Orders = {
    dir: join(round.scratchDir, 'read'),
    progressPath,
    options: randomOptions(random),
    isOpenedSync: false,
    loadSeed: random.uint32(),
    hasLongKeys: random.chance(0.4),
    writes: 2000,
    window: random.pick([1, 4, 64]),
    ending: { kind: 'close' },
  }
  createProgress(progressPath)
  const writer = new Child('killed_store')
  try {
    writer.send(orders)
    if ((await writer.message()) !== 'open') throw new Error(`the writer did not open its store\n${writer.errors}`)
    while (!writer.hasEnded) {
      await lookBeside(round, orders)
      await new Promise((resolve) => setImmediate(resolve))
    }
    const failure = writer.takeMessages()[0]
    if (failure !== undefined) throw new Error(failure)
  } catch (error) {
    throw new Error(`${JSON.stringify(orders)}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  } finally {
    await writer.kill()
  }
}

async function lookBeside(round: Round, orders: Orders): Promise<void> {
  const before = readProgress(orders.progressPath)
  let store: Store | undefined
  try {
    store = round.seed % 2 === 0 ? Store.openSync(orders.dir, { readOnly: true }) : await Store.open(orders.dir, { readOnly: true })
    const { issued } = readProgress(orders.progressPath)
    find(store, candidates(new Map(), orders, { ...before, issued }, false))
    round.note('looked beside a writer', 1)
  } catch (error) {
    // Tables may be deleted under a reader, as docs/durability.md says.
    if (!(error instanceof StoreError) || !/no such file|that the manifest names is missing/.test(error.message)) throw error
    round.note('was too late beside a writer', 1)
  } finally {
    await store?.close()
  }
}

/** One round of either. */
export function race(round: Round): Promise<void> {
  return round.seed % 2 === 0 ? new Contest(round).run() : readBeside(round)
}
