/** The commands of the model-based test: each does the same to the store and to the model, and compares what it sees. */
import * as fc from 'fast-check'
import { type Key, type Reader, type ScanOptions, type StoreOptions, StoreError, type Value } from '../../src/index.js'
import { expectEntries, expectState, expectValue, type State, storeKey } from '../support/history.js'
import { nextTurn } from '../support/stores.js'
import { anyKey, anyOptions, anyRange } from './arbitraries.js'
import type { Model, Real } from './subject.js'
import { expectAgreement, type ModelRange, ModelScan } from './subject.js'
import { acknowledged, anyManner, anyWrite, issue, type Manner, type Write } from './writes.js'

type Command = fc.AsyncCommand<Model, Real>

/** Open snapshots and scans at a time. */
const OPEN_MAX = 4

function command<T>(
  name: string,
  argument: fc.Arbitrary<T>,
  run: (model: Model, real: Real, argument: T) => Promise<void>,
  describe: (argument: T) => string = fc.stringify,
  check: (model: Model) => boolean = () => true,
): fc.Arbitrary<Command> {
  return argument.map((given) => ({
    check: (model) => check(model),
    run: (model, real) => run(model, real, given),
    toString: () => `${name}(${describe(given)})`,
  }))
}

const write = command(
  'write',
  fc.record({ write: anyWrite, manner: anyManner }),
  async (model, real, { write: one, manner }) => acknowledged(model, issue(model, real.store, one, manner)),
  nameOf,
)

/** Writes that are under way together take effect in the order of their calls. */
const writeTogether = command(
  'write together',
  fc.array(fc.record({ write: anyWrite, manner: anyManner, waits: fc.constantFrom(false, false, true) }), { minLength: 2, maxLength: 12 }),
  async (model, real, writes) => {
    const issued: Promise<void>[] = []
    for (const { write: one, manner, waits } of writes) {
      issued.push(acknowledged(model, issue(model, real.store, one, manner)))
      if (waits) await Promise.resolve()
    }
    await Promise.all(issued)
  },
  (writes) => writes.map(({ write: one, manner, waits }) => `${one.name}${described(manner)}${waits ? ' …' : ''}`).join('; '),
)

const get = command('get', fc.array(anyKey, { minLength: 1, maxLength: 4 }), async (model, real, keys) => {
  await expectReads(real.store, model.state, keys)
})

const scan = command(
  'scan',
  fc.record({ range: anyRange, how: fc.constantFrom('await', 'sync', 'keys', 'values') }),
  async (model, real, argument) => {
    const { range, how } = argument
    await expectScan(real.store, model.state, range, how)
  },
)

const openScan = command(
  'open scan',
  anyRange,
  async (model, real, range) => {
    model.scans.push(new ModelScan(model.state, range))
    real.scans.push(real.store.scan(scanOptions(range)))
  },
  fc.stringify,
  (model) => model.scans.length < OPEN_MAX,
)

const stepScan = command(
  'step scan',
  fc.record({ index: fc.nat(), count: fc.integer({ min: 1, max: 6 }), how: fc.constantFrom('next', 'nextSync', 'nextv') }),
  async (model, real, { index, count, how }) => {
    const expected = model.scans[index % model.scans.length]!.take(count)
    const open = real.scans[index % real.scans.length]!
    let got: [Key, Value][] = []
    if (how === 'nextv') got = await open.nextv(count)
    for (let i = 0; how !== 'nextv' && i < count; i++) {
      const item = how === 'next' ? await open.next() : open.nextSync()
      if (item === undefined) break
      got.push(item)
    }
    expectEntries('scan that is open', got, expected)
  },
  fc.stringify,
  (model) => model.scans.length > 0,
)

const seekScan = command(
  'seek',
  fc.record({ index: fc.nat(), key: anyKey }),
  async (model, real, { index, key }) => {
    const expected = model.scans[index % model.scans.length]!
    const open = real.scans[index % real.scans.length]!
    if (expected.isEnded) return expectClosed(() => open.seek(storeKey(key)))
    expected.seek(key)
    open.seek(storeKey(key))
  },
  fc.stringify,
  (model) => model.scans.length > 0,
)

const closeScan = command(
  'close scan',
  fc.nat(),
  async (model, real, index) => {
    const at = index % model.scans.length
    const { isEnded } = model.scans.splice(at, 1)[0]!
    const [open] = real.scans.splice(at, 1)
    await open!.close()
    if (!isEnded) expectClosed(() => open!.nextSync())
  },
  fc.stringify,
  (model) => model.scans.length > 0,
)

const openSnapshot = command(
  'open snapshot',
  fc.constant(''),
  async (model, real) => {
    model.snapshots.push(new Map(model.state))
    real.snapshots.push(real.store.snapshot())
  },
  fc.stringify,
  (model) => model.snapshots.length < OPEN_MAX,
)

const readSnapshot = command(
  'read snapshot',
  fc.record({
    index: fc.nat(),
    keys: fc.array(anyKey, { maxLength: 3 }),
    range: anyRange,
    how: fc.constantFrom('await', 'sync', 'keys', 'values'),
  }),
  async (model, real, { index, keys, range, how }) => {
    const state = model.snapshots[index % model.snapshots.length]!
    const snapshot = real.snapshots[index % real.snapshots.length]!
    await expectReads(snapshot, state, keys)
    await expectScan(snapshot, state, range, how)
    expectState(snapshot, state)
  },
  fc.stringify,
  (model) => model.snapshots.length > 0,
)

const closeSnapshot = command(
  'close snapshot',
  fc.nat(),
  async (model, real, index) => {
    const at = index % model.snapshots.length
    model.snapshots.splice(at, 1)
    const [snapshot] = real.snapshots.splice(at, 1)
    snapshot!.close()
    expectClosed(() => snapshot!.getSync('a'))
  },
  fc.stringify,
  (model) => model.snapshots.length > 0,
)

const flush = command('flush', fc.constant(''), async (_, real) => real.store.flush())

const compact = command('compact', anyRange, async (_, real, { reverse: __, limit: ___, ...range }) => {
  await real.store.compact(encoded(range))
})

const sync = command('sync', fc.boolean(), async (model, real, onTheSpot) => {
  const { length } = model.history
  if (onTheSpot) real.store.syncSync()
  else await real.store.sync()
  model.acknowledge(length, true)
})

const waitAWhile = command('wait', fc.integer({ min: 1, max: 20 }), async (_, __, turns) => {
  for (let i = 0; i < turns; i++) await nextTurn()
})

const check = command('check', fc.constant(''), async (model, real) => expectAgreement(model, real))

function reopen(threads: readonly (0 | 1)[], fixed: StoreOptions): fc.Arbitrary<Command> {
  return command(
    'reopen',
    fc.record({ options: anyOptions(threads), onTheSpot: fc.boolean() }),
    async (model, real, { options, onTheSpot }) => {
      if (onTheSpot) real.store.closeSync()
      else await real.store.close()
      model.acknowledge(model.history.length, true)
      model.forgetReaders()
      model.options = { ...options, ...fixed }
      await real.open(real.location, model.options)
      expectAgreement(model, real)
    },
  )
}

/** Cuts the store off, with some writes under way, and opens what is left. */
const crash = command(
  'crash',
  fc.record({
    kind: fc.constantFrom('kill', 'power'),
    unsyncedPercent: fc.constantFrom(0, 20, 50, 80, 100),
    seed: fc.nat(),
    options: anyOptions([0]),
    writes: fc.array(fc.record({ write: anyWrite, manner: anyManner }), { maxLength: 3 }),
    turns: fc.nat({ max: 4 }),
  }),
  async (model, real, { kind, unsyncedPercent, seed, options, writes, turns }) => {
    const issued = writes.map(({ write: one, manner }) => acknowledged(model, issue(model, real.store, one, manner)))
    for (let i = 0; i < turns; i++) await (i % 2 === 0 ? Promise.resolve() : nextTurn())
    const clone = kind === 'kill' ? real.vfs.processKillClone() : real.vfs.crashClone({ unsyncedPercent, seed })
    const { safe, durable } = model
    const least = kind === 'kill' ? safe : durable
    await Promise.all(issued)
    await real.store.close()
    await real.open(clone, options)
    model.options = options
    const { sequence } = real.store.stats()
    const found = model.history.writeAt(sequence)
    if (found === undefined) throw new Error(`a write was torn: ${sequence} operations survived`)
    if (found < least) throw new Error(`write ${least} should have survived, only ${found} did`)
    model.forgetReaders()
    model.history.cut(found)
    model.safe = found
    // What came back after a power loss was on the disk.
    model.durable = kind === 'power' ? found : durable
    expectAgreement(model, real)
  },
  ({ kind, unsyncedPercent, seed, options, writes, turns }) =>
    `${kind} ${unsyncedPercent} ${seed} ${fc.stringify(options)} ${turns} [${writes.map(nameOf).join('; ')}]`,
)

/** Commands for a store on a simulated disk, which can crash. */
export function simulatedCommands(): fc.Arbitrary<Command>[] {
  return [...common(), reopen([0], {}), crash]
}

/** Commands for a store in a directory. `fixed` options are the same at every opening. */
export function directoryCommands(fixed: StoreOptions): fc.Arbitrary<Command>[] {
  return [...common(), reopen([0, 1], fixed)]
}

function common(): fc.Arbitrary<Command>[] {
  // fast-check picks evenly among these.
  const writes = [write, write, write, write, write, write, write, writeTogether, writeTogether, writeTogether]
  const scans = [scan, openScan, stepScan, stepScan, seekScan, closeScan]
  return [...writes, get, get, ...scans, openSnapshot, readSnapshot, readSnapshot, closeSnapshot, flush, compact, sync, waitAWhile, check]
}

async function expectReads(reader: Reader<Key>, state: State, keys: readonly string[]): Promise<void> {
  const encodedKeys = keys.map(storeKey)
  const many = await reader.getMany(encodedKeys)
  const manySync = reader.getManySync(encodedKeys)
  for (const [i, key] of keys.entries()) {
    const expected = state.get(key)
    const name = JSON.stringify(key)
    expectValue(`get ${name}`, await reader.get(encodedKeys[i]!), expected)
    expectValue(`getSync ${name}`, reader.getSync(encodedKeys[i]!), expected)
    expectValue(`getMany ${name}`, many[i], expected)
    expectValue(`getManySync ${name}`, manySync[i], expected)
    expectValue(`has ${name}`, await reader.has(encodedKeys[i]!), expected !== undefined)
    expectValue(`hasSync ${name}`, reader.hasSync(encodedKeys[i]!), expected !== undefined)
  }
}

async function expectScan(reader: Reader<Key>, state: State, range: ModelRange, how: string): Promise<void> {
  const expected = new ModelScan(state, range).take(Infinity)
  const options = scanOptions(range)
  if (how === 'await') {
    const got: [Key, Value][] = []
    for await (const entry of reader.scan(options)) got.push(entry)
    expectEntries('for await', got, expected)
  } else if (how === 'sync') expectEntries('for of', [...reader.scan(options)], expected)
  else if (how === 'keys') {
    const got = await reader.keys(options).toArray()
    expectEntries(
      'keys',
      got.map((key): [Key, Value] => [key, 0]),
      expected.map(([key]) => [key, 0]),
    )
  } else {
    const got = reader.values(options).toArraySync()
    expectEntries(
      'values',
      got.map((value): [Key, Value] => ['', value]),
      expected.map(([, value]) => ['', value]),
    )
  }
}

function scanOptions({ reverse, limit, ...range }: ModelRange): ScanOptions {
  return { ...encoded(range), ...(reverse === undefined ? {} : { reverse }), ...(limit === undefined ? {} : { limit }), keys: 'bytes' }
}

function encoded(range: ModelRange): ScanOptions {
  return Object.fromEntries(Object.entries(range).map(([name, key]) => [name, storeKey(key as string)]))
}

function expectClosed(action: () => unknown): void {
  try {
    action()
  } catch (error) {
    if (error instanceof StoreError && error.code === 'ERR_NOT_OPEN') return
    throw error
  }
  throw new Error('what was closed should refuse')
}

function nameOf({ write: one, manner }: { write: Write; manner: Manner }): string {
  return `${one.name}${described(manner)}`
}

function described({ onTheSpot, sync: isSync }: { onTheSpot: boolean; sync: boolean }): string {
  return `${onTheSpot ? ' on the spot' : ''}${isSync ? ' {sync}' : ''}`
}
