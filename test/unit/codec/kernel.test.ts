import { createHash } from 'node:crypto'
import { readFileSync, readdirSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import {
  endLoan,
  KERNEL_SLACK,
  KERNEL_START,
  compressedLengthMax,
  lendMemory,
  kernelWith,
  sharedKernel,
} from '../../../src/codec/kernel.js'
import { KERNEL_PROGRAM } from '../../../src/codec/kernel_program.js'

const ASSEMBLY = new URL('../../../kernel/assembly/', import.meta.url)

interface Global {
  readonly value: number
}

test('the program was compiled from the sources beside it', () => {
  const hash = createHash('sha256')
  for (const name of readdirSync(ASSEMBLY).sort()) hash.update(`${name}\n`).update(readFileSync(new URL(name, ASSEMBLY)))
  const program = readFileSync(new URL('../../../src/codec/kernel_program.ts', import.meta.url), 'utf8')
  expect(program).toContain(hash.digest('hex'))
})

test('places are as large as the program takes them to be', () => {
  const { WebAssembly } = globalThis as unknown as {
    WebAssembly: { Module: new (bytes: Buffer) => object; Instance: new (module: object) => { exports: Record<string, Global> } }
  }
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(Buffer.from(KERNEL_PROGRAM, 'base64')))
  expect(exports['SLACK_BYTES']!.value).toBe(KERNEL_SLACK)
  expect(exports['COMPRESS_TABLE_BYTES']!.value).toBe(KERNEL_START)
})

describe('its memory', () => {
  test('of the shared kernel stays below its limit, whatever is asked for', () => {
    expect(kernelWith(1000)).toBe(sharedKernel())
    expect(kernelWith(4 * 1024 * 1024 - KERNEL_START)).toBe(sharedKernel())
    const large = kernelWith(4 * 1024 * 1024 - KERNEL_START + 1)
    expect(large === sharedKernel()).toBe(false)
    expect(large.memory.length).toBeGreaterThan(4 * 1024 * 1024)
    expect(sharedKernel()!.memory.length).toBe(4 * 1024 * 1024)
    expect(lendMemory(1024, 5 * 1024 * 1024)).toBeUndefined()
  })

  test('holds a frame and the block behind it', () => {
    const memory = lendMemory(3_000_000, 1_000_000)!
    expect(sharedKernel()).toBeUndefined()
    const other = kernelWith(1000)
    expect(other.memory === memory).toBe(false)
    expect(lendMemory(1, 1)).toBeUndefined()
    endLoan()
    expect(memory).toBe(sharedKernel()!.memory)
    expect(memory.length).toBeGreaterThanOrEqual(KERNEL_START + 4_000_000 + 2 * KERNEL_SLACK)
  })

  test('is wide enough for what does not compress', () => {
    for (const length of [0, 1, 14, 15, 16, 60, 61, 300, 65_536, 65_537, 200_000]) {
      const kernel = kernelWith(length + compressedLengthMax(length) + 2 * KERNEL_SLACK)
      for (let i = 0; i < length; i++) kernel.memory[KERNEL_START + i] = Math.imul(i + 1, 0x9e3779b1) >>> 24
      const target = KERNEL_START + length + KERNEL_SLACK
      const end = kernel.compress(KERNEL_START, KERNEL_START + length, target)
      expect(end - target).toBeLessThanOrEqual(compressedLengthMax(length))
    }
  })
})
