/** What a program gets that installs the package: which files, which entries, and nothing that runs at installation. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { repositoryRoot } from './tidy/tree.js'

interface Manifest {
  readonly exports: Record<string, string | { readonly types: string; readonly default: string }>
  readonly scripts: Record<string, string>
  readonly engines: { readonly node: string }
}

interface LockedPackage {
  readonly dev?: boolean
  readonly hasInstallScript?: boolean
}

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(join(repositoryRoot, path), 'utf8'))
}

const manifest = readJson('package.json') as Manifest

function inNode(...args: readonly string[]): string {
  return execFileSync(process.execPath, args, { cwd: repositoryRoot, encoding: 'utf8', stdio: 'pipe' })
}

describe('the package', () => {
  let packed: string[]

  beforeAll(() => {
    const output = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
      cwd: repositoryRoot,
      encoding: 'utf8',
      stdio: 'pipe',
    })
    packed = (JSON.parse(output) as [{ files: { path: string }[] }])[0].files.map(({ path }) => path)
  })

  test('every entry exists and is packed', () => {
    const targets = Object.values(manifest.exports).flatMap((entry) => (typeof entry === 'string' ? [entry] : Object.values(entry)))
    expect(targets.filter((target) => !existsSync(join(repositoryRoot, target)))).toEqual([])
    expect(targets.filter((target) => !packed.includes(target.slice(2)))).toEqual([])
  })

  test('it holds the build, its source, the documents, and nothing of the workshop', () => {
    expect(packed).toEqual(
      expect.arrayContaining(['README.md', 'LICENSE', 'CHANGELOG.md', 'src/index.ts', 'dist/compaction/foreground.js.map']),
    )
    const kept = /^(dist|src|docs|kernel\/assembly)\/|^(README\.md|LICENSE|CHANGELOG\.md|package\.json)$/
    expect(packed.filter((path) => !kept.test(path) || path.endsWith('.tsbuildinfo') || path.startsWith('docs/api/'))).toEqual([])
  })

  test('nothing runs when it is installed', () => {
    const atInstall = ['preinstall', 'install', 'postinstall', 'prepublish', 'preprepare', 'prepare', 'postprepare']
    expect(atInstall.filter((name) => name in manifest.scripts)).toEqual([])
    const { packages } = readJson('package-lock.json') as { packages: Record<string, LockedPackage> }
    const running = Object.entries(packages).filter(([, { dev, hasInstallScript }]) => hasInstallScript === true && dev !== true)
    expect(running.map(([path]) => path)).toEqual([])
  })

  test('its name leads to one and the same Store for import and require', () => {
    const source =
      "import('varve').then((imported) => console.log(imported.Store === require('varve').Store && typeof imported.Store.open))"
    expect(inNode('--eval', source).trim()).toBe('function')
  })

  test('importing it loads no optional package', () => {
    const source = `require('varve'); console.log(process.moduleLoadList.length > 0, Object.keys(require.cache).join(' '))`
    expect(inNode('--eval', source)).not.toMatch(/snappy|zstd/)
  })
})
