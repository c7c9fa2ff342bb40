/**
 * The rules of CONTRIBUTING.md that a machine can keep: layers, limits, documentation, and what must never be committed.
 *
 * Each rule is first shown a text that breaks it, so that a rule which stopped seeing anything is noticed.
 */
import { describe, expect, test } from 'vitest'
import * as code from './tidy/code.js'
import * as documents from './tidy/documents.js'
import * as layers from './tidy/layers.js'
import { listFiles, type TreeFile } from './tidy/tree.js'

const files = listFiles()
const byPath = new Map(files.map((file) => [file.path, file]))

type Rule = (files: readonly TreeFile[]) => string[]

/** A rule, a file that breaks it, and the start of what the rule must say about that file. */
interface Case {
  readonly name: string
  readonly rule: Rule
  readonly broken: TreeFile | readonly TreeFile[]
  readonly says: string
}

const lines = (count: number, line = ''): string => `${line}\n`.repeat(count)

const cases: readonly Case[] = [
  {
    name: 'imports go down the layers',
    rule: layers.importsAgainstTheOrder,
    broken: {
      path: 'src/wal/writer.ts',
      text: "import { Memtable } from '../memtable/memtable.js'\nimport type { Store } from '../store/store.js'\n",
    },
    says: 'src/wal/writer.ts:2: wal may not import store',
  },
  {
    name: 'the library imports nothing outside src',
    rule: layers.importsAgainstTheOrder,
    broken: { path: 'src/util/heap.ts', text: "export * from '../../test/heap.js'\n" },
    says: 'src/util/heap.ts:1: util may not import ../../test/heap.js',
  },
  {
    name: 'files do not import each other in a circle',
    rule: layers.importCycles,
    broken: [
      { path: 'src/util/a.ts', text: "import './b.js'\n" },
      { path: 'src/util/b.ts', text: "import type { C } from './c.js'\nimport { A } from './a.js'\n" },
      { path: 'src/util/c.ts', text: "import './b.js'\n" },
    ],
    says: 'src/util/a.ts → src/util/b.ts → src/util/a.ts: ',
  },
  {
    name: 'examples use the public name',
    rule: layers.examplesBesideThePublicName,
    broken: { path: 'examples/a.ts', text: "import { Store } from '../src/index.js'\n" },
    says: "examples/a.ts:1: examples import 'varve'",
  },
  {
    name: 'files stay short',
    rule: code.longFiles,
    broken: { path: 'src/util/long.ts', text: lines(501) },
    says: 'src/util/long.ts:501: 501 lines',
  },
  {
    name: 'functions stay short',
    rule: code.longFunctions,
    broken: { path: 'src/util/long.ts', text: `\n/** Too much. */\nexport function long(): void {\n${lines(69)}}\n` },
    says: 'src/util/long.ts:3: long has 71 lines',
  },
  {
    name: 'lines stay narrow',
    rule: code.wideLines,
    broken: { path: 'test/wide.test.ts', text: `\n// ${'x'.repeat(138)}\n` },
    says: 'test/wide.test.ts:2: ',
  },
  {
    name: 'the library has no any',
    rule: code.anyTypes,
    broken: { path: 'src/util/any.ts', text: '/** any */\nexport const f = (x: unknown[]): unknown => x as any[]\n' },
    says: 'src/util/any.ts:2: no any',
  },
  {
    name: 'the library does not print',
    rule: code.consoleUses,
    broken: { path: 'src/util/print.ts', text: "// console.log\nconsole.error('x')\n" },
    says: 'src/util/print.ts:2: ',
  },
  {
    name: 'files open with what they are for',
    rule: code.filesWithoutHead,
    broken: { path: 'src/util/bare.ts', text: "import 'node:fs'\n/** late */\n" },
    says: 'src/util/bare.ts:1: ',
  },
  {
    name: 'exported symbols have a docstring',
    rule: code.undocumentedExports,
    broken: { path: 'src/util/mute.ts', text: '/** Head. */\n\n// no docstring\nexport const answer = 42\n' },
    says: 'src/util/mute.ts:4: answer is exported',
  },
  {
    name: 'nothing is marked as undone',
    rule: code.undoneMarks,
    broken: { path: 'docs/plan.md', text: `\nfirst\nT${'O'}DO: more\n` },
    says: 'docs/plan.md:3: ',
  },
  {
    name: 'every test runs',
    rule: code.testsNotRun,
    broken: { path: 'test/unit/a.test.ts', text: `test('a')\n  it.o${'nly'}('b')\n` },
    says: 'test/unit/a.test.ts:2: ',
  },
  {
    name: 'links lead somewhere',
    rule: documents.brokenLinks,
    broken: { path: 'docs/links.md', text: '# Title\n[a](#title) `[b](none.md)`\n[c](none.md)\n' },
    says: 'docs/links.md:3: none.md: there is no such file',
  },
  {
    name: 'links to headings lead somewhere',
    rule: documents.brokenLinks,
    broken: { path: 'docs/links.md', text: '# A `title`, long\n[a](#a-title-long)\n[b](#title)\n' },
    says: 'docs/links.md:3: #title: there is no such heading',
  },
  {
    name: 'nothing names a place of one machine',
    rule: documents.placesOfOneMachine,
    broken: { path: 'docs/places.md', text: `see\n\`/w${'ork'}/varve\`\n` },
    says: 'docs/places.md:2: ',
  },
  {
    name: 'lock files hold no addresses',
    rule: documents.placesOfOneMachine,
    broken: { path: 'package-lock.json', text: '{\n "resolved": "https://example.org/a.tgz"\n}' },
    says: 'package-lock.json:2: ',
  },
  {
    name: 'dependencies are pinned',
    rule: documents.versionRanges,
    broken: { path: 'bench/peers/package.json', text: '{ "dependencies": { "a": "1.2.3", "b": "^1.2.3" } }' },
    says: 'bench/peers/package.json: b ^1.2.3',
  },
]

describe('tidy', () => {
  describe.each(cases)('$name', ({ rule, broken, says }) => {
    test('the rule sees a breach', () => {
      const problems = rule(Array.isArray(broken) ? broken : [broken as TreeFile])
      expect(problems).toHaveLength(1)
      expect(problems[0]).toContain(says)
    })

    test('the repository keeps it', () => {
      expect(rule(files)).toEqual([])
    })
  })

  describe('every option is documented with unit, default and range', () => {
    const options = { path: 'options.ts', text: 'interface StoreOptions {\n  a?: 1\n  b?: 2\n}' }
    const readme =
      '## Options\n\n| Option | Unit | Default | Range | Why |\n|---|---|---|---|---|\n| `a` | bytes | 1 | 1 to 2 | because |\n'

    test('the rule sees a missing row, a needless row and an empty cell', () => {
      expect(documents.undocumentedOptions({ path: 'README.md', text: readme }, options)).toEqual([
        'options.ts:3: b has no row in the options table of README.md',
      ])
      const filled = `${readme}| \`b\` | | 2 | 2 | why |\n| \`c\` | x | x | x | x |\n`
      expect(documents.undocumentedOptions({ path: 'README.md', text: filled }, options)).toEqual([
        'README.md: the row of b has an empty or missing cell',
        'README.md: the options table has a row for c, which is no option',
      ])
    })

    test('the README has a row for each', () => {
      expect(documents.undocumentedOptions(byPath.get('README.md')!, byPath.get('src/store/options.ts')!)).toEqual([])
    })
  })
})
