/** Judges the targets by what was measured. */
import { GO_ORIGINAL } from '../references.js'
import { format } from '../statistics.js'
import { type Rivals, type Target, TARGETS } from '../targets.js'
import { workloadOf } from '../workloads/all.js'
import { table, times, titleOf } from './markdown.js'
import type { Measurements } from './measurements.js'
import { advantage } from './tables.js'

/** How a target stands. */
export interface Verdict {
  readonly row: string
  readonly demand: string
  readonly measured: string
  /** `undefined` when it was not measured. */
  readonly isMet: boolean | undefined
}

type Of<K extends Target['kind']> = Extract<Target, { kind: K }>

/** Every target and how it stands. */
export function judgeAll(measured: Measurements): Verdict[] {
  return TARGETS.map((target) => ({ row: target.row, ...judge(target, measured) }))
}

/** The verdicts as a table. */
export function targetTable(verdicts: readonly Verdict[]): string {
  const mark = (isMet: boolean | undefined): string => (isMet === undefined ? '' : isMet ? 'yes' : '**no**')
  return table([['row', 'target', 'measured', 'met?'], ...verdicts.map((each) => [each.row, each.demand, each.measured, mark(each.isMet)])])
}

function judge(target: Target, measured: Measurements): Omit<Verdict, 'row'> {
  switch (target.kind) {
    case 'rate':
      return judgeRate(target, measured)
    case 'reference':
      return judgeReference(target, measured)
    case 'limit':
      return judgeLimit(target, measured)
    case 'share':
      return judgeShare(target, measured)
    case 'growth':
      return judgeGrowth(target, measured)
  }
}

function rivalsIn(rivals: Rivals, { peers }: Measurements): readonly string[] {
  if (rivals === 'all') return peers
  return 'only' in rivals ? rivals.only : peers.filter((peer) => !rivals.except.includes(peer))
}

function nameOf(rivals: Rivals): string {
  if (rivals === 'all') return 'the best peer'
  return 'only' in rivals ? rivals.only.map(titleOf).join(', ') : `the best peer but ${rivals.except.map(titleOf).join(', ')}`
}

function judgeRate({ workload, factor, rivals, rivalWorkload = workload }: Of<'rate'>, measured: Measurements): Omit<Verdict, 'row'> {
  const { metric, unit, isHigherBetter } = workloadOf(workload)
  const demand = `≥ ${factor} × ${nameOf(rivals)}`
  const own = measured.median(workload, 'varve', metric)
  const best = measured.best(rivalWorkload, metric, isHigherBetter, rivalsIn(rivals, measured))
  if (own === undefined || best === undefined) return { demand, measured: '', isMet: undefined }
  const ratio = advantage(own, best.value, isHigherBetter)
  const text = `${times(ratio)} ${titleOf(best.engine)} (${format(own)} to ${format(best.value)} ${unit})`
  return { demand, measured: text, isMet: ratio >= factor }
}

function judgeReference({ workload, factor, reference }: Of<'reference'>, measured: Measurements): Omit<Verdict, 'row'> {
  const { metric, unit, isHigherBetter } = workloadOf(workload)
  const demand = `≥ ${factor} × the Go original`
  const own = measured.median(workload, 'varve', metric)
  if (own === undefined) return { demand, measured: '', isMet: undefined }
  const other = GO_ORIGINAL.rates[reference]
  const ratio = advantage(own, other, isHigherBetter)
  return { demand, measured: `${times(ratio)} (${format(own)} to ${format(other)} ${unit}, measured apart)`, isMet: ratio >= factor }
}

function writeLoads({ workloads }: Measurements): string[] {
  return workloads.filter((name) => workloadOf(name).isWriteLoad === true)
}

function judgeLimit({ workloads, metric, most, unit, scale }: Of<'limit'>, measured: Measurements): Omit<Verdict, 'row'> {
  const demand = `≤ ${most} ${unit}`
  const values: { name: string; value: number }[] = []
  for (const name of workloads === 'write loads' ? writeLoads(measured) : workloads) {
    for (const records of measured.sizes(name)) {
      const value = measured.median(name, 'varve', metric, records)
      if (value !== undefined) values.push({ name, value: value * scale })
    }
  }
  if (values.length === 0) return { demand, measured: '', isMet: undefined }
  const worst = values.reduce((a, b) => (b.value > a.value ? b : a))
  const missed = [...new Set(values.filter(({ value }) => value > most).map(({ name }) => name))]
  const where = values.length === 1 ? '' : ` in ${worst.name}${missed.length > 1 ? `; missed in ${missed.join(', ')}` : ''}`
  return { demand, measured: `${format(worst.value)} ${unit}${where}`, isMet: missed.length === 0 }
}

function judgeShare(target: Of<'share'>, measured: Measurements): Omit<Verdict, 'row'> {
  const { workloads, metric, factor, rivals, rivalWorkload, unit, scale } = target
  const demand = rivals === 'all' ? `≤ ${factor} × the smallest peer` : `≤ ${factor} × ${nameOf(rivals)}`
  const shares: { name: string; ratio: number; text: string }[] = []
  for (const name of workloads) {
    const own = measured.median(name, 'varve', metric)
    const best = measured.best(rivalWorkload ?? name, metric, false, rivalsIn(rivals, measured))
    if (own === undefined || best === undefined) continue
    const ratio = own / best.value
    shares.push({
      name,
      ratio,
      text: `${times(ratio)} ${titleOf(best.engine)} (${format(own * scale)} to ${format(best.value * scale)} ${unit})`,
    })
  }
  if (shares.length === 0) return { demand, measured: '', isMet: undefined }
  const worst = shares.reduce((a, b) => (b.ratio > a.ratio ? b : a))
  const missed = shares.filter(({ ratio }) => ratio > factor).map(({ name }) => name)
  const where = shares.length === 1 ? '' : ` in ${worst.name}${missed.length > 1 ? `; missed in ${missed.join(', ')}` : ''}`
  return { demand, measured: `${worst.text}${where}`, isMet: missed.length === 0 }
}

function judgeGrowth({ workload, metric, isHigherBetter, from, to, most }: Of<'growth'>, measured: Measurements): Omit<Verdict, 'row'> {
  const demand = `≤ ${most} × worse`
  const before = measured.median(workload, 'varve', metric, from)
  const after = measured.median(workload, 'varve', metric, to)
  if (before === undefined || after === undefined) return { demand, measured: '', isMet: undefined }
  const ratio = advantage(before, after, isHigherBetter)
  const { unit } = workloadOf(workload)
  return { demand, measured: `${times(ratio)} (${format(before)} to ${format(after)} ${unit})`, isMet: ratio <= most }
}
