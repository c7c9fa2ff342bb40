/**
 * Which folder of `src` may import which, and that no file imports itself through others.
 *
 * The order is the one of the architecture page: a folder imports from itself and from what stands below it, never upwards.
 */
import { posix } from 'node:path'
import ts from 'typescript'
import { isTypeScriptOf, parse, place, type TreeFile, walk } from './tree.js'

/** Folders from top to bottom; the public surface (`src/index.ts`) is above them all. */
const ORDER = [
  'store',
  'maintenance',
  'compaction',
  'version',
  'iterator',
  'wal',
  'memtable',
  'sstable',
  'cache',
  'codec',
  'vfs',
  'util',
] as const

/** Folders that stand beside the order, or may import less than all below them. */
const EXACT: Readonly<Record<string, readonly string[]>> = {
  cli: ['index', 'server', 'store'],
  server: ['index', 'store'],
  adapters: ['index', 'store'],
  cache: ['codec', 'util'],
  codec: ['util'],
  vfs: ['util'],
  util: [],
}

/** The layer of a path under `src`: its folder, or `'index'`. */
function layerOf(path: string): string {
  const parts = path.split('/')
  return parts.length === 2 ? parts[1]!.replace(/\.[jt]s$/, '') : parts[1]!
}

function mayImport(from: string, to: string): boolean {
  if (from === to) return true
  if (from === 'index') return to !== 'cli'
  const exact = EXACT[from]
  if (exact !== undefined) return exact.includes(to)
  const order: readonly string[] = ORDER
  return order.includes(from) && order.indexOf(to) > order.indexOf(from)
}

/** A module that a file names: in an import, a re-export, `import()` or an import type. */
interface Reference {
  readonly specifier: string
  readonly node: ts.Node
  /** Gone once compiled. */
  readonly isTypeOnly: boolean
}

/** Every module that the file names. */
export function referencesOf(file: TreeFile): Reference[] {
  const references: Reference[] = []
  const add = (node: ts.Node | undefined, isTypeOnly = false): void => {
    if (node !== undefined && ts.isStringLiteralLike(node)) references.push({ specifier: node.text, node, isTypeOnly })
  }
  walk(parse(file), (node) => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword)
    else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly)
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) add(node.arguments[0])
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node.argument.literal, true)
  })
  return references
}

/** The path from the top of a relative specifier, as TypeScript source. */
function target(file: TreeFile, specifier: string): string | undefined {
  if (!specifier.startsWith('.')) return undefined
  return posix.join(posix.dirname(file.path), specifier).replace(/\.js$/, '.ts')
}

/** Imports that go up, or beside, the order of the folders. */
export function importsAgainstTheOrder(files: readonly TreeFile[]): string[] {
  const problems: string[] = []
  for (const file of files.filter((each) => isTypeScriptOf(each, 'src'))) {
    const from = layerOf(file.path)
    for (const { specifier, node } of referencesOf(file)) {
      const path = target(file, specifier)
      if (path === undefined) continue
      const inside = path.startsWith('src/')
      if (inside && mayImport(from, layerOf(path))) continue
      problems.push(`${place(file, node)}: ${from} may not import ${inside ? layerOf(path) : specifier}`)
    }
  }
  return problems
}

/**
 * Circles of imports between files of `src`, each given once as `a → b → a`. Imports of types do not count: an implementation may name the
 * interface of the file that chooses between implementations.
 */
export function importCycles(files: readonly TreeFile[]): string[] {
  const graph = new Map<string, string[]>()
  for (const file of files.filter((each) => isTypeScriptOf(each, 'src'))) {
    const references = referencesOf(file).filter(({ isTypeOnly }) => !isTypeOnly)
    const paths = references.map(({ specifier }) => target(file, specifier))
    graph.set(
      file.path,
      paths.filter((path) => path !== undefined),
    )
  }
  const problems: string[] = []
  const done = new Set<string>()
  const trail: string[] = []
  const follow = (path: string): void => {
    const start = trail.indexOf(path)
    if (start >= 0) problems.push(`${[...trail.slice(start), path].join(' → ')}: files import each other in a circle`)
    if (start >= 0 || done.has(path)) return
    trail.push(path)
    for (const next of graph.get(path) ?? []) follow(next)
    trail.pop()
    done.add(path)
  }
  for (const path of graph.keys()) follow(path)
  return problems
}

/** Imports of examples that do not go through the package's public name. */
export function examplesBesideThePublicName(files: readonly TreeFile[]): string[] {
  const problems: string[] = []
  for (const file of files.filter((each) => isTypeScriptOf(each, 'examples'))) {
    for (const { specifier, node } of referencesOf(file)) {
      const path = target(file, specifier)
      if (path === undefined || path.startsWith('examples/')) continue
      problems.push(`${place(file, node)}: examples import 'varve', not ${specifier}`)
    }
  }
  return problems
}
