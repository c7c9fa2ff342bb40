/**
 * The power is cut, or the process killed, at every change that a store's manifest makes to the disk: creation, edits, roll-overs,
 * deletions.
 *
 * Oracle: what is opened is the state after some edit, at least the last one that was reported durable and at most the last one begun; all
 * tables that it names are there; nothing is called damage; and what was opened survives another power loss.
 */
import { expect, test } from 'vitest'
import { Random } from '../../../src/util/random.js'
import { runTaskSync } from '../../../src/util/task.js'
import { inspectDirectory } from '../../../src/version/directory.js'
import type { Manifest } from '../../../src/version/manifest.js'
import type { Version } from '../../../src/version/version.js'
import type { MemoryVfs } from '../../../src/vfs/memory.js'
import { bytes, create, DIR, edit, emptyDisk, install, numbers, randomEdit, recover, table, testSeed } from './fixture.js'

function fingerprint(version: Version): string {
  return JSON.stringify(numbers(version))
}

/** A store whose every state is recorded. */
class History {
  readonly vfs: MemoryVfs = emptyDisk()
  /** States in the order in which they were begun; the first is the empty store. */
  readonly states: string[] = []
  /** Index of the last state that was reported durable; -1 before the store is. */
  durable = -1
  #manifest: Manifest | undefined

  create(): void {
    this.states.push('[[],[],[],[],[],[],[]]')
    this.#manifest = create(this.vfs)
    this.durable = 0
  }

  edit(random: Random, next: number, keyBytes: number): void {
    const manifest = this.#manifest!
    const change = randomEdit(random, manifest.version, next, keyBytes)
    this.states.push(fingerprint(manifest.version.applyEdit(change)))
    const version = install(this.vfs, manifest, change)
    this.durable = this.states.length - 1
    manifest.files.installed(version)
  }

  rollOver(): void {
    runTaskSync(this.#manifest!.rollOver())
  }
}

/** Opens a disk after a crash and compares it with the history. */
function check(disk: MemoryVfs, past: History, message: string): void {
  const kind = inspectDirectory(disk, DIR)
  if (kind !== 'store') {
    expect(past.durable, `${message}: the store is gone (${kind})`).toBe(-1)
    expect(['empty', 'unfinished'], message).toContain(kind)
    create(disk).closeSync()
    return
  }
  const readOnly = fingerprint(recover(disk, true).version)
  const { manifest, version } = recover(disk)
  const found = fingerprint(version)
  expect(found, message).toBe(readOnly)
  const index = past.states.lastIndexOf(found)
  expect(index, message).toBeGreaterThanOrEqual(past.durable)
  manifest.sweepSync()
  // What was opened was acted on, so it must survive the next power loss, with an edit made on top of it.
  const state = recover(disk.crashClone({ unsyncedPercent: 0, seed: 1 }))
  expect(fingerprint(state.version), message).toBe(found)
  const next = table(1_000_000, 'a', 'b')
  const after = fingerprint(install(disk, manifest, edit([{ level: 0, table: next }])))
  for (const unsyncedPercent of [0, 50, 100]) {
    const again = disk.crashClone({ unsyncedPercent, seed: 7 })
    expect(fingerprint(recover(again).version), message).toBe(after)
  }
}

function watch(past: History, random: Random, seed: number, round: number): { readonly crashes: number } {
  const counted = { crashes: 0 }
  past.vfs.onMutation = (index, kind, path) => {
    const crashSeed = random.uint32()
    const message = `VARVE_SEED=${seed} round ${round} before ${kind} ${path} (${index}), crash seed ${crashSeed}`
    check(past.vfs.processKillClone(), past, `${message}, killed`)
    for (const unsyncedPercent of [0, 25, 75]) {
      check(past.vfs.crashClone({ unsyncedPercent, seed: crashSeed }), past, `${message}, ${unsyncedPercent} %`)
      counted.crashes++
    }
  }
  return counted
}

test('a crash at any write leaves the state after an edit, no earlier than the last durable one', () => {
  const seed = testSeed()
  const random = new Random(seed)
  for (let round = 0; round < 2; round++) {
    const past = new History()
    const counted = watch(past, random, seed, round)
    past.create()
    for (let next = 2; next < 15; next++) {
      past.edit(random, next, round === 1 ? 2500 : 8)
      if (next % 6 === 0) past.rollOver()
    }
    expect(counted.crashes).toBeGreaterThan(150)
  }
})

test('two crashes in a row, the second while opening after the first, leave the same state', () => {
  const seed = testSeed()
  const random = new Random(seed)
  const past = new History()
  const crashed: { readonly disk: MemoryVfs; readonly durable: number }[] = []
  past.create()
  past.vfs.onMutation = () =>
    crashed.push({ disk: past.vfs.crashClone({ unsyncedPercent: 60, seed: random.uint32() }), durable: past.durable })
  for (let next = 2; next < 15; next++) past.edit(random, next, 8)
  past.rollOver()
  for (const { disk, durable } of crashed) {
    const found = fingerprint(recover(disk.crashClone({ unsyncedPercent: 100, seed: 1 }), true).version)
    expect(past.states.lastIndexOf(found)).toBeGreaterThanOrEqual(durable)
    const opened = disk.crashClone({ unsyncedPercent: 100, seed: 1 })
    opened.onMutation = (index) => {
      const again = opened.crashClone({ unsyncedPercent: random.pick([0, 50, 100]), seed: random.uint32() })
      expect(fingerprint(recover(again).version), `VARVE_SEED=${seed} mutation ${index}`).toBe(found)
    }
    recover(opened).manifest.sweepSync()
  }
})

test('a failed sync does not come back as success: what the page cache held is written anew', () => {
  const past = new History()
  past.create()
  past.edit(new Random(1), 2, 8)
  const { vfs } = past
  const { manifest } = recover(vfs)
  vfs.onMutation = (_, kind, path) => {
    if (kind === 'sync' && path.includes('MANIFEST')) throw new Error('EIO')
  }
  expect(() => runTaskSync(manifest.append(edit([], [], { logNumber: 77, compactPointers: [{ level: 0, key: bytes('k') }] })))).toThrow(
    'EIO',
  )
  vfs.onMutation = undefined
  // The process dies; the next one finds the edit in the page cache. Syncing the same file proves nothing, so a new one must be written.
  const next = vfs.processKillClone()
  const opened = recover(next)
  expect(opened).toMatchObject({ isRolledOver: true, state: { logNumber: 77 } })
  expect(recover(next.crashClone({ unsyncedPercent: 0, seed: 1 })).state.logNumber).toBe(77)
})
