/** Tables of Markdown, and how names and numbers stand in them. */
import { ENGINES } from '../engines/engine.js'

/** Cells are filled up to this width. */
const WIDTH_MAX = 60

/** What an engine is called in tables. */
export function titleOf(engine: string): string {
  return ENGINES.get(engine)?.title ?? engine
}

/** A ratio, with two digits that mean something. */
export function times(ratio: number): string {
  const digits = ratio >= 0.1 ? ratio.toFixed(2) : ratio.toPrecision(2)
  return `${ratio >= 10 ? ratio.toFixed(0) : digits} ×`
}

/** Rows as a table; the first row is the head. Columns of numbers stand to the right. */
export function table(rows: readonly (readonly string[])[]): string {
  // Long words would push all others out of sight in an editor.
  const widths = rows[0]!.map((_, column) => Math.min(WIDTH_MAX, Math.max(3, ...rows.map((row) => row[column]!.length))))
  const isText = widths.map((_, column) => rows.slice(1).some((row) => !/^[\d.,/±% ]*×?$/.test(row[column]!)))
  const pad = (text: string, column: number): string => (isText[column]! ? text.padEnd(widths[column]!) : text.padStart(widths[column]!))
  const line = (row: readonly string[]): string => `| ${row.map(pad).join(' | ')} |`
  const rule = `|${widths.map((width, column) => (isText[column]! ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`
  return [line(rows[0]!), rule, ...rows.slice(1).map(line)].join('\n')
}
