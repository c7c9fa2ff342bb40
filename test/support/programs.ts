/** WebAssembly that an opening may wait for. */
import { prepareZstd } from '../../src/codec/zstd.js'

/**
 * Has the program compiled that the first opening of a process with zstd waits for, for as many turns of the event loop as V8's threads
 * take. Whoever counts turns, or moves a clock by them, does this first.
 */
export async function compilePrograms(): Promise<void> {
  await prepareZstd()
}
