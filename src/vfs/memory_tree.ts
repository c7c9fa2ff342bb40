/**
 * The folders of the simulated disk: names now, names that are durable, and the changes between the two.
 *
 * Every change of names (create, link, rename, unlink, mkdir, rmdir) is one {@link NameChange}: one name set or removed, or both for a
 * rename. It waits in `pending` until `syncDir` of the folder in which it sets or removes its first name. At a power loss each pending
 * change survives or not, as a whole, so that a rename shows its old state or its new one.
 *
 * Invariants
 * - A folder's `entries` are its `durable` names with the pending changes applied in order.
 * - A change survives only together with all earlier ones of the names it touches: a file system that journals its folders keeps that
 *   order. Without it a rename could be lost and its source overwritten by a later file, so that the content would be under neither name.
 */
import { MemoryInode } from './memory_inode.js'
import type { Survival } from './survival.js'

/** A folder. */
export class MemoryFolder {
  readonly entries = new Map<string, MemoryNode>()
  readonly durable = new Map<string, MemoryNode>()
}

/** What a name leads to. */
export type MemoryNode = MemoryFolder | MemoryInode

interface NamePart {
  readonly folder: MemoryFolder
  readonly name: string
  /** What the name leads to from now on; `undefined`: it is removed. */
  readonly node: MemoryNode | undefined
}

/** An atomic change of names. */
type NameChange = readonly NamePart[]

/** All folders of a disk. */
export class MemoryTree {
  readonly root: MemoryFolder
  private pending: NameChange[] = []

  constructor(root = new MemoryFolder()) {
    this.root = root
  }

  /** Applies a change; it is not durable yet. The first part names the folder whose sync makes it so. */
  change(...parts: NamePart[]): void {
    for (const { folder, name, node } of parts) {
      const old = folder.entries.get(name)
      if (old instanceof MemoryInode) old.linkCount--
      if (node instanceof MemoryInode) node.linkCount++
      setName(folder.entries, name, node)
    }
    this.pending.push(parts)
  }

  /** Makes the names in `folder` durable, or only `name`. */
  sync(folder: MemoryFolder, name?: string): void {
    const wanted = (change: NameChange): boolean =>
      change[0]!.folder === folder && (name === undefined || change.some((part) => part.name === name))
    const survives = survivors(this.pending, wanted)
    this.pending = this.pending.filter((change, index) => {
      if (survives[index] !== true) return true
      for (const part of change) setName(part.folder.durable, part.name, part.node)
      return false
    })
  }

  /** A tree of its own in the same state. */
  clone(): MemoryTree {
    const copies = new Map<MemoryNode, MemoryNode>()
    const copyOf = (node: MemoryNode): MemoryNode => {
      const known = copies.get(node)
      if (known !== undefined) return known
      const copy = node instanceof MemoryInode ? node.clone() : new MemoryFolder()
      copies.set(node, copy)
      if (node instanceof MemoryFolder && copy instanceof MemoryFolder) {
        for (const [name, child] of node.entries) setNow(copy, name, copyOf(child))
        for (const [name, child] of node.durable) copy.durable.set(name, copyOf(child))
      }
      return copy
    }
    const tree = new MemoryTree(copyOf(this.root) as MemoryFolder)
    tree.pending = this.pending.map((change) =>
      change.map(({ folder, name, node }) => ({
        folder: copyOf(folder) as MemoryFolder,
        name,
        node: node === undefined ? undefined : copyOf(node),
      })),
    )
    return tree
  }

  /** The tree as a power loss leaves it, all of it durable. */
  afterCrash(survival: Survival): MemoryTree {
    const survives = survivors(this.pending, () => survival.keepsName())
    const names = new Map<MemoryFolder, Map<string, MemoryNode>>()
    const namesOf = (folder: MemoryFolder): Map<string, MemoryNode> => {
      const known = names.get(folder) ?? new Map(folder.durable)
      names.set(folder, known)
      return known
    }
    for (const [index, change] of this.pending.entries()) {
      if (survives[index] === true) for (const part of change) setName(namesOf(part.folder), part.name, part.node)
    }
    const copies = new Map<MemoryNode, MemoryNode>()
    const copyOf = (node: MemoryNode): MemoryNode => {
      const known = copies.get(node)
      if (known !== undefined) return known
      const copy = node instanceof MemoryInode ? node.afterCrash(survival) : new MemoryFolder()
      copies.set(node, copy)
      if (node instanceof MemoryFolder && copy instanceof MemoryFolder) {
        for (const [name, child] of namesOf(node)) {
          setNow(copy, name, copyOf(child))
          copy.durable.set(name, copyOf(child))
        }
      }
      return copy
    }
    return new MemoryTree(copyOf(this.root) as MemoryFolder)
  }
}

/** Which changes survive: those that `chosen` chooses, and earlier ones of the names they touch. */
function survivors(pending: readonly NameChange[], chosen: (change: NameChange) => boolean): boolean[] {
  const touched = new Map<MemoryFolder, Set<string>>()
  const survives: boolean[] = []
  for (let i = pending.length - 1; i >= 0; i--) {
    const change = pending[i]!
    const isChosen = chosen(change)
    survives[i] = isChosen || change.some(({ folder, name }) => touched.get(folder)?.has(name) === true)
    if (survives[i] !== true) continue
    for (const { folder, name } of change) {
      const names = touched.get(folder) ?? new Set()
      touched.set(folder, names.add(name))
    }
  }
  return survives
}

function setName(names: Map<string, MemoryNode>, name: string, node: MemoryNode | undefined): void {
  if (node === undefined) names.delete(name)
  else names.set(name, node)
}

function setNow(folder: MemoryFolder, name: string, node: MemoryNode): void {
  folder.entries.set(name, node)
  if (node instanceof MemoryInode) node.linkCount++
}
