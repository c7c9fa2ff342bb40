/**
 * Seeded pseudo-random numbers. All randomness of the engine and of its tests comes from here, so that a seed replays a run.
 *
 * The generator is xoshiro128** of Blackman and Vigna (2018), seeded through splitmix32: 128 bits of state, 32-bit
 * arithmetic only, so it is fast in JavaScript and equal on every machine.
 */
export class Random {
  #a: number
  #b: number
  #c: number
  #d: number

  /** @param seed any integer; equal seeds give equal sequences. */
  constructor(seed: number) {
    let state = (seed ^ Math.floor(seed / 0x1_0000_0000)) | 0
    const next = (): number => {
      state = (state + 0x9e3779b9) | 0
      let z = state
      z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
      return z ^ (z >>> 15)
    }
    this.#a = next()
    this.#b = next()
    this.#c = next()
    this.#d = next()
  }

  /** An integer from 0 to 2^32 - 1. */
  uint32(): number {
    const product = Math.imul(this.#b, 5)
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0
    const shifted = this.#b << 9
    this.#c ^= this.#a
    this.#d ^= this.#b
    this.#b ^= this.#c
    this.#a ^= this.#d
    this.#c ^= shifted
    this.#d = (this.#d << 11) | (this.#d >>> 21)
    return result
  }

  /** An integer from 0 to `limit - 1`; `limit` is 1 to 2^32. */
  below(limit: number): number {
    return Math.floor((this.uint32() / 0x1_0000_0000) * limit)
  }

  /** An integer from `low` to `high`, both included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1)
  }

  /** A number in [0, 1). */
  float(): number {
    return this.uint32() / 0x1_0000_0000
  }

  /** True with the given probability (0 to 1). */
  chance(probability: number): boolean {
    return this.float() < probability
  }

  /** One element of a list that is not empty. */
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T
  }

  /** A random permutation of the list, in place (Fisher and Yates). */
  shuffle<T>(list: T[]): T[] {
    for (let i = list.length - 1; i > 0; i--) {
      const j = this.below(i + 1)
      const swapped = list[i] as T
      list[i] = list[j] as T
      list[j] = swapped
    }
    return list
  }

  /** Fills `target` with random bytes. */
  fill(target: Uint8Array): void {
    for (let i = 0; i < target.length; i++) target[i] = this.uint32() >>> 24
  }
}
