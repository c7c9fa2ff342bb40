/**
 * Decoders against bytes that fit their checksum and mean nothing: what a bug in a writer, or malice, could produce. They must end,
 * within the memory that the input itself takes, in an error of the store or in something that can be used without reading out of bounds.
 */
import { describe, expect, test } from 'vitest'
import { BlockIndex, BlockIndexBuilder } from '../../../src/sstable/block_index.js'
import { BloomFilter, BloomFilterBuilder } from '../../../src/sstable/bloom_filter.js'
import { BlockCursor } from '../../../src/sstable/block_cursor.js'
import { entryCountOf, findStructuralDefect, findVersion, lowerBound } from '../../../src/sstable/data_block.js'
import { DataBlockBuilder } from '../../../src/sstable/data_block_builder.js'
import { decodeProperties, encodeProperties, type TableProperties } from '../../../src/sstable/properties.js'
import { StoreError } from '../../../src/util/errors.js'
import { Random } from '../../../src/util/random.js'
import { runTaskSync } from '../../../src/util/task.js'
import { bytes, testSeed } from './fixture.js'

const properties: TableProperties = {
  entryCount: 5,
  deletionCount: 1,
  keyCount: 4,
  rawKeyBytes: 20,
  rawValueBytes: 30,
  smallestSequence: 1,
  largestSequence: 9,
  blockCount: 2,
  rawBlockBytesMax: 4000,
  smallestKey: new Uint8Array([1]),
  largestKey: new Uint8Array([2, 3]),
}

function indexPayload(): Buffer {
  const builder = new BlockIndexBuilder()
  for (const key of ['prefix-a', 'prefix-b', 'prefix-bb', 'prefix-c']) builder.add(bytes(key), key === 'prefix-b' ? 7 : 0, 50)
  return builder.finish()
}

function filterPayload(): Buffer {
  const builder = new BloomFilterBuilder(0.1)
  for (let i = 0; i < 200; i++) builder.add(Math.imul(i, 0x9e3779b1) >>> 0)
  const { buffer, length } = runTaskSync(builder.finish(0))
  return buffer.subarray(0, length)
}

function blockPayload(): Buffer {
  const builder = new DataBlockBuilder(64)
  for (let i = 0; i < 12; i++) builder.add(bytes(`key${10 + i}value`), 0, 5, i + 1, 1, 5, 10)
  const length = builder.finish(0)
  return Buffer.from(builder.buffer.subarray(0, length))
}

/** The payload with some bytes changed, cut off, repeated or inserted. */
function mutated(payload: Buffer, random: Random): Buffer {
  let result = Buffer.from(payload)
  for (let changes = random.between(1, 4); changes > 0; changes--) {
    const at = random.below(result.length + 1)
    const what = random.below(5)
    if (what === 0) result = Buffer.from(result.subarray(0, at))
    else if (what === 1) result = Buffer.concat([result.subarray(0, at), Buffer.from([random.below(256)]), result.subarray(at)])
    else if (at < result.length) result[at] = random.pick([0, 1, 2, 4, 0x7f, 0x80, 0xff, random.below(256)])
  }
  return result
}

const targets = ['', 'key', 'key15', 'prefix-b', 'prefix-bz', 'zzz', '\xff'.repeat(20)].map(bytes)

const decoders: Record<string, { payload: Buffer; decode: (payload: Buffer) => void }> = {
  properties: {
    payload: encodeProperties(properties),
    decode(payload) {
      const { smallestKey, largestKey } = decodeProperties(payload, 'a.sst', 0)
      expect(smallestKey.length + largestKey.length).toBeLessThanOrEqual(payload.length)
    },
  },
  index: {
    payload: indexPayload(),
    decode(payload) {
      const index = new BlockIndex(payload, 200, 'a.sst', 0)
      expect(index.heldBytes).toBeLessThan(30 * payload.length + 1000)
      for (const key of targets) {
        const found = index.find(key, 0, key.length, 5)
        expect(found >= 0 && found <= index.count).toBe(true)
      }
    },
  },
  filter: {
    payload: filterPayload(),
    decode(payload) {
      const filter = new BloomFilter(payload, 'a.sst', 0)
      for (let i = 0; i < 100; i++) expect(typeof filter.mayContain(Math.imul(i, 0x85ebca6b) >>> 0)).toBe('boolean')
    },
  },
  'data block': {
    payload: blockPayload(),
    decode(payload) {
      const defect = findStructuralDefect(payload)
      if (defect !== undefined) throw new StoreError('ERR_CORRUPTION', defect)
      const cursor = new BlockCursor()
      for (let i = 0; i < entryCountOf(payload); i++) {
        cursor.enter(payload, i)
        expect(0 < cursor.keyStart && cursor.keyStart <= cursor.keyEnd).toBe(true)
        expect(cursor.keyEnd + 8 === cursor.valueStart && cursor.valueStart <= cursor.valueEnd).toBe(true)
        expect(cursor.valueEnd < payload.length).toBe(true)
      }
      for (let round = 0; round < 3; round++) {
        for (const key of targets) {
          expect(lowerBound(payload, key, 0, key.length, 5, 0)).toBeLessThanOrEqual(entryCountOf(payload))
          expect(findVersion(payload, key, 0, key.length, 12_345, 5)).toBeLessThan(entryCountOf(payload))
        }
      }
    },
  },
}

describe('decoders', () => {
  const seed = testSeed()
  for (const [name, { payload, decode }] of Object.entries(decoders)) {
    test(`of ${name} survive anything: VARVE_SEED=${seed}`, () => {
      decode(Buffer.from(payload))
      const random = new Random(seed)
      let refused = 0
      for (let i = 0; i < 4000; i++) {
        const input = mutated(payload, random)
        try {
          decode(input)
        } catch (error) {
          if (!(error instanceof StoreError)) throw new Error(`input ${input.toString('hex')}`, { cause: error })
          expect(['ERR_CORRUPTION', 'ERR_FORMAT_VERSION']).toContain(error.code)
          refused++
        }
      }
      expect(refused).toBeGreaterThan(100)
    })
  }

  test('of properties keep what was written', () => {
    expect(decodeProperties(encodeProperties(properties), 'a.sst', 0)).toEqual(properties)
  })

  test('of properties pass over what may be passed over, and refuse what must be understood', () => {
    const payload = encodeProperties(properties)
    const added = (id: number): Buffer => Buffer.concat([payload, Buffer.from([id, 2, 77, 77])])
    expect(decodeProperties(added(128), 'a.sst', 0)).toEqual(properties)
    expect(() => decodeProperties(added(127), 'a.sst', 0)).toThrow(expect.objectContaining({ code: 'ERR_FORMAT_VERSION' }))
    expect(() => decodeProperties(added(12), 'a.sst', 0)).toThrow('property 12')
    expect(() => decodeProperties(added(11), 'a.sst', 0)).toThrow('stands after')
  })
})
