/**
 * Every benchmark of a component, one after the other in a process of its own: `npm run bench:micro`, or `npm run bench:micro -- wal cache`
 * for some of them. Two minutes. The figures go to `bench/results`, where `npm run bench:report` finds them.
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { repositoryRoot } from '../engines/engine.js'
import { OUTPUT_VARIABLE } from './figures.js'

const COMPONENTS = ['memtable', 'sstable', 'cache', 'wal', 'codec', 'iterators', 'compaction', 'version', 'store']

const chosen = process.argv.slice(2)
const unknown = chosen.filter((name) => !COMPONENTS.includes(name))
if (unknown.length > 0) throw new Error(`no component '${unknown.join("', '")}': there are ${COMPONENTS.join(', ')}`)

const output = join(repositoryRoot, 'bench/results', `micro-${new Date().toISOString().replaceAll(':', '-')}.jsonl`)
const failed = COMPONENTS.filter((name) => {
  if (chosen.length > 0 && !chosen.includes(name)) return false
  const path = fileURLToPath(new URL(`./${name}.js`, import.meta.url))
  return spawnSync(process.execPath, [path], { stdio: 'inherit', env: { ...process.env, [OUTPUT_VARIABLE]: output } }).status !== 0
})
console.log(`lines in ${output}`)
if (failed.length > 0) {
  console.log(`FAILED: ${failed.join(', ')}`)
  process.exitCode = 1
}
