/**
 * `VarveLevel` against a sorted map: random histories of writes, ranges, limits, directions, snapshots, sublevels and clears, on a store so
 * small that flushes and compactions happen all the time, with reads on the spot and through the thread pool. And what `clear()` promises
 * about order and size.
 */
import * as fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { VarveLevel } from '../../src/adapters/level.js'
import { memory } from '../../src/index.js'
import { TINY } from '../support/options.js'
import { testSeed } from '../support/seed.js'

const SEED = testSeed()

type Entries = Map<string, string>

interface Range {
  readonly gt?: string
  readonly gte?: string
  readonly lt?: string
  readonly lte?: string
  readonly reverse?: boolean
  readonly limit?: number
}

const key = fc.string({ unit: fc.constantFrom('a', 'b', 'é', '\u{1f600}'), maxLength: 3 })
const value = fc.oneof(fc.string({ unit: 'binary-ascii', maxLength: 20 }), fc.constant('v'.repeat(300)))
const range: fc.Arbitrary<Range> = fc.record(
  { gt: key, gte: key, lt: key, lte: key, reverse: fc.boolean(), limit: fc.integer({ min: -1, max: 20 }) },
  { requiredKeys: [] },
)
const command = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('put' as const), key, value }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('del' as const), key }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('batch' as const), writes: fc.array(fc.tuple(key, fc.option(value)), { maxLength: 20 }) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('read' as const), range, page: fc.integer({ min: 1, max: 7 }), target: fc.option(key) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('clear' as const), range }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('snapshot' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('compact' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reopen' as const) }) },
)
type Command = typeof command extends fc.Arbitrary<infer C> ? C : never

const compare = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))

function within({ gt, gte, lt, lte }: Range, tested: string): boolean {
  if (gte !== undefined ? compare(tested, gte) < 0 : gt !== undefined && compare(tested, gt) <= 0) return false
  return lte !== undefined ? compare(tested, lte) <= 0 : lt === undefined || compare(tested, lt) < 0
}

/** Entries of the range in the order of an iterator, from `target` on. */
function select(entries: Entries, wanted: Range, target?: string): [string, string][] {
  const { reverse = false, limit = -1 } = wanted
  if (target !== undefined && !within(wanted, target)) return []
  const sorted = [...entries].filter(([each]) => within(wanted, each)).toSorted(([a], [b]) => compare(a, b))
  if (reverse) sorted.reverse()
  const found = sorted.filter(([each]) => target === undefined || (reverse ? compare(each, target) <= 0 : compare(each, target) >= 0))
  return limit < 0 ? found : found.slice(0, limit)
}

async function one(iterator: { next(): Promise<[string, string] | undefined> }): Promise<[string, string][]> {
  const entry = await iterator.next()
  return entry === undefined ? [] : [entry]
}

class Comparison {
  readonly #location = memory()
  readonly #options: object
  #db: VarveLevel
  #model: Entries = new Map()
  #snapshot: { level: ReturnType<VarveLevel['snapshot']>; model: Entries } | undefined

  constructor(options: object) {
    this.#options = { ...TINY, ...options }
    this.#db = new VarveLevel(this.#location, this.#options)
  }

  async run(commands: readonly Command[]): Promise<void> {
    await this.#db.open()
    for (const each of commands) await this.#step(each)
    await this.#read({}, 3)
    await this.#db.close()
  }

  async #step(each: Command): Promise<void> {
    const db = this.#db
    if (each.do === 'put') {
      this.#model.set(each.key, each.value)
      await db.put(each.key, each.value)
      expect(db.getSync(each.key)).toBe(each.value)
    } else if (each.do === 'del') {
      this.#model.delete(each.key)
      await db.del(each.key)
      expect([await db.get(each.key), await db.has(each.key)]).toEqual([undefined, false])
    } else if (each.do === 'batch') {
      for (const [k, v] of each.writes) {
        if (v === null) this.#model.delete(k)
        else this.#model.set(k, v)
      }
      await db.batch(each.writes.map(([k, v]) => (v === null ? { type: 'del', key: k } : { type: 'put', key: k, value: v })))
      const keys = each.writes.map(([k]) => k)
      expect(await db.getMany(keys)).toEqual(keys.map((k) => this.#model.get(k)))
    } else if (each.do === 'read') await this.#read(each.range, each.page, each.target ?? undefined)
    else if (each.do === 'clear') {
      for (const [k] of select(this.#model, each.range)) this.#model.delete(k)
      await db.clear(each.range)
    } else if (each.do === 'snapshot') {
      await this.#snapshot?.level.close()
      this.#snapshot = { level: db.snapshot(), model: new Map(this.#model) }
    } else if (each.do === 'compact') await db.compactRange('', '\u{10ffff}')
    else {
      this.#snapshot = undefined
      await db.close()
      this.#db = new VarveLevel(this.#location, this.#options)
      await this.#db.open()
    }
  }

  async #read(wanted: Range, page: number, target?: string): Promise<void> {
    const expected = select(this.#model, wanted, target)
    const iterator = this.#db.iterator(wanted)
    if (target !== undefined) iterator.seek(target)
    const found: [string, string][] = []
    for (;;) {
      const [entry, ...more] = found.length % 2 === 0 ? await iterator.nextv(page) : await one(iterator)
      if (entry === undefined) break
      found.push(entry, ...more)
    }
    await iterator.close()
    expect(found).toEqual(expected)
    if (target === undefined) expect(await this.#db.values(wanted).all()).toEqual(expected.map(([, v]) => v))
    if (this.#snapshot === undefined) return
    const { level: snapshot, model } = this.#snapshot
    expect(await this.#db.iterator({ ...wanted, snapshot }).all()).toEqual(select(model, wanted))
  }
}

describe('a Level database and a sorted map', () => {
  test.each([{}, { readMode: 'async', blockCacheSize: 0 }])(`show the same with %j (seed ${SEED})`, async (options) => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { minLength: 1, maxLength: 60, size: 'max' }), (commands) =>
        new Comparison(options).run(commands),
      ),
      { numRuns: 40, seed: SEED },
    )
  })
})

describe('clear', () => {
  async function open(): Promise<VarveLevel> {
    const db = new VarveLevel(memory(), { ...TINY, memtableSize: 64 * 1024 })
    onTestFinished(() => db.close())
    await db.open()
    return db
  }

  test('it takes its place in the order of the calls', async () => {
    const db = await open()
    await Promise.all([
      db.put('a', '1'),
      db.put('b', '1'),
      db.clear({ lt: 'b' }),
      db.put('a', '2'),
      db.clear({ gte: 'b' }),
      db.put('c', '2'),
    ])
    expect(await db.iterator().all()).toEqual([
      ['a', '2'],
      ['c', '2'],
    ])
  })

  test('more than fits in one batch goes in pieces, and what is outside the range or came later stays', async () => {
    const disk = memory()
    const db = new VarveLevel(disk, { ...TINY, memtableSize: 64 * 1024 * 1024 })
    await db.open()
    const prefix = 'k'.repeat(500)
    for (let i = 0; i < 5000; i += 500) {
      await db.batch(Array.from({ length: 500 }, (_, j) => ({ type: 'put', key: `${prefix}${String(i + j).padStart(4, '0')}`, value: '' })))
    }
    await db.put('z', '')
    const clearing = db.clear({ lt: 'z' })
    await db.put('a', 'later')
    await clearing
    expect(await db.keys().all()).toEqual(['a', 'z'])
    expect(db.store.stats().scans.open).toBe(0)
    // In the log: ten batches, two puts, and two pieces, because 5,000 keys of 504 bytes are more than 1 MiB.
    const clone = new VarveLevel(disk.processKillClone(), TINY)
    await clone.open()
    expect(clone.store.stats().recovery.records).toBe(14)
    await clone.close()
    await db.close()
  })

  test('a failure in the middle is told, and lets go of everything', async () => {
    const db = await open()
    await db.put('a', '')
    await expect(db.clear({ gte: '\ud800' })).rejects.toMatchObject({ code: 'LEVEL_INVALID_KEY' })
    expect(await db.keys().all()).toEqual(['a'])
  })

  test('with a limit it deletes the first or last keys, with a snapshot those that it holds', async () => {
    const db = await open()
    for (const each of 'abcdef') await db.put(each, '')
    await db.clear({ limit: 2 })
    await db.clear({ limit: 1, reverse: true })
    expect(await db.keys().all()).toEqual(['c', 'd', 'e'])
    const snapshot = db.snapshot()
    await db.put('d1', '')
    await db.clear({ gt: 'c', snapshot })
    expect(await db.keys().all()).toEqual(['c', 'd1'])
  })
})
