/** Random option sets. */
import type { CompressionName } from '../../../src/index.js'
import type { Random } from '../../../src/util/random.js'
import type { JsonOptions, OptionSet } from './operations.js'

const KIB = 1024
const MIB = 1024 * KIB

const CODECS: readonly CompressionName[] = ['none', 'snappy', 'zstd']

/** What a history allows. */
export interface Allowed {
  /** All keys are text. */
  readonly isText: boolean
  /** Nothing unsynced is lost: damage would be skipped instead of cut off. */
  readonly canSalvage: boolean
}

/** A random option set. */
export function randomSet(random: Random, disk: 'memory' | 'directory', allowed: Allowed): OptionSet {
  const openings: JsonOptions[] = []
  for (let i = random.pick([1, 1, 2, 3]); i > 0; i--) openings.push(randomOptions(random, disk, allowed))
  return {
    disk,
    openings,
    given: random.pick(['text', 'bytes', 'changing bytes'] as const),
    tickMs: random.pick([0, 0, 0.001, 0.05, 0.6]),
    lateness: random.pick([0, 0, 0.1, 0.5]),
    seed: random.uint32(),
  }
}

/** Options that must make no difference to what is seen. */
function randomOptions(random: Random, disk: 'memory' | 'directory', { isText, canSalvage }: Allowed): JsonOptions {
  // Little memory, no cache, reads that take a while: where most interleavings are.
  const isTight = random.chance(0.35)
  const options: JsonOptions = {
    memtableSize: isTight ? 4 * KIB : random.pick([4 * KIB, 4 * KIB, 8 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, 4 * MIB]),
    blockCacheSize: isTight ? 0 : random.pick([0, 0, 1, 4 * KIB, 64 * KIB, MIB, 64 * MIB]),
    readMode: isTight ? 'async' : random.pick(['adaptive', 'sync', 'async']),
    blockSize: random.pick([64, 65, 100, 256, 256, KIB, 4 * KIB, 16 * KIB, 64 * KIB, MIB]),
    compression: random.chance(0.5) ? random.pick(CODECS) : randomCodecs(random),
    compressionLevel: random.pick([1, 1, 1, 3, 7]),
    bloomFalsePositiveRate: random.pick([0, 0.01, 0.01, 0.5, 0.0001]),
    walSync: disk === 'directory' ? random.pick(['none', 'os', 'os', 'interval']) : random.pick(['none', 'os', 'interval', 'always']),
    walSyncInterval: random.pick([1, 10, 100, 1000]),
    verifyChecksums: random.chance(0.7),
    maxOpenTables: random.pick([8, 8, 9, 20, 500]),
    backgroundThreads: disk === 'directory' && random.chance(0.8) ? 1 : 0,
    keys: isText && random.chance(0.5) ? 'string' : 'bytes',
    recovery: canSalvage && random.chance(0.3) ? 'salvage' : 'strict',
  }
  // Rarely: an arena of this size is no smaller for being empty.
  return random.chance(0.03) ? { ...options, memtableSize: 64 * MIB } : options
}

function randomCodecs(random: Random): CompressionName[] {
  return Array.from({ length: random.between(1, 7) }, () => random.pick(CODECS))
}
