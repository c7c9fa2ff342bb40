/** Back-pressure: when writes are slowed down and stopped, by how much, and what is told of it. */
import { expect, test } from 'vitest'
import { BackPressure } from '../../../src/store/back_pressure.js'
import { ManualClock } from '../../../src/util/clock.js'

const MIB = 1024 * 1024

/** A back-pressure with a budget of 32 MiB, and what it has told. */
function pressured() {
  const told: string[] = []
  const clock = new ManualClock()
  const pressure = new BackPressure(
    MIB,
    clock,
    ({ kind }) => told.push(kind),
    ({ durationMs }) => told.push(`end after ${durationMs}`),
  )
  /** Debt in MiB. */
  const owe = (debt: number): number => {
    pressure.update(0, 0, debt * MIB)
    pressure.wrote(64 * 1024)
    return pressure.takeDelayMs()
  }
  return { told, clock, pressure, owe }
}

test('a debt that hovers about half of the budget is one stall', () => {
  const { told, clock, pressure, owe } = pressured()
  for (let i = 0; i < 100; i++) {
    clock.advance(1)
    owe(i % 2 === 0 ? 17 : 15)
  }
  expect(told).toEqual(['delay'])
  expect(pressure.stats().count).toBe(1)
  clock.advance(1)
  owe(11)
  expect(told).toEqual(['delay', 'end after 100'])
  // Below the half nothing is slowed down, stall or not.
  owe(17)
  expect(owe(13)).toBe(0)
})

test('a full stop ends as a delay while much is owed, and for good when little is', () => {
  const { told, clock, pressure, owe } = pressured()
  owe(32)
  expect(pressure.mayFreeze()).toBe(false)
  clock.advance(5)
  owe(14)
  expect(pressure.mayFreeze()).toBe(true)
  expect(told).toEqual(['delay', 'wait', 'delay'])
  owe(0)
  expect(told).toEqual(['delay', 'wait', 'delay', 'end after 5'])
  expect(pressure.stats().waitedMs).toBe(5)
})

test('writes are slowed down in proportion to their size and to the debt, and never for more than a second at once', () => {
  const { pressure, owe } = pressured()
  owe(31)
  const delayOf = (bytes: number): number => {
    pressure.wrote(bytes)
    return pressure.takeDelayMs()
  }
  const small = delayOf(256 * 1024)
  expect(small).toBeGreaterThan(50)
  expect(small).toBeLessThan(125)
  expect(delayOf(512 * 1024)).toBeCloseTo(2 * small)
  expect(delayOf(256 * MIB)).toBe(1000)
  pressure.update(0, 0, 20 * MIB)
  expect(delayOf(256 * 1024)).toBeLessThan(small / 4)
  expect(pressure.stats().delayedMs).toBeGreaterThan(1000)
})
