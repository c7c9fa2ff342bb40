/** The examples of `docs/values.md` against the code. */
import { readFileSync } from 'node:fs'
import { runInThisContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { KEY_BYTES_MAX, VALUE_BYTES_MAX } from '../../../src/codec/internal_key.js'
import { RECORD_DEPTH_MAX } from '../../../src/codec/record_writer.js'
import { type Value, decodeValue, valueByteLengthMax, valueTypeName, writeValue } from '../../../src/codec/value.js'
import { isSame } from './same.js'

const page = readFileSync(new URL('../../../docs/values.md', import.meta.url), 'utf8')
const examples = [...page.matchAll(/^\| `(.+)` \| `((?:[0-9a-f]{2} ?)+)` \|$/gm)].map((row) => [row[1]!, row[2]!] as const)
const types = [...page.matchAll(/^\| `([0-9a-f]{2})` \| (\w+) \| .* \| .* \| .* \|$/gm)].map((row) => [row[1]!, row[2]!] as const)

test('the page has its tables', () => {
  expect(examples.length).toBeGreaterThan(20)
  expect(types).toHaveLength(6)
})

describe.each(examples)('the example %s', (expression, hex) => {
  const value = runInThisContext(`(${expression})`) as Value
  const bytes = Buffer.from(hex.replaceAll(' ', ''), 'hex')

  test('is written as the page says', () => {
    const target = Buffer.alloc(valueByteLengthMax(value))
    expect(target.toString('hex', 0, writeValue(target, 0, value))).toBe(bytes.toString('hex'))
  })

  test('is read as the page says', () => {
    expect(isSame(decodeValue(bytes, 0, bytes.length), value)).toBe(true)
  })
})

test.each(types)('tag %s is %s', (tag, name) => {
  expect(valueTypeName(Buffer.from(tag, 'hex'), 0)).toBe(name)
})

test('the limits are those of the code', () => {
  expect(page).toContain(`${VALUE_BYTES_MAX.toLocaleString('en-US')} bytes (64 MiB)`)
  expect(page).toContain(`${KEY_BYTES_MAX.toLocaleString('en-US')} bytes long`)
  expect(page).toContain(`nested up to ${RECORD_DEPTH_MAX} deep`)
})
