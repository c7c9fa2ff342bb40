/**
 * The load under which a process is killed: a few writers, each of which awaits one write after the other. What writer `w` has made of its
 * own keys after `n` writes follows from `w` and `n` alone.
 *
 * How far each writer is stands in a file beside the store, which outlives the process. Per writer it holds three numbers of 32 bits:
 * writes issued, writes acknowledged, and writes acknowledged with `sync`.
 */
import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import type { Store, Value } from '../../src/index.js'

/** Writers of the load. */
export const WRITERS = 6
const SLOT_BYTES = 12

/** How far a writer is. */
export interface Progress {
  readonly issued: number
  readonly acknowledged: number
  readonly synced: number
}

/** Reads the progress of all writers. */
export function readProgress(path: string): Progress[] {
  const slots = readFileSync(path)
  return Array.from({ length: WRITERS }, (_, writer) => ({
    issued: slots.readUInt32LE(writer * SLOT_BYTES),
    acknowledged: slots.readUInt32LE(writer * SLOT_BYTES + 4),
    synced: slots.readUInt32LE(writer * SLOT_BYTES + 8),
  }))
}

/** Writes it: what was found after a kill is where the next process goes on. */
export function writeProgress(path: string, progress: readonly number[]): void {
  const slots = Buffer.alloc(WRITERS * SLOT_BYTES)
  for (const [writer, write] of progress.entries()) {
    for (let field = 0; field < 3; field++) slots.writeUInt32LE(write, writer * SLOT_BYTES + field * 4)
  }
  writeFileSync(path, slots)
}

/** What stands at the keys of a writer. */
export type Slice = Map<string, Value>

/** Keys of a writer begin with this. */
export function prefixOf(writer: number): string {
  return `w${writer}:`
}

/** The effect of write `n` of a writer. */
export function applyWrite(slice: Slice, writer: number, n: number): void {
  const prefix = prefixOf(writer)
  switch (kindOf(n)) {
    case 'batch':
      slice.set(`${prefix}k${n % 20}`, valueOf(writer, n))
      slice.delete(`${prefix}k${(n + 7) % 20}`)
      slice.set(`${prefix}last`, n)
      break
    case 'count':
      slice.set(`${prefix}count`, ((slice.get(`${prefix}count`) as number | undefined) ?? 0) + 1)
      break
    case 'delete':
      slice.delete(`${prefix}p${(n + 9) % 20}`)
      break
    case 'clear':
      for (const key of slice.keys()) if (key.startsWith(`${prefix}p`)) slice.delete(key)
      break
    default:
      slice.set(`${prefix}p${n % 20}`, valueOf(writer, n))
  }
}

/** Lets a writer write, from write `first` on, until `isEnding` says otherwise. */
export async function runWriter(store: Store, writer: number, first: number, path: string, isEnding: () => boolean): Promise<void> {
  const slots = openSync(path, 'r+')
  const slot = Buffer.alloc(4)
  const note = (field: number, n: number): void => {
    slot.writeUInt32LE(n, 0)
    writeSync(slots, slot, 0, 4, writer * SLOT_BYTES + field * 4)
  }
  for (let n = first; !isEnding(); n++) {
    const sync = n % 61 === 0
    note(0, n)
    await write(store, writer, n, sync)
    note(1, n)
    if (sync) note(2, n)
  }
  closeSync(slots)
}

async function write(store: Store, writer: number, n: number, sync: boolean): Promise<void> {
  const prefix = prefixOf(writer)
  switch (kindOf(n)) {
    case 'batch': {
      const batch = store.batch().put(`${prefix}k${n % 20}`, valueOf(writer, n))
      await batch
        .delete(`${prefix}k${(n + 7) % 20}`)
        .put(`${prefix}last`, n)
        .write({ sync })
      break
    }
    case 'count':
      await store.increment(`${prefix}count`, 1, { sync })
      break
    case 'delete':
      await store.delete(`${prefix}p${(n + 9) % 20}`, { sync })
      break
    case 'clear':
      await store.deletePrefix(`${prefix}p`, { sync })
      break
    case 'on the spot':
      store.putSync(`${prefix}p${n % 20}`, valueOf(writer, n), { sync })
      break
    default:
      await store.put(`${prefix}p${n % 20}`, valueOf(writer, n), { sync })
  }
}

function kindOf(n: number): string {
  if (n % 97 === 0) return 'clear'
  if (n % 61 === 0) return 'put'
  return ['put', 'batch', 'put', 'count', 'delete', 'put', 'batch', n % 5 === 0 ? 'on the spot' : 'put'][n % 8]!
}

function valueOf(writer: number, n: number): Value {
  return n % 3 === 0 ? { writer, n } : `${writer}/${n} ${'x'.repeat((n * 37) % 300)}`
}
