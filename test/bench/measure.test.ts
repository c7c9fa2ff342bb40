/** What measures must measure right: limits, flights, quantiles, delays of the event loop; and the records that are measured with. */
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { watchEventLoop } from '../../bench/loop_delay.js'
import { timeAwaited, timeInFlight, timeSync } from '../../bench/measure.js'
import { Order, Records } from '../../bench/records.js'
import { format, median, spread } from '../../bench/statistics.js'

/** Holds the event loop. */
function hold(milliseconds: number): void {
  const end = performance.now() + milliseconds
  while (performance.now() < end);
}

describe('timing', () => {
  test.each([
    ['awaited', timeAwaited],
    ['synchronous', timeSync],
  ] as const)('%s operations run in order until there are enough of them', async (_, time) => {
    const numbers: number[] = []
    const metrics = await time({ operations: 1000, milliseconds: Infinity }, (i) => numbers.push(i))
    expect(numbers).toEqual(Array.from({ length: 1000 }, (_, i) => i))
    expect(metrics['operations']).toBe(1000)
  })

  test('operations end when their time is over', async () => {
    const limit = { operations: Infinity, milliseconds: 20 }
    for (const run of [timeAwaited(limit, () => 0), timeSync(limit, () => 0), timeInFlight(4, limit, () => 0)]) {
      expect((await run)['operations']).toBeGreaterThan(0)
    }
  })

  test('a slow operation shows in the greatest time, timed or not', async () => {
    const metrics = await timeAwaited({ operations: 100, milliseconds: Infinity }, (i) => (i === 37 ? hold(30) : undefined))
    expect(metrics['maxUs']).toBeGreaterThanOrEqual(30_000)
    expect(metrics['p50Us']).toBeLessThan(30_000)
  })

  test('as many operations are in flight as are asked for, and never more', async () => {
    let inFlight = 0
    let most = 0
    const numbers = new Set<number>()
    await timeInFlight(8, { operations: 500, milliseconds: Infinity }, async (i) => {
      numbers.add(i)
      most = Math.max(most, ++inFlight)
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
      inFlight--
    })
    expect(most).toBe(8)
    expect(numbers.size).toBe(500)
  })

  test('a result that is refused ends the run', async () => {
    const refuse = (): void => {
      throw new Error('refused')
    }
    await expect(timeAwaited({ operations: 10, milliseconds: Infinity }, () => 1, refuse)).rejects.toThrow('refused')
    await expect(timeInFlight(2, { operations: 10, milliseconds: Infinity }, () => 1, refuse)).rejects.toThrow('refused')
  })

  test('the event loop gets its turns while operations answer at once', async () => {
    let turns = 0
    const timer = setInterval(() => turns++, 1)
    await timeAwaited({ operations: Infinity, milliseconds: 50 }, () => 0)
    clearInterval(timer)
    expect(turns).toBeGreaterThan(2)
  })
})

describe('the delay of the event loop', () => {
  test('shows work that never lets go of the loop, from its beginning to its end', async () => {
    const stop = await watchEventLoop()
    hold(60)
    const { loopDelayMaxMs } = await stop()
    expect(loopDelayMaxMs).toBeGreaterThan(55)
  })

  test('is counted from nothing', async () => {
    const stop = await watchEventLoop()
    await sleep(30)
    const { loopDelayP50Ms } = await stop()
    expect(loopDelayP50Ms).toBeLessThan(60)
    expect(loopDelayP50Ms).toBeGreaterThanOrEqual(0)
  })
})

describe('records', () => {
  const records = new Records(1000, 1)

  test('an order has every number once', () => {
    for (const count of [1, 2, 7, 1000, 4097]) {
      const order = new Order(count, 5)
      const numbers = Array.from({ length: count }, (_, i) => order.at(i))
      expect(new Set(numbers).size).toBe(count)
      expect(Math.max(...numbers)).toBe(count - 1)
    }
  })

  test('keys are in the order of their numbers, with absent ones between them and a hundred to a prefix', () => {
    for (let number = 1; number < 1000; number++) expect(records.key(number) > records.absentKey(number - 1)).toBe(true)
    expect(records.absentKey(5) > records.key(5)).toBe(true)
    const alike = Array.from({ length: 1000 }, (_, number) => records.key(number)).filter((key) => key.startsWith(records.prefix(437)))
    expect(alike).toHaveLength(100)
  })

  test('a value is known by its record and version, and half of it says the same again', () => {
    const value = records.value(3)
    expect(value.subarray(0, 50).equals(value.subarray(50))).toBe(true)
    expect(records.isValue(value, 3)).toBe(true)
    expect(records.isValue(value, 4)).toBe(false)
    expect(records.isValue(value, 3, 1)).toBe(false)
    expect(records.isValue(records.value(3, 1), 3, 1)).toBe(true)
    expect(records.isValue(undefined, 3)).toBe(false)
    expect(records.largeValue(1, 12_345)).toHaveLength(12_345)
  })
})

describe('statistics', () => {
  test('median, spread and digits', () => {
    expect(median([3, 1, 2])).toBe(2)
    expect(median([4, 1, 2, 3])).toBe(2.5)
    expect(spread([9, 10, 12])).toBeCloseTo(0.3)
    expect(spread([0, 0])).toBe(0)
    expect([format(1_234_567.8), format(12.345), format(0.012_345), format(0)]).toEqual(['1,234,568', '12.3', '0.0123', '0'])
  })
})
