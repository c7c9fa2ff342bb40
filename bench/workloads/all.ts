/** Every workload by name, in the order of the report, and which of them the shorter forms run. */
import { changes } from './changes.js'
import { fills } from './fills.js'
import { growths } from './growth.js'
import { large } from './large.js'
import { opens } from './opens.js'
import { reads } from './reads.js'
import { scans } from './scans.js'
import { GROUPS, type Workload } from './workload.js'

const all = [...fills, ...reads, ...scans, ...changes, ...large, ...opens, ...growths]

/** Every workload by name. */
export const workloads: ReadonlyMap<string, Workload> = new Map(GROUPS.flatMap((group) => all.filter(([, each]) => each.group === group)))

/** The workload of this name. */
export function workloadOf(name: string): Workload {
  const workload = workloads.get(name)
  if (workload === undefined) throw new Error(`unknown workload '${name}'`)
  return workload
}

/** Those that run once for each number of records. */
export const GROWING: readonly string[] = ['growth', 'sustained']
/** What `npm run bench` runs: the rows that a first look asks for. */
export const SHORT: readonly string[] = [
  'fillseq',
  'fillrandom',
  'fill64',
  'fillbatch',
  'durable',
  'durable64',
  'get',
  'getsync',
  'getsmall',
  'getmissing',
  'getmany',
  'scan',
  'iterate',
  'scanprefix',
  'mixed',
  'overwrite',
  'open',
]
