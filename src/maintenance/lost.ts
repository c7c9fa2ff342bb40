/**
 * The folder `lost`, into which `Store.repair` puts damaged files: nothing of what it could not use is deleted.
 *
 * A file gets a second name there before the repaired store is put in force, and loses its first one afterwards. So a crash never leaves it
 * without a name, and an opening, which deletes files that nothing refers to, finds it put aside already.
 */

/** The name of the folder. */
export const LOST_NAME = 'lost'
