/**
 * A process that is to be killed, for `test/crash/kill.test.ts`: opens a store, says `ready`, and writes until it is told to `close` or
 * dies.
 *
 * Arguments: the directory, `walSync`, and the file of progress; without the latter it only holds the store open.
 */
import { Store, type WalSync } from '../../src/index.js'
import { readProgress, runWriter } from '../crash/kill_load.js'

const [dir, walSync, progressPath] = process.argv.slice(2) as [string, WalSync, string | undefined]
let isEnding = false
process.on('message', () => (isEnding = true))
process.on('disconnect', () => process.exit(1))

// What nothing imports is not built beside this program.
const workerUrl = new URL('../../../dist/compaction/worker.js', import.meta.url)
const store = await Store.open(dir, { walSync, memtableSize: 32 * 1024, walSyncInterval: 10, workerUrl })
store.on('warning', ({ message }) => {
  throw new Error(message)
})
process.send?.('ready')
if (progressPath === undefined) {
  await new Promise(() => {})
} else {
  const progress = readProgress(progressPath)
  const first = (writer: number): number => progress[writer]!.acknowledged + 1
  await Promise.all(progress.map((_, writer) => runWriter(store, writer, first(writer), progressPath, () => isEnding)))
  await store.close()
  // Nothing of the store keeps the process from ending by itself.
  process.removeAllListeners('disconnect')
  process.disconnect()
}
