/**
 * Who a process is, precisely enough to tell later, from another process, whether it still runs.
 *
 * A pid alone is not enough: pids are reused, and containers have their own. On Linux the start time of the process and the boot id of the machine
 * settle it; elsewhere the pid must do, and doubt always means "still running".
 */

/** The identity that a lock file records. */
export interface ProcessIdentity {
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
