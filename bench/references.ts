/**
 * Numbers that were not measured by these benchmarks, and where they come from. They stand beside the measured ones for orientation:
 * another program, another hour, and mostly another machine.
 */

/**
 * The store in Go that varve is modelled on (tinykvs c7e86ae, with its assembly), in a Go program that runs the same workloads: medians of
 * three runs on a machine that did nothing else; of `getsmall` nine, in turns with as many of varve, which had 68,391 in them.
 */
export const GO_ORIGINAL = {
  name: 'tinykvs, Go 1.25.12',
  machine: 'AMD EPYC, 2 cores, 24 GiB, Linux 6.18',
  about: `defaults: minlz, 4 MB memtable, Bloom filter, 256 MB block cache (a tenth of the data in \`getsmall\`). Its log is buffered in the
process, so an acknowledged write may be lost with it, as with varve's \`walSync: 'none'\``,
  /** First metric of the workload of the same name. */
  rates: {
    fillseq: 537_558,
    fillrandom: 239_431,
    fill64: 230_678,
    fillbatch: 502_609,
    durable: 2898,
    durable64: 2643,
    get: 262_507,
    get64: 432_331,
    getsmall: 55_031,
    getmissing: 284_025,
    getmany: 273_169,
    scan: 2_225_662,
    scanprefix: 18_997,
    mixed: 144_951,
    overwrite: 228_049,
    put1m: 85,
    get1m: 4747,
    openwarm: 1.016,
  },
} as const

/** A component's cost in the Go original, as its authors publish it. */
export interface PublishedCost {
  readonly component: string
  readonly name: string
  readonly publishedNs: number
}

/** Where {@link PUBLISHED_COSTS} were measured. */
export const PUBLISHED_MACHINE = 'Apple M3 Max'

/** Costs of components that the Go original publishes, by the names of `bench/micro`. */
export const PUBLISHED_COSTS: readonly PublishedCost[] = [
  { component: 'memtable', name: 'insert, random order', publishedNs: 503 },
  { component: 'memtable', name: 'find, present', publishedNs: 388 },
  { component: 'sstable', name: 'filter, 35000 keys, absent', publishedNs: 41 },
  { component: 'cache', name: 'hit', publishedNs: 27 },
  // Its log is buffered in the process.
  { component: 'wal', name: 'a put into a buffer', publishedNs: 120 },
]
