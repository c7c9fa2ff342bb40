/**
 * The memory of a block that leaves the cache goes to the next one (`block_cache.ts`). Here everything that may still look at a block while
 * others are read in its place is checked against a model: scans that are left standing, views of values, reads that wait for the thread
 * pool, snapshots, reads of many keys, and the compactions that go on beneath.
 */
import { expect, test } from 'vitest'
import { memory, type Scan, type Snapshot, type Store, type StoreOptions } from '../../src/index.js'
import { Random } from '../../src/util/random.js'
import { testSeed } from '../support/seed.js'
import { nextTurn, openStore, TINY } from '../support/stores.js'

const KEYS = 400
const STEPS = 1500

function key(number: number): string {
  return `key ${String(number).padStart(4, '0')}`
}

/** Bytes that no other key and no other version of the key has, of a length that makes blocks of different lengths. */
function valueOf(number: number, version: number): Buffer {
  const random = new Random(number * 100_003 + version)
  const value = Buffer.alloc(random.between(20, 60))
  random.fill(value)
  return value
}

interface Moment {
  readonly snapshot: Snapshot
  readonly versions: readonly number[]
}

interface Standing {
  readonly scan: Scan<[string, unknown], string>
  readonly versions: readonly number[]
  /** The number of the next key that it has to give, if that is there. */
  next: number
}

/** A store with its model: the version of each key, 0 for absent. */
class Checked {
  readonly store: Store
  readonly versions = new Array<number>(KEYS).fill(0)
  readonly moments: Moment[] = []
  readonly scans: Standing[] = []
  readonly waiting: Promise<void>[] = []
  readonly #random: Random
  #version = 0

  constructor(store: Store, random: Random) {
    this.store = store
    this.#random = random
  }

  async write(): Promise<void> {
    const number = this.#random.below(KEYS)
    if (this.#random.chance(0.1)) {
      this.versions[number] = 0
      await this.store.delete(key(number))
    } else {
      this.versions[number] = ++this.#version
      await this.store.put(key(number), valueOf(number, this.#version))
    }
  }

  /** One step, of any kind. */
  async step(): Promise<void> {
    const random = this.#random
    const choice = random.below(100)
    if (choice < 40) this.getAsync()
    else if (choice < 52) this.getShared()
    else if (choice < 60) this.getMany()
    else if (choice < 66) this.getManySync()
    else if (choice < 80) this.moveScan()
    else if (choice < 84) this.openMoment()
    else if (choice < 87) await nextTurn()
    else if (choice < 99) await this.write()
    else await this.store.flush()
    if (this.waiting.length > 30) await Promise.all(this.waiting.splice(0))
  }

  getAsync(): void {
    const { number, versions, options } = this.#where()
    const expected = versions[number]!
    const copy = this.#random.chance(0.8)
    const check = (value: unknown): void => check1(value, number, expected)
    this.waiting.push(this.store.get(key(number), { ...options, copy }).then(check))
  }

  getShared(): void {
    const { number, versions, options } = this.#where()
    const copy = this.#random.chance(0.5)
    check1(this.store.getSync(key(number), { ...options, copy }), number, versions[number]!)
  }

  getMany(): void {
    const { versions, options } = this.#where()
    const numbers = Array.from({ length: 20 }, () => this.#random.below(KEYS))
    const expected = numbers.map((number) => versions[number]!)
    const check = (values: readonly unknown[]): void => values.forEach((value, i) => check1(value, numbers[i]!, expected[i]!))
    this.waiting.push(this.store.getMany(numbers.map(key), { ...options, copy: this.#random.chance(0.5) }).then(check))
  }

  /** Views of many values at once: the last read must not have changed the first. */
  getManySync(): void {
    const { versions, options } = this.#where()
    const numbers = Array.from({ length: 20 }, () => this.#random.below(KEYS))
    const values = this.store.getManySync(numbers.map(key), { ...options, copy: false })
    values.forEach((value, i) => check1(value, numbers[i]!, versions[numbers[i]!]!))
  }

  /** Opens a scan, or moves one on by a few entries and leaves it standing in the middle of a block. */
  moveScan(): void {
    const random = this.#random
    if (this.scans.length < 5) {
      const { number, versions, options } = this.#where()
      const scan = this.store.scan({ gte: key(number), fillCache: random.chance(0.7), ...options })
      this.scans.push({ scan, versions: [...versions], next: number })
      return
    }
    const index = random.below(this.scans.length)
    const standing = this.scans[index]!
    for (let left = random.below(12); left > 0; left--) {
      const entry = standing.scan.nextSync()
      while (standing.next < KEYS && standing.versions[standing.next] === 0) standing.next++
      expect(entry === undefined).toBe(standing.next === KEYS)
      if (entry === undefined) {
        this.scans.splice(index, 1)
        return
      }
      expect(entry[0]).toBe(key(standing.next))
      check1(entry[1], standing.next, standing.versions[standing.next]!)
      standing.next++
    }
  }

  openMoment(): void {
    if (this.moments.length === 3) this.moments.shift()!.snapshot.close()
    else this.moments.push({ snapshot: this.store.snapshot(), versions: [...this.versions] })
  }

  #where(): { number: number; versions: readonly number[]; options: { snapshot?: Snapshot } } {
    const number = this.#random.below(KEYS)
    if (this.moments.length === 0 || this.#random.chance(0.6)) return { number, versions: this.versions, options: {} }
    const { snapshot, versions } = this.#random.pick(this.moments)
    return { number, versions, options: { snapshot } }
  }
}

function check1(value: unknown, number: number, version: number): void {
  const isRight = version === 0 ? value === undefined : Buffer.isBuffer(value) && value.equals(valueOf(number, version))
  if (!isRight) throw new Error(`${key(number)} does not read as version ${version}`)
}

const SETTINGS: readonly (readonly [string, StoreOptions])[] = [
  ['a cache of a few blocks', { blockCacheSize: 24_000, readMode: 'sync', compression: 'snappy' }],
  ['a cache of a few blocks and no compression', { blockCacheSize: 24_000, readMode: 'sync', compression: 'none' }],
  ['a cache of a few blocks and reads that wait for the pool', { blockCacheSize: 24_000, readMode: 'async' }],
  ['no cache', { blockCacheSize: 0 }],
  ['a cache of a few blocks and tables that are opened and closed', { blockCacheSize: 24_000, maxOpenTables: 8 }],
]

test.each(SETTINGS)('nobody sees the bytes of another block: %s', async (_, settings) => {
  const seed = testSeed()
  const random = new Random(seed)
  const store = await openStore(memory(), { ...TINY, ...settings, blockSize: 512, memtableSize: 8192 })
  const checked = new Checked(store, random)
  try {
    for (let number = 0; number < KEYS; number++) await checked.write()
    await store.compact()
    for (let i = 0; i < STEPS; i++) await checked.step()
    await Promise.all(checked.waiting)
    for (const { scan } of checked.scans) scan.closeSync()
    // How many there are depends on the disk where reads are adaptive: gets that wait for the same block share it.
    expect(store.stats().cache.misses).toBeGreaterThan(STEPS / 4)
  } catch (error) {
    throw new Error(`VARVE_SEED=${seed}`, { cause: error })
  }
})
