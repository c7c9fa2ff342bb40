// Checks the package as it would be published: what is in it, how it is described, and that it works where nothing optional can be
// installed.
//
//   node tools/check_package.mjs
//
// 1. packs it, 2. publint and attw on the tarball, 3. installs the tarball in an empty folder without optional packages and without install
// scripts, and there imports and requires it, writes, reopens and reads; 4. imports `varve/level` without the package that it needs, and
// uses it with that package. Prints a line a step; exits with 1 when one failed. The folder is made in the folder for temporary files
// (TMPDIR), above which there must be no node_modules.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
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
} finally {
  rmSync(folder, { recursive: true, force: true })
}
process.exitCode = failed === 0 ? 0 : 1
