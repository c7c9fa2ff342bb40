/**
 * Reads the records of a log or of a manifest, and tells where they end and why.
 *
 * **Torn or damaged.** Let `o` be the offset of the first invalid record, and let a record's *claim* be its synced offset. A record is
 * written after the sync that its claim tells of, so with a disk that keeps what it synced, everything below any claim is intact. Hence
 *
 *   some valid record behind `o` claims more than `o`  ⇒  synced bytes changed: **damage**
 *   no valid record does                               ⇒  a write that a crash cut short: a **torn tail**
 *
 * The first line never blames a crash: on an honest disk no claim exceeds `o`, whatever pages of the unsynced tail survived. The second
 * line cuts everything from `o` on, later valid records included, because what is recovered must be a prefix of what was written; none of
 * what is cut was known to be durable. What it cannot see is damage to the last record that was synced but that nothing came after; seals
 * (records without operations, written at a clean close) keep that gap small.
 *
 * **Scan.** Behind `o` record boundaries are unknown, so every byte position is a candidate. Native search finds the four bytes of the file
 * number; what follows must have a sane length, a claim that is not above the candidate's own offset and that would matter, and a payload
 * prefix the caller finds plausible. Only then the checksum is computed. Accidental candidates are practically absent, so the scan is
 * linear; the budget below bounds it for content made to look like records. When the budget is spent, the tail counts as damaged, because
 * refusing to open loses nothing.
 *
 * **Somebody may be writing.** A log that is read while its store is in use may end with zeroes that the writer fills below `fileBytes`.
 * What was read ahead is then older than a claim found behind it: before that is believed, the record at `o` is read again (`forget`). By
 * then everything below the claim is there.
 *
 * Memory: two buffers of 1 MiB, or as long as the longest record. A length is compared with what the file still holds before it is used.
 */
import { readUint32, readUint48, writeUint32 } from '../codec/bytes.js'
import { StoreError } from '../util/errors.js'
import { PAUSE, type Task } from '../util/task.js'
import type { VfsFile } from '../vfs/vfs.js'
import { FileWindow } from './file_window.js'
import { isRecordIntact, PAYLOAD_BYTES_MAX, RECORD_HEADER_BYTES, RECORD_NUMBER_OFFSET } from './format.js'

/** Bytes of candidates that a scan may check: this much, and this many times what it scans. */
const SCAN_BUDGET_BYTES: number = 64 * 1024 * 1024
const SCAN_BUDGET_FACTOR = 16

/** Most hits of the native search between two pauses. */
const HITS_PER_PAUSE = 4096

const FLAGS_OFFSET = 18

const NOTHING = Buffer.alloc(0)

/** Results of a scan that are no offset. */
const NOT_FOUND = -1
const GAVE_UP = -2

/** Why the records end at `position`: the file ends there, a crash cut the last write short, or stored bytes changed. */
export type RecordsEnd = 'complete' | 'torn' | 'damaged'

/** Judges the payload of a candidate by its first bytes: `payloadBytes` long, `available` of them at `offset` of `buffer`. */
export type PayloadCheck = (buffer: Buffer, offset: number, available: number, payloadBytes: number, position: number) => boolean

/** What a reader has to know of a file. */
export interface RecordFile {
  readonly file: VfsFile
  readonly fileNumber: number
  readonly salt: number
  /** Shortest payload of a valid record. */
  readonly payloadBytesMin: number
}

/** A position in a file of records. */
export class RecordReader {
  /** Bytes of the file. */
  fileBytes: number
  /** Offset of the next record in the file. */
  position: number
  /** Offset in the file of the record read last, and its payload in `buffer`. The payload holds until the next read. */
  recordStart = 0
  buffer: Buffer = NOTHING
  payloadStart = 0
  payloadEnd = 0
  /** Greatest claim of the valid records seen. */
  syncedOffset = 0
  /** After `assess` gave `'torn'`: bytes from `position` to the last one that is not zero. */
  tornBytes = 0
  readonly #source: RecordFile
  readonly #window: FileWindow

  constructor(source: RecordFile, position: number) {
    this.#source = source
    this.fileBytes = source.file.sizeSync()
    this.position = position
    this.#window = new FileWindow(source.file)
  }

  /** Reads the record at `position` and moves behind it; `false`, without moving, when there is no valid one. */
  *next(): Task<boolean> {
    const { position } = this
    const rest = this.fileBytes - position
    if (rest < RECORD_HEADER_BYTES) return false
    const window = this.#window
    if (!window.holds(position, RECORD_HEADER_BYTES) && !(yield* window.load(position, RECORD_HEADER_BYTES))) return false
    const payloadBytes = this.#sanePayloadBytes(window.buffer, window.at(position), position)
    if (payloadBytes < 0) return false
    const recordBytes = RECORD_HEADER_BYTES + payloadBytes
    if (!window.holds(position, recordBytes) && !(yield* window.load(position, recordBytes))) return false
    return this.#accept(window, position, recordBytes)
  }

  /** Tells why there is no valid record at `position`. */
  *assess(isPlausible: PayloadCheck): Task<RecordsEnd> {
    if (this.position >= this.fileBytes) return 'complete'
    // A claim found behind an earlier damage covers this one too.
    if (this.syncedOffset > this.position) return 'damaged'
    const found = yield* this.#scan(this.position, this.position, isPlausible)
    return found === NOT_FOUND ? 'torn' : 'damaged'
  }

  /** Looks behind `position` for a claim of anything, and takes it into `syncedOffset`. */
  *findClaim(isPlausible: PayloadCheck): Task<void> {
    const found = yield* this.#scan(this.position, 0, isPlausible)
    if (found === GAVE_UP) this.syncedOffset = Math.max(this.syncedOffset, 1)
  }

  /** Moves to the next valid record from `from` on, whatever it claims; `false` when there is none. */
  *seekValid(from: number, isPlausible: PayloadCheck): Task<boolean> {
    const found = yield* this.#scan(from, -1, isPlausible)
    if (found < 0) return false
    this.forget()
    this.position = found
    return true
  }

  /** Lets go of what was read ahead, so that the next record is read as it is now. */
  forget(): void {
    this.#window.length = 0
  }

  #accept(window: FileWindow, position: number, recordBytes: number): boolean {
    const start = window.at(position)
    const { buffer } = window
    const { fileNumber, salt, file } = this.#source
    if (!isRecordIntact(buffer, start, start + recordBytes, fileNumber, position, salt)) return false
    if (buffer[start + FLAGS_OFFSET] !== 0 || buffer[start + FLAGS_OFFSET + 1] !== 0) {
      throw new StoreError(
        'ERR_FORMAT_VERSION',
        `${file.path} has a record of a kind that a newer version wrote: open it with that version`,
        {
          path: file.path,
          offset: position,
        },
      )
    }
    const claim = readUint48(buffer, start + 12)
    if (claim > this.syncedOffset) this.syncedOffset = claim
    this.buffer = buffer
    this.recordStart = position
    this.payloadStart = start + RECORD_HEADER_BYTES
    this.payloadEnd = start + recordBytes
    this.position = position + recordBytes
    return true
  }

  /** The payload length of a header that could be one, or -1. */
  #sanePayloadBytes(buffer: Buffer, start: number, position: number): number {
    const payloadBytes = readUint32(buffer, start + 4)
    if (payloadBytes > PAYLOAD_BYTES_MAX || payloadBytes < this.#source.payloadBytesMin) return -1
    if (position + RECORD_HEADER_BYTES + payloadBytes > this.fileBytes) return -1
    if (readUint32(buffer, start + RECORD_NUMBER_OFFSET) !== this.#source.fileNumber >>> 0) return -1
    if (readUint48(buffer, start + 12) > position) return -1
    return payloadBytes
  }

  /**
   * The offset of the first valid record from `from` on that claims more than `claimAbove`. `NOT_FOUND` sets `tornBytes`; `GAVE_UP` when
   * the budget is spent.
   */
  *#scan(from: number, claimAbove: number, isPlausible: PayloadCheck): Task<number> {
    const window = new FileWindow(this.#source.file)
    const candidate = new FileWindow(this.#source.file)
    const pattern = Buffer.alloc(4)
    writeUint32(pattern, 0, this.#source.fileNumber)
    let budget = SCAN_BUDGET_BYTES + SCAN_BUDGET_FACTOR * (this.fileBytes - from)
    let position = from
    let hits = 0
    let contentEnd = from
    while (position < this.fileBytes) {
      yield* window.load(position, Math.min(RECORD_HEADER_BYTES, this.fileBytes - position))
      if (window.length === 0) break
      const { buffer, length } = window
      const content = window.contentLength()
      if (content > 0) contentEnd = window.start + content
      const lastHeader = length - RECORD_HEADER_BYTES
      let hit = buffer.indexOf(pattern, RECORD_NUMBER_OFFSET)
      for (; hit >= 0 && hit - RECORD_NUMBER_OFFSET <= lastHeader; hit = buffer.indexOf(pattern, hit + 1)) {
        if (++hits % HITS_PER_PAUSE === 0) yield PAUSE
        const start = hit - RECORD_NUMBER_OFFSET
        const at = window.start + start
        const payloadBytes = this.#sanePayloadBytes(buffer, start, at)
        if (payloadBytes < 0 || readUint48(buffer, start + 12) <= claimAbove) continue
        const available = Math.min(payloadBytes, length - start - RECORD_HEADER_BYTES)
        if (!isPlausible(buffer, start + RECORD_HEADER_BYTES, available, payloadBytes, at)) continue
        budget -= RECORD_HEADER_BYTES + payloadBytes
        if (budget < 0) return GAVE_UP
        if (!(yield* this.#isIntactAt(candidate, at, RECORD_HEADER_BYTES + payloadBytes))) continue
        this.syncedOffset = Math.max(this.syncedOffset, readUint48(buffer, start + 12))
        return at
      }
      position = length < RECORD_HEADER_BYTES ? this.fileBytes : window.start + lastHeader + 1
      if (window.start + length >= this.fileBytes) break
      yield PAUSE
    }
    this.tornBytes = contentEnd - from
    return NOT_FOUND
  }

  *#isIntactAt(window: FileWindow, position: number, recordBytes: number): Task<boolean> {
    if (!window.holds(position, recordBytes) && !(yield* window.load(position, recordBytes))) return false
    const start = window.at(position)
    const { fileNumber, salt } = this.#source
    return isRecordIntact(window.buffer, start, start + recordBytes, fileNumber, position, salt)
  }
}
