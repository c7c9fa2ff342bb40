/** The charts of a report: how varve compares with the best peer in every workload, and how cost grows with the number of records. */
import { ENGINES } from '../engines/engine.js'
import { format } from '../statistics.js'
import { TARGETS } from '../targets.js'
import { GROWING, workloadOf } from '../workloads/all.js'
import { times, titleOf } from './markdown.js'
import type { Measurements } from './measurements.js'
import { box, curve, picture, rule, text } from './svg.js'
import { advantage } from './tables.js'

/** A chart and the name of its file. */
export interface Chart {
  readonly file: string
  readonly title: string
  readonly svg: string
}

/** Every chart that can be drawn of what was measured. */
export function drawCharts(measured: Measurements): Chart[] {
  const charts = [
    ratioChart(measured),
    growthChart(measured, 'growth-get.svg', 'Nanoseconds per awaited get, everything cached', 'growth', 'getNs'),
    growthChart(measured, 'growth-put.svg', 'Nanoseconds per awaited put over random records', 'growth', 'putNs'),
  ]
  return charts.filter((chart) => chart !== undefined)
}

const LEFT = 180
const RIGHT = 210
const WIDTH = 860
const ROW = 22
const TOP = 56
/** Doublings to either side; a bar that would go on ends there. */
const LOG_MAX = 5

/** Bars from the even line: to the right varve is ahead of the best peer, to the left behind, each doubling as wide as the next. */
function ratioChart(measured: Measurements): Chart | undefined {
  const rows = measured.workloads
    .filter((name) => workloadOf(name).group !== 'preparing' && !GROWING.includes(name))
    .flatMap((name) => {
      const { metric, isHigherBetter } = workloadOf(name)
      const own = measured.median(name, 'varve', metric)
      const best = measured.best(name, metric, isHigherBetter)
      return own === undefined || best === undefined
        ? []
        : [{ name, engine: best.engine, ratio: advantage(own, best.value, isHigherBetter) }]
    })
  if (rows.length === 0) return undefined
  const logs = rows.map(({ ratio }) => Math.log2(ratio))
  const low = Math.max(-LOG_MAX, Math.floor(Math.min(-1, ...logs)))
  const high = Math.min(LOG_MAX, Math.ceil(Math.max(1, ...logs)))
  const x = (log: number): number => LEFT + ((Math.min(high, Math.max(low, log)) - low) / (high - low)) * (WIDTH - LEFT - RIGHT)
  const bottom = TOP + rows.length * ROW
  const title = 'varve beside the best Node peer of each row'
  const marks = [text(8, 20, title, 'title'), text(8, 38, 'to the right of the line: varve is that many times better', 'faint')]
  for (let log = low; log <= high; log++) {
    marks.push(rule(x(log), TOP - 4, x(log), bottom, log === 0 ? 'even' : 'grid'))
    marks.push(text(x(log), bottom + 16, log < 0 ? `1/${2 ** -log}` : `${2 ** log} ×`, 'faint', 'middle'))
  }
  for (const [i, { name, engine, ratio }] of rows.entries()) {
    const y = TOP + i * ROW
    const end = x(Math.log2(ratio))
    marks.push(text(LEFT - 8, y + 14, name, '', 'end'))
    marks.push(box(Math.min(x(0), end), y + 3, Math.max(1, Math.abs(end - x(0))), ROW - 8, ratio >= 1 ? 'ahead' : 'behind'))
    const target = TARGETS.find(
      (each) => each.kind === 'rate' && each.workload === name && each.rivals === 'all' && each.rivalWorkload === undefined,
    )
    if (target?.kind === 'rate') marks.push(rule(x(Math.log2(target.factor)), y + 1, x(Math.log2(target.factor)), y + ROW - 3, 'target'))
    marks.push(text(WIDTH - RIGHT + 12, y + 14, `${times(ratio)} ${titleOf(engine)}`))
  }
  return { file: 'ratios.svg', title, svg: picture(WIDTH, bottom + 28, title, marks) }
}

const PLOT = { width: 640, height: 360, left: 64, right: 150, top: 44, bottom: 40 }

/** A line an engine, both axes logarithmic. */
function growthChart(measured: Measurements, file: string, title: string, workload: string, metric: string): Chart | undefined {
  const sizes = measured.sizes(workload)
  const lines = measured.engines
    .map((engine) => ({
      engine,
      points: sizes.flatMap((records) => {
        const value = measured.median(workload, engine, metric, records)
        return value === undefined ? [] : [[records, value] as const]
      }),
    }))
    .filter(({ points }) => points.length > 0)
  if (sizes.length < 2 || lines.length === 0) return undefined
  const values = lines.flatMap(({ points }) => points.map(([, value]) => Math.log10(value)))
  const low = Math.floor(Math.min(...values))
  const high = Math.ceil(Math.max(...values, low + 1))
  const { width, height, left, right, top, bottom } = PLOT
  const first = Math.log10(sizes[0]!)
  const span = Math.log10(sizes.at(-1)!) - first
  const x = (records: number): number => left + ((Math.log10(records) - first) / span) * (width - left - right)
  const y = (value: number): number => height - bottom - ((Math.log10(value) - low) / (high - low)) * (height - top - bottom)
  const marks = [text(8, 20, title, 'title')]
  for (let power = low; power <= high; power++) {
    marks.push(
      rule(left, y(10 ** power), width - right, y(10 ** power), 'grid'),
      text(left - 8, y(10 ** power) + 4, format(10 ** power), 'faint', 'end'),
    )
  }
  for (const records of sizes) marks.push(text(x(records), height - bottom + 18, records.toLocaleString('en'), 'faint', 'middle'))
  marks.push(text((left + width - right) / 2, height - 6, 'records', 'faint', 'middle'))
  const order = [...ENGINES.keys()]
  for (const { engine, points } of lines) {
    marks.push(
      ...curve(
        points.map(([records, value]) => [x(records), y(value)] as const),
        order.indexOf(engine),
        engine === 'varve',
      ),
    )
  }
  marks.push(
    ...legend(
      lines.map(({ engine, points }) => ({ engine, y: y(points.at(-1)![1]) })),
      order,
    ),
  )
  return { file, title, svg: picture(width, height, title, marks) }
}

/** Names at the ends of the lines, moved apart where they would meet. */
function legend(ends: readonly { engine: string; y: number }[], order: readonly string[]): string[] {
  const marks: string[] = []
  let lowest = 0
  for (const { engine, y } of ends.toSorted((a, b) => a.y - b.y)) {
    lowest = Math.max(y, lowest + 16)
    const x = PLOT.width - PLOT.right + 14
    marks.push(box(x, lowest - 5, 10, 10, `d${order.indexOf(engine)}`), text(x + 16, lowest + 4, titleOf(engine)))
  }
  return marks
}
