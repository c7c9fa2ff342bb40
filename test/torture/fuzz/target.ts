/**
 * One input to one decoder, and what is allowed to come of it: a value, or an error of operation that speaks of damage, in bounded time and
 * memory, whatever stands before and behind the input in memory.
 */
import { StoreError } from '../../../src/index.js'
import { allocationOf } from '../damage/allocation.js'

/** A decoder under test. */
export interface Target {
  readonly name: string
  /** Sound inputs, to be changed. */
  readonly seeds: readonly Buffer[]
  /**
   * Decodes `source[start, end)` and uses what comes out as the engine would. What it returns is compared between two runs with other
   * bytes around the input. Throws plain `Error`s for what must not be.
   */
  decode(source: Buffer, start: number, end: number): unknown
  /** Errors other than those of operation that the decoder is allowed to throw. */
  readonly mayThrow?: (error: unknown) => boolean
  /** Longest buffer for an input of so many bytes; by default 64 KiB and 64 times the input. */
  readonly bufferBytesMax?: (inputBytes: number) => number
}

const CODES: ReadonlySet<string> = new Set(['ERR_CORRUPTION', 'ERR_FORMAT_VERSION', 'ERR_TYPE_MISMATCH', 'ERR_LOCKED', 'ERR_NOT_A_STORE'])

/** No input of a fuzzer takes a millisecond; this is for machines that do other things, too. */
const MILLISECONDS_MAX = 3000

const GUARD_BYTES = 40

/** Decodes an input. Gives a short text for what came of it: inputs that give new texts are worth changing further. */
export function probe(target: Target, input: Buffer): string {
  const startMs = performance.now()
  const first = decodeBetween(target, input, 0x00)
  const second = decodeBetween(target, input, 0xff)
  if (first.result !== second.result) throw new Error(`what stands around the input changes the result (${first.text}, ${second.text})`)
  const elapsedMs = performance.now() - startMs
  if (elapsedMs > MILLISECONDS_MAX) throw new Error(`it took ${elapsedMs} ms`)
  return first.text
}

function decodeBetween(target: Target, input: Buffer, guard: number): { text: string; result: string } {
  const source = Buffer.alloc(input.length + 2 * GUARD_BYTES, guard)
  input.copy(source, GUARD_BYTES)
  let value: unknown
  let text = 'a value'
  const { largestBytes } = allocationOf(() => {
    try {
      value = target.decode(source, GUARD_BYTES, GUARD_BYTES + input.length)
    } catch (error) {
      text = textOf(target, error)
      value = text
    }
  })
  const bound = target.bufferBytesMax?.(input.length) ?? 64 * 1024 + 64 * input.length
  if (largestBytes > bound) throw new Error(`a buffer of ${largestBytes} bytes for an input of ${input.length}`)
  return { text, result: JSON.stringify(value, comparable) ?? '' }
}

function textOf(target: Target, error: unknown): string {
  const isAllowed = (error instanceof StoreError && CODES.has(error.code)) || target.mayThrow?.(error) === true
  if (!isAllowed) throw error
  // Numbers differ from input to input.
  return (error as Error).message.replace(/\d+/g, '#')
}

/** Numbers that JSON does not tell apart are told apart. */
function comparable(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return `${value}n`
  return typeof value === 'number' && (!Number.isFinite(value) || Object.is(value, -0)) ? `number ${1 / value} ${value}` : value
}
