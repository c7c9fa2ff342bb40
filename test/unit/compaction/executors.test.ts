/**
 * The worker runs the compiled module of `dist`, which the test command builds first.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { CompactionJob, Executor, FlushJob, Job, JobOutcome, JobResult } from '../../../src/compaction/executor.js'
import { createExecutor } from '../../../src/compaction/create_executor.js'
import { InlineExecutor } from '../../../src/compaction/inline_executor.js'
import { WorkerExecutor } from '../../../src/compaction/worker_executor.js'
import type { TableMeta } from '../../../src/sstable/table_meta.js'
import { StoreError } from '../../../src/util/errors.js'
import { systemClock } from '../../../src/util/clock.js'
import { Version } from '../../../src/version/version.js'
import { MemoryVfs } from '../../../src/vfs/memory.js'
import { nodeVfs } from '../../../src/vfs/node.js'
import { type Entry, put } from '../iterator/array_iterator.js'
import { smallBlocks, writeTable } from '../iterator/tables.js'
import { Picking } from '../../../src/compaction/picking.js'
import { QUIET_STATE } from '../../../src/compaction/picker.js'
import { memtableOf, settings as smallSettings } from './job_store.js'

const settings = { ...smallSettings, blockSize: 4096 }
const tableOptions = { ...smallBlocks, blockSize: 4096 }

let root: string
let open: Executor[] = []
let warnings: string[] = []
let lastJobId = 0

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'varve-executors-'))
  open = []
  warnings = []
})

afterEach(async () => {
  await Promise.all(open.map((executor) => executor.close()))
  rmSync(root, { recursive: true, force: true })
})

function inline(): Executor {
  const executor = new InlineExecutor(nodeVfs, systemClock)
  open.push(executor)
  return executor
}

function worker(workerUrl?: URL): Executor {
  const onWarning = (message: string): void => void warnings.push(message)
  const executor = createExecutor({ vfs: nodeVfs, clock: systemClock, threads: 1, workerUrl, nice: 0, onWarning })
  expect(executor).toBeInstanceOf(WorkerExecutor)
  open.push(executor)
  return executor
}

function makeDir(name: string): string {
  const dir = join(root, name)
  nodeVfs.mkdirSync(dir)
  return dir
}

function entries(count: number, sequence = 1): Entry[] {
  return Array.from({ length: count }, (_, i) =>
    put(`key${String((i * 7919) % count).padStart(7, '0')}`, sequence + i, `value ${i}`.repeat(5)),
  )
}

function flushJob(dir: string, fileNumber = 900, content = entries(500)): FlushJob {
  const arenas = [memtableOf(content).arena]
  const base = { settings: { ...settings, dir }, snapshots: [], firstFileNumber: fileNumber, fileNumberCount: 1 }
  return { kind: 'flush', id: ++lastJobId, arenas, deeper: [], ...base }
}

/** A compaction of two overlapping tables into the last level. */
function compactionJob(dir: string, count = 2000, fileNumber = 1): CompactionJob {
  const tables: TableMeta[] = [
    writeTable(nodeVfs, dir, fileNumber, entries(count), tableOptions),
    writeTable(nodeVfs, dir, fileNumber + 1, entries(count, count + 1), tableOptions),
  ]
  const picking = new Picking(Version.of([tables]), QUIET_STATE, 100_000)
  const plan = picking.plan('manual', 6, [{ level: 0, tables: tables.toReversed() }])!
  const base = { settings: { ...settings, dir }, snapshots: [], firstFileNumber: fileNumber + 10, fileNumberCount: 100 }
  return { kind: 'compaction', id: ++lastJobId, plan, ...base }
}

function submitted(executor: Executor, job: Job): Promise<JobResult> {
  return new Promise((resolve, reject) => {
    executor.submit(job, (outcome) => ('result' in outcome ? resolve(outcome.result) : reject(outcome.error)))
  })
}

/** Keeps the process alive while a promise is pending, as the store does. */
async function held<T>(promise: Promise<T>): Promise<T> {
  const timer = setInterval(() => {}, 1000)
  try {
    return await promise
  } finally {
    clearInterval(timer)
  }
}

function outcomesOf(executor: Executor, ...jobs: readonly Job[]): (JobOutcome & { id: number })[] {
  const outcomes: (JobOutcome & { id: number })[] = []
  for (const job of jobs) executor.submit(job, (outcome) => void outcomes.push({ id: job.id, ...outcome }))
  return outcomes
}

describe.each([
  ['inline', inline],
  ['worker', worker],
] as const)('%s executor', (_name, make) => {
  test('runs flushes and compactions', async () => {
    const dir = makeDir('a')
    const executor = make()
    const [flushed, compacted] = await held(Promise.all([submitted(executor, flushJob(dir)), submitted(executor, compactionJob(dir))]))
    expect(flushed.outputs[0]!.table).toMatchObject({ fileNumber: 900, entryCount: 500 })
    expect(compacted).toMatchObject({ entriesRead: 4000, entriesWritten: 2000 })
    expect(nodeVfs.statSync(join(dir, '000900.sst'))!.sizeBytes).toBe(flushed.outputs[0]!.table.fileBytes)
  })

  test('never ends a job inside submit', () => {
    const executor = make()
    const outcomes = outcomesOf(executor, flushJob(makeDir('a')))
    expect(outcomes).toEqual([])
    expect(executor.waitSync(10_000)).toBe(true)
    expect(outcomes).toHaveLength(1)
  })

  test('can be waited for on the spot, from the first job on, without a turn of the event loop', () => {
    const dir = makeDir('a')
    const executor = make()
    const outcomes = outcomesOf(executor, compactionJob(dir), flushJob(dir))
    while (outcomes.length < 2) expect(executor.waitSync(10_000)).toBe(true)
    expect(outcomes.every((outcome) => 'result' in outcome)).toBe(true)
    expect(executor.waitSync(10_000)).toBe(false)
  })

  test('a flush interrupts a compaction', () => {
    const dir = makeDir('a')
    const executor = make()
    const compaction = compactionJob(dir, 4000)
    const outcomes = outcomesOf(executor, compaction)
    const flush = flushJob(dir)
    executor.submit(flush, (outcome) => void outcomes.push({ id: flush.id, ...outcome }))
    while (outcomes.length < 2) executor.waitSync(10_000)
    expect(outcomes.map(({ id }) => id)).toEqual([flush.id, compaction.id])
  })

  test('reports errors with code, path, offset and cause, and goes on', async () => {
    const dir = makeDir('a')
    const executor = make()
    const job = compactionJob(dir)
    nodeVfs.unlinkSync(join(dir, '000002.sst'))
    const error: unknown = await held(submitted(executor, job)).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(StoreError)
    expect(error).toMatchObject({ code: 'ERR_CORRUPTION', path: join(dir, '000002.sst') })
    expect((error as StoreError).cause).toBeInstanceOf(Error)
    const damaged = compactionJob(makeDir('b'))
    const file = nodeVfs.openSync(join(root, 'b', '000001.sst'), 'update')
    file.writeSync(Buffer.from('xxxx'), 0, 4, 1000)
    file.closeSync()
    await expect(held(submitted(executor, damaged))).rejects.toMatchObject({ code: 'ERR_CORRUPTION', offset: expect.any(Number) })
    expect((await held(submitted(executor, flushJob(dir)))).outputs).toHaveLength(1)
  })

  test('a cancelled compaction ends with ERR_ABORTED and leaves no file', () => {
    const dir = makeDir('a')
    const executor = make()
    const outcomes = outcomesOf(executor, compactionJob(dir, 4000))
    executor.cancelCompaction()
    expect(executor.waitSync(20_000)).toBe(true)
    expect(outcomes[0]).toMatchObject({ error: { code: 'ERR_ABORTED' } })
    expect(nodeVfs.readdirSync(dir)).toEqual(['000001.sst', '000002.sst'])
    const next = outcomesOf(executor, compactionJob(dir, 1000, 500))
    executor.waitSync(20_000)
    expect(next[0]).toHaveProperty('result')
  })
})

describe('both executors', () => {
  test('write the same bytes for the same jobs', async () => {
    const dirs = [makeDir('a'), makeDir('b')]
    const results = await held(
      Promise.all(
        [inline(), worker()].map(async (executor, i) => {
          const dir = dirs[i]!
          lastJobId = 0
          return [await submitted(executor, flushJob(dir)), await submitted(executor, compactionJob(dir, 6000))]
        }),
      ),
    )
    expect(results[0]).toEqual(results[1])
    const names = nodeVfs.readdirSync(dirs[0]!)
    expect(names.length).toBeGreaterThan(4)
    expect(nodeVfs.readdirSync(dirs[1]!)).toEqual(names)
    for (const name of names) expect(readFileSync(join(dirs[0]!, name)).equals(readFileSync(join(dirs[1]!, name))), name).toBe(true)
  })

  test('a file system that no thread can open is served inline', () => {
    const onWarning = (message: string): void => void warnings.push(message)
    const executor = createExecutor({ vfs: new MemoryVfs(), clock: systemClock, threads: 1, workerUrl: undefined, nice: 0, onWarning })
    expect(executor).toBeInstanceOf(InlineExecutor)
    expect(warnings).toEqual([])
  })
})

describe('a worker that is not there', () => {
  test('is replaced by inline execution, with a warning', async () => {
    const executor = worker(pathToFileURL(join(root, 'no_worker.js')))
    expect((await held(submitted(executor, flushJob(makeDir('a'))))).outputs).toHaveLength(1)
    expect(warnings).toEqual([expect.stringContaining('workerUrl')])
    const outcomes = outcomesOf(executor, flushJob(makeDir('b')))
    expect(executor.waitSync(10_000)).toBe(true)
    expect(outcomes[0]).toHaveProperty('result')
    expect(warnings).toHaveLength(1)
  })

  test('is noticed when its module cannot be loaded', async () => {
    const executor = worker(scriptUrl("import './not_there.js'"))
    expect((await held(submitted(executor, flushJob(makeDir('a'))))).outputs).toHaveLength(1)
    expect(warnings).toHaveLength(1)
  })

  test('is noticed on the spot when it ends before it has started', () => {
    const executor = worker(new URL('ftp://nowhere/worker.js'))
    const outcomes = outcomesOf(executor, flushJob(makeDir('a')))
    expect(executor.waitSync(10_000)).toBe(true)
    expect(outcomes[0]).toHaveProperty('result')
    expect(warnings).toHaveLength(1)
  })
})

describe('a worker that dies', () => {
  /** Starts like the real one, leaves a piece of a table, and dies at its first job. */
  const dying = (how: string): URL =>
    scriptUrl(`
      import { workerData } from 'node:worker_threads'
      import { writeFileSync } from 'node:fs'
      Atomics.store(workerData.control, 0, 1)
      process.on('exit', () => {
        Atomics.store(workerData.control, 0, 3)
        Atomics.add(workerData.control, 1, 1)
        Atomics.notify(workerData.control, 1)
      })
      workerData.port.on('message', (job) => { writeFileSync(job.settings.dir + '/000900.sst', 'piece'); ${how} })
    `)

  test.each(['throw new Error("boom")', 'process.exit(1)'])(
    'fails its jobs with ERR_BACKGROUND and removes what it left: %s',
    async (how) => {
      const dir = makeDir('a')
      const executor = worker(dying(how))
      await expect(held(submitted(executor, flushJob(dir)))).rejects.toMatchObject({ code: 'ERR_BACKGROUND' })
      expect(nodeVfs.readdirSync(dir)).toEqual([])
      expect(warnings).toEqual([])
    },
  )

  test.each(['throw new Error("boom")', 'process.exit(1)'])('is noticed on the spot, too: %s', (how) => {
    const executor = worker(dying(how))
    const outcomes = outcomesOf(executor, flushJob(makeDir('a')))
    const startMs = performance.now()
    executor.waitSync(20_000)
    expect(outcomes[0]).toMatchObject({ error: { code: 'ERR_BACKGROUND' } })
    expect(performance.now() - startMs).toBeLessThan(10_000)
  })
})

function scriptUrl(source: string): URL {
  const path = join(root, `script${Math.random()}.mjs`)
  const file = nodeVfs.openSync(path, 'create')
  file.writeSync(Buffer.from(source), 0, Buffer.byteLength(source), 0)
  file.closeSync()
  return pathToFileURL(path)
}
