/**
 * Equality of values as the store promises it: -0 is not 0, NaN is NaN, properties come in the same order, prototypes do not count,
 * a property that is undefined counts as absent.
 */

/** Whether what was read is what was put. */
export function isSame(read: unknown, put: unknown): boolean {
  if (typeof read !== 'object' || typeof put !== 'object' || read === null || put === null) return Object.is(read, put)
  if (read instanceof Uint8Array || put instanceof Uint8Array) {
    return read instanceof Uint8Array && put instanceof Uint8Array && Buffer.compare(read, put) === 0
  }
  if (Array.isArray(read) !== Array.isArray(put)) return false
  const [a, b] = [properties(read), properties(put)]
  return a.length === b.length && a.every(([key, value], i) => key === b[i]![0] && isSame(value, b[i]![1]))
}

function properties(source: object): [string, unknown][] {
  return Object.entries(source).filter(([, value]) => value !== undefined)
}
