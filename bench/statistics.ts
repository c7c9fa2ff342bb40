/** Medians, spreads and ratios of runs, and how numbers are written. */

/** The middle of the numbers. */
export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b)
  const middle = sorted.length >>> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** How far apart the numbers are, as a share of their middle. */
export function spread(numbers: readonly number[]): number {
  const middle = median(numbers)
  return middle === 0 ? 0 : (Math.max(...numbers) - Math.min(...numbers)) / middle
}

/** A number with as many digits as it deserves. */
export function format(number: number): string {
  if (number >= 100) return Math.round(number).toLocaleString('en')
  return number === 0 ? '0' : number.toPrecision(3)
}
