/**
 * A file of the simulated disk: what it holds, and what of that would be there after a power loss.
 *
 * The content is one growing buffer. Since the last sync, `changed` names every 4 KiB page that was written, with the durable bytes that
 * were overwritten in it. An append overwrites none and therefore copies nothing: appending costs what it costs on a plain buffer.
 *
 * What a power loss leaves of changed pages and of the length is drawn by `survival.ts`.
 *
 * Invariants
 * - Bytes of `data` past `size` are zero.
 * - A buffer that a clone reads too is never changed, so clones cost nothing until one of the files is written.
 * - A byte before `durableSize` whose page is not in `changed`, or is there without a copy, is the durable one.
 * - A byte that did not change since the last sync survives every crash, also in a page that is torn.
 *
 * Method: Pebble's `vfs/mem_fs.go` (CrashClone), with tearing and lengths added after ALICE (Pillai et al., OSDI 2014).
 */
import { assert } from '../util/assert.js'
import type { PageFate, Survival } from './survival.js'

/** What a disk writes as one piece, if all goes well. */
const PAGE_BYTES = 4096
/** What a disk writes as one piece in any case. */
const SECTOR_BYTES = 512
/** The largest file: far more than a simulated one should hold. */
export const INODE_BYTES_MAX = 0x7fff_ffff

/** Stands in `changed` for "no durable byte of this page was overwritten". */
const NOTHING = Buffer.alloc(0)

/** The content of a file, whatever its names. */
export class MemoryInode {
  /** Names that lead here now. */
  linkCount = 0
  /** Open handles. */
  handleCount = 0
  size = 0
  private data: Buffer = NOTHING
  /** Whether a clone reads the same buffer, so that it must be copied before a change. */
  private isShared = false
  private durableSize = 0
  private changed = new Map<number, Buffer>()

  read(target: Uint8Array, targetOffset: number, length: number, position: number): number {
    const count = Math.min(length, this.size - position)
    if (count <= 0) return 0
    return this.data.copy(target, targetOffset, position, position + count)
  }

  write(source: Uint8Array, sourceOffset: number, length: number, position: number): void {
    const end = position + length
    assert(end <= INODE_BYTES_MAX, 'a simulated file fits a buffer')
    this.remember(Math.min(position, this.size), end)
    this.reserve(end)
    this.data.set(source.subarray(sourceOffset, sourceOffset + length), position)
    if (end > this.size) this.size = end
  }

  truncate(length: number): void {
    assert(length <= INODE_BYTES_MAX, 'a simulated file fits a buffer')
    this.remember(Math.min(length, this.size), Math.max(length, this.size))
    this.reserve(Math.max(length, this.size))
    if (length < this.size) this.data.fill(0, length, this.size)
    this.size = length
  }

  sync(): void {
    this.durableSize = this.size
    this.changed.clear()
  }

  /** The content as a buffer of its own. */
  copyContent(): Buffer {
    return Buffer.from(this.data.subarray(0, this.size))
  }

  /** Replaces the content, durably. */
  setContent(content: Uint8Array): void {
    this.data = Buffer.from(content)
    this.isShared = false
    this.size = content.length
    this.sync()
  }

  /** Gives spare memory back; for files that nobody has open. */
  trim(): void {
    if (this.data.length <= this.size + this.size / 8 + PAGE_BYTES) return
    this.data = Buffer.from(this.data.subarray(0, this.size))
    this.isShared = false
  }

  /** A file of its own with the same content and the same part of it durable. The two share their bytes until one changes. */
  clone(): MemoryInode {
    const copy = new MemoryInode()
    copy.data = this.data
    copy.isShared = true
    this.isShared = true
    copy.size = this.size
    copy.durableSize = this.durableSize
    copy.changed = new Map(this.changed) // the saved pages themselves never change
    return copy
  }

  /** The file as a power loss leaves it. */
  afterCrash(survival: Survival): MemoryInode {
    if (this.changed.size === 0) return this.clone()
    const copy = new MemoryInode()
    const size = survival.length(this.durableSize, this.size)
    const data = Buffer.alloc(Math.max(size, this.durableSize))
    this.data.copy(data, 0, 0, Math.min(size, this.size))
    for (const [page, saved] of this.changed) {
      const start = page * PAGE_BYTES
      const fate = survival.page()
      const end = Math.min(start + PAGE_BYTES, data.length)
      if (fate === 'kept' || start >= end) continue
      const before = this.durablePage(start, end, saved)
      losePage(data, start, before, this.durableSize - start, fate, survival)
    }
    copy.data = data.fill(0, size)
    copy.size = size
    copy.sync()
    return copy
  }

  /** The durable bytes from `start` to `end`, zero where there were none. */
  private durablePage(start: number, end: number, saved: Buffer): Buffer {
    const page = Buffer.alloc(end - start)
    if (saved !== NOTHING) saved.copy(page)
    else if (start < this.durableSize) this.data.copy(page, 0, start, Math.min(end, this.durableSize))
    return page
  }

  /** Marks the pages from byte `from` to byte `to` as changed, with copies of the durable bytes that will be overwritten. */
  private remember(from: number, to: number): void {
    if (from >= to) return
    const last = Math.floor((to - 1) / PAGE_BYTES)
    for (let page = Math.floor(from / PAGE_BYTES); page <= last; page++) {
      const start = page * PAGE_BYTES
      const saved = this.changed.get(page)
      if (Math.max(from, start) < this.durableSize) {
        if (saved !== undefined && saved !== NOTHING) continue
        this.changed.set(page, Buffer.from(this.data.subarray(start, Math.min(start + PAGE_BYTES, this.durableSize))))
      } else if (saved === undefined) {
        this.changed.set(page, NOTHING)
      }
    }
  }

  /** Makes the buffer its own, and large enough. */
  private reserve(size: number): void {
    const capacity = this.data.length
    if (size <= capacity && !this.isShared) return
    const grown = size <= capacity ? capacity : capacity < 1 << 20 ? capacity * 2 : Math.floor(capacity * 1.5)
    const data = Buffer.alloc(Math.max(size, grown, PAGE_BYTES))
    this.data.copy(data, 0, 0, this.size)
    this.data = data
    this.isShared = false
  }
}

/**
 * Writes into `data` at `start` what is left of a page that did not arrive whole and held `before`. Only bytes that changed are touched;
 * those from `appendedFrom` on (counted in the page) are changed whatever they hold.
 */
function losePage(data: Buffer, start: number, before: Buffer, appendedFrom: number, pageFate: PageFate, survival: Survival): void {
  const garbage = Buffer.alloc(SECTOR_BYTES)
  for (let sector = 0; sector < before.length; sector += SECTOR_BYTES) {
    const fate = pageFate === 'torn' ? survival.sector() : pageFate
    if (fate === 'kept') continue
    if (fate === 'garbage') survival.random.fill(garbage)
    const end = Math.min(sector + SECTOR_BYTES, before.length)
    for (let i = sector; i < end; i++) {
      if (i < appendedFrom && before[i] === data[start + i]) continue
      data[start + i] = fate === 'lost' ? before[i]! : fate === 'zeroed' ? 0 : garbage[i - sector]!
    }
  }
}
