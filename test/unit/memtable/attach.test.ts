/** A memtable read by another thread, which runs `test/processes/memtable_reader.ts`. */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { Memtable } from '../../../src/memtable/memtable.js'
import { Random } from '../../../src/util/random.js'
import { type MemtableReading, readMemtable } from '../../processes/memtable_reader.js'
import { insert, KEY_SHAPES, randomEntry } from './entries.js'

const program = new URL('../../../build/test/processes/memtable_reader.js', import.meta.url)

test('a worker reads a frozen memtable while this thread goes on reading', async () => {
  const memtable = Memtable.create(1 << 20)
  const random = new Random(3)
  const makeKey = KEY_SHAPES['several groups of keys']!
  for (let sequence = 1; memtable.hasRoomFor(2000); sequence++) insert(memtable, randomEntry(random, makeKey(random, sequence), sequence))
  memtable.freeze()
  const worker = new Worker(program, { workerData: memtable.arena })
  const message = once(worker, 'message') as Promise<[MemtableReading]>
  const here = readMemtable(memtable)
  expect(here.entryCount).toBeGreaterThan(1000)
  expect(await message).toEqual([here])
  expect(readMemtable(memtable)).toEqual(here)
  await worker.terminate()
})
