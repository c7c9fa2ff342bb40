/** The report says what the lines say, judges targets by it, and draws it. */
import { describe, expect, test } from 'vitest'
import { drawCharts } from '../../bench/report/charts.js'
import { judgeAll } from '../../bench/report/evaluate.js'
import { Measurements } from '../../bench/report/measurements.js'
import { benchmarksPage, withReadmeTable } from '../../bench/report/page.js'
import { throughputTable } from '../../bench/report/tables.js'
import type { MicroResult, RunResult } from '../../bench/results.js'
import { TARGETS } from '../../bench/targets.js'
import { workloads } from '../../bench/workloads/all.js'

const machine = { cpu: 'A & B <processor>', cores: 2, memoryBytes: 2 ** 34, system: 'linux x64', node: 'v20.0.0' }

function run(workload: string, engine: string, metrics: Record<string, number>, records = 1000, round = 0): RunResult {
  return {
    time: '2026-01-02T03:04:05.000Z',
    form: 'full',
    workload,
    engine,
    engineVersion: '1.2.3',
    engineSettings: 'defaults',
    durability: 'os',
    durabilitySetting: 'sync: false',
    round,
    records,
    seed: 1,
    limits: { warmUpMs: 500, measureMs: 1000, fillMs: 15_000 },
    machine,
    metrics,
  }
}

function verdictOf(row: string, results: readonly RunResult[]): { measured: string; isMet: boolean | undefined } {
  return judgeAll(new Measurements(results)).find((verdict) => verdict.row === row)!
}

describe('tables', () => {
  test('cells are medians of the rounds with half of their spread, and varve is compared with the best peer', () => {
    const rates = (engine: string, ...numbers: number[]): RunResult[] =>
      numbers.map((opsPerSecond, round) => run('get', engine, { opsPerSecond }, 1000, round))
    const results = [...rates('varve', 90, 100, 110), ...rates('lmdb', 50), ...rates('classic_level', 20), ...rates('map', 1000)]
    const lines = throughputTable(results).split('\n')
    expect(lines[0]).toMatch(/workload +\| +varve \| classic-level \| lmdb \| +Map \| varve to best peer/)
    expect(lines[2]).toMatch(/get \(ops\/s\) \| 100 ±10% \| +20\.0 \| 50\.0 \| 1,000 \| +2\.00 × \|/)
  })
})

describe('targets', () => {
  test('name workloads, metrics and peers that there are', () => {
    for (const target of TARGETS) {
      const names = 'workload' in target ? [target.workload] : target.workloads === 'write loads' ? [] : target.workloads
      for (const name of names) expect(workloads.has(name)).toBe(true)
    }
    expect(new Set(TARGETS.map(({ row }) => row)).size).toBe(TARGETS.length)
  })

  test('what was not measured is neither met nor missed', () => {
    const results = [run('scan', 'varve', { entriesPerSecond: 1 })]
    for (const { isMet } of judgeAll(new Measurements(results))) expect(isMet).toBeUndefined()
  })

  test.each([
    [200, true],
    [199, false],
  ])('a rate of %i to 100 is twice as much: %s', (own, isMet) => {
    const results = [
      run('overwrite', 'varve', { opsPerSecond: own }),
      run('overwrite', 'lmdb', { opsPerSecond: 90 }),
      run('overwrite', 'rocksdb', { opsPerSecond: 100 }),
      run('overwrite', 'map', { opsPerSecond: 10_000 }),
    ]
    const verdict = verdictOf('overwrite', results)
    expect(verdict.isMet).toBe(isMet)
    expect(verdict.measured).toContain('RocksDB 9')
  })

  test('a buffered fill is compared with the peers that do not buffer', () => {
    const results = [run('fillseq_none', 'varve', { opsPerSecond: 300 }), run('fillseq', 'lmdb', { opsPerSecond: 100 })]
    expect(verdictOf("fill in sequence, 'none'", results).isMet).toBe(true)
  })

  test('a limit is for every workload, and those that miss it are named', () => {
    const delays = (p99: number): Record<string, number> => ({ loopDelayP99Ms: p99 })
    const results = [run('fillseq', 'varve', delays(1)), run('mixed', 'varve', delays(4)), run('overwrite', 'varve', delays(5))]
    const verdict = verdictOf('event-loop delay under every write load, p99', results)
    expect(verdict.isMet).toBe(false)
    expect(verdict.measured).toBe('5.00 ms in overwrite; missed in mixed, overwrite')
    expect(verdictOf('event-loop delay under every write load, p99', [run('fillseq', 'varve', delays(3))]).isMet).toBe(true)
  })

  test('less memory and fewer bytes are better', () => {
    const disk = (engine: string, diskBytes: number): RunResult =>
      run(engine === 'varve' ? 'prepare_zstd' : 'prepare', engine, { diskBytes })
    expect(verdictOf('bytes on disk after compaction, with zstd', [disk('varve', 60), disk('lmdb', 196), disk('rocksdb', 61)]).isMet).toBe(
      true,
    )
    expect(verdictOf('bytes on disk after compaction, with zstd', [disk('varve', 62), disk('lmdb', 196), disk('rocksdb', 61)]).isMet).toBe(
      false,
    )
    const memory = (engine: string, peakMemoryBytes: number): RunResult => run('get', engine, { peakMemoryBytes })
    expect(verdictOf('peak memory of fills and reads', [memory('varve', 121), memory('classic_level', 100)]).isMet).toBe(false)
  })

  test('growth is how many times worse it gets', () => {
    const at = (records: number, getNs: number): RunResult => run('growth', 'varve', { getNs }, records)
    expect(verdictOf('get, from a million records to ten', [at(1e6, 1000), at(1e7, 1600)]).isMet).toBe(true)
    expect(verdictOf('get, from a million records to ten', [at(1e6, 1000), at(1e7, 1700)]).isMet).toBe(false)
    const fill = (records: number, opsPerSecond: number): RunResult => run('sustained', 'varve', { opsPerSecond }, records)
    expect(verdictOf('sustained fill, from a million records to ten', [fill(1e6, 100), fill(1e7, 49)]).isMet).toBe(false)
  })
})

describe('pages', () => {
  const results: RunResult[] = []
  for (const [name, { metric }] of workloads) {
    for (const records of ['growth', 'sustained'].includes(name) ? [1e4, 1e5] : [1000]) {
      for (const engine of ['varve', 'lmdb', 'map']) {
        const more = { p50Us: 1, p99Us: 2, p999Us: 3, maxUs: 4, loopDelayP99Ms: 1, loopDelayMaxMs: 2, peakMemoryBytes: 1e8, putNs: 5000 }
        results.push(run(name, engine, { ...more, [metric]: engine === 'varve' ? 3000 : 1000 }, records))
      }
    }
  }
  const measured = new Measurements(results)
  const charts = drawCharts(measured)
  const micro: MicroResult[] = [{ time: '2026-01-02T03:04:05.000Z', component: 'cache', name: 'hit', ns: 12.3, medianNs: 15, machine }]

  test('the page has every workload, every target, the charts and the components', () => {
    const page = benchmarksPage({ measured, micro, charts })
    for (const name of workloads.keys()) expect(page).toContain(`\`${name}\``)
    for (const { row } of TARGETS) expect(page).toContain(`| ${row}`)
    for (const { file } of charts) expect(page).toContain(`docs/benchmarks/${file}`)
    expect(page).toMatch(/cache +\| hit +\| +12\.3 \| +15\.0 \| +27\.0 \|/)
    expect(page).not.toMatch(/undefined|NaN/)
  })

  test('charts are whole pictures that follow the theme', () => {
    expect(charts.map(({ file }) => file)).toEqual(['ratios.svg', 'growth-get.svg', 'growth-put.svg'])
    for (const { svg } of charts) {
      expect(svg).toMatch(/^<svg [^>]+>[^]*prefers-color-scheme: dark[^]*<\/svg>\n$/)
      expect(svg).not.toMatch(/undefined|NaN|Infinity/)
    }
    expect(charts[0]!.svg).toContain('3.00 × lmdb')
  })

  test('the README has its table between the marks, and nothing else changes', () => {
    const before = 'words\n<!-- written by npm run bench:report -->\nold\n<!-- end of what it writes -->\nmore\n'
    const after = withReadmeTable(before, measured)
    expect(after).toMatch(/^words\n<!-- written by npm run bench:report -->\n[^]*\n<!-- end of what it writes -->\nmore\n$/)
    expect(after).toContain('| awaited gets, everything cached, a second')
    expect(after).not.toContain('old')
    expect(withReadmeTable('no marks', measured)).toBe('no marks')
  })
})
