import { describe, expect, test } from 'vitest'
import { ManualClock, systemClock } from '../../../src/util/clock.js'

describe('a manual clock', () => {
  test('moves only when told to', () => {
    const clock = new ManualClock(100)
    expect([clock.nowMs(), clock.wallMs()]).toEqual([100, 100])
    clock.advance(5)
    expect([clock.nowMs(), clock.wallMs()]).toEqual([105, 105])
  })

  test('fires timers in the order they fall due, at their own time, equal ones in the order they were set', () => {
    const clock = new ManualClock()
    const fired: string[] = []
    const note = (name: string) => (): void => void fired.push(`${name}@${clock.nowMs()}`)
    clock.after(20, note('late'))
    clock.after(10, note('first'))
    clock.after(10, note('second'))
    clock.after(31, note('never'))
    clock.advance(9)
    expect(fired).toEqual([])
    clock.advance(21)
    expect(fired).toEqual(['first@10', 'second@10', 'late@20'])
    expect(clock.nowMs()).toBe(30)
  })

  test('fires timers that are set while it moves, and none that were cancelled', () => {
    const clock = new ManualClock()
    const fired: number[] = []
    const cancelled = clock.after(3, () => fired.push(-1))
    clock.after(2, () => {
      cancelled.cancel()
      clock.after(2, () => fired.push(clock.nowMs()))
    })
    clock.advance(10)
    expect(fired).toEqual([4])
    cancelled.cancel()
  })

  test('leaves the turns of the event loop real', async () => {
    await new Promise<void>((resolve) => new ManualClock().nextTurn(resolve))
  })
})

describe('the system clock', () => {
  test('goes on, calls back, and takes turns', async () => {
    const start = systemClock.nowMs()
    const never = systemClock.after(0, () => {
      throw new Error('was cancelled')
    })
    never.cancel()
    const timer = setTimeout(() => {}, 10_000) // timers of the clock alone would not keep the process alive
    await new Promise<void>((resolve) => systemClock.after(1, resolve))
    clearTimeout(timer)
    await new Promise<void>((resolve) => systemClock.nextTurn(resolve))
    expect(systemClock.nowMs()).toBeGreaterThan(start)
    expect(Math.abs(systemClock.wallMs() - Date.now())).toBeLessThan(1000)
  })
})
