/** Passes: how much of what comes back from the thread pool is worked on in one turn of the event loop. */
import { expect, test } from 'vitest'
import { LoopTurn } from '../../../src/store/loop_turn.js'
import { ManualClock } from '../../../src/util/clock.js'
import { nextTurn } from '../../support/stores.js'

const WORKERS = 100

/** Lets many pieces of work ask for a pass at once, each of which takes so long; gives how many were done in each turn, and their order. */
async function work(pieceMs: number): Promise<{ perTurn: number[]; order: number[] }> {
  const clock = new ManualClock()
  const turn = new LoopTurn(clock)
  const order: number[] = []
  const perTurn: number[] = []
  const piece = async (number: number): Promise<void> => {
    const pause = turn.pass()
    if (pause !== undefined) await pause
    clock.advance(pieceMs)
    order.push(number)
  }
  const pieces = Array.from({ length: WORKERS }, (_, i) => piece(i))
  for (let before = 0; before < WORKERS; before = order.length) {
    await nextTurn()
    perTurn.push(order.length - before)
  }
  await Promise.all(pieces)
  return { perTurn, order }
}

test('quick work is done sixteen pieces a turn, in the order of asking', async () => {
  const { perTurn, order } = await work(0.01)
  // The first count is that of two turns: the one in which they ask, and the next.
  expect(perTurn[0]).toBe(32)
  expect(Math.max(...perTurn.slice(1))).toBe(16)
  expect(order).toEqual(Array.from({ length: WORKERS }, (_, i) => i))
})

test('slow work ends its turn: none is begun after two milliseconds', async () => {
  const { perTurn, order } = await work(1)
  expect(perTurn[0]).toBe(4)
  expect(Math.max(...perTurn.slice(1))).toBe(2)
  expect(order.length).toBe(WORKERS)
})

test('those who ask while others wait come after them', async () => {
  const clock = new ManualClock()
  const turn = new LoopTurn(clock)
  const order: string[] = []
  const ask = async (name: string): Promise<void> => {
    const pause = turn.pass()
    if (pause !== undefined) await pause
    clock.advance(5)
    order.push(name)
  }
  const first = [ask('a'), ask('b'), ask('c')]
  await nextTurn()
  await Promise.all([...first, ask('d')])
  expect(order).toEqual(['a', 'b', 'c', 'd'])
})
