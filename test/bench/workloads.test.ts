/** Benchmarks fail when an engine gives what it should not: a rate of wrong answers is none. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Engine, OpenEngine } from '../../bench/engines/engine.js'
import { Records } from '../../bench/records.js'
import { workloads } from '../../bench/workloads/all.js'
import type { Run } from '../../bench/workloads/workload.js'

const RECORDS = 2000
const records = new Records(RECORDS, 1)

/** What an engine may do wrong. */
type Lie =
  | 'none'
  | 'reads a wrong value'
  | 'loses records'
  | 'has every key'
  | 'scans past a record'
  | 'scans out of order'
  | 'deletes nothing'

/** The entries of an engine that keeps them in order in memory, and over a close when there are several openings of one. */
function engineWith(lie: Lie): Engine {
  const entries = new Map<string, Buffer>()
  const wrong = Buffer.alloc(100, 'wrong')
  const get = (key: string): Uint8Array | undefined => {
    const found = entries.get(key)
    if (lie === 'has every key') return found ?? wrong
    if (found === undefined || lie !== 'reads a wrong value') return found
    return found.length === 100 ? wrong : found.subarray(1)
  }
  const put = (key: string, value: Buffer): void => {
    if (lie !== 'loses records' || Number(key.slice(5)) % 30 !== 0) entries.set(key, value)
  }
  const visitAll = (prefix: string, visit: (key: string, value: Uint8Array) => void, isReverse: boolean): void => {
    const keys = [...entries.keys()].filter((key) => key.startsWith(prefix)).toSorted()
    if (isReverse) keys.reverse()
    if (lie === 'scans past a record') keys.splice(keys.length >>> 1, 1)
    if (lie === 'scans out of order') keys.push(keys.shift()!)
    for (const key of keys) visit(key, get(key)!)
  }
  const opened: OpenEngine = {
    put,
    putBatch: (batch) => batch.forEach(([key, value]) => put(key, value)),
    deleteBatch: (keys) => keys.forEach((key) => lie !== 'deletes nothing' && entries.delete(key)),
    get,
    getSync: get,
    getMany: (keys) => keys.map(get),
    scan: (visit, isReverse) => visitAll('', visit, isReverse),
    iterate: async (visit) => visitAll('', visit, false),
    scanPrefix: (prefix, visit) => visitAll(prefix, visit, false),
    compact: () => undefined,
    close: () => undefined,
  }
  const durability = { none: '', os: '', always: '' }
  return { version: '1', settings: '', durability, isPersistent: true, hasSyncGet: true, open: async () => opened }
}

describe('workloads', () => {
  let dir: string

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'varve-bench-test-'))
  })

  afterEach(() => rmSync(dir, { recursive: true }))

  /** Runs a workload on an engine that is filled as the prepared store is; that part of it tells no lies but those of losing. */
  async function runWith(name: string, lie: Lie): Promise<Record<string, number>> {
    const workload = workloads.get(name)!
    const engine = engineWith(lie)
    if (workload.store !== 'fresh') {
      const store = await engine.open({ dir })
      for (let i = 0; i < RECORDS; i++) await store.put(records.key(i), records.value(i))
    }
    const limits = { warmUpMs: 1, measureMs: 2, fillMs: 2000 }
    const run: Run = { engine, records, seed: 1, durability: workload.durability, dir, limits }
    return workload.run(run)
  }

  test.each([...workloads.keys()])('%s accepts an engine that does everything right', async (name) => {
    const metrics = await runWith(name, 'none')
    expect(metrics[workloads.get(name)!.metric]).toBeGreaterThan(0)
    for (const number of Object.values(metrics)) expect(number).toBeGreaterThanOrEqual(0)
  })

  const lies: [Lie, string[]][] = [
    ['reads a wrong value', [...workloads.keys()].filter((name) => name !== 'scandeleted')],
    ['loses records', [...workloads.keys()].filter((name) => !['scandeleted', 'open', 'openwarm'].includes(name))],
    ['has every key', ['fillrandom', 'get', 'getmissing', 'getmissingsync', 'mixed', 'scandeleted']],
    ['scans past a record', ['scan', 'scanreverse', 'iterate', 'scanprefix']],
    ['scans out of order', ['scan', 'scanreverse', 'iterate']],
    ['deletes nothing', ['scandeleted']],
  ]

  test.each(lies.flatMap(([lie, names]) => names.map((name) => [name, lie] as const)))('%s fails when an engine %s', async (name, lie) => {
    await expect(runWith(name, lie)).rejects.toThrow(/wrong|reads as|has a value|another value|saw|can be|has the key/)
  })
})
