/**
 * What must come of damage to any files of a store.
 *
 * | file | what any difference in it must lead to |
 * |---|---|
 * | table, `CURRENT` | an error |
 * | manifest | an error, but for the last seal and the mark of a clean close, which may go, and for damage that takes an edit together with every claim of it |
 * | log | what `log_oracle.ts` works out |
 * | lock of a dead process | right data, or `ERR_LOCKED` when it now names somebody who may be alive |
 * | files of no use | right data |
 */
import type { State } from '../../support/history.js'
import type { DamageCase, Outcome } from './examination.js'
import { type DamagedRange, differences, isMark, judgeLogs, recordsOf } from './log_oracle.js'
import { type Specimen, type SpecimenFile, stateAfter } from './specimen.js'

const MANIFEST_HEADER_BYTES = 48

/** A file with another content. */
export interface Changed {
  readonly file: SpecimenFile
  readonly content: Buffer
}

/** What is allowed to come of it. */
export type Verdict = Pick<DamageCase, 'states' | 'demand' | 'quiet' | 'named' | 'salvaged' | 'isReported'>

/** What must come of these changes. */
export function judge(specimen: Specimen, changed: readonly Changed[]): Verdict {
  const ranges = changed.flatMap(({ file, content }) => differences(file, content))
  const demands = changed.map(({ file, content }) => demandOf(file, content, ranges))
  const logs = judgeLogs(specimen, ranges)
  const { changes, flushed } = specimen
  const whole = stateAfter(changes, changes.length)
  if (demands.includes('prefix')) return { states: prefixes(specimen), demand: 'either', quiet: 'unseen tail' }
  const left = stateAfter(changes, changes.length, (sequence) => sequence > flushed && !logs.isKept(sequence))
  const isReported = changed.some(({ file, content }) => file.kind === 'log' && leavesRemains(file, content, ranges))
  const place = placeOf(changed)
  if (logs.isDamage) {
    const salvaged = demands.every((demand) => demand === 'right') ? { salvaged: left } : {}
    return { states: [whole], demand: 'error', isReported, ...place, ...salvaged }
  }
  const demand = demands.includes('error') ? 'error' : demands.includes('either') ? 'either' : 'right'
  const quiet: Outcome = logs.lostCount === 0 ? 'harmless' : logs.isUnseen ? 'unseen tail' : 'harmless tail'
  return { states: [left], demand, quiet, isReported: isReported && logs.lostCount > 0, ...place }
}

/** Which file errors must name: the one that was damaged, unless it is one whose damage shows elsewhere. */
function placeOf(changed: readonly Changed[]): Pick<DamageCase, 'named'> {
  const [{ file }] = changed as [Changed]
  return changed.length === 1 && file.kind !== 'lock' && file.kind !== 'log' ? { named: file.path } : {}
}

/** Whether something is left of the first record that is not whole. */
function leavesRemains(file: SpecimenFile, content: Buffer, ranges: readonly DamagedRange[]): boolean {
  const isHit = (start: number, end: number): boolean =>
    ranges.some((range) => range.path === file.path && range.start < end && start < range.end)
  const first = isHit(0, 32) ? 0 : recordsOf(file.content).find(({ start, end }) => isHit(start, end))?.start
  return first !== undefined && content.subarray(first).some((byte) => byte !== 0)
}

/** Every state that the store ever had, the last one first. */
export function prefixes({ changes }: Specimen): State[] {
  return Array.from({ length: changes.length + 1 }, (_, n) => stateAfter(changes, changes.length - n))
}

function demandOf(file: SpecimenFile, content: Buffer, ranges: readonly DamagedRange[]): 'error' | 'right' | 'either' | 'prefix' {
  if (file.kind === 'lock') return 'either'
  if (file.kind === 'unused' || file.kind === 'log' || content.equals(file.content)) return 'right'
  if (file.kind !== 'manifest') return 'error'
  return demandOfManifest(file, (start, end) => ranges.some((range) => range.path === file.path && range.start < end && start < range.end))
}

function demandOfManifest({ content }: SpecimenFile, isHit: (start: number, end: number) => boolean): 'error' | 'right' | 'prefix' {
  if (isHit(0, MANIFEST_HEADER_BYTES)) return 'error'
  let firstHit = Infinity
  let isEditHit = false
  let claim = 0
  for (let start = MANIFEST_HEADER_BYTES; start < content.length;) {
    const end = start + 20 + content.readUInt32LE(start + 4)
    if (isHit(start, end)) {
      firstHit = Math.min(firstHit, start)
      if (end > start + 20 && !isMark(content, start)) isEditHit = true
    } else claim = Math.max(claim, content.readUIntLE(start + 12, 6))
    start = end
  }
  if (claim > firstHit || firstHit === MANIFEST_HEADER_BYTES) return 'error'
  return isEditHit ? 'prefix' : 'right'
}

/** The damage that consists of other contents of files. */
export function changeCase(specimen: Specimen, what: string, changed: readonly Changed[], isMissing = false): DamageCase {
  const [{ file }] = changed as [Changed]
  return {
    specimen,
    kind: file.kind,
    label: `${specimen.name}: ${what}`,
    ...judge(specimen, changed),
    ...(isMissing ? { named: undefined } : {}),
    apply: (disk) => {
      for (const { file, content } of changed) {
        if (isMissing) disk.unlinkSync(file.path)
        else disk.writeFile(file.path, content)
      }
      return disk
    },
  }
}
