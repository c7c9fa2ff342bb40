/**
 * Deletes files that nobody needs any more, one after the other, their space given back in the thread pool: that of a table of 4 MiB takes
 * ext4 about a millisecond, of 64 MiB more than 10. It begins in a turn of its own, because whoever let go of the last reference may be in
 * the middle of something.
 */
import type { Clock } from '../util/clock.js'
import type { FileRegistry } from '../version/file_registry.js'

/** Gives back the space of a store's obsolete files. */
export class ObsoleteFiles {
  readonly #files: FileRegistry
  readonly #clock: Clock
  readonly #mayDelete: () => boolean
  /** From the request to the end of the deletion. */
  #isScheduled = false
  #deletion: Promise<void> | undefined
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

  /** Resolves when no deletion is under way. */
  async settled(): Promise<void> {
    await this.#deletion
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    this.#clock.nextTurn(() => {
      if (this.#mayDelete()) this.#deletion = this.#deleteNext()
      else this.#isScheduled = false
    })
  }

  async #deleteNext(): Promise<void> {
    const isGone = await this.#files.deleteNext()
    this.#isScheduled = false
    if (!isGone) this.#failures++
    // Each of those that cannot be deleted is tried once.
    if (this.#failures < this.#files.obsoleteCount) this.#schedule()
  }
}
