/**
 * A process with a Level database, for `test/adapters/level_classic.test.ts` and `level_iterators.test.ts`. It says one thing and ends by
 * itself:
 *
 * - `lock <dir>`: opens; says `'open'`, or the codes of the error and its cause
 * - `stack`: makes iterators in an endless recursion; says what ended it
 * - `leave <dir> <step> …`: says the last step and leaves the database as it is then; steps are those of `leave` below, in their order
 */
import { memory } from '../../src/index.js'
import { VarveLevel } from '../../src/adapters/level.js'

function say(message: unknown): void {
  process.send!(message)
}

async function lock(location: string): Promise<void> {
  try {
    await new VarveLevel(location).open()
    say('open')
  } catch (error) {
    const { code, cause } = error as { code: string; cause: { code: string } }
    say([code, cause.code])
  }
}

async function stack(): Promise<void> {
  const db = new VarveLevel(memory())
  await db.open()
  let depth = 0
  const recurse = (): void => {
    db.iterator({ gte: '0' })
    depth++
    recurse()
  }
  // Out of the chain of promises.
  process.nextTick(() => {
    try {
      recurse()
    } catch (error) {
      say([error instanceof RangeError, depth > 0])
    }
  })
}

async function leave(location: string, steps: string[]): Promise<void> {
  const db = new VarveLevel(location)
  if (steps.includes('open-error')) db.open({ createIfMissing: false, errorIfExists: true }).catch(() => {})
  if (steps.includes('open')) {
    await db.open()
    await db.put('a', '1')
  }
  const iterator = steps.includes('create-iterator') ? db.iterator() : undefined
  if (steps.includes('nexting')) void iterator!.next()
  if (steps.includes('put')) void db.put('b', '2')
  if (steps.includes('close')) void db.close()
  say(steps.at(-1))
}

const [command, location, ...steps] = process.argv.slice(2)
if (command === 'lock') await lock(location!)
else if (command === 'stack') await stack()
else await leave(location!, steps)
