/**
 * Deliberate bugs, each as edits of the sources. `run.ts` puts them into a copy of the repository, one at a time, and sees which test
 * catches them.
 */

/** One change of a source file. `find` occurs exactly once in it. */
export interface Edit {
  readonly file: string
  readonly find: string
  readonly replace: string
}

/** A deliberate bug. */
export interface Mutant {
  /** What is wrong then. */
  readonly bug: string
  readonly edits: readonly Edit[]
}

function mutant(bug: string, file: string, find: string, replace: string): Mutant {
  return { bug, edits: [{ file, find, replace }] }
}

const WRITER = 'src/wal/writer.ts'
const MANIFEST = 'src/version/manifest.ts'
const QUEUE = 'src/store/commit_queue.ts'
const RETENTION = 'src/compaction/retention.ts'
const RECOVERY = 'src/store/recovery.ts'
const PICKING = 'src/compaction/picking.ts'

const durability: readonly Mutant[] = [
  mutant('the log is not synced (awaited writes)', WRITER, 'await this.#file.sync()', 'await undefined'),
  mutant('the log is not synced (writes on the spot)', WRITER, '      this.#file.syncSync()\n', ''),
  {
    bug: 'the name of a new log is not synced',
    edits: [
      { file: WRITER, find: 'if (!this.isNameSynced) await this.#vfs.syncDir(this.#dir)', replace: '' },
      { file: WRITER, find: 'if (!this.isNameSynced) this.#vfs.syncDirSync(this.#dir)', replace: '' },
    ],
  },
  mutant('a table is not synced', 'src/sstable/table_builder.ts', '    yield* step(syncStep(file))\n', ''),
  {
    bug: 'the names of new tables are not synced',
    edits: [
      {
        file: 'src/compaction/job.ts',
        find: 'if (this.finished.length > 0) yield* step(syncDirStep(this.vfs, this.settings.dir))',
        replace: '',
      },
      {
        file: MANIFEST,
        find: 'if (edit.added.some(({ table }) => !known.has(table.fileNumber))) yield* this.#syncDir()',
        replace: 'known.clear()',
      },
    ],
  },
  mutant(
    'an edit of the manifest is not synced',
    MANIFEST,
    '    try {\n      yield* step(syncStep(file))\n    } catch',
    '    try {\n      yield* []\n    } catch',
  ),
  mutant(
    'a new manifest is not synced before CURRENT names it',
    MANIFEST,
    '      yield* step(syncStep(file))\n      yield* this.#syncDir()\n      yield* prepareCurrent',
    '      yield* this.#syncDir()\n      yield* prepareCurrent',
  ),
  mutant(
    'the name of a new manifest is not synced before CURRENT names it',
    MANIFEST,
    '      yield* this.#syncDir()\n      yield* prepareCurrent',
    '      yield* prepareCurrent',
  ),
  mutant('CURRENT is not synced before it is renamed', 'src/version/current_file.ts', '    yield* step(syncStep(file))\n', ''),
  mutant(
    'the renaming of CURRENT is not synced before the old manifest goes',
    MANIFEST,
    '    try {\n      yield* this.#syncDir()\n    } catch (error) {\n      closeQuietly(file)\n      this.#lose(error)',
    '    try {\n      yield* []\n    } catch (error) {\n      closeQuietly(file)\n      this.#lose(error)',
  ),
  mutant(
    'durable writes are acknowledged before the sync',
    QUEUE,
    'if (group.needsSync || this.#unsynced.length > 0) {',
    'if (group.lastSequence < 0) {',
  ),
  mutant(
    'a failed sync is taken for a success',
    QUEUE,
    '      this.#stop(error)\n    }\n    // Unless',
    '      void error\n    }\n    // Unless',
  ),
  mutant(
    'a failed sync on the spot is taken for a success',
    QUEUE,
    '      this.#stop(error)\n      return\n    }\n    this.#acknowledge',
    '      void error\n    }\n    this.#acknowledge',
  ),
  mutant(
    'zeroes are written over the end of the last record',
    WRITER,
    'zeroes, 0, bytes, this.offset)',
    'zeroes, 0, bytes, this.offset - 1)',
  ),
  mutant(
    'records claim to be synced when they are not',
    WRITER,
    'sealRecord(buffer, start, end, this.logNumber, offset, this.syncedOffset)',
    'sealRecord(buffer, start, end, this.logNumber, offset, offset)',
  ),
  mutant(
    'logs are deleted before the manifest says that they are in tables',
    'src/store/engine.ts',
    '    const version = yield* this.manifest.append(edit)\n',
    `    if (logNumber !== undefined) this.manifest.files.dropLogsBelow(logNumber)
    this.manifest.files.deleteObsoleteSync()
    const version = yield* this.manifest.append(edit)
`,
  ),
  mutant(
    'the log of a memtable that is not a table yet is deleted',
    'src/version/file_registry.ts',
    'if (log < logNumber && !waiting.has(log))',
    'if (log <= logNumber && !waiting.has(log))',
  ),
  mutant('what was recovered is not made durable before later writes are', 'src/store/log_set.ts', 'this.#floor?.waitSync()', ''),
]

const recovery: readonly Mutant[] = [
  mutant(
    'the checksum of a log record is not checked',
    'src/wal/format.ts',
    'return readUint32(buffer, start) === checksum32(buffer, start + 4, end, recordSeed(fileNumber, offset, salt))',
    'checksum32(buffer, start + 4, end, recordSeed(fileNumber, offset, salt))\n  return buffer.length > 0',
  ),
  mutant(
    'damage before the end of a log is taken for a torn tail',
    'src/wal/reader.ts',
    "if (end === 'damaged')",
    "if (end === 'damaged' && offset < 0)",
  ),
  mutant('a torn tail is taken for damage', 'src/wal/reader.ts', "if (end === 'damaged')", "if (end === 'damaged' || end === 'torn')"),
  mutant(
    'a record that follows a gap is taken',
    'src/wal/reader.ts',
    'if (expected === undefined || baseSequence === expected) return true',
    'if (expected === undefined || baseSequence >= expected) return true',
  ),
  mutant('recovered operations of a batch share a sequence number', RECOVERY, 'baseSequence + i, kind)', 'baseSequence, kind)'),
  mutant(
    'file numbers are used again after recovery',
    'src/version/manifest_opening.ts',
    'nextFileNumber: Math.max(content.state.nextFileNumber, greatest + 1)',
    'nextFileNumber: 1',
  ),
  mutant(
    'the lock is not taken',
    RECOVERY,
    'const lock = yield* lockTask(vfs, path, options.clock)',
    'const lock = isNew ? yield* lockTask(vfs, path, options.clock) : undefined',
  ),
  mutant(
    'a holder that lives is taken for dead',
    'src/vfs/process_identity.ts',
    "if (stat.state === 'Z' || stat.state === 'X') return false",
    "if (stat.state !== 'R') return false",
  ),
]

const content: readonly Mutant[] = [
  mutant(
    'sequence numbers are off by one: a group repeats the last one',
    QUEUE,
    'const baseSequence = this.lastSequence + 1',
    'const baseSequence = Math.max(1, this.lastSequence)',
  ),
  mutant(
    'a batch is split in two records of the log',
    'src/store/writes.ts',
    '      const sync = isSync(options)\n      // Encoded',
    `      const sync = isSync(options)
      if (operations.length > 1) {
        void this.batch(operations.slice(0, 1), options)
        this.#queue.settle()
        return this.batch(operations.slice(1), options)
      }
      // Encoded`,
  ),
  mutant(
    'a tombstone is dropped though a deeper level holds the key',
    RETENTION,
    'if (kind === KIND_DELETE) return this.isDeeper(data, keyStart, keyEnd)',
    'if (kind === KIND_DELETE) return false',
  ),
  mutant(
    'a tombstone that a snapshot has to see past is dropped',
    RETENTION,
    'if (stripe > 0) return true',
    'if (stripe > 0) return kind !== KIND_DELETE || this.isDeeper(data, keyStart, keyEnd)',
  ),
  mutant(
    'a version that a snapshot sees is dropped',
    RETENTION,
    'if (stripe === this.stripe) return false',
    'if (stripe <= this.stripe) return false',
  ),
  mutant(
    'snapshots keep versions one sequence too late',
    RETENTION,
    'if (snapshots[middle]! < sequence) low',
    'if (snapshots[middle]! <= sequence) low',
  ),
  mutant(
    'sequences are zeroed though deeper levels hold the key',
    'src/compaction/job.ts',
    'new Retention(job.snapshots, plan.deeper, plan.deeper.length === 0)',
    'new Retention(job.snapshots, plan.deeper, true)',
  ),
  mutant(
    'a snapshot is not pinned',
    'src/store/engine.ts',
    'return this.openReaders.sequences(this.visibleSequence)',
    'return [this.visibleSequence]',
  ),
  mutant('a table is deleted while another version names it', 'src/version/file_registry.ts', 'if (count > 1) {', 'if (count > 2) {'),
  mutant(
    'deeper levels are left out when a compaction is planned',
    PICKING,
    'for (let level = toLevel + 1; level <= LAST_LEVEL; level++) {\n      const tables',
    'for (let level = toLevel + 2; level <= LAST_LEVEL; level++) {\n      const tables',
  ),
  mutant(
    'a table is moved below one that it overlaps',
    PICKING,
    'if (overlapping(this.levels[level]!, table).length > 0) break',
    'if (overlapping(this.levels[level]!, table).length > 1) break',
  ),
  mutant(
    'a newer table of level 0 is moved below an older one',
    'src/compaction/picker.ts',
    'if (level0.some((older, j) => j > i && boundsOverlap(older, table))) continue',
    '',
  ),
  mutant(
    'level 0 is searched oldest table first',
    'src/version/version.ts',
    'return b.largestSequence - a.largestSequence || b.fileNumber - a.fileNumber',
    'return a.largestSequence - b.largestSequence || a.fileNumber - b.fileNumber',
  ),
  mutant(
    'a merge prefers the older of two versions',
    'src/iterator/merging.ts',
    '  if (difference === 0) difference = b.sequence - a.sequence\n',
    '  if (difference === 0) difference = a.sequence - b.sequence\n',
  ),
  mutant(
    'the checksum of a block is not checked',
    'src/sstable/format.ts',
    'if (checksum !== readUint32(frame, end - 4)) throw',
    'if (checksum !== readUint32(frame, end - 4) && end < 0) throw',
  ),
  mutant(
    'the checksum of a block does not know where the block lies',
    'src/sstable/format.ts',
    'return (seed ^ (seed >>> 13)) >>> 0',
    'return seed & 0',
  ),
  mutant(
    'the last key of a table is not in its filter',
    'src/sstable/bloom_filter.ts',
    'this.hashes, start, Math.min(start + KEYS_BETWEEN_PAUSES, this.count))',
    'this.hashes, start, Math.min(start + KEYS_BETWEEN_PAUSES, this.count - 1))',
  ),
  mutant(
    "an upper bound 'lte' leaves the bound out",
    'src/store/scan.ts',
    'Buffer.concat([encodeKey(range.lte), Buffer.alloc(1)])',
    'encodeKey(range.lte)',
  ),
  mutant(
    'a write on the spot goes past one that waits',
    QUEUE,
    '  writeSync(record: RecordBuffer, sync: boolean): void {\n    this.settleSync()',
    '  writeSync(record: RecordBuffer, sync: boolean): void {\n    this.settle()',
  ),
]

const edges: readonly Mutant[] = [
  mutant(
    'the end of a prefix that ends with several bytes 0xff is wrong',
    'src/codec/key.ts',
    'while (end > 0 && prefix[end - 1] === 0xff) end--',
    'if (end > 0 && prefix[end - 1] === 0xff) end--',
  ),
  mutant(
    'a memtable becomes a table before all in it is acknowledged',
    'src/store/engine.ts',
    'this.#unpublished[0]!.lastSequence <= this.visibleSequence',
    'this.#unpublished[0]!.lastSequence <= this.queue.lastSequence',
  ),
  mutant(
    'a sync acknowledges the group behind those that it covers',
    QUEUE,
    'if (count > 0) this.#acknowledge(count, last.lastSequence)',
    'if (count > 0) this.#acknowledge(count + 1, last.lastSequence)',
  ),
  mutant(
    'a sync shows one operation too many',
    QUEUE,
    'if (count > 0) this.#acknowledge(count, last.lastSequence)',
    'if (count > 0) this.#acknowledge(count, last.lastSequence + 1)',
  ),
  mutant(
    'a table that has grown is not noticed',
    'src/sstable/table_tail.ts',
    'if (fileBytes !== meta.fileBytes)',
    'if (fileBytes < meta.fileBytes)',
  ),
  mutant(
    'the shape of a filter is not checked',
    'src/sstable/bloom_filter.ts',
    'if (this.lineCount * LINE_BYTES !== linesBytes || this.probes === 0 || this.probes > PROBES_MAX) {',
    'if (linesBytes < 0) {',
  ),
  mutant(
    'flush does not try again at once what had found the disk full',
    'src/store/engine.ts',
    '    this.#checkNotClosed()\n    this.shortage.retry(true)\n',
    '    this.#checkNotClosed()\n',
  ),
]

const memoryOfBlocks: readonly Mutant[] = [
  mutant(
    'the memory of a block that an iterator holds is given to another one',
    'src/cache/block_cache.ts',
    '    block.isShared = true\n',
    '',
  ),
  mutant(
    'a block that was read for an iterator may be given away',
    'src/cache/block_cache.ts',
    'this.blockOf(buffer, slots, index, sizeBytes, !isBorrowed, queue)',
    'this.blockOf(buffer, slots, index, sizeBytes, false, queue)',
  ),
  mutant("a cached block remembers the last one's number of entries", 'src/cache/block_cache.ts', '    spare.shape = 0\n', ''),
  mutant("the kernel's memory is not kept for a frame that is being read", 'src/codec/kernel.ts', '  isLent = true\n', ''),
  mutant(
    'a compressed block is overwritten while the buffer before it is written',
    'src/sstable/table_builder.ts',
    'if (this.bufferedBytes + rawLength + BLOCK_TRAILER_BYTES > WRITE_BUFFER_BYTES) this.flushBuffer()',
    '',
  ),
]

const repairs: readonly Mutant[] = [
  mutant(
    'every repair is refused',
    'src/maintenance/repair.ts',
    '  expectStore(vfs, path)\n',
    "  expectStore(vfs, path)\n  if (path !== '') throw new StoreError('ERR_FORMAT_VERSION', 'not repaired', { path })\n",
  ),
  mutant('a repair keeps nothing of damaged tables', 'src/maintenance/table_salvage.ts', '    this.#add(this)\n', '    void this.#add\n'),
]

/** All of them. */
export const mutants: readonly Mutant[] = [...durability, ...recovery, ...content, ...edges, ...memoryOfBlocks, ...repairs]
