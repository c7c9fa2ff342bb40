/**
 * What a process that is to be killed has done so far, in a file that outlives it: RocksDB's `expected_state`.
 *
 * Writes are numbered in the order of their calls. Since the store keeps a prefix of them, three numbers say all that may be found later:
 * everything up to `acknowledged` (or, with `walSync: 'none'`, up to `synced`), and nothing beyond `issued`.
 */
import { openSync, readFileSync, writeFileSync } from 'node:fs'
import { writeUncounted } from './kill_point.js'

/** How far a process came. */
export interface Progress {
  /** Whether the store was opened. */
  readonly isOpen: boolean
  readonly issued: number
  readonly acknowledged: number
  readonly synced: number
  /** Whether it had closed the store, and began to destroy it. */
  readonly isDestroying: boolean
}

const FIELDS = ['issued', 'acknowledged', 'synced', 'isOpen', 'destroying'] as const

/** Makes the file. */
export function createProgress(path: string): void {
  writeFileSync(path, Buffer.alloc(4 * FIELDS.length))
}

/** What the file says. */
export function readProgress(path: string): Progress {
  const fields = readFileSync(path)
  const numbers = FIELDS.map((_, i) => fields.readUInt32LE(4 * i)) as [number, number, number, number, number]
  const [issued, acknowledged, synced, isOpen, destroying] = numbers
  return { issued, acknowledged, synced, isOpen: isOpen !== 0, isDestroying: destroying !== 0 }
}

/** The process's end of the file. Numbers only grow. */
export class ProgressWriter {
  readonly #file: number
  readonly #noted = FIELDS.map(() => 0)
  readonly #bytes = Buffer.alloc(4)

  constructor(path: string) {
    this.#file = openSync(path, 'r+')
  }

  /** All numbers up to this one have come so far. */
  note(field: (typeof FIELDS)[number], value: number): void {
    const index = FIELDS.indexOf(field)
    if (value <= this.#noted[index]!) return
    this.#noted[index] = value
    this.#bytes.writeUInt32LE(value)
    writeUncounted(this.#file, this.#bytes, 0, 4, 4 * index)
  }

  /** The greatest number noted. */
  noted(field: (typeof FIELDS)[number]): number {
    return this.#noted[FIELDS.indexOf(field)]!
  }
}
