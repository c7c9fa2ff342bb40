/**
 * Lets the calling thread give way to others.
 *
 * On Linux each thread has a nice value, and `setpriority(2)` takes a thread's number where POSIX has the process: "C library/kernel
 * differences" in its manual page. Node's `os.setPriority` hands the number on. Elsewhere the same call would reach the whole process, or
 * another one, so there nothing is done.
 *
 * A thread without privileges can give way further, but never go back.
 */
import { readlinkSync } from 'node:fs'
import { getPriority, setPriority } from 'node:os'

/** The nice value of a thread that gives way to all others. */
const NICE_MAX = 19

/** Raises the nice value of this thread by `increment`, to 19 at most, on Linux where there is `/proc`. */
export function giveWay(increment: number): void {
  if (process.platform !== 'linux' || increment === 0) return
  try {
    const [pid, , thread] = readlinkSync('/proc/thread-self').split('/')
    // A `/proc` of another pid namespace numbers threads in another way than `setpriority` does.
    if (Number(pid) !== process.pid) return
    setPriority(Number(thread), Math.min(NICE_MAX, getPriority(Number(thread)) + increment))
  } catch {
    // Without `/proc`, or where a sandbox forbids it: the priority is a courtesy, and work goes on without.
  }
}
