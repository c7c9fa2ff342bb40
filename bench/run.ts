/**
 * Runs workloads on engines side by side.
 *
 * ```
 * npm run bench                                       the short form: 200,000 records, two rounds, five minutes
 * npm run bench -- --full                             everything, with a million records and three rounds: hours
 * npm run bench -- --workload getsync --engine varve  one cell; both may be given several times
 * npm run bench -- --workload load --records 10000000 memory and disk of ten million records
 * npm run bench:report                                tables and charts of what was run last
 * npm run bench:smoke                                 does everything run at all
 * ```
 *
 * Tables show medians, and half the spread where there is more than one round. A peer that does not run here is named and left out.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { thisMachine } from './process_facts.js'
import { throughputTable } from './report/tables.js'
import { probeEngines, Session } from './session.js'
import { readSettings, USAGE } from './settings.js'

async function main(): Promise<void> {
  const settings = readSettings(process.argv.slice(2))
  if (settings === undefined) {
    console.log(USAGE)
    return
  }
  const folder = mkdtempSync(join(settings.folder, 'varve-bench-'))
  const start = performance.now()
  try {
    const { probes, missing } = await probeEngines(settings, folder)
    for (const [name, reason] of missing) console.log(`SKIPPED: ${name} does not run here (npm run bench:peers): ${reason}`)
    const tell = process.stderr.isTTY ? (text: string): void => void process.stderr.write(`\r\u{1b}[K${text}`) : (): void => undefined
    const session = new Session(settings, probes, folder, tell)
    await session.run()
    tell('')
    const { results, failures } = session
    const { cpu, cores, memoryBytes, system, node } = thisMachine()
    console.log(`\n${cpu}, ${cores} cores, ${Math.round(memoryBytes / 2 ** 30)} GiB, ${system}, Node ${node}`)
    console.log(`${settings.records.toLocaleString('en')} records, ${settings.rounds} rounds`)
    console.log('Acknowledged writes survive the death of the process; those of durable survive that of the machine.\n')
    console.log(throughputTable(results))
    for (const failure of failures) console.log(`FAILED: ${failure}`)
    const seconds = Math.round((performance.now() - start) / 1000)
    console.log(`\n${results.length} runs in ${seconds} s, ${failures.length} failed; lines in ${settings.output}`)
    process.exitCode = failures.length === 0 && !missing.has('varve') ? 0 : 1
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

await main()
