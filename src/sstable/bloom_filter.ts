/**
 * The bloom filter of a table: tells for most absent keys that they are absent, from one cache line and without reading a block.
 *
 * It is cache-line blocked (Putze, Sanders and Singler, "Cache-, hash- and space-efficient bloom filters", 2007), in the manner of
 * RocksDB's FastLocalBloom: a key's hash chooses one line of 512 bits, and all probes of the key stay in it.
 *
 * | byte | size | field |
 * |---|---|---|
 * | 0 | 64 · n | lines |
 * | 64 · n | 4 | number of lines, n |
 * | 64 · n + 4 | 1 | probes per key, k |
 *
 * With h = `hashKey` of the user key, 32 bits:
 *   line = floor(h · n / 2^32)
 *   g_1 = h · 0x9e3779b1, g_(i+1) = g_i · 0x9e3779b1 (mod 2^32); probe i is bit (g_i >> 23) of the line: bit b is bit b & 7 of byte b >> 3
 *
 * Two keys of equal hash cannot be told apart. In a table of m keys an absent one shares its hash with a present one with probability
 * m / 2^32: 0.00007 for 300,000 keys, 0.0007 for 3 million. The filter is sized so that lines and hashes together meet the wanted rate,
 * unless equal hashes alone make more than half of it; then lines are sized for the half, and the rate comes out as half of what was
 * wanted plus m / 2^32.
 */
import { readUint32, writeUint32 } from '../codec/bytes.js'
import { assert } from '../util/assert.js'
import { corruption } from '../util/errors.js'
import { PAUSE, type Task } from '../util/task.js'

const LINE_BYTES = 64
const LINE_BITS = 512
const TAIL_BYTES = 5
const MULTIPLIER = 0x9e3779b1
const PROBES_MAX = 24
const KEYS_BETWEEN_PAUSES = 16_384
/** More lines than a buffer can hold are never asked for: 1 GiB of filter. */
const LINES_MAX = 16 * 1024 * 1024

/** The rate of the lines is some of so many parts of the wanted one: finding a shape takes longer than filling a small filter. */
const RATE_STEPS = 64

/** Shape of a filter. */
export interface FilterShape {
  readonly bitsPerKey: number
  readonly probes: number
}

const shapes = new Map<number, FilterShape>()

/** The smallest shape whose lines give a false-positive rate of at most `rate` (0.00001 to 0.99). */
export function filterShape(rate: number): FilterShape {
  let shape = shapes.get(rate)
  if (shape === undefined) {
    shape = computeShape(rate)
    if (shapes.size > 100) shapes.clear()
    shapes.set(rate, shape)
  }
  return shape
}

function computeShape(rate: number): FilterShape {
  // A plain filter, which is never worse, needs log2(1 / rate) / ln 2 bits.
  const bitsAtLeast = Math.max(0.25, Math.floor((-4 * Math.log2(rate)) / Math.LN2) / 4)
  for (let bitsPerKey = bitsAtLeast; ; bitsPerKey += 0.25) {
    // The best number of probes is near that of a plain filter, bits · ln 2, and never above it.
    const probesMax = Math.min(PROBES_MAX, Math.max(1, Math.ceil(bitsPerKey * Math.LN2)))
    for (let probes = probesMax; probes >= Math.max(1, probesMax - 4); probes--) {
      if (expectedRate(bitsPerKey, probes) <= rate || bitsPerKey > 40) return { bitsPerKey, probes }
    }
  }
}

/**
 * The expected false-positive rate: keys per line are Poisson distributed; with m of them a bit is set with 1 - (1 - 1/512)^(m · probes).
 */
export function expectedRate(bitsPerKey: number, probes: number): number {
  const mean = LINE_BITS / bitsPerKey
  let rate = 0
  let logProbability = -mean
  const end = mean + 12 * Math.sqrt(mean) + 20
  for (let keys = 0; keys <= end; keys++) {
    if (keys > 0) logProbability += Math.log(mean / keys)
    rate += Math.exp(logProbability) * (1 - (1 - 1 / LINE_BITS) ** (keys * probes)) ** probes
  }
  return rate
}

const HASHES_MIN = 1024
const NOTHING = Buffer.alloc(0)

/** Collects the hashes of a table's keys and makes the filter of them. */
export class BloomFilterBuilder {
  private readonly rate: number
  private hashes = new Uint32Array(HASHES_MIN)
  private count = 0
  /** Where the last filter was made. */
  private memory: Buffer = NOTHING

  /** @param rate wanted false-positive rate, above 0 and below 1 */
  constructor(rate: number) {
    this.rate = rate
  }

  /** Bytes that the filter will take. */
  get estimatedBytes(): number {
    return Math.ceil((this.count * filterShape(this.rate).bitsPerKey) / 8) + LINE_BYTES + TAIL_BYTES
  }

  /** What is left of the wanted rate for the lines. In steps, so that tables of about the same size share one shape. */
  private get lineRate(): number {
    const sharedHashRate = this.count / 0x1_0000_0000
    const steps = Math.ceil((sharedHashRate / this.rate) * RATE_STEPS)
    return this.rate * (1 - Math.min(steps, RATE_STEPS / 2) / RATE_STEPS)
  }

  /** Adds a key by its hash. */
  add(hash: number): void {
    if (this.count === this.hashes.length) {
      const grown = new Uint32Array(2 * this.count)
      grown.set(this.hashes)
      this.hashes = grown
    }
    this.hashes[this.count++] = hash
  }

  /** Begins another filter; memory of more than `keptBytesMax` is let go. */
  clear(keptBytesMax: number): void {
    this.count = 0
    if (this.hashes.byteLength > keptBytesMax) this.hashes = new Uint32Array(HASHES_MIN)
    if (this.memory.length > keptBytesMax) this.memory = NOTHING
  }

  /**
   * The block's payload, in a buffer with room for `spareBytes` behind it, borrowed until the next one is made. Pauses every half a
   * millisecond or so.
   */
  *finish(spareBytes: number): Task<{ buffer: Buffer; length: number }> {
    const { bitsPerKey, probes } = filterShape(this.lineRate)
    const lineCount = Math.max(1, Math.ceil((this.count * bitsPerKey) / LINE_BITS))
    assert(lineCount <= LINES_MAX, 'a filter stays below a gigabyte')
    const linesBytes = lineCount * LINE_BYTES
    const buffer = this.reserve(linesBytes + TAIL_BYTES + spareBytes)
    buffer.fill(0, 0, linesBytes + TAIL_BYTES)
    for (let start = 0; start < this.count; start += KEYS_BETWEEN_PAUSES) {
      if (start > 0) yield PAUSE
      setBits(buffer, lineCount, probes, this.hashes, start, Math.min(start + KEYS_BETWEEN_PAUSES, this.count))
    }
    writeUint32(buffer, linesBytes, lineCount)
    buffer[linesBytes + 4] = probes
    return { buffer, length: linesBytes + TAIL_BYTES }
  }

  private reserve(bytes: number): Buffer {
    // Tables of one level differ a little in length.
    if (bytes > this.memory.length) this.memory = Buffer.allocUnsafeSlow(bytes + (bytes >>> 3))
    return this.memory
  }
}

/**
 * Enters the hashes `[start, end)`. It is a function of its own because the code behind a loop is compiled with it, before it was ever run:
 * the one table at a time that `finish` completes would then throw the compiled loop away again and again.
 */
function setBits(lines: Buffer, lineCount: number, probes: number, hashes: Uint32Array, start: number, end: number): void {
  for (let i = start; i < end; i++) {
    const hash = hashes[i]!
    const line = Math.floor((hash * lineCount) / 0x1_0000_0000) * LINE_BYTES
    let bits = hash
    for (let probe = 0; probe < probes; probe++) {
      bits = Math.imul(bits, MULTIPLIER)
      const bit = bits >>> 23
      lines[line + (bit >>> 3)]! |= 1 << (bit & 7)
    }
  }
}

/** A filter in memory. */
export class BloomFilter {
  private readonly lines: Buffer
  private readonly lineCount: number
  private readonly probes: number

  /** Uses a payload that stands at `fileOffset` of the file `path`; its bytes are kept, not copied. @throws StoreError `ERR_CORRUPTION` */
  constructor(payload: Buffer, path: string, fileOffset: number) {
    const linesBytes = payload.length - TAIL_BYTES
    if (linesBytes < LINE_BYTES) throw corruption('the filter is too short', path, fileOffset)
    this.lines = payload
    this.lineCount = readUint32(payload, linesBytes)
    this.probes = payload[linesBytes + 4]!
    if (this.lineCount * LINE_BYTES !== linesBytes || this.probes === 0 || this.probes > PROBES_MAX) {
      throw corruption('the filter has an impossible shape', path, fileOffset)
    }
  }

  /**
   * Whether the table can hold a key with this `hashKey`; `false` is certain.
   *
   * Hot: 10 ns for an absent key, 20 ns for a present one, one or two cache lines; `filter` in `bench/micro/sstable.ts` guards it.
   */
  mayContain(hash: number): boolean {
    const { lines, probes } = this
    const line = ((hash * this.lineCount) / 0x1_0000_0000) << 6
    let bits = hash
    for (let probe = 0; probe < probes; probe++) {
      bits = Math.imul(bits, MULTIPLIER)
      if ((lines[line + ((bits >>> 26) & 63)]! & (1 << ((bits >>> 23) & 7))) === 0) return false
    }
    return true
  }
}
