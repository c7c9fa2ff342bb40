/**
 * A tour of varve on real data: the cities of the world with at least a thousand inhabitants. `npm run demo` runs it; read it from top to
 * bottom.
 *
 * ```
 * npm run demo                        every city, in a temporary folder
 * npm run demo -- --short             the four thousand largest
 * npm run demo -- --dir ./cities      keep the store afterwards
 * ```
 *
 * What is kept under which key (keys are ordered by their bytes, so a prefix is a group and a sorted number is an index):
 *
 * | key | value |
 * |---|---|
 * | `city:<country>:<name>:<id>` | record: a {@link City} |
 * | `population:<ten digits>:<id>` | string: the city's key |
 * | `count:cities`, `count:country:<country>` | int64 |
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Store, StoreError, type StoreStats } from 'varve'
import { type City, cityKey, inChunks, populationKey, readCities } from './cities/data.js'
import { bytes, duration, heading, integer, printTable, rate, startProgress } from './cities/terminal.js'

async function main(): Promise<void> {
  const { short, dir: wantedDir } = readArguments()
  const dir = wantedDir ?? mkdtempSync(join(tmpdir(), 'varve-cities-'))
  try {
    await tour(join(dir, 'store'), readCities({ short }), { short, reportPath: join(dir, 'acknowledged.txt') })
  } finally {
    if (wantedDir === undefined) rmSync(dir, { recursive: true, force: true })
  }
}

async function tour(dir: string, cities: readonly City[], { short, reportPath }: { short: boolean; reportPath: string }): Promise<void> {
  heading(`Load ${integer(cities.length)} cities into ${dir}`)
  // `await using` closes the store when the block ends, whatever happens in it.
  {
    await using store = await Store.open(dir, { errorIfExists: true })
    await load(store, cities)

    heading('Ask questions')
    await readOneCity(store)
    await listCountry(store, 'DE')
    await tenMostPopulous(store)
    await lookIntoThePast(store)
    await meetAnError(store)
  }

  heading('Kill a process in the middle of a second load')
  const acknowledged = await loadAndKill(dir, reportPath, { short, killAfter: Math.floor(cities.length / 2) })
  await proveNothingIsLost(dir, acknowledged)

  heading('Look inside')
  await lookInside(dir, cities)
}

// ── Loading ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

async function load(store: Store, cities: readonly City[]): Promise<void> {
  const progress = startProgress(cities.length, 'cities')
  const start = performance.now()
  let done = 0
  for (const chunk of inChunks(cities, 1000)) {
    // Single writes. Those that are under way together reach the log together; each promise still stands for its own write.
    await Promise.all(chunk.map((city) => store.putRecord(cityKey(city), city)))

    // Counters: read, add and write in one step that no other write can come between.
    await store.increment('count:cities', chunk.length)
    for (const [country, count] of countByCountry(chunk)) await store.increment(`count:country:${country}`, count)

    // An index: one batch, which is kept whole or not at all.
    const index = store.batch()
    for (const city of chunk) index.put(populationKey(city), cityKey(city))
    await index.write()

    done += chunk.length
    progress.update(done)
  }
  progress.stop()
  const seconds = (performance.now() - start) / 1000
  const writes = store.stats().sequence
  console.log(
    `${integer(writes)} writes in ${duration(seconds)}: ${rate(writes, seconds)}; counted ${await store.getInt64('count:cities')} cities`,
  )
}

function countByCountry(cities: readonly City[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const { country } of cities) counts.set(country, (counts.get(country) ?? 0) + 1)
  return counts
}

// ── Reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

async function readOneCity(store: Store): Promise<void> {
  const key = 'city:CH:Bern:2661552'
  const bern = await store.getRecord<City>(key)
  console.log(`\nBern has ${integer(bern!.population)} inhabitants and lies at ${bern!.latitude}° N, ${bern!.longitude}° E.`)

  // What is not there is `undefined`, not an error. Every read exists without a promise, too.
  console.log(`Atlantis is ${store.getSync('city:XX:Atlantis:0') ?? 'not there'}.`)

  const reads = 100_000
  const start = performance.now()
  for (let i = 0; i < reads; i++) store.getSync(key)
  console.log(`Reading Bern again and again: ${rate(reads, (performance.now() - start) / 1000, 'reads')}.`)
}

async function listCountry(store: Store, country: string): Promise<void> {
  const names: string[] = []
  let population = 0
  // A scan sees the store as it was when the scan began. `for await` never holds up the event loop; a plain `for` works, too.
  for await (const [, value] of store.scanPrefix(`city:${country}:`)) {
    const city = value as City
    names.push(city.name)
    population += city.population
  }
  const counted = await store.getInt64(`count:country:${country}`)
  console.log(`\n${country} has ${names.length} cities (its counter says ${counted}) with ${integer(population)} inhabitants:`)
  console.log(`  ${names.slice(0, 6).join(', ')} … ${names.slice(-3).join(', ')}`)
}

async function tenMostPopulous(store: Store): Promise<void> {
  // The index is in order of population; read it from its end.
  const keys: string[] = []
  for (const [, cityKeyOfEntry] of store.scanPrefix('population:', { reverse: true, limit: 10 })) keys.push(cityKeyOfEntry as string)
  const cities = (await store.getMany(keys)) as City[]
  console.log('\nThe ten most populous cities:')
  printTable(
    ['', 'city', 'country', 'inhabitants'],
    cities.map((city, index) => [`${index + 1}`, city.name, city.country, integer(city.population)]),
  )
}

async function lookIntoThePast(store: Store): Promise<void> {
  const key = 'city:CH:Bern:2661552'
  // A snapshot is the store at one moment. `using` closes it at the end of this function, and old versions can go.
  using before = store.snapshot()
  const bern = (await store.getRecord<City>(key))!
  await store.put(key, { ...bern, population: bern.population + 1 })
  const [now, then] = [await store.getRecord<City>(key), await before.getRecord<City>(key)]
  console.log(`\nA child is born in Bern: ${integer(now!.population)} inhabitants; the snapshot still says ${integer(then!.population)}.`)
  await store.put(key, bern)
}

async function meetAnError(store: Store): Promise<void> {
  // One process holds a store at a time, and values keep their types: both are errors with a code that never changes.
  for (const attempt of [() => Store.open(store.path), () => store.getInt64('city:CH:Bern:2661552')]) {
    try {
      await attempt()
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
      console.log(`${error.code}: ${error.message}`)
    }
  }
}

// ── Crashing ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Starts a process that loads the cities again, kills it once it has reported `killAfter` writes, and returns the keys it reported. */
async function loadAndKill(
  dir: string,
  reportPath: string,
  { short, killAfter }: { short: boolean; killAfter: number },
): Promise<string[]> {
  const script = fileURLToPath(new URL('./cities/second_load.js', import.meta.url))
  const child = spawn(process.execPath, [script, dir, reportPath, short ? 'short' : 'full'], { stdio: 'inherit' })
  const ended = once(child, 'exit')
  const progress = startProgress(killAfter, 'writes acknowledged')
  let count = 0
  while (count < killAfter && isRunning(child)) {
    await sleep(5)
    count = countReports(reportPath)
    progress.update(Math.min(count, killAfter))
  }
  progress.stop()
  if (!isRunning(child)) throw new Error(`the second load ended by itself with code ${child.exitCode}`)
  child.kill('SIGKILL')
  await ended
  const acknowledged = readFileSync(reportPath, 'utf8').split('\n').slice(0, -1)
  console.log(`kill -9 ${child.pid}, after it had reported ${integer(acknowledged.length)} writes as done.`)
  return acknowledged
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null
}

/** How many lines the file has so far. */
function countReports(path: string): number {
  return existsSync(path) ? readFileSync(path, 'latin1').split('\n').length - 1 : 0
}

async function proveNothingIsLost(dir: string, acknowledged: readonly string[]): Promise<void> {
  const start = performance.now()
  // The dead process still names itself in the lock file; the lock of a process that is gone counts for nothing.
  await using store = await Store.open(dir)
  console.log(`Opened again in ${duration((performance.now() - start) / 1000)}.`)

  let lost = 0
  for (const keys of inChunks(acknowledged, 1000)) {
    for (const value of await store.getMany(keys)) if (value === undefined) lost++
  }
  let found = 0
  for (const key of store.keys({ prefix: 'copy:' })) if (key !== '') found++
  console.log(`${integer(acknowledged.length)} writes were acknowledged, ${integer(found)} are there, ${integer(lost)} were lost.`)
  if (lost > 0) throw new Error('acknowledged writes were lost')

  await store.deletePrefix('copy:')
  console.log(`Deleted the copies again: ${await store.getInt64('count:cities')} cities remain.`)
}

// ── Looking inside ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

async function lookInside(dir: string, cities: readonly City[]): Promise<void> {
  await using store = await Store.open(dir)
  const start = performance.now()
  let entries = 0
  for (const [key] of store.scan()) if (key !== '') entries++
  const seconds = (performance.now() - start) / 1000
  console.log(`A scan of all ${integer(entries)} entries: ${rate(entries, seconds, 'entries')}.`)

  await store.compact()
  const stats = store.stats()
  printLevels(stats)
  const inputBytes = cities.reduce((sum, city) => sum + Buffer.byteLength(JSON.stringify(city)), 0)
  console.log(`The cities as JSON take ${bytes(inputBytes)}; the store, with its index, takes ${bytes(stats.tables.bytes)} on disk.`)
}

function printLevels(stats: StoreStats): void {
  printTable(
    ['level', 'tables', 'entries', 'bytes on disk', 'before compression'],
    stats.levels
      .filter(({ tables }) => tables > 0)
      .map((level) => [`L${level.level}`, `${level.tables}`, integer(level.keys), bytes(level.bytes), bytes(level.rawBytes)]),
  )
}

function readArguments(): { short: boolean; dir: string | undefined } {
  const { values } = parseArgs({ options: { short: { type: 'boolean', default: false }, dir: { type: 'string' } } })
  return { short: values.short, dir: values.dir }
}

await main()
