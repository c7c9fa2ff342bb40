/**
 * The kernel: the loops over bytes that WebAssembly does more than 1.5 times as fast as JavaScript, or as a native package behind its call.
 *
 * Every function works on the one linear memory, on places that the caller chose and reserved (`src/codec/kernel.ts`), and allocates
 * nothing. This is AssemblyScript: TypeScript with machine types; `usize` is an address.
 */
export { xxh32 } from './xxh32'
export { COMPRESS_TABLE_BYTES, SLACK_BYTES, compress, uncompress } from './snappy'
