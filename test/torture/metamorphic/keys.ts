/**
 * Where a history takes its keys from: a few pools, of which each phase prefers one, picked from evenly, by a Zipf distribution, or one
 * after the other.
 */
import type { Random } from '../../../src/util/random.js'
import type { KeySpec } from './operations.js'

const latin = (text: string): string => Buffer.from(text).toString('latin1')

/** The empty key, keys that begin with others, and text outside of ASCII. */
const ODD_TEXT: readonly string[] = ['', 'a', 'a\0', 'a\0\0', 'aa', 'ab', 'b', ...['é', 'éa', '日本', '日本語', '😀', '\uffff'].map(latin)]

/** Bytes that are no text. */
const ODD_BYTES: readonly string[] = ['\x80', '\xc3', '\xfe', '\xff', '\xff\0', '\xff\xff', '\xff\xff\xff', 'a\xff', 'a\xff\xff']

/** Longer than most blocks, up to the greatest length. */
const LONG: readonly KeySpec[] = [
  { repeat: 'long', times: 16_383 },
  { repeat: 'l', times: 65_535 },
  { repeat: 'lo', times: 2000 },
  { repeat: 'lo', times: 2001 },
]

/** Longer than what is reserved for a key. */
const MEDIUM: readonly KeySpec[] = Array.from({ length: 12 }, (_, i) => ({ repeat: 'medium', times: 20 + 30 * i }))

const SHARED = 'a/long/prefix/that/many/keys/share/'

/** Keys of a history. */
export class KeySource {
  /** All keys are text. */
  readonly isText: boolean
  readonly #random: Random
  readonly #pools: (readonly KeySpec[])[]
  #pool: readonly KeySpec[]
  #way: 'even' | 'zipf' | 'sequence' = 'even'
  #position = 0

  constructor(random: Random) {
    this.#random = random
    this.isText = random.chance(0.5)
    const size = random.pick([20, 100, 100, 500, 1500])
    const numbered = (prefix: string, count: number): string[] =>
      Array.from({ length: count }, (_, i) => `${prefix}${String(i).padStart(4, '0')}`)
    this.#pools = [numbered('k', size), numbered('hot', random.between(1, 10)), numbered(SHARED, random.between(5, 200)), ODD_TEXT, MEDIUM]
    if (!this.isText) this.#pools.push(ODD_BYTES, binary(random, random.between(10, 300)))
    if (random.chance(0.1)) this.#pools.push([...LONG, ...numbered('k', 8)])
    this.#pool = this.#pools[0]!
  }

  /** Prefers other keys. */
  nextPhase(): void {
    this.#pool = this.#random.pick(this.#pools)
    this.#way = this.#random.pick(['even', 'even', 'zipf', 'zipf', 'sequence'] as const)
    this.#position = this.#random.below(this.#pool.length)
  }

  next(): KeySpec {
    const random = this.#random
    if (random.chance(0.1)) return random.pick(random.pick(this.#pools))
    const { length } = this.#pool
    if (this.#way === 'even') return random.pick(this.#pool)
    if (this.#way === 'sequence') return this.#pool[this.#position++ % length]!
    // Ranks spread over the pool, so that the hot ones are no neighbours.
    const rank = Math.floor(length ** random.float()) - 1
    return this.#pool[(rank * 7919) % length]!
  }

  /** Mostly one that holds a number. */
  counter(): KeySpec {
    return this.#random.chance(0.7) ? `count${this.#random.below(3)}` : this.next()
  }

  /** The beginning of some keys. */
  prefix(): KeySpec {
    if (this.#random.chance(0.05)) return this.#random.pick(this.isText ? ODD_TEXT : ODD_BYTES)
    const key = this.next()
    if (typeof key !== 'string' || this.#random.chance(0.2)) return key
    const cut = key.slice(0, Math.max(1, key.length - this.#random.pick([1, 1, 1, 2, 3])))
    // Half of a character is no text.
    return this.isText && [...cut].some((character) => character > '\x7f') ? key : cut
  }

  /** Two keys, usually not far from each other. */
  narrowRange(): { start: KeySpec; end: KeySpec } {
    const random = this.#random
    const [a, b] = [this.next(), this.next()]
    if (typeof a !== 'string' || random.chance(0.1)) return { start: a, end: b }
    const at = this.#pool.indexOf(a)
    const end = at < 0 ? b : this.#pool[Math.min(this.#pool.length - 1, at + random.between(0, 30))]!
    return { start: a, end }
  }
}

function binary(random: Random, count: number): string[] {
  return Array.from({ length: count }, () => {
    const bytes = Buffer.alloc(random.between(1, 12))
    random.fill(bytes)
    return bytes.toString('latin1')
  })
}
