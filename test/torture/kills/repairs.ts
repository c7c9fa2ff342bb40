/**
 * Repairs that are killed with `kill -9`, again and again, on a copy of a store that lost its `CURRENT` or its manifests. None of that
 * costs data: when a repair comes to its end, everything is there, and whatever was there before it was killed opens or is repaired again.
 */
import { cpSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Store, type StoreOptions } from '../../../src/index.js'
import type { Random } from '../../../src/util/random.js'
import { expectState, type State } from '../../support/history.js'
import type { Round } from '../discipline.js'
import { Child } from './child.js'
import type { KillPoint } from './kill_point.js'

/** What a process is told that repairs. */
export interface RepairOrders {
  readonly dir: string
  readonly point: KillPoint
}

const KILLS_MAX = 2

/** Damages a copy of a store that holds `state`, has its repair killed, and repairs it. */
export async function killRepairs(round: Round, random: Random, dir: string, state: State, options: StoreOptions): Promise<void> {
  const copy = join(round.scratchDir, 'damaged')
  rmSync(copy, { recursive: true, force: true })
  cpSync(dir, copy, { recursive: true })
  // Without a manifest nobody knows which tables are obsolete. A clean close leaves none.
  await (await Store.open(copy, options)).close()
  const isCurrent = random.chance(0.3)
  for (const name of readdirSync(copy).filter((each) => each.startsWith(isCurrent ? 'CURRENT' : 'MANIFEST'))) {
    if (random.chance(0.5)) rmSync(join(copy, name))
    else writeFileSync(join(copy, name), 'damaged')
  }
  for (let kill = 0; kill < KILLS_MAX; kill++) {
    const point: KillPoint = { thread: 'main', nth: 1 + random.below(24), moment: random.pick(['before', 'torn', 'after']) }
    const child = new Child('repaired_store')
    child.send({ dir: copy, point } satisfies RepairOrders)
    const { code, signal } = await child.end()
    const [failure] = child.takeMessages()
    if (failure !== undefined || (code !== 0 && signal !== 'SIGKILL')) throw new Error(`repairing: ${failure ?? child.errors}`)
    if (signal !== 'SIGKILL') continue
    round.counts.add('kills')
    round.note('killed at repairing', 1)
  }
  const { problemsLeft } = await Store.repair(copy)
  const problems = [...problemsLeft, ...(await Store.verify(copy)).problems]
  if (problems.length > 0) throw new Error(`a repaired store has problems: ${problems.map(({ message }) => message).join('; ')}`)
  const store = await Store.open(copy, options)
  try {
    expectState(store, state, state.keys())
  } finally {
    await store.close()
  }
  rmSync(copy, { recursive: true, force: true })
}
