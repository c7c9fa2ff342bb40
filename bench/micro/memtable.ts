/**
 * The memtable, in nanoseconds per entry: `npm run build:tools && node build/bench/micro/memtable.js [entries]`.
 *
 * Keys have 16 bytes and a long common prefix, values 100 bytes; 27,000 entries fill the default memtable of 4 MiB. One sample is a
 * pass over all entries. The fastest pass and the median are shown: what other processes take away is noise.
 */
import { Bench } from 'tinybench'
import { MOVED } from '../../src/codec/internal_iterator.js'
import { KIND_PUT, SEQUENCE_MAX } from '../../src/codec/internal_key.js'
import { Memtable } from '../../src/memtable/memtable.js'
import { Random } from '../../src/util/random.js'
import { publish } from './figures.js'

const COUNT = Number(process.argv[2] ?? 27_000)
const KEY_BYTES = 16
const VALUE_BYTES = 100
const ENTRY_BYTES = KEY_BYTES + VALUE_BYTES

/** `count` different numbers below 10 million, in random order. */
function randomNumbers(random: Random, count: number): number[] {
  const numbers = new Set<number>()
  while (numbers.size < count) numbers.add(random.below(10_000_000))
  return [...numbers]
}

/** Entries one after the other, as a batch holds them. */
function entriesOf(numbers: readonly number[], stride: number): Buffer {
  const entries = Buffer.alloc(numbers.length * stride, 'v')
  for (const [index, number] of numbers.entries()) entries.write(`user:${String(number).padStart(11, '0')}`, index * stride, 'latin1')
  return entries
}

const random = new Random(1)
const numbers = randomNumbers(random, 2 * COUNT)
const present = numbers.slice(0, COUNT)
const randomOrder = entriesOf(present, ENTRY_BYTES)
const sequential = entriesOf(
  Array.from({ length: COUNT }, (_, index) => 100_000 + index),
  ENTRY_BYTES,
)
const presentKeys = entriesOf(random.shuffle([...present]), KEY_BYTES)
const absentKeys = entriesOf(numbers.slice(COUNT), KEY_BYTES)

const capacityBytes = Math.max(Memtable.capacityFor(COUNT * Memtable.entryBytesMax(KEY_BYTES, VALUE_BYTES)), 4 << 20)
const { arena } = Memtable.create(capacityBytes)
const full = Memtable.create(capacityBytes)
let sink = 0

function insertAll(memtable: Memtable, entries: Buffer): void {
  for (let i = 0, at = 0; i < COUNT; i++, at += ENTRY_BYTES) {
    memtable.insert(entries, at, at + KEY_BYTES, at + KEY_BYTES, at + ENTRY_BYTES, i + 1, KIND_PUT)
  }
}

function findAll(keys: Buffer): void {
  for (let at = 0; at < keys.length; at += KEY_BYTES) sink += full.find(keys, at, at + KEY_BYTES, SEQUENCE_MAX)
}

insertAll(full, randomOrder)
const iterator = full.iterator()
const key = Buffer.from('user:')
const bench = new Bench({ time: 1000, warmupTime: 200 })
bench.add('insert, random order', () => insertAll(Memtable.reuse(arena), randomOrder))
bench.add('insert, sequential', () => insertAll(Memtable.reuse(arena), sequential))
bench.add('find, present', () => findAll(presentKeys))
bench.add('find, absent', () => findAll(absentKeys))
bench.add('seek', () => {
  for (let at = 0; at < absentKeys.length; at += KEY_BYTES) sink += iterator.seek(absentKeys, at, at + KEY_BYTES, SEQUENCE_MAX)
})
bench.add('next', () => {
  for (let status = iterator.seek(key, 0, key.length, SEQUENCE_MAX); status === MOVED; status = iterator.next()) sink += iterator.valueEnd
})
bench.add('prev', () => {
  for (let status = iterator.seekToLast(); status === MOVED; status = iterator.prev()) sink += iterator.valueEnd
})
await bench.run()
console.log(`${COUNT} entries in ${full.usedBytes} bytes`)
for (const { name, result } of bench.tasks) {
  if (result.state !== 'completed') continue
  const perEntry = (milliseconds: number): number => (milliseconds * 1e6) / COUNT
  publish('memtable', name, perEntry(result.latency.min), perEntry(result.latency.p50))
}
if (sink === 0.5) console.log('never')
