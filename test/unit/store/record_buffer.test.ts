/** Records of operations: what they hold is what a reader of logs finds in them, whatever way it came in. */
import { expect, test } from 'vitest'
import { KIND_DELETE, KIND_PUT } from '../../../src/codec/internal_key.js'
import { decodeValue, type Value } from '../../../src/codec/value.js'
import { RecordBuffer } from '../../../src/store/record_buffer.js'
import { OperationReader } from '../../../src/wal/operations.js'

type Operation = [kind: number, key: string, value?: Value]

function operationsOf(record: RecordBuffer): Operation[] {
  const reader = new OperationReader()
  reader.reset(record.buffer, record.operationsStart, record.end)
  const operations: Operation[] = []
  while (reader.next()) {
    const key = record.buffer.toString('utf8', reader.keyStart, reader.keyEnd)
    if (reader.kind === KIND_DELETE) operations.push([KIND_DELETE, key])
    else operations.push([KIND_PUT, key, decodeValue(record.buffer, reader.valueStart, reader.valueEnd)])
  }
  expect(reader.isAtEnd).toBe(true)
  expect(operations.length).toBe(record.operationCount)
  return operations
}

/** Whether the words of a record are its bytes. */
function expectWords({ buffer, words }: RecordBuffer): void {
  expect(words.buffer === buffer.buffer && words.byteOffset === buffer.byteOffset && words.byteLength === buffer.length).toBe(true)
}

test('keys of every length about the limits of the short form, of one to four bytes a character', () => {
  const record = new RecordBuffer()
  const expected: Operation[] = []
  for (const character of ['a', 'é', '€', '🌍']) {
    for (const length of [0, 1, 10, 21, 41, 42, 43, 64, 65, 127, 128, 300]) {
      const key = character.repeat(length)
      record.put(key, length)
      record.delete(key)
      record.put(Buffer.from(key), key)
      expected.push([KIND_PUT, key, length], [KIND_DELETE, key], [KIND_PUT, key, key])
    }
  }
  expect(operationsOf(record)).toEqual(expected)
  expectWords(record)
})

test('a refused key leaves the record as it was', () => {
  const record = new RecordBuffer()
  record.put('a', 1)
  for (const key of ['\ud800', `${'x'.repeat(41)}\udfff`, 'x'.repeat(65_536), 1 as unknown as string]) {
    expect(() => record.put(key, 2)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_KEY' }))
    expect(() => record.delete(key)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_KEY' }))
  }
  record.delete('b')
  expect(operationsOf(record)).toEqual([
    [KIND_PUT, 'a', 1],
    [KIND_DELETE, 'b'],
  ])
})

test('taking another record empties it, whether this one is empty or not, and shares no memory with it', () => {
  const target = new RecordBuffer()
  const source = new RecordBuffer()
  const expected: Operation[] = []
  let arenaBytes = 0
  for (const [round, count] of [3, 500, 2, 0, 40].entries()) {
    for (let i = 0; i < count; i++) {
      source.put(`key ${round} ${i}`, 'v'.repeat(i))
      expected.push([KIND_PUT, `key ${round} ${i}`, 'v'.repeat(i)])
    }
    arenaBytes += source.arenaBytes
    target.take(source)
    expect([source.operationCount, source.operationBytes, source.arenaBytes]).toEqual([0, 0, 0])
    expectWords(source)
    source.put('overwrites what came before', 'x'.repeat(20_000))
    source.reset()
  }
  expect(target.arenaBytes).toBe(arenaBytes)
  expect(operationsOf(target)).toEqual(expected)
  expectWords(target)
})

test('absorbing copies short and long operations alike, and leaves the other record as it is', () => {
  const target = new RecordBuffer()
  const expected: Operation[] = []
  for (const bytes of [0, 1, 100, 220, 225, 226, 227, 228, 229, 230, 300, 20_000]) {
    const source = new RecordBuffer()
    source.put('key', 'v'.repeat(bytes))
    target.absorb(source)
    expected.push([KIND_PUT, 'key', 'v'.repeat(bytes)])
    expect(operationsOf(source)).toEqual([[KIND_PUT, 'key', 'v'.repeat(bytes)]])
  }
  expect(operationsOf(target)).toEqual(expected)
})

test('growing to any length leaves whole words', () => {
  const record = new RecordBuffer()
  for (const bytes of [40_001, 100_002, 1_000_003]) {
    record.put('k', Buffer.alloc(bytes, 7))
    expectWords(record)
  }
  expect(operationsOf(record).map(([, , value]) => (value as Uint8Array).length)).toEqual([40_001, 100_002, 1_000_003])
})
