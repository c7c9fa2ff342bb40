/**
 * Which layout a data block should have in JavaScript: `npm run build:tools && node build/bench/block_layout.js [entries]`.
 *
 * - **whole keys, hashed**: what `src/sstable/data_block.ts` does: an offset table, and a hash table of the keys that is built in memory.
 * - **whole keys**: the same bytes, searched by binary search (`lowerBound`, what scans use).
 * - **restart 16**: prefix compression with a whole key each 16 entries, as in LevelDB.
 * - **columns**: all values, then all keys, then all trailers, with two offset tables, as in Pebble's newer blocks.
 *
 * Measured are a point search of a random key in a random block, steps forward and backward through all entries (key, sequence and value
 * bounds of each), and bytes per entry, raw and compressed. The default of 400,000 entries is 50 MB of blocks, more than the processor's
 * caches hold, as a block cache is; 30,000 fit. The fastest sample counts. `docs/table.md` has the results.
 */
import { Bench } from 'tinybench'
import { commonPrefixLength, compareBytes, readUint16, readUint32, writeUint16, writeUint32 } from '../src/codec/bytes.js'
import { type CompressionName, codecForWriting } from '../src/codec/compression.js'
import { hashKey } from '../src/codec/hash.js'
import { readTrailerSequence, writeTrailer } from '../src/codec/internal_key.js'
import { writeVarint } from '../src/codec/varint.js'
import { BlockCursor } from '../src/sstable/block_cursor.js'
import { entryCountOf, findVersion, lowerBound } from '../src/sstable/data_block.js'
import { DataBlockBuilder } from '../src/sstable/data_block_builder.js'
import { Random } from '../src/util/random.js'

const BLOCK_BYTES = 16 * 1024
const VALUE_BYTES = 100
/** Searches, and blocks walked through, per sample: short enough to fall between the turns of other processes. */
const ROUND = 512
const ROUND_BLOCKS = 16
const COUNT = Number(process.argv[2] ?? 400_000)
const random = new Random(7)

/** A way to lay out the entries of a block. Keys and values here are shorter than 128 bytes, so their lengths take one byte. */
interface Layout {
  build(keys: readonly Buffer[], values: readonly Buffer[]): Buffer
  find(block: Buffer, key: Buffer, start: number, end: number, hash: number): number
  /** Visits all entries and returns a sum that depends on each. */
  forward(block: Buffer): number
  backward(block: Buffer): number
}

class Cursor extends BlockCursor {
  sum(block: Buffer, first: number, step: number): number {
    const count = entryCountOf(block)
    this.enter(block, first < 0 ? count - 1 : first)
    let sum = 0
    for (let i = 0; i < count; i++) {
      if (i > 0) this.moveTo(this.entry + step)
      sum += this.sequence + this.keyEnd + this.valueEnd
    }
    return sum
  }
}

const cursor = new Cursor()

const wholeKeys: Layout = {
  build(keys, values) {
    const builder = new DataBlockBuilder(BLOCK_BYTES)
    for (const [i, key] of keys.entries()) {
      const data = Buffer.concat([key, values[i]!])
      builder.add(data, 0, key.length, i + 1, 1, key.length, data.length)
    }
    const length = builder.finish(0)
    return Buffer.from(builder.buffer.subarray(0, length))
  },
  find: (block, key, start, end) => lowerBound(block, key, start, end, Number.MAX_SAFE_INTEGER, 0),
  forward: (block) => cursor.sum(block, 0, 1),
  backward: (block) => cursor.sum(block, -1, -1),
}

const wholeKeysHashed: Layout = {
  ...wholeKeys,
  find: (block, key, start, end, hash) => findVersion(block, key, start, end, hash, Number.MAX_SAFE_INTEGER),
}

const RESTART_INTERVAL = 16
const work = Buffer.alloc(4 * BLOCK_BYTES)

/**
 * Entry: shared, unshared, value length (a byte each), rest of the key, trailer, value. Then the restarts, 4 bytes each, and their number.
 */
const restart: Layout = {
  build(keys, values) {
    let end = 0
    const restarts: number[] = []
    for (const [i, key] of keys.entries()) {
      const previous = keys[i - 1]
      const isRestart = i % RESTART_INTERVAL === 0
      if (isRestart) restarts.push(end)
      const shared = isRestart || previous === undefined ? 0 : commonPrefixLength(previous, 0, previous.length, key, 0, key.length)
      end = writeVarint(work, end, shared)
      end = writeVarint(work, end, key.length - shared)
      end = writeVarint(work, end, values[i]!.length)
      end += key.copy(work, end, shared)
      writeTrailer(work, end, i + 1, 1)
      end += 8
      end += values[i]!.copy(work, end)
    }
    for (const offset of [...restarts, restarts.length]) {
      writeUint32(work, end, offset)
      end += 4
    }
    return Buffer.from(work.subarray(0, end))
  },
  find(block, key, start, end) {
    const count = readUint32(block, block.length - 4)
    const restarts = block.length - 4 - 4 * count
    let low = 0
    let high = count
    while (low < high) {
      const middle = (low + high) >>> 1
      const at = readUint32(block, restarts + 4 * middle)
      if (compareBytes(block, at + 3, at + 3 + block[at + 1]!, key, start, end) < 0) low = middle + 1
      else high = middle
    }
    return findAfterRestart(block, readUint32(block, restarts + 4 * Math.max(0, low - 1)), restarts, key, start, end)
  },
  forward: (block) => prefixCursor.forward(block),
  backward: (block) => prefixCursor.backward(block),
}

/** Walks from a restart, comparing only what entries do not share with the one before. */
function findAfterRestart(block: Buffer, from: number, limit: number, key: Buffer, start: number, end: number): number {
  let at = from
  let matched = 0
  while (at < limit) {
    const shared = block[at]!
    const unshared = block[at + 1]!
    if (shared < matched) return at
    if (shared === matched) {
      const rest = end - start - shared
      const shorter = Math.min(unshared, rest)
      let i = 0
      let difference = 0
      while (i < shorter && (difference = block[at + 3 + i]! - key[start + shared + i]!) === 0) i++
      if (i === shorter) difference = unshared - rest
      if (difference >= 0) return at
      matched = shared + i
    }
    at += 3 + unshared + 8 + block[at + 2]!
  }
  return at
}

/** Pieces keys together in a buffer of its own. */
class PrefixCursor {
  private readonly key = Buffer.alloc(256)
  private block: Buffer = work
  private start = 0
  private end = 0
  private limit = 0

  forward(block: Buffer): number {
    this.open(block)
    let sum = 0
    while (this.end < this.limit) sum += this.step()
    return sum
  }

  backward(block: Buffer): number {
    this.open(block)
    let sum = 0
    let before = this.limit
    while (before > 0) {
      let low = 0
      let high = readUint32(block, block.length - 4)
      while (low < high) {
        const middle = (low + high) >>> 1
        if (readUint32(block, this.limit + 4 * middle) < before) low = middle + 1
        else high = middle
      }
      this.end = readUint32(block, this.limit + 4 * (low - 1))
      let last = 0
      while (this.end < before) last = this.step()
      sum += last
      before = this.start
    }
    return sum
  }

  private open(block: Buffer): void {
    this.block = block
    this.end = 0
    this.limit = block.length - 4 - 4 * readUint32(block, block.length - 4)
  }

  private step(): number {
    const { block, key } = this
    this.start = this.end
    const shared = block[this.start]!
    const unshared = block[this.start + 1]!
    const rest = this.start + 3
    for (let i = 0; i < unshared; i++) key[shared + i] = block[rest + i]!
    const trailer = rest + unshared
    this.end = trailer + 8 + block[this.start + 2]!
    return readTrailerSequence(block, trailer) + shared + unshared + this.end
  }
}

const prefixCursor = new PrefixCursor()

/** Values, keys, trailers, offsets of keys, offsets of values (2 bytes each), then where the keys begin and the number of entries. */
const columns: Layout = {
  build(keys, values) {
    let end = 0
    const valueOffsets = values.map((value) => (end += value.copy(work, end)) - value.length)
    const keysStart = end
    const keyOffsets = keys.map((key) => (end += key.copy(work, end)) - key.length - keysStart)
    for (const i of keys.keys()) writeTrailer(work, end + 8 * i, i + 1, 1)
    end += 8 * keys.length
    for (const offset of [...keyOffsets, ...valueOffsets]) {
      writeUint16(work, end, offset)
      end += 2
    }
    writeUint32(work, end, keysStart)
    writeUint32(work, end + 4, keys.length)
    return Buffer.from(work.subarray(0, end + 8))
  },
  find(block, key, start, end) {
    const count = readUint32(block, block.length - 4)
    const keysStart = readUint32(block, block.length - 8)
    const keyOffsets = block.length - 8 - 4 * count
    const keysEnd = keyOffsets - 8 * count
    let low = 0
    let high = count
    let lowShared = 0
    let highShared = 0
    while (low < high) {
      const middle = (low + high) >>> 1
      const at = keysStart + readUint16(block, keyOffsets + 2 * middle)
      const length = (middle + 1 < count ? keysStart + readUint16(block, keyOffsets + 2 * middle + 2) : keysEnd) - at
      const shorter = Math.min(length, end - start)
      let shared = Math.min(lowShared, highShared)
      let difference = 0
      while (shared < shorter && (difference = block[at + shared]! - key[start + shared]!) === 0) shared++
      if (shared === shorter) difference = length - (end - start)
      if (difference < 0) {
        low = middle + 1
        lowShared = shared
      } else {
        high = middle
        highShared = shared
      }
    }
    return low
  },
  forward: (block) => sumColumns(block, 0, 1),
  backward: (block) => sumColumns(block, readUint32(block, block.length - 4) - 1, -1),
}

function sumColumns(block: Buffer, first: number, step: number): number {
  const count = readUint32(block, block.length - 4)
  const keysStart = readUint32(block, block.length - 8)
  const keyOffsets = block.length - 8 - 4 * count
  const keysEnd = keyOffsets - 8 * count
  let sum = 0
  for (let visited = 0, i = first; visited < count; visited++, i += step) {
    const isLast = i + 1 === count
    const keyEnd = isLast ? keysEnd : keysStart + readUint16(block, keyOffsets + 2 * i + 2)
    const valueEnd = isLast ? keysStart : readUint16(block, keyOffsets + 2 * (count + i) + 2)
    sum += readUint16(block, keyOffsets + 2 * i) + readUint16(block, keyOffsets + 2 * (count + i))
    sum += readTrailerSequence(block, keysEnd + 8 * i) + keyEnd + valueEnd
  }
  return sum
}

const layouts: Record<string, Layout> = { 'whole keys, hashed': wholeKeysHashed, 'whole keys': wholeKeys, 'restart 16': restart, columns }

function userKeys(): Buffer[] {
  return Array.from({ length: COUNT }, (_, i) => Buffer.from(`user:${String(i * 7).padStart(11, '0')}`))
}

/** Keys with long and uneven shared prefixes, as applications make them. */
function cityKeys(): Buffer[] {
  const words = 'alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma tau upsilon'.split(' ')
  const keys = new Set<string>()
  while (keys.size < COUNT)
    keys.add(`city:${random.pick(['DE', 'FR', 'IT', 'US'])}:${random.pick(words)}${random.pick(words)}:${random.below(1e8)}`)
  return [...keys].toSorted().map((key) => Buffer.from(key))
}

/** The keys cut into blocks of about 16 KiB: first and last index of each. */
function cut(keys: readonly Buffer[]): [number, number][] {
  const cuts: [number, number][] = []
  let start = 0
  let bytes = 0
  for (const [i, key] of keys.entries()) {
    const entryBytes = key.length + VALUE_BYTES + 14
    if (bytes + entryBytes > BLOCK_BYTES) {
      cuts.push([start, i])
      start = i
      bytes = 0
    }
    bytes += entryBytes
  }
  return cuts
}

let sink = 0

/** One line of the result: this layout over these keys. */
async function measure(layout: Layout, keys: readonly Buffer[], values: readonly Buffer[]): Promise<Record<string, number>> {
  const cuts = cut(keys)
  const blocks = cuts.map(([start, end]) => layout.build(keys.slice(start, end), values.slice(start, end)))
  const entryCount = cuts.at(-1)![1]
  const line: Record<string, number> = {}
  for (const codec of ['none', 'snappy', 'zstd'] satisfies CompressionName[]) {
    const sample = blocks.filter((_, i) => i % Math.ceil(blocks.length / 200) === 0)
    const bytes = sample.reduce((sum, block) => sum + (codecForWriting(codec)?.compress(block, 1).length ?? Number.NaN), 0)
    line[`B/entry ${codec}`] = Number(((bytes / sample.length) * (blocks.length / entryCount)).toFixed(1))
  }
  const picks = Array.from({ length: ROUND * 64 }, () => {
    const block = random.below(cuts.length)
    return { block, key: keys[random.between(cuts[block]![0], cuts[block]![1] - 1)]! }
  })
  const searched = Buffer.concat(picks.map(({ key }) => key))
  const starts = Uint32Array.from(
    picks,
    (
      (end) =>
      ({ key }: { key: Buffer }) =>
        (end += key.length) - key.length
    )(0),
  )
  const ends = Uint32Array.from(picks, ({ key }, i) => starts[i]! + key.length)
  const hashes = Uint32Array.from(picks, ({ key }) => hashKey(key, 0, key.length))
  let round = 0
  const windowStart = (count: number, size: number): number => (round++ % Math.floor(count / size)) * size
  const bench = new Bench({ time: 1000, warmupTime: 200 })
    .add('find', () => {
      const first = windowStart(picks.length, ROUND)
      for (let i = first; i < first + ROUND; i++) sink += layout.find(blocks[picks[i]!.block]!, searched, starts[i]!, ends[i]!, hashes[i]!)
    })
    .add('forward', () => {
      const first = windowStart(blocks.length, ROUND_BLOCKS)
      for (let i = first; i < first + ROUND_BLOCKS; i++) sink += layout.forward(blocks[i]!)
    })
    .add('backward', () => {
      const first = windowStart(blocks.length, ROUND_BLOCKS)
      for (let i = first; i < first + ROUND_BLOCKS; i++) sink += layout.backward(blocks[i]!)
    })
  await bench.run()
  for (const { name, result } of bench.tasks) {
    const ms = result !== undefined && 'latency' in result ? result.latency.min : Number.NaN
    line[`${name} ns`] = Number(((ms * 1e6) / (name === 'find' ? ROUND : (ROUND_BLOCKS * entryCount) / blocks.length)).toFixed(1))
  }
  return line
}

const values = Array.from({ length: COUNT }, () => {
  const value = Buffer.alloc(VALUE_BYTES, 'half of it')
  random.fill(value.subarray(0, VALUE_BYTES / 2))
  return value
})
for (const [shape, keys] of Object.entries({ 'user:00000012345': userKeys(), 'city:DE:alphabeta:12345': cityKeys() })) {
  const table: Record<string, Record<string, number>> = {}
  for (const [name, layout] of Object.entries(layouts)) table[name] = await measure(layout, keys, values)
  console.log(`\n${shape}, ${COUNT} entries`)
  console.table(table)
}
if (sink === 0.5) console.log(sink)
