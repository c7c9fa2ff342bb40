/** When syncs are made on the spot, and when they go through the thread pool. */
import { expect, test } from 'vitest'
import { SyncGate } from '../../../src/store/sync_gate.js'
import { ManualClock } from '../../../src/util/clock.js'

/** A gate, and a disk whose syncs take as long as told; the pool adds its trip. */
function gated(tripMs = 0) {
  const clock = new ManualClock()
  const gate = new SyncGate(clock)
  /** Makes syncs; how many of them were on the spot. */
  const sync = (count: number, diskMs: number): number => {
    let blocked = 0
    for (let i = 0; i < count; i++) {
      const onTheSpot = gate.mayBlock()
      const startMs = gate.nowMs()
      clock.advance(onTheSpot ? diskMs : diskMs + tripMs)
      if (onTheSpot) gate.blocked(startMs)
      else gate.pooled(startMs)
      if (onTheSpot) blocked++
    }
    return blocked
  }
  return { sync }
}

test('the first syncs are made in the pool, and tell that the disk is fast', () => {
  const { sync } = gated(0.1)
  expect(sync(15, 0.2)).toBe(0)
  sync(15, 0.2)
  expect(sync(1000, 0.2)).toBe(1000)
})

test('a slow disk is never waited for on the spot', () => {
  const { sync } = gated(0.1)
  expect(sync(10_000, 8)).toBe(0)
})

test('a disk between fast and slow is tried now and then', () => {
  const { sync } = gated(0.1)
  sync(100, 1)
  expect(sync(1600, 1)).toBe(100)
  // What stalls in the pool says nothing of the disk.
  sync(1, 30)
  expect(sync(1600, 1)).toBe(100)
})

test('a trip that takes longer than the disk may is found out', () => {
  const { sync } = gated(0.7)
  sync(100, 0.2)
  expect(sync(1000, 0.2)).toBe(1000)
})

test('one stall of a fast disk changes nothing, a second one sends what follows to the pool', () => {
  const { sync } = gated()
  sync(100, 0.2)
  expect(sync(1, 30)).toBe(1)
  expect(sync(100, 0.2)).toBe(100)
  expect(sync(2, 30)).toBe(2)
  expect(sync(1, 0.2)).toBe(0)
  // The pool tells that it is over.
  sync(20, 0.2)
  expect(sync(100, 0.2)).toBe(100)
})

test('a disk that has become slow holds the loop a few times, and when it is fast again it is used so', () => {
  const { sync } = gated(0.1)
  sync(100, 0.1)
  expect(sync(1000, 10)).toBeLessThan(8)
  expect(sync(1000, 10)).toBe(0)
  sync(50, 0.1)
  expect(sync(100, 0.1)).toBe(100)
})
