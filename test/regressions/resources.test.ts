/**
 * Resources that a store once kept for longer than it needed them: memory behind timers of closed stores, and space that an idle store did
 * not give back. Found by `test/torture/resources.ts`.
 */
import { describe, expect, test } from 'vitest'
import { memory, Store, type StoreOptions } from '../../src/index.js'
import { type Clock, ManualClock, type Timer } from '../../src/util/clock.js'
import { nextTurn, TINY } from '../support/stores.js'

/** Counts timers that are set and have neither fired nor been cancelled. */
class CountingClock extends ManualClock {
  pending = 0

  override after(delayMs: number, action: () => void): Timer {
    this.pending++
    const once = (): boolean => {
      if (isOver) return false
      this.pending--
      return (isOver = true)
    }
    let isOver = false
    const timer = super.after(delayMs, () => once() && action())
    return { cancel: () => (once(), timer.cancel()) }
  }
}

/** Opens a store that overwrites all of its values while a snapshot is open, and is closed before that could be cleaned up. */
async function overwrittenStore(options: StoreOptions): Promise<ReturnType<typeof memory>> {
  const vfs = memory()
  const store = await Store.open(vfs, options)
  for (let i = 0; i < 500; i++) store.putSync(`key ${i}`, 'x'.repeat(100))
  const snapshot = store.snapshot()
  for (let i = 0; i < 500; i++) store.putSync(`key ${i}`, 'y'.repeat(100))
  await store.compact()
  snapshot.close()
  await store.close()
  return vfs
}

async function rest(clock: ManualClock): Promise<void> {
  for (let i = 0; i < 40; i++) {
    clock.advance(500)
    for (let turn = 0; turn < 20; turn++) await nextTurn()
  }
}

describe('a store that was opened again and is left alone', () => {
  test('gives back what was kept for a snapshot of the process before', async () => {
    const clock = new ManualClock()
    const vfs = await overwrittenStore({ ...TINY, clock })
    const store = await Store.open(vfs, { ...TINY, clock })
    const entries = (): number => store.stats().levels.reduce((sum, { keys }) => sum + keys, 0)
    expect(entries()).toBe(1000)
    await rest(clock)
    expect(entries()).toBe(500)
    await store.close()
  })

  test('gives back what was deleted by the process before', async () => {
    const clock = new ManualClock()
    const vfs = memory()
    const bytes = (): number => vfs.files().reduce((sum, path) => sum + vfs.readFile(path).length, 0)
    const before = await Store.open(vfs, { ...TINY, clock })
    for (let i = 0; i < 500; i++) before.putSync(`key ${i}`, 'x'.repeat(100))
    await before.flush()
    before.deletePrefixSync('key')
    await before.close()
    const peak = bytes()
    const store = await Store.open(vfs, { ...TINY, clock })
    await rest(clock)
    expect(bytes()).toBeLessThan(peak / 10)
    await store.close()
  })
})

describe('a closed store has no timers left', () => {
  test.each([
    ['of idleness', {}],
    ["of walSync 'interval'", { walSync: 'interval', walSyncInterval: 60_000 }],
    ["of walSync 'none'", { walSync: 'none' }],
  ] as const)('%s', async (_, options) => {
    for (const isSync of [false, true]) {
      const clock: CountingClock & Clock = new CountingClock()
      const store = await Store.open(memory(), { ...TINY, ...options, clock })
      await store.put('a', 1)
      const snapshot = store.snapshot()
      expect(clock.pending).toBeGreaterThan(0)
      if (isSync) store.closeSync()
      else await store.close()
      snapshot.close()
      expect(clock.pending).toBe(0)
    }
  })
})
