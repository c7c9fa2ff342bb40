/**
 * Which faults are tried at an operation: those that a real file system has for its kind.
 *
 * `EINTR` is not among them: libuv repeats interrupted calls itself, so none reaches the file system layer. Nor is `EAGAIN`, which regular
 * files do not know.
 */
import type { FaultOperation, FaultRule } from '../../../src/index.js'

/** How long a fault lasts: one operation; all of its kind from there on; everything that the cause would hit from there on. */
export type Duration = 'once' | 'same kind' | 'all'

/** A fault, apart from when it comes. */
export interface Fault {
  /** For messages: `ENOSPC`, `short 1`, `short 3 then EIO`. */
  readonly name: string
  readonly duration: Duration
  /** The error's code; `undefined` where reads or writes are only short, which is no failure. */
  readonly code: string | undefined
  /** The rule without `nth`. */
  readonly rule: FaultRule
}

const CODES: Readonly<Record<FaultOperation, readonly string[]>> = {
  open: ['EIO', 'EMFILE', 'EACCES', 'ENFILE'],
  create: ['ENOSPC', 'EMFILE', 'EIO', 'EACCES', 'EROFS', 'ENFILE', 'EDQUOT'],
  read: ['EIO'],
  write: ['ENOSPC', 'EIO', 'EDQUOT', 'EFBIG'],
  sync: ['EIO', 'ENOSPC'],
  truncate: ['EIO'],
  stat: ['EIO', 'EACCES'],
  readdir: ['EIO', 'EMFILE', 'EACCES'],
  mkdir: ['ENOSPC', 'EIO', 'EROFS', 'EACCES'],
  rmdir: ['EIO'],
  rename: ['ENOSPC', 'EIO', 'EACCES', 'EROFS'],
  link: ['ENOSPC', 'EIO', 'EROFS'],
  unlink: ['EIO', 'EACCES', 'EROFS'],
  syncDir: ['EIO', 'EMFILE'],
  close: ['EIO'],
}

/** What a cause hits that lasts. */
const LASTING: Readonly<Record<string, readonly FaultOperation[]>> = {
  ENOSPC: ['create', 'write', 'mkdir', 'rename', 'link'],
  EDQUOT: ['create', 'write', 'mkdir', 'rename', 'link'],
  EMFILE: ['open', 'create', 'syncDir', 'readdir'],
  ENFILE: ['open', 'create', 'syncDir', 'readdir'],
  EROFS: ['create', 'write', 'truncate', 'mkdir', 'rename', 'link', 'unlink'],
  EACCES: ['open', 'create', 'readdir', 'stat', 'rename', 'unlink'],
}

/** All faults of an operation, the most telling first. */
export function faultsOf(operation: FaultOperation): readonly Fault[] {
  const faults: Fault[] = []
  for (const code of CODES[operation]) {
    faults.push({ name: code, duration: 'once', code, rule: { error: code, times: 1 } })
    faults.push({ name: code, duration: 'same kind', code, rule: { operation, error: code, times: Infinity } })
    const lasting = code === 'EIO' ? {} : { operation: [...(LASTING[code] ?? []), operation] }
    faults.push({ name: code, duration: 'all', code, rule: { ...lasting, error: code, times: Infinity } })
  }
  if (operation === 'write' || operation === 'read') {
    faults.push({ name: 'short 1', duration: 'once', code: undefined, rule: { operation, short: 1, times: 1 } })
    faults.push({ name: 'short 37', duration: 'same kind', code: undefined, rule: { operation, short: 37, times: Infinity } })
  }
  if (operation === 'write') {
    for (const code of ['ENOSPC', 'EIO']) {
      const rule = { operation, short: 7, error: code, times: 1 } as const
      faults.push({ name: `short 7 then ${code}`, duration: 'once', code, rule })
    }
  }
  return faults
}

/** Whether a rule that was made for an earlier operation concerns this one too. */
export function hits({ operation, times = 1 }: FaultRule, made: FaultOperation): boolean {
  if (times === 1) return false
  return operation === undefined || (typeof operation === 'string' ? operation === made : operation.includes(made))
}

/** Whether nothing is in doubt after a fault, so that the store must get over it by itself. */
export function isShortage(fault: Fault, operation: FaultOperation): boolean {
  const { code } = fault
  if (code === undefined) return true
  if (operation === 'sync' || operation === 'syncDir') return false
  if (code === 'ENOSPC' || code === 'EDQUOT') return true
  // What lasts hits the sync of a folder, too, which is a sync that failed.
  return (code === 'EMFILE' || code === 'ENFILE') && fault.duration === 'once'
}
