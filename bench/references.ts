/**
 * Numbers that were not measured by these benchmarks, and where they come from. They stand beside the measured ones for orientation:
 * another program, another hour, and mostly another machine.
 */

/** The store in Go that varve is modelled on, in a Go program that runs the same workloads. */
export const GO_ORIGINAL = {
  name: 'tinykvs, Go 1.25.12',
  machine: '2 virtual cores (Intel Xeon, KVM), 24 GiB, Linux 6.18',
  about: `defaults: minlz, 4 MB memtable, Bloom filter, 256 MB block cache (8 MB in \`getsmall\`). Its log is buffered in the process, so an
acknowledged write may be lost with it, as with varve's \`walSync: 'none'\``,
  /** First metric of the workload of the same name. */
  rates: {
    fillseq: 601_937,
    fillrandom: 567_344,
    fill64: 469_760,
    fillbatch: 687_415,
    durable: 4943,
    durable64: 4558,
    get: 460_337,
    get64: 789_681,
    getsmall: 110_308,
    getmissing: 592_124,
    getmany: 519_050,
    scan: 4_996_890,
    scanprefix: 33_392,
    mixed: 255_888,
    overwrite: 486_325,
    put1m: 145,
    get1m: 2834,
    openwarm: 0.642,
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
