/** Parts of documentation pages that programs write, so that no figure in them is typed by hand. */
import { readFileSync, writeFileSync } from 'node:fs'

/**
 * Replaces what stands between the marks `<!-- NAME: … -->` and `<!-- /NAME -->` of a page.
 *
 * @throws Error when the page has no such marks
 */
export function writePart(path: string, name: string, text: string): void {
  const page = readFileSync(path, 'utf8')
  const begin = page.indexOf(`<!-- ${name}: `)
  const start = page.indexOf('-->', begin) + '-->'.length
  const end = page.indexOf(`<!-- /${name} -->`)
  if (begin < 0 || end < start) throw new Error(`${path} has no place for this: <!-- ${name}: … --> and <!-- /${name} -->`)
  writeFileSync(path, `${page.slice(0, start)}\n\n${text}\n\n${page.slice(end)}`)
}
