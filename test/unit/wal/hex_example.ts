/**
 * Reads worked examples out of the pages in `docs/`: code blocks that open with three backticks, `hex` and a name, and whose lines are an
 * offset, a colon, bytes in hexadecimal, and perhaps `|` with an explanation.
 */
import { readFileSync } from 'node:fs'

/** The bytes of the example `name` of a page. Offsets that do not add up are an error. */
export function hexExample(page: string, name: string): Buffer {
  const text = readFileSync(new URL(`../../../docs/${page}`, import.meta.url), 'utf8')
  const block = new RegExp(`^\`\`\`hex ${name}\n(.*?)^\`\`\``, 'ms').exec(text)?.[1]
  if (block === undefined) throw new Error(`${page} has no example ${name}`)
  const parts: Buffer[] = []
  let length = 0
  for (const line of block.trimEnd().split('\n')) {
    const [, offset, digits] = /^([0-9a-f]+):((?: [0-9a-f]{2})+)\s*(?:\|.*)?$/.exec(line) ?? []
    if (offset === undefined || digits === undefined) throw new Error(`${page}: not a line of an example: ${line}`)
    if (Number.parseInt(offset, 16) !== length) throw new Error(`${page}: the line at ${offset} should be at ${length.toString(16)}`)
    const bytes = Buffer.from(digits.replaceAll(' ', ''), 'hex')
    parts.push(bytes)
    length += bytes.length
  }
  return Buffer.concat(parts)
}
