/** WebAssembly that an opening waits for. */
import { initChecksum } from '../../src/codec/checksum.js'
import { prepareZstd } from '../../src/codec/zstd.js'

/**
 * Has the programs compiled that the first opening of a process waits for, for as many turns of the event loop as V8's threads take.
 * Whoever counts turns, or moves a clock by them, does this first.
 */
export async function compilePrograms(): Promise<void> {
  await Promise.all([initChecksum(), prepareZstd()])
}
