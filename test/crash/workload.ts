/**
 * A workload on a simulated disk that watches what each acknowledgement has promised, for cutting it off anywhere.
 *
 * It goes through everything that writes files: log rolls, flushes, compactions, the deletion of old files, a clean close and the next
 * open.
 */
import type { MemoryVfs } from '../../src/index.js'
import { type Key, Store, type StoreOptions, type Value, type WalSync, type WriteOptions } from '../../src/index.js'
import { Random } from '../../src/util/random.js'
import { type Change, History, modelKey } from '../support/history.js'
import { TINY } from '../support/options.js'

/** What has been promised at some moment, in numbers of writes. */
export interface Promised {
  /** Writes that were issued; no more than these can be there. */
  readonly issued: number
  /** Writes that must be there when the process dies. */
  readonly afterKill: number
  /** Writes that must be there when the power fails. */
  readonly afterPowerLoss: number
}

/** Keys: few, so that there are overwrites and deletes, some beginning with others. */
const KEYS: readonly string[] = [
  '',
  'a',
  'a\0',
  'ab',
  'é',
  ...Array.from({ length: 40 }, (_, i) => `k${i}`),
  ...Array.from({ length: 10 }, (_, i) => `group:${i}`),
]

/** Runs writes of all kinds against a store and notes what they promise. */
export class Workload {
  readonly vfs: MemoryVfs
  readonly history = new History()
  readonly #options: StoreOptions
  readonly #walSync: WalSync
  readonly #random: Random
  #store: Store | undefined
  #acknowledged = 0
  #durable = 0

  constructor(vfs: MemoryVfs, walSync: WalSync, seed: number, options: StoreOptions = {}) {
    this.vfs = vfs
    this.#walSync = walSync
    this.#options = { ...TINY, walSync, ...options }
    this.#random = new Random(seed)
  }

  /** What is promised now. */
  get promised(): Promised {
    const afterKill = this.#walSync === 'none' ? this.#durable : this.#acknowledged
    return { issued: this.history.length, afterKill, afterPowerLoss: this.#durable }
  }

  /** The whole of it: about `steps` steps. `between` is called, and awaited, between steps. */
  async run(steps: number, between: () => unknown): Promise<void> {
    this.#store = await Store.open(this.vfs, this.#options)
    for (let i = 0; i < steps; i++) {
      await this.#step(i, steps)
      await between()
    }
    await this.#close()
    await between()
  }

  async #step(i: number, steps: number): Promise<void> {
    const store = this.#store!
    if (i === Math.floor(steps / 3)) return store.compact()
    if (i === Math.floor(steps / 2)) return this.#reopen()
    const choice = this.#random.below(100)
    if (choice < 30) return this.#put({})
    if (choice < 45) return this.#concurrently()
    if (choice < 60) return this.#batch()
    if (choice < 70) return this.#delete()
    if (choice < 78) return this.#putSync()
    if (choice < 84) return this.#increment()
    if (choice < 88) return this.#deletePrefix()
    if (choice < 92) return this.#put({ sync: true })
    if (choice < 96) return this.#sync()
    return store.flush()
  }

  async #put(options: WriteOptions): Promise<void> {
    const [key, value] = [this.#key(), this.#value()]
    const write = this.history.push([[modelKey(key), value]])
    await this.#acknowledgedBy(write, this.#store!.put(key, value, options), options.sync)
  }

  #putSync(): void {
    const [key, value] = [this.#key(), this.#value()]
    const write = this.history.push([[modelKey(key), value]])
    this.#store!.putSync(key, value)
    this.#acknowledge(write, false)
  }

  async #delete(): Promise<void> {
    const key = this.#key()
    const write = this.history.push([[modelKey(key), undefined]])
    await this.#acknowledgedBy(write, this.#store!.delete(key))
  }

  async #batch(): Promise<void> {
    const batch = this.#store!.batch()
    const changes: Change[] = []
    for (let i = this.#random.between(1, 8); i > 0; i--) {
      const [key, value] = [this.#key(), this.#value()]
      if (this.#random.chance(0.3)) {
        batch.delete(key)
        changes.push([modelKey(key), undefined])
      } else {
        batch.put(key, value)
        changes.push([modelKey(key), value])
      }
    }
    const write = this.history.push(changes)
    await this.#acknowledgedBy(write, batch.write())
  }

  /** Writes that are under way together: they share a record of the log. */
  async #concurrently(): Promise<void> {
    const writes: Promise<void>[] = []
    for (let i = this.#random.between(2, 6); i > 0; i--) {
      writes.push(this.#random.chance(0.8) ? this.#put({}) : this.#delete())
      if (this.#random.chance(0.2)) await Promise.resolve()
    }
    await Promise.all(writes)
  }

  async #increment(): Promise<void> {
    const key = 'count'
    const next = (typeof this.history.state.get(key) === 'number' ? (this.history.state.get(key) as number) : 0) + 1
    const write = this.history.push([[key, next]])
    await this.#acknowledgedBy(write, this.#store!.increment(key))
  }

  async #deletePrefix(): Promise<void> {
    const prefix = this.#random.pick(['group:', 'k1', 'k2', 'a'])
    const gone = [...this.history.state.keys()].filter((key) => key.startsWith(prefix)).toSorted()
    const write = this.history.push(gone.map((key) => [key, undefined]))
    await this.#acknowledgedBy(write, this.#store!.deletePrefix(prefix))
  }

  async #sync(): Promise<void> {
    const write = this.#acknowledged
    await this.#store!.sync()
    this.#acknowledge(write, true)
  }

  async #reopen(): Promise<void> {
    await this.#close()
    this.#store = await Store.open(this.vfs, this.#options)
  }

  async #close(): Promise<void> {
    const write = this.history.length
    await this.#store!.close()
    this.#acknowledge(write, true)
  }

  async #acknowledgedBy(write: number, promise: Promise<unknown>, sync = false): Promise<void> {
    await promise
    this.#acknowledge(write, sync)
  }

  #acknowledge(write: number, sync: boolean): void {
    this.#acknowledged = Math.max(this.#acknowledged, write)
    if (sync || this.#walSync === 'always') this.#durable = Math.max(this.#durable, write)
  }

  #key(): Key {
    const key = this.#random.pick(KEYS)
    return this.#random.chance(0.2) ? Buffer.from(key) : key
  }

  #value(): Value {
    const id = this.history.length
    if (this.#random.chance(0.1)) return { id, text: 'x'.repeat(this.#random.below(900)) }
    return this.#random.chance(0.5) ? id : `value ${id} ${'y'.repeat(this.#random.below(120))}`
  }
}
