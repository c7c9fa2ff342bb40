/** Rules on documents and on what must never be committed: links, the options table, places of one machine, download addresses. */
import { existsSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import ts from 'typescript'
import { matchingLines, parse, repositoryRoot, type TreeFile } from './tree.js'

/** The anchor that a heading gets on the usual code hosts: lower case, punctuation dropped, blanks to hyphens. */
function anchorOf(heading: string): string {
  const text = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').replace(/[`*]/g, '')
  return text
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replace(/\s/g, '-')
}

/** Lines of a Markdown text with those of code blocks emptied and code spans removed, so that numbers of lines stay. */
function proseLines(text: string): string[] {
  let fence = ''
  return text.split('\n').map((line) => {
    const mark = /^\s*(```+|~~~+)/.exec(line)?.[1]
    if (fence !== '') {
      if (mark?.startsWith(fence) === true) fence = ''
      return ''
    }
    if (mark === undefined) return line
    fence = mark
    return ''
  })
}

function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>()
  for (const line of proseLines(text)) {
    const heading = /^#{1,6}\s+(.*?)\s*#*$/.exec(line)?.[1]
    if (heading !== undefined) {
      const base = anchorOf(heading)
      let anchor = base
      for (let count = 1; anchors.has(anchor); count++) anchor = `${base}-${count}`
      anchors.add(anchor)
    }
    for (const [, id] of line.matchAll(/<a\s+(?:id|name)="([^"]+)"/g)) anchors.add(id!)
  }
  return anchors
}

/** Relative links to files or headings that are not there. */
export function brokenLinks(files: readonly TreeFile[]): string[] {
  const problems: string[] = []
  for (const file of files.filter((each) => each.path.endsWith('.md'))) {
    for (const [index, line] of proseLines(file.text).entries()) {
      const prose = line.replace(/`[^`]*`/g, (span) => ' '.repeat(span.length))
      for (const [, link] of prose.matchAll(/\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)/g)) {
        const reason = reasonAgainst(file, link!)
        if (reason !== undefined) problems.push(`${file.path}:${index + 1}: ${link}: ${reason}`)
      }
    }
  }
  return problems
}

function reasonAgainst(file: TreeFile, link: string): string | undefined {
  if (/^[a-z][a-z+.-]*:/i.test(link)) return undefined
  const [path = '', anchor] = link.split('#')
  const target = path === '' ? file.path : posix.join(posix.dirname(file.path), decodeURIComponent(path))
  const full = join(repositoryRoot, target)
  if (path !== '' && !existsSync(full)) return 'there is no such file'
  if (anchor === undefined || !target.endsWith('.md')) return undefined
  const text = path === '' ? file.text : readFileSync(full, 'utf8')
  return anchorsOf(text).has(anchor) ? undefined : 'there is no such heading'
}

/** A Markdown table under a heading: the names of its columns and its rows, cells trimmed. */
function tableUnder(file: TreeFile, heading: RegExp): { columns: string[]; rows: string[][] } {
  const lines = file.text.split('\n')
  const start = lines.findIndex((line) => line.startsWith('#') && heading.test(line))
  const cells = (line: string): string[] =>
    line
      .trim()
      .replace(/^\||\|$/g, '')
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim())
  const section = start < 0 ? [] : lines.slice(start + 1)
  const end = section.findIndex((line) => /^#{1,2}\s/.test(line))
  const table = (end < 0 ? section : section.slice(0, end)).filter((line) => line.trim().startsWith('|'))
  return { columns: table.slice(0, 1).flatMap(cells), rows: table.slice(2).map(cells) }
}

const OPTION_COLUMNS = ['option', 'unit', 'default', 'range']

/** Options that the README's table lacks, rows that name no option, and rows with an empty unit, default or range. */
export function undocumentedOptions(readme: TreeFile, options: TreeFile): string[] {
  const { columns, rows } = tableUnder(readme, /options/i)
  const missing = OPTION_COLUMNS.filter((name) => !columns.some((column) => column.toLowerCase().startsWith(name)))
  if (missing.length > 0) return [`${readme.path}: the options table under a heading 'Options' lacks the columns ${missing.join(', ')}`]
  const members = optionMembers(options)
  const named = new Map(rows.map((row) => [row[0]!.replaceAll('`', ''), row]))
  const problems: string[] = []
  for (const [name, line] of members) {
    const row = named.get(name)
    if (row === undefined) problems.push(`${options.path}:${line}: ${name} has no row in the options table of ${readme.path}`)
    else if (row.length !== columns.length || row.includes(''))
      problems.push(`${readme.path}: the row of ${name} has an empty or missing cell`)
  }
  for (const name of named.keys()) {
    if (!members.has(name)) problems.push(`${readme.path}: the options table has a row for ${name}, which is no option`)
  }
  return problems
}

/** Members of `StoreOptions` with the line of each. */
function optionMembers(options: TreeFile): Map<string, number> {
  const tree = parse(options)
  const members = new Map<string, number>()
  for (const statement of tree.statements) {
    if (!ts.isInterfaceDeclaration(statement) || statement.name.text !== 'StoreOptions') continue
    for (const member of statement.members) {
      members.set(member.name!.getText(tree), tree.getLineAndCharacterOfPosition(member.getStart(tree)).line + 1)
    }
  }
  return members
}

/** Places that exist on one machine only. The brackets keep this line from holding them. */
const MACHINE_PATHS = /(?<![\w.~*-])\/(w[o]rk|f[a]rm|r[o]ot|home\/\w+)\//

/** Hosts that packages are downloaded from: nobody else's install may depend on ours. */
const REGISTRY_HOSTS = /\b(registry\.(n[p]mjs|n[p]mmirror|y[a]rnpkg)|deb\.d[e]bian\.org)\b/

/** Paths of one machine and addresses of registries, in any file. */
export function placesOfOneMachine(files: readonly TreeFile[]): string[] {
  return files.flatMap((file) => [
    ...matchingLines(file, MACHINE_PATHS, '{} is a path of one machine'),
    ...matchingLines(file, REGISTRY_HOSTS, '{} is the host of a registry'),
    ...(file.path.endsWith('package-lock.json') ? matchingLines(file, /"resolved": *"[a-z+]+:/, 'a lock file holds no addresses: {}') : []),
  ])
}

/** Dependencies whose version is a range. */
export function versionRanges(files: readonly TreeFile[]): string[] {
  const problems: string[] = []
  for (const file of files.filter((each) => posix.basename(each.path) === 'package.json')) {
    const manifest = JSON.parse(file.text) as Record<string, Record<string, string> | undefined>
    for (const group of ['dependencies', 'devDependencies', 'optionalDependencies']) {
      for (const [name, version] of Object.entries(manifest[group] ?? {})) {
        if (!/^(npm:(@?[\w./-]+)@)?\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))
          problems.push(`${file.path}: ${name} ${version}: pin one version`)
      }
    }
  }
  return problems
}
