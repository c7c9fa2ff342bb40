/**
 * Bytes into records: the MessagePack that `record_writer.ts` writes, and nothing else.
 *
 * Nothing in the bytes is trusted. A length is compared with the bytes that are left before it is used, arrays and objects grow with what
 * has really been read, and nesting ends at the writer's limit, so time and memory are bounded by the length of the input.
 *
 * `__proto__` as a key makes a property of that name, as `JSON.parse` does, and never touches a prototype.
 */
import { RECORD_DEPTH_MAX } from './record_writer.js'
import { isFaithful, readText } from './text.js'

/** The bytes are no record. The caller makes `ERR_CORRUPTION` of it. */
export class MalformedRecord extends Error {}

/** Longest key that is looked up among the keys met before. */
const CACHED_KEY_BYTES = 32
const KEY_CACHE_SLOTS = 1024

/** A key met before, with its bytes. */
interface CachedKey {
  readonly bytes: Uint8Array
  readonly text: string
}

/**
 * Keys met before, by a small hash of their bytes. The same property names come again and again, and V8 looks every new string up among
 * its internalised names before it can be one, which costs more than comparing the bytes.
 */
const keyCache: (CachedKey | undefined)[] = Array.from({ length: KEY_CACHE_SLOTS }, () => undefined)

const NOTHING: Buffer = Buffer.alloc(0)
let source = NOTHING
let position = 0
let limit = 0
let copiesBytes = true

/** The record in `[start, end)`. Byte strings in it are copies, or views with `copy: false`. Throws {@link MalformedRecord}. */
export function readRecord(buffer: Buffer, start: number, end: number, copy: boolean): unknown {
  source = buffer
  position = start
  limit = end
  copiesBytes = copy
  try {
    const record = readAny(0)
    if (position !== end) throw new MalformedRecord('bytes follow it')
    return record
  } finally {
    // Without this the last block read would be held in memory.
    source = NOTHING
  }
}

function readAny(depth: number): unknown {
  if (position >= limit) throw truncated()
  const tag = source[position++]!
  if (tag < 0x80) return tag
  if (tag < 0x90) return readMap(tag & 0x0f, depth)
  if (tag < 0xa0) return readArray(tag & 0x0f, depth)
  if (tag < 0xc0) return readString(tag & 0x1f)
  if (tag >= 0xe0) return tag - 0x100
  return readTagged(tag, depth)
}

function readTagged(tag: number, depth: number): unknown {
  switch (tag) {
    case 0xc0:
      return null
    case 0xc2:
      return false
    case 0xc3:
      return true
    case 0xc4:
      return readBinary(readUint(1))
    case 0xc5:
      return readBinary(readUint(2))
    case 0xc6:
      return readBinary(readUint(4))
    case 0xcb:
      return source.readDoubleBE(take(8))
    case 0xcc:
      return readUint(1)
    case 0xcd:
      return readUint(2)
    case 0xce:
      return readUint(4)
    case 0xcf:
      return readInt64(true)
    case 0xd0:
      return (readUint(1) << 24) >> 24
    case 0xd1:
      return (readUint(2) << 16) >> 16
    case 0xd2:
      return readUint(4) | 0
    case 0xd3:
      return readInt64(false)
    case 0xd9:
      return readString(readUint(1))
    case 0xda:
      return readString(readUint(2))
    case 0xdb:
      return readString(readUint(4))
    case 0xdc:
      return readArray(readUint(2), depth)
    case 0xdd:
      return readArray(readUint(4), depth)
    case 0xde:
      return readMap(readUint(2), depth)
    case 0xdf:
      return readMap(readUint(4), depth)
    default:
      throw new MalformedRecord(`unknown tag 0x${tag.toString(16)}`)
  }
}

/** Moves over `bytes` bytes and returns where they start. */
function take(bytes: number): number {
  const start = position
  if (limit - start < bytes) throw truncated()
  position = start + bytes
  return start
}

function readUint(bytes: 1 | 2 | 4): number {
  const at = take(bytes)
  if (bytes === 1) return source[at]!
  const high = (source[at]! << 8) | source[at + 1]!
  return bytes === 2 ? high : high * 0x10000 + ((source[at + 2]! << 8) | source[at + 3]!)
}

function readInt64(isUnsigned: boolean): number | bigint {
  const at = take(8)
  const high = source.readInt32BE(at)
  if (isUnsigned && high < 0) throw new MalformedRecord('an integer does not fit int64')
  const value = high * 0x1_0000_0000 + source.readUInt32BE(at + 4)
  return Number.isSafeInteger(value) ? value : source.readBigInt64BE(at)
}

function readString(bytes: number): string {
  const start = take(bytes)
  const text = readText(source, start, start + bytes)
  if (!isFaithful(text, source, start, start + bytes)) throw new MalformedRecord('a string is no UTF-8')
  return text
}

function readBinary(bytes: number): Uint8Array {
  const start = take(bytes)
  const view = source.subarray(start, start + bytes)
  return copiesBytes ? Buffer.from(view) : view
}

function readArray(count: number, depth: number): unknown[] {
  if (depth === RECORD_DEPTH_MAX) throw new MalformedRecord('nested too deep')
  if (count > limit - position) throw truncated()
  const array: unknown[] = []
  for (let i = 0; i < count; i++) array.push(readAny(depth + 1))
  return array
}

function readMap(count: number, depth: number): object {
  if (depth === RECORD_DEPTH_MAX) throw new MalformedRecord('nested too deep')
  if (count * 2 > limit - position) throw truncated()
  const map: Record<string, unknown> = {}
  for (let i = 0; i < count; i++) {
    const key = readKey()
    const value = readAny(depth + 1)
    if (key === '__proto__') Object.defineProperty(map, key, { value, writable: true, enumerable: true, configurable: true })
    else map[key] = value
  }
  return map
}

function readKey(): string {
  if (position >= limit) throw truncated()
  const tag = source[position++]!
  if (tag >= 0xa0 && tag < 0xc0) return readShortKey(tag & 0x1f)
  if (tag === 0xd9) return readString(readUint(1))
  if (tag === 0xda) return readString(readUint(2))
  if (tag === 0xdb) return readString(readUint(4))
  throw new MalformedRecord('a key is no string')
}

function readShortKey(bytes: number): string {
  const start = take(bytes)
  let hash = bytes
  for (let i = start; i < position; i++) hash = Math.imul(hash ^ source[i]!, 0x01000193)
  const slot = (hash ^ (hash >>> 15)) & (KEY_CACHE_SLOTS - 1)
  const known = keyCache[slot]
  if (known !== undefined && isSame(known.bytes, start, bytes)) return known.text
  position = start
  const text = readString(bytes)
  if (bytes <= CACHED_KEY_BYTES) keyCache[slot] = { bytes: Uint8Array.from(source.subarray(start, start + bytes)), text }
  return text
}

function isSame(bytes: Uint8Array, start: number, length: number): boolean {
  if (bytes.length !== length) return false
  for (let i = 0; i < length; i++) if (bytes[i] !== source[start + i]) return false
  return true
}

function truncated(): MalformedRecord {
  return new MalformedRecord('it ends in the middle')
}
