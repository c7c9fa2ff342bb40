/**
 * The examples of README.md and `docs/` are programs: each block that opens with three backticks and `ts run` is compiled against the
 * package as built, and run in an empty folder.
 *
 * A comment `// prints <text>` states what the program prints; all such comments of a block, in order, are its whole output. A block may
 * follow another without repeating its imports: imports of earlier blocks of the page that a block lacks are put before it.
 */
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import ts from 'typescript'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { listFiles, repositoryRoot } from './tidy/tree.js'

interface Example {
  /** `page:line` of the block. */
  readonly place: string
  readonly code: string
  /** The lines it must print; none stated means that anything may be printed. */
  readonly prints: readonly string[]
  /** Name of the module, without its extension. */
  readonly name: string
}

/** Inside the repository, so that the name of the package leads to its build. */
const FOLDER = join(repositoryRoot, 'build', 'docs_examples')

function examplesOf(page: string, text: string): Example[] {
  const examples: Example[] = []
  const importsSoFar: string[] = []
  for (const match of text.matchAll(/^```ts run[^\n]*\n(.*?)^```$/gms)) {
    const body = match[1]!
    const line = text.slice(0, match.index).split('\n').length + 1
    const imports = importsSoFar.filter((statement) => !body.includes(statement))
    const hasImports = /^import /m.test(body)
    importsSoFar.push(...body.split('\n').filter((each) => each.startsWith('import ')))
    examples.push({
      place: `${page}:${line}`,
      // Above the block, on one line, so that the numbers of lines in messages are those of the block plus one.
      code: `${hasImports ? '' : imports.join('; ')}\n${body}\nexport {}\n`,
      prints: [...body.matchAll(/\/\/ prints (.*)$/gm)].map(([, printed]) => printed!.trimEnd()),
      name: `${basename(page, '.md')}_${line}`,
    })
  }
  return examples
}

const pages = listFiles().filter(({ path }) => path === 'README.md' || (path.startsWith('docs/') && path.endsWith('.md')))
const examples = pages.flatMap(({ path, text }) => examplesOf(path, text))

/** Compiles all examples at once, with the settings of the repository, and returns the messages by module. */
function compile(): Map<string, string[]> {
  const settings = ts.readConfigFile(join(repositoryRoot, 'tsconfig.json'), (path) => ts.sys.readFile(path))
  const { options } = ts.parseJsonConfigFileContent({ ...settings.config, include: [], files: [] }, ts.sys, repositoryRoot)
  const program = ts.createProgram(
    examples.map(({ name }) => join(FOLDER, `${name}.ts`)),
    { ...options, noEmit: false, declaration: false, declarationMap: false, sourceMap: false, noUnusedLocals: false },
  )
  const messages = new Map<string, string[]>()
  const diagnostics = [...ts.getPreEmitDiagnostics(program), ...program.emit().diagnostics]
  for (const { file, start, messageText } of diagnostics) {
    const name = basename(file?.fileName ?? '', '.ts')
    const line = file === undefined ? 0 : file.getLineAndCharacterOfPosition(start ?? 0).line
    messages.set(name, [...(messages.get(name) ?? []), `line ${line} of the block: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`])
  }
  return messages
}

describe('the examples of the documents', () => {
  let messages: Map<string, string[]>

  beforeAll(() => {
    rmSync(FOLDER, { recursive: true, force: true })
    mkdirSync(FOLDER, { recursive: true })
    for (const { name, code } of examples) writeFileSync(join(FOLDER, `${name}.ts`), code)
    messages = compile()
  })

  afterAll(() => rmSync(FOLDER, { recursive: true, force: true }))

  test('the quick start of the README is one of them', () => {
    expect(examples.map(({ place }) => place.split(':')[0])).toContain('README.md')
  })

  test.each(examples)('$place compiles and runs', async ({ name, prints }) => {
    expect(messages.get(name) ?? []).toEqual([])
    const cwd = mkdtempSync(join(tmpdir(), 'varve-docs-'))
    try {
      const { stdout, stderr } = await promisify(execFile)(process.execPath, [join(FOLDER, `${name}.js`)], { cwd })
      expect(stderr).toBe('')
      expect(prints.length === 0 ? [] : stdout.trimEnd().split('\n')).toEqual(prints)
    } finally {
      rmSync(cwd, { recursive: true, force: true })
    }
  })
})
