/**
 * The block cache, in nanoseconds per operation: `npm run build:tools && node build/bench/micro/cache.js`.
 *
 * 4000 blocks of 16 KiB fill a cache of 64 MiB. One sample is a round of many operations; the fastest and the median are shown.
 */
import { Bench } from 'tinybench'
import { BlockCache, BlockSlots } from '../../src/cache/block_cache.js'
import { Random } from '../../src/util/random.js'
import { publish } from './figures.js'

const ROUND = 10_000
const CAPACITY_BYTES = 64 * 1024 * 1024
const BLOCK_BYTES = 16_384
/** Every insert is of this one buffer: allocating is not what is measured. */
const block = Buffer.allocUnsafeSlow(BLOCK_BYTES)

const random = new Random(1)
const indexes = Uint16Array.from({ length: ROUND }, () => random.below(3500))
let sink = 0

const warm = new BlockCache(CAPACITY_BYTES)
const warmSlots = new BlockSlots(warm, 1, 3500)
for (let index = 0; index < 3500; index++) warm.insert(warmSlots, index, block)

const scanned = new BlockCache(CAPACITY_BYTES)
const scannedSlots = new BlockSlots(scanned, 1, 20_000)
let next = 0

const bench = new Bench({ time: 1000, warmupTime: 200 })
bench.add('hit', () => {
  for (let i = 0; i < ROUND; i++) sink += warm.get(warmSlots, indexes[i]!)!.length
})
bench.add('miss, insert, evict', () => {
  for (let i = 0; i < ROUND; i++) {
    if (scanned.get(scannedSlots, next) === undefined) scanned.insert(scannedSlots, next, block)
    next = (next + 1) % 20_000
  }
})
await bench.run()
for (const { name, result } of bench.tasks) {
  if (result.state !== 'completed') continue
  const perCall = (milliseconds: number): number => (milliseconds * 1e6) / ROUND
  publish('cache', name, perCall(result.latency.min), perCall(result.latency.p50))
}
if (sink === 0.5) console.log('never')
