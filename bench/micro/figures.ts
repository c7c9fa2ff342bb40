/**
 * Where the benchmarks of components leave their figures: a line each on the screen, beside what the Go original publishes of the same, and
 * a line of JSON in the file that `npm run bench:micro` names, from which the report is made.
 *
 * Alone, each runs as `npm run build:tools && node build/bench/micro/NAME.js`.
 */
import { PUBLISHED_COSTS, PUBLISHED_MACHINE } from '../references.js'
import { thisMachine } from '../process_facts.js'
import { record } from '../results.js'

/** The variable that names the file. */
export const OUTPUT_VARIABLE = 'VARVE_MICRO_OUTPUT'

/** Shows and notes one figure, in nanoseconds per operation: the fastest sample, and the median where there are many. */
export function publish(component: string, name: string, ns: number, medianNs?: number): void {
  const digits = (number: number): string => number.toFixed(number < 100 ? 1 : 0).padStart(10)
  const published = PUBLISHED_COSTS.find((each) => each.component === component && each.name === name)
  const beside = published === undefined ? '' : `   (the Go original on an ${PUBLISHED_MACHINE}: ${published.publishedNs} ns)`
  const median = medianNs === undefined ? '' : `${digits(medianNs)} ns median`
  console.log(`${component.padEnd(12)}${name.padEnd(56)}${digits(ns)} ns${median}${beside}`)
  const output = process.env[OUTPUT_VARIABLE]
  if (output === undefined || output === '') return
  const middle = medianNs === undefined ? {} : { medianNs }
  record(output, { time: new Date().toISOString(), component, name, ns, ...middle, machine: thisMachine() })
}
