/**
 * The memory that tables are built in, used again for the next table.
 *
 * A table of 8 MiB takes 2 MiB to be built: the write buffer, the hashes of its keys, filter, index, and what each of them has grown out
 * of. A thread that builds one after the other would leave all of that to the garbage collector, which comes late to it: these buffers
 * outlive the young generation, and memory outside of the JavaScript heap hardly makes a collection of the old one due. In a fill of ten
 * seconds there was one such collection, at its beginning, and some 40 MiB piled up.
 *
 * Invariants
 * 1. Whoever took memory owns it until it is given back, and gives it back once at most. What was never given back is collected.
 * 2. What is spare has no content, and no more than `PART_BYTES_MAX` in each part, or what that part begins with.
 */
import { BlockIndexBuilder } from './block_index.js'
import { BloomFilterBuilder } from './bloom_filter.js'
import { DataBlockBuilder } from './data_block_builder.js'

/** Length of {@link BuilderMemory.writeBuffer}. */
export const WRITE_BUFFER_BYTES: number = 256 * 1024

/** What is kept for later: enough for a flush that comes in the middle of a compaction. */
const SPARES_MAX = 2
/** Parts that have grown beyond this are let go: 1 MiB is a filter's 262,144 hashes. */
export const PART_BYTES_MAX: number = 1024 * 1024

/** What one table builder works with. */
export class BuilderMemory {
  readonly blockSize: number
  readonly falsePositiveRate: number
  readonly writeBuffer: Buffer = Buffer.allocUnsafeSlow(WRITE_BUFFER_BYTES)
  readonly block: DataBlockBuilder
  readonly index: BlockIndexBuilder = new BlockIndexBuilder()
  readonly filter: BloomFilterBuilder | undefined

  constructor(blockSize: number, falsePositiveRate: number) {
    this.blockSize = blockSize
    this.falsePositiveRate = falsePositiveRate
    this.block = new DataBlockBuilder(blockSize)
    this.filter = falsePositiveRate > 0 ? new BloomFilterBuilder(falsePositiveRate) : undefined
  }
}

/** Latest ones last. */
const spares: BuilderMemory[] = []

/** Empty memory for a table of these settings. */
export function takeBuilderMemory(blockSize: number, falsePositiveRate: number): BuilderMemory {
  const at = spares.findLastIndex((spare) => spare.blockSize === blockSize && spare.falsePositiveRate === falsePositiveRate)
  return at < 0 ? new BuilderMemory(blockSize, falsePositiveRate) : spares.splice(at, 1)[0]!
}

/** Memory that no builder uses any more. Never throws: a table that is finished, or has to be abandoned, must not fail over this. */
export function giveBuilderMemory(memory: BuilderMemory): void {
  try {
    memory.block.clear(PART_BYTES_MAX)
    memory.index.clear(PART_BYTES_MAX)
    memory.filter?.clear(PART_BYTES_MAX)
  } catch {
    // There is no memory for smaller parts, and the collector gets these.
    return
  }
  if (spares.length === SPARES_MAX) spares.shift()
  spares.push(memory)
}
