/**
 * Makes histories from seeds.
 *
 * A history is a few phases. Each draws its own weights of operations, most of them zero in some phase or other, its own keys and
 * values, and how much is under way at once: a uniform mixture of everything would hardly ever do one thing often enough for it to matter
 * (swarm testing, Groce et al. 2012). Weights of kinds and phases follow Pebble's `metamorphic/config.go`.
 */
import { Random } from '../../../src/util/random.js'
import { BAD_CALL_NAMES } from './bad_input.js'
import { KeySource } from './keys.js'
import {
  type BatchStep,
  type Form,
  type Operation,
  type RangeSpec,
  type ReadFrom,
  SCAN_SLOTS,
  SNAPSHOT_SLOTS,
  type ValueSpec,
} from './operations.js'

/** A history and what option sets it allows. */
export interface GeneratedHistory {
  readonly operations: readonly Operation[]
  /** All keys are text. */
  readonly isText: boolean
  /** There are crashes after which not everything need be there: results differ from set to set. */
  readonly losesWrites: boolean
}

/** Operations left under way before all are waited for. */
const UNDER_WAY_MAX = 40
/** Bytes of values in a history, about. */
const VALUE_BYTES_MAX = 400_000

/** Usual weights. */
const WEIGHTS = {
  put: 220,
  delete: 60,
  batch: 60,
  putIfAbsent: 15,
  putIfEquals: 25,
  increment: 40,
  deleteRange: 4,
  deletePrefix: 4,
  get: 120,
  getMany: 30,
  has: 30,
  scan: 25,
  openSnapshot: 12,
  closeSnapshot: 6,
  openScan: 30,
  step: 90,
  seek: 30,
  closeScan: 8,
  flush: 6,
  sync: 8,
  compact: 2,
  settle: 15,
  turns: 30,
  idle: 3,
  check: 2,
  stats: 5,
  bad: 12,
  reopen: 3,
  crash: 2,
  visit: 2,
  verify: 1,
  size: 3,
} as const satisfies Record<Operation['op'], number>

type Name = keyof typeof WEIGHTS

const NAMES = Object.keys(WEIGHTS) as Name[]

/** Makes a history of about so many operations. */
export function generateHistory(seed: number, length: number): GeneratedHistory {
  const random = new Random(seed)
  const generator = new Generator(random)
  while (generator.operations.length < length) generator.phase(Math.min(random.between(40, 500), length - generator.operations.length))
  return { operations: generator.operations, isText: generator.keys.isText, losesWrites: generator.losesWrites }
}

class Generator {
  readonly operations: Operation[] = []
  readonly keys: KeySource
  readonly losesWrites: boolean
  readonly #random: Random
  readonly #canCrash: boolean
  #weights: readonly (readonly [Name, number])[] = []
  #totalWeight = 0
  #syncChance = 0
  #laterChance = 0
  #durableChance = 0
  #valueSizes: readonly ValueSize[] = ['tiny']
  #underWay = 0
  readonly #openScans = new Set<number>()
  readonly #openSnapshots = new Set<number>()
  #valueBytes = 0

  constructor(random: Random) {
    this.#random = random
    this.keys = new KeySource(random)
    this.#canCrash = random.chance(0.7)
    this.losesWrites = this.#canCrash && random.chance(0.35)
  }

  phase(length: number): void {
    const random = this.#random
    this.keys.nextPhase()
    const weights: [Name, number][] = []
    // Most kinds as usual; some not at all, some a lot.
    for (const name of NAMES) {
      const factor = name === 'crash' && !this.#canCrash ? 0 : random.pick([0, 0.3, 1, 1, 1, 4])
      if (factor > 0) weights.push([name, WEIGHTS[name] * factor])
    }
    if (random.chance(0.15)) weights.push(['delete', 1000])
    if (random.chance(0.1)) weights.push(['put', 2000])
    if (random.chance(0.1)) weights.push(['step', 600], ['openScan', 100], ['seek', 300])
    // Readers that begin while durable writes wait for their sync.
    const isRacing = random.chance(0.15)
    if (isRacing) weights.push(['openSnapshot', 200], ['get', 200], ['scan', 50], ['flush', 20])
    weights.push(['put', 100], ['settle', 10])
    this.#weights = weights
    this.#totalWeight = weights.reduce((sum, [, weight]) => sum + weight, 0)
    this.#syncChance = random.pick([0, 0.1, 0.3, 0.6])
    this.#laterChance = isRacing ? 0.9 : random.pick([0, 0.2, 0.5, 0.8, 0.95])
    this.#durableChance = isRacing ? 0.5 : random.pick([0, 0, 0.02, 0.2])
    this.#valueSizes = random.pick(VALUE_MIXES)
    const end = this.operations.length + length
    while (this.operations.length < end) this.#add(this.#operation(this.#name()))
  }

  #add(operation: Operation): void {
    this.operations.push(operation)
    const { op } = operation
    if (op === 'openScan') this.#openScans.add(operation.slot)
    else if (op === 'openSnapshot') this.#openSnapshots.add(operation.slot)
    else if (op === 'closeSnapshot') this.#openSnapshots.delete(operation.slot)
    else if (op === 'reopen' || op === 'crash') {
      this.#openScans.clear()
      this.#openSnapshots.clear()
    }
    if (op === 'settle' || op === 'check' || op === 'reopen' || op === 'crash') this.#underWay = 0
    else if ('form' in operation && operation.form === 'later') this.#underWay++
    if (this.#underWay < UNDER_WAY_MAX) return
    this.operations.push({ op: 'settle' })
    this.#underWay = 0
  }

  #name(): Name {
    let at = this.#random.float() * this.#totalWeight
    for (const [name, weight] of this.#weights) {
      at -= weight
      if (at < 0) return name
    }
    return 'put'
  }

  #operation(op: Name): Operation {
    const random = this.#random
    const { keys } = this
    switch (op) {
      case 'put':
        return { op, key: keys.next(), value: this.#value(), ...(random.chance(0.3) ? { typed: true } : {}), ...this.#written() }
      case 'delete':
        return { op, key: keys.next(), ...this.#written() }
      case 'batch':
        return { op, steps: this.#steps(), ...(random.chance(0.5) ? { chained: true } : {}), ...this.#written() }
      case 'putIfAbsent':
        return { op, key: keys.next(), value: this.#value(), ...this.#written() }
      case 'putIfEquals':
        return {
          op,
          key: keys.next(),
          value: this.#value(),
          ...(random.chance(0.4) ? { expected: this.#value() } : {}),
          ...this.#written(),
        }
      case 'increment':
        return { op, key: keys.counter(), by: this.#step(), ...this.#written() }
      case 'deleteRange':
        return { op, ...keys.narrowRange(), ...this.#written() }
      case 'deletePrefix':
        return { op, prefix: keys.prefix(), ...this.#written() }
      case 'flush':
        return { op, ...this.#later() }
      case 'sync':
        return { op, ...this.#called() }
      case 'compact':
        return { op, ...(random.chance(0.5) ? { range: this.#range() } : {}), ...this.#later() }
      case 'settle':
      case 'check':
      case 'stats':
      case 'visit':
      case 'verify':
        return { op }
      case 'size':
        return { op, range: this.#range() }
      case 'turns':
        return { op, count: random.between(1, 4) }
      case 'idle':
        return { op, ms: random.pick([1, 50, 150, 1001, 1001, 5000]) }
      case 'bad':
        return { op, which: random.pick(BAD_CALL_NAMES), ...(random.chance(0.5) ? { form: 'sync' } : {}) }
      case 'reopen':
        return { op, close: random.pick(['close', 'closeSync'] as const), open: random.pick(['open', 'openSync'] as const) }
      case 'crash':
        return this.#crash()
      default:
        return this.#reading(op)
    }
  }

  #reading(
    op: 'get' | 'getMany' | 'has' | 'scan' | 'openSnapshot' | 'closeSnapshot' | 'openScan' | 'step' | 'seek' | 'closeScan',
  ): Operation {
    const random = this.#random
    const { keys } = this
    const slot = op === 'openScan' ? random.below(SCAN_SLOTS) : this.#slotOf(this.#openScans, SCAN_SLOTS)
    switch (op) {
      case 'get':
        return { op, key: keys.next(), ...this.#getter(), ...this.#readFrom(), ...this.#called() }
      case 'getMany':
        return { op, keys: Array.from({ length: random.below(9) }, () => keys.next()), ...this.#readFrom(), ...this.#called() }
      case 'has':
        return { op, key: keys.next(), ...this.#readFrom(), ...this.#called() }
      case 'scan': {
        const how = random.pick(['toArray', 'toArraySync', 'for', 'forAwait', 'nextv'] as const)
        const breakAfter = random.chance(0.2) ? { breakAfter: random.below(5) } : {}
        return { op, range: this.#range(), shape: this.#shape(), how, ...breakAfter, ...this.#readFrom() }
      }
      case 'openSnapshot':
        return { op, slot: random.below(SNAPSHOT_SLOTS) }
      case 'closeSnapshot':
        return { op, slot: this.#slotOf(this.#openSnapshots, SNAPSHOT_SLOTS) }
      case 'openScan':
        return { op, slot, range: this.#range(), shape: this.#shape(), ...this.#readFrom() }
      case 'step':
        return {
          op,
          slot,
          how: random.pick(['next', 'nextSync', 'nextv'] as const),
          count: random.pick([1, 1, 1, 2, 3, 5, 20]),
          ...(random.chance(this.#laterChance) ? { form: 'later' } : {}),
        }
      case 'seek':
        return { op, slot, key: keys.next() }
      case 'closeScan':
        return { op, slot, how: random.pick(['close', 'close', 'closeSync', 'abort'] as const) }
    }
  }

  #called(): { form?: Form } {
    if (this.#random.chance(this.#syncChance)) return { form: 'sync' }
    return this.#later()
  }

  #later(): { form?: 'later' } {
    return this.#random.chance(this.#laterChance) ? { form: 'later' } : {}
  }

  #written(): { form?: Form; durable?: true } {
    return { ...this.#called(), ...(this.#random.chance(this.#durableChance) ? { durable: true } : {}) }
  }

  #readFrom(): ReadFrom {
    const random = this.#random
    if (!random.chance(0.2)) return {}
    return { snapshot: this.#slotOf(this.#openSnapshots, SNAPSHOT_SLOTS), ...(random.chance(0.4) ? { asOption: true } : {}) }
  }

  /** Mostly one that holds something. */
  #slotOf(open: ReadonlySet<number>, slots: number): number {
    return open.size > 0 && this.#random.chance(0.9) ? this.#random.pick([...open]) : this.#random.below(slots)
  }

  #getter() {
    const random = this.#random
    if (random.chance(0.25)) return { typed: random.pick(['String', 'Int64', 'Float64', 'Bool', 'Bytes', 'Record'] as const) }
    return random.chance(0.15) ? ({ shared: true } as const) : {}
  }

  #shape(): 'entries' | 'keys' | 'values' {
    return this.#random.pick(['entries', 'entries', 'keys', 'values'] as const)
  }

  #range(): RangeSpec {
    const random = this.#random
    const { keys } = this
    const range: Record<string, unknown> = {}
    if (random.chance(0.3)) range[random.pick(['gt', 'gte'])] = keys.next()
    if (random.chance(0.3)) range[random.pick(['lt', 'lte'])] = keys.next()
    if (random.chance(0.15)) range[random.pick(['gt', 'gte', 'lt', 'lte'])] = keys.next()
    if (random.chance(0.25)) range['prefix'] = keys.prefix()
    if (random.chance(0.4)) range['reverse'] = true
    if (random.chance(0.35)) range['limit'] = random.pick([0, 1, 2, 5, 20])
    return range
  }

  #steps(): BatchStep[] {
    const random = this.#random
    return Array.from({ length: random.pick([0, 1, 2, 3, 5, 8, 30]) }, (): BatchStep => {
      if (random.chance(0.03)) return 'clear'
      return random.chance(0.3) ? [this.keys.next()] : [this.keys.next(), this.#value()]
    })
  }

  #step(): number | { bigint: string } {
    const random = this.#random
    if (random.chance(0.1)) return { bigint: random.pick(['9223372036854775807', '-9223372036854775808', '4611686018427387904']) }
    return random.pick([1, 1, 1, -1, 0, 1000, -5, Number.MAX_SAFE_INTEGER])
  }

  #crash(): Operation {
    const random = this.#random
    const synced = !this.losesWrites || random.chance(0.3)
    const percent = random.pick([0, 20, 50, 80, 100])
    return { op: 'crash', kind: random.pick(['kill', 'power'] as const), synced, percent, seed: random.below(1_000_000) }
  }

  #value(): ValueSpec {
    const random = this.#random
    const spec = this.#valueBytes > VALUE_BYTES_MAX ? tinyValue(random) : valueOf(random, random.pick(this.#valueSizes))
    if (typeof spec === 'object' && spec !== null) this.#valueBytes += 'text' in spec ? spec.text : 'bytes' in spec ? spec.bytes : 0
    return spec
  }
}

type ValueSize = 'tiny' | 'short' | 'medium' | 'large' | 'huge'

const VALUE_MIXES: readonly (readonly ValueSize[])[] = [
  ['tiny', 'tiny', 'short', 'medium'],
  ['tiny'],
  ['short', 'medium'],
  ['medium', 'medium', 'medium', 'large'],
  ['short', 'short', 'short', 'short', 'short', 'medium', 'medium', 'medium', 'large', 'huge'],
]

function valueOf(random: Random, size: ValueSize): ValueSpec {
  if (size === 'tiny') return tinyValue(random)
  const length = {
    short: random.below(60),
    medium: random.between(100, 900),
    large: random.between(2000, 9000),
    huge: random.between(20_000, 150_000),
  }[size]
  const seed = random.chance(0.4) ? 0 : random.between(1, 1_000_000)
  const choice = random.below(10)
  if (choice < 6) return { text: length, seed }
  return choice < 9 ? { bytes: length, seed } : { record: length, seed }
}

function tinyValue(random: Random): ValueSpec {
  switch (random.below(8)) {
    case 0:
      return random.pick<ValueSpec>([
        null,
        true,
        false,
        '',
        { float: 'NaN' },
        { float: '-0' },
        { float: 'Infinity' },
        { float: '-Infinity' },
      ])
    case 1:
      return random.pick<ValueSpec>([0, -1, Number.MAX_SAFE_INTEGER, { bigint: '9223372036854775807' }, { bigint: '-9223372036854775808' }])
    case 2:
      return random.between(-1000, 1000) + 0.5
    case 3:
      return { bytes: random.below(4), seed: random.below(9) }
    case 4:
      return random.pick(['é', '日本語', '😀', '\0', 'a\0b', 'plain'])
    case 5:
      return { record: random.below(5), seed: random.below(100) }
    default:
      return random.below(100_000)
  }
}
