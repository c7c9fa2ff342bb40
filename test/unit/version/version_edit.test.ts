/** The bytes of version edits: what reads back, what is refused. */
import { describe, expect, test } from 'vitest'
import { KEY_BYTES_MAX } from '../../../src/codec/internal_key.js'
import { StoreError } from '../../../src/util/errors.js'
import { Random } from '../../../src/util/random.js'
import { decodeEdit, encodeEdit, type VersionEdit } from '../../../src/version/version_edit.js'
import { bytes, edit, failure, table, testSeed } from './fixture.js'

function decode(source: Buffer): VersionEdit {
  return decodeEdit(source, 0, source.length, '/store/MANIFEST-000001', 48)
}

const full: VersionEdit = {
  logNumber: 12,
  nextFileNumber: 2 ** 40,
  lastSequence: Number.MAX_SAFE_INTEGER,
  added: [
    { level: 0, table: table(7, '', 'z') },
    { level: 6, table: table(8, 'k', 'k'.repeat(300), { fileBytes: 2 ** 45 }) },
  ],
  removed: [
    { level: 3, fileNumber: 2 },
    { level: 3, fileNumber: 2 ** 50 },
  ],
  compactPointers: [
    { level: 1, key: bytes('m') },
    { level: 2, key: bytes('') },
  ],
}

describe('an edit', () => {
  test('reads back as it was written', () => {
    expect(decode(encodeEdit(full, 0))).toEqual(full)
    const empty = edit([])
    expect(decode(encodeEdit(empty, 0))).toEqual({ ...empty, compactPointers: [] })
  })

  test('may hold the longest keys', () => {
    const key = new Uint8Array(KEY_BYTES_MAX).fill(255)
    const { largestKey } = decode(encodeEdit(edit([{ level: 1, table: table(7, 'a', 'b', { largestKey: key }) }]), 0)).added[0]!.table
    expect(Buffer.compare(largestKey, key)).toBe(0)
  })

  test('leaves the room that was asked for', () => {
    const encoded = encodeEdit(edit([], [], { logNumber: 5 }), 20)
    expect(encoded.subarray(0, 20)).toEqual(Buffer.alloc(20))
    expect(decode(Buffer.from(encoded.subarray(20))).logNumber).toBe(5)
  })

  test('copies its keys: the record buffer may be used again', () => {
    const encoded = encodeEdit(edit([{ level: 1, table: table(7, 'abc', 'abd') }]), 0)
    const decoded = decode(encoded)
    encoded.fill(0)
    expect(decoded.added[0]!.table).toEqual(table(7, 'abc', 'abd'))
    expect(decoded.added[0]!.table.smallestKey.constructor).toBe(Uint8Array)
  })

  test('may be no edit but the mark of a clean close, which stands alone', () => {
    const mark = { added: [], removed: [], compactPointers: [], closedSequence: 2 ** 40 }
    expect(decode(encodeEdit(mark, 0))).toEqual(mark)
    expect(decode(encodeEdit(full, 0)).closedSequence).toBeUndefined()
    for (const other of [full, edit([], [], { logNumber: 5 }), edit([], [{ level: 1, fileNumber: 3 }])]) {
      const encoded = encodeEdit({ ...other, closedSequence: 7 }, 0)
      expect(failure(() => decode(encoded))).toMatchObject({ code: 'ERR_CORRUPTION', offset: 48 })
    }
  })

  test('may hold fields of hints that are not known, and they are skipped', () => {
    const hint = Buffer.from([100, 3, 1, 2, 3])
    expect(decode(Buffer.concat([hint, encodeEdit(full, 0), hint]))).toEqual(full)
  })
})

describe('refused is', () => {
  test('a field of a newer version', () => {
    for (const tag of [0, 7, 8, 63, 128, 300]) {
      const field = tag < 128 ? Buffer.from([tag, 0]) : Buffer.from([(tag & 0x7f) | 0x80, tag >> 7, 0])
      expect(failure(() => decode(field))).toMatchObject({ code: 'ERR_FORMAT_VERSION', path: '/store/MANIFEST-000001', offset: 48 })
    }
  })

  test.each([
    ['a field longer than the edit', [1, 9, 0, 0, 0, 0, 0, 0, 0, 0]],
    ['a number of the wrong length', [1, 7, 0, 0, 0, 0, 0, 0, 0]],
    ['a number over 2^53', [1, 8, 0, 0, 0, 0, 0, 0, 0x20, 0]],
    ['a number given twice', [1, 8, 1, 0, 0, 0, 0, 0, 0, 0, 1, 8, 1, 0, 0, 0, 0, 0, 0, 0]],
    ['a level over 6', [5, 9, 7, 1, 0, 0, 0, 0, 0, 0, 0]],
    ['a pointer without a level', [6, 0]],
    ['an added table without a body', [4, 0]],
    ['a tag without a length', [1]],
    ['a tag that does not end', [0xff, 0xff, 0xff, 0xff, 0xff]],
  ])('%s', (_, content) => {
    expect(failure(() => decode(Buffer.from(content)))).toMatchObject({ code: 'ERR_CORRUPTION', offset: 48 })
  })

  test.each([
    ['keys in the wrong order', { smallestKey: bytes('z') }],
    ['more deletions than entries', { deletionCount: 11 }],
    ['more keys than entries', { keyCount: 11 }],
    ['a tail behind the end', { tailOffset: 2000 }],
    ['sequences in the wrong order', { smallestSequence: 10_000 }],
    ['the file number 0', { fileNumber: 0 }],
    ['a key over the limit', { largestKey: new Uint8Array(KEY_BYTES_MAX + 1).fill(255) }],
  ])('a table with %s', (_, fields) => {
    const encoded = encodeEdit(edit([{ level: 1, table: table(7, 'a', 'b', fields) }]), 0)
    expect(failure(() => decode(encoded)).code).toBe('ERR_CORRUPTION')
  })

  test('anything random, by a typed error and without reading beyond it', () => {
    const seed = testSeed()
    const random = new Random(seed)
    const valid = encodeEdit({ ...full, added: [full.added[0]!] }, 0)
    for (let round = 0; round < 20_000; round++) {
      const source = Buffer.from(valid.subarray(0, random.chance(0.5) ? valid.length : random.below(valid.length + 1)))
      for (let i = random.below(4); i > 0 && source.length > 0; i--) source[random.below(source.length)] = random.below(256)
      try {
        decode(source)
      } catch (error) {
        if (!(error instanceof StoreError)) throw new Error(`VARVE_SEED=${seed} round ${round}`, { cause: error })
      }
    }
  })
})
