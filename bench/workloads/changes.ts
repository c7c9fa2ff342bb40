/** Reads and writes of a store that is full already: mixed, overwriting, reading while another writes, deleting everything. */
import { Random } from '../../src/util/random.js'
import type { OpenEngine } from '../engines/engine.js'
import { type Metrics, nextTurn, timeAwaited } from '../measure.js'
import { writtenBytes } from '../process_facts.js'
import { KEY_BYTES, Order, VALUE_BYTES } from '../records.js'
import { touchEverything } from './reads.js'
import { check, closeAndWeigh, observed, openStore, RATE, type Run, Versions, type Workload } from './workload.js'

const RECORD_BYTES = KEY_BYTES + VALUE_BYTES
/** Writes in a hundred operations of the mix. */
const WRITES_PERCENT = 20
/** Puts a second beside the reads. */
const WRITER_RATE = 10_000
/** Puts that may wait for their acknowledgement before the writer pauses. */
const WRITER_BACKLOG = 1000
/** Keys of a batch of deletions. */
const DELETE_BATCH = 1000

async function mixed(run: Run): Promise<Metrics> {
  const { records, limits } = run
  const store = await openStore(run, true)
  await touchEverything(run, store)
  const random = new Random(run.seed + 1)
  const versions = new Versions(records.count)
  const next = (): unknown => {
    const number = random.below(records.count)
    if (random.below(100) >= WRITES_PERCENT) return store.get(records.key(number))
    return store.put(records.key(number), records.value(number, versions.next(number)))
  }
  await timeAwaited({ operations: Infinity, milliseconds: limits.warmUpMs }, next)
  const metrics = await observed(() => timeAwaited({ operations: Infinity, milliseconds: limits.measureMs }, next))
  await check(run, store, (draw) => draw.below(records.count), versions)
  await store.close()
  return metrics
}

async function overwrite(run: Run): Promise<Metrics> {
  const { records, limits } = run
  const store = await openStore(run, true)
  const random = new Random(run.seed + 1)
  const versions = new Versions(records.count)
  const startBytes = writtenBytes()
  const metrics = await observed(() =>
    timeAwaited({ operations: records.count, milliseconds: limits.fillMs }, () => {
      const number = random.below(records.count)
      return store.put(records.key(number), records.value(number, versions.next(number)))
    }),
  )
  await check(run, store, (draw) => draw.below(records.count), versions)
  const weights = await closeAndWeigh(run, store, startBytes, metrics['operations']! * RECORD_BYTES, records.rawBytes)
  return { ...metrics, ...weights }
}

/** Puts at a steady rate until told to stop, as far as the engine keeps up; gives how many. */
function startWriter(run: Run, store: OpenEngine, versions: Versions): () => Promise<number> {
  const { records } = run
  // No record twice in a row: puts in flight on a thread pool may overtake each other.
  const order = new Order(records.count, run.seed + 3)
  const start = performance.now()
  let isOver = false
  let written = 0
  let waiting = 0
  const put = async (): Promise<void> => {
    const number = order.at(written % records.count)
    waiting++
    await store.put(records.key(number), records.value(number, versions.next(number)))
    waiting--
  }
  const writer = async (): Promise<number> => {
    const puts: Promise<void>[] = []
    while (!isOver) {
      const due = ((performance.now() - start) / 1000) * WRITER_RATE
      while (written < due && waiting < WRITER_BACKLOG) {
        puts.push(put())
        written++
      }
      await nextTurn()
    }
    await Promise.all(puts)
    return written
  }
  const done = writer()
  return () => {
    isOver = true
    return done
  }
}

async function readWhileWriting(run: Run): Promise<Metrics> {
  const { records, limits } = run
  const store = await openStore(run, true)
  await touchEverything(run, store)
  const random = new Random(run.seed + 1)
  const versions = new Versions(records.count)
  const get = (): unknown => store.get(records.key(random.below(records.count)))
  await timeAwaited({ operations: Infinity, milliseconds: limits.warmUpMs }, get)
  const metrics = await observed(async () => {
    const stopWriting = startWriter(run, store, versions)
    const start = performance.now()
    const reads = await timeAwaited({ operations: Infinity, milliseconds: limits.measureMs }, get)
    const written = await stopWriting()
    return { ...reads, writesPerSecond: (written / (performance.now() - start)) * 1000 }
  })
  await check(run, store, (draw) => draw.below(records.count), versions)
  await store.close()
  return metrics
}

/** Deletes everything and scans what is left: nothing, behind as many tombstones. */
async function scanDeleted(run: Run): Promise<Metrics> {
  const { records } = run
  const store = await openStore(run, true)
  const startBytes = writtenBytes()
  const metrics = await observed(async () => {
    const start = performance.now()
    for (let first = 0; first < records.count; first += DELETE_BATCH) {
      const size = Math.min(DELETE_BATCH, records.count - first)
      await store.deleteBatch(Array.from({ length: size }, (_, i) => records.key(first + i)))
      await nextTurn()
    }
    return { operations: records.count, deletesPerSecond: (records.count / (performance.now() - start)) * 1000 }
  })
  let seen = 0
  const start = performance.now()
  await store.scan(() => seen++, false)
  const scanMs = performance.now() - start
  if (seen > 0) throw new Error(`${seen} deleted entries can be seen`)
  for (let number = 0; number < records.count; number += 997) {
    if ((await store.get(records.key(number))) !== undefined) throw new Error(`deleted record ${number} can be read`)
  }
  return { ...metrics, scanMs, ...(await closeAndWeigh(run, store, startBytes, records.count * KEY_BYTES, 0)) }
}

const COPY = { group: 'mixed', store: 'copy', durability: 'os' } as const

export const changes: readonly (readonly [string, Workload])[] = [
  [
    'mixed',
    {
      ...RATE,
      ...COPY,
      isWriteLoad: true,
      about: `${100 - WRITES_PERCENT}% awaited reads and ${WRITES_PERCENT}% awaited puts of random records, everything cached`,
      run: mixed,
    },
  ],
  [
    'overwrite',
    { ...RATE, ...COPY, isWriteLoad: true, about: 'one awaited put at a time over random records of a full store', run: overwrite },
  ],
  [
    'readwhilewriting',
    {
      ...RATE,
      ...COPY,
      unit: 'reads/s',
      isWriteLoad: true,
      about: `awaited random reads, while ${WRITER_RATE.toLocaleString('en')} puts a second are asked of the same store`,
      run: readWhileWriting,
    },
  ],
  [
    'scandeleted',
    {
      ...COPY,
      metric: 'scanMs',
      unit: 'ms',
      isHigherBetter: false,
      isWriteLoad: true,
      about: 'a full scan right after every record was deleted, in batches of 1000; delays of the event loop are those of the deleting',
      run: scanDeleted,
    },
  ],
]
