/**
 * Who a process is, precisely enough to tell later, from another process, whether it still runs.
 *
 * A pid alone is not enough: pids are reused, and containers have their own. On Linux the start time of the process and the boot id of the
 * machine settle it; elsewhere the pid must do, and doubt always means "still running".
 */
import { closeSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs'
import { hostname } from 'node:os'

/** The identity that a lock file records. */
export interface ProcessIdentity {
  /** Number of the process. */
  readonly pid: number
  /** Clock ticks between boot and the start of the process (Linux), as a decimal string; empty when unknown. */
  readonly startTime: string
  /** Random id of the running boot (Linux); empty when unknown. */
  readonly bootId: string
  /** Name of the machine or container. */
  readonly hostname: string
  /** The pid namespace (Linux); empty when unknown. */
  readonly pidNamespace: string
}

/** The facts that identity and life of processes are read from; tests give their own. */
export interface ProcessFacts {
  readonly pid: number
  hostname(): string
  /** Content of a small text file; `undefined` when it cannot be read. */
  text(path: string): string | undefined
  /** Target of a symbolic link; `undefined` when it cannot be read. */
  link(path: string): string | undefined
  /** Pids that are seen in `/proc`; `undefined` when there is no `/proc`. */
  pids(): number[] | undefined
  /** Whether signal 0 can be sent to `pid`, or is refused for want of permission: both mean that it exists. */
  exists(pid: number): boolean
}

/** Name of the pid namespace that a Linux machine boots with (`PROC_PID_INIT_INO` of the kernel). It lives as long as the boot. */
const INITIAL_PID_NAMESPACE = 'pid:[4026531836]'

/** The files of `/proc` that are read are shorter, and come with one call. */
const TEXT_BYTES_MAX = 4096

/** The facts of the running system. */
export const systemFacts: ProcessFacts = {
  pid: process.pid,
  hostname,
  text: (path) => attempt(() => readText(path)),
  link: (path) => attempt(() => readlinkSync(path)),
  pids: () =>
    attempt(() =>
      readdirSync('/proc')
        .filter((name) => /^[0-9]+$/.test(name))
        .map(Number),
    ),
  exists(pid) {
    try {
      process.kill(pid, 0)
      return true
    } catch (error) {
      return (error as { code?: unknown }).code !== 'ESRCH'
    }
  },
}

/** With the calls that the store makes anyway: each one that a young process has not made before costs it a tenth of a millisecond. */
function readText(path: string): string {
  const fd = openSync(path, 'r')
  try {
    const bytes = Buffer.allocUnsafeSlow(TEXT_BYTES_MAX)
    return bytes.toString('latin1', 0, readSync(fd, bytes, 0, TEXT_BYTES_MAX, 0))
  } finally {
    closeSync(fd)
  }
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}

/** The identity of the running process. */
export function readProcessIdentity(facts: ProcessFacts): ProcessIdentity {
  const stat = parseStat(facts.text('/proc/self/stat'))
  return {
    pid: facts.pid,
    startTime: stat?.startTime ?? '',
    bootId: facts.text('/proc/sys/kernel/random/boot_id')?.trim() ?? '',
    hostname: facts.hostname(),
    pidNamespace: facts.link('/proc/self/ns/pid') ?? '',
  }
}

/**
 * Whether the process of `identity` can still be running, as far as the process `self` can see. `false` is a proof, `true` may be doubt.
 *
 * 1. Another host: doubt. It cannot be asked.
 * 2. The same host in another boot: dead. (Two machines of one name on one network file system break this: give them names of their own.)
 * 3. The same pid namespace: dead if the pid is gone, is a zombie, or started at another time (it was reused).
 * 4. Another pid namespace of the same boot: a container. A process outside, which sees all, looks for it. From inside another container it
 *    cannot be seen: the initial namespace outlives every container, so a holder there may live; any other counts as dead, because that is
 *    what a restarted container finds. (Two containers of one host name on one folder at the same time break this.)
 *
 * What is unknown (empty) proves nothing.
 */
export function isProcessAlive(identity: ProcessIdentity, self: ProcessIdentity, facts: ProcessFacts): boolean {
  if (identity.hostname !== self.hostname) return true
  if (identity.bootId !== self.bootId) return identity.bootId === '' || self.bootId === ''
  if (identity.pidNamespace === self.pidNamespace) return isPidAlive(identity, facts)
  if (identity.pidNamespace === '' || self.pidNamespace === '' || identity.bootId === '') return true
  if (identity.pidNamespace === INITIAL_PID_NAMESPACE) return true
  return self.pidNamespace === INITIAL_PID_NAMESPACE ? isSeenFromOutside(identity, facts) : false
}

function isPidAlive(identity: ProcessIdentity, facts: ProcessFacts): boolean {
  if (!facts.exists(identity.pid)) return false
  const stat = parseStat(facts.text(`/proc/${identity.pid}/stat`))
  if (stat === undefined) return true
  if (stat.state === 'Z' || stat.state === 'X') return false
  return identity.startTime === '' || identity.startTime === stat.startTime
}

/** Looks through all processes for one that has the wanted pid in its own namespace and started in the wanted tick. */
function isSeenFromOutside(identity: ProcessIdentity, facts: ProcessFacts): boolean {
  const pids = facts.pids()
  if (pids === undefined || identity.startTime === '') return true
  for (const pid of pids) {
    const stat = parseStat(facts.text(`/proc/${pid}/stat`))
    if (stat === undefined || stat.startTime !== identity.startTime || stat.state === 'Z' || stat.state === 'X') continue
    // With the end of the line: the text may have been cut off.
    const inner = /^NSpid:.*?(\d+)[^\S\n]*\n/m.exec(facts.text(`/proc/${pid}/status`) ?? '')
    if (inner === null || Number(inner[1]) === identity.pid) return true
  }
  return false
}

/**
 * State (field 3) and start time (field 22) of `/proc/<pid>/stat`. Field 2 is the program's name in parentheses and may itself hold blanks
 * and parentheses, so fields count from the last one.
 */
function parseStat(text: string | undefined): { state: string; startTime: string } | undefined {
  if (text === undefined) return undefined
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const state = fields[0]
  const startTime = fields[19]
  return state === undefined || startTime === undefined || !/^\d+$/.test(startTime) ? undefined : { state, startTime }
}
