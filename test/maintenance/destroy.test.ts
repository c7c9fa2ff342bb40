/** `Store.destroy`: everything of the store goes and nothing else, and a crash on the way never leaves something that opens as less. */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { memory, type MemoryVfs, Store } from '../../src/index.js'
import { contentOf, DIR, entriesOf, openStore, rejection, temporaryDirectory, TINY } from '../support/stores.js'
import { writeStoreFile } from './crafted.js'

async function closedStore(vfs: MemoryVfs = memory()): Promise<MemoryVfs> {
  const store = await Store.open(vfs, TINY)
  for (let i = 0; i < 200; i++) await store.put(`key ${i}`, 'x'.repeat(40))
  await store.flush()
  await store.put('in the log', 1)
  await store.close()
  return vfs
}

describe('a store', () => {
  test('is gone with its directory, and can be made again', async () => {
    const vfs = await closedStore()
    await Store.destroy(vfs)
    expect(vfs.files()).toEqual([])
    expect(vfs.statSync(DIR)).toBeUndefined()
    await Store.destroy(vfs)
    const store = await openStore(vfs)
    expect(entriesOf(store)).toEqual([])
  })

  test('is gone from a directory of the operating system', async () => {
    const dir = join(temporaryDirectory(), 'store')
    const store = await Store.open(dir, TINY)
    await store.put('a', 1)
    await store.close()
    await Store.destroy(dir)
    expect(readdirSync(join(dir, '..'))).toEqual([])
  })

  test('leaves what is not its own', async () => {
    const vfs = await closedStore()
    writeStoreFile(vfs, 'notes.txt', Buffer.from('mine'))
    vfs.mkdirSync(`${DIR}/000099.sst`)
    vfs.mkdirSync(`${DIR}/lost`)
    writeStoreFile(vfs, 'lost/000003.sst', Buffer.from('put aside'))
    await Store.destroy(vfs)
    expect(contentOf(vfs)).toEqual({ [`${DIR}/notes.txt`]: 'mine' })
    expect(vfs.readdirSync(DIR)).toEqual(['000099.sst', 'notes.txt'])
  })

  test('is refused while it is open, here or in another process', async () => {
    const vfs = memory()
    const store = await openStore(vfs)
    await store.put('a', 1)
    expect(await rejection(Store.destroy(vfs))).toMatchObject({ code: 'ERR_LOCKED' })
    expect(await rejection(Store.destroy(vfs.otherProcess()))).toMatchObject({ code: 'ERR_LOCKED' })
    expect(await store.get('a')).toBe(1)
  })

  test('goes although it lost its CURRENT, or was never finished', async () => {
    const vfs = await closedStore()
    vfs.unlinkSync(`${DIR}/CURRENT`)
    await Store.destroy(vfs)
    expect(vfs.files()).toEqual([])
    vfs.mkdirSync(DIR)
    writeStoreFile(vfs, 'MANIFEST-000001', Buffer.from('half'))
    await Store.destroy(vfs)
    expect(vfs.files()).toEqual([])
  })
})

describe('what is no store', () => {
  test('is left alone', async () => {
    const dir = temporaryDirectory()
    await Store.destroy(join(dir, 'nothing'))
    mkdirSync(join(dir, 'other'))
    writeFileSync(join(dir, 'other', 'notes.txt'), 'mine')
    expect(await rejection(Store.destroy(join(dir, 'other')))).toMatchObject({ code: 'ERR_NOT_A_STORE' })
    expect(await rejection(Store.destroy(join(dir, 'other', 'notes.txt')))).toMatchObject({ code: 'ERR_NOT_A_STORE' })
    expect(await rejection(Store.destroy(5 as never))).toMatchObject({ code: 'ERR_INVALID_OPTION' })
    expect(await rejection(Store.destroy(dir, { force: true } as never))).toMatchObject({ code: 'ERR_INVALID_OPTION' })
    expect(readdirSync(join(dir, 'other'))).toEqual(['notes.txt'])
  })
})

describe('a crash before any change to the disk', () => {
  test.each([0, 30, 70, 100])(
    'leaves the whole store, or what refuses to open and can be destroyed: %i %% survives',
    async (unsyncedPercent) => {
      const vfs = await closedStore()
      const whole = entriesOf(await openStore(vfs, { ...TINY, readOnly: true }))
      const wrecks: [string, MemoryVfs][] = []
      vfs.onMutation = (index, kind, path) => {
        const what = `before change ${index}, ${kind} ${path}`
        wrecks.push([`kill ${what}`, vfs.processKillClone()])
        for (const seed of [1, 2, 3]) wrecks.push([`power loss ${what}`, vfs.crashClone({ unsyncedPercent, seed: seed * 1000 + index })])
      }
      await Store.destroy(vfs)
      const outcomes = new Set<string>()
      for (const [what, wreck] of wrecks) {
        const outcome = await outcomeOf(wreck, whole)
        expect(outcome, what).not.toMatch(/^unexpected/)
        outcomes.add(outcome)
        // As the process found it after the crash, whatever it is: destroying goes to the end.
        await Store.destroy(wreck)
        expect(wreck.files(), what).toEqual([])
      }
      expect(outcomes).toContain('whole')
      expect(outcomes).toContain('destroyed')
      expect(outcomes).toContain('nothing')
    },
  )

  async function outcomeOf(vfs: MemoryVfs, whole: unknown): Promise<string> {
    const options = { ...TINY, createIfMissing: false, readOnly: true }
    let store: Store
    try {
      store = await Store.open(vfs, options)
    } catch (error) {
      const { code, message } = error as { code: string; message: string }
      if (code !== 'ERR_NOT_A_STORE') return `unexpected ${code} ${message}`
      if (!message.includes('was cut short')) return 'nothing'
      expect(await rejection(Store.verify(vfs))).toMatchObject({ code: 'ERR_NOT_A_STORE' })
      return 'destroyed'
    }
    const found = entriesOf(store)
    await store.close()
    return JSON.stringify(found) === JSON.stringify(whole) ? 'whole' : 'unexpected state'
  }
})
