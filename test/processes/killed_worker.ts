/** The worker thread of a store in a process that is to be killed: the usual one, with a kill point. */
import { armKillPoint, killPointOfEnvironment } from '../torture/kills/kill_point.js'

armKillPoint(killPointOfEnvironment())
await import('../../src/compaction/worker.js')
