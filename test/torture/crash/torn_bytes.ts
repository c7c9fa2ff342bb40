/**
 * How many bytes of the logs a crash has torn, from the logs as they were before it: the other way round from how recovery finds out.
 */
import type { MemoryVfs } from '../../../src/index.js'
import { readUint32 } from '../../../src/codec/bytes.js'
import { LOG_HEADER_BYTES, RECORD_HEADER_BYTES } from '../../../src/wal/format.js'
import { DIR } from './tidiness.js'

/**
 * Bytes behind the last whole record of each log, up to the last one that is not zero; `undefined` when there is a log of which
 * that cannot be told.
 */
export function tornBytesOf(before: MemoryVfs, after: MemoryVfs, tornBefore: ReadonlySet<string>): number | undefined {
  let torn = 0
  for (const name of after.readdirSync(DIR)) {
    if (!name.endsWith('.log')) continue
    const path = `${DIR}/${name}`
    // One that was deleted may be there again, if the power failed before its folder was synced.
    if (tornBefore.has(path) || before.statSync(path) === undefined) return undefined
    torn += tornBytes(before.readFile(path), after.readFile(path))
  }
  return torn
}

function tornBytes(original: Buffer, left: Buffer): number {
  let valid = 0
  let end = LOG_HEADER_BYTES
  while (end <= left.length && end <= original.length && original.compare(left, valid, end, valid, end) === 0) {
    valid = end
    if (valid + RECORD_HEADER_BYTES > original.length) break
    const payloadBytes = readUint32(original, valid + 4)
    // Zeroes that were written ahead of the records.
    if (payloadBytes === 0) break
    end = valid + RECORD_HEADER_BYTES + payloadBytes
  }
  let last = left.length
  while (last > valid && left[last - 1] === 0) last--
  return last - valid
}
