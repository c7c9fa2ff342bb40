/** Whose turn it is in a run of the proving ground. */
import { expect, test, vi } from 'vitest'
import { Tally } from './tally.js'

/** Gives so many rounds of a second each, of which each brings what `bring` says. Returns the names in order. */
function turns(tally: Tally, rounds: number, bring: (name: string) => number): string {
  vi.useFakeTimers()
  let names = ''
  for (let i = 0; i < rounds; i++) {
    const turn = tally.next()
    if (turn === undefined) break
    vi.advanceTimersByTime(1000)
    tally.add(turn.name, { counts: [['kills', bring(turn.name)]], notes: [], isDone: true })
    tally.finished(turn.name)
    names += turn.name
  }
  vi.useRealTimers()
  return names
}

test('disciplines take turns', () => {
  expect(turns(new Tally(['a', 'b']), 6, () => 1)).toBe('ababab')
})

test('with goals all disciplines reach their own at about the same time, and then there is no end left to go for', () => {
  const goals = { a: { kills: 16 }, b: { kills: 100 }, c: { rounds: 3 } }
  const names = turns(new Tally(['a', 'b', 'c'], goals), 100, (name) => (name === 'a' ? 1 : 50))
  expect(names).toHaveLength(16 + 2 + 3)
  expect(names.slice(0, 3)).toBe('abc')
  expect([...names.slice(-5)].toSorted().join('')).toMatch(/^a+b?c+$/)
})

test('rounds of one discipline that run at the same time have different numbers', () => {
  const tally = new Tally(['a'], { a: { kills: 5 } })
  expect([tally.next(), tally.next()].map((turn) => turn?.index)).toEqual([0, 1])
})

test('goals that were not reached are named, as far as they were reached', () => {
  const tally = new Tally(['a', 'b', 'c'], { a: { kills: 2 }, b: { kills: 1000 }, c: { rounds: 3 } })
  turns(tally, 6, (name) => (name === 'b' ? 1 : 10))
  expect(tally.missed()).toEqual([expect.stringMatching(/^b [1-5] of 1,000 kills$/), expect.stringMatching(/^c [0-2] of 3 rounds$/)])
  expect(tally.text()).toContain('goals not reached: b ')
  expect(tally.markdown()).toContain('**goals not reached: b ')
  expect(new Tally(['a']).text()).not.toContain('goals not reached')
})
