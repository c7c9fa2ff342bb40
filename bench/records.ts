/**
 * The records that every engine is measured with: 16-byte keys, 100-byte values of which half can be compressed away, and an order to write
 * them in. All of it follows from a seed, and none of it is kept in memory, so that the peak memory of a run is the engine's.
 *
 * ```
 * key    'user:' and 11 decimal digits; stored keys are multiples of 10, so that absent ones lie between them
 * value  50 random bytes, twice; a record that is written again gets another value each time
 * ```
 *
 * Making a key and a value costs about a quarter of a microsecond, the same for every engine: the column of the `Map` shows it.
 */
import { Random } from '../src/util/random.js'

/** Bytes of a key. */
export const KEY_BYTES = 16
/** Bytes of a value. */
export const VALUE_BYTES = 100

const HALF = VALUE_BYTES / 2
/** Random bytes that values are cut from: so many that two values of one block seldom share a piece. */
const POOL_BYTES = 4 * 1024 * 1024
const DIGITS = KEY_BYTES - 5

/** Makes keys and values by number. */
export class Records {
  readonly count: number
  readonly #keyBytes = Buffer.from('user:00000000000', 'latin1')
  readonly #pool: Uint8Array
  readonly #seed: number

  constructor(count: number, seed: number) {
    this.count = count
    this.#seed = seed
    this.#pool = new Uint8Array(POOL_BYTES)
    new Random(seed).fill(this.#pool)
  }

  /** Bytes of all keys and values. */
  get rawBytes(): number {
    return this.count * (KEY_BYTES + VALUE_BYTES)
  }

  /** Key of record `number`, from 0. */
  key(number: number): string {
    return this.#keyText(number * 10)
  }

  /** A key that is not stored, between two that are. */
  absentKey(number: number): string {
    return this.#keyText(number * 10 + 5)
  }

  /** What all keys start with that belong to the same hundred records as record `number`. */
  prefix(number: number): string {
    return this.key(number).slice(0, KEY_BYTES - 3)
  }

  /** Value of record `number` as it is written for the `version`-th time, counted from 0, in a buffer of its own. */
  value(number: number, version = 0): Buffer {
    const value = Buffer.allocUnsafe(VALUE_BYTES)
    this.#fill(value, number, version)
    return value
  }

  /** A value of any size, of the same making. */
  largeValue(number: number, bytes: number): Buffer {
    const value = Buffer.allocUnsafe(bytes)
    for (let at = 0, piece = 0; at < bytes; at += VALUE_BYTES) this.#fill(value.subarray(at, at + VALUE_BYTES), number, piece++)
    return value
  }

  /** Whether these bytes are the value of the record. */
  isValue(found: Uint8Array | undefined, number: number, version = 0): boolean {
    return found !== undefined && Buffer.compare(found, this.value(number, version)) === 0
  }

  #fill(value: Buffer, number: number, version: number): void {
    const pool = this.#pool
    const start = mix(number ^ this.#seed ^ Math.imul(version, 0x9e3779b1)) % (POOL_BYTES - HALF)
    const half = value.length >>> 1
    for (let i = 0; i < half; i++) {
      const byte = pool[start + i]!
      value[i] = byte
      value[i + half] = byte
    }
    if (half * 2 < value.length) value[value.length - 1] = 0
  }

  // A flat one-byte string, as a program gets it from the network or a parser. Joining strings would give a tree that each engine must
  // flatten.
  #keyText(id: number): string {
    const bytes = this.#keyBytes
    let rest = id
    for (let i = KEY_BYTES - 1; i >= KEY_BYTES - DIGITS; i--) {
      const next = Math.floor(rest / 10)
      bytes[i] = 48 + (rest - next * 10)
      rest = next
    }
    return bytes.toString('latin1')
  }
}

/**
 * A random order of the numbers 0 to `count - 1` that takes no memory: a four-round Feistel network over the next power of four, walked on
 * until it lands inside.
 */
export class Order {
  readonly #count: number
  readonly #halfBits: number
  readonly #mask: number
  readonly #seed: number

  constructor(count: number, seed: number) {
    this.#count = count
    this.#seed = seed
    this.#halfBits = Math.max(1, Math.ceil(Math.log2(count) / 2))
    this.#mask = 2 ** this.#halfBits - 1
  }

  /** The number at a position. */
  at(position: number): number {
    let number = position
    do number = this.#round(number)
    while (number >= this.#count)
    return number
  }

  #round(number: number): number {
    let left = number >>> this.#halfBits
    let right = number & this.#mask
    for (let round = 1; round <= 4; round++) {
      const next = left ^ (mix(right + Math.imul(round, 0x9e3779b9) + this.#seed) & this.#mask)
      left = right
      right = next
    }
    return ((left << this.#halfBits) | right) >>> 0
  }
}

/** Finaliser of MurmurHash3: every bit of the input moves every bit of the result. */
function mix(number: number): number {
  let hash = number | 0
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
