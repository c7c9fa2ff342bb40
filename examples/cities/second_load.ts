/**
 * Loads copies of the cities, and reports each write once it is acknowledged. The tour kills this process in the middle of its work, so it
 * goes round and round until that happens.
 *
 * Arguments: the store's folder, the file for the reports, `short` or `full`.
 */
import { openSync, writeSync } from 'node:fs'
import { Store } from 'varve'
import { cityKey, inChunks, readCities } from './data.js'

const [dir, reportPath, size] = process.argv.slice(2)
const cities = readCities({ short: size === 'short' })
const report = openSync(reportPath!, 'a')
const store = await Store.open(dir!)

for (let round = 1; ; round++) {
  for (const some of inChunks(cities, 8)) {
    // Eight writes under way at a time. What is reported here has been acknowledged, so it must be there after the crash.
    await Promise.all(
      some.map(async (city) => {
        const key = `copy:${round}:${cityKey(city)}`
        await store.put(key, city)
        writeSync(report, `${key}\n`)
      }),
    )
  }
}
