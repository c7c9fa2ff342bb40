import { expect, test } from 'vitest'
import { codecForWriting } from '../../src/codec/compression.js'
import { damage } from './damage.js'
import { allocationOf } from './damage/allocation.js'
import { bitCount, flipCase, truncationCase } from './damage/flips.js'
import { type DamageCase, examineSalvage, examineSync } from './damage/examination.js'
import { fileCases } from './damage/files.js'
import { examineByRepairing } from './damage/repairing.js'
import { recordsOf } from './damage/log_oracle.js'
import { makeSpecimens } from './damage/specimen.js'
import { runRounds } from './rounds.js'

test('damage to any file is detected, harmless, or the loss of a tail that nothing called synced', async () => {
  const { counts, notes } = await runRounds(damage, 2)
  expect(counts.get('bit flips')).toBeGreaterThan(200)
  expect(notes.get('flips of table: detected')).toBe(notes.get('flips of table: tried'))
  expect(notes.get('flips of log: unseenTail') ?? 0).toBe(0)
})

test('the stores that are damaged have a file of every kind', async () => {
  const { killed, closed, unsynced } = await makeSpecimens()
  expect(new Set(killed.files.map(({ kind }) => kind))).toEqual(new Set(['CURRENT', 'manifest', 'table', 'log', 'lock', 'unused']))
  expect(killed.files.filter(({ kind }) => kind === 'table').length).toBe(3)
  const [sealed, live] = killed.files.filter(({ kind }) => kind === 'log').map(({ content }) => recordsOf(content))
  expect(sealed!.at(-1)!.operations, 'a seal').toBe(0)
  expect(live!.map(({ claim }) => claim > 0)).toEqual([false, false, true, true, true])
  expect(closed.files.some(({ kind }) => kind === 'lock')).toBe(false)
  expect(recordsOf(unsynced.files.findLast(({ kind }) => kind === 'log')!.content).every(({ claim }) => claim === 0)).toBe(true)
})

test('one flip in each byte of the last log is judged as its claims demand', async () => {
  const { killed } = await makeSpecimens()
  const files = killed.files.filter(({ kind }) => kind === 'log').slice(-1)
  const outcomes: Record<string, number> = {}
  for (let bit = 3; bit < bitCount(files); bit += 8) {
    const flip = flipCase(killed, files, bit)
    const outcome = examineSync(flip, { readOnly: true })
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
    if (flip.salvaged !== undefined && bit % 64 === 3) examineSalvage(flip, flip.salvaged)
  }
  const [, , unsynced] = recordsOf(files[0]!.content)
  expect(outcomes).toEqual({ detected: unsynced!.start, 'harmless tail': files[0]!.content.length - unsynced!.start })
})

test('a repair loses nothing but what lies in damaged files', async () => {
  const { killed } = await makeSpecimens()
  const ends: Record<string, number> = {}
  const repair = async (damage: DamageCase): Promise<void> => {
    try {
      const end = await examineByRepairing(damage)
      ends[end] = (ends[end] ?? 0) + 1
    } catch (error) {
      throw new Error(`${damage.label}: ${String(error)}`, { cause: error })
    }
  }
  for (const damage of fileCases(killed)) if (/(missing|zeros|another store|names nothing)$/.test(damage.label)) await repair(damage)
  // A manifest that was cut short does not know of tables.
  const manifest = killed.files.filter(({ kind }) => kind === 'manifest')
  for (let length = 60; length < manifest[0]!.content.length; length += 40) await repair(truncationCase(killed, manifest, length))
  expect(ends['without a loss']).toBeGreaterThan(10)
  expect(ends['with losses']).toBeGreaterThan(3)
})

test('memory that zstd takes anew after a frame it failed on does not count as that of the work which comes next', () => {
  const zstd = codecForWriting('zstd')!
  const frame = Buffer.from(zstd.compress(Buffer.alloc(5000, 'abc'), 1))
  const damaged = Buffer.from(frame)
  damaged[8]! ^= 0x55
  damaged[frame.length - 3]! ^= 0xff
  expect(() => zstd.decompress(damaged, 0, damaged.length, 5000)).toThrow('zstd')
  expect(allocationOf(() => void zstd.decompress(frame, 0, frame.length, 5000)).totalBytes).toBeLessThan(1024 * 1024)
})
