// Checks the package as it would be published: what is in it, how it is described, and that it works where nothing optional can be
// installed.
//
//   node tools/check_package.mjs
//
// 1. packs it, 2. publint and attw on the tarball, 3. installs the tarball in an empty folder without optional packages and without install
// scripts, and there imports and requires it, writes, reopens and reads, on a worker thread too, and looks up what source maps point to;
// 4. imports `varve/level` without the package that it needs, and uses it with that package. Prints a line a step; exits with 1 when one
// failed. The folder is made in the folder for temporary files (TMPDIR), above which there must be no node_modules.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'varve-package-'))
let failed = 0

function step(name, action) {
  const start = performance.now()
  try {
    action()
    console.log(`ok      ${name} (${((performance.now() - start) / 1000).toFixed(1)} s)`)
  } catch (error) {
    failed++
    console.log(`FAILED  ${name}\n${[error.stdout, error.stderr, error.stdout ? '' : error.message].filter(Boolean).join('\n')}`)
  }
}

function run(command, args, cwd = root) {
  return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}

const BODY = `
async function main(Store, dir) {
  const first = await Store.open(dir, { compression: 'none' })
  await first.put('greeting', 'hello')
  await first.put('answer', { number: 42 })
  await first.flush()
  await first.close()
  const second = await Store.open(dir, { compression: 'none' })
  const found = JSON.stringify([await second.get('greeting'), second.getSync('answer'), [...second.keys()]])
  await second.close()
  if (found !== '["hello",{"number":42},["answer","greeting"]]') throw new Error('read back ' + found)
  const defaults = await Store.open(dir + '-defaults')
  for (let i = 0; i < 1000; i++) defaults.putSync('key' + i, 'value '.repeat(20))
  await defaults.compact()
  await defaults.close()
  const again = Store.openSync(dir + '-defaults')
  if (again.getSync('key999') !== 'value '.repeat(20)) throw new Error('the store with default options lost a key')
  again.closeSync()
}
`

const LEVEL = `
import { VarveLevel } from 'varve/level'
async function main() {
  const first = new VarveLevel('./level', { valueEncoding: 'json' })
  await first.put('answer', { number: 42 })
  await first.close()
  const second = new VarveLevel('./level', { valueEncoding: 'json', createIfMissing: false })
  const found = JSON.stringify(await second.iterator().all())
  await second.close()
  if (found !== '[["answer",{"number":42}]]') throw new Error('read back ' + found)
}
`

/** Without its worker's module a store runs on without one, and only warns. */
const WORKER = `
import { Store } from 'varve'
const started = []
process.on('worker', (worker) => worker.on('online', () => started.push(worker)))
const store = await Store.open('./worker', { compression: 'none', backgroundThreads: 1 })
const warnings = []
store.on('warning', ({ message }) => warnings.push(message))
await store.put('greeting', 'hello')
await store.flush()
await store.close()
if (warnings.length > 0 || started.length !== 1) throw new Error(started.length + ' workers ran; warnings: ' + warnings.join())
`

const ONE_OF_EACH = `
import { Store, StoreError } from 'varve'
import { VarveLevel } from 'varve/level'
const level = new VarveLevel('./classes')
await level.open()
if (!(level.store instanceof Store)) throw new Error('varve/level has another Store than varve')
let thrown
try {
  level.store.getSync(Symbol('no key'))
} catch (error) {
  thrown = error
}
if (!(thrown instanceof StoreError)) throw new Error('varve/level has another StoreError than varve', { cause: thrown })
await level.close()
`

/** The error is thrown by the package's code, and its stack is to name the source. */
const STACK = `
import { Store } from 'varve'
const store = Store.openSync('./stack', { compression: 'none' })
let stack
try {
  store.getSync(Symbol('no key'))
} catch (error) {
  stack = error.stack
}
store.closeSync()
if (!/node_modules.varve.src.store.[a-z_]+\\.ts:\\d+/.test(stack)) throw new Error('no source in ' + stack)
`

/** Throws unless every program has a map, except lists of exports, and every map's files are there. */
function checkMaps(dist) {
  const missing = []
  for (const name of readdirSync(dist, { recursive: true })) {
    const path = join(dist, name)
    if (name.endsWith('.js') && name !== 'index.js' && !existsSync(`${path}.map`)) missing.push(`${name}.map`)
    if (!name.endsWith('.map')) continue
    const { file, sources, sourcesContent } = JSON.parse(readFileSync(path, 'utf8'))
    for (const source of [file, ...sources]) if (!existsSync(join(dirname(path), source))) missing.push(`${source} of ${name}`)
    if (sources.length === 0 || sourcesContent !== undefined) throw new Error(`${name} should name the sources, not hold them`)
  }
  if (missing.length > 0) throw new Error(`files that are not there: ${missing.join(', ')}`)
}

const abstractLevel = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).devDependencies['abstract-level']

try {
  run('npm', ['run', '--silent', 'build'])
  run('npm', ['pack', '--silent', '--pack-destination', folder])
  const tarball = join(
    folder,
    readdirSync(folder).find((name) => name.endsWith('.tgz')),
  )
  step('publint', () => run('npx', ['publint', '--strict', tarball]))
  step('attw, for ESM only', () => run('npx', ['attw', '--profile', 'esm-only', tarball]))

  const consumer = mkdtempSync(join(folder, 'consumer-'))
  writeFileSync(join(consumer, 'package.json'), '{ "name": "consumer", "private": true }')
  writeFileSync(join(consumer, 'import.mjs'), `import { Store } from 'varve'\n${BODY}\nawait main(Store, './imported')\n`)
  writeFileSync(
    join(consumer, 'require.cjs'),
    `const { Store } = require('varve')\n${BODY}\nmain(Store, './required').catch((error) => { throw error })\n`,
  )
  step('install without optional packages and scripts', () => {
    run('npm', ['install', '--omit=optional', '--ignore-scripts', '--no-audit', '--no-fund', tarball], consumer)
    const optional = readdirSync(join(consumer, 'node_modules')).filter((name) => ['snappy', '@bokuweb', '@napi-rs'].includes(name))
    if (optional.length > 0) throw new Error(`optional packages were installed: ${optional.join(', ')}`)
  })
  step('import it there, write, reopen, read', () => run(process.execPath, ['import.mjs'], consumer))
  step('require it there, write, reopen, read', () => run(process.execPath, ['require.cjs'], consumer))
  writeFileSync(join(consumer, 'worker.mjs'), WORKER)
  step('flush there on the worker thread', () => run(process.execPath, ['worker.mjs'], consumer))
  step('source maps lead to sources', () => {
    checkMaps(join(consumer, 'node_modules/varve/dist'))
    writeFileSync(join(consumer, 'stack.mjs'), STACK)
    run(process.execPath, ['--enable-source-maps', 'stack.mjs'], consumer)
  })
  writeFileSync(join(consumer, 'level.mjs'), `${LEVEL}\nawait main()\n`)
  step('varve/level names the package that it needs where that is missing', () => {
    try {
      run(process.execPath, ['level.mjs'], consumer)
    } catch (error) {
      if (/ERR_MODULE_NOT_FOUND/.test(error.stderr) && /'abstract-level' imported from .*level/.test(error.stderr)) return
      throw error
    }
    // Somebody else's packages above the temporary folder are found, too.
    const place = createRequire(join(consumer, 'level.mjs')).resolve('abstract-level')
    if (place.startsWith(consumer)) throw new Error('it was imported without abstract-level')
    console.log(`        cannot be seen here: there is one in ${place}`)
  })
  step('with abstract-level beside it, it writes, reopens and reads', () => {
    run('npm', ['install', '--omit=optional', '--ignore-scripts', '--no-audit', '--no-fund', `abstract-level@${abstractLevel}`], consumer)
    run(process.execPath, ['level.mjs'], consumer)
  })
  writeFileSync(join(consumer, 'classes.mjs'), ONE_OF_EACH)
  step('varve and varve/level share their classes', () => run(process.execPath, ['classes.mjs'], consumer))
} finally {
  rmSync(folder, { recursive: true, force: true })
}
process.exitCode = failed === 0 ? 0 : 1
