/**
 * Deletes files that nobody needs any more, one in a turn of the event loop: deleting 64 MiB takes ext4 more than 10 ms, and whoever let go
 * of the last reference may be in the middle of something.
 */
import type { Clock } from '../util/clock.js'
import type { FileRegistry } from '../version/file_registry.js'

/** Gives back the space of a store's obsolete files. */
export class ObsoleteFiles {
  readonly #files: FileRegistry
  readonly #clock: Clock
  readonly #mayDelete: () => boolean
  #isScheduled = false
  /** Files that could not be deleted since the last request. */
  #failures = 0

  /** @param mayDelete is asked before each deletion; what is not deleted now waits for the next request, or the next opening. */
  constructor(files: FileRegistry, clock: Clock, mayDelete: () => boolean) {
    this.#files = files
    this.#clock = clock
    this.#mayDelete = mayDelete
  }

  /** There are some. */
  request(): void {
    this.#failures = 0
    this.#schedule()
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    this.#clock.nextTurn(() => {
      this.#isScheduled = false
      if (!this.#mayDelete()) return
      if (this.#files.deleteObsoleteSync(1) === 0) this.#failures++
      // Each of those that cannot be deleted is tried once.
      if (this.#failures < this.#files.obsoleteCount) this.#schedule()
    })
  }
}
