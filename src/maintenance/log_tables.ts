/**
 * Turns logs into tables, for a repair: what can be read of them, in order, everything kept.
 *
 * One log is held in memory at a time, as at an opening.
 */
import { MOVED } from '../codec/internal_iterator.js'
import { Memtable } from '../memtable/memtable.js'
import { PAUSE, type Task } from '../util/task.js'
import { PAYLOAD_PREFIX_BYTES } from '../wal/format.js'
import { OperationReader } from '../wal/operations.js'
import type { LogRecoveryReport } from '../wal/reader.js'
import { type LogPlace, recoverNextLog } from '../wal/recovery.js'
import type { Opening } from './damage.js'
import type { TableOutput } from './table_output.js'

const MEMTABLE_BYTES = 4 * 1024 * 1024
const ENTRIES_PER_PAUSE = 2048

/** Writes the operations of a log to tables, one for each memtable that they fill. */
export function* logToTables(vfs: Opening, dir: string, logNumber: number, place: LogPlace, output: TableOutput): Task<LogRecoveryReport> {
  const memtables: Memtable[] = []
  const operations = new OperationReader()
  const report = yield* recoverNextLog(vfs, dir, logNumber, place, true, (buffer, payloadStart, payloadEnd, baseSequence) => {
    const start = payloadStart + PAYLOAD_PREFIX_BYTES
    let bytes = 0
    operations.reset(buffer, start, payloadEnd)
    while (operations.next()) {
      bytes += Memtable.entryBytesMax(operations.keyEnd - operations.keyStart, operations.valueEnd - operations.valueStart)
    }
    let memtable = memtables.at(-1)
    if (memtable?.hasRoomFor(bytes) !== true) {
      memtable = Memtable.create(Math.max(MEMTABLE_BYTES, Memtable.capacityFor(bytes)))
      memtables.push(memtable)
    }
    operations.reset(buffer, start, payloadEnd)
    for (let i = 0; operations.next(); i++) {
      const { keyStart, keyEnd, valueStart, valueEnd, kind } = operations
      memtable.insert(buffer, keyStart, keyEnd, valueStart, valueEnd, baseSequence + i, kind)
    }
  })
  for (const memtable of memtables) {
    const iterator = memtable.iterator()
    let untilPause = ENTRIES_PER_PAUSE
    for (let status = iterator.seekToFirst(); status === MOVED; status = iterator.next()) {
      output.add(iterator)
      if (--untilPause > 0) continue
      untilPause = ENTRIES_PER_PAUSE
      yield PAUSE
    }
    yield* output.pause()
  }
  return report
}
