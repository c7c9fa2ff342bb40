/**
 * The hot functions of `src/wal/`: `npm run build:tools && node build/bench/micro/wal.js`. Appending goes to a real file in the system's
 * temporary folder, without syncs; reading goes over one log of 64 MiB in memory.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Bench } from 'tinybench'
import { writeVarint } from '../../src/codec/varint.js'
import { RecordBuffer } from '../../src/store/record_buffer.js'
import { runTaskSync } from '../../src/util/task.js'
import { MemoryVfs } from '../../src/vfs/memory.js'
import { nodeVfs } from '../../src/vfs/node.js'
import { PAYLOAD_PREFIX_BYTES, RECORD_HEADER_BYTES, writePayloadPrefix } from '../../src/wal/format.js'
import { OperationReader } from '../../src/wal/operations.js'
import { recoverLog } from '../../src/wal/reader.js'
import { LogWriter } from '../../src/wal/writer.js'
import { publish } from './figures.js'

const LOG_BYTES = 64 * 1024 * 1024
/** What is kept in the process before it is written. */
const BUFFERED_BYTES = 64 * 1024

/** A record of puts with keys of 16 and values of 100 bytes; its header is free. */
function puts(count: number): Buffer {
  const record = Buffer.alloc(RECORD_HEADER_BYTES + PAYLOAD_PREFIX_BYTES + count * 119)
  let end = RECORD_HEADER_BYTES + PAYLOAD_PREFIX_BYTES
  for (let i = 0; i < count; i++) {
    record[end] = 1
    end = writeVarint(record, end + 1, 16) + 16
    end = writeVarint(record, end, 100) + 100
  }
  return record.subarray(0, end)
}

function measureAppend(bench: Bench, dir: string): void {
  let number = 1
  for (const count of [1, 10, 100]) {
    const record = puts(count)
    const log = LogWriter.createSync(nodeVfs, dir, number++)
    let sequence = 1
    bench.add(`appendSync of ${count} puts`, () => {
      writePayloadPrefix(record, RECORD_HEADER_BYTES, sequence, count)
      log.appendSync(record, 0, record.length)
      sequence += count
    })
  }
}

/** What a put costs that stays in a buffer of the process, as with `walSync: 'none'`: it is encoded, and absorbed by the buffer. */
function measureBuffering(bench: Bench): void {
  const value = Buffer.alloc(100, 'v')
  const one = new RecordBuffer()
  const buffered = new RecordBuffer()
  bench.add('a put into a buffer', () => {
    one.reset()
    one.put('user:00000000001', value)
    if (buffered.operationBytes > BUFFERED_BYTES) buffered.reset()
    buffered.absorb(one)
  })
}

function measureReading(count: number): void {
  const vfs = new MemoryVfs()
  vfs.mkdirSync('/logs')
  const record = puts(count)
  const log = LogWriter.createSync(vfs, '/logs', 1)
  for (let sequence = 1; log.offset < LOG_BYTES; sequence += count) {
    writePayloadPrefix(record, RECORD_HEADER_BYTES, sequence, count)
    log.appendSync(record, 0, record.length)
  }
  const operations = new OperationReader()
  let keys = 0
  const begin = performance.now()
  const report = runTaskSync(
    recoverLog(vfs, log.path, 1, {}, (buffer, start, end) => {
      operations.reset(buffer, start + PAYLOAD_PREFIX_BYTES, end)
      while (operations.next()) keys += operations.keyEnd - operations.keyStart
    }),
  )
  const ms = performance.now() - begin
  if (keys !== report.operations * 16) throw new Error('recovery does not see every key')
  publish('wal', `recoverLog, ${count} puts a record, per put`, (ms * 1e6) / report.operations)
}

const dir = mkdtempSync(join(tmpdir(), 'varve-wal-'))
try {
  const bench = new Bench({ time: 500, warmupTime: 100 })
  measureAppend(bench, dir)
  measureBuffering(bench)
  await bench.run()
  for (const { name, result } of bench.tasks) {
    if (result.state === 'completed') publish('wal', name, result.latency.min * 1e6, result.latency.p50 * 1e6)
  }
  for (const count of [1, 100]) measureReading(count)
} finally {
  rmSync(dir, { recursive: true })
}
