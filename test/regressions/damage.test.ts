/**
 * What damaged files have shown. Each test is the smallest case.
 */
import { expect, test } from 'vitest'
import { memory } from '../../src/index.js'
import { entriesOf, openStore, TINY } from '../support/stores.js'

test('salvage keeps a log whole that lies behind a damaged one', async () => {
  const disk = memory()
  const first = await openStore(disk)
  await first.put('a', 1)
  await first.put('b', 2)
  await first.close()
  const second = await openStore(disk)
  await second.put('c', 3)

  const killed = disk.processKillClone()
  const [log] = killed.files().filter((path) => path.endsWith('.log')) as [string]
  const bytes = killed.readFile(log)
  // The last put of the first log. Nothing in the second one says that it was synced, so the gap looked like one that a power loss leaves.
  bytes[bytes.lastIndexOf('b')]! ^= 1
  killed.writeFile(log, bytes)
  const salvaged = await openStore(killed, { ...TINY, recovery: 'salvage' })
  expect(entriesOf(salvaged)).toEqual([
    ['a', 1],
    ['c', 3],
  ])
})
