/**
 * The repository as the tidy rules see it: every file that git knows or would add, its text, and for code its syntax tree.
 *
 * Untracked files count too, so that a slip is seen before it is committed; ignored ones (`dist`, `node_modules` …) do not.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

/** Top of the repository. */
export const repositoryRoot = fileURLToPath(new URL('../..', import.meta.url))

/** One file: its path from the top with forward slashes, and its text. */
export interface TreeFile {
  readonly path: string
  readonly text: string
}

const BINARY = /\.(sst|log|bin|dat|png|jpg|gz|tgz|wasm)$/

/** Every text file of the repository. */
export function listFiles(): TreeFile[] {
  const output = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: repositoryRoot,
    encoding: 'utf8',
  })
  const files: TreeFile[] = []
  for (const path of output.split('\0')) {
    if (path === '' || BINARY.test(path) || path.includes('/fixtures/')) continue
    const full = join(repositoryRoot, path)
    if (!statSync(full, { throwIfNoEntry: false })?.isFile()) continue
    files.push({ path, text: readFileSync(full, 'utf8') })
  }
  return files
}

/** Whether the file is code that people write here. */
export function isCode(file: TreeFile): boolean {
  return /\.(ts|mts|cts|js|mjs|cjs|sh)$/.test(file.path) || file.path === '.ci/run'
}

/** Whether the file is TypeScript of the folder, `'src'` for example. */
export function isTypeScriptOf(file: TreeFile, ...folders: readonly string[]): boolean {
  return file.path.endsWith('.ts') && folders.some((folder) => file.path.startsWith(`${folder}/`))
}

const parsed = new WeakMap<TreeFile, ts.SourceFile>()

/** Syntax tree of a TypeScript file, parsed once. */
export function parse(file: TreeFile): ts.SourceFile {
  let tree = parsed.get(file)
  if (tree === undefined) {
    tree = ts.createSourceFile(file.path, file.text, ts.ScriptTarget.ES2022, true, ts.ScriptKind.TS)
    parsed.set(file, tree)
  }
  return tree
}

/** Calls `visit` for the node and all below it. */
export function walk(node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node)
  ts.forEachChild(node, (child) => walk(child, visit))
}

/** `path:line` of a node, without its leading comments. */
export function place(file: TreeFile, node: ts.Node): string {
  const tree = parse(file)
  return `${file.path}:${tree.getLineAndCharacterOfPosition(node.getStart(tree)).line + 1}`
}

/** Problems, one for each line that the pattern matches; `{}` in the message becomes what matched. */
export function matchingLines(file: TreeFile, pattern: RegExp, message: string): string[] {
  const problems: string[] = []
  for (const [index, line] of file.text.split('\n').entries()) {
    const found = pattern.exec(line)
    if (found !== null) problems.push(`${file.path}:${index + 1}: ${message.replace('{}', found[0].trim())}`)
  }
  return problems
}
