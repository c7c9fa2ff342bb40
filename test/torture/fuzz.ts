/**
 * Fuzzers for everything that reads bytes from files. Sound inputs, taken from a real store, are changed where it hurts
 * (`fuzz/mutations.ts`), with checksums made right again, so that the decoders' own checks are what is tried. An input that brings out
 * something new (another error message, say) is changed further in its turn.
 *
 * Each input must end in a value or in an error of operation, within time and memory, whatever stands around it: `fuzz/target.ts`. Stores
 * with forged files may give wrong data (that is what forgery is for), but must open, read, write, compact and close without any other kind
 * of error.
 *
 * What is not fuzzed: arenas of memtables and messages between threads. They never come from outside of the process.
 */
import { readFileSync } from 'node:fs'
import { Random } from '../../src/util/random.js'
import { REPOSITORY_URL } from '../support/options.js'
import { makeSpecimens, type Specimen } from './damage/specimen.js'
import type { Discipline, Round } from './discipline.js'
import { blockTargets, compressionTargets, recordTargets, valueTargets } from './fuzz/decoders.js'
import { mutated } from './fuzz/mutations.js'
import { probe, type Target } from './fuzz/target.js'
import { fileTargets, lockTarget, liveWithForgery } from './fuzz/whole_files.js'

/** An input that once brought out something, kept in `corpus/fuzz.json`. */
export interface KeptInput {
  readonly target: string
  readonly hex: string
  readonly why: string
}

type AnyTarget = Target & { readonly mutate?: (seed: Buffer, random: Random) => Buffer }

const INPUTS_PER_TARGET = 120
const FORGERIES_PER_ROUND = 30
const POOL_MAX = 200

let made: Promise<{ specimen: Specimen; targets: readonly AnyTarget[] }> | undefined

/** All decoders, and the store that lends them their inputs. */
export function fuzzTargets(): Promise<{ specimen: Specimen; targets: readonly AnyTarget[] }> {
  made ??= makeSpecimens().then(({ killed }) => ({
    specimen: killed,
    targets: [
      ...valueTargets(),
      ...blockTargets(killed),
      ...recordTargets(killed),
      ...compressionTargets(),
      ...fileTargets(killed),
      lockTarget(killed),
    ],
  }))
  return made
}

/** The kept inputs. */
export function keptInputs(): KeptInput[] {
  return JSON.parse(readFileSync(new URL('test/torture/corpus/fuzz.json', REPOSITORY_URL), 'utf8')) as KeptInput[]
}

/** Tries one input, and says which one it was when something is wrong. */
export function tryInput(target: Target, input: Buffer): string {
  try {
    return probe(target, input)
  } catch (error) {
    const what = error instanceof Error ? (error.stack ?? error.message) : String(error)
    throw new Error(`{"target":"${target.name}","hex":"${input.toString('hex')}"}: ${what}`, { cause: error })
  }
}

/** Changes the seeds of a target so often. Returns how many inputs were refused. */
export function fuzzTarget(target: AnyTarget, inputs: number, random: Random): number {
  const pool = [...target.seeds]
  const known = new Set(pool.map((seed) => tryInput(target, seed)))
  let refused = 0
  for (let i = 0; i < inputs; i++) {
    const seed = target.mutate === undefined ? random.pick(pool) : random.pick(target.seeds)
    const input = target.mutate?.(seed, random) ?? mutated(seed, pool, random)
    const text = tryInput(target, input)
    if (text !== 'a value') refused++
    if (known.has(text) || pool.length >= POOL_MAX) continue
    known.add(text)
    pool.push(input)
  }
  return refused
}

/** The discipline. */
export const fuzz: Discipline = {
  name: 'fuzz',
  title: 'changed inputs for every decoder, and forged files in whole stores',
  async run(round: Round) {
    const { specimen, targets } = await fuzzTargets()
    const random = new Random(round.seed)
    for (const target of targets) {
      const refused = fuzzTarget(target, INPUTS_PER_TARGET, random)
      round.counts.add('decoder inputs', INPUTS_PER_TARGET)
      round.note(`${target.name}: refused`, refused)
    }
    for (let i = 0; i < FORGERIES_PER_ROUND; i++) {
      const outcome = await liveWithForgery(specimen, random)
      round.counts.add('damaged files')
      round.note(`forged store: ${outcome.startsWith('open') ? 'opened' : 'refused'}`, 1)
    }
  },
}
