/** Printing: headings, progress, tables, and numbers that people can read. */
import { Presets, SingleBar } from 'cli-progress'

/** Begins a part of the tour. */
export function heading(text: string): void {
  console.log(`\n── ${text} ${'─'.repeat(Math.max(3, 76 - text.length))}`)
}

/** Shows how far something is. */
export interface Progress {
  update(done: number): void
  stop(): void
}

/** A bar on a terminal; elsewhere, a line at every quarter. */
export function startProgress(total: number, unit: string): Progress {
  if (process.stdout.isTTY !== true) return startPlainProgress(total, unit)
  const bar = new SingleBar(
    { format: `{bar} {value} of {total} ${unit}`, stream: process.stdout, hideCursor: true },
    Presets.shades_classic,
  )
  bar.start(total, 0)
  return { update: (done) => bar.update(done), stop: () => bar.stop() }
}

function startPlainProgress(total: number, unit: string): Progress {
  let quarter = 0
  return {
    update(done) {
      const reached = Math.floor((done / total) * 4)
      if (reached > quarter) console.log(`${integer(done)} of ${integer(total)} ${unit}`)
      quarter = Math.max(quarter, reached)
    },
    stop() {},
  }
}

/** A table: the first column that holds text is on the left, numbers are on the right. */
export function printTable(columns: readonly string[], rows: readonly (readonly string[])[]): void {
  const all = [columns, ...rows]
  const widths = columns.map((_, column) => Math.max(...all.map((row) => row[column]!.length)))
  const isText = columns.map((_, column) => rows.some((row) => /^\p{L}/u.test(row[column]!)))
  for (const [index, row] of all.entries()) {
    const cells = row.map((cell, column) => (isText[column] ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
    console.log(`  ${cells.join('  ').trimEnd()}`)
    if (index === 0) console.log(`  ${widths.map((width) => '─'.repeat(width)).join('  ')}`)
  }
}

/** 1234567 as `1,234,567`. */
export function integer(number: number): string {
  return Math.round(number).toLocaleString('en')
}

/** Bytes with a unit. */
export function bytes(count: number): string {
  if (count < 1000) return `${count} B`
  return count < 1_000_000 ? `${(count / 1000).toFixed(1)} kB` : `${(count / 1_000_000).toFixed(1)} MB`
}

/** Seconds, or milliseconds where there are few. */
export function duration(seconds: number): string {
  return seconds < 1 ? `${(seconds * 1000).toFixed(1)} ms` : `${seconds.toFixed(2)} s`
}

/** So many a second. */
export function rate(count: number, seconds: number, unit = 'writes'): string {
  return `${integer(count / seconds)} ${unit} a second`
}
