/**
 * A worker that attaches to the arena in its `workerData` and reads the memtable in both directions while its parent goes on reading.
 * It answers with counters and a digest of all entries per direction.
 */
import { createHash } from 'node:crypto'
import { parentPort, workerData } from 'node:worker_threads'
import { type InternalIterator, type MoveStatus, MOVED } from '../../src/codec/internal_iterator.js'
import { Memtable } from '../../src/memtable/memtable.js'

/** What the worker found. */
export interface MemtableReading {
  entryCount: number
  deletionCount: number
  rawKeyBytes: number
  rawValueBytes: number
  usedBytes: number
  forward: string
  backward: string
}

function digest(iterator: InternalIterator, first: MoveStatus, move: () => MoveStatus): string {
  const hash = createHash('sha256')
  for (let status = first; status === MOVED; status = move()) {
    const { data, keyStart, keyEnd, valueStart, valueEnd, sequence, kind } = iterator
    hash.update(`${keyEnd - keyStart} ${valueEnd - valueStart} ${sequence} ${kind}`)
    hash.update(Buffer.from(data.subarray(keyStart, keyEnd))).update(Buffer.from(data.subarray(valueStart, valueEnd)))
  }
  return hash.digest('hex')
}

/** Reads all of a memtable. */
export function readMemtable(memtable: Memtable): MemtableReading {
  const { entryCount, deletionCount, rawKeyBytes, rawValueBytes, usedBytes } = memtable
  const iterator = memtable.iterator()
  const forward = digest(iterator, iterator.seekToFirst(), () => iterator.next())
  const backward = digest(iterator, iterator.seekToLast(), () => iterator.prev())
  return { entryCount, deletionCount, rawKeyBytes, rawValueBytes, usedBytes, forward, backward }
}

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port of a worker has no origin
if (workerData instanceof SharedArrayBuffer) parentPort?.postMessage(readMemtable(Memtable.attach(workerData)))
