/**
 * What opening must make of damaged logs, worked out from the records as they were written and from where they were damaged. It shares no
 * code with the engine's recovery: it knows where records are, and never looks for them.
 *
 * The rule (`docs/log.md`): let `o` be the start of the first record that is not whole. If a whole record of the same log claims that more
 * than the first `o` bytes were synced, the log is damaged. Otherwise its end is torn: what lies behind `o` goes, in this log and in later
 * ones, unless a later one holds something synced, which is damage again. And nothing may go that was there when the store was closed
 * cleanly, as long as the mark of that is whole at the end of the manifest.
 */
import type { Specimen, SpecimenFile } from './specimen.js'

const HEADER_BYTES = 32

/** A record of a log. */
export interface LogRecord {
  readonly start: number
  readonly end: number
  readonly claim: number
  readonly firstSequence: number
  readonly operations: number
}

/** Bytes of a file that changed, or were cut off: from `start` to, not including, `end`. */
export interface DamagedRange {
  readonly path: string
  readonly start: number
  readonly end: number
}

/** What must come of it. */
export interface LogVerdict {
  /** Whether opening strictly must fail. Otherwise what salvage keeps is what any opening shows. */
  readonly isDamage: boolean
  /** Whether an operation from the logs is left. With `isDamage`: after salvage. */
  readonly isKept: (sequence: number) => boolean
  /** Operations that go. */
  readonly lostCount: number
  /** Whether one of them was known to be synced, and nothing that is left tells of it. */
  readonly isUnseen: boolean
}

/** The records of a log that is whole. */
export function recordsOf(content: Buffer): LogRecord[] {
  const records: LogRecord[] = []
  for (let start = HEADER_BYTES; start < content.length;) {
    const end = start + 20 + content.readUInt32LE(start + 4)
    const firstSequence = Number(content.readBigUInt64LE(start + 20))
    const operations = content.readUInt32LE(start + 28)
    records.push({ start, end, claim: content.readUIntLE(start + 12, 6), firstSequence, operations })
    start = end
  }
  return records
}

/** What must come of damage to the logs of a store. */
export function judgeLogs(specimen: Specimen, ranges: readonly DamagedRange[]): LogVerdict {
  const kept = new Set<number>()
  let lostCount = 0
  let isDamage = false
  let isUnseen = false
  let isBroken = false
  for (const { path, kind, content } of specimen.files) {
    if (kind !== 'log') continue
    const records = recordsOf(content)
    const log = readLog(records, (start, end) => ranges.some((range) => range.path === path && range.start < end && start < range.end))
    isDamage ||= log.isDamage
    const keeps = records.filter((record) => !log.lost.has(record))
    if (isBroken && keeps.some((record) => record.operations > 0)) {
      // A log behind a hole: damage when something in it was synced or the hole is damage itself, else dropped.
      if (log.isClaiming) isDamage = true
      else if (!isDamage) keeps.length = 0
    }
    for (const record of records) {
      for (let i = 0; i < record.operations; i++) {
        if (keeps.includes(record)) kept.add(record.firstSequence + i)
        else lostCount++
      }
      if (keeps.includes(record) || record.operations === 0) continue
      isBroken = true
      if (records.some((other) => other.claim >= record.end)) isUnseen = true
    }
  }
  for (let sequence = specimen.flushed + 1; sequence <= closedSequence(specimen, ranges); sequence++) isDamage ||= !kept.has(sequence)
  return { isDamage, isKept: (sequence) => kept.has(sequence), lostCount, isUnseen: isUnseen && !isDamage }
}

/** What a mark of a clean close at the end of the manifest says, 0 without one. It is lost with whatever stands before it. */
function closedSequence({ files }: Specimen, ranges: readonly DamagedRange[]): number {
  const { path, content } = files.find(({ kind }) => kind === 'manifest')!
  let last = { end: 0, mark: 0 }
  for (let start = 48; start < content.length;) {
    const length = content.readUInt32LE(start + 4)
    const end = start + 20 + length
    if (length > 0) last = { end, mark: isMark(content, start) ? Number(content.readBigUInt64LE(start + 22)) : 0 }
    start = end
  }
  return ranges.some((range) => range.path === path && range.start < last.end) ? 0 : last.mark
}

/** Whether the record of a manifest at `start` is the mark of a clean close: one field with tag 64 and a number. */
export function isMark(content: Buffer, start: number): boolean {
  return content.readUInt32LE(start + 4) === 10 && content[start + 20] === 64
}

/** Which records of one log are lost, and whether some whole record says that they should not be. */
function readLog(records: readonly LogRecord[], isHit: (start: number, end: number) => boolean): LogReading {
  const whole = records.filter(({ start, end }) => !isHit(start, end))
  const claim = Math.max(0, ...whole.map((record) => record.claim))
  const lost = new Set(records.filter(({ start, end }) => isHit(start, end)))
  const isHeaderHit = isHit(0, HEADER_BYTES)
  let isDamage = false
  let tornAt = Infinity
  if (isHeaderHit) {
    if (claim > 0 || (records.length > 0 && whole[0] === records[0])) isDamage = true
    else tornAt = 0
  }
  let damageEnd = -1
  for (const record of lost) {
    // What follows damage without a whole record between is skipped with it.
    if (claim > record.start || record.start === damageEnd) {
      isDamage = true
      damageEnd = record.end
    } else if (record.start < tornAt) tornAt = record.start
  }
  for (const record of records) if (record.start >= tornAt) lost.add(record)
  return { lost, isDamage, isClaiming: claim > 0 }
}

interface LogReading {
  readonly lost: ReadonlySet<LogRecord>
  readonly isDamage: boolean
  readonly isClaiming: boolean
}

/** The ranges in which a file differs from what it was, byte by byte. */
export function differences(file: SpecimenFile, content: Buffer): DamagedRange[] {
  const ranges: DamagedRange[] = []
  const length = Math.min(file.content.length, content.length)
  for (let at = 0; at < length; at++) {
    if (file.content[at] !== content[at]) ranges.push({ path: file.path, start: at, end: at + 1 })
  }
  if (content.length < file.content.length) ranges.push({ path: file.path, start: length, end: file.content.length })
  return ranges
}
