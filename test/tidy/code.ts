/** Rules on single files of code: how long, how wide, how documented, and what must not be in them. */
import ts from 'typescript'
import { isCode, isTypeScriptOf, matchingLines, parse, place, type TreeFile, walk } from './tree.js'

/** Most lines of a file; tests may be longer because a table of cases is easy to read. */
export const FILE_LINES_MAX = { code: 500, test: 800 }
/** Most lines of a function, its own comment not counted. */
export const FUNCTION_LINES_MAX = 70
/** Most characters of a line of code. */
export const LINE_WIDTH_MAX = 140

/** Folders whose functions are measured; a test's `describe` is a function in form only. */
const MEASURED = ['src', 'bench', 'examples']

/** Files with too many lines. */
export function longFiles(files: readonly TreeFile[]): string[] {
  const problems: string[] = []
  for (const file of files.filter(isCode)) {
    const limit = file.path.startsWith('test/') ? FILE_LINES_MAX.test : FILE_LINES_MAX.code
    const lines = file.text.split('\n').length - 1
    if (lines > limit) problems.push(`${file.path}:${limit + 1}: ${lines} lines, at most ${limit}`)
  }
  return problems
}

/** Functions with too many lines. */
export function longFunctions(files: readonly TreeFile[]): string[] {
  const problems: string[] = []
  for (const file of files.filter((each) => isTypeScriptOf(each, ...MEASURED))) {
    const tree = parse(file)
    walk(tree, (node) => {
      if (!ts.isFunctionLike(node) || !('body' in node) || node.body === undefined) return
      const first = tree.getLineAndCharacterOfPosition(node.getStart(tree)).line
      const lines = tree.getLineAndCharacterOfPosition(node.end).line - first + 1
      if (lines <= FUNCTION_LINES_MAX) return
      problems.push(
        `${file.path}:${first + 1}: ${node.name?.getText(tree) ?? 'a function'} has ${lines} lines, at most ${FUNCTION_LINES_MAX}`,
      )
    })
  }
  return problems
}

/** Lines of code that are too wide. Rows of tables in comments may be: they cannot be broken. */
export function wideLines(files: readonly TreeFile[]): string[] {
  const pattern = new RegExp(`^(?! *\\* \\|).{${LINE_WIDTH_MAX + 1},}$`, 'u')
  return files.filter(isCode).flatMap((file) => matchingLines(file, pattern, `a line is at most ${LINE_WIDTH_MAX} characters wide`))
}

/** The type `any` in the library. */
export function anyTypes(files: readonly TreeFile[]): string[] {
  const problems: string[] = []
  for (const file of files.filter((each) => isTypeScriptOf(each, 'src'))) {
    walk(parse(file), (node) => {
      if (node.kind === ts.SyntaxKind.AnyKeyword) problems.push(`${place(file, node)}: no any: use unknown and narrow it`)
    })
  }
  return problems
}

/** Printing from the library; only the command line tool may. */
export function consoleUses(files: readonly TreeFile[]): string[] {
  const problems: string[] = []
  for (const file of files.filter((each) => isTypeScriptOf(each, 'src') && !each.path.startsWith('src/cli/'))) {
    walk(parse(file), (node) => {
      if (ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression) && node.expression.text === 'console') {
        problems.push(`${place(file, node)}: the library does not print: emit an event`)
      }
    })
  }
  return problems
}

/** Files of the library that do not open with a comment. */
export function filesWithoutHead(files: readonly TreeFile[]): string[] {
  return files
    .filter((file) => isTypeScriptOf(file, 'src', 'bench', 'examples') && !/^(#!.*\n)?\/[*/]/.test(file.text))
    .map((file) => `${file.path}:1: a file opens with a comment that says what it is for`)
}

/** Exported symbols of the library without a docstring. Constants on adjacent lines share the one above the first. */
export function undocumentedExports(files: readonly TreeFile[]): string[] {
  const problems: string[] = []
  for (const file of files.filter((each) => isTypeScriptOf(each, 'src'))) {
    const seen = new Set<string>()
    let previous: ts.Statement | undefined
    for (const statement of parse(file).statements) {
      if (!isExportedDeclaration(statement)) continue
      const name = nameOf(statement)
      // The comment that opens the file speaks of the file, though the parser hands it to the first statement.
      const documented = ts.getJSDocCommentsAndTags(statement).some((comment) => comment.pos > 0 || !isApart(file, comment))
      // The first overload speaks for all, and a class for the interface merged with it.
      if (!documented && !seen.has(name) && !isGrouped(file, previous, statement)) {
        problems.push(`${place(file, statement)}: ${name} is exported and has no docstring`)
      }
      seen.add(name)
      previous = statement
    }
  }
  return problems
}

/** Whether the constant stands right below another exported one. */
function isGrouped(file: TreeFile, previous: ts.Statement | undefined, statement: ts.Statement): boolean {
  if (previous === undefined || !ts.isVariableStatement(previous) || !ts.isVariableStatement(statement)) return false
  return /^[ \t]*\n[ \t]*$/.test(file.text.slice(previous.end, statement.getStart()))
}

/** Whether a blank line follows the comment. */
function isApart(file: TreeFile, comment: ts.Node): boolean {
  return /^[ \t]*\r?\n[ \t]*\r?\n/.test(file.text.slice(comment.end))
}

function isExportedDeclaration(statement: ts.Statement): boolean {
  const isDeclaration =
    ts.isFunctionDeclaration(statement) ||
    ts.isClassDeclaration(statement) ||
    ts.isInterfaceDeclaration(statement) ||
    ts.isTypeAliasDeclaration(statement) ||
    ts.isVariableStatement(statement)
  return isDeclaration && (ts.getModifiers(statement) ?? []).some((modifier) => modifier.kind === ts.SyntaxKind.ExportKeyword)
}

function nameOf(statement: ts.Statement): string {
  if (ts.isVariableStatement(statement)) return statement.declarationList.declarations.map((each) => each.name.getText()).join(', ')
  return (statement as ts.DeclarationStatement).name?.getText() ?? 'the default export'
}

/** Marks of work left undone. The brackets keep this line from holding them. */
const UNDONE = /\b(T[O]DO|F[I]XME|X[X]X|H[A]CK)\b/

/** Marks of work left undone. */
export function undoneMarks(files: readonly TreeFile[]): string[] {
  const written = files.filter((file) => isCode(file) || file.path.endsWith('.md'))
  return written.flatMap((file) => matchingLines(file, UNDONE, '{} is no way to keep a plan: do it, or file it'))
}

/** Switches that keep a test from running, or all others. */
const NOT_RUN = /\b((it|test|describe)\.(s[k]ip|o[n]ly|t[o]do)\b|x(it|test|describe)\()/

/** Tests that are written but do not run. */
export function testsNotRun(files: readonly TreeFile[]): string[] {
  return files.filter((file) => isTypeScriptOf(file, 'test')).flatMap((file) => matchingLines(file, NOT_RUN, '{}: every test runs'))
}
