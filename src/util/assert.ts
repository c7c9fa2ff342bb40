/**
 * Assertions of invariants. They stay on in production: a store that has lost an invariant must stop, not write.
 */
import { AssertionError } from 'node:assert'

/**
 * Throws an `AssertionError` with `message` unless `condition` holds. The message is a constant string, so that a
 * passing assertion costs one comparison.
 */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) fail(message)
}

function fail(message: string): never {
  throw new AssertionError({ message: `invariant broken: ${message}`, stackStartFn: assert })
}
