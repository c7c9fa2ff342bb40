/** What a process and its machine can tell of themselves: memory, processor, bytes written, bytes on disk. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { join } from 'node:path'

/** Where numbers come from. */
export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryBytes: number
  readonly system: string
  readonly node: string
}

/** This machine. */
export function thisMachine(): Machine {
  const all = cpus()
  return {
    cpu: all[0]?.model.trim() ?? 'unknown',
    cores: all.length,
    memoryBytes: totalmem(),
    system: `${process.platform} ${process.arch} ${release()}`,
    node: process.version,
  }
}

/** Greatest resident memory of this process so far. */
export function peakMemoryBytes(): number {
  return process.resourceUsage().maxRSS * 1024
}

/** Microseconds of processor time of all threads of this process so far. */
export function processorUs(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}

/**
 * Bytes that all threads of this process have handed to the system for writing so far, whether or not they have reached the disk;
 * `undefined` where the system does not count them.
 */
export function writtenBytes(): number | undefined {
  if (process.platform !== 'linux') return undefined
  const count = /^wchar: (\d+)$/m.exec(readFileSync('/proc/self/io', 'latin1'))?.[1]
  return count === undefined ? undefined : Number(count)
}

/** Bytes of all files of a folder. */
export function bytesOnDisk(dir: string): number {
  let bytes = 0
  for (const entry of readdirSync(dir, { withFileTypes: true, recursive: true })) {
    if (entry.isFile()) bytes += statSync(join(entry.parentPath, entry.name)).size
  }
  return bytes
}
