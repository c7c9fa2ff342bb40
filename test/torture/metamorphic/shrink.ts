/**
 * Makes a failing case small: fewer operations (delta debugging, Zeller and Hildebrandt 2002), then fewer options, then simpler arguments.
 */
import type { Case, JsonOptions, Operation, OptionSet } from './operations.js'

/** Whether a case still fails. */
export type Fails = (candidate: Case) => Promise<boolean>

/** The smallest case that could be found before `deadlineMs` (of `performance.now()`). */
export async function shrink(found: Case, fails: Fails, deadlineMs: number): Promise<Case> {
  const inTime: Fails = async (candidate) => performance.now() < deadlineMs && (await fails(candidate))
  let smallest = found
  for (;;) {
    const before = size(smallest)
    smallest = await withFewerOperations(smallest, inTime)
    smallest = await withSimplerSets(smallest, inTime)
    smallest = await withSimplerOperations(smallest, inTime)
    if (size(smallest) === before || performance.now() >= deadlineMs) return smallest
  }
}

async function withFewerOperations({ operations, sets }: Case, fails: Fails): Promise<Case> {
  return { operations: await fewer(operations, (some) => fails({ operations: some, sets })), sets }
}

function size(found: Case): number {
  return JSON.stringify(found).length
}

/** Leaves out ever smaller runs of elements. */
async function fewer<T>(list: readonly T[], fails: (list: readonly T[]) => Promise<boolean>): Promise<readonly T[]> {
  let kept = list
  for (let length = Math.ceil(list.length / 2); length >= 1; length = length === 1 ? 0 : Math.ceil(length / 2)) {
    // From the end: what comes later needs what came before.
    for (let start = kept.length - length; start > -length; start -= length) {
      const without = [...kept.slice(0, Math.max(0, start)), ...kept.slice(Math.max(0, start) + Math.min(length, length + start))]
      if (without.length < kept.length && (await fails(without))) kept = without
    }
  }
  return kept
}

async function withSimplerSets(found: Case, fails: Fails): Promise<Case> {
  let smallest = found
  for (let i = 0; i < found.sets.length; i++) {
    for (const simpler of simplerSets(found.sets[i]!)) {
      const candidate = { ...smallest, sets: smallest.sets.with(i, { ...smallest.sets[i]!, ...simpler }) }
      if (await fails(candidate)) smallest = candidate
    }
    for (let opening = 0; opening < smallest.sets[i]!.openings.length; opening++) {
      for (const name of Object.keys(smallest.sets[i]!.openings[opening]!)) {
        const set = smallest.sets[i]!
        const options: Record<string, unknown> = { ...set.openings[opening]! }
        delete options[name]
        const candidate = {
          ...smallest,
          sets: smallest.sets.with(i, { ...set, openings: set.openings.with(opening, options as JsonOptions) }),
        }
        if (await fails(candidate)) smallest = candidate
      }
    }
  }
  return smallest
}

function simplerSets(set: OptionSet): Partial<OptionSet>[] {
  return [{ disk: 'memory' }, { openings: set.openings.slice(0, 1) }, { given: 'text' }, { tickMs: 0 }, { lateness: 0 }, { seed: 0 }]
}

async function withSimplerOperations(found: Case, fails: Fails): Promise<Case> {
  let smallest = found
  for (let i = 0; i < found.operations.length; i++) {
    for (const simplify of [plainer, smallerValue, fewerSteps]) {
      for (const simpler of simplify(smallest.operations[i]!)) {
        const candidate = { ...smallest, operations: smallest.operations.with(i, simpler) }
        if (await fails(candidate)) smallest = candidate
      }
    }
  }
  return smallest
}

const REQUIRED = new Set([
  'op',
  'key',
  'keys',
  'value',
  'slot',
  'steps',
  'start',
  'end',
  'by',
  'prefix',
  'shape',
  'how',
  'count',
  'which',
  'ms',
])

/** Without something that may be left out. */
function plainer(operation: Operation): Operation[] {
  const simpler: Operation[] = []
  for (const name of Object.keys(operation)) {
    if (REQUIRED.has(name) || ['close', 'open', 'kind', 'synced', 'percent', 'seed', 'range'].includes(name)) continue
    const without: Record<string, unknown> = { ...operation }
    delete without[name]
    simpler.push(without as unknown as Operation)
  }
  if ('range' in operation) simpler.push({ ...operation, range: {} } as Operation)
  return simpler
}

function smallerValue(operation: Operation): Operation[] {
  if (!('value' in operation) || typeof operation.value !== 'object' || operation.value === null) return []
  const { value } = operation
  if ('text' in value)
    return [
      { ...operation, value: 1 },
      { ...operation, value: { text: value.text, seed: 0 } },
    ]
  return [{ ...operation, value: 1 }]
}

function fewerSteps(operation: Operation): Operation[] {
  if (operation.op === 'batch' && operation.steps.length > 1) return [{ ...operation, steps: operation.steps.slice(0, 1) }]
  if (operation.op === 'step' && operation.count > 1) return [{ ...operation, count: 1 }]
  return []
}
