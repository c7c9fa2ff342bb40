/** Options of stores in tests; for test files and for programs that run without the test runner. */
import { existsSync } from 'node:fs'
import type { StoreOptions } from '../../src/index.js'

/** Options with which little data goes through every part of the engine, on this thread alone. */
export const TINY = { memtableSize: 4096, blockSize: 256, compression: 'none', backgroundThreads: 0 } as const satisfies StoreOptions

/** The root of the repository, whether this runs from the sources or as built under `build/`. */
export const REPOSITORY_URL: URL = repository(new URL('../', import.meta.url))

/** The worker's module as it is built: beside the sources there is none that a thread could load. */
export const WORKER_URL: URL = new URL('dist/compaction/worker.js', REPOSITORY_URL)

function repository(folder: URL): URL {
  return existsSync(new URL('package-lock.json', folder)) ? folder : repository(new URL('../', folder))
}
