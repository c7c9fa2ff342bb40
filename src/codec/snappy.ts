/**
 * Snappy, through the native package `snappy`. A raw Snappy block starts with its raw length as a varint.
 */
import { createRequire } from 'node:module'
import type { Codec } from './compression.js'
import { readVarint } from './varint.js'

/** What is used of the package. */
interface SnappyPackage {
  compressSync(input: Uint8Array, options: { copyOutputData: boolean }): Buffer
  uncompressSync(input: Uint8Array, options: { copyOutputData: boolean; asBuffer: boolean }): Buffer
}

/**
 * Loads the package; throws when it is not installed, or not for this platform.
 * @param require resolves the package; another one in tests
 */
export function loadSnappy(require: (name: string) => unknown = createRequire(import.meta.url)): Codec {
  const snappy = require('snappy') as SnappyPackage
  // Before Node 24 memory that a native module owns is slow to hand over: four times the cost of copying 16 KiB.
  const copyOutputData = Number.parseInt(process.versions.node, 10) < 24
  const compressOptions = { copyOutputData }
  const decompressOptions = { copyOutputData, asBuffer: true }
  return {
    id: 1,
    name: 'snappy',
    compress: (source) => snappy.compressSync(source, compressOptions),
    decompress(source, rawLength) {
      // The package believes this length and allocates it, up to 4 GiB.
      const claimed = readVarint(source, 0, source.length)
      if (claimed !== rawLength) throw new Error(`the snappy block claims ${claimed} bytes instead of ${rawLength}`)
      const raw = snappy.uncompressSync(source, decompressOptions)
      if (raw.length !== rawLength) throw new Error(`the snappy block holds ${raw.length} bytes instead of ${rawLength}`)
      return raw
    },
  }
}
