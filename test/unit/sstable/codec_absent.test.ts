/** Tables on a machine where an optional codec package is not installed. */
import { afterEach, describe, expect, test, vi } from 'vitest'
import * as compression from '../../../src/codec/compression.js'
import { StoreError } from '../../../src/util/errors.js'
import { BLOCKING, allForward, buildTable, getFrom, openTable, put } from './fixture.js'

const absent = vi.hoisted(() => ({ isAbsent: false }))

vi.mock('../../../src/codec/compression.js', async (importActual) => {
  const actual = await importActual<typeof compression>()
  return {
    ...actual,
    codecForWriting: (name: compression.CompressionName) => (absent.isAbsent ? undefined : actual.codecForWriting(name)),
    codecById: (id: number) => {
      if (absent.isAbsent) throw new StoreError('ERR_CODEC_UNAVAILABLE', 'install the package snappy')
      return actual.codecById(id)
    },
  }
})

const entries = Array.from({ length: 50 }, (_, i) => put(`key${100 + i}`, 1, 'value '.repeat(10)))

describe('without a codec', () => {
  afterEach(() => {
    absent.isAbsent = false
  })

  test('blocks are written raw, and can be read with it', () => {
    absent.isAbsent = true
    const table = buildTable(entries, { codec: 'snappy' })
    expect(allForward(openTable(table).iterator(BLOCKING))).toEqual(entries)
    absent.isAbsent = false
    expect(allForward(openTable(table).iterator(BLOCKING))).toEqual(entries)
  })

  test('a table that needs it opens, and says at the first block what is missing', () => {
    const table = buildTable(entries, { codec: 'snappy' })
    absent.isAbsent = true
    const reader = openTable(table)
    expect(() => getFrom(reader, 'key110', 9)).toThrow(expect.objectContaining({ code: 'ERR_CODEC_UNAVAILABLE' }))
    expect(getFrom(reader, 'absent', 9)).toBeUndefined()
  })
})

test('a lack of memory is no damage', () => {
  const { vfs, path, meta } = buildTable(entries, { codec: 'snappy' })
  const codec = compression.codecById(compression.CODEC_SNAPPY)
  const decompress = vi.spyOn(codec, 'decompressInto').mockImplementation(() => {
    throw new RangeError('Array buffer allocation failed')
  })
  try {
    const reader = openTable({ vfs, path, meta })
    expect(() => getFrom(reader, 'key110', 9)).toThrow(
      expect.objectContaining({ code: 'ERR_CODEC_UNAVAILABLE', cause: expect.any(RangeError) as RangeError }),
    )
  } finally {
    decompress.mockRestore()
  }
})
