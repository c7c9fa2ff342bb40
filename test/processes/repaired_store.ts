/** A process that is to be killed while it repairs a store, for `test/torture/kills/repairs.ts`. What goes wrong it says as a message. */
// First, so that the repair goes through it.
import { armKillPoint } from '../torture/kills/kill_point.js'
import { Store } from '../../src/index.js'
import type { RepairOrders } from '../torture/kills/repairs.js'

process.on('disconnect', () => process.exit(1))
process.once('message', ({ dir, point }: RepairOrders) => {
  armKillPoint(point)
  const end = (): void => {
    process.removeAllListeners('disconnect')
    process.disconnect()
  }
  void Store.repair(dir).then(end, (error: Error) => process.send?.(`failure: ${error.stack}`, undefined, undefined, () => process.exit(1)))
})
