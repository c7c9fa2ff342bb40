/** Defects that the sweeps over crash points found, each as the smallest case that showed it. */
import { expect, test } from 'vitest'
import { memory, Store } from '../../src/index.js'
import { makeDirTask } from '../../src/vfs/io.js'
import { TINY } from '../support/stores.js'

test('a store in a folder whose maker died before syncing its name outlives a power loss', () => {
  const vfs = memory()
  const making = makeDirTask(vfs, '/varve')
  making.next() // the folder is made, and not synced
  const killed = vfs.processKillClone()
  const store = Store.openSync(killed, TINY)
  store.putSync('k', 1, { sync: true })
  const left = Store.openSync(killed.crashClone({ unsyncedPercent: 0, seed: 1 }), TINY)
  expect(left.getSync('k')).toBe(1)
  left.closeSync()
  store.closeSync()
})
