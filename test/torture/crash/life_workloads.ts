/** Workloads about the beginning and the end of a store's life: openings, closings, lock take-over, crashes lived through, full disks. */
import type { MemoryVfs } from '../../../src/index.js'
import { Store, StoreError, type WalSync } from '../../../src/index.js'
import { TINY } from '../../support/options.js'
import type { Promised, Subject } from './subject.js'
import type { Sweep } from './sweep.js'
import type { Workload } from './workloads.js'

async function writeSome(subject: Subject, { random }: Sweep, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    await subject.put(`k${random.below(20)}`, `${subject.history.length} ${'x'.repeat(random.below(300))}`, { sync: random.chance(0.1) })
  }
}

const freshFolders: Workload = {
  name: 'opening where there is nothing',
  run: async (sweep) => {
    for (let i = 0; i < 12; i++) {
      const subject = sweep.subject({ walSync: sweep.random.pick(['none', 'os', 'always'] as const) })
      if (i % 2 === 0) subject.openSync()
      else await subject.open()
      if (i % 4 > 1) await writeSome(subject, sweep, 2)
      if (i % 3 === 0) subject.closeSync()
      else await subject.close()
      await sweep.inspectAll()
    }
  },
}

const closings: Workload = {
  name: 'closing and opening again',
  run: async (sweep) => {
    const { random } = sweep
    const subject = sweep.subject({ walSync: random.pick(['none', 'os', 'interval', 'always'] as const) })
    for (let i = 0; i < 22; i++) {
      if (i % 2 === 0) subject.openSync()
      else await subject.open()
      if (i === 8)
        await subject.batch(Array.from({ length: 30 }, (_, n) => ({ type: 'put', key: `k${n}`, value: 'b'.repeat(3000) }) as const))
      await writeSome(subject, sweep, random.between(0, 14))
      // Writes that nobody has waited for are finished by closing.
      const writes = Array.from({ length: random.below(4) }, (_, n) => subject.put(`late ${n}`, i))
      if (random.chance(0.3)) void subject.flush().catch(() => {})
      if (i % 3 === 0) subject.closeSync()
      else await subject.close()
      await Promise.all(writes)
      await sweep.inspectAll()
    }
  },
}

const lockTakeOver: Workload = {
  name: 'lock take-over',
  run: async (sweep) => {
    const subject = sweep.subject({})
    for (let i = 0; i < 14; i++) {
      await subject.open()
      await writeSome(subject, sweep, sweep.random.between(0, 6))
      const holder = subject.vfs
      subject.moveTo(holder.otherProcess())
      await expectLocked(subject.vfs)
      // The holder dies without a word. What it kept in the process is gone; with `walSync: 'os'` that is nothing.
      holder.onMutation = () => {
        throw new Error('a dead process changes the disk')
      }
      holder.endProcess()
      await sweep.inspectAll()
    }
    await subject.open()
    await subject.close()
    await sweep.inspectAll()
  },
}

async function expectLocked(vfs: MemoryVfs): Promise<void> {
  try {
    await (await Store.open(vfs, TINY)).close()
  } catch {
    return
  }
  throw new Error('a second process has opened a store that is in use')
}

/** The store goes on with what each crash has left, so that recoveries build on what earlier ones have made. */
function lives(walSync: WalSync): Workload {
  return {
    name: `life after life, walSync '${walSync}'`,
    run: async (sweep) => {
      const { random } = sweep
      const subject = sweep.subject({ walSync })
      await subject.open()
      for (let life = 0; life < 16; life++) {
        await writeSome(subject, sweep, random.between(0, 24))
        if (random.chance(0.2)) await subject.flush()
        const writes = Array.from({ length: random.below(4) }, (_, n) => subject.put(`late ${n}`, life, { sync: random.chance(0.3) }))
        await sweep.inspectAll()
        const wasPower = random.chance(0.6)
        const unsyncedPercent = random.pick([0, 30, 70, 100])
        const { vfs, promised } = subject
        const left = wasPower ? vfs.crashClone({ unsyncedPercent, seed: random.uint32() }) : vfs.processKillClone()
        await abandon(subject, writes)
        await sweep.inspectAll()
        await reviveOn(left, subject, promised, wasPower)
      }
      await subject.close()
      await sweep.inspectAll()
    },
  }
}

/** Ends the store of a machine that has died already, where nobody watches. */
async function abandon(subject: Subject, writes: readonly Promise<void>[]): Promise<void> {
  subject.vfs.onMutation = undefined
  await subject.settled(subject.store.close())
  await Promise.allSettled(writes)
}

async function reviveOn(left: MemoryVfs, subject: Subject, promised: Promised, wasPower: boolean): Promise<void> {
  // Where the first life ended shows a clone that nobody watches; the store itself recovers under watch.
  const look = Store.openSync(left.processKillClone(), TINY)
  const found = subject.history.writeAt(look.stats().sequence)
  look.closeSync()
  const least = wasPower ? promised.afterPowerLoss : promised.afterKill
  if (found === undefined || found < least) throw new Error(`write ${found} is the last one left, at least ${least} should be`)
  subject.goOn(left, found, wasPower ? found : promised.afterPowerLoss)
  await subject.open()
}

const fullDisk: Workload = {
  name: 'disk full and space again',
  run: async (sweep) => {
    const { random } = sweep
    const subject = sweep.subject({})
    await subject.open()
    for (let i = 0; i < 12; i++) {
      await writeSome(subject, sweep, random.between(0, 10))
      subject.vfs.capacityBytes = subject.vfs.usedBytes + random.below(3000)
      for (let j = 0; j < 12; j++) {
        const write = (): Promise<void> => subject.put(`k${random.below(20)}`, `${i} ${'x'.repeat(random.below(400))}`)
        const isTaken = await subject.isTaken(write, () => sweep.inspectAll())
        if (!isTaken) break
        if (random.chance(0.2)) await subject.pass(500)
      }
      if (i % 4 === 3) await closeOnFullDisk(subject, i % 8 === 3)
      subject.vfs.capacityBytes = Infinity
      if (i % 4 === 3) await subject.open()
      await subject.pass(600)
      await sweep.inspectAll()
    }
    await subject.close()
    await sweep.inspectAll()
  },
}

/** Closing may find no space for what it promises; then it says so, and what was acknowledged is there all the same. */
async function closeOnFullDisk(subject: Subject, onTheSpot: boolean): Promise<void> {
  try {
    if (onTheSpot) subject.closeSync()
    else await subject.close()
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== 'ERR_DISK_FULL') throw error
  }
}

/** All of them. */
export const LIVES: readonly Workload[] = [freshFolders, closings, lockTakeOver, lives('os'), lives('always'), lives('none'), fullDisk]
