/** Logs for tests: records of known operations, written by the real writer or byte by byte, and what recovery makes of them. */
import { KIND_DELETE, KIND_PUT } from '../../../src/codec/internal_key.js'
import { varintLength, writeVarint } from '../../../src/codec/varint.js'
import { runTaskSync } from '../../../src/util/task.js'
import { MemoryVfs } from '../../../src/vfs/memory.js'
import type { Vfs } from '../../../src/vfs/vfs.js'
import {
  LOG_HEADER_BYTES,
  PAYLOAD_PREFIX_BYTES,
  RECORD_HEADER_BYTES,
  sealRecord,
  writeLogHeader,
  writePayloadPrefix,
} from '../../../src/wal/format.js'
import { OperationReader } from '../../../src/wal/operations.js'
import { type LogRecoveryOptions, type LogRecoveryReport, type OnRecord, recoverLog } from '../../../src/wal/reader.js'

/** A put, or a delete when it has no value. */
export interface Operation {
  readonly key: string
  readonly value?: string
}

/** An operation with its sequence, in one line: `7 put a=b`. */
export type Applied = string

/** The folder of all test stores. */
export const DIR = '/store'

/** A disk with an empty folder, durably. */
export function emptyDisk(): MemoryVfs {
  const vfs = new MemoryVfs()
  vfs.mkdirSync(DIR)
  vfs.syncDirSync('/')
  return vfs
}

/** A record whose header is free. */
export function encodeRecord(baseSequence: number, operations: readonly Operation[]): Buffer {
  const parts: Buffer[] = [Buffer.alloc(RECORD_HEADER_BYTES + PAYLOAD_PREFIX_BYTES)]
  writePayloadPrefix(parts[0]!, RECORD_HEADER_BYTES, baseSequence, operations.length)
  for (const { key, value } of operations) {
    parts.push(Buffer.from([value === undefined ? KIND_DELETE : KIND_PUT]), sized(key))
    if (value !== undefined) parts.push(sized(value))
  }
  return Buffer.concat(parts)
}

function sized(text: string): Buffer {
  const bytes = Buffer.from(text)
  const length = Buffer.alloc(varintLength(bytes.length))
  writeVarint(length, 0, bytes.length)
  return Buffer.concat([length, bytes])
}

/** A log put together by hand. */
export class LogBytes {
  readonly logNumber: number
  bytes: Buffer = Buffer.alloc(LOG_HEADER_BYTES)
  nextSequence: number
  /** Ends of the records. */
  readonly ends: number[] = []

  constructor(logNumber: number, nextSequence = 1) {
    this.logNumber = logNumber
    this.nextSequence = nextSequence
    writeLogHeader(this.bytes, logNumber)
  }

  /** Appends a record that claims `syncedOffset`; without operations it is a seal. */
  record(operations: readonly Operation[], syncedOffset = 0): this {
    const record = encodeRecord(this.nextSequence, operations)
    sealRecord(record, 0, record.length, this.logNumber, this.bytes.length, syncedOffset)
    this.bytes = Buffer.concat([this.bytes, record])
    this.ends.push(this.bytes.length)
    this.nextSequence += operations.length
    return this
  }

  /** A record for each key, each claiming that everything before it is durable. */
  syncedPuts(...keys: string[]): this {
    for (const key of keys) this.record([{ key, value: `value of ${key}` }], this.bytes.length)
    return this
  }

  /** A record for each key, claiming nothing. */
  puts(...keys: string[]): this {
    for (const key of keys) this.record([{ key, value: `value of ${key}` }])
    return this
  }

  seal(): this {
    return this.record([], this.bytes.length)
  }
}

/** Collects what is recovered. */
export function collector(): { readonly applied: Applied[]; readonly onRecord: OnRecord } {
  const applied: Applied[] = []
  const reader = new OperationReader()
  return {
    applied,
    onRecord(buffer, payloadStart, payloadEnd, baseSequence) {
      reader.reset(buffer, payloadStart + PAYLOAD_PREFIX_BYTES, payloadEnd)
      for (let sequence = baseSequence; reader.next(); sequence++) {
        const key = buffer.toString('utf8', reader.keyStart, reader.keyEnd)
        const value = buffer.toString('utf8', reader.valueStart, reader.valueEnd)
        applied.push(reader.kind === KIND_PUT ? `${sequence} put ${key}=${value}` : `${sequence} delete ${key}`)
      }
    },
  }
}

/** Recovers one log of a disk. */
export function recover(
  vfs: Vfs,
  logNumber: number,
  options: LogRecoveryOptions = {},
): { readonly report: LogRecoveryReport; readonly applied: Applied[] } {
  const { applied, onRecord } = collector()
  const path = `${DIR}/${String(logNumber).padStart(6, '0')}.log`
  return { report: runTaskSync(recoverLog(vfs, path, logNumber, options, onRecord)), applied }
}

/** Recovers a log that consists of these bytes. */
export function recoverBytes(
  bytes: Uint8Array,
  logNumber: number,
  options: LogRecoveryOptions = {},
): { readonly report: LogRecoveryReport; readonly applied: Applied[] } {
  const vfs = emptyDisk()
  vfs.writeFile(`${DIR}/${String(logNumber).padStart(6, '0')}.log`, bytes)
  return recover(vfs, logNumber, options)
}

/** The seed of a random test: `VARVE_SEED` replays one. */
export function testSeed(): number {
  const given = process.env['VARVE_SEED']
  return given === undefined ? Math.floor(Math.random() * 0x1_0000_0000) : Number(given)
}
